package storetest

import (
	"slices"
	"time"

	"github.com/waybell/waybell"
)

var settleTests = []test{
	{"Final", testSettleFinal},
	{"FinalWithoutAttempt", testFinalWithoutAttempt},
	{"Retry", testSettleRetry},
	{"Release", testSettleRelease},
	{"Repeated", testSettleRepeated},
	{"AfterCancel", testSettleAfterCancel},
	{"AfterReopen", testSettleAfterReopen},
	{"BesideOwner", testSettleBesideOwner},
	{"AfterSweep", testSettleAfterSweep},
	{"NotOwner", testSettleNotOwner},
	{"Health", testHealth},
	{"AttemptRoundTrip", testAttemptRoundTrip},
}

func testSettleFinal(e *env) {
	for _, c := range []struct {
		status int
		state  waybell.DeliveryState
		reason waybell.Reason
	}{
		{204, waybell.DeliveryDelivered, waybell.ReasonDelivered},
		{500, waybell.DeliveryFailed, waybell.ReasonExpired},
		{410, waybell.DeliveryFailed, waybell.ReasonGone},
		{0, waybell.DeliveryFailed, waybell.ReasonBlocked},
		{503, waybell.DeliveryCanceled, waybell.ReasonCanceled},
	} {
		a, eps := e.agent(1)
		n := e.event(a, eps[0])
		e.accept(n)
		o := final(attempt(a.Number, ref(n, eps[0]), 1, c.status), c.state)
		o.Reason = c.reason
		e.settle(o)
		e.same("delivery", e.delivery(a, o.DeliveryRef), waybell.Delivery{DeliveryRef: o.DeliveryRef, Agent: a.Number,
			EventID: n.ID, Type: n.Type, State: c.state, Reason: c.reason, Attempts: 1, StatusCode: c.status,
			CreatedAt: n.Key.Time(), FinishedAt: o.FinishedAt})
		e.same("attempts", e.attempts(a, o.DeliveryRef), []waybell.Attempt{*o.Attempt})
		led := e.ledger(a)[eps[0]]
		if *bucket(&led, c.state) != 1 || led.Accepted != 1 {
			e.Fatalf("ledger %+v", led)
		}
	}
}

func testFinalWithoutAttempt(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	e.settle(retry(attempt(a.Number, r, 1, 503), start))
	e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	e.settle(waybell.Settlement{DeliveryRef: r, Agent: a.Number, Kind: waybell.SettleFinal,
		State: waybell.DeliveryFailed, Reason: waybell.ReasonExpired, FinishedAt: start.Add(time.Hour)})
	d := e.delivery(a, r)
	if d.State != waybell.DeliveryFailed || d.Reason != waybell.ReasonExpired || d.Attempts != 1 || d.StatusCode != 503 ||
		!d.FinishedAt.Equal(start.Add(time.Hour)) {
		e.Fatalf("delivery %+v", d)
	}
	e.ledger(a)
}

