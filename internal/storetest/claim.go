package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

var claimTests = []test{
	{"Due", testDue},
	{"DueAfterFailure", testDueAfterFailure},
	{"Order", testClaimOrder},
	{"Oldest", func(e *env) { testClaimOldest(e, 0) }},
	{"OldestOfMany", func(e *env) { testClaimOldest(e, manyDue) }},
	{"OldestAmongRetries", func(e *env) { testOldestAmongRetries(e, 0) }},
	{"OldestAmongRetriesOfMany", func(e *env) { testOldestAmongRetries(e, manyDue) }},
	{"OldestBehindManyRetries", testOldestBehindManyRetries},
	{"Fair", testClaimFair},
	{"Tests", testClaimTests},
	{"ManyClaimers", testManyClaimers},
	{"Owned", testOwned},
}

// park accepts one delivery and makes it wait unowned until next.
func (e *env) park(a waybell.Agent, ep waybell.EndpointNumber, next time.Time) waybell.DeliveryRef {
	e.Helper()
	n := e.event(a, ep)
	e.accept(n)
	e.settle(release(a.Number, ref(n, ep), next))
	return ref(n, ep)
}

// parkMany is park for many deliveries, whose keys follow each other.
func (e *env) parkMany(a waybell.Agent, ep waybell.EndpointNumber, n int, next time.Time) (all []waybell.DeliveryRef) {
	e.Helper()
	const batch = 500
	for n > 0 {
		var events []*waybell.NewEvent
		var released []waybell.Settlement
		for range min(n, batch) {
			event := e.event(a, ep)
			events, all = append(events, event), append(all, ref(event, ep))
			released = append(released, release(a.Number, ref(event, ep), next))
		}
		e.accept(events...)
		e.settle(released...)
		n -= len(events)
	}
	return all
}

// manyDue is more due rows than a store puts in order for each claim anew.
const manyDue = 600

func refs(list []waybell.Waiting) []waybell.DeliveryRef {
	out := []waybell.DeliveryRef{}
	for _, w := range list {
		out = append(out, w.DeliveryRef)
	}
	return out
}

// testDue follows the earliest due time through everything that changes it.
func testDue(e *env) {
	a, eps := e.agent(2)
	ep := eps[0]
	want := func(step string, at time.Time) {
		e.Helper()
		got, ok := e.due(ep)
		if ok == at.IsZero() || ok && !got.Equal(at) {
			e.Fatalf("%s: due at %v, %v, want %v", step, got, ok, at)
		}
	}
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	want("at first", time.Time{})
	e.park(a, ep, at(30))
	want("one row", at(30))
	e.park(a, ep, at(10))
	e.park(a, ep, at(20))
	e.park(a, eps[1], at(5))
	want("three rows", at(10))
	first := e.claim(at(10), waybell.ClaimWant{Endpoint: ep, Max: 5})
	want("one claimed", at(20))
	e.settle(retry(attempt(a.Number, first[0].DeliveryRef, 1, 500), at(15)))
	want("one retried", at(15))
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, first[0].DeliveryRef, at(1)))
	want("one canceled", at(20))
	_, err := e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: first[0].DeliveryRef, Agent: a.Number, Now: at(2), Entered: e.key()})
	e.ok(err)
	want("one re-opened", at(2))
	n, err := e.s.BringForward(e.ctx(), e.lease, ep, at(1), 10)
	e.ok(err)
	if n != 3 {
		e.Fatalf("%d rows brought forward", n)
	}
	want("all brought forward", at(1))
	n, err = e.s.CancelWaiting(e.ctx(), e.lease, waybell.CancelWaiting{Endpoint: ep, UpTo: e.key(), Limit: 2})
	e.ok(err)
	if n != 2 {
		e.Fatalf("%d rows canceled", n)
	}
	want("two of three canceled", at(1))
	e.claim(at(1), waybell.ClaimWant{Endpoint: ep, Max: 1})
	want("the last claimed", time.Time{})

	// until is inclusive.
	for _, c := range []struct {
		until time.Time
		want  int
	}{{at(5).Add(-time.Microsecond), 0}, {at(5), 1}} {
		list, err := e.s.Due(e.ctx(), c.until)
		e.ok(err)
		if len(list) != c.want {
			e.Fatalf("%d endpoints due at %v", len(list), c.until)
		}
	}
}

// testDueAfterFailure has a transaction fail after it changed what is due.
func testDueAfterFailure(e *env) {
	a, eps := e.agent(1)
	r := e.park(a, eps[0], start.Add(time.Hour))
	clash := aside(e.event(a, eps[0]))
	clash.Key = r.Event
	if _, err := e.tryAccept(aside(e.event(a, eps[0])), clash); err == nil {
		e.Fatal("two events with one key")
	}
	if at, ok := e.due(eps[0]); !ok || !at.Equal(start.Add(time.Hour)) {
		e.Fatalf("due at %v, %v", at, ok)
	}
}

