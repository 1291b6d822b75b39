package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/postgres"
	"github.com/waybell/waybell/sqlite"
)

// seedEndpoints are those of the test's agent.
const seedEndpoints = 3

// TestBacklogIsWhatAServerWouldHaveLeft: the rows that S6 writes itself are
// ones that the store knows, counts and claims.
func TestBacklogIsWhatAServerWouldHaveLeft(t *testing.T) {
	t.Parallel()
	t.Run(SQLite, func(t *testing.T) {
		t.Parallel()
		st := &embedded{t.TempDir()}
		testBacklog(t, st, func() waybell.Store {
			s, err := sqlite.Open(t.Context(), sqlite.Config{Dir: st.dir})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
			return s
		})
	})
	t.Run(Postgres, func(t *testing.T) {
		t.Parallel()
		d := &database{url: pgtest.Database(t), end: func() error { return nil }}
		var err error
		if d.pool, err = pgxpool.New(t.Context(), d.url); err != nil {
			t.Fatal(err)
		}
		defer d.close()
		st, err := d.schema(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		url, err := st.url()
		if err != nil {
			t.Fatal(err)
		}
		testBacklog(t, st, func() waybell.Store {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
		if u, err := st.usage(t.Context()); err != nil || u.size == 0 || u.wal == 0 {
			t.Errorf("usage: %+v, %v", u, err)
		}
	})
}

func testBacklog(t *testing.T, st store, open func() waybell.Store) {
	ids := deliverOne(t, open())
	ctx, now := t.Context(), time.Now()
	var b backlog
	for _, events := range []int{10, 25} {
		if err := b.extend(ctx, st, events); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.due(ctx, st, ids[0], now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := b.refused(ctx, st, ids[1], now); err != nil {
		t.Fatal(err)
	}
	s := open()
	defer s.Close()
	agent, err := s.Agent(ctx, backlogAgent)
	if err != nil {
		t.Fatal(err)
	}
	counters, err := s.Counters(ctx, agent.Number)
	if err != nil || len(counters) != seedEndpoints {
		t.Fatalf("%d counters, %v", len(counters), err)
	}
	lease, err := s.Join(ctx, waybell.NodeInfo{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		if c.Accepted != 26 || c.Delivered != 1 || c.Retrying != 25 || c.Pending+c.Failed+c.Canceled != 0 {
			t.Errorf("endpoint %d: %+v", c.Endpoint, c)
		}
		isDue, isOpen := false, false
		for i, id := range ids {
			e, err := s.Endpoint(ctx, agent.Number, id)
			if err != nil {
				t.Fatal(err)
			}
			if e.Number == c.Endpoint {
				isDue, isOpen = i == 0, i == 1
			}
		}
		if c.Health.Open != isOpen {
			t.Errorf("endpoint %d: open %v, want %v", c.Endpoint, c.Health.Open, isOpen)
		}
		rows, err := s.Claim(ctx, lease, now, []waybell.ClaimWant{{Endpoint: c.Endpoint, Max: 100}})
		if err != nil || isDue != (len(rows) == 25) || !isDue && len(rows) != 0 {
			t.Errorf("endpoint %d: %d rows due, %v", c.Endpoint, len(rows), err)
		}
		var refs []waybell.EventRef
		for _, w := range rows {
			refs = append(refs, waybell.EventRef{Agent: w.Agent, Key: w.Event})
			if w.Attempts != 1 || w.Type != "message.received" || !w.WindowEnd.After(now) || w.StatusCode != 503 {
				t.Fatalf("%+v", w)
			}
		}
		events, err := s.EventsByKey(ctx, refs)
		if err != nil || len(events) != len(rows) {
			t.Errorf("%d events of %d rows, %v", len(events), len(rows), err)
		}
		for _, e := range events {
			if !bytes.Contains(e.Data, []byte("Thursday")) {
				t.Fatalf("data %s", e.Data)
			}
		}
	}
}

// deliverOne publishes one event to the agent's endpoints, and returns their
// ids once it is delivered.
func deliverOne(t *testing.T, s waybell.Store) (ids []string) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer receiver.Close()
	defer s.Close()
	ended := make(chan struct{}, seedEndpoints)
	svc, err := waybell.New(waybell.Config{
		Store: s, AllowTargets: []string{"127.0.0.0/8"}, Logger: slog.New(slog.DiscardHandler),
		EncryptionKeys: []waybell.Secret{waybell.Secret(base64.StdEncoding.EncodeToString(make([]byte, 32)))},
		OnAttempt:      func(waybell.AttemptReport) { ended <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.CreateAgent(ctx, waybell.AgentInput{ID: backlogAgent, Name: waybell.Some("Backlog")}); err != nil {
		t.Fatal(err)
	}
	for range seedEndpoints {
		e, err := svc.CreateEndpoint(ctx, backlogAgent, waybell.EndpointInput{URL: waybell.Some(receiver.URL), Events: waybell.Some([]string{"*"})})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.Endpoint.ID)
	}
	if _, err := svc.Publish(ctx, backlogAgent, waybell.PublishInput{Type: "message.received", Data: []byte(eventData())}); err != nil {
		t.Fatal(err)
	}
	for range seedEndpoints {
		<-ended
	}
	if err := svc.Stop(context.WithoutCancel(ctx)); err != nil { // stores the outcomes
		t.Fatal(err)
	}
	return ids
}
