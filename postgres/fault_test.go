package postgres

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// startServer starts a server of the test's own, to be harmed.
func startServer(t testing.TB, settings map[string]string) *pgtest.Cluster {
	t.Helper()
	return pgtest.Start(t, pgtest.Options{Settings: settings, Dir: pgtest.Memory()})
}

// eventually waits until f succeeds.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// A commit that the server ran though its answer was lost, or runs only later,
// or never, is one of unknown outcome; what the node owns afterwards is exactly
// what was stored, for good.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	const patience = 400 * time.Millisecond
	for _, c := range []struct {
		name   string
		break_ func(t *testing.T, server *pgtest.Cluster, network *pgtest.Proxy) (mend func())
		stored bool
	}{
		{"the answer is lost", func(_ *testing.T, _ *pgtest.Cluster, network *pgtest.Proxy) func() {
			network.Silence(pgtest.ToClient)
			return network.Heal
		}, true},
		{"the request is lost", func(_ *testing.T, _ *pgtest.Cluster, network *pgtest.Proxy) func() {
			network.Silence(pgtest.ToServer)
			return func() { network.Cut(); network.Heal() }
		}, false},
		{"the server froze and wakes up later", func(t *testing.T, server *pgtest.Cluster, _ *pgtest.Proxy) func() {
			server.Freeze(t)
			return func() { server.Thaw(t) }
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, nil)
			network := pgtest.StartProxy(t, server.Addr())
			p := join(t, Config{URL: network.URL(server.Database(t)), Timeout: patience})
			before := p.mustPublish(t)
			mend := c.break_(t, server, network)
			started := time.Now()
			e, err := p.publish(t.Context())
			if !errors.Is(err, waybell.ErrCommitUnknown) || !errors.Is(err, waybell.ErrUnavailable) {
				t.Errorf("publish: %v", err)
			}
			if took := time.Since(started); took > patience+time.Second {
				t.Errorf("publish answered after %v", took)
			}
			mend()
			var owned []waybell.Waiting
			eventually(t, "read back", func() (err error) {
				owned, err = p.Owned(t.Context(), p.lease, waybell.Waiting{}, 10)
				return err
			})
			keys := map[waybell.Key]bool{}
			for _, w := range owned {
				keys[w.Event] = true
			}
			if !keys[before.Key] {
				t.Error("what was stored before is gone")
			}
			if c.stored && !keys[e.Key] {
				t.Error("what the server stored was not read back")
			}
			// Nothing of the lost transaction comes after the reading back.
			eventually(t, "publish again", func() error { _, err := p.publish(t.Context()); return err })
			after := p.owned(t)
			if len(after) != len(owned)+1 {
				t.Errorf("%d rows are owned, want %d and one more", len(after), len(owned))
			}
		})
	}
}

