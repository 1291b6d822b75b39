package storetest

import (
	"time"

	"github.com/waybell/waybell"
)

var waitingTests = []test{
	{"Expire", testExpire},
	{"CancelUpTo", testCancelUpTo},
	{"BringForward", testBringForward},
}

// failOnce accepts a delivery with the window and has its first attempt fail.
func (e *env) failOnce(a waybell.Agent, ep waybell.EndpointNumber, window time.Time) waybell.DeliveryRef {
	e.Helper()
	n := e.event(a, ep)
	n.Targets[0].WindowEnd = window
	e.accept(n)
	e.settle(retry(attempt(a.Number, ref(n, ep), 1, 503), start.Add(time.Hour)))
	return ref(n, ep)
}

func testExpire(e *env) {
	a, eps := e.agent(2)
	end := start.Add(time.Hour)
	now := start.Add(2 * time.Hour)
	fresh := e.park(a, eps[0], start) // never attempted
	closed := []waybell.DeliveryRef{e.failOnce(a, eps[0], end), e.failOnce(a, eps[0], end.Add(-time.Second))}
	owned := e.event(a, eps[0])
	owned.Targets[0].WindowEnd = start
	e.accept(owned)
	third := e.failOnce(a, eps[0], end)
	open := e.failOnce(a, eps[0], end.Add(time.Microsecond))
	behind := e.failOnce(a, eps[0], end) // after the first open window
	elsewhere := e.failOnce(a, eps[1], end)

	arg := waybell.ExpireWaiting{Endpoint: eps[0], End: end, Now: now, Limit: 2}
	for _, want := range []int{2, 1, 0} {
		n, err := e.s.ExpireWaiting(e.ctx(), e.lease, arg)
		e.ok(err)
		if n != want {
			e.Fatalf("%d expired, want %d", n, want)
		}
	}
	for _, r := range append(closed, third) {
		d := e.delivery(a, r)
		if d.State != waybell.DeliveryFailed || d.Reason != waybell.ReasonExpired || !d.FinishedAt.Equal(now) ||
			d.Attempts != 1 || d.StatusCode != 503 {
			e.Fatalf("expired %+v", d)
		}
	}
	for _, r := range []waybell.DeliveryRef{fresh, ref(owned, eps[0]), open, behind, elsewhere} {
		if d := e.delivery(a, r); d.State.Settled() {
			e.Fatalf("%+v is settled", d)
		}
	}
	// A delivery that was re-opened has a cycle of its own.
	w, err := e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: closed[0], Agent: a.Number, Now: now, Entered: e.key(), WindowEnd: end})
	e.ok(err)
	if w.Cycle != w.Attempts || w.Attempts != 1 {
		e.Fatalf("re-opened %+v", w)
	}
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, open, now))
	if n, err := e.s.ExpireWaiting(e.ctx(), e.lease, waybell.ExpireWaiting{Endpoint: eps[0], End: end, Now: now, Limit: 10}); n != 1 || err != nil {
		e.Fatalf("%d expired, %v: only the one behind the canceled one should", n, err)
	}
	e.ledger(a)
}

func testCancelUpTo(e *env) {
	a, eps := e.agent(2)
	var rows []waybell.DeliveryRef
	for i := range 5 {
		rows = append(rows, e.park(a, eps[0], start.Add(time.Duration(5-i)*time.Minute)))
	}
	tried := e.failOnce(a, eps[0], start)
	owned := e.event(a, eps[0])
	e.accept(owned)
	limit := e.key()
	younger := e.park(a, eps[0], start)
	elsewhere := e.park(a, eps[1], start)
	// Entered counts, not the age of the event.
	e.ok(e.s.CancelDelivery(e.ctx(), e.lease, a.Number, rows[0], start))
	_, err := e.requeueOne(e.lease, waybell.Requeue{DeliveryRef: rows[0], Agent: a.Number, Now: start, Entered: e.key()})
	e.ok(err)

	now := start.Add(time.Hour)
	for i, want := range []int{2, 2, 1, 0} {
		n, err := e.s.CancelWaiting(e.ctx(), e.lease, waybell.CancelWaiting{Endpoint: eps[0], UpTo: limit, Now: now, Limit: 2})
		e.ok(err)
		if n != want {
			e.Fatalf("call %d: %d canceled, want %d", i, n, want)
		}
		if i == 0 && (!e.delivery(a, rows[2]).State.Settled() || e.delivery(a, rows[3]).State.Settled()) {
			e.Fatal("not the oldest first")
		}
	}
	for _, r := range append(rows[1:], tried) {
		if d := e.delivery(a, r); d.State != waybell.DeliveryCanceled || d.Reason != waybell.ReasonCanceled || !d.FinishedAt.Equal(now) {
			e.Fatalf("delivery %+v", d)
		}
	}
	for _, r := range []waybell.DeliveryRef{rows[0], ref(owned, eps[0]), younger, elsewhere} {
		if d := e.delivery(a, r); d.State.Settled() {
			e.Fatalf("%+v is settled", d)
		}
	}
	e.ledger(a)
}

func testBringForward(e *env) {
	a, eps := e.agent(2)
	latest := start.Add(time.Hour)
	at := []time.Time{start, latest, latest.Add(time.Microsecond), latest.AddDate(10, 0, 0), latest.AddDate(20, 0, 0)}
	var rows []waybell.DeliveryRef
	for _, next := range at {
		rows = append(rows, e.park(a, eps[0], next))
	}
	elsewhere := e.park(a, eps[1], at[3])
	for _, want := range []int{2, 1, 0} {
		n, err := e.s.BringForward(e.ctx(), e.lease, eps[0], latest, 2)
		e.ok(err)
		if n != want {
			e.Fatalf("%d rows, want %d", n, want)
		}
	}
	for i, r := range rows {
		want := latest
		if i == 0 {
			want = start
		}
		if d := e.delivery(a, r); !d.NextAt.Equal(want) {
			e.Fatalf("row %d is due at %v", i, d.NextAt)
		}
	}
	if d := e.delivery(a, elsewhere); !d.NextAt.Equal(at[3]) {
		e.Fatalf("another endpoint's row is due at %v", d.NextAt)
	}
}
