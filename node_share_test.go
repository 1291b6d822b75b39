package waybell_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

func role(of ...waybell.Role) func(int, *waybell.Config) {
	return func(i int, c *waybell.Config) { c.Role = of[min(i, len(of)-1)] }
}

// An API node sends nothing; a worker takes nothing in and sends what the other
// put aside: at once where the store hints, within a second and a bit without.
func TestRoles(t *testing.T) {
	t.Parallel()
	for name, mute := range map[string]bool{"hinted": false, "polling": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, receivertest.Sequence(receivertest.Answer(503, ""), receivertest.Answer(200, "")), 2,
					role(waybell.RoleAPI, waybell.RoleWorker))
				c.mute = mute
				c.agent("standard")
				c.endpoint("a")
				time.Sleep(time.Second)
				within := 50 * time.Millisecond
				if mute {
					within = 1100 * time.Millisecond
				}
				for i := range 3 {
					c.publish(i)
					time.Sleep(within)
					if n := c.receiver.Count(); n != i+1 {
						t.Errorf("%d requests %v after event %d", n, within, i+1)
					}
				}
				if err := publishOn(t.Context(), c.nodes[1]); waybell.ErrorCode(err) != waybell.CodeUnavailable {
					t.Errorf("publish to a worker: %v, want unavailable", err)
				}
				time.Sleep(10 * time.Second) // the first one is tried again
				if l := c.ledger(); l.Delivered != 3 || c.receiver.Count() != 4 {
					t.Errorf("ledger %+v, %d requests", l, c.receiver.Count())
				}
				if n := c.nodes[0].store.count("Claim") + c.nodes[0].store.count("Due"); n > 20 {
					t.Errorf("the API node looked for work %d times", n)
				}
				if err := errors.Join(c.nodes[0].Ready(), c.nodes[1].Ready()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRolesNeedASharedStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	svc, err := waybell.New(waybell.Config{Store: r.store, EncryptionKeys: []waybell.Secret{testKey}, Role: waybell.RoleAPI})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Start(t.Context()); err == nil {
		t.Error("an API node started on a store of its own")
	}
}

// A test send on an API node is made by a worker, whatever the endpoint's state,
// beside any backlog, once.
func TestTestSendsOfOtherNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 3, role(waybell.RoleAPI, waybell.RoleWorker))
		c.agent("standard")
		e := c.endpoint("a", func(in *waybell.EndpointInput) {
			in.Concurrency, in.RateLimit = waybell.Some(1), waybell.Some(1.0)
		})
		c.receiver.Handle("/a", receivertest.Always(receivertest.After(time.Second, receivertest.Answer(500, "no"))))
		send := func(name string) {
			began := time.Now()
			d, err := c.svc.Test(t.Context(), "bot", e.ID, waybell.TestInput{})
			if took := time.Since(began); err != nil || d.State != waybell.DeliveryFailed || len(d.Attempts) != 1 || took > 2500*time.Millisecond {
				t.Errorf("%s: %+v (%v) after %v, want one failed attempt", name, d, err, took)
			}
		}
		send("active")
		for i := range 30 {
			c.publish(i)
		}
		time.Sleep(time.Second)
		send("with a backlog")
		if _, err := c.svc.PauseEndpoint(t.Context(), "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		before := c.receiver.Count()
		send("paused")
		if n := c.receiver.Count() - before; n != 1 {
			t.Errorf("%d requests while paused, want the test alone", n)
		}
		_, err := c.svc.UpdateEndpoint(t.Context(), "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		send("disabled")
		time.Sleep(time.Minute)
		tests := 0
		for _, req := range c.receiver.Requests() {
			if req.Get("X-Waybell-Test") == "true" {
				tests++
			}
		}
		if tests != 4 {
			t.Errorf("%d test requests, want 4", tests)
		}
	})
}

