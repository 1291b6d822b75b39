package waybell

import (
	"context"
	"errors"
	"sync"
	"time"
)

// marker marks deliveries that two processes had when they died as begun before they
// are sent, in groups: a process may have died of what it was sending, not of what it
// had in memory besides. The first two deaths are worth no write for each delivery:
// most processes die of something else, and once. The senders wait for it. Where an
// endpoint answers soon, what is next in its queue is marked too, so that one wait
// serves many.
type marker struct {
	svc     *Service
	mu      sync.Mutex
	waiting []*marking
	busy    bool // run is under way
}

// marking is one delivery to be marked, and what became of that once done is closed.
type marking struct {
	row    Waiting
	asked  time.Time
	marked bool
	err    error
	done   chan struct{}
}

const (
	// markMost is how many deliveries one call of the store marks: retries' rows lie
	// apart, and whoever publishes waits until they are written.
	markMost = 256
	// markAhead is how many deliveries of a queue are marked before their turn at most.
	// They share the death of a process that they had no part in.
	markAhead = 256
	// soonAnswered is how long an attempt takes, and an item that was marked waits, where
	// more may be marked ahead.
	soonAnswered = 100 * time.Millisecond
)

// mark returns when w is durably marked, or false where it is no longer this node's.
func (m *marker) mark(w *work) (bool, error) {
	if add := m.svc.dispatcher.toMark(w); len(add) > 0 {
		m.mu.Lock()
		m.waiting = append(m.waiting, add...)
		if !m.busy {
			m.busy = true
			go m.run()
		}
		m.mu.Unlock()
	}
	<-w.mark.done
	return w.mark.marked, w.mark.err
}

// toMark is w, unless it was marked ahead, and what follows it, once half of what is
// marked ahead is used up.
func (d *dispatcher) toMark(w *work) (add []*marking) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	ask := func(w *work) {
		w.mark = &marking{row: w.Waiting, asked: now, done: make(chan struct{})}
		add = append(add, w.mark)
	}
	q := d.queue(w.Endpoint)
	switch {
	case w.mark == nil:
		ask(w)
	case now.Sub(w.mark.asked) > soonAnswered:
		q.ahead = 0
	}
	n := min(q.ahead, q.items.Len())
	if d.alone {
		return add
	}
	for i := n / 2; i < n; i++ { // of those with deaths: there are others between them
		if q.items.At(i).mark != nil {
			return add
		}
	}
	for i := range n {
		if next := q.items.At(i); next.Deaths > 0 && next.mark == nil {
			ask(next)
		}
	}
	return add
}

// lookAhead learns from the outcome of a marked delivery how many may be marked ahead.
func (q *queue) lookAhead(o *outcome) {
	if o.Attempt == nil || o.Attempt.Duration > soonAnswered {
		q.ahead = 0
		return
	}
	q.ahead = min(2*q.ahead+1, markAhead)
}

// run marks until nobody waits. Like an outcome, what comes waits a moment for
// company, if there may be any.
func (m *marker) run() {
	for {
		if m.svc.dispatcher.load().InFlight > 1 {
			pause(m.svc.sending, settleLinger)
		}
		m.mu.Lock()
		group := m.waiting[:min(len(m.waiting), markMost)]
		m.waiting = m.waiting[len(group):]
		m.busy = len(group) > 0
		m.mu.Unlock()
		if len(group) == 0 {
			return
		}
		m.write(group)
	}
}

func (m *marker) write(group []*marking) {
	s := m.svc
	rows := make([]Waiting, len(group))
	for i, one := range group {
		rows[i] = one.row
	}
	marked, err := s.store.Begin(s.sending, *s.lease.Load(), rows)
	if err != nil {
		s.fencedBy(err)
		s.log.Warn("deliveries put back: they cannot be marked as begun", "deliveries", len(group), "error", err)
	}
	for i, one := range group {
		one.err, one.marked = err, err == nil && marked[i]
		close(one.done)
	}
}

