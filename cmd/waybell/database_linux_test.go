package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/internal/teststore"
)

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A node waits for its database at the start, is not ready while it is cut off
// from it, refuses to publish then, and comes back by itself.
func TestDatabaseGoneAndBack(t *testing.T) {
	t.Parallel()
	if !teststore.Embedded(t) {
		return // it is on PostgreSQL, whichever store is chosen
	}
	target, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	network := pgtest.StartProxy(t, target.Host)
	network.Refuse()
	target.Host = network.Addr()

	c := &configuration{settings: newSettings()}
	c.Listen, c.DatabaseURL, c.EncryptionKey = "127.0.0.1:0", secretValue(target.String()), moveKey
	c.APIKey, c.ShutdownGrace = "test-key-0123456789-abcdef", durationValue(time.Second)
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	var logged syncBuffer
	began := make(chan error, 1)
	var s *server
	go func() {
		var err error
		s, err = startServer(t.Context(), c, slog.New(slog.NewTextHandler(&logged, nil)), nil)
		began <- err
	}()
	if !poll(func() bool { return strings.Contains(logged.String(), "cannot be reached yet") }) {
		t.Fatalf("the wait is not told: %s", logged.String())
	}
	network.Heal()
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	ready := func() bool {
		resp, err := http.Get(s.url + "/readyz")
		if err != nil {
			t.Error(err)
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	if !ready() {
		t.Error("not ready after the start")
	}
	if _, err := s.svc.CreateAgent(t.Context(), waybell.AgentInput{ID: "shop", Name: waybell.Some("Shop")}); err != nil {
		t.Fatal(err)
	}

	network.Silence(pgtest.ToServer | pgtest.ToClient)
	cut := time.Now()
	_, err = s.svc.Publish(t.Context(), "shop", waybell.PublishInput{Type: "lead.submit", Data: []byte(`{"name":"n"}`)})
	if code := waybell.ErrorCode(err); code != waybell.CodeUnavailable {
		t.Errorf("publishing while cut off: %v", err)
	}
	if took := time.Since(cut); took > 6*time.Second {
		t.Errorf("publishing was refused after %s", took)
	}
	if !poll(func() bool { return !ready() }) {
		t.Fatal("ready while it is cut off")
	}
	if took := time.Since(cut); took > 12*time.Second {
		t.Errorf("not ready after %s", took)
	}
	network.Heal()
	if !poll(ready) {
		t.Fatal("not ready again")
	}
	if _, err := s.svc.Publish(t.Context(), "shop", waybell.PublishInput{Type: "lead.submit", Data: []byte(`{"name":"n"}`)}); err != nil {
		t.Errorf("publishing after the return: %v", err)
	}
	checks := s.findings(t.Context())
	if len(checks) != 2 || checks[0].Name != "database" || checks[0].Status != "ok" || checks[1].Name != "database_changes" {
		t.Errorf("%+v", checks)
	}
}
