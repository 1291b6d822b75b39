package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/waybell/waybell"
	"pgregory.net/rapid"
)

// row is a delivery as the contract says it should be.
type row struct {
	ref      waybell.DeliveryRef
	state    waybell.DeliveryState
	attempts int
	cycle    int
	log      int // attempt rows
	entered  waybell.Key
	nextAt   time.Time
	window   time.Time
	owned    bool
	adopted  bool
	begun    bool
	deaths   int
}

// model does what the contract says, one operation after the other, to rows in
// memory and to a store.
type model struct {
	*env
	t      *rapid.T
	a      waybell.Agent
	eps    []waybell.EndpointNumber
	now    time.Time
	rows   []*row // by rising (event, endpoint)
	health map[waybell.EndpointNumber]waybell.Health
	steps  int
}

// runModel compares the store with the model after random sequences of
// operations. All sequences share one store: each has an agent of its own.
func runModel(e *env) {
	sequences := 0
	rapid.Check(e.TB.(rapid.TB), func(t *rapid.T) {
		if sequences++; slow && sequences > 25 {
			return
		}
		m := &model{env: e, t: t, now: start, health: make(map[waybell.EndpointNumber]waybell.Health)}
		m.a, m.eps = e.agent(2)
		actions := map[string]func(*rapid.T){
			"accept": m.accept, "claim": m.claim, "settle": m.settle, "again": m.settle, "late": m.late,
			"cancel": m.cancel, "requeue": m.requeue, "expire": m.expire, "cancelUpTo": m.cancelUpTo,
			"bringForward": m.bringForward, "suspect": m.suspect, "begin": m.begin, "time": m.pass, "crash": m.crash, "": m.check,
		}
		defer m.clear()
		t.Repeat(actions)
		m.checkRows()
	})
}

// clear leaves no work for the next sequence.
func (m *model) clear() {
	for _, r := range m.rows {
		if !r.state.Settled() {
			m.ok(m.s.CancelDelivery(m.ctx(), m.lease, m.a.Number, r.ref, m.now))
		}
	}
}

func (m *model) endpoint() waybell.EndpointNumber {
	return rapid.SampledFrom(m.eps).Draw(m.t, "endpoint")
}

func (m *model) seconds(label string, from, to int) time.Duration {
	return time.Duration(rapid.IntRange(from, to).Draw(m.t, label)) * time.Second
}