func testSettleRetry(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	next := start.Add(time.Minute + time.Microsecond)
	o := retry(attempt(a.Number, r, 1, 503), next)
	o.Panics = 2
	e.settle(o)
	d := e.delivery(a, r)
	if d.State != waybell.DeliveryRetrying || d.Reason != waybell.ReasonHTTPStatus || d.Attempts != 1 ||
		d.StatusCode != 503 || !d.NextAt.Equal(next) || d.Entered != n.Key {
		e.Fatalf("delivery %+v", d)
	}
	if led := e.ledger(a)[eps[0]]; led.Retrying != 1 || led.Pending != 0 {
		e.Fatalf("ledger %+v", led)
	}
	w := e.claim(next, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	e.same("claimed", w, []waybell.Waiting{{DeliveryRef: r, Agent: a.Number, Type: n.Type, Entered: n.Key, NextAt: next,
		WindowEnd: n.Targets[0].WindowEnd, Attempts: 1, StatusCode: 503, Reason: waybell.ReasonHTTPStatus, Owned: true, Panics: 2}})
	timeout := attempt(a.Number, r, 2, 0)
	timeout.Reason = waybell.ReasonTimeout
	e.settle(retry(timeout, next))
	if d := e.delivery(a, r); d.Attempts != 2 || d.StatusCode != 0 || d.Reason != waybell.ReasonTimeout {
		e.Fatalf("delivery %+v", d)
	}
	if led := e.ledger(a)[eps[0]]; led.Retrying != 1 {
		e.Fatalf("ledger %+v", led)
	}
	if got := len(e.attempts(a, r)); got != 2 {
		e.Fatalf("%d attempts", got)
	}
}

func testSettleRelease(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	e.settle(release(a.Number, r, start.Add(time.Minute)))
	d := e.delivery(a, r)
	if d.State != waybell.DeliveryPending || d.Attempts != 0 || !d.NextAt.Equal(start.Add(time.Minute)) {
		e.Fatalf("delivery %+v", d)
	}
	if got := e.attempts(a, r); len(got) != 0 {
		e.Fatalf("attempts %+v", got)
	}
	e.ledger(a)
}

// testSettleRepeated writes each batch twice, as after a commit whose outcome
// was unknown.
func testSettleRepeated(e *env) {
	a, eps := e.agent(1)
	x, y, z := e.event(a, eps[0]), e.event(a, eps[0]), e.event(a, eps[0])
	e.accept(x, y, z)
	batch := []waybell.Settlement{
		final(attempt(a.Number, ref(x, eps[0]), 1, 200), waybell.DeliveryDelivered),
		retry(attempt(a.Number, ref(y, eps[0]), 1, 500), start),
		release(a.Number, ref(z, eps[0]), start.Add(time.Minute)),
	}
	e.settle(batch...)
	before := e.all(a.Number)
	e.settle(batch...)
	e.same("after the repetition", e.all(a.Number), before)
	e.ledger(a)
	// Also while the retried row is claimed again: it is still the next attempt's.
	e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	e.settle(batch...)
	e.same("after another one", e.all(a.Number), before)
	owned, err := e.s.Owned(e.ctx(), e.lease, waybell.Waiting{}, 10)
	e.ok(err)
	e.same("owned", refs(owned), []waybell.DeliveryRef{ref(y, eps[0])})
	if got := len(e.attempts(a, ref(y, eps[0]))); got != 1 {
		e.Fatalf("%d attempts", got)
	}
}

// testSettleAfterCancel has an attempt finish that was under way when its
// delivery was canceled.
func testSettleAfterCancel(e *env) {
	for _, c := range []struct {
		status int
		kind   waybell.SettleKind
		state  waybell.DeliveryState
		want   waybell.DeliveryState
		reason waybell.Reason
	}{
		{200, waybell.SettleFinal, waybell.DeliveryDelivered, waybell.DeliveryDelivered, waybell.ReasonDelivered},
		{410, waybell.SettleFinal, waybell.DeliveryFailed, waybell.DeliveryCanceled, waybell.ReasonCanceled},
		{500, waybell.SettleRetry, 0, waybell.DeliveryCanceled, waybell.ReasonCanceled},
	} {
		a, eps := e.agent(1)
		n := e.event(a, eps[0])
		e.accept(n)
		r := ref(n, eps[0])
		canceled := start.Add(time.Minute)
		e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, r, canceled))
		o := final(attempt(a.Number, r, 1, c.status), c.state)
		o.Kind, o.NextAt = c.kind, start
		for range 2 { // the second time changes nothing
			e.settle(o)
			d := e.delivery(a, r)
			if d.State != c.want || d.Reason != c.reason || d.Attempts != 1 {
				e.Fatalf("delivery after %d: %+v", c.status, d)
			}
			if c.want == waybell.DeliveryCanceled && !d.FinishedAt.Equal(canceled) {
				e.Fatalf("finished at %v, want %v", d.FinishedAt, canceled)
			}
			e.same("attempts", e.attempts(a, r), []waybell.Attempt{*o.Attempt})
			e.ledger(a)
		}
	}
	// A settled delivery that is not canceled stays, also by a 2xx.
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	e.settle(final(attempt(a.Number, r, 1, 410), waybell.DeliveryFailed))
	e.settle(final(attempt(a.Number, r, 2, 200), waybell.DeliveryDelivered))
	if d := e.delivery(a, r); d.State != waybell.DeliveryFailed || d.StatusCode != 410 {
		e.Fatalf("delivery %+v", d)
	}
	if got := len(e.attempts(a, r)); got != 2 {
		e.Fatalf("%d attempts", got)
	}
	newest, err := e.s.Attempts(e.ctx(), a.Number, r, 1)
	if e.ok(err); len(newest) != 1 || newest[0].Number != 2 {
		e.Fatalf("the newest attempt is %+v", newest)
	}
	e.ledger(a)
}

// testSettleAfterReopen has a late attempt meet a delivery that waits again:
// the attempt is kept, and the numbers go on after it.
func testSettleAfterReopen(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, r, start))
	_, err := e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: r, Agent: a.Number, Now: start, Entered: e.key()})
	e.ok(err)
	late := final(attempt(a.Number, r, 1, 500), waybell.DeliveryFailed)
	e.settle(late)
	d := e.delivery(a, r)
	if d.State != waybell.DeliveryRetrying || d.Attempts != 1 {
		e.Fatalf("delivery %+v", d)
	}
	e.ledger(a)
	w := e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	if len(w) != 1 || w[0].Attempts != 1 {
		e.Fatalf("claimed %+v", w)
	}
	e.settle(final(attempt(a.Number, r, 2, 200), waybell.DeliveryDelivered))
	if got := e.attempts(a, r); len(got) != 2 || got[0].StatusCode != 500 || got[1].StatusCode != 200 {
		e.Fatalf("attempts %+v", got)
	}
	e.ledger(a)
}

