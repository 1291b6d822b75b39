package storetest

import (
	"time"

	"github.com/waybell/waybell"
)

var nodeTests = []test{
	{"Join", testJoin},
	{"LastKey", testLastKey},
	{"Fence", testFence},
	{"Leave", testLeave},
	{"AdoptInPieces", testAdoptInPieces},
	{"AdoptedInOrder", testAdoptedInOrder},
	{"Deaths", testDeaths},
	{"Begin", testBegin},
	{"BegunEndsWithTheOwner", testBegunEndsWithTheOwner},
	{"ClaimSuspectOrder", testClaimSuspectOrder},
}

func testJoin(e *env) {
	seen := map[int64]bool{e.lease.Node: true}
	slots := map[int]bool{e.lease.Slot: true}
	for range 5 {
		l := e.join("knoten ü")
		if seen[l.Node] || slots[l.Slot] {
			e.Fatalf("%+v repeats a node or slot", l)
		}
		if l.Slot < 0 || l.Slot > waybell.MaxNodeSlot {
			e.Fatalf("slot %d", l.Slot)
		}
		seen[l.Node], slots[l.Slot] = true, true
		e.ok(e.s.Heartbeat(e.ctx(), l, waybell.NodeLoad{}))
	}
	e.crash()
	if seen[e.lease.Node] {
		e.Fatalf("node %d was used before", e.lease.Node)
	}
}

func testLastKey(e *env) {
	a, _ := e.agent(0)
	n := e.event(a)
	e.accept(n)
	e.crash()
	if e.lease.Slot == int(n.Key)&waybell.MaxNodeSlot && e.lease.LastKey < n.Key {
		e.Fatalf("last key %d is before %d", e.lease.LastKey, n.Key)
	}
	// Also when retention removed the event.
	e.tomorrow()
	before := e.key()
	for more := true; more; {
		var err error
		_, more, err = e.s.Sweep(e.ctx(), e.lease, before, time.Minute)
		e.ok(err)
	}
	e.crash()
	if e.lease.Slot == int(n.Key)&waybell.MaxNodeSlot && e.lease.LastKey < n.Key {
		e.Fatalf("last key %d is before the removed %d", e.lease.LastKey, n.Key)
	}
}

// testFence has a node that was adopted try every write.
func testFence(e *env) {
	a, eps := e.agent(1)
	owned := e.event(a, eps[0])
	e.accept(owned)
	old := e.crash()
	e.adoptAll(start)
	e.is(e.s.Heartbeat(e.ctx(), old, waybell.NodeLoad{}), waybell.ErrFenced)

	r := ref(owned, eps[0])
	before := e.delivery(a, r)
	fresh := e.event(a, eps[0])
	writes := map[string]func() error{
		"Leave": func() error { return e.s.Leave(e.ctx(), old) },
		"Accept": func() error {
			_, err := e.s.Accept(e.ctx(), old, e.version(), []*waybell.NewEvent{fresh})
			return err
		},
		"Claim": func() error {
			_, err := e.s.Claim(e.ctx(), old, start, []waybell.ClaimWant{{Endpoint: eps[0], Max: 1}})
			return err
		},
		"ClaimSuspect": func() error { _, err := e.s.ClaimSuspect(e.ctx(), old, start); return err },
		"Begin": func() error {
			_, err := e.s.Begin(e.ctx(), old, []waybell.Waiting{{Agent: a.Number, DeliveryRef: r}})
			return err
		},
		"Settle": func() error {
			return e.s.Settle(e.ctx(), old, []waybell.Settlement{final(attempt(a.Number, r, 1, 200), waybell.DeliveryDelivered)})
		},
		"ExpireWaiting": func() error {
			_, err := e.s.ExpireWaiting(e.ctx(), old, waybell.ExpireWaiting{Endpoint: eps[0], End: start.AddDate(1, 0, 0), Limit: 1})
			return err
		},
		"CancelWaiting": func() error {
			_, err := e.s.CancelWaiting(e.ctx(), old, waybell.CancelWaiting{Endpoint: eps[0], UpTo: owned.Key, Limit: 1})
			return err
		},
		"BringForward": func() error {
			_, err := e.s.BringForward(e.ctx(), old, eps[0], start.AddDate(-1, 0, 0), 1)
			return err
		},
		"Requeue": func() error {
			_, err := e.requeueOne(old, waybell.Requeue{DeliveryRef: r, Agent: a.Number, Now: start.AddDate(-1, 0, 0)})
			return err
		},
		"CancelDelivery": func() error { return e.s.CancelDelivery(e.ctx(), old, a.Number, r, start) },
		"Adopt":          func() error { _, _, err := e.s.Adopt(e.ctx(), old, start); return err },
		"Sweep":          func() error { _, _, err := e.s.Sweep(e.ctx(), old, owned.Key+1, time.Second); return err },
		"SweepIdempotency": func() error {
			_, _, err := e.s.SweepIdempotency(e.ctx(), old, owned.Key+1, time.Second)
			return err
		},
	}
	for name, write := range writes {
		if err := write(); err == nil {
			e.Errorf("%s: no error", name)
		} else {
			e.is(err, waybell.ErrFenced)
		}
	}
	e.same("delivery", e.delivery(a, r), before)
	_, err := e.s.Event(e.ctx(), a.Number, fresh.Key)
	e.is(err, waybell.ErrNotFound)
}

