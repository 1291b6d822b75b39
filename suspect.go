package waybell

import (
	"context"
	"errors"
	"time"
)

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
// death as their own is given back, and outcomes are made durable first; but
// no longer than aloneFor: what still hangs then has been sent. The delivery
// has the node for itself as long again: what kills a process does it within
// that time. After it, the others go on beside it.
func (d *dispatcher) runAlone(ctx context.Context, w *work) {
	d.mu.Lock()
	d.alone = true
	for _, q := range d.queues {
		d.sift(q, func(w *work) (outcome, bool) { return released(w, w.NextAt), w.Begun })
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
