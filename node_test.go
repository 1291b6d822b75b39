package waybell_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// timesSent counts the requests by event.
func (r *rig) timesSent() map[string]int {
	seen := map[string]int{}
	for _, req := range r.receiver.Requests() {
		seen[req.Get("webhook-id")]++
	}
	return seen
}

// A node that is cut off starts nothing after 8 s; another has taken over what
// it had within 15 s of its last heartbeat. When it comes back it joins anew,
// overwrites nothing and goes on.
func TestNodeCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		slow.Store(true)
		c := newCluster(t, func(int, *receivertest.Recorded) receivertest.Step {
			if slow.Load() {
				return receivertest.After(3*time.Second, receivertest.Answer(200, ""))
			}
			return receivertest.Answer(200, "")
		}, 2)
		c.agent("standard")
		c.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(4) })
		time.Sleep(time.Second)
		b := c.nodes[1]
		const events = 60
		c.publishTo(b, events) // two at once, three seconds each
		b.store.cut(waybell.ErrUnavailable, 0)
		cutAt := time.Now()
		time.Sleep(8*time.Second + 100*time.Millisecond)
		before := c.receiver.Count()
		time.Sleep(3 * time.Second)
		if n := c.receiver.Count(); n != before {
			t.Errorf("%d attempts started between 8 s and 11 s after the cut", n-before)
		}
		if err := b.Ready(); waybell.ErrorCode(err) != waybell.CodeUnavailable {
			t.Errorf("ready: %v, want unavailable", err)
		}
		slow.Store(false)
		for c.receiver.Count() == before && time.Since(cutAt) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(cutAt); took > 15*time.Second {
			t.Errorf("taken over after %v, want at most 15 s", took)
		}
		time.Sleep(10 * time.Second)
		sent := c.receiver.Count()
		b.store.cut(nil, 0)
		time.Sleep(10 * time.Second)
		if err := b.Ready(); err != nil {
			t.Errorf("ready after it came back: %v", err)
		}
		if n := c.receiver.Count(); n != sent {
			t.Errorf("%d more attempts after it came back", n-sent)
		}
		twice := 0
		for _, n := range c.timesSent() {
			if n > 2 {
				t.Errorf("an event was sent %d times", n)
			}
			twice += n - 1
		}
		// Before the cut was noticed 2 attempts at a time ran for 8 s.
		if l := c.ledger(); l.Delivered != events || twice > 8 || len(c.timesSent()) != events {
			t.Errorf("ledger %+v, %d sent twice", l, twice)
		}
		c.publishTo(b, 3)
		time.Sleep(3 * time.Second)
		if l := c.ledger(); l.Delivered != events+3 {
			t.Errorf("ledger %+v after it came back", l)
		}
		if got := b.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
		nodes, err := c.svc.Nodes(t.Context())
		if err != nil || len(nodes) != 2 || nodes[1].Number <= 2 {
			t.Errorf("nodes %+v (%v), want the second one's new lease", nodes, err)
		}
	})
}

// A node whose store confirms its lease but does not tell of changes starts
// nothing after eight seconds: the endpoint may be paused, as it is here.
func TestStaleConfigurationSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(n int, _ *receivertest.Recorded) receivertest.Step {
			if n <= 8 {
				return receivertest.Answer(500, "")
			}
			return receivertest.Answer(200, "")
		}, 2)
		c.agent("standard")
		e := c.endpoint("a")
		b := c.nodes[1]
		c.publishTo(b, 4)
		time.Sleep(time.Second)
		b.store.failBefore(waybell.ErrUnavailable, "ConfigVersion")
		if _, err := c.svc.PauseEndpoint(t.Context(), "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		sent := c.receiver.Count()
		time.Sleep(10 * time.Minute) // the next retries of the standard policy lie in it
		if n := c.receiver.Count() - sent; n != 0 {
			t.Errorf("%d attempts after eight seconds without the configuration, want none", n)
		}
		if waybell.ErrorCode(b.Ready()) != waybell.CodeUnavailable {
			t.Errorf("ready without the configuration: %v, want unavailable", b.Ready())
		}
		b.store.failBefore(nil, "ConfigVersion")
		if _, err := c.svc.ResumeEndpoint(t.Context(), "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if l := c.ledger(); l.Delivered != 4 || b.Ready() != nil {
			t.Errorf("ledger %+v, ready %v; want 4 delivered", l, b.Ready())
		}
	})
}