func testLeave(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	leaver := e.join("leaver")
	_, err := e.s.Accept(e.ctx(), leaver, e.version(), []*waybell.NewEvent{n})
	e.ok(err)
	e.ok(e.s.Leave(e.ctx(), leaver))
	e.is(e.s.Heartbeat(e.ctx(), leaver, waybell.NodeLoad{}), waybell.ErrFenced)
	now := start.Add(time.Hour)
	if got := e.adoptAll(now); got != 1 {
		e.Fatalf("adopted %d rows of a node that left, want 1", got)
	}
	w := e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 5})
	if len(w) != 1 || !w[0].Adopted || w[0].Begun || w[0].Deaths != 0 {
		e.Fatalf("claimed %+v", w)
	}
}

// testAdoptInPieces has more rows than one piece, and rows of a living node
// between them.
func testAdoptInPieces(e *env) {
	const rows = 1600
	a, eps := e.agent(2)
	var first *waybell.NewEvent
	for i := 0; i < rows; i += 100 {
		var list []*waybell.NewEvent
		for range 100 {
			list = append(list, e.event(a, eps[0]))
		}
		if first == nil {
			first = list[0]
		}
		e.accept(list...)
	}
	e.crash()
	mine := e.event(a, eps[1])
	e.accept(mine)

	now := start.Add(time.Hour)
	total, calls := 0, 0
	for more := true; more; calls++ {
		n, again, err := e.s.Adopt(e.ctx(), e.lease, now)
		e.ok(err)
		if n > 1200 {
			e.Fatalf("%d rows in one piece", n)
		}
		total, more = total+n, again
		if n > 0 { // what is adopted can be claimed before the rest is
			if at, ok := e.due(eps[0]); !ok || !at.Equal(first.Due()) {
				e.Fatalf("due at %v, %v after a piece, want %v as before", at, ok, first.Due())
			}
		}
	}
	if total != rows || calls < 2 {
		e.Fatalf("adopted %d rows in %d pieces, want %d", total, calls, rows)
	}
	if n, more, err := e.s.Adopt(e.ctx(), e.lease, now); n != 0 || more || err != nil {
		e.Fatalf("adopting again: %d, %v, %v", n, more, err)
	}
	owned, err := e.s.Owned(e.ctx(), e.lease, waybell.Waiting{}, 10)
	e.ok(err)
	if len(owned) != 1 || owned[0].DeliveryRef != ref(mine, eps[1]) || owned[0].Adopted {
		e.Fatalf("the living node's rows: %+v", owned)
	}
	e.ledger(a)
}