// A node whose lease is not confirmed makes no test send either: another does.
func TestTestSendWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 2)
		c.agent("standard")
		e := c.endpoint("a")
		time.Sleep(time.Second)
		b := c.nodes[1]
		b.store.failBefore(waybell.ErrUnavailable, "Heartbeat")
		time.Sleep(9 * time.Second)
		before := c.nodes[0].store.count("Event") + c.nodes[0].store.count("EventsByKey")
		d, err := b.Test(t.Context(), "bot", e.ID, waybell.TestInput{})
		if err != nil || d.State != waybell.DeliveryDelivered || len(d.Attempts) != 1 || c.receiver.Count() != 1 {
			t.Errorf("%+v (%v) after %d requests, want one delivered", d, err, c.receiver.Count())
		}
		if n := c.nodes[0].store.count("Event") + c.nodes[0].store.count("EventsByKey") - before; n != 1 {
			t.Errorf("the other node read %d events, want the test's", n)
		}
	})
}

// Without a node that delivers a test send is returned as it waits.
func TestTestSendWithoutWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, role(waybell.RoleAPI))
		c.agent("standard")
		e := c.endpoint("a")
		began := time.Now()
		d, err := c.svc.Test(t.Context(), "bot", e.ID, waybell.TestInput{})
		if took := time.Since(began); err != nil || d.State != waybell.DeliveryPending || took > time.Minute {
			t.Errorf("%+v (%v) after %v, want it pending", d, err, took)
		}
	})
}

// What an endpoint allows at once is divided among the nodes, however many there
// are, and all is delivered.
func TestSharedConcurrency(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"one": 1, "two": 2, "five": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, receivertest.Always(receivertest.After(time.Second, receivertest.Answer(200, ""))), 3)
				c.agent("standard")
				c.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(limit) })
				time.Sleep(time.Second)
				events := 0
				publish := func(to ...*member) {
					for _, n := range to {
						c.publishTo(n, 6)
						events += 6
					}
				}
				publish(c.nodes...)
				time.Sleep(40 * time.Second)
				if most := c.receiver.Stats().MaxInFlight; most != limit {
					t.Errorf("%d requests at once, want %d", most, limit)
				}
				if l := c.ledger(); l.Delivered != int64(events) {
					t.Errorf("ledger %+v, want %d delivered", l, events)
				}
				c.stopNode(c.nodes[2], 10*time.Second)
				publish(c.nodes[:2]...)
				time.Sleep(20 * time.Second)
				c.stopNode(c.nodes[1], 10*time.Second)
				time.Sleep(3 * time.Second)
				began := c.receiver.Count()
				publish(c.nodes[0])
				time.Sleep(time.Duration(6/limit+3) * time.Second)
				if n := c.receiver.Count() - began; n != 6 {
					t.Errorf("%d of 6 sent by the node that is left, which has all of %d", n, limit)
				}
				if l := c.ledger(); l.Delivered != int64(events) || c.receiver.Stats().MaxInFlight != limit {
					t.Errorf("ledger %+v, %d at once; want %d delivered", l, c.receiver.Stats().MaxInFlight, events)
				}
			})
		})
	}
}

// A limit that becomes other nodes' gives back what is queued: nothing waits for
// ever, nothing is sent twice.
func TestShareMovesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Always(receivertest.After(500*time.Millisecond, receivertest.Answer(200, ""))), 1)
		c.agent("standard")
		for _, path := range []string{"a", "b", "c", "d"} {
			c.endpoint(path, func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
		}
		for i := range 20 {
			c.publish(i)
		}
		time.Sleep(time.Second)
		c.add()
		c.add()
		time.Sleep(time.Minute)
		for _, path := range []string{"/a", "/b", "/c", "/d"} {
			if st := c.receiver.StatsFor(path); st.Requests != 20 || st.MaxInFlight > 2 {
				t.Errorf("%s: %+v, want 20 requests, and two at once only while the others came", path, st)
			}
		}
		if l := c.ledger(); l.Delivered != 80 {
			t.Errorf("ledger %+v, want 80 delivered", l)
		}
	})
}