// pick draws one of the rows that qualify, or skips the operation.
func (m *model) pick(ok func(*row) bool) *row {
	var list []*row
	for _, r := range m.rows {
		if ok(r) {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		m.t.Skip("no such row")
	}
	return rapid.SampledFrom(list).Draw(m.t, "row")
}

func waits(r *row) bool   { return !r.state.Settled() }
func free(r *row) bool    { return waits(r) && !r.owned }
func ours(r *row) bool    { return waits(r) && r.owned }
func sane(r *row) bool    { return free(r) && r.deaths < waybell.SuspectDeaths }
func (r *row) refresh()   { r.state = state(r.attempts) }
func (r *row) freeAgain() { r.owned, r.begun = false, false }

func state(attempts int) waybell.DeliveryState {
	if attempts > 0 {
		return waybell.DeliveryRetrying
	}
	return waybell.DeliveryPending
}

func (m *model) accept(*rapid.T) {
	n := m.event(m.a, m.eps[:rapid.IntRange(1, len(m.eps)).Draw(m.t, "targets")]...)
	for i := range n.Targets {
		n.Targets[i].Aside = rapid.Bool().Draw(m.t, "aside")
		n.Targets[i].WindowEnd = m.now.Add(m.seconds("window", -5, 50))
	}
	m.env.accept(n)
	for _, target := range n.Targets {
		m.rows = append(m.rows, &row{ref: ref(n, target.Endpoint), entered: n.Key, nextAt: n.Key.Time(),
			window: target.WindowEnd, owned: !target.Aside})
	}
}

func (m *model) pass(*rapid.T) { m.now = m.now.Add(m.seconds("pass", 0, 20)) }

func (m *model) claim(*rapid.T) {
	ep, limit := m.endpoint(), rapid.IntRange(1, 3).Draw(m.t, "max")
	want := waybell.ClaimWant{Endpoint: ep, Max: limit}
	var due []*row
	for _, r := range m.rows {
		if r.ref.Endpoint == ep && sane(r) && !r.nextAt.After(m.now) {
			due = append(due, r)
		}
	}
	order := func(a, b *row) int { return a.nextAt.Compare(b.nextAt) }
	if rapid.Bool().Draw(m.t, "oldest") {
		want.Oldest = m.last
		if len(m.rows) > 0 {
			want.Oldest = rapid.SampledFrom(m.rows).Draw(m.t, "up to").entered
		}
		due = slices.DeleteFunc(due, func(r *row) bool { return r.entered > want.Oldest })
		order = func(a, b *row) int { return cmp.Compare(a.entered, b.entered) }
	}
	slices.SortStableFunc(due, order)
	got := m.env.claim(m.now, want)
	if len(got) != min(limit, len(due)) {
		m.t.Fatalf("claimed %d rows, %d are due and %d wanted", len(got), len(due), limit)
	}
	for i, w := range got {
		j := slices.IndexFunc(due, func(r *row) bool { return r.ref == w.DeliveryRef })
		if j < 0 || order(due[j], due[i]) != 0 { // equal times may come in any order
			m.t.Fatalf("claim %d is %v, out of order", i, w.DeliveryRef)
		}
		m.own(due[j], w)
	}
}

func (m *model) own(r *row, w waybell.Waiting) {
	r.owned = true
	if w.Attempts != r.attempts || w.Cycle != r.cycle || w.Begun != r.begun || w.Adopted != r.adopted || w.Deaths != r.deaths ||
		w.Entered != r.entered || !w.NextAt.Equal(r.nextAt) || !w.WindowEnd.Equal(r.window) || !w.Owned {
		m.t.Fatalf("claimed %+v, the model has %+v", w, r)
	}
}

func (m *model) suspect(*rapid.T) {
	var due []*row
	for _, r := range m.rows {
		if free(r) && r.deaths >= waybell.SuspectDeaths && !r.nextAt.After(m.now) {
			due = append(due, r)
		}
	}
	w, err := m.s.ClaimSuspect(m.ctx(), m.lease, m.now)
	if len(due) == 0 {
		m.is(err, waybell.ErrNotFound)
		return
	}
	m.ok(err)
	first := slices.MinFunc(due, func(a, b *row) int { return a.nextAt.Compare(b.nextAt) })
	i := slices.IndexFunc(due, func(r *row) bool { return r.ref == w.DeliveryRef })
	if i < 0 || !due[i].nextAt.Equal(first.nextAt) {
		m.t.Fatalf("suspect %v is not the one due longest", w.DeliveryRef)
	}
	m.own(due[i], w)
}

// begin marks some rows, whoever owns them.
func (m *model) begin(*rapid.T) {
	var rows []waybell.Waiting
	var want []bool
	for _, r := range m.rows {
		if rapid.Bool().Draw(m.t, "begins") {
			rows = append(rows, waybell.Waiting{Agent: m.a.Number, DeliveryRef: r.ref, Attempts: r.attempts})
			want = append(want, ours(r))
			r.begun = ours(r)
		}
	}
	marked, err := m.s.Begin(m.ctx(), m.lease, rows)
	m.ok(err)
	if !slices.Equal(marked, want) {
		m.t.Fatalf("marked %v, want %v", marked, want)
	}
}

// settle draws an outcome for an owned row.
func (m *model) settle(*rapid.T) {
	r := m.pick(ours)
	at := attempt(m.a.Number, r.ref, r.attempts+1, 500)
	var o waybell.Settlement
	switch rapid.IntRange(0, 4).Draw(m.t, "outcome") {
	case 0:
		o = release(m.a.Number, r.ref, m.now.Add(m.seconds("next", -3, 10)))
		r.freeAgain()
		r.nextAt = o.NextAt
	case 1, 2:
		o = retry(at, m.now.Add(m.seconds("next", -3, 10)))
		r.freeAgain()
		r.nextAt = o.NextAt
		r.attempts++
		r.log++
		r.refresh()
	default:
		o = final(at, rapid.SampledFrom([]waybell.DeliveryState{waybell.DeliveryDelivered, waybell.DeliveryFailed}).Draw(m.t, "state"))
		r.state = o.State
		r.attempts++
		r.log++
	}
	if rapid.Bool().Draw(m.t, "health") {
		h := waybell.Health{Failures: rapid.IntRange(0, 9).Draw(m.t, "failures"), LastFailure: m.now}
		o.Health = &h
		m.health[r.ref.Endpoint] = h
	}
	m.env.settle(o)
	if rapid.Bool().Draw(m.t, "repeat") {
		m.env.settle(o)
	}
}

// late settles a delivery that is settled already.
func (m *model) late(*rapid.T) {
	r := m.pick(func(r *row) bool { return r.state.Settled() })
	st := rapid.SampledFrom([]waybell.DeliveryState{waybell.DeliveryDelivered, waybell.DeliveryFailed}).Draw(m.t, "state")
	m.env.settle(final(attempt(m.a.Number, r.ref, r.attempts+1, 200), st))
	r.attempts++
	r.log++
	if r.state == waybell.DeliveryCanceled && st == waybell.DeliveryDelivered {
		r.state = st
	}
}

func (m *model) cancel(*rapid.T) {
	r := m.pick(func(*row) bool { return true })
	err := m.s.CancelDelivery(m.ctx(), m.lease, m.a.Number, r.ref, m.now)
	if r.state.Settled() {
		m.is(err, waybell.ErrConflict)
		return
	}
	m.ok(err)
	r.state = waybell.DeliveryCanceled
}

func (m *model) requeue(*rapid.T) {
	r := m.pick(func(*row) bool { return true })
	arg := waybell.Requeue{DeliveryRef: r.ref, Agent: m.a.Number, Now: m.now, Entered: m.key(), WindowEnd: m.now.Add(m.seconds("window", -5, 50))}
	_, err := m.requeueOne(m.lease, arg)
	m.ok(err)
	switch {
	case r.state.Settled():
		*r = row{ref: r.ref, attempts: r.attempts, cycle: r.attempts, log: r.log, entered: arg.Entered, nextAt: m.now, window: arg.WindowEnd}
		r.refresh()
	case !r.owned:
		r.nextAt = m.now
	}
}

// byEntered lists an endpoint's unowned rows, oldest first.
func (m *model) byEntered(ep waybell.EndpointNumber) []*row {
	var list []*row
	for _, r := range m.rows {
		if r.ref.Endpoint == ep && free(r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *row) int { return cmp.Compare(a.entered, b.entered) })
	return list
}

func (m *model) expire(*rapid.T) {
	arg := waybell.ExpireWaiting{Endpoint: m.endpoint(), End: m.now, Now: m.now, Limit: rapid.IntRange(1, 3).Draw(m.t, "limit")}
	n, err := m.s.ExpireWaiting(m.ctx(), m.lease, arg)
	m.ok(err)
	want := 0
	for _, r := range m.byEntered(arg.Endpoint) {
		if r.attempts == r.cycle {
			continue
		}
		if want == arg.Limit || r.window.After(m.now) {
			break
		}
		want++
		r.state = waybell.DeliveryFailed
	}
	if n != want {
		m.t.Fatalf("%d expired, want %d", n, want)
	}
}

func (m *model) cancelUpTo(*rapid.T) {
	arg := waybell.CancelWaiting{Endpoint: m.endpoint(), UpTo: m.pick(waits).entered, Now: m.now, Limit: rapid.IntRange(1, 3).Draw(m.t, "limit")}
	n, err := m.s.CancelWaiting(m.ctx(), m.lease, arg)
	m.ok(err)
	want := 0
	for _, r := range m.byEntered(arg.Endpoint) {
		if want == arg.Limit || r.entered > arg.UpTo {
			break
		}
		want++
		r.state = waybell.DeliveryCanceled
	}
	if n != want {
		m.t.Fatalf("%d canceled, want %d", n, want)
	}
}

func (m *model) bringForward(*rapid.T) {
	ep := m.endpoint()
	n, err := m.s.BringForward(m.ctx(), m.lease, ep, m.now, 1000)
	m.ok(err)
	want := 0
	for _, r := range m.rows {
		if r.ref.Endpoint == ep && free(r) && r.nextAt.After(m.now) {
			r.nextAt = m.now
			want++
		}
	}
	if n != want {
		m.t.Fatalf("%d brought forward, want %d", n, want)
	}
}

// crash happens seldom: opening a store takes its time.
func (m *model) crash(*rapid.T) {
	if rapid.IntRange(0, 9).Draw(m.t, "crash") != 0 {
		m.t.Skip("not now")
	}
	m.env.crash()
	want := 0
	for _, r := range m.rows {
		if !ours(r) {
			continue
		}
		want++
		if r.begun || r.adopted && r.deaths == 0 {
			r.deaths++
		}
		if r.begun || r.nextAt.After(m.now) {
			r.nextAt = m.now
		}
		if r.begun && r.deaths >= waybell.SuspectDeaths {
			r.nextAt = m.now.Add(time.Minute << (r.deaths - waybell.SuspectDeaths))
		}
		r.freeAgain()
		r.adopted = true
	}
	if n := m.adoptAll(m.now); n != want {
		m.t.Fatalf("%d adopted, want %d", n, want)
	}
}

// check compares what can be seen after each step: the ledger, the health and
// what is due; after some, and at the end, every row too.
func (m *model) check(*rapid.T) {
	counters, err := m.s.Counters(m.ctx(), m.a.Number)
	m.ok(err)
	for _, c := range counters {
		want := waybell.Counters{Endpoint: c.Endpoint, Health: m.health[c.Endpoint]}
		for _, r := range m.rows {
			if r.ref.Endpoint == c.Endpoint {
				want.Accepted++
				*bucket(&want, r.state)++
			}
		}
		m.same("ledger", c, want)
	}
	due, err := m.s.Due(m.ctx(), start.AddDate(100, 0, 0))
	m.ok(err)
	for _, ep := range m.eps {
		var want *row
		for _, r := range m.byEntered(ep) {
			if sane(r) && (want == nil || r.nextAt.Before(want.nextAt)) {
				want = r
			}
		}
		i := slices.IndexFunc(due, func(d waybell.DueEndpoint) bool { return d.Endpoint == ep })
		if (want == nil) != (i < 0) || want != nil && !due[i].NextAt.Equal(want.nextAt) {
			m.t.Fatalf("endpoint %d: due %+v, the model's earliest is %+v", ep, due, want)
		}
	}
	if m.steps++; m.steps%5 == 0 {
		m.checkRows()
	}
}

func (m *model) checkRows() {
	page, err := m.s.Deliveries(m.ctx(), waybell.DeliveryQuery{Agent: m.a.Number, Limit: 1000, Scan: 1000})
	m.ok(err)
	if len(page.Deliveries) != len(m.rows) {
		m.t.Fatalf("%d deliveries, want %d", len(page.Deliveries), len(m.rows))
	}
	for i, d := range page.Deliveries { // newest first
		r := m.rows[len(m.rows)-1-i]
		if d.DeliveryRef != r.ref || d.State != r.state || d.Attempts != r.attempts ||
			!r.state.Settled() && (!d.NextAt.Equal(r.nextAt) || d.Entered != r.entered) {
			m.t.Fatalf("delivery %+v, the model has %+v", d, r)
		}
	}
	for _, r := range m.rows[max(0, len(m.rows)-2):] {
		if n := len(m.attempts(m.a, r.ref)); n != r.log {
			m.t.Fatalf("%d attempts of %v, want %d", n, r.ref, r.log)
		}
	}
}
