package waybell

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	claimFew     = 16                   // rows of one claim, over all endpoints: see most
	claimShared  = 64                   // the same of a store that others write to meanwhile
	claimMost    = 2048                 // the same once they are known to lie together
	claimHorizon = time.Minute          // how far ahead due times are looked at
	claimPoll    = time.Second          // how often the store is asked without a hint, for other nodes' work
	claimRest    = 30 * time.Second     // the same where there are no other nodes
	claimPace    = 2 * time.Millisecond // between two claims, at least
	reclaimLimit = 512                  // rows of one piece of expiring
	readBackMost = 8192                 // rows read back at once: a store may look at all that wait for each piece
	readAhead    = 64                   // events read at once for claimed rows

	testEvery = 250 * time.Millisecond // between two looks for test sends of nodes that do not deliver, at least
	testMost  = 16                     // of them in one claim
)

// claimer brings due deliveries from the store into the dispatcher: retries,
// re-sends, deliveries put aside, and those of dead nodes.
type claimer struct {
	svc *Service

	mu       sync.Mutex
	hint     time.Time // the earliest time at which something is known to become due
	back     bool      // a commit's outcome was unknown: read the owned rows back
	suspects time.Time // when there was a suspect, or may have been one

	// most is how many rows the next claim takes. In a store with one writer a
	// publish waits for the claim before it, and a retry's row is one of few on its
	// page: to write a page for each of claimMost of them takes tenths of a second.
	// Rows never attempted were put aside together, so claims of them grow.
	most int

	suspected time.Time // when there was no suspect, or it was the others' turn
	tested    time.Time // when test sends were looked for

	wake chan struct{}
}

func newClaimer(s *Service) *claimer {
	return &claimer{svc: s, most: claimFew, wake: make(chan struct{}, 1)}
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
	c.oweReadBack()
	signal(c.wake)
}

func (c *claimer) oweReadBack() {
	c.mu.Lock()
	c.back = true
	c.mu.Unlock()
}

// run claims until ctx ends.
func (c *claimer) run(ctx context.Context) {
	c.adopted()
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
			if errors.Is(err, ErrCommitUnknown) { // rows may be this node's without its knowing
				c.oweReadBack()
			}
			c.svc.fencedBy(err)
			c.svc.log.Warn("claim: the store cannot answer", "retry_in", claimPoll, "error", err)
			pause(ctx, claimPoll) // however many hints come meanwhile
			next = 0
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
			c.oweReadBack()
			return 0, err
		}
	}
	if !s.mayStart() {
		return claimPoll, nil
	}
	now := s.clock.now()
	due, err := s.store.Due(ctx, now.Add(claimHorizon))
	if err != nil {
		return 0, err
	}
	wants, next := s.dispatcher.wants(due, now, c.most)
	idle := len(wants) == 0
	if s.shared() && now.Sub(c.tested).Abs() >= testEvery && s.dispatcher.takesTests() {
		wants, c.tested = append(wants, ClaimWant{Max: testMost, Tests: true}), now
	}
	more := false
	for piece := range slices.Chunk(wants, c.most) { // where more endpoints than that want a row each
		var again bool
		if again, err = c.claim(ctx, now, piece); err != nil {
			break
		}
		more = more || again
	}
	if err == nil && !idle && !more {
		next, err = c.nextAfter(ctx, now, next)
	}
	if err == nil && idle {
		more, err = c.suspect(ctx, now)
	}
	if err != nil {
		return 0, err
	}
	wait := claimRest
	if s.shared() {
		wait = claimPoll
	}
	if more {
		wait = claimPace
	}
	if !next.IsZero() {
		wait = min(wait, next.Sub(s.clock.now()))
	}
	return max(wait, 0), nil
}

// nextAfter is next, or when something becomes due before it. A store tells only
// the first of each endpoint: what was claimed hid what is planned behind it.
func (c *claimer) nextAfter(ctx context.Context, now, next time.Time) (time.Time, error) {
	due, err := c.svc.store.Due(ctx, now.Add(claimHorizon))
	for _, e := range due {
		if e.NextAt.After(now) && (next.IsZero() || e.NextAt.Before(next)) {
			next = e.NextAt
		}
	}
	return next, err
}

// claim takes due rows in hand and tells whether there may be more.
func (c *claimer) claim(ctx context.Context, now time.Time, wants []ClaimWant) (more bool, err error) {
	s := c.svc
	if err := s.owning.RLock(ctx); err != nil {
		return false, err
	}
	defer s.owning.RUnlock()
	rows, err := s.store.Claim(ctx, *s.lease.Load(), now, wants)
	if err != nil {
		return false, err
	}
	s.dispatcher.adopt(c.works(ctx, rows))
	few := claimFew
	if s.shared() {
		few = claimShared
	}
	c.most = nextClaim(c.most, few, wants, rows)
	return c.drained(wants, rows), nil
}