// A configuration that takes longer to read than a lease lasts: a node starts with it
// and keeps its lease, and one that missed very much catches up.
func TestLargeConfiguration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(i int, cfg *waybell.Config) {
			if i == 1 {
				cfg.Store.(*nodeStore).takes(40 * time.Second)
			}
		}
		c := newCluster(t, nil, 2, slow)
		b := c.nodes[1]
		if err := b.Ready(); err != nil {
			t.Errorf("after its start: %v", err)
		}
		c.agent("standard")
		c.endpoint("a")
		time.Sleep(2 * time.Minute) // the waits before were too short
		if err := b.Ready(); err != nil {
			t.Errorf("after many changes: %v", err)
		}
		b.store.takes(0)
		c.publishTo(b, 3)
		time.Sleep(5 * time.Second)
		if l := c.ledger(); l.Delivered != 3 {
			t.Errorf("ledger %+v", l)
		}
		c.rig.mu.Lock()
		defer c.rig.mu.Unlock()
		if log := c.log.String(); strings.Count(log, "joining as a new node") > 1 {
			t.Error("the lease was lost at the start")
		}
	})
}

// While joining fails it is tried again at each heartbeat, publishing answers
// unavailable, and nothing is lost.
func TestJoinIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 2)
		c.agent("standard")
		c.endpoint("a")
		time.Sleep(time.Second)
		b := c.nodes[1]
		b.store.failBefore(waybell.ErrFenced, "Heartbeat", "Accept")
		b.store.failBefore(waybell.ErrUnavailable, "Join")
		before := b.store.count("Join")
		for range 30 {
			if err := publishOn(t.Context(), b); waybell.ErrorCode(err) != waybell.CodeUnavailable {
				t.Errorf("publish without a lease: %v, want unavailable", err)
			}
			time.Sleep(time.Second)
		}
		if n := b.store.count("Join") - before; n < 12 || n > 50 {
			t.Errorf("%d times tried to join in 30 s", n)
		}
		b.store.failBefore(nil, "Heartbeat", "Accept", "Join")
		time.Sleep(3 * time.Second)
		c.publishTo(b, 2)
		time.Sleep(time.Second)
		if l := c.ledger(); l.Delivered != 2 {
			t.Errorf("ledger %+v, want 2 delivered", l)
		}
	})
}

// However the store hangs, and whatever else waits for it, callers get their
// answer within five seconds.
func TestHangingStoreIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1)
		c.agent("standard")
		e := c.endpoint("a")
		n := c.nodes[0]
		n.store.failAfter(waybell.ErrCommitUnknown, "Accept") // what is owned is read back, under the lock
		if err := publishOn(t.Context(), n); waybell.ErrorCode(err) != waybell.CodeUnavailable {
			t.Errorf("publish: %v", err)
		}
		n.store.failAfter(nil, "Accept")
		n.store.cut(waybell.ErrUnavailable, 4*time.Second)
		calls := map[string]func(ctx context.Context) error{
			"publish": func(ctx context.Context) error { return publishOn(ctx, n) },
			"test":    func(ctx context.Context) error { _, err := n.Test(ctx, "bot", e.ID, waybell.TestInput{}); return err },
			"statistics": func(ctx context.Context) error {
				_, err := n.Statistics(ctx, "bot", "", waybell.LastHour)
				return err
			},
			"branding": func(ctx context.Context) error { _, err := n.Branding(ctx); return err },
			"pause":    func(ctx context.Context) error { _, err := n.PauseEndpoint(ctx, "bot", e.ID, 0); return err },
			"nodes":    func(ctx context.Context) error { _, err := n.Nodes(ctx); return err },
		}
		var all sync.WaitGroup
		for i := range 60 {
			for name, call := range calls {
				all.Go(func() {
					time.Sleep(time.Duration(i) * 330 * time.Millisecond)
					began := time.Now()
					err := call(t.Context())
					if took := time.Since(began); waybell.ErrorCode(err) != waybell.CodeUnavailable || took >= 5*time.Second {
						t.Errorf("%s: %v after %v, want unavailable within 5 s", name, err, took)
					}
				})
			}
		}
		all.Wait()
		n.store.cut(nil, 0)
		time.Sleep(15 * time.Second)
		c.publishTo(n, 1)
		time.Sleep(5 * time.Second)
		if l := c.ledger(); l.Delivered != 2 || c.receiver.Count() != 2 {
			t.Errorf("ledger %+v, %d requests; want 2 of each", l, c.receiver.Count())
		}
	})
}

