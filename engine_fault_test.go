package waybell_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// publishFails publishes and returns the error's code and its advice.
func (r *rig) publishFails(in waybell.PublishInput) *waybell.Error {
	r.t.Helper()
	if in.Type == "" {
		in.Type, in.Data = "message.received", []byte(`{"text":"hi"}`)
	}
	_, err := r.svc.Publish(r.ctx, "bot", in)
	e, ok := errors.AsType[*waybell.Error](err)
	if !ok {
		r.t.Fatalf("publish: %v, want an *Error", err)
	}
	return e
}

func TestPublishWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		f.failBefore(waybell.ErrUnavailable, "Accept")
		for range 3 {
			if e := r.publishFails(waybell.PublishInput{}); e.Code != waybell.CodeUnavailable || e.RetryAfter <= 0 {
				t.Errorf("%v, retry after %v; want unavailable with advice", e, e.RetryAfter)
			}
		}
		f.failBefore(nil, "Accept")
		r.publish(1)
		time.Sleep(time.Second)
		if l := r.ledger(); l.Delivered != 1 || l.Accepted != 1 || r.receiver.Count() != 1 {
			t.Errorf("ledger %+v, %d requests; want exactly the accepted one", l, r.receiver.Count())
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
	})
}

// Outcomes wait while the store cannot write, and are written once it can.
func TestOutcomesOutliveAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f), func(c *waybell.Config) { c.Limits.Outcomes = 8 })
		r.agent("standard")
		r.endpoint("a")
		f.failBefore(waybell.ErrUnavailable, "Settle")
		for i := range 30 {
			r.publish(i)
		}
		time.Sleep(10 * time.Minute)
		if n := r.receiver.Count(); n != 8 {
			t.Errorf("%d attempts with 8 outcomes that may wait", n)
		}
		if got := r.svc.Load(); got.Outcomes != 8 || got.InFlight != 0 || got.Queued != 22 {
			t.Errorf("load %+v during the outage", got)
		}
		if n := f.count("Settle"); n > 620 {
			t.Errorf("%d tries to settle in ten minutes", n)
		}
		f.failBefore(nil, "Settle")
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != 30 || r.receiver.Count() != 30 {
			t.Errorf("ledger %+v, %d requests; want 30 of each", l, r.receiver.Count())
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
	})
}

// Whatever fails for a while, nothing is lost, nothing is sent twice, and
// nothing spins meanwhile.
func TestStoreOutages(t *testing.T) {
	t.Parallel()
	for _, methods := range []string{"Due", "Claim", "EventsByKey", "EventsByKey Event", "ClaimSuspect",
		"Settle", "Due Claim EventsByKey Event ClaimSuspect Settle Adopt"} {
		t.Run(methods, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultStore{}
				r := newRig(t, receivertest.Sequence(receivertest.Answer(500, ""), receivertest.Answer(500, ""), receivertest.Answer(200, "")),
					withFaults(f), func(c *waybell.Config) { c.Limits.QueueLength = 4 })
				r.agent("standard")
				r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
				f.failBefore(waybell.ErrUnavailable, strings.Fields(methods)...)
				for i := range 10 { // most are put aside
					r.publish(i)
				}
				time.Sleep(time.Minute)
				for _, m := range strings.Fields(methods) {
					if n := f.count(m); n > 700 {
						t.Errorf("%s was called %d times in a minute", m, n)
					}
				}
				f.failBefore(nil, strings.Fields(methods)...)
				time.Sleep(5 * time.Minute)
				if l := r.ledger(); l.Delivered != 10 || r.receiver.Count() != 12 {
					t.Errorf("ledger %+v, %d requests; want 10 delivered by 12", l, r.receiver.Count())
				}
				if got := r.svc.Load(); got != (waybell.Load{}) {
					t.Errorf("load %+v at rest, want nothing", got)
				}
			})
		})
	}
}