// testSettleBesideOwner has a node that lost its lease, and joined anew, write the
// outcome of an attempt of a delivery that another node has in hand by now.
func testSettleBesideOwner(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	e.crash()
	e.adoptAll(start)
	if w := e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1}); len(w) != 1 {
		e.Fatalf("claimed %+v", w)
	}
	back := e.join("back")
	late := final(attempt(a.Number, r, 1, 200), waybell.DeliveryDelivered)
	e.ok(e.s.Settle(e.ctx(), back, []waybell.Settlement{late}))
	if d := e.delivery(a, r); d.State != waybell.DeliveryPending || d.Attempts != 0 {
		e.Fatalf("delivery %+v", d)
	}
	e.settle(retry(attempt(a.Number, r, 1, 500), start))
	if d := e.delivery(a, r); d.State != waybell.DeliveryRetrying || d.Attempts != 1 {
		e.Fatalf("delivery %+v after its owner's attempt", d)
	}
	if got := e.attempts(a, r); len(got) != 1 || got[0].StatusCode != 500 {
		e.Fatalf("attempts %+v", got)
	}
	e.ledger(a)
}

func testSettleAfterSweep(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.tomorrow()
	kept := e.event(a, eps[0])
	e.accept(n, kept)
	e.sweep(kept.Key)
	e.settle(final(attempt(a.Number, ref(n, eps[0]), 1, 200), waybell.DeliveryDelivered),
		final(attempt(a.Number, ref(kept, eps[0]), 1, 200), waybell.DeliveryDelivered))
	_, err := e.s.Delivery(e.ctx(), a.Number, ref(n, eps[0]))
	e.is(err, waybell.ErrNotFound)
	list, err := e.s.Counters(e.ctx(), a.Number)
	e.ok(err)
	want := waybell.Counters{Endpoint: eps[0], Accepted: 2, Delivered: 1, Canceled: 1}
	e.same("ledger", list, []waybell.Counters{want})
}

func testSettleNotOwner(e *env) {
	a, eps := e.agent(1)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	other := e.join("other")
	e.ok(e.s.Settle(e.ctx(), other, []waybell.Settlement{release(a.Number, r, start)}))
	if _, ok := e.due(eps[0]); ok {
		e.Fatal("another node released the row")
	}
	owned, err := e.s.Owned(e.ctx(), e.lease, waybell.Waiting{}, 10)
	e.ok(err)
	e.same("owned", refs(owned), []waybell.DeliveryRef{r})
}

func testHealth(e *env) {
	a, eps := e.agent(2)
	x, y, z := e.event(a, eps[0]), e.event(a, eps[0]), e.event(a, eps[1])
	e.accept(x, y, z)
	health := func(failures int) *waybell.Health {
		return &waybell.Health{LastFailure: start.Add(time.Duration(failures) * time.Microsecond), FailingSince: start, Failures: failures}
	}
	first := final(attempt(a.Number, ref(x, eps[0]), 1, 410), waybell.DeliveryFailed)
	first.Health = health(1)
	second := retry(attempt(a.Number, ref(y, eps[0]), 1, 500), start)
	second.Health = health(2)
	plain := final(attempt(a.Number, ref(z, eps[1]), 1, 200), waybell.DeliveryDelivered)
	e.settle(first, second, plain)
	want := []waybell.Health{*health(2), {}}
	for range 2 {
		list, err := e.s.Counters(e.ctx(), a.Number)
		e.ok(err)
		slices.SortFunc(list, func(a, b waybell.Counters) int { return int(a.Endpoint) - int(b.Endpoint) })
		e.same("health", []waybell.Health{list[0].Health, list[1].Health}, want)
		// One that says nothing changes nothing.
		e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
		e.settle(release(a.Number, ref(y, eps[0]), start))
	}
	e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	healthy := final(attempt(a.Number, ref(y, eps[0]), 2, 200), waybell.DeliveryDelivered)
	healthy.Health = &waybell.Health{LastSuccess: start}
	e.settle(healthy)
	list, err := e.s.AllCounters(e.ctx())
	e.ok(err)
	i := slices.IndexFunc(list, func(c waybell.Counters) bool { return c.Endpoint == eps[0] })
	e.same("healthy again", list[i].Health, *healthy.Health)
}

func testAttemptRoundTrip(e *env) {
	a, eps := e.agent(1)
	b, _ := e.agent(0)
	n := e.event(a, eps[0])
	e.accept(n)
	r := ref(n, eps[0])
	big := make([]byte, 30_000)
	for i := range big {
		big[i] = byte(i)
	}
	want := []waybell.Attempt{
		{DeliveryRef: r, Agent: a.Number, Number: 1, StartedAt: start, Duration: time.Microsecond, Reason: waybell.ReasonDNS, Detail: big},
		{DeliveryRef: r, Agent: a.Number, Number: 2, StartedAt: start.Add(time.Microsecond), Reason: waybell.ReasonTLS, Detail: []byte{}},
		{DeliveryRef: r, Agent: a.Number, Number: 3, StartedAt: start, Duration: time.Hour, StatusCode: 599, Reason: waybell.ReasonHTTPStatus},
	}
	for i := range want {
		e.settle(retry(&want[i], start))
		e.claim(start, waybell.ClaimWant{Endpoint: eps[0], Max: 1})
	}
	e.same("attempts", e.attempts(a, r), want)
	_, err := e.s.Attempts(e.ctx(), b.Number, r, 1)
	e.is(err, waybell.ErrNotFound)
}
