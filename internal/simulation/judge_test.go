package simulation_test

import (
	"github.com/waybell/waybell"
)

// all are the deliveries of all agents.
func (w *world) all() []waybell.Delivery {
	var list []waybell.Delivery
	for _, a := range w.agents {
		page, err := w.store.Deliveries(w.ctx, waybell.DeliveryQuery{Agent: a.number, Limit: 1 << 20, Scan: 1 << 20})
		if err != nil {
			w.violation("deliveries cannot be read: %v", err)
		}
		list = append(list, page.Deliveries...)
	}
	return list
}

// waiting counts the deliveries that wait, but for those that are held.
func (w *world) waiting() int {
	n := 0
	for _, d := range w.all() {
		if !d.State.Settled() && !w.held(d.Endpoint) {
			n++
		}
	}
	return n
}

func (w *world) held(n waybell.EndpointNumber) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.endpoint(n).history
	return h[len(h)-1].IsHeld()
}

// judge looks at what has become of everything.
func (w *world) judge() {
	events := map[waybell.Key]bool{}
	for _, v := range w.all() {
		events[v.Event] = true
		w.judgeDelivery(&v)
	}
	ids := map[string]string{}
	for _, p := range w.published {
		if !p.answered {
			continue
		}
		e, err := w.store.EventByID(w.ctx, p.agent.number, p.id)
		if err != nil {
			w.violation("event %s was taken and is not there: %v", p.id, err)
			continue
		}
		rows, err := w.store.EventDeliveries(w.ctx, p.agent.number, e.Key)
		if err != nil || len(rows) != p.targets {
			w.violation("event %s was taken with %d deliveries and has %d (%v)", p.id, p.targets, len(rows), err)
		}
		if p.own != "" {
			if before, twice := ids[p.agent.id+" "+p.own]; twice && before != waybell.EventID(e.Key) {
				w.violation("the id %s names two events", p.own)
			}
			ids[p.agent.id+" "+p.own] = waybell.EventID(e.Key)
		}
	}
	w.judgeLog()
}

// judgeDelivery: what was promised is done, or its schedule has ended, or it is
// held or canceled as it was told.
func (w *world) judgeDelivery(v *waybell.Delivery) {
	held := w.held(v.Endpoint)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count(v.State.String(), 1)
	d := w.delivery(v.DeliveryRef)
	delivered, tried := false, 0
	for _, q := range d.requests {
		delivered = delivered || q.report != nil && q.report.State == waybell.DeliveryDelivered
		tried = max(tried, q.number)
	}
	switch {
	case !v.State.Settled() && !held:
		w.violate("%v is still %v, due at %s%s", v.DeliveryRef, v.State, stamp(v.NextAt.Sub(w.begun)), w.history(v.DeliveryRef))
	case v.State == waybell.DeliveryDelivered && !delivered:
		w.violate("%v is delivered, but no receiver took it%s", v.DeliveryRef, w.history(v.DeliveryRef))
	case v.State == waybell.DeliveryFailed && v.Attempts == 0:
		w.violate("%v failed without an attempt", v.DeliveryRef)
	case v.State == waybell.DeliveryCanceled && !w.mayBeCanceled(d, v):
		w.violate("%v was canceled by nobody%s", v.DeliveryRef, w.history(v.DeliveryRef))
	case v.Attempts > tried:
		w.violate("%v has %d attempts, %d were made%s", v.DeliveryRef, v.Attempts, tried, w.history(v.DeliveryRef))
	}
}

// mayBeCanceled tells whether somebody had a delivery canceled. mu is held.
func (w *world) mayBeCanceled(d *delivery, v *waybell.Delivery) bool {
	if d.asked || !d.canceled.IsZero() {
		return true
	}
	for _, c := range w.endpoint(v.Endpoint).history {
		if c.State == waybell.EndpointDisabled || c.State == waybell.EndpointDeleted || c.CancelUpTo >= v.Event {
			return true
		}
	}
	return false
}

// judgeLog: every attempt that ended under a living lease is in the log, as it
// was, and no other.
func (w *world) judgeLog() {
	w.mu.Lock()
	defer w.mu.Unlock()
	logged := map[waybell.DeliveryRef]map[int]waybell.Attempt{}
	for ref := range w.deliveries {
		logged[ref] = map[int]waybell.Attempt{}
		list, err := w.store.Attempts(w.ctx, w.endpoint(ref.Endpoint).history[0].Agent, ref, 1000)
		if err != nil {
			w.violate("attempts of %v: %v", ref, err)
		}
		for _, a := range list {
			logged[ref][a.Number] = a
		}
	}
	type name struct {
		waybell.DeliveryRef
		number int
	}
	made := map[name]bool{}
	for _, q := range w.requests {
		a, ok := logged[q.ref][q.number]
		switch {
		case q.report == nil:
		case !ok && !q.node.dead() && w.store.Alive(q.lease):
			w.violate("attempt %d of %v is not in the log%s", q.number, q.ref, w.history(q.ref))
		case ok && q.report.Status == a.StatusCode && q.report.Reason == a.Reason:
			made[name{q.ref, q.number}] = true
		}
	}
	for ref, rest := range logged {
		for number := range rest {
			if made[name{ref, number}] {
				continue
			}
			w.violate("attempt %d of %v is in the log and was not made so%s", number, ref, w.history(ref))
		}
	}
}
