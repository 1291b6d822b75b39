//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/pgserver"
)

// Bouncer is PgBouncer in transaction mode: each transaction of a client may
// run in another session of the server, so what a session keeps (SET, prepared
// statements, LISTEN, advisory locks of the session) must not be relied on.
type Bouncer struct {
	dir  string
	port int

	process *pgserver.Process
}

// StartBouncer starts a PgBouncer before the server of a URL, on a port of its
// own, until the test ends. The settings are those of pgbouncer.ini's section
// [pgbouncer], beside and before the package's own, default_pool_size for
// example. The user is that of the URL.
func StartBouncer(t testing.TB, server string, settings map[string]string) *Bouncer {
	t.Helper()
	folder, err := pgserver.NewFolder("")
	if err != nil {
		t.Fatalf("pgtest: bouncer: %v", err)
	}
	b := &Bouncer{dir: folder.Dir()}
	t.Cleanup(func() {
		if t.Failed() {
			log, err := os.ReadFile(b.log())
			t.Logf("the log of PgBouncer on port %d (%v):\n%s", b.port, err, log)
		}
		if err := folder.End(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
		if b.process != nil {
			<-b.process.Done()
		}
	})
	if err := b.launch(server, settings); err != nil {
		t.Fatalf("pgtest: bouncer: %v", err)
	}
	return b
}

// launch starts it on a free port, on another one where somebody was faster.
func (b *Bouncer) launch(server string, settings map[string]string) error {
	u, err := url.Parse(server)
	if err != nil {
		return err
	}
	for range 5 {
		if b.port, err = pgserver.FreePort(); err != nil {
			return err
		}
		if err = b.configure(u, settings); err != nil {
			return err
		}
		if err = b.start(); err == nil {
			return nil
		}
	}
	return err
}

func (b *Bouncer) configure(server *url.URL, settings map[string]string) error {
	users := filepath.Join(b.dir, "users")
	all := map[string]string{
		"listen_addr":               "127.0.0.1",
		"listen_port":               strconv.Itoa(b.port),
		"unix_socket_dir":           "",
		"auth_type":                 "trust",
		"auth_file":                 users,
		"admin_users":               server.User.Username(),
		"pool_mode":                 "transaction",
		"max_client_conn":           "1000",
		"default_pool_size":         "20",
		"ignore_startup_parameters": "extra_float_digits",
	}
	maps.Copy(all, settings)
	var ini strings.Builder
	fmt.Fprintf(&ini, "[databases]\n* = host=%s port=%s\n[pgbouncer]\n", server.Hostname(), server.Port())
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&ini, "%s = %s\n", name, all[name])
	}
	return errors.Join(
		os.WriteFile(b.ini(), []byte(ini.String()), 0o644),
		os.WriteFile(users, []byte(strconv.Quote(server.User.Username())+` ""`+"\n"), 0o644))
}

func (b *Bouncer) ini() string { return filepath.Join(b.dir, "pgbouncer.ini") }
func (b *Bouncer) log() string { return filepath.Join(b.dir, "log") }

// start starts PgBouncer and waits until it takes connections.
func (b *Bouncer) start() error {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // not in everybody's PATH
	}
	process, err := pgserver.Launch(b.dir, b.log(), program, b.ini())
	if err != nil {
		return err
	}
	b.process = process
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for {
		if c, err := net.Dial("tcp", b.Addr()); err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-process.Done():
			text, err := os.ReadFile(b.log())
			return fmt.Errorf("PgBouncer ended (%v):\n%s", err, text)
		case <-timeout:
			return fmt.Errorf("PgBouncer took no connection within %v", patience)
		}
	}
}

// Addr is the host and port of PgBouncer.
func (b *Bouncer) Addr() string { return pgserver.Address(b.port) }

// URL is that of a database through PgBouncer; the database pgbouncer is its
// own console.
func (b *Bouncer) URL(database string) string { return pgserver.URL(b.Addr(), database) }

// Kill ends PgBouncer at once, with all connections through it.
func (b *Bouncer) Kill(t testing.TB) {
	t.Helper()
	if err := b.process.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("pgtest: bouncer: %v", err)
	}
	<-b.process.Done()
}

// Start starts PgBouncer again after [Bouncer.Kill], on its port.
func (b *Bouncer) Start(t testing.TB) {
	t.Helper()
	if err := b.start(); err != nil {
		t.Fatalf("pgtest: bouncer: %v", err)
	}
}
