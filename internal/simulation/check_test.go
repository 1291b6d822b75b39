package simulation_test

import (
	"time"

	"github.com/waybell/waybell"
)

const (
	punctual = 3 * time.Second  // how late an attempt may be while nothing is wrong
	behind   = 12 * time.Second // how long a node in trouble may not know what another did
	aware    = time.Second      // the same for one that is well
	exact    = time.Millisecond
)

// mayBegin holds the begin of an attempt against what was promised. mu is held.
func (w *world) mayBegin(d *delivery, e *endpoint, q *request) {
	var last *request // the newest before it
	// What a node was about to send when it froze it sends when it thaws: no lease
	// is of any help there.
	straggler := false
	if q.node.isFrozen(q.at) {
		if before := q.node.leaseAt(q.node.frozenAt()); !w.store.Alive(before) {
			q.lease, straggler = before, true
		}
	}
	for _, p := range d.requests {
		if p.at.After(q.at) { // one that did not reach the receiver is told of late
			continue
		}
		last = p
		alive := !straggler && w.store.Alive(p.lease) && !p.broken && !p.node.isCutOff()
		switch {
		case p.over.IsZero() && alive:
			w.violate("overlap: attempt %d of %v begins on %s%s", q.number, q.ref, q.node.name, w.history(q.ref))
		case p.number == q.number && alive:
			w.violate("attempt %d of %v is made twice, now on %s, though its node lives%s", q.number, q.ref, q.node.name, w.history(q.ref))
		}
	}
	if q.number > len(d.requests)+1 {
		w.violate("attempt %d of %v is only the %dth%s", q.number, q.ref, len(d.requests)+1, w.history(q.ref))
	}
	if d.deaths > 0 && !d.marked && d.claimed == q.lease {
		w.violate("attempt %d of %v, which has deaths, begins on %s without being marked%s", q.number, q.ref, q.node.name, w.history(q.ref))
	}
	if q.test {
		return
	}
	w.notHeld(d, e, q)
	if last != nil && last.report != nil && last.number == q.number-1 && !d.requeued.After(last.at) && w.store.Alive(last.lease) {
		w.onTime(e, last, q)
	}
	if last == nil {
		w.inOrder(d, e, q)
	}
}

// claimed takes note of rows that a node claimed. Nothing died during an attempt of
// more of them than were marked to be sent, but for the one death that the second
// adoption counts.
func (w *world) claimed(by waybell.Lease, rows []waybell.Waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range rows {
		d := w.delivery(r.DeliveryRef)
		d.claimed, d.deaths, d.marked = by, r.Deaths, false
		if r.Begun || r.Deaths > d.marks+1 {
			w.violate("%v is claimed after %d deaths, begun %v, though it was to be sent %d times%s",
				r.DeliveryRef, r.Deaths, r.Begun, d.marks, w.history(r.DeliveryRef))
		}
	}
}

// marked takes note of rows that a node marks before it sends them. Those of a commit
// of unknown outcome may be marked.
func (w *world) marked(by waybell.Lease, rows []waybell.Waiting, marked []bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range rows {
		d := w.delivery(r.DeliveryRef)
		d.marks++
		if marked != nil && marked[i] && d.claimed == by {
			d.marked = true
			w.count("marked", 1)
		}
	}
}

// slack is how long after a change a node may act by what was before. mu is held.
func (w *world) slack(c *change, n *node) time.Duration {
	now := time.Now()
	switch {
	case !w.calm(c.at.Add(-time.Second), now):
		return behind
	case c.by == n:
		return 0
	}
	return aware
}

