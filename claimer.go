package waybell

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	claimMost    = 2048                 // rows of one claim, over all endpoints
	claimHorizon = time.Minute          // how far ahead due times are looked at
	claimPoll    = time.Second          // how often the store is asked without a hint, for other nodes' work
	claimRest    = 30 * time.Second     // the same where there are no other nodes
	claimPace    = 2 * time.Millisecond // between two claims, at least
	reclaimLimit = 512                  // rows of one piece of expiring or reading back
)

// claimer brings due deliveries from the store into the dispatcher: retries,
// re-sends, deliveries put aside, and those of dead nodes.
type claimer struct {
	svc *Service

	mu   sync.Mutex
	hint time.Time // the earliest time at which something is known to become due
	back bool      // a commit's outcome was unknown: read the owned rows back

	wake chan struct{}
}

func newClaimer(s *Service) *claimer {
	return &claimer{svc: s, wake: make(chan struct{}, 1)}
}

// dueAt tells the claimer that something becomes due at t.
func (c *claimer) dueAt(t time.Time) {
	c.mu.Lock()
	earlier := c.hint.IsZero() || t.Before(c.hint)
	if earlier {
		c.hint = t
	}
	c.mu.Unlock()
	if earlier {
		signal(c.wake)
	}
}

// retriesAt takes the due times of stored outcomes.
func (c *claimer) retriesAt(batch []Settlement) {
	var first time.Time
	for i := range batch {
		if b := &batch[i]; b.Kind != SettleFinal && (first.IsZero() || b.NextAt.Before(first)) {
			first = b.NextAt
		}
	}
	if !first.IsZero() {
		c.dueAt(first)
	}
}

// readBack makes the claimer take in the rows this node owns and does not hold.
func (c *claimer) readBack() {
	c.mu.Lock()
	c.back = true
	c.mu.Unlock()
	signal(c.wake)
}

// run claims until ctx ends.
func (c *claimer) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		case <-c.svc.dispatcher.room:
		}
		next, err := c.round(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.svc.log.Warn("claim: the store cannot answer", "retry_in", claimPoll, "error", err)
			next = claimPoll
		}
		pause(ctx, claimPace)
		timer.Reset(max(0, next-claimPace))
	}
}

// round claims what there is room for and returns when to look again.
func (c *claimer) round(ctx context.Context) (time.Duration, error) {
	s := c.svc
	c.mu.Lock()
	c.hint = time.Time{}
	back := c.back
	c.back = false
	c.mu.Unlock()
	if back {
		if err := c.takeOwned(ctx); err != nil {
			c.readBack()
			return 0, err
		}
	}
	if !s.mayStart() {
		return claimPoll, nil
	}
	now := time.Now()
	due, err := s.store.Due(ctx, now.Add(claimHorizon))
	if err != nil {
		return 0, err
	}
	wants, next := s.dispatcher.wants(due, now)
	more := false
	if len(wants) > 0 {
		rows, err := s.store.Claim(ctx, *s.lease.Load(), now, wants)
		if err != nil {
			return 0, err
		}
		works, err := c.works(ctx, rows)
		if err != nil {
			return 0, err
		}
		s.dispatcher.adopt(works)
		more = c.drained(wants, rows)
	} else if err := c.suspect(ctx, now); err != nil {
		return 0, err
	}
	wait := claimRest
	if s.lease.Load().Shared {
		wait = claimPoll
	}
	if more {
		wait = claimPace
	}
	if !next.IsZero() {
		wait = min(wait, time.Until(next))
	}
	return max(wait, 0), nil
}

// works puts the events to claimed rows, as far as there is memory for bodies.
func (c *claimer) works(ctx context.Context, rows []Waiting) ([]*work, error) {
	s := c.svc
	refs := make([]EventRef, 0, len(rows))
	seen := make(map[Key]*payload, len(rows))
	if s.dispatcher.hasBodyRoom() {
		for _, r := range rows {
			if _, ok := seen[r.Event]; !ok {
				seen[r.Event] = nil
				refs = append(refs, EventRef{r.Agent, r.Event})
			}
		}
		events, err := s.store.EventsByKey(ctx, refs)
		if err != nil {
			// The rows are owned already: they are sent with their events read
			// one by one.
			s.log.Warn("claim: events cannot be read ahead", "error", err)
		}
		for _, e := range events {
			s.fillEvent(&e)
			seen[e.Key] = newPayload(e)
		}
	}
	works := make([]*work, len(rows))
	for i, r := range rows {
		works[i] = &work{Waiting: r, payload: seen[r.Event]}
	}
	return works, nil
}

// drained tells whether some want was filled, so that there may be more due
// rows, and ends the oldest-first order of resumed endpoints once nothing that
// was held is due any more.
func (c *claimer) drained(wants []ClaimWant, rows []Waiting) (more bool) {
	got := make(map[EndpointNumber]int)
	for _, r := range rows {
		got[r.Endpoint]++
	}
	for _, w := range wants {
		if got[w.Endpoint] >= w.Max {
			more = true
		} else if w.Oldest != 0 {
			c.svc.dispatcher.drainedUpTo(w.Endpoint, w.Oldest)
			more = true // the others come now
		}
	}
	return more
}

// takeOwned takes in rows that this node owns and does not hold: those of a
// commit whose outcome was unknown.
func (c *claimer) takeOwned(ctx context.Context) error {
	s := c.svc
	var after Waiting
	for {
		rows, err := s.store.Owned(ctx, *s.lease.Load(), after, reclaimLimit)
		if err != nil {
			return err
		}
		works, err := c.works(ctx, rows)
		if err != nil {
			return err
		}
		s.dispatcher.adopt(works)
		if len(rows) < reclaimLimit {
			return nil
		}
		after = rows[len(rows)-1]
	}
}

// suspect runs one delivery during whose sending processes died, when nothing
// else is due: alone, so that nothing dies with it.
func (c *claimer) suspect(ctx context.Context, now time.Time) error {
	s := c.svc
	row, err := s.store.ClaimSuspect(ctx, *s.lease.Load(), now)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s.log.Warn("a delivery during which the process died runs alone", "delivery", row.DeliveryRef, "deaths", row.Deaths)
	s.dispatcher.runAlone(ctx, &work{Waiting: row})
	return nil
}