// A commit whose outcome is unknown may have happened: the publisher hears
// unavailable, and what was stored is delivered, once.
func TestUnknownCommits(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Accept", "Claim", "Settle"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultStore{}
				r := newRig(t, receivertest.Sequence(receivertest.Answer(500, ""), receivertest.Answer(200, "")), withFaults(f))
				r.agent("standard")
				r.endpoint("a")
				f.failAfter(waybell.ErrCommitUnknown, method)
				if method == "Accept" {
					if e := r.publishFails(waybell.PublishInput{}); e.Code != waybell.CodeUnavailable {
						t.Errorf("%v, want unavailable", e)
					}
				} else {
					r.publish(1)
				}
				time.Sleep(5*time.Second + 500*time.Millisecond)
				f.failAfter(nil, method)
				time.Sleep(5 * time.Minute)
				d := r.only()
				if d.State != waybell.DeliveryDelivered || len(d.Attempts) != 2 || r.receiver.Count() != 2 {
					t.Errorf("delivery is %s after %d attempts and %d requests", d.State, len(d.Attempts), r.receiver.Count())
				}
				r.ledger()
			})
		})
	}
}

// While owned rows are read back, what is enqueued and settled at the same
// time is not sent a second time.
func TestReadBackBesideTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		published, lost := 0, 0
		for i := range 200 {
			if i%10 == 5 {
				f.failAfter(waybell.ErrCommitUnknown, "Accept")
				r.publishFails(waybell.PublishInput{})
				f.failAfter(nil, "Accept")
				lost++
				continue
			}
			r.publish(i)
			published++
		}
		time.Sleep(time.Minute)
		seen := map[string]int{}
		for _, req := range r.receiver.Requests() {
			seen[req.Get("webhook-id")]++
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("event %s was sent %d times", id, n)
			}
		}
		if l := r.ledger(); len(seen) != published+lost || l.Delivered != int64(published+lost) {
			t.Errorf("%d events arrived, ledger %+v; want %d", len(seen), l, published+lost)
		}
	})
}

// An outcome that the store refuses, though it can write, harms only itself.
func TestRefusedOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, nil, withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		f.failBefore(errors.New("constraint failed"), "Settle")
		for i := range 5 {
			r.publish(i)
		}
		time.Sleep(10 * time.Millisecond)
		f.failBefore(nil, "Settle")
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != 5 || r.receiver.Count() != 5 {
			t.Errorf("ledger %+v, %d requests; want 5 of each", l, r.receiver.Count())
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
	})
}

// The first adoption fails: it is tried again.
func TestAdoptionIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &faultStore{}
		r := newRig(t, receivertest.Always(receivertest.Gate(gate, receivertest.Answer(200, ""))), withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		r.publish(1)
		time.Sleep(time.Second)
		dead := r.svc
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
		close(gate)
		f = &faultStore{}
		r.change = []func(*waybell.Config){withFaults(f)}
		f.failBefore(waybell.ErrUnavailable, "Adopt")
		r.start()
		time.Sleep(30 * time.Second)
		if l := r.ledger(); l.Pending != 1 {
			t.Errorf("ledger %+v before the adoption", l)
		}
		f.failBefore(nil, "Adopt")
		time.Sleep(30 * time.Second)
		if l := r.ledger(); l.Delivered != 1 {
			t.Errorf("ledger %+v, want it delivered", l)
		}
		stopDead(t, dead)
	})
}

// stopDead stops a service whose store is gone.
func stopDead(t *testing.T, s *waybell.Service) {
	t.Helper()
	if err := s.Stop(t.Context()); err == nil {
		t.Error("the dead service stopped as if it had its store")
	}
}

// A node that lost its lease lets go of what is queued, joins as a new node and
// goes on; nothing overlaps and nothing is lost.
func TestLostLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{shared: true}
		gate := make(chan struct{})
		r := newRig(t, receivertest.Always(receivertest.Gate(gate, receivertest.Answer(200, ""))), withFaults(f))
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(2) })
		var want []string
		for i := range 20 {
			want = append(want, r.publish(i))
		}
		time.Sleep(100 * time.Millisecond)
		// The lease is given away under the node, as another node would do it.
		old := waybell.Lease{Node: 1, Epoch: 1, Shared: true}
		if err := r.store.Leave(r.ctx, old); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second) // a heartbeat tells
		if got := r.svc.Load(); got.InFlight != 2 {
			t.Errorf("load %+v, want the two under way", got)
		}
		close(gate)
		time.Sleep(time.Minute)
		seen := map[string]int{}
		for _, req := range r.receiver.Requests() {
			seen[req.Get("webhook-id")]++
		}
		for i, id := range want {
			// The two under way were sent by the old lease as well.
			if seen[id] < 1 || seen[id] > 2 || seen[id] == 2 && i > 1 {
				t.Errorf("event %d was sent %d times", i, seen[id])
			}
		}
		if l := r.ledger(); l.Delivered != 20 {
			t.Errorf("ledger %+v, want 20 delivered", l)
		}
		if most := r.receiver.Stats().MaxInFlight; most > 2 {
			t.Errorf("%d requests at once with a concurrency of 2", most)
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
	})
}