// testAdoptedInOrder has rows under way at a crash, one of them due later, and one that
// came after them and waits aside: they keep their places, but are due by now.
func testAdoptedInOrder(e *env) {
	a, eps := e.agent(1)
	first, second, aside := e.event(a, eps[0]), e.event(a, eps[0]), e.event(a, eps[0])
	aside.Targets[0].Aside = true
	e.accept(second, first, aside)
	e.crash()
	now := aside.Due().Add(time.Hour)
	if n := e.adoptAll(now); n != 2 {
		e.Fatalf("%d rows were adopted, want 2", n)
	}
	w := e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 5})
	if len(w) != 3 || w[0].Event != first.Key || w[1].Event != second.Key || w[2].Event != aside.Key {
		e.Fatalf("claimed %+v", w)
	}
	e.begin(w[:2]...)
	e.crash() // it died while it sent the first two: they do not come first again
	if n := e.adoptAll(now); n != 3 {
		e.Fatalf("%d rows were adopted, want 3", n)
	}
	if w = e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 5}); len(w) != 3 || w[0].Event != aside.Key || w[1].Deaths != 1 || w[2].Deaths != 1 {
		e.Fatalf("claimed %+v", w)
	}
	e.crash()
	before := first.Due().Add(-time.Hour) // the clock was put back
	if n := e.adoptAll(before); n != 3 {
		e.Fatalf("%d rows were adopted, want 3", n)
	}
	if w = e.claim(before, waybell.ClaimWant{Endpoint: eps[0], Max: 5}); len(w) != 3 {
		e.Fatalf("%d rows are due after the clock was put back, want 3", len(w))
	}
}

// testDeaths kills the process again and again while it sends one delivery.
func testDeaths(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	r := ref(n, eps[0])
	e.accept(n)
	now := start.Add(time.Hour)
	e.crash()
	e.adoptAll(now) // the process may have died of anything
	if w := e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 1}); len(w) != 1 || !w[0].Adopted || w[0].Deaths != 0 {
		e.Fatalf("claimed after the first adoption: %+v", w)
	}
	e.crash()
	e.adoptAll(now) // the next one too, with the same delivery; from here on only what was begun counts
	for deaths := 1; deaths < waybell.SuspectDeaths; deaths++ {
		for range 2 { // in memory only, and then being sent
			w := e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
			if len(w) != 1 || w[0].Begun || !w[0].Adopted || w[0].Deaths != deaths {
				e.Fatalf("claimed after %d deaths: %+v", deaths, w)
			}
			e.crash()
			e.adoptAll(now)
		}
		e.begin(e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 1})...)
		e.crash()
		now = now.Add(time.Minute)
		e.adoptAll(now)
	}
	for i := range 4 {
		if _, ok := e.due(eps[0]); ok {
			e.Fatal("a suspect is listed as due")
		}
		later := now.AddDate(1, 0, 0)
		if w := e.claim(later, waybell.ClaimWant{Endpoint: eps[0], Max: 1}); len(w) > 0 {
			e.Fatalf("a suspect was claimed: %+v", w)
		}
		if w := e.claim(later, waybell.ClaimWant{Endpoint: eps[0], Max: 1, Oldest: n.Key}); len(w) > 0 {
			e.Fatalf("a suspect was claimed as the oldest: %+v", w)
		}
		wait := time.Minute << i
		_, err := e.s.ClaimSuspect(e.ctx(), e.lease, now.Add(wait-time.Microsecond))
		e.is(err, waybell.ErrNotFound)
		if d := e.delivery(a, r); !d.NextAt.Equal(now.Add(wait)) {
			e.Fatalf("due %v after %d deaths", d.NextAt.Sub(now), waybell.SuspectDeaths+i)
		}
		now = now.Add(wait)
		w, err := e.s.ClaimSuspect(e.ctx(), e.lease, now)
		e.ok(err)
		if w.DeliveryRef != r || w.Deaths != waybell.SuspectDeaths+i || w.Begun || !w.Owned {
			e.Fatalf("suspect %+v", w)
		}
		e.begin(w)
		e.crash()
		e.adoptAll(now)
	}
	_, err := e.s.ClaimSuspect(e.ctx(), e.lease, now.Add(time.Hour))
	e.ok(err)
	e.settle(final(attempt(a.Number, r, 1, 200), waybell.DeliveryDelivered))
	e.ledger(a)
}

