package storetest

import (
	"slices"
	"time"

	"github.com/waybell/waybell"
)

var deliveryTests = []test{
	{"List", testListDeliveries},
	{"ScanBounds", testScanBounds},
	{"OfEvent", testEventDeliveries},
	{"NotFound", testDeliveryNotFound},
	{"Requeue", testRequeue},
	{"RequeueMany", testRequeueMany},
	{"RequeueCanceled", testRequeueCanceled},
	{"RequeueUnderWay", testRequeueUnderWay},
	{"RequeueAfterLeave", testRequeueAfterLeave},
	{"Cancel", testCancelDelivery},
}

// log is an agent with deliveries of many kinds, newest first.
func (e *env) log() (waybell.Agent, []waybell.EndpointNumber, []waybell.Delivery) {
	a, eps := e.agent(3)
	noise, neps := e.agent(1)
	var events []*waybell.NewEvent
	for i := range 20 {
		n := e.event(a, eps...)
		if i%3 == 0 {
			n.Type = "handover.requested"
		}
		if i%4 == 0 {
			n.ID, n.CustomID = e.unique("own"), true
		}
		events = append(events, n)
	}
	e.accept(events...)
	e.accept(e.event(noise, neps[0]))
	var outcomes []waybell.Settlement
	for i, n := range events {
		for j, ep := range eps {
			switch at := attempt(a.Number, ref(n, ep), 1, 0); (i + 3*j) % 5 {
			case 0:
				at.StatusCode, at.Reason = 200, waybell.ReasonDelivered
				outcomes = append(outcomes, final(at, waybell.DeliveryDelivered))
			case 1:
				at.StatusCode, at.Reason = 410, waybell.ReasonGone
				outcomes = append(outcomes, final(at, waybell.DeliveryFailed))
			case 2:
				at.StatusCode, at.Reason = 503, waybell.ReasonHTTPStatus
				outcomes = append(outcomes, retry(at, start))
			case 3:
				outcomes = append(outcomes, release(a.Number, ref(n, ep), start))
			}
		}
	}
	e.settle(outcomes...)
	var list []waybell.Delivery
	for _, n := range slices.Backward(events) {
		for _, ep := range slices.Backward(eps) {
			list = append(list, e.delivery(a, ref(n, ep)))
		}
	}
	return a, eps, list
}