// That a node raised its incarnation may be of unknown outcome as well. It goes on
// writing as the same node, whether the server ran it, and even where a failover
// lost it again.
func TestUnknownRaise(t *testing.T) {
	t.Parallel()
	server := startServer(t, nil)
	network := pgtest.StartProxy(t, server.Addr())
	p := join(t, Config{URL: network.URL(server.Database(t)), Timeout: time.Second})
	first := p.mustPublish(t)
	network.Silence(pgtest.ToClient)
	if _, err := p.publish(t.Context()); !errors.Is(err, waybell.ErrCommitUnknown) {
		t.Fatalf("publish: %v", err)
	}
	// Its answer is lost, too; the server has it.
	network.Heal()
	eventually(t, "raise", func() error {
		return p.change(t.Context(), func(tx *tx) error {
			_, err := tx.exec("UPDATE nodes SET incarnation = $1 WHERE node = $2", p.leases.raise(p.lease.Node), p.lease.Node)
			return err
		})
	})
	outcome := waybell.Settlement{DeliveryRef: waybell.DeliveryRef{Event: first.Key, Endpoint: 7}, Agent: 1, Kind: waybell.SettleRelease, NextAt: time.Now()}
	eventually(t, "settle", func() error {
		err := p.Settle(t.Context(), p.lease, []waybell.Settlement{outcome})
		if errors.Is(err, waybell.ErrFenced) {
			t.Fatalf("settle: %v", err)
		}
		return err
	})
	if list := p.owned(t); len(list) != 1 {
		t.Errorf("%d rows are owned, want the one of unknown outcome", len(list))
	}
	if _, err := p.publish(t.Context()); err != nil {
		t.Errorf("publish: %v", err)
	}

	if _, err := p.pool.Exec(t.Context(), "UPDATE nodes SET incarnation = 0"); err != nil {
		t.Fatal(err)
	}
	if err := p.Heartbeat(t.Context(), p.lease, waybell.NodeLoad{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.publish(t.Context()); err != nil {
		t.Errorf("publish after a failover: %v", err)
	}
}

// Whatever is wrong with the database, publishers are answered in time, with an
// error that tells them to try again; when it is right again everything goes on
// by itself.
func TestDatabaseTrouble(t *testing.T) {
	t.Parallel()
	const patience = 700 * time.Millisecond
	for _, c := range []struct {
		name string
		harm func(t *testing.T, server *pgtest.Cluster) (mend func())
	}{
		{"stopped at once", func(t *testing.T, server *pgtest.Cluster) func() {
			server.Stop(t, pgtest.Immediate)
			return func() { server.Start(t) }
		}},
		{"stopped in order", func(t *testing.T, server *pgtest.Cluster) func() {
			server.Stop(t, pgtest.Fast)
			return func() { server.Start(t) }
		}},
		{"frozen", func(t *testing.T, server *pgtest.Cluster) func() {
			server.Freeze(t)
			return func() { server.Thaw(t) }
		}},
		{"read-only", func(t *testing.T, server *pgtest.Cluster) func() {
			readOnly := func(value string) {
				server.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = "+value, "SELECT pg_reload_conf()",
					"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
			}
			readOnly("on")
			return func() {
				server.Exec(t, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, nil)
			p := join(t, Config{URL: server.Database(t), Timeout: patience})
			p.mustPublish(t)
			mend := c.harm(t, server)
			eventually(t, "the trouble shows", func() error {
				if _, err := p.publish(t.Context()); err == nil {
					return errors.New("publishing works")
				}
				return nil
			})
			var publishers sync.WaitGroup
			for range 20 {
				publishers.Go(func() {
					for range 3 {
						started := time.Now()
						_, err := p.publish(t.Context())
						if !errors.Is(err, waybell.ErrUnavailable) {
							t.Errorf("publish: %v", err)
						}
						if took := time.Since(started); took > patience+time.Second {
							t.Errorf("publish answered after %v", took)
						}
					}
				})
			}
			publishers.Wait()
			mend()
			eventually(t, "publishing works again", func() error { _, err := p.publish(t.Context()); return err })
			if err := p.Heartbeat(t.Context(), p.lease, waybell.NodeLoad{}); err != nil {
				t.Errorf("heartbeat: %v", err)
			}
			p.owned(t)
			if _, err := p.publish(t.Context()); err != nil {
				t.Errorf("publish after the reading back: %v", err)
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Disk: 128 << 20, WALApart: true})
	p := join(t, Config{URL: server.Database(t)})
	e := p.mustPublish(t)
	server.Fill(t)
	eventually(t, "the disk is full", func() error {
		switch _, err := p.publishBytes(t.Context(), 1<<20); {
		case err == nil:
			return errors.New("publishing works")
		case !errors.Is(err, waybell.ErrUnavailable):
			t.Fatalf("publish: %v", err)
		}
		return nil
	})
	server.Free(t)
	eventually(t, "publishing works again", func() error { _, err := p.publishBytes(t.Context(), 1<<20); return err })
	if _, err := p.Event(t.Context(), 1, e.Key); err != nil {
		t.Errorf("what was stored before: %v", err)
	}
}

// A primary that is gone is replaced by its standby: the URL names both.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := startServer(t, nil)
	address := primary.Database(t)
	standby := primary.Standby(t, true)
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	at.Host += "," + standby.Addr()
	query := at.Query()
	query.Set("target_session_attrs", "read-write")
	at.RawQuery = query.Encode()
	p := join(t, Config{URL: at.String(), Timeout: time.Second})
	var stored []waybell.Key
	for range 20 {
		stored = append(stored, p.mustPublish(t).Key)
	}
	primary.Kill(t)
	if _, err := p.publish(t.Context()); !errors.Is(err, waybell.ErrUnavailable) {
		t.Errorf("publish without a primary: %v", err)
	}
	standby.Promote(t)
	eventually(t, "publishing works again", func() error { _, err := p.publish(t.Context()); return err })
	for _, k := range stored {
		if _, err := p.Event(t.Context(), 1, k); err != nil {
			t.Errorf("an event that was confirmed is lost: %v", err)
		}
	}
}

// A client that froze inside a transaction does not keep its locks: another node
// can bury it.
func TestFrozenClientLosesItsLocks(t *testing.T) {
	t.Parallel()
	cfg := Config{URL: database(t)}
	a, b := join(t, cfg), join(t, cfg)
	conn, err := dial(t.Context(), cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT waybell_begin($1, 1, 0)", a.lease.Node); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	eventually(t, "bury", func() error {
		buried, err := b.bury(t.Context(), b.lease, a.lease.Node, 0)
		if err == nil && !buried {
			t.Fatal("it stirred")
		}
		return err
	})
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("the locks were kept for %v", took)
	}
}

// A server that would lose what it confirmed is refused.
func TestServerWithoutFsync(t *testing.T) {
	t.Parallel()
	server := startServer(t, map[string]string{"fsync": "off"})
	_, err := Open(t.Context(), Config{URL: server.Database(t)})
	if err == nil || !strings.Contains(err.Error(), "fsync") {
		t.Fatalf("open: %v", err)
	}
}

// publishBytes publishes an event with so much data.
func (p *peer) publishBytes(ctx context.Context, n int) (*waybell.NewEvent, error) {
	p.mu.Lock()
	p.last += 1 << 10
	key := p.last | waybell.Key(p.lease.Slot)
	p.mu.Unlock()
	e := &waybell.NewEvent{Event: waybell.Event{Key: key, Agent: 1, AgentID: "agent", Type: "lead.submit", Timestamp: key.Time(), Data: make([]byte, n)}}
	_, err := p.Accept(ctx, p.lease, 1<<60, []*waybell.NewEvent{e})
	return e, err
}
