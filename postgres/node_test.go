package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// peer is a node of its own: a store, as another process has it, and its lease.
type peer struct {
	*Store
	lease waybell.Lease
	mu    sync.Mutex
	last  waybell.Key
}

func join(t testing.TB, cfg Config) *peer {
	t.Helper()
	p := &peer{Store: openStore(t, cfg), last: waybell.KeyAt(time.Now())}
	var err error
	if p.lease, err = p.Join(t.Context(), waybell.NodeInfo{Name: t.Name(), Version: "v1", Role: waybell.RoleWorker}); err != nil {
		t.Fatal(err)
	}
	return p
}

// publish accepts one event with a delivery to endpoint 7 of agent 1.
func (p *peer) publish(ctx context.Context) (*waybell.NewEvent, error) {
	p.mu.Lock()
	p.last += 1 << 10
	key := p.last | waybell.Key(p.lease.Slot)
	p.mu.Unlock()
	e := &waybell.NewEvent{Event: waybell.Event{Key: key, Agent: 1, AgentID: "agent", AgentName: "Agent",
		ID: waybell.EventID(key), Type: "lead.submit", Timestamp: key.Time(), Data: []byte(`{}`)}}
	e.Targets = []waybell.NewTarget{{Endpoint: 7, WindowEnd: key.Time().Add(24 * time.Hour)}}
	_, err := p.Accept(ctx, p.lease, 1<<60, []*waybell.NewEvent{e})
	return e, err
}