// A node whose heartbeats are not confirmed starts nothing after 8 s, and says
// so; it goes on by itself.
func TestUnconfirmedLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{shared: true}
		r := newRig(t, nil, withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		time.Sleep(5 * time.Second)
		f.failBefore(waybell.ErrUnavailable, "Heartbeat")
		time.Sleep(10 * time.Second)
		if err := r.svc.Ready(); waybell.ErrorCode(err) != waybell.CodeUnavailable {
			t.Errorf("ready: %v, want unavailable", err)
		}
		r.publish(1)
		time.Sleep(10 * time.Second)
		if n := r.receiver.Count(); n != 0 {
			t.Errorf("%d attempts without a confirmed lease", n)
		}
		f.failBefore(nil, "Heartbeat")
		time.Sleep(10 * time.Second)
		if err := r.svc.Ready(); err != nil {
			t.Errorf("ready: %v", err)
		}
		if l := r.ledger(); l.Delivered != 1 || r.receiver.Count() != 1 {
			t.Errorf("ledger %+v, %d requests; want 1 of each", l, r.receiver.Count())
		}
	})
}

// An event matched with an old configuration is matched again: an endpoint made
// on another node gets it.
func TestConfigChangedByAnotherNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		r.endpoint("a")
		other, err := waybell.New(waybell.Config{
			Store: r.store, EncryptionKeys: []waybell.Secret{testKey}, Node: "other",
			Resolver: public{}, Dial: r.receiver.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err = other.CreateEndpoint(t.Context(), "bot", waybell.EndpointInput{
			URL: waybell.Some("http://hooks.example.com/b"), Events: waybell.Some([]string{"*"}),
		})
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.svc.Publish(t.Context(), "bot", waybell.PublishInput{Type: "message.received", Data: []byte(`{"text":"hi"}`)})
		if err != nil || res.Deliveries != 2 {
			t.Errorf("%+v (%v), want 2 deliveries", res, err)
		}
		time.Sleep(time.Second)
		for _, path := range []string{"/a", "/b"} {
			if n := r.receiver.StatsFor(path).Requests; n != 1 {
				t.Errorf("%d requests for %s, want 1", n, path)
			}
		}
		if err := other.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStopInAllOrders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		svc, err := waybell.New(waybell.Config{Store: r.store, EncryptionKeys: []waybell.Secret{testKey}})
		if err != nil {
			t.Fatal(err)
		}
		if err := svc.Stop(t.Context()); err != nil {
			t.Errorf("stop before start: %v", err)
		}
		if err := svc.Start(t.Context()); err == nil {
			t.Error("started after a stop")
		}
		if err := r.svc.Start(t.Context()); err == nil {
			t.Error("started twice")
		}
		r.agent("standard")
		r.endpoint("a")
		r.publish(1)
		for i := range 2 {
			if err := r.svc.Stop(t.Context()); err != nil {
				t.Errorf("stop %d: %v", i+1, err)
			}
		}
		if e := r.publishFails(waybell.PublishInput{}); e.Code != waybell.CodeDraining || e.RetryAfter <= 0 {
			t.Errorf("publish after stop: %v", e)
		}
		if err := r.svc.Ready(); waybell.ErrorCode(err) != waybell.CodeDraining {
			t.Errorf("ready after stop: %v", err)
		}
	})
}

// At the end of the grace a hanging attempt is cut off; its delivery, and what
// was queued, is sent after the next start, without a death being counted.
func TestStopWithAHangingReceiver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		hang.Store(true)
		r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
			if hang.Load() {
				return receivertest.Hang()
			}
			return receivertest.Answer(200, "")
		})
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
		for i := range 10 {
			r.publish(i)
		}
		time.Sleep(time.Second)
		began := time.Now()
		r.stopWithin(5 * time.Second)
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("stop took %v with a grace of 5 s", took)
		}
		synctest.Wait() // the receiver has noticed
		hang.Store(false)
		r.start()
		time.Sleep(time.Second)
		if l := r.ledger(); l.Delivered != 10 || r.receiver.Count() != 11 {
			t.Errorf("ledger %+v, %d requests; want 10 delivered by 11", l, r.receiver.Count())
		}
	})
}