func testListDeliveries(e *env) {
	a, eps, all := e.log()
	type query struct {
		name string
		q    waybell.DeliveryQuery
		want func(waybell.Delivery) bool
	}
	middle, later := all[40].Event, all[10].Event
	queries := []query{
		{"all", waybell.DeliveryQuery{}, func(waybell.Delivery) bool { return true }},
		{"type", waybell.DeliveryQuery{Type: "handover.requested"},
			func(d waybell.Delivery) bool { return d.Type == "handover.requested" }},
		{"unknown type", waybell.DeliveryQuery{Type: "no.such"}, func(waybell.Delivery) bool { return false }},
		{"state", waybell.DeliveryQuery{States: []waybell.DeliveryState{waybell.DeliveryFailed}},
			func(d waybell.Delivery) bool { return d.State == waybell.DeliveryFailed }},
		{"waiting states", waybell.DeliveryQuery{States: []waybell.DeliveryState{waybell.DeliveryPending, waybell.DeliveryRetrying}},
			func(d waybell.Delivery) bool { return !d.State.Settled() }},
		{"no state", waybell.DeliveryQuery{States: []waybell.DeliveryState{}}, func(waybell.Delivery) bool { return false }},
		{"status", waybell.DeliveryQuery{Status: &waybell.StatusRange{From: 503, To: 503}}, func(d waybell.Delivery) bool { return d.StatusCode == 503 }},
		{"statuses", waybell.DeliveryQuery{Status: &waybell.StatusRange{From: 410, To: 503}}, func(d waybell.Delivery) bool { return d.StatusCode >= 410 }},
		{"statuses below", waybell.DeliveryQuery{Status: &waybell.StatusRange{From: 200, To: 502}},
			func(d waybell.Delivery) bool { return d.StatusCode == 200 || d.StatusCode == 410 }},
		{"no answer", waybell.DeliveryQuery{Status: &waybell.StatusRange{}}, func(d waybell.Delivery) bool { return d.StatusCode == 0 }},
		{"no status", waybell.DeliveryQuery{Status: &waybell.StatusRange{From: 500, To: 499}}, func(waybell.Delivery) bool { return false }},
		{"endpoints", waybell.DeliveryQuery{Endpoints: eps[1:]}, func(d waybell.Delivery) bool { return d.Endpoint != eps[0] }},
		{"no endpoint", waybell.DeliveryQuery{Endpoints: []waybell.EndpointNumber{}}, func(waybell.Delivery) bool { return false }},
		{"except", waybell.DeliveryQuery{ExceptEndpoints: eps[1:]}, func(d waybell.Delivery) bool { return d.Endpoint == eps[0] }},
		{"since", waybell.DeliveryQuery{Since: middle}, func(d waybell.Delivery) bool { return d.Event >= middle }},
		{"until", waybell.DeliveryQuery{Until: later}, func(d waybell.Delivery) bool { return d.Event < later }},
		{"since and until", waybell.DeliveryQuery{Since: middle, Until: later},
			func(d waybell.Delivery) bool { return d.Event >= middle && d.Event < later }},
		{"empty range", waybell.DeliveryQuery{Since: later, Until: middle}, func(waybell.Delivery) bool { return false }},
		{"several", waybell.DeliveryQuery{Since: middle, Type: "lead.submit", Endpoints: eps[:2], States: []waybell.DeliveryState{waybell.DeliveryDelivered}},
			func(d waybell.Delivery) bool {
				return d.Event >= middle && d.Type == "lead.submit" && d.Endpoint != eps[2] && d.State == waybell.DeliveryDelivered
			}},
	}
	for _, c := range queries {
		want := slices.DeleteFunc(slices.Clone(all), func(d waybell.Delivery) bool { return !c.want(d) })
		for _, size := range []struct{ limit, scan int }{{100, 1000}, {7, 11}, {60, 60}} {
			q := c.q
			q.Agent, q.Limit, q.Scan = a.Number, size.limit, size.scan
			var got []waybell.Delivery
			for pages := 0; ; pages++ {
				page, err := e.s.Deliveries(e.ctx(), q)
				e.ok(err)
				if len(page.Deliveries) > size.limit || pages > len(all) {
					e.Fatalf("%s %v: %d rows on page %d", c.name, size, len(page.Deliveries), pages)
				}
				got = append(got, page.Deliveries...)
				if page.Next == (waybell.DeliveryRef{}) {
					break
				}
				q.After = page.Next
			}
			if len(got) != len(want) {
				e.Fatalf("%s %v: %d rows, want %d", c.name, size, len(got), len(want))
			}
			if len(want) > 0 {
				e.same(c.name, got, want)
			}
		}
	}
}

// testScanBounds looks at single pages: how far they go and when they end.
func testScanBounds(e *env) {
	a, _, all := e.log()
	q := waybell.DeliveryQuery{Agent: a.Number, Type: "no.such", Limit: 10, Scan: 12}
	page, err := e.s.Deliveries(e.ctx(), q)
	e.ok(err)
	if len(page.Deliveries) != 0 || page.Next != all[11].DeliveryRef {
		e.Fatalf("next %v, want the last row looked at, %v", page.Next, all[11].DeliveryRef)
	}
	q = waybell.DeliveryQuery{Agent: a.Number, Limit: 5, Scan: 100}
	page, err = e.s.Deliveries(e.ctx(), q)
	e.ok(err)
	if len(page.Deliveries) != 5 || page.Next != all[4].DeliveryRef {
		e.Fatalf("%d rows, next %v", len(page.Deliveries), page.Next)
	}
	for _, size := range []struct{ limit, scan int }{{len(all), 1000}, {1000, len(all)}} {
		q.Limit, q.Scan = size.limit, size.scan
		page, err = e.s.Deliveries(e.ctx(), q)
		e.ok(err)
		if len(page.Deliveries) != len(all) || page.Next != (waybell.DeliveryRef{}) {
			e.Fatalf("%d rows, next %v at the end of the list", len(page.Deliveries), page.Next)
		}
	}
	// New rows do not move a cursor.
	q.Limit, q.After = 5, page.Deliveries[9].DeliveryRef
	e.accept(e.event(a, all[0].Endpoint))
	page, err = e.s.Deliveries(e.ctx(), q)
	e.ok(err)
	e.same("after the cursor", page.Deliveries, all[10:15])
}

