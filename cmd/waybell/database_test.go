package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
)

func TestHidePassword(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://user:hunter%202@db:5432/waybell", "postgres://db/waybell?user=x&password=hunter+2",
		"postgres://user:hunter 2@db\n/waybell", // no URL at all
	} {
		for _, spelling := range []string{"hunter 2", "hunter+2", "hunter%202", address} {
			if !strings.Contains(address, spelling) && spelling != "hunter 2" {
				continue
			}
			cause := errors.New("cannot connect with " + spelling)
			if address == "postgres://user:hunter 2@db\n/waybell" && spelling != address {
				continue // only as a whole
			}
			err := hidePassword(cause, address)
			if strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), mask) || !errors.Is(err, cause) {
				t.Errorf("%q in %q: %v", spelling, address, err)
			}
		}
		harmless := errors.New("no route to host")
		if err := hidePassword(harmless, address, ""); err != harmless {
			t.Errorf("%v", err)
		}
	}
	if hidePassword(nil, "x") != nil {
		t.Error("an error out of nothing")
	}
	if name := databaseName("postgres://user:hunter2@db:5432/waybell?password=hunter3"); name != "PostgreSQL db:5432/waybell" {
		t.Error(name)
	}
}

// A database that is not there is waited for, and told about, and no longer than
// the patience.
func TestAwaitDatabase(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "postgres://user:hunter2@" + l.Addr().String() + "/waybell?connect_timeout=1"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		began := time.Now()
		err := awaitDatabase(t.Context(), address, 7*time.Second, slog.New(slog.NewTextHandler(&logged, nil)))
		if exitCode(err) != exitUnavailable || !errors.Is(err, waybell.ErrUnavailable) || !strings.Contains(err.Error(), "see that it runs") {
			t.Errorf("%v", err)
		}
		if waited := time.Since(began); waited < 5*time.Second || waited > 7*time.Second {
			t.Errorf("waited %s", waited)
		}
		if n := strings.Count(logged.String(), "cannot be reached yet"); n != 1 { // one every 10 s
			t.Errorf("%d lines of the log:\n%s", n, &logged)
		}
		if strings.Contains(logged.String()+err.Error(), "hunter2") {
			t.Error("the password is shown")
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := awaitDatabase(gone, address, time.Hour, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("asked to stop: %v", err)
		}
	})
}

// A password whose special characters stand in the URL as they are must not be
// taken for a host or a database, which are shown.
func TestCheckDatabaseURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"", "postgres://db/waybell", "postgresql://u@db", "postgres://u:p%40ss%2Fw@127.0.0.1:5432/x?sslmode=disable",
		"postgres://u:p@h1:5432,h2:5433/x?target_session_attrs=read-write", "postgres://u:p:q@[::1]:5432/x", "postgres://u:p@[::1]/x",
		"postgres:///x?host=/run/postgresql&user=a@b", "postgres://h/x?password=a@b/c",
	} {
		if err := checkDatabaseURL("database-url", secretValue(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"postgres://waybell:hun@ter/2@127.0.0.1/x", "postgres://waybell:hun/ter@127.0.0.1/x", "postgres://waybell:hun@ter@127.0.0.1/x",
		"postgres://waybell:hun?ter@127.0.0.1/x", "postgres://waybell:12?ter@127.0.0.1/x", "postgres://waybell:12#ter@127.0.0.1/x",
		"postgres://waybell:hun#ter@127.0.0.1/x", "postgres://waybell:hun%ter@127.0.0.1/x", "postgres://waybell:hunter", "mysql://waybell:hunter@db/x", "hunter",
	} {
		err := checkDatabaseURL("database-url", secretValue(bad))
		if err == nil || !strings.HasPrefix(err.Error(), "database-url: ") {
			t.Errorf("%s: %v", bad, err)
			continue
		}
		for _, part := range []string{"hun", "127", "waybell"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s is in %v", part, err)
			}
		}
	}
}