func testClaimOrder(e *env) {
	a, eps := e.agent(1)
	var byNext []waybell.DeliveryRef
	for i := range 6 { // falling
		byNext = append([]waybell.DeliveryRef{e.park(a, eps[0], start.Add(time.Duration(10-i)*time.Second))}, byNext...)
	}
	now := start.Add(8 * time.Second) // the fourth is due at this very moment
	e.same("nothing wanted", refs(e.claim(now, waybell.ClaimWant{Endpoint: eps[0]})), []waybell.DeliveryRef{})
	first := e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 3})
	e.same("first three", refs(first), byNext[:3])
	for _, w := range first {
		if !w.Owned || w.Adopted || w.Begun || w.Attempts != 0 {
			e.Fatalf("claimed %+v", w)
		}
	}
	e.same("the rest of the due", refs(e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 10})), byNext[3:4])
	e.same("none due", refs(e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 10})), []waybell.DeliveryRef{})
}

// testClaimOldest claims oldest first, beside so many due rows that entered later.
func testClaimOldest(e *env, beside int) {
	a, eps := e.agent(1)
	var byEntered []waybell.DeliveryRef
	for i := range 6 { // due in falling order
		byEntered = append(byEntered, e.park(a, eps[0], start.Add(time.Duration(10-i)*time.Second)))
	}
	e.parkMany(a, eps[0], beside, start)
	want := waybell.ClaimWant{Endpoint: eps[0], Max: 2, Oldest: byEntered[4].Event}
	now := start.Add(9 * time.Second)
	e.same("oldest", refs(e.claim(now, want)), byEntered[1:3]) // the first is not due yet
	e.same("next", refs(e.claim(now, want)), byEntered[3:5])
	e.same("not the youngest", refs(e.claim(now, want)), []waybell.DeliveryRef{})
	e.same("the first, later", refs(e.claim(now.Add(time.Hour), want)), byEntered[:1])
}

// testOldestAmongRetries drains oldest first while rows fail again: the order
// of Entered must hold whatever was looked at before, and whatever is due beside them.
func testOldestAmongRetries(e *env, beside int) {
	a, eps := e.agent(1)
	var all []waybell.DeliveryRef
	for range 30 {
		all = append(all, e.park(a, eps[0], start))
	}
	e.parkMany(a, eps[0], beside, start)
	want := waybell.ClaimWant{Endpoint: eps[0], Max: 10, Oldest: all[29].Event}
	now := start.Add(time.Second)
	first := e.claim(now, want)
	e.same("first ten", refs(first), all[:10])
	for i, r := range refs(first) { // all fail, and are due again in falling order
		e.settle(retry(attempt(a.Number, r, 1, 500), now.Add(time.Duration(20-i)*time.Second)))
	}
	e.same("second ten", refs(e.claim(now, want)), all[10:20])
	now = now.Add(15 * time.Second) // of the first ten the last five are due again
	e.same("due again, then on", refs(e.claim(now, want)), append(slices.Clone(all[5:10]), all[20:25]...))
	e.settle(release(a.Number, all[7], now), release(a.Number, all[22], now))
	e.same("given back", refs(e.claim(now, want)), []waybell.DeliveryRef{all[7], all[22], all[25], all[26], all[27], all[28], all[29]})
	now = now.Add(time.Hour)
	want.Max = 3
	e.same("three of the rest", refs(e.claim(now, want)), all[:3])
	e.same("the rest", refs(e.claim(now, want)), all[3:5])
	e.same("no more", refs(e.claim(now, want)), []waybell.DeliveryRef{})
}

// testOldestBehindManyRetries has more rows that are not due before the due ones than a
// claim walks over: each claim is full all the same, until none is left.
func testOldestBehindManyRetries(e *env) {
	a, eps := e.agent(1)
	e.parkMany(a, eps[0], 20_000, start.Add(time.Hour))
	due := e.parkMany(a, eps[0], manyDue, start)
	want := waybell.ClaimWant{Endpoint: eps[0], Max: manyDue / 4, Oldest: due[len(due)-1].Event}
	var got []waybell.DeliveryRef
	for range 4 {
		claimed := refs(e.claim(start.Add(time.Second), want))
		if len(claimed) != want.Max {
			e.Fatalf("%d claimed, want %d", len(claimed), want.Max)
		}
		got = append(got, claimed...)
	}
	e.same("all that is due", got, due)
	e.same("no more", refs(e.claim(start.Add(time.Second), want)), []waybell.DeliveryRef{})
}

// testClaimFair asks for several endpoints at once: one with many due rows
// takes no place of another.
func testClaimFair(e *env) {
	a, eps := e.agent(3)
	var list []*waybell.NewEvent
	for range 50 {
		list = append(list, aside(e.event(a, eps[0])))
	}
	e.accept(list...)
	one := e.park(a, eps[1], start)
	got := e.claim(start.Add(time.Hour), waybell.ClaimWant{Endpoint: eps[0], Max: 4},
		waybell.ClaimWant{Endpoint: eps[2], Max: 4}, waybell.ClaimWant{Endpoint: eps[1], Max: 4})
	count := make(map[waybell.EndpointNumber]int)
	for _, w := range got {
		count[w.Endpoint]++
	}
	if count[eps[0]] != 4 || count[eps[1]] != 1 || count[eps[2]] != 0 || !slices.Contains(refs(got), one) {
		e.Fatalf("claimed %v", count)
	}
}

