package storetest

import (
	"sync"
	"time"

	"github.com/waybell/waybell"
)

var maintenanceTests = []test{
	{"Sweep", testSweep},
	{"SweepManyAttempts", testSweepManyAttempts},
	{"SweepIdempotency", testSweepIdempotency},
	{"SweepBesidePublishers", testSweepBeside},
	{"Stats", testStats},
	{"Close", testClose},
}

// sweep removes everything before the key and returns how many events went.
func (e *env) sweep(before waybell.Key) int {
	e.Helper()
	total := 0
	for more := true; more; {
		n, again, err := e.s.Sweep(e.ctx(), e.lease, before, time.Minute)
		e.ok(err)
		total, more = total+n, again
	}
	return total
}

func testSweep(e *env) {
	a, eps := e.agent(2)
	b, beps := e.agent(1)
	owned, parked, done, other := e.event(a, eps...), aside(e.event(a, eps[0])), e.event(a, eps[0]), e.event(b, beps[0])
	owned.ID, owned.CustomID = "again", true
	done.IdempotencyKey = "key"
	e.accept(owned, parked, done, other)
	e.settle(final(attempt(a.Number, ref(done, eps[0]), 1, 100), waybell.DeliveryDelivered))
	e.tomorrow()
	border := e.event(a, eps[0])
	e.accept(border)
	kept := e.park(a, eps[0], start.Add(time.Hour))

	if n := e.sweep(border.Key); n != 4 {
		e.Fatalf("%d events went, want 4", n)
	}
	for _, n := range []*waybell.NewEvent{owned, parked, done, other} {
		e.wantAbsent(n)
		for _, target := range n.Targets {
			_, err := e.s.Delivery(e.ctx(), n.Agent, ref(n, target.Endpoint))
			e.is(err, waybell.ErrNotFound)
			_, err = e.s.Attempts(e.ctx(), n.Agent, ref(n, target.Endpoint), 1)
			e.is(err, waybell.ErrNotFound)
		}
	}
	_, err := e.s.EventByID(e.ctx(), a.Number, "again")
	e.is(err, waybell.ErrNotFound)
	if got := e.all(a.Number); len(got) != 2 || got[0].DeliveryRef != kept || got[1].DeliveryRef != ref(border, eps[0]) {
		e.Fatalf("left %+v", got)
	}
	if at, ok := e.due(eps[0]); !ok || !at.Equal(start.Add(time.Hour)) {
		e.Fatalf("due at %v, %v", at, ok)
	}
	list, err := e.s.Counters(e.ctx(), a.Number)
	e.ok(err)
	e.same("ledger", list, []waybell.Counters{
		{Endpoint: eps[0], Accepted: 5, Pending: 2, Delivered: 1, Canceled: 2},
		{Endpoint: eps[1], Accepted: 1, Canceled: 1},
	}, anyOrder)
	// Its id and key may be used again.
	again := e.event(a)
	again.ID, again.CustomID, again.IdempotencyKey, again.Hash = "again", true, "key", [32]byte{9}
	e.accept(again)
	if n := e.sweep(border.Key); n != 0 {
		e.Fatalf("%d events went the second time", n)
	}
}

// testSweepManyAttempts removes events with many deliveries and attempts in
// pieces of a microsecond.
func testSweepManyAttempts(e *env) {
	a, eps := e.agent(3)
	first, second, third := e.event(a, eps...), e.event(a, eps...), e.event(a, eps...)
	e.accept(first, second, third)
	for number := 1; number <= 70; number++ {
		e.settle(retry(attempt(a.Number, ref(second, eps[0]), number, 500), start))
		e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	}
	e.tomorrow()
	before := e.key()
	total, calls := 0, 0
	for more := true; more; calls++ {
		n, again, err := e.s.Sweep(e.ctx(), e.lease, before, time.Microsecond)
		e.ok(err)
		total, more = total+n, again
	}
	if total != 3 {
		e.Fatalf("%d events went in %d calls", total, calls)
	}
	list, err := e.s.Counters(e.ctx(), a.Number)
	e.ok(err)
	for _, c := range list {
		if c.Accepted != 3 || c.Canceled != 3 {
			e.Fatalf("ledger %+v", c)
		}
	}
	if got := e.all(a.Number); len(got) != 0 {
		e.Fatalf("left %+v", got)
	}
}