// What a commit of unknown outcome left is read back however long the store is
// away, and nothing in hand is sent twice.
func TestReadBackAfterALongOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Always(receivertest.After(time.Second, receivertest.Answer(200, ""))), 1)
		c.agent("standard")
		c.endpoint("a")
		n := c.nodes[0]
		c.publishTo(n, 40) // 16 at once
		n.store.failAfter(waybell.ErrCommitUnknown, "Accept", "Settle")
		for range 5 {
			if err := publishOn(t.Context(), n); waybell.ErrorCode(err) != waybell.CodeUnavailable {
				t.Errorf("publish: %v", err)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		n.store.failAfter(nil, "Accept", "Settle")
		n.store.cut(waybell.ErrUnavailable, 4*time.Second)
		time.Sleep(3 * time.Minute)
		n.store.cut(nil, 0)
		time.Sleep(time.Minute)
		for id, times := range c.timesSent() {
			if times != 1 {
				t.Errorf("event %s was sent %d times", id, times)
			}
		}
		if l := c.ledger(); l.Delivered != 45 || c.receiver.Count() != 45 {
			t.Errorf("ledger %+v, %d requests; want 45 of each", l, c.receiver.Count())
		}
	})
}

// A node stops within its grace though the store is away, and waits that long
// for it to come back.
func TestStopWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 2)
		c.agent("standard")
		c.endpoint("a")
		time.Sleep(time.Second)
		b := c.nodes[1]
		b.store.failBefore(waybell.ErrUnavailable, "Settle")
		c.publishTo(b, 600)
		b.store.cut(waybell.ErrUnavailable, time.Second)
		if took := c.stopNode(b, 20*time.Second); took < 10*time.Second || took > 20*time.Second {
			t.Errorf("the stop took %v with a grace of 20 s", took)
		}
		d := c.add()
		d.store.failBefore(waybell.ErrUnavailable, "Settle")
		time.Sleep(3 * time.Second)
		c.publishTo(d, 20)
		time.AfterFunc(10*time.Second, func() { d.store.failBefore(nil, "Settle") })
		if took := c.stopNode(d, 20*time.Second); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("the stop took %v, want until the store was back after 10 s", took)
		}
		time.Sleep(30 * time.Second)
		if l := c.ledger(); l.Delivered != 620 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// What one node made a moment ago another has when it is asked for, also where
// the store gives no hint: behind a load balancer the next call goes anywhere.
func TestAgentOfAnotherNodeIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, receivertest.Always(receivertest.Answer(200, "")), 2)
		c.mu.Lock()
		c.mute = true
		c.mu.Unlock()
		other := c.nodes[1]
		input := waybell.PublishInput{Type: "lead.submit", Data: []byte(`{"name":"Zoë"}`)}
		_, err := other.Publish(c.ctx, "bot", input)
		wantCode(t, err, waybell.CodeAgentNotFound)
		time.Sleep(200 * time.Millisecond)
		c.agent("standard")
		if _, err := other.Publish(c.ctx, "bot", input); err != nil {
			t.Errorf("publish on the other node: %v", err)
		}
		started := time.Now()
		for range 1000 {
			_, err := other.Publish(c.ctx, "nobody", input)
			wantCode(t, err, waybell.CodeAgentNotFound)
		}
		other.store.cut(nil, time.Hour) // the store hangs: a stranger's call does not
		time.Sleep(200 * time.Millisecond)
		_, err = other.Publish(c.ctx, "nobody", input)
		wantCode(t, err, waybell.CodeAgentNotFound)
		if took := time.Since(started); took > time.Second {
			t.Errorf("unknown agents took %v", took)
		}
	})
}