// testManyClaimers has several nodes claim at once: no row goes to two of them,
// and none is left.
func testManyClaimers(e *env) {
	const rows, claimers = 300, 6
	a, eps := e.agent(2)
	var list []*waybell.NewEvent
	for range rows {
		list = append(list, aside(e.event(a, eps...)))
	}
	e.accept(list...)
	var mu sync.Mutex
	owner := make(map[waybell.DeliveryRef]int64)
	var wg sync.WaitGroup
	for i := range claimers {
		lease := e.join("claimer")
		want := waybell.ClaimWant{Max: 7}
		if i%2 == 0 {
			want.Oldest = e.key()
		}
		wg.Go(func() {
			for {
				left := 0
				for _, ep := range eps {
					want.Endpoint = ep
					got, err := e.s.Claim(e.ctx(), lease, start.Add(time.Hour), []waybell.ClaimWant{want})
					if err != nil {
						e.Error(err)
						return
					}
					left += len(got)
					mu.Lock()
					for _, w := range got {
						if other, taken := owner[w.DeliveryRef]; taken {
							e.Errorf("%v went to nodes %d and %d", w.DeliveryRef, other, lease.Node)
						}
						owner[w.DeliveryRef] = lease.Node
					}
					mu.Unlock()
				}
				if left == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	if len(owner) != rows*len(eps) {
		e.Fatalf("%d rows claimed of %d", len(owner), rows*len(eps))
	}
	if _, ok := e.due(eps[0]); ok {
		e.Fatal("rows are due that all are claimed")
	}
}

func testOwned(e *env) {
	a, eps := e.agent(2)
	b, beps := e.agent(1)
	var want []waybell.DeliveryRef
	for range 5 {
		n := e.event(a, eps...)
		e.accept(n, aside(e.event(a, eps[0])))
		want = append(want, ref(n, eps[0]), ref(n, eps[1]))
	}
	n := e.event(b, beps[0])
	e.accept(n)
	want = append(want, ref(n, beps[0]))
	other := e.join("other")
	_, err := e.s.Accept(e.ctx(), other, e.version(), []*waybell.NewEvent{e.event(a, eps[0])})
	e.ok(err)
	var got []waybell.DeliveryRef
	for after := (waybell.Waiting{}); ; {
		page, err := e.s.Owned(e.ctx(), e.lease, after, 4)
		e.ok(err)
		if len(page) == 0 {
			break
		}
		got = append(got, refs(page)...)
		after = page[len(page)-1]
	}
	e.same("owned", got, want)
}

// testClaimTests claims test sends of all endpoints, and nothing else, once.
func testClaimTests(e *env) {
	a, eps := e.agent(2)
	send := func(ep waybell.EndpointNumber, test bool) waybell.DeliveryRef {
		n := aside(e.event(a, ep))
		n.Test = test
		e.accept(n)
		return ref(n, ep)
	}
	send(eps[0], false)
	first, second, third := send(eps[1], true), send(eps[0], true), send(eps[1], true)
	send(eps[1], false)
	owned := e.event(a, eps[0])
	owned.Test = true
	e.accept(owned)
	if got := e.claim(third.Event.Time().Add(-time.Microsecond), waybell.ClaimWant{Tests: true, Max: 1}); !slices.Equal(refs(got), []waybell.DeliveryRef{first}) {
		e.Fatalf("claimed %v, want the first test", refs(got))
	}
	now := start.Add(time.Hour)
	got := e.claim(now, waybell.ClaimWant{Tests: true, Max: 10}, waybell.ClaimWant{Endpoint: eps[0], Max: 10}, waybell.ClaimWant{Endpoint: eps[1], Max: 10})
	if len(got) != 4 || !slices.Equal(refs(got[:2]), []waybell.DeliveryRef{second, third}) || !got[0].Test || !got[0].Owned {
		e.Fatalf("claimed %+v, want two tests and two others", got)
	}
	if again := e.claim(now, waybell.ClaimWant{Tests: true, Max: 10}); len(again) != 0 {
		e.Fatalf("claimed %v twice", refs(again))
	}
	// One that was given back is due again; a suspect is not.
	e.settle(release(a.Number, third, now.Add(time.Minute)))
	if early := e.claim(now, waybell.ClaimWant{Tests: true, Max: 10}); len(early) != 0 {
		e.Fatalf("claimed %v before it was due", refs(early))
	}
	for deaths := range waybell.SuspectDeaths + 1 {
		e.crash()
		e.adoptAll(now)
		got = e.claim(now, waybell.ClaimWant{Tests: true, Max: 10})
		if want := 3; deaths < waybell.SuspectDeaths && len(got) != want || deaths == waybell.SuspectDeaths && len(got) != 0 {
			e.Fatalf("claimed %d tests after %d deaths", len(got), deaths)
		}
		e.begin(got...)
	}
	e.ledger(a)
}