// begin marks a delivery with deaths, so that it is known what the process died with.
// One that cannot be marked is not to be sent now.
func (s *Service) begin(w *work) (o outcome, skip bool) {
	if !s.mayStart() {
		return released(w, s.clock.now()), true
	}
	marked, err := s.marker.mark(w)
	switch {
	case err != nil:
		return released(w, s.clock.now().Add(time.Second)), true
	case !marked: // canceled meanwhile
		return released(w, w.NextAt), true
	}
	return outcome{}, false
}

// A suspect is a delivery during which processes died. It runs alone and after
// the others, so that nothing else is sent twice if it happens again.
const (
	suspectEvery = time.Second     // how often the store is asked for one, at most
	suspectRest  = 5 * time.Minute // and at least
	suspectLater = time.Minute     // the same on a busy node, and for one that may not be sent
	aloneFor     = 5 * time.Second // see runAlone
)

// suspect runs the suspect that is due longest, if there is one.
func (c *claimer) suspect(ctx context.Context, now time.Time) (found bool, err error) {
	s := c.svc
	c.mu.Lock()
	known := c.suspects
	c.mu.Unlock()
	// Suspects come from adoptions and wait for longer and longer: the longer
	// there was none, the less often they are asked for.
	every := min(max(now.Sub(known)/4, suspectEvery), suspectRest)
	if s.dispatcher.hasQueued() {
		every = max(every, suspectLater)
	}
	if now.Sub(c.suspected).Abs() < every {
		return false, nil
	}
	row, err := s.store.ClaimSuspect(ctx, *s.lease.Load(), now)
	if errors.Is(err, ErrNotFound) {
		c.suspected = now
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.adopted()
	w := &work{Waiting: row}
	if o, skip := s.withoutAttempt(w, s.dir.entry(w.Endpoint), now); skip {
		if at := now.Add(suspectLater); o.Kind == SettleRelease && o.NextAt.Before(at) {
			o.NextAt = at
		}
		s.dispatcher.settleUnsent(w, o)
		return true, nil
	}
	s.log.Warn("a delivery during which the process died runs alone", "delivery", row.DeliveryRef, "deaths", row.Deaths)
	s.dispatcher.runAlone(ctx, w)
	if s.dispatcher.hasQueued() {
		c.suspected = now // the others first
	}
	return true, nil
}

// adopted tells that there may be suspects.
func (c *claimer) adopted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suspects = c.svc.clock.now()
}

func (d *dispatcher) hasQueued() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queued > 0
}

// runAlone sends one delivery while nothing else starts. What could count its
// death as their own ends or is given back, and outcomes are made durable first; but this takes
// no longer than aloneFor: what still hangs then has been sent. The delivery
// has the node for itself as long again: what kills a process does it within
// that time. After it, the others go on beside it.
func (d *dispatcher) runAlone(ctx context.Context, w *work) {
	d.mu.Lock()
	d.alone = true
	for _, q := range d.queues {
		d.sift(q, func(w *work) (outcome, bool) {
			return released(w, w.NextAt), w.mark != nil || w.Adopted && w.Deaths == 0
		})
	}
	d.mu.Unlock()
	d.awaitSilence(ctx)
	var done <-chan struct{}
	ok := ctx.Err() == nil
	if ok {
		done, ok = d.startDirect(w)
	}
	if ok {
		timer := time.NewTimer(aloneFor)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	} else {
		d.settleUnsent(w, released(w, w.NextAt)) // stopping: it died of nothing
	}
	d.mu.Lock()
	d.alone = false
	d.pump(d.svc.clock.now())
	d.mu.Unlock()
}

// awaitSilence returns when no attempt is under way and every outcome is
// durable, after aloneFor, or at the end of ctx.
func (d *dispatcher) awaitSilence(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, aloneFor)
	defer cancel()
	for ctx.Err() == nil {
		d.mu.Lock()
		silent := d.inFlight == 0 && d.outcomes == 0
		d.mu.Unlock()
		if silent {
			return
		}
		select {
		case <-d.quiet:
		case <-ctx.Done():
		}
	}
}

// settleUnsent settles a claimed delivery that never was in a queue.
func (d *dispatcher) settleUnsent(w *work, o outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.concludeUnsent(w, o)
}
