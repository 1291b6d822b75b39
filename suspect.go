package waybell

import (
	"context"
	"errors"
	"sync"
	"time"
)

// marker marks adopted deliveries as begun before they are sent, in groups: a process
// may have died of what it was sending, not of what it had in memory besides. The
// senders wait for it.
type marker struct {
	svc     *Service
	mu      sync.Mutex
	waiting []*marking
	busy    bool // run is under way
}

// marking is one delivery to be marked, and what became of that once done is closed.
type marking struct {
	row    Waiting
	marked bool
	err    error
	done   chan struct{}
}

// markMost is how many deliveries one call of the store marks: retries' rows lie
// apart, and whoever publishes waits until they are written.
const markMost = 64

// mark returns when w is durably marked, or false where it is no longer this node's.
func (m *marker) mark(w *work) (bool, error) {
	one := &marking{row: w.Waiting, done: make(chan struct{})}
	m.mu.Lock()
	m.waiting = append(m.waiting, one)
	if !m.busy {
		m.busy = true
		go m.run()
	}
	m.mu.Unlock()
	<-one.done
	return one.marked, one.err
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

// begin marks an adopted delivery, so that it is known what the process died with.
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
// death as their own ends, and outcomes are made durable first; but this takes
// no longer than aloneFor: what still hangs then has been sent. The delivery
// has the node for itself as long again: what kills a process does it within
// that time. After it, the others go on beside it.
func (d *dispatcher) runAlone(ctx context.Context, w *work) {
	d.mu.Lock()
	d.alone = true
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
	d.pump()
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