func testEventDeliveries(e *env) {
	a, eps, all := e.log()
	want := slices.Clone(all[3:6])
	slices.Reverse(want)
	got, err := e.s.EventDeliveries(e.ctx(), a.Number, want[0].Event)
	e.ok(err)
	e.same("deliveries", got, want)
	for _, c := range []struct {
		agent waybell.AgentNumber
		event waybell.Key
	}{{a.Number + 1, want[0].Event}, {a.Number, want[0].Event + 1}} {
		got, err := e.s.EventDeliveries(e.ctx(), c.agent, c.event)
		e.ok(err)
		if len(got) != 0 {
			e.Fatalf("deliveries %+v, endpoints %v", got, eps)
		}
	}
}

func testDeliveryNotFound(e *env) {
	a, eps := e.agent(1)
	b, beps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	for _, settled := range []bool{false, true} {
		if settled {
			e.settle(final(attempt(a.Number, ref(n, eps[0]), 1, 200), waybell.DeliveryDelivered))
		}
		for _, c := range []struct {
			agent waybell.AgentNumber
			ref   waybell.DeliveryRef
		}{{b.Number, ref(n, eps[0])}, {a.Number, ref(n, beps[0])}, {a.Number, waybell.DeliveryRef{Event: n.Key + 1, Endpoint: eps[0]}}} {
			_, err := e.s.Delivery(e.ctx(), c.agent, c.ref)
			e.is(err, waybell.ErrNotFound)
			_, err = e.s.Attempts(e.ctx(), c.agent, c.ref, 1)
			e.is(err, waybell.ErrNotFound)
			_, err = e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: c.ref, Agent: c.agent, Now: start})
			e.is(err, waybell.ErrNotFound)
			e.is(e.s.CancelDelivery(e.ctx(), e.lease, c.agent, c.ref, start), waybell.ErrNotFound)
		}
	}
	e.ledger(a)
}

// requeueOne requeues one delivery.
func (e *env) requeueOne(lease waybell.Lease, r waybell.Requeue) (waybell.Waiting, error) {
	got, err := e.s.Requeue(e.ctx(), lease, []waybell.Requeue{r})
	if err != nil {
		return waybell.Waiting{}, err
	}
	if len(got) != 1 {
		e.Fatalf("%d results for one delivery", len(got))
	}
	return got[0].Waiting, got[0].Err
}