// notHeld: nothing begins for an endpoint that is held, disabled or deleted, nor
// for a delivery that was canceled. mu is held.
func (w *world) notHeld(d *delivery, e *endpoint, q *request) {
	for i := range e.history {
		c := &e.history[i]
		passed := q.at.Sub(c.at) > w.slack(c, q.node) && c.at.Before(q.at)
		if !passed || q.node.isFrozen(q.at) {
			continue
		}
		if last := i == len(e.history)-1; last && c.State != waybell.EndpointActive {
			w.violate("held: attempt %d of %v begins on %s, %v after its endpoint became %v", q.number, q.ref, q.node.name, q.at.Sub(c.at), c.State)
		}
		if q.ref.Event <= c.CancelUpTo && !d.requeued.After(c.at) && d.requeued.IsZero() {
			w.violate("canceled: attempt %d of %v begins on %s, %v after its endpoint canceled what waited%s", q.number, q.ref, q.node.name, q.at.Sub(c.at), w.history(q.ref))
		}
	}
	if q.node.solo && !d.canceled.IsZero() && q.at.After(d.canceled) && !d.requeued.After(d.canceled) {
		w.violate("canceled: attempt %d of %v begins %v after it was canceled%s", q.number, q.ref, q.at.Sub(d.canceled), w.history(q.ref))
	}
}

// onTime: an attempt is made when it was planned: not before, and not much later
// unless there is a reason. mu is held.
func (w *world) onTime(e *endpoint, last, q *request) {
	next := last.report.NextAt
	if last.report.State != waybell.DeliveryRetrying {
		w.violate("attempt %d of %v begins though it was %v%s", q.number, q.ref, last.report.State, w.history(q.ref))
		return
	}
	if q.at.Before(next.Add(-time.Microsecond)) && !e.forward.After(last.over) {
		w.violate("attempt %d of %v begins %v early%s", q.number, q.ref, next.Sub(q.at), w.history(q.ref))
	}
	late := q.at.Sub(next)
	since := next.Add(-time.Second)
	now := e.history[len(e.history)-1]
	excused := late <= punctual || !w.calm(since, q.at) || now.at.After(since) || now.RateLimit > 0 ||
		e.running > 0 || e.idleSince.After(since) || e.refused.After(next.Add(-time.Hour)) || w.limits.Queued > 0 ||
		e.forward.After(last.over) || w.breaks(e.number)
	if !excused {
		w.violate("attempt %d of %v begins %v late%s", q.number, q.ref, late, w.history(q.ref))
	}
}

// breaks tells whether an endpoint's breaker is open, or was until a moment ago:
// what waits goes one by one then.
func (w *world) breaks(n waybell.EndpointNumber) bool {
	list, err := w.store.CountersOf(w.ctx, []waybell.EndpointNumber{n})
	return err != nil || len(list) > 0 && (list[0].Health.Open || list[0].Health.Failures >= 20)
}

// inOrder: what was held is sent oldest first after a resume. Processes died during
// some of it: these are marked before they are sent, while those behind them go. mu is
// held.
func (w *world) inOrder(d *delivery, e *endpoint, q *request) {
	now := &e.history[len(e.history)-1]
	if now.DrainUpTo == 0 || q.ref.Event > now.DrainUpTo || e.sent == nil || d.marks > 0 || !d.requeued.IsZero() {
		return
	}
	var resumed time.Time
	for i := range e.history {
		if e.history[i].DrainUpTo == now.DrainUpTo {
			resumed = e.history[i].at
			break
		}
	}
	w.count("held", 1)
	if before := e.sent[q.node]; before > q.ref.Event && q.at.After(e.sentAt[q.node]) && w.calm(resumed.Add(-time.Minute), q.at) && now.at.Equal(resumed) {
		w.violate("order: held %v is sent by %s after the younger event %v", q.ref, q.node.name, before)
	}
	e.sent[q.node], e.sentAt[q.node] = max(e.sent[q.node], q.ref.Event), q.at
}