// nextClaim is how many rows to claim after a claim of most: few where it got that
// many retries, twice as many where an endpoint has more of what was never attempted
// than its share, and otherwise less again.
func nextClaim(most, few int, wants []ClaimWant, rows []Waiting) int {
	retries, fresh := 0, make(map[EndpointNumber]int)
	for i := range rows {
		if rows[i].Attempts > 0 {
			retries++
		} else {
			fresh[rows[i].Endpoint]++
		}
	}
	switch {
	case retries >= few:
		return few
	case slices.ContainsFunc(wants, func(w ClaimWant) bool { return fresh[w.Endpoint] >= w.Max }):
		return min(2*most, claimMost)
	}
	return max(most/2, few)
}

// works puts the events to claimed rows, as far as there is memory for bodies.
// The rows are owned already: an event that cannot be read now is read when it
// is sent. So are those of rows with deaths, once these are marked: reading them may
// be what the process died of.
func (c *claimer) works(ctx context.Context, rows []Waiting) []*work {
	s := c.svc
	refs := make([]EventRef, 0, len(rows))
	read := make(map[Key]*payload, len(rows))
	for _, r := range rows {
		if _, ok := read[r.Event]; !ok && r.Deaths == 0 {
			read[r.Event] = nil
			refs = append(refs, EventRef{r.Agent, r.Event})
		}
	}
	room := s.dispatcher.bodyRoom()
	for piece := range slices.Chunk(refs, readAhead) {
		if room <= 0 {
			break
		}
		events, err := s.store.EventsByKey(ctx, piece)
		if err != nil {
			s.log.Warn("claim: events cannot be read ahead", "error", err)
			break
		}
		for _, e := range events {
			s.fillEvent(&e)
			p := newPayload(e)
			read[e.Key] = p
			room -= p.size
		}
	}
	works := make([]*work, len(rows))
	for i, r := range rows {
		works[i] = &work{Waiting: r, payload: read[r.Event]}
	}
	return works
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
		if w.Tests {
			continue // people make them: what is left can wait for the next look
		}
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
	var after Waiting
	for {
		rows, err := c.takePiece(ctx, after)
		if err != nil {
			return err
		}
		if len(rows) < readBackMost {
			return nil
		}
		after = rows[len(rows)-1]
	}
}

// takePiece takes in the next owned rows. Nothing comes into this node's hand
// or leaves it meanwhile, so what is owned and not in hand is nobody's.
func (c *claimer) takePiece(ctx context.Context, after Waiting) ([]Waiting, error) {
	s := c.svc
	if err := s.owning.Lock(ctx); err != nil {
		return nil, err
	}
	defer s.owning.Unlock()
	rows, err := s.store.Owned(ctx, *s.lease.Load(), after, readBackMost)
	if err != nil {
		return nil, err
	}
	var works []*work
	for _, w := range s.dispatcher.unknown(rows) {
		if w.Begun || w.Deaths >= SuspectDeaths { // not being sent now, and one that runs alone
			c.adopted()
			s.dispatcher.settleUnsent(w, released(w, w.NextAt))
			continue
		}
		works = append(works, w)
	}
	s.dispatcher.adopt(works)
	return rows, nil
}

// bodyRoom is how many bytes of events may still be kept in memory.
func (d *dispatcher) bodyRoom() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limits.QueueBytes - d.bodyBytes
}

// wants turns due endpoints into what to claim of each, by the places that are
// free, and returns when the next one becomes due that has to wait. They add up to
// most rows, or to one of each endpoint where these are more.
func (d *dispatcher) wants(due []DueEndpoint, now time.Time, most int) (wants []ClaimWant, next time.Time) {
	later := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || d.alone || d.outcomes >= d.limits.Outcomes {
		return nil, next // what is claimed may be canceled at once: see take
	}
	for _, q := range d.due {
		q.backlog = false
	}
	d.due = d.due[:0]
	for _, e := range due {
		q := d.queue(e.Endpoint)
		if e.NextAt.After(now) {
			later(e.NextAt)
			continue
		}
		w := ClaimWant{Endpoint: e.Endpoint, Max: d.claimable(q)}
		ep := d.svc.dir.entry(e.Endpoint)
		if ep == nil || !ep.IsHeld() {
			q.backlog = true
			d.due = append(d.due, q)
		}
		switch {
		case ep != nil && ep.IsHeld(), d.limit(ep) == 0:
			continue
		case q.pace.health.Open && ep != nil && ep.State == EndpointActive:
			if q.busy() {
				continue
			}
			if q.pace.nextProbe.After(now) {
				later(q.pace.nextProbe)
				continue
			}
			w.Max = 1
		case !d.worthClaiming(q):
			continue
		}
		if ep != nil && ep.DrainUpTo > q.drained {
			w.Oldest = ep.DrainUpTo
		}
		if w.Max > 0 {
			wants = append(wants, w)
		}
	}
	share := max(1, most/max(1, len(wants)))
	for i := range wants {
		wants[i].Max = min(wants[i].Max, share)
	}
	return wants, next
}

// takesTests tells whether test sends of other nodes may start here now.
func (d *dispatcher) takesTests() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.stopped && !d.alone && d.inFlight < d.limits.InFlight && d.outcomes < d.limits.Outcomes
}

// drainedUpTo ends the oldest-first order of a resumed endpoint.
func (d *dispatcher) drainedUpTo(n EndpointNumber, upTo Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queue(n)
	q.drained = max(q.drained, upTo)
}