// testRequeueMany requeues deliveries of all kinds in one call, a missing one
// and one twice among them.
func testRequeueMany(e *env) {
	a, eps, all := e.log()
	other, _ := e.agent(1)
	now := start.Add(time.Hour)
	var list []waybell.Requeue
	add := func(agent waybell.AgentNumber, r waybell.DeliveryRef) {
		list = append(list, waybell.Requeue{DeliveryRef: r, Agent: agent, Now: now, Entered: e.key(), WindowEnd: now.Add(time.Hour)})
	}
	add(other.Number, all[0].DeliveryRef)
	for _, d := range all {
		add(a.Number, d.DeliveryRef)
	}
	add(a.Number, all[1].DeliveryRef)
	owned := map[waybell.DeliveryRef]bool{}
	rows, err := e.s.Owned(e.ctx(), e.lease, waybell.Waiting{}, 1000)
	e.ok(err)
	for _, w := range rows {
		owned[w.DeliveryRef] = true
	}
	got, err := e.s.Requeue(e.ctx(), e.lease, list)
	e.ok(err)
	if len(got) != len(list) {
		e.Fatalf("%d results, want %d", len(got), len(list))
	}
	e.is(got[0].Err, waybell.ErrNotFound)
	for i, d := range all {
		w := got[1+i]
		e.ok(w.Err)
		want := waybell.Waiting{DeliveryRef: d.DeliveryRef, Agent: a.Number, Type: d.Type, Entered: d.Entered, NextAt: now,
			WindowEnd: w.WindowEnd, Attempts: d.Attempts, StatusCode: d.StatusCode, Reason: d.Reason}
		switch {
		case d.State.Settled():
			want.Entered, want.WindowEnd, want.Cycle = list[1+i].Entered, list[1+i].WindowEnd, d.Attempts
		case owned[d.DeliveryRef]:
			want.NextAt, want.Owned = d.NextAt, true
		}
		e.same("row", w.Waiting, want)
	}
	last := got[len(got)-1]
	e.ok(last.Err)
	e.same("the one named twice", last.Waiting, got[2].Waiting)
	for _, ep := range eps {
		if led := e.ledger(a)[ep]; led.Pending+led.Retrying != led.Accepted {
			e.Fatalf("ledger %+v", led)
		}
		if at, ok := e.due(ep); !ok || !at.Equal(now) {
			e.Fatalf("endpoint %d is due at %v, %v", ep, at, ok)
		}
	}
	got, err = e.s.Requeue(e.ctx(), e.lease, nil)
	e.ok(err)
	if len(got) != 0 {
		e.Fatalf("%d results for nothing", len(got))
	}
}

// testRequeueCanceled requeues waiting deliveries that count as canceled.
func testRequeueCanceled(e *env) {
	a, eps := e.agent(1)
	owned, parked, later := e.event(a, eps[0]), aside(e.event(a, eps[0])), aside(e.event(a, eps[0]))
	e.accept(owned, parked, later)
	now := start.Add(time.Hour)
	var list []waybell.Requeue
	for _, n := range []*waybell.NewEvent{owned, parked, later} {
		list = append(list, waybell.Requeue{DeliveryRef: ref(n, eps[0]), Agent: a.Number, Now: now, Entered: e.key(),
			WindowEnd: now.Add(time.Hour), CanceledUpTo: parked.Key})
	}
	got, err := e.s.Requeue(e.ctx(), e.lease, list)
	e.ok(err)
	for i, w := range got {
		e.ok(w.Err)
		want := waybell.Waiting{DeliveryRef: list[i].DeliveryRef, Agent: a.Number, Type: later.Type, Entered: list[i].Entered,
			NextAt: now, WindowEnd: list[i].WindowEnd, Reason: waybell.ReasonCanceled}
		if i == 2 { // it entered later: only made due
			want.Entered, want.WindowEnd, want.Reason = later.Key, later.Targets[0].WindowEnd, waybell.ReasonNone
		}
		e.same("row", w.Waiting, want)
	}
	if led := e.ledger(a)[eps[0]]; led.Pending != 3 || led.Canceled != 0 {
		e.Fatalf("ledger %+v", led)
	}
}