// testBegin marks rows in every state: only what the lease owns is marked, and only
// what is marked dies with its node.
func testBegin(e *env) {
	a, eps := e.agent(1)
	owned, idle, aside, canceled := e.event(a, eps[0]), e.event(a, eps[0]), e.event(a, eps[0]), e.event(a, eps[0])
	aside.Targets[0].Aside = true
	e.accept(owned, idle, aside, canceled)
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, ref(canceled, eps[0]), start))
	other := e.join("other")
	others := e.event(a, eps[0])
	_, err := e.s.Accept(e.ctx(), other, e.version(), []*waybell.NewEvent{others})
	e.ok(err)
	var rows []waybell.Waiting
	for _, n := range []*waybell.NewEvent{aside, owned, canceled, others, e.event(a, eps[0])} {
		rows = append(rows, waybell.Waiting{Agent: a.Number, DeliveryRef: ref(n, eps[0])})
	}
	for range 2 { // again makes no difference
		marked, err := e.s.Begin(e.ctx(), e.lease, rows)
		e.ok(err)
		e.same("marked", marked, []bool{false, true, false, false, false})
	}
	list, err := e.s.Owned(e.ctx(), e.lease, waybell.Waiting{}, 10)
	e.ok(err)
	for _, w := range list {
		if w.Begun != (w.Event == owned.Key) {
			e.Errorf("owned %+v", w)
		}
	}
	none, err := e.s.Begin(e.ctx(), e.lease, nil)
	e.ok(err)
	if len(none) != 0 {
		e.Errorf("of nothing %v is marked", none)
	}
	e.crash()
	now := start.Add(time.Hour)
	if n := e.adoptAll(now); n != 3 {
		e.Fatalf("%d rows were adopted, want 3", n)
	}
	for _, w := range e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 5}) {
		if dead := w.Event == owned.Key; w.Begun || (w.Deaths == 1) != dead {
			e.Errorf("claimed %+v", w)
		}
	}
	e.ledger(a)
}

// testBegunEndsWithTheOwner gives marked rows back, and has them tried again later.
func testBegunEndsWithTheOwner(e *env) {
	a, eps := e.agent(1)
	n, failed := e.event(a, eps[0]), e.event(a, eps[0])
	e.accept(n, failed)
	e.crash()
	e.adoptAll(start)
	begin := func() {
		w := e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 2})
		if len(w) != 2 || w[0].Begun || w[1].Begun || w[0].Deaths+w[1].Deaths != 0 {
			e.Fatalf("claimed %+v", w)
		}
		e.begin(w...)
	}
	for try := range 2 {
		begin()
		e.settle(release(a.Number, ref(n, eps[0]), start), retry(attempt(a.Number, ref(failed, eps[0]), try+1, 500), start))
	}
	e.crash()
	if got := e.adoptAll(start); got != 0 {
		e.Fatalf("adopted %d rows, want none: they were given back", got)
	}
	begin()
}

func testClaimSuspectOrder(e *env) {
	a, eps := e.agent(2)
	first, second := e.event(a, eps[0]), e.event(a, eps[1])
	e.accept(first, second)
	now := start
	for range waybell.SuspectDeaths + 1 {
		e.crash()
		e.adoptAll(now)
		e.begin(e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 1}, waybell.ClaimWant{Endpoint: eps[1], Max: 1})...)
	}
	// The second is due earlier.
	_, err := e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: ref(second, eps[1]), Agent: a.Number, Now: now})
	e.ok(err)
	later := now.Add(time.Hour)
	for _, want := range []waybell.DeliveryRef{ref(second, eps[1]), ref(first, eps[0])} {
		w, err := e.s.ClaimSuspect(e.ctx(), e.lease, later)
		e.ok(err)
		if w.DeliveryRef != want {
			e.Fatalf("claimed %v, want %v", w.DeliveryRef, want)
		}
	}
	_, err = e.s.ClaimSuspect(e.ctx(), e.lease, later)
	e.is(err, waybell.ErrNotFound)
}