func (p *peer) mustPublish(t testing.TB) *waybell.NewEvent {
	t.Helper()
	e, err := p.publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (p *peer) owned(t testing.TB) []waybell.Waiting {
	t.Helper()
	list, err := p.Owned(t.Context(), p.lease, waybell.Waiting{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// beat sends heartbeats until the test ends or the returned function is called.
func (p *peer) beat(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(p.watch.deadAfter / 20)
		defer tick.Stop()
		for ctx.Err() == nil {
			err := p.Heartbeat(ctx, p.lease, waybell.NodeLoad{InFlight: 3, Queued: 4})
			if err != nil && !errors.Is(err, waybell.ErrUnavailable) && ctx.Err() == nil {
				t.Errorf("heartbeat of node %d: %v", p.lease.Node, err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

// hasten makes nodes die young, so that tests need not wait.
func hasten(peers ...*peer) {
	for _, p := range peers {
		p.watch.mu.Lock()
		p.watch.deadAfter, p.watch.gap = 2*time.Second, 500*time.Millisecond
		p.watch.mu.Unlock()
	}
}

// adopt looks for dead nodes as the engine does until something was adopted, and
// tells how many rows.
func (p *peer) adopt(t testing.TB, within time.Duration) (n int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(within); ; {
		got, more, err := p.Adopt(t.Context(), p.lease, time.Now())
		if err != nil && !errors.Is(err, waybell.ErrUnavailable) {
			t.Fatal(err)
		}
		n += got
		if n > 0 && !more {
			return n
		}
		select {
		case <-tick.C:
		case <-late:
			return n
		}
	}
}

// A node whose heartbeat stops is dead for exactly one of the others, which
// releases its deliveries; one that goes on beating is left alone.
func TestDeadNodeIsAdoptedOnce(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b, c := join(t, Config{URL: url}), join(t, Config{URL: url}), join(t, Config{URL: url})
	hasten(a, b, c)
	for range 5 {
		a.mustPublish(t)
	}
	mine := b.mustPublish(t)
	b.beat(t)
	c.beat(t)
	stop := a.beat(t)
	if n := b.adopt(t, 3*time.Second); n != 0 {
		t.Fatalf("%d rows of living nodes were adopted", n)
	}
	stop()
	died := time.Now()
	var byB, byC int
	var both sync.WaitGroup
	both.Go(func() { byB = b.adopt(t, 5*time.Second) })
	both.Go(func() { byC = c.adopt(t, 5*time.Second) })
	both.Wait()
	if byB+byC != 5 || byB*byC != 0 {
		t.Fatalf("adopted %d and %d rows, want 5 by one node", byB, byC)
	}
	if took := time.Since(died); took < 2*time.Second {
		t.Errorf("the node was dead after %v", took)
	}
	if _, err := a.publish(t.Context()); !errors.Is(err, waybell.ErrFenced) {
		t.Errorf("the dead node publishes: %v", err)
	}
	if err := a.Heartbeat(t.Context(), a.lease, waybell.NodeLoad{}); !errors.Is(err, waybell.ErrFenced) {
		t.Errorf("the dead node beats: %v", err)
	}
	if got := b.owned(t); len(got) != 1 || got[0].Event != mine.Key {
		t.Errorf("the living node owns %+v", got)
	}
	claimed, err := c.Claim(t.Context(), c.lease, time.Now(), []waybell.ClaimWant{{Endpoint: 7, Max: 10}})
	if err != nil || len(claimed) != 5 {
		t.Errorf("claimed %d of what was adopted: %v", len(claimed), err)
	}
}

// While the database is away nobody's heartbeat moves: that kills nobody.
func TestOutageKillsNobody(t *testing.T) {
	t.Parallel()
	server := startServer(t, nil)
	url := server.Database(t)
	a, b := join(t, Config{URL: url, Timeout: time.Second}), join(t, Config{URL: url, Timeout: time.Second})
	hasten(a, b)
	a.mustPublish(t)
	a.beat(t)
	b.beat(t)
	b.adopt(t, 500*time.Millisecond)
	server.Freeze(t)
	if n := b.adopt(t, 3*time.Second); n != 0 {
		t.Fatalf("adopted %d rows of a frozen database", n)
	}
	server.Thaw(t)
	if n := b.adopt(t, 3*time.Second); n != 0 {
		t.Fatalf("%d rows were adopted because the database was away", n)
	}
	a.mustPublish(t)
}

// While the database takes no writes everybody's heartbeat stands still, for all
// to read: that kills nobody either, and neither does the moment in which it takes
// them again, when who looks first would find all others silent.
func TestReadOnlyKillsNobody(t *testing.T) {
	t.Parallel()
	server := startServer(t, nil)
	url := server.Database(t)
	a, b := join(t, Config{URL: url}), join(t, Config{URL: url})
	hasten(a, b)
	a.mustPublish(t)
	stop := a.beat(t)
	b.beat(t)
	b.adopt(t, 500*time.Millisecond)
	server.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	if n := b.adopt(t, 3*time.Second); n != 0 {
		t.Fatalf("adopted %d rows of a database that takes no writes", n)
	}
	stop() // the heartbeat of a comes later than the look of b
	server.Exec(t, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
	if n := b.adopt(t, time.Second); n != 0 {
		t.Fatalf("%d rows were adopted because the database took no writes", n)
	}
	a.mustPublish(t)
}

// Nodes are listed with what they said of themselves and their load.
func TestNodes(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b := join(t, Config{URL: url}), join(t, Config{URL: url})
	if err := b.Heartbeat(t.Context(), b.lease, waybell.NodeLoad{InFlight: 3, Queued: 4}); err != nil {
		t.Fatal(err)
	}
	list, err := a.Nodes(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	n := list[1]
	if n.Number != b.lease.Node || n.Slot != b.lease.Slot || n.Name != t.Name() || n.Role != waybell.RoleWorker ||
		n.InFlight != 3 || n.Queued != 4 || n.Dead || time.Since(n.SeenAt) > time.Minute || n.SeenAt.Before(n.JoinedAt) {
		t.Errorf("%+v", n)
	}
	if err := b.Leave(t.Context(), b.lease); err != nil {
		t.Fatal(err)
	}
	if list, err = a.Nodes(t.Context()); err != nil || len(list) != 2 || !list[1].Dead {
		t.Errorf("after one left: %+v, %v", list, err)
	}
	for more := true; more; {
		if _, more, err = a.Adopt(t.Context(), a.lease, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if list, err = a.Nodes(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("after it was replaced: %+v, %v", list, err)
	}
}

// Work that one node makes due, others hear of.
func TestWorkPutAsideIsHeard(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b := join(t, Config{URL: url}), join(t, Config{URL: url})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	hear := func(what string, do func()) {
		t.Helper()
		tick := time.NewTicker(200 * time.Millisecond) // it may not listen yet
		defer tick.Stop()
		for {
			do()
			select {
			case <-b.Changes():
				return
			case <-ctx.Done():
				t.Fatalf("%s was not heard", what)
			case <-tick.C:
			}
		}
	}
	hear("a new agent", func() {
		if _, err := a.CreateAgent(ctx, waybell.Agent{ID: waybell.EventID(a.mustPublish(t).Key), Name: "x", CreatedAt: time.Now(), UpdatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	})
	e := a.mustPublish(t)
	outcome := waybell.Settlement{DeliveryRef: waybell.DeliveryRef{Event: e.Key, Endpoint: 7}, Agent: 1, Kind: waybell.SettleRelease, NextAt: e.Timestamp}
	if err := a.Settle(ctx, a.lease, []waybell.Settlement{outcome}); err != nil {
		t.Fatal(err)
	}
	hear("a requeue", func() {
		_, err := a.Requeue(ctx, a.lease, []waybell.Requeue{{DeliveryRef: outcome.DeliveryRef, Agent: 1, Now: time.Now()}})
		if err != nil {
			t.Fatal(err)
		}
	})
	due, err := b.Due(ctx, time.Now())
	if err != nil || len(due) != 1 || due[0].Endpoint != 7 {
		t.Errorf("due for the other node: %+v, %v", due, err)
	}
}