// testRequeueUnderWay cancels deliveries while another node has them in hand:
// they wait again only when that node has let go of them, however it does.
func testRequeueUnderWay(e *env) {
	other := e.join("other")
	a, eps := e.agent(1)
	now := start.Add(time.Hour)
	for _, c := range []struct {
		name     string
		let      func(r waybell.DeliveryRef) waybell.Settlement
		attempts int
	}{
		{"failure", func(r waybell.DeliveryRef) waybell.Settlement {
			return final(attempt(a.Number, r, 1, 503), waybell.DeliveryFailed)
		}, 1},
		{"retry", func(r waybell.DeliveryRef) waybell.Settlement {
			return retry(attempt(a.Number, r, 1, 503), now.Add(time.Hour))
		}, 1},
		{"success", func(r waybell.DeliveryRef) waybell.Settlement {
			return final(attempt(a.Number, r, 1, 200), waybell.DeliveryDelivered)
		}, 1},
		{"release", func(r waybell.DeliveryRef) waybell.Settlement { return release(a.Number, r, now) }, 0},
		{"cancellation", func(r waybell.DeliveryRef) waybell.Settlement {
			return waybell.Settlement{DeliveryRef: r, Agent: a.Number, Kind: waybell.SettleFinal,
				State: waybell.DeliveryCanceled, Reason: waybell.ReasonCanceled, FinishedAt: now}
		}, 0},
	} {
		held, gone, free := e.event(a, eps[0]), e.event(a, eps[0]), aside(e.event(a, eps[0]))
		_, err := e.s.Accept(e.ctx(), other, e.version(), []*waybell.NewEvent{held, gone})
		e.ok(err)
		e.accept(free)
		e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, ref(gone, eps[0]), now))
		requeue := func(n *waybell.NewEvent, lease waybell.Lease, canceledUpTo waybell.Key) (waybell.Waiting, error) {
			return e.requeueOne(lease, waybell.Requeue{DeliveryRef: ref(n, eps[0]), Agent: a.Number, Now: now,
				Entered: e.key(), WindowEnd: now.Add(time.Hour), CanceledUpTo: canceledUpTo})
		}
		before := e.all(a.Number)
		_, err = requeue(gone, e.lease, 0)
		e.is(err, waybell.ErrConflict)
		_, err = requeue(held, e.lease, held.Key)
		e.is(err, waybell.ErrConflict)
		e.same(c.name+": after the refusals", e.all(a.Number), before)
		// One that is refused holds no other up, and an owned one that was not
		// canceled is coalesced.
		got, err := e.s.Requeue(e.ctx(), e.lease, []waybell.Requeue{
			{DeliveryRef: ref(gone, eps[0]), Agent: a.Number, Now: now, Entered: e.key()},
			{DeliveryRef: ref(free, eps[0]), Agent: a.Number, Now: now.Add(time.Second), Entered: e.key()},
			{DeliveryRef: ref(held, eps[0]), Agent: a.Number, Now: now, Entered: e.key()},
		})
		e.ok(err)
		e.is(got[0].Err, waybell.ErrConflict)
		if got[1].Err != nil || !got[1].NextAt.Equal(now.Add(time.Second)) || got[2].Err != nil || !got[2].Owned {
			e.Fatalf("%s: beside the refused one: %+v", c.name, got[1:])
		}
		e.ok(e.s.Settle(e.ctx(), other, []waybell.Settlement{c.let(ref(gone, eps[0]))}))
		w, err := requeue(gone, e.lease, 0)
		e.ok(err)
		if w.Owned || w.Attempts != c.attempts || !w.NextAt.Equal(now) {
			e.Fatalf("%s: waits again as %+v", c.name, w)
		}
		// The node itself knows what it has in hand.
		_, err = requeue(held, other, held.Key)
		e.ok(err)
		e.ledger(a)
	}
}

// testRequeueAfterLeave cancels what another node has in hand that never tells:
// once it has left nobody is waited for.
func testRequeueAfterLeave(e *env) {
	other := e.join("other")
	a, eps := e.agent(1)
	canceled, counts := e.event(a, eps[0]), e.event(a, eps[0])
	_, err := e.s.Accept(e.ctx(), other, e.version(), []*waybell.NewEvent{canceled, counts})
	e.ok(err)
	now := start.Add(time.Hour)
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, ref(canceled, eps[0]), now))
	e.ok(e.s.Leave(e.ctx(), other))
	for _, n := range []*waybell.NewEvent{canceled, counts} {
		w, err := e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: ref(n, eps[0]), Agent: a.Number, Now: now,
			Entered: e.key(), WindowEnd: now.Add(time.Hour), CanceledUpTo: counts.Key})
		e.ok(err)
		if w.Owned || !w.NextAt.Equal(now) {
			e.Fatalf("waits again as %+v", w)
		}
	}
	if n := e.adoptAll(now); n != 0 {
		e.Fatalf("adopted %d rows that nobody owned", n)
	}
	e.ledger(a)
}