// What was answered within the grace is not sent again.
func TestStopWaitsForAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.After(4*time.Second, receivertest.Answer(200, ""))))
		r.agent("standard")
		r.endpoint("a")
		for i := range 40 { // 16 at once
			r.publish(i)
		}
		time.Sleep(time.Second)
		r.stopWithin(5 * time.Second)
		if n := r.receiver.Count(); n != 16 {
			t.Errorf("%d attempts, want the 16 from before the stop", n)
		}
		r.start()
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != 40 || r.receiver.Count() != 40 {
			t.Errorf("ledger %+v, %d requests; want 40 of each", l, r.receiver.Count())
		}
		for _, d := range r.deliveries() {
			if d.Delivery.Attempts != 1 {
				t.Errorf("delivery %s has %d attempts", d.ID(), d.Delivery.Attempts)
			}
		}
	})
}

// A node that stops lives until its last outcome is written: others would take
// over what it still has in hand.
func TestStopKeepsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{shared: true}
		r := newRig(t, receivertest.Always(receivertest.After(20*time.Second, receivertest.Answer(200, ""))), withFaults(f))
		r.agent("standard")
		r.endpoint("a")
		r.publish(1)
		time.Sleep(time.Second)
		before := f.count("Heartbeat")
		r.stop()
		if n := f.count("Heartbeat") - before; n < 9 || n > 10 {
			t.Errorf("%d heartbeats during a stop of 19 s", n)
		}
	})
}

// A pause whose commit is told as unknown holds from its repetition on, or soon.
func TestPauseOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, repeated := range []bool{true, false} {
		t.Run(fmt.Sprint(repeated), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultStore{}
				r := newRig(t, receivertest.Always(receivertest.Answer(500, "")), withFaults(f))
				r.agent("standard")
				e := r.endpoint("a")
				r.publish(1)
				time.Sleep(time.Second)
				f.failAfter(waybell.ErrCommitUnknown, "UpdateEndpoint")
				if _, err := r.svc.PauseEndpoint(t.Context(), "bot", e.ID, 0); waybell.ErrorCode(err) != waybell.CodeUnavailable {
					t.Fatal(err)
				}
				f.failAfter(nil, "UpdateEndpoint")
				if repeated {
					if got, err := r.svc.PauseEndpoint(t.Context(), "bot", e.ID, 0); err != nil || got.State != waybell.EndpointPaused {
						t.Fatal(got.State, err)
					}
				} else {
					time.Sleep(time.Minute)
				}
				before := r.receiver.Count()
				time.Sleep(time.Hour)
				if n := r.receiver.Count() - before; n > 0 {
					t.Errorf("%d requests after the pause", n)
				}
			})
		})
	}
}

// An answer of 410 suspends at once, whatever else is being canceled.
func TestSuspendsBesideCancellation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultStore{}
		r := newRig(t, receivertest.Always(receivertest.Answer(410, "")), withFaults(f))
		r.agent("standard")
		other, e := r.endpoint("other"), r.endpoint("gone")
		if _, err := r.svc.PauseEndpoint(t.Context(), "bot", other.ID, 0); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		f.hang = time.Hour
		f.mu.Unlock()
		f.failBefore(waybell.ErrUnavailable, "CancelWaiting")
		if _, err := r.svc.ResumeEndpoint(t.Context(), "bot", other.ID, waybell.HeldCancel, 0); err != nil {
			t.Fatal(err)
		}
		if err := r.svc.DeleteEndpoint(t.Context(), "bot", other.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if f.count("CancelWaiting") == 0 {
			t.Fatal("nothing is being canceled")
		}
		r.publish(1)
		time.Sleep(time.Second)
		if got, err := r.svc.Endpoint(t.Context(), "bot", e.ID); err != nil || got.State != waybell.EndpointSuspended {
			t.Errorf("the endpoint is %v (%v), want suspended", got.State, err)
		}
		f.mu.Lock()
		f.hang = 0
		f.mu.Unlock()
		f.failBefore(nil, "CancelWaiting")
		time.Sleep(2 * time.Hour)
	})
}