// judgePlan holds an attempt's outcome against the policy. mu is held.
func (w *world) judgePlan(d *delivery, e *endpoint, q *request) {
	r := q.report
	p := w.policies[r.Endpoint.Retry.Policy]
	if r.Endpoint.Retry.Schedule != nil {
		p.schedule = r.Endpoint.Retry.Schedule
	}
	if r.Endpoint.Retry.Window != 0 {
		p.window = r.Endpoint.Retry.Window
	}
	success := r.Status >= 200 && r.Status < 300
	if success != (r.State == waybell.DeliveryDelivered) {
		w.violate("attempt %d of %v: %d made it %v", q.number, q.ref, r.Status, r.State)
	}
	if success && (!q.arrived || q.plan.status != r.Status) {
		w.violate("attempt %d of %v: %d was never answered", q.number, q.ref, r.Status)
	}
	if success || q.test {
		return
	}
	final := r.Status != 0 && p.final(r.Status)
	if final != (r.State == waybell.DeliveryFailed && r.Reason != waybell.ReasonExpired && r.NextAt.IsZero() && final) {
		w.violate("attempt %d of %v: %d made it %v by %s", q.number, q.ref, r.Status, r.State, r.Endpoint.Retry.Policy)
	}
	if final || !d.requeued.IsZero() { // after a re-send the cycle is another
		return
	}
	// The endpoint may have been held meanwhile, and the window with it: its end
	// lies between these.
	end := q.ref.Event.Time().Add(p.window)
	if len(e.history) > 1 || e.forward.After(q.ref.Event.Time()) {
		return // what the endpoint was when it was planned is not known for sure
	}
	switch {
	case q.number > len(p.schedule):
		if r.State != waybell.DeliveryFailed {
			w.violate("attempt %d of %v is after the schedule's end: %v", q.number, q.ref, r.State)
		}
		return
	case r.State == waybell.DeliveryFailed:
		if wait := p.schedule[q.number-1]; q.over.Add(wait).Before(end.Add(-exact)) {
			w.violate("attempt %d of %v ended it %v before its window does", q.number, q.ref, end.Sub(q.over))
		}
		return
	}
	wait := p.schedule[q.number-1]
	spread := time.Duration(float64(wait) * p.jitter)
	least, most := wait-spread, wait+spread
	if r.Status == 429 || r.Status == 503 {
		least, most = max(least, q.plan.retry), max(most, q.plan.retry)
	}
	got := r.NextAt.Sub(q.over)
	if r.NextAt.After(end.Add(exact)) || got > most+exact || got < least-exact && end.Sub(r.NextAt).Abs() > exact {
		w.violate("attempt %d of %v: the next one is planned in %v, want %v to %v, window %v%s", q.number, q.ref, got, least, most, end.Sub(q.over), w.history(q.ref))
	}
}

func (n *node) isCutOff() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cutOff
}

func (n *node) frozenAt() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.froze
}

// isFrozen tells whether the node stood still, or just stopped doing so.
func (n *node) isFrozen(at time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frozen != nil || at.Before(n.trouble)
}

// check holds what is stored against itself, and against what was stored before.
func (w *world) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	counters, err := w.store.AllCounters(w.ctx)
	if err != nil {
		w.violate("the ledger cannot be read: %v", err)
		return
	}
	recount := map[waybell.EndpointNumber]waybell.Counters{}
	for _, c := range w.store.Recount() {
		recount[c.Endpoint] = c
	}
	for _, c := range counters {
		if c.Accepted != c.Pending+c.Retrying+c.Delivered+c.Failed+c.Canceled {
			w.violate("conservation: endpoint %d: %+v", c.Endpoint, c)
		}
		c.Health = waybell.Health{}
		if r := recount[c.Endpoint]; r != c && c.Accepted > 0 {
			w.violate("ledger: endpoint %d: stored %+v, recounted %+v", c.Endpoint, c, r)
		}
	}
	for _, a := range w.agents {
		w.checkRows(a)
	}
}

// checkRows looks for deliveries that changed as none may. mu is held.
func (w *world) checkRows(a *agent) {
	page, err := w.store.Deliveries(w.ctx, waybell.DeliveryQuery{Agent: a.number, Limit: 1 << 20, Scan: 1 << 20})
	if err != nil {
		w.violate("deliveries cannot be read: %v", err)
	}
	for _, v := range page.Deliveries {
		old, known := w.seen[v.DeliveryRef]
		w.seen[v.DeliveryRef] = v
		if !known {
			continue
		}
		requeued := w.delivery(v.DeliveryRef).requeued
		again := !requeued.IsZero() && !requeued.Before(old.FinishedAt)
		switch {
		case v.Attempts < old.Attempts:
			w.violate("%v had %d attempts and has %d", v.DeliveryRef, old.Attempts, v.Attempts)
		case old.State.Settled() && v.State != old.State && !again &&
			!(old.State == waybell.DeliveryCanceled && v.State == waybell.DeliveryDelivered):
			w.violate("%v was %v and is %v%s", v.DeliveryRef, old.State, v.State, w.history(v.DeliveryRef))
		}
	}
}