func testRequeue(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	n.Test = true
	e.accept(n)
	r := ref(n, eps[0])
	now := start.Add(time.Hour)
	arg := waybell.Requeue{DeliveryRef: r, Agent: a.Number, Now: now, Entered: e.key(), WindowEnd: now.Add(24 * time.Hour)}

	w, err := e.requeueOne(e.lease, arg) // owned: left as it is
	e.ok(err)
	want := waybell.Waiting{DeliveryRef: r, Agent: a.Number, Type: n.Type, Entered: n.Key, NextAt: n.Key.Time(),
		WindowEnd: n.Targets[0].WindowEnd, Owned: true, Test: true}
	e.same("owned", w, want)

	o := retry(attempt(a.Number, r, 1, 503), start.Add(24*time.Hour))
	o.Panics = 1
	e.settle(o)
	w, err = e.requeueOne(e.lease, arg) // unowned: due now, same cycle
	e.ok(err)
	want.NextAt, want.Owned, want.Attempts, want.StatusCode, want.Reason, want.Panics = now, false, 1, 503, waybell.ReasonHTTPStatus, 1
	e.same("unowned", w, want)
	if at, ok := e.due(eps[0]); !ok || !at.Equal(now) {
		e.Fatalf("due at %v, %v", at, ok)
	}

	for i, state := range []waybell.DeliveryState{waybell.DeliveryDelivered, waybell.DeliveryFailed, waybell.DeliveryCanceled} {
		claimed := e.claim(now, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
		number := claimed[0].Attempts + 1
		e.settle(final(attempt(a.Number, r, number, 404), state))
		arg.Entered = e.key()
		w, err = e.requeueOne(e.lease, arg)
		e.ok(err)
		e.same("re-opened", w, waybell.Waiting{DeliveryRef: r, Agent: a.Number, Type: n.Type, Entered: arg.Entered, NextAt: now,
			WindowEnd: arg.WindowEnd, Attempts: i + 2, Cycle: i + 2, StatusCode: 404, Reason: waybell.ReasonHTTPStatus, Test: true})
		if d := e.delivery(a, r); d.State != waybell.DeliveryRetrying || !d.FinishedAt.IsZero() {
			e.Fatalf("delivery %+v", d)
		}
		led := e.ledger(a)[eps[0]]
		if led.Retrying != 1 || led.Accepted != 1 {
			e.Fatalf("ledger %+v", led)
		}
	}

	// One that was canceled before its first attempt is pending again.
	m := e.event(a, eps[0])
	e.accept(m)
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, ref(m, eps[0]), now))
	arg.DeliveryRef = ref(m, eps[0])
	_, err = e.requeueOne(e.lease, arg)
	e.ok(err)
	if led := e.ledger(a)[eps[0]]; led.Pending != 1 || led.Retrying != 1 || led.Canceled != 0 {
		e.Fatalf("ledger %+v", led)
	}
}

func testCancelDelivery(e *env) {
	a, eps := e.agent(1)
	owned, parked := e.event(a, eps[0]), aside(e.event(a, eps[0]))
	e.accept(owned, parked)
	now := start.Add(time.Hour)
	for _, n := range []*waybell.NewEvent{owned, parked} {
		r := ref(n, eps[0])
		e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, r, now))
		d := e.delivery(a, r)
		if d.State != waybell.DeliveryCanceled || d.Reason != waybell.ReasonCanceled || !d.FinishedAt.Equal(now) || d.Attempts != 0 {
			e.Fatalf("delivery %+v", d)
		}
		e.is(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, r, now), waybell.ErrConflict)
	}
	if _, ok := e.due(eps[0]); ok {
		e.Fatal("a canceled delivery is due")
	}
	e.ledger(a)
}