func testSweepIdempotency(e *env) {
	a, _ := e.agent(0)
	var events []*waybell.NewEvent
	for range 3 {
		n := e.event(a)
		n.ID, n.CustomID, n.IdempotencyKey = e.unique("id"), true, e.unique("key")
		events = append(events, n)
	}
	e.accept(events...)
	total := 0
	for more := true; more; {
		n, again, err := e.s.SweepIdempotency(e.ctx(), e.lease, events[2].Key, time.Minute)
		e.ok(err)
		total, more = total+n, again
	}
	if total != 2 {
		e.Fatalf("%d keys went, want 2", total)
	}
	for i, n := range events {
		again := e.event(a)
		again.IdempotencyKey, again.Hash = n.IdempotencyKey, n.Hash
		if i < 2 {
			e.accept(again)
		} else {
			e.wantDuplicate(again, n)
		}
		id := e.repeat(n) // chosen ids stay with their events
		id.IdempotencyKey = ""
		e.wantDuplicate(id, n)
	}
}

// testSweepBeside has publishers go on, for days, while their older events are
// removed.
func testSweepBeside(e *env) {
	a, eps := e.agent(1)
	var wg sync.WaitGroup
	version := e.version()
	for publisher := range 4 {
		wg.Go(func() {
			for i := range 25 {
				if publisher == 0 && i%8 == 7 {
					e.tomorrow()
				}
				n := e.event(a, eps[0])
				if _, err := e.s.Accept(e.ctx(), e.lease, version, []*waybell.NewEvent{n}); err != nil {
					e.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	swept := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		// An hour ago: publishers are in that day still, or in the one after it.
		n, _, err := e.s.Sweep(e.ctx(), e.lease, waybell.KeyAt(e.key().Time().Add(-time.Hour)), time.Millisecond)
		e.ok(err)
		swept += n
	}
	e.tomorrow()
	swept += e.sweep(e.key())
	if swept != 100 {
		e.Fatalf("%d events went, want 100", swept)
	}
	list, err := e.s.Counters(e.ctx(), a.Number)
	e.ok(err)
	e.same("ledger", list, []waybell.Counters{{Endpoint: eps[0], Accepted: 100, Canceled: 100}})
}

func testStats(e *env) {
	before, err := e.s.Stats(e.ctx())
	e.ok(err)
	a, eps := e.agent(1)
	e.accept(e.event(a, eps[0]), e.event(a))
	after, err := e.s.Stats(e.ctx())
	e.ok(err)
	if after.Driver == "" || after.Commits <= before.Commits || after.CommitTime < before.CommitTime ||
		after.CommitRows < before.CommitRows+3 || after.SizeBytes <= 0 {
		e.Fatalf("before %+v, after %+v", before, after)
	}
}

// testClose uses the store after its end, from several goroutines: every
// method must return.
func testClose(e *env) {
	a, eps := e.agent(1)
	version := e.version()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				n := e.event(a, eps[0])
				_, err := e.s.Accept(e.ctx(), e.lease, version, []*waybell.NewEvent{n})
				if err != nil {
					e.is(err, waybell.ErrUnavailable)
					return
				}
			}
		})
	}
	e.ok(e.s.Close())
	wg.Wait()
	e.ok(e.s.Close()) // again
	calls := map[string]func() error{
		"Join":      func() error { _, err := e.s.Join(e.ctx(), waybell.NodeInfo{Name: "late"}); return err },
		"Heartbeat": func() error { return e.s.Heartbeat(e.ctx(), e.lease, waybell.NodeLoad{}) },
		"Agent":     func() error { _, err := e.s.Agent(e.ctx(), a.ID); return err },
		"Due":       func() error { _, err := e.s.Due(e.ctx(), start); return err },
		"Version":   func() error { _, err := e.s.ConfigVersion(e.ctx()); return err },
		"Stats":     func() error { _, err := e.s.Stats(e.ctx()); return err },
		"ListEvents": func() error {
			_, err := e.s.ListEvents(e.ctx(), waybell.EventQuery{Agent: a.Number, Type: "no.such", Limit: 1, Scan: 1})
			return err
		},
		"Claim": func() error {
			_, err := e.s.Claim(e.ctx(), e.lease, start, []waybell.ClaimWant{{Endpoint: eps[0], Max: 1}})
			return err
		},
		"Deliveries": func() error {
			_, err := e.s.Deliveries(e.ctx(), waybell.DeliveryQuery{Agent: a.Number, Limit: 1, Scan: 1})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); err == nil {
			e.Errorf("%s works on a closed store", name)
		} else {
			e.is(err, waybell.ErrUnavailable)
		}
	}
}