// A rate limit is divided, too.
func TestSharedRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 2)
		c.agent("standard")
		c.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(10.0) })
		time.Sleep(time.Second)
		c.publishTo(c.nodes[0], 200)
		c.publishTo(c.nodes[1], 200)
		time.Sleep(30 * time.Second)
		if n := c.receiver.Count(); n < 295 || n > 305 {
			t.Errorf("%d requests in 30 s at 10 a second", n)
		}
	})
}

// What one node finds out about a receiver the others know soon: while it is
// down one of them probes, and all go on once it is back.
func TestSharedBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		c := newCluster(t, upDown(&up, receivertest.Answer(503, "")), 3)
		c.agent("standard")
		c.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(9) })
		time.Sleep(time.Second)
		for range 50 { // only the first node has anything to send
			c.publishTo(c.nodes[0], 1)
			time.Sleep(time.Second)
		}
		for i, n := range c.nodes {
			if got := n.Load().BreakersOpen; got != 1 {
				t.Errorf("node %d has %d open breakers, want 1", i, got)
			}
		}
		c.publishTo(c.nodes[1], 20)
		c.publishTo(c.nodes[2], 20)
		before := c.receiver.Count()
		time.Sleep(10 * time.Minute)
		if n := c.receiver.Count() - before; n < 9 || n > 14 {
			t.Errorf("%d probes in ten minutes, want one a minute or a few more", n)
		}
		up.Store(true)
		time.Sleep(75 * time.Second)
		for i, n := range c.nodes {
			if got := n.Load(); got.BreakersOpen != 0 {
				t.Errorf("node %d: %+v, want the breaker closed", i, got)
			}
		}
		time.Sleep(time.Minute)
		if l := c.ledger(); l.Delivered != 90 {
			t.Errorf("ledger %+v, want 90 delivered", l)
		}
	})
}

// A delivery that was canceled while another node sends it can be sent again
// only when that attempt has ended.
func TestRetryWhileAnotherNodeSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Always(receivertest.After(10*time.Second, receivertest.Answer(503, ""))), 2)
		c.agent("standard")
		c.endpoint("a")
		time.Sleep(time.Second)
		c.publishTo(c.nodes[1], 1)
		time.Sleep(time.Second)
		id := c.only().ID()
		if _, err := c.svc.Retry(t.Context(), "bot", id); err != nil { // coalesced
			t.Errorf("retry of one under way: %v", err)
		}
		if _, err := c.svc.Cancel(t.Context(), "bot", id); err != nil {
			t.Fatal(err)
		}
		_, err := c.svc.Retry(t.Context(), "bot", id)
		var e *waybell.Error
		if !errors.As(err, &e) || e.Code != waybell.CodeDeliveryInFlight || e.RetryAfter <= 0 {
			t.Errorf("retry: %v, want delivery_in_flight with advice", err)
		}
		bulk, err := c.svc.RetryMany(t.Context(), "bot", waybell.BulkRetry{DeliveryIDs: []string{id}})
		if err != nil || bulk.Retried != 0 || len(bulk.Skipped) != 1 || bulk.Skipped[0].Code != waybell.CodeBusy {
			t.Errorf("bulk: %+v (%v), want it skipped as busy", bulk, err)
		}
		time.Sleep(10 * time.Second)
		if d := c.only(); d.State != waybell.DeliveryCanceled || len(d.Attempts) != 1 {
			t.Errorf("%+v, want canceled with the attempt kept", d)
		}
		if _, err := c.svc.Retry(t.Context(), "bot", id); err != nil {
			t.Errorf("retry after the attempt: %v", err)
		}
		time.Sleep(12 * time.Second)
		if d := c.only(); len(d.Attempts) != 2 || c.receiver.Stats().MaxInFlight != 1 {
			t.Errorf("%+v, %d at once; want a second attempt after the first", d, c.receiver.Stats().MaxInFlight)
		}
	})
}

// What one node changes the others know in time: keys, sessions, and endpoints;
// and a node that cannot ask lets no key in for long.
func TestKeysOfOtherNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 2)
		b := c.nodes[1]
		c.mute = true
		key := func() (waybell.APIKey, string) {
			k, text, err := c.svc.CreateKey(t.Context(), waybell.KeyInput{Name: "k", Scopes: []waybell.Scope{waybell.ScopeAdmin}})
			if err != nil {
				t.Fatal(err)
			}
			return k, text.Reveal()
		}
		k, text := key()
		_, stays := key()
		time.Sleep(time.Second)
		if _, err := b.Authenticate(t.Context(), text); err != nil {
			t.Errorf("a second after it was made: %v", err)
		}
		if err := c.svc.RevokeKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := b.Authenticate(t.Context(), text); waybell.ErrorCode(err) != waybell.CodeUnauthorized {
			t.Errorf("a second after it was revoked: %v", err)
		}
		b.store.cut(waybell.ErrUnavailable, 0)
		time.Sleep(4 * time.Second)
		if _, err := b.Authenticate(t.Context(), stays); err != nil {
			t.Errorf("4 s after the cut: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := b.Authenticate(t.Context(), stays); waybell.ErrorCode(err) != waybell.CodeUnavailable {
			t.Errorf("6 s after the cut: %v, want unavailable", err)
		}
		b.store.cut(nil, 0)
		time.Sleep(time.Second)
		if _, err := b.Authenticate(t.Context(), stays); err != nil {
			t.Errorf("a second after it was mended: %v", err)
		}
	})
}

func TestNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Always(receivertest.Hang()), 3, role(waybell.RoleAll, waybell.RoleWorker, waybell.RoleAPI))
		c.agent("standard")
		c.endpoint("a", func(in *waybell.EndpointInput) { in.TimeoutSeconds = waybell.Some(10) })
		c.publish(1)
		time.Sleep(3 * time.Second)
		for i, n := range c.nodes {
			list, err := n.Nodes(t.Context())
			if err != nil || len(list) != 3 {
				t.Fatalf("%+v (%v), want three nodes", list, err)
			}
			for j, v := range list {
				if v.This != (i == j) || v.Dead || v.Role != []waybell.Role{waybell.RoleAll, waybell.RoleWorker, waybell.RoleAPI}[j] {
					t.Errorf("node %d sees %+v in place %d", i, v, j)
				}
			}
			if list[0].InFlight != 1 {
				t.Errorf("node %d sees %+v, want one attempt under way", i, list[0].NodeLoad)
			}
		}
	})
}

// Who listens on one node hears within about a second of what another does, and
// nothing more once it is quiet.
func TestStreamOfOtherNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Sequence(receivertest.Answer(503, ""), receivertest.Answer(503, ""), receivertest.Answer(200, "")), 2,
			role(waybell.RoleAPI, waybell.RoleWorker))
		c.agent("standard")
		quiet, busy := c.endpoint("quiet", func(in *waybell.EndpointInput) { in.Events = waybell.Some([]string{"lead.submit"}) }), c.endpoint("busy")
		time.Sleep(time.Second)
		f := c.follow(waybell.StreamQuery{AgentID: "bot"})
		time.Sleep(3 * time.Second)
		if n := len(f.take()); n != 0 {
			t.Errorf("%d events before anything happened", n)
		}
		c.publish(1)
		told := func(what string, within time.Duration) {
			t.Helper()
			before := len(f.take())
			time.Sleep(within)
			events := f.take()[before:]
			if len(events) == 0 {
				t.Errorf("nothing was told of %s", what)
			}
			for _, e := range events {
				if e.EndpointID != busy.ID || e.EndpointID == quiet.ID {
					t.Errorf("%s: told of endpoint %s", what, e.EndpointID)
				}
			}
		}
		told("the first attempt", 1100*time.Millisecond)
		time.Sleep(3300 * time.Millisecond)
		told("the second attempt, 4.5 to 5.5 s later, which fails like the first", 2200*time.Millisecond)
		time.Sleep(time.Minute)
		n := len(f.take())
		if d := c.only(); d.State != waybell.DeliveryDelivered {
			t.Fatalf("%+v", d)
		}
		time.Sleep(time.Minute)
		if more := len(f.take()) - n; more != 0 || n > 10 {
			t.Errorf("%d events in all, %d of them while nothing happened", n+more, more)
		}
	})
}
