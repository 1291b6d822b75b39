package waybell

import (
	"context"
	"errors"
	"time"

	"github.com/waybell/waybell/internal/retry"
)

const (
	tendEvery       = 15 * time.Second
	adoptEvery      = time.Second // so that what a dead node had is taken over within 15 s of its last heartbeat
	retentionEvery  = 5 * time.Minute
	sweepBudget     = 250 * time.Millisecond // of one sweep; between two the store rests
	sessionPiece    = 500                    // rows of one piece of the sweep of sessions
	idempotencySpan = 24 * time.Hour         // how long an Idempotency-Key is remembered
)

// janitor does what nobody waits for: it expires and cancels in pieces, takes
// over the work of dead nodes, suspends endpoints, and removes what retention
// no longer keeps.
type janitor struct {
	svc *Service
	// suspend carries endpoints to be suspended, with the reason.
	suspend chan suspension
	// canceling carries endpoints whose waiting deliveries are to be canceled.
	canceling chan *Endpoint
	adopted   chan struct{} // closed once the work of dead nodes was looked for
	tended    bool          // tend has run
	backs     int64         // of the clock, when it did
}

type suspension struct {
	endpoint EndpointNumber
	reason   string
}

func newJanitor(s *Service) *janitor {
	return &janitor{svc: s, suspend: make(chan suspension, 256), canceling: make(chan *Endpoint, 256), adopted: make(chan struct{})}
}

// takeOver takes over the work of dead nodes: of a store that no others use,
// once.
func (j *janitor) takeOver(ctx context.Context) {
	tick := time.NewTicker(adoptEvery)
	defer tick.Stop()
	done := j.adopt(ctx)
	close(j.adopted)
	for !done || j.svc.shared() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			done = j.adopt(ctx)
		}
	}
}

// clean sweeps, which may take long.
func (j *janitor) clean(ctx context.Context) {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	<-j.adopted
	for {
		j.sweep(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// hold suspends, apart from all else that may take long: what is sent to an endpoint
// after an answer of 410 fails for good.
func (j *janitor) hold(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-j.suspend:
			j.logError("suspend", j.svc.SuspendEndpoint(ctx, v.endpoint, v.reason))
		}
	}
}

// run cancels, expires and brings forward.
func (j *janitor) run(ctx context.Context) {
	tend := time.NewTicker(tendEvery)
	defer tend.Stop()
	j.tend(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-j.canceling:
			j.cancelWaiting(ctx, e)
		case <-tend.C:
			j.tend(ctx)
		case <-j.svc.clock.stepped:
			j.svc.dispatcher.clockStepped()
			j.tend(ctx)
			j.svc.claimer.dueAt(j.svc.clock.now()) // ahead: what is due now
		}
	}
}

func (j *janitor) logError(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		j.svc.log.Warn("janitor: "+what, "error", err)
	}
}

// adopt releases what dead nodes own, piece by piece, so that publishing goes
// on between the pieces. It tells whether it came to the end.
func (j *janitor) adopt(ctx context.Context) bool {
	s := j.svc
	for total := 0; ctx.Err() == nil; {
		n, more, err := s.store.Adopt(ctx, *s.lease.Load(), s.clock.now())
		if total += n; n > 0 {
			s.claimer.adopted()
			s.claimer.dueAt(s.clock.now())
		}
		if err != nil {
			j.logError("adopt", err)
			return false
		}
		if !more {
			if total > 0 {
				s.log.Info("took over deliveries of an ended process", "deliveries", total)
			}
			return true
		}
	}
	return false
}

// tend takes in a change of the configuration of which it was not known whether it was
// stored, and looks after every endpoint that has unowned waiting rows.
func (j *janitor) tend(ctx context.Context) {
	s := j.svc
	if !s.shared() { // nodes that share one look more often: others change it too
		_, err := s.lookAtConfig(ctx, configWait)
		j.logError("configuration", err)
	}
	now := s.clock.now()
	due, err := s.store.Due(ctx, now.Add(100*365*24*time.Hour))
	if err != nil {
		j.logError("tend", err)
		return
	}
	stepped, first := j.steppedBack(), !j.tended
	j.tended = true
	for _, d := range due {
		e := s.dir.entry(d.Endpoint)
		if e == nil {
			continue
		}
		if e.unready == nil && (stepped || first || d.NextAt.After(now.Add(e.policy.Window))) {
			j.bringForward(ctx, e, now, stepped)
		}
		switch {
		// The store was away, or the process ended, when it was to be canceled. What is
		// not held the sender cancels.
		case e.cancelsAll() || e.IsHeld() && e.CancelUpTo > 0:
			j.cancelWaiting(ctx, e.Endpoint)
		case e.unready == nil && s.mayStart() && !e.IsHeld() && s.dispatcher.breakerOpen(d.Endpoint):
			j.expire(ctx, e)
		}
	}
}

// steppedBack tells whether the clock went back since the call before. Where it
// did, rows may lie too far ahead behind others that do not.
func (j *janitor) steppedBack() bool {
	before := j.backs
	j.backs = j.svc.clock.backs.Load()
	return j.backs > before
}

// bringForward makes deliveries that lie further ahead than they can be planned
// due within the longest planned wait. Only a Retry-After may ask for more, up
// to a window; where the clock went back, it is not told from the others. Whether
// it did is known, or shown by one that lies more than a window ahead.
func (j *janitor) bringForward(ctx context.Context, e *endpointEntry, now time.Time, known bool) {
	s := j.svc
	total := 0
	for _, latest := range []time.Duration{e.policy.Window, e.policy.LongestWait()} {
		for ctx.Err() == nil {
			n, err := s.store.BringForward(ctx, *s.lease.Load(), e.Number, now.Add(latest), reclaimLimit)
			j.logError("bring forward", err)
			if total += n; err != nil || n < reclaimLimit {
				break
			}
		}
		if total == 0 && !known {
			return
		}
	}
	if total == 0 {
		return
	}
	s.log.Warn("the clock went back: deliveries were brought forward", "endpoint", e.ID, "deliveries", total)
	s.claimer.dueAt(now)
}

// expire ends the deliveries whose window closed behind an open breaker.
func (j *janitor) expire(ctx context.Context, e *endpointEntry) {
	s := j.svc
	now, clock := s.clock.read()
	end := now.Add(-e.heldUntil(now))
	end = end.Add(-clock.mostSkipped(end.Add(-retry.MaxWindow)))
	for ctx.Err() == nil {
		n, err := s.store.ExpireWaiting(ctx, *s.lease.Load(), ExpireWaiting{Endpoint: e.Number, End: end, Now: now, Limit: reclaimLimit})
		j.logError("expire", err)
		if n > 0 {
			s.tellEndpoint(e.Endpoint)
		}
		if err != nil || n < reclaimLimit {
			return
		}
	}
}

// cancel has an endpoint's waiting deliveries canceled soon. Where too many
// endpoints change at once some are left to the claimer, which cancels each
// delivery when it is due.
func (j *janitor) cancel(e *Endpoint) {
	select {
	case j.canceling <- e:
	default:
	}
}

// suspendSoon has an endpoint suspended; the next failure asks again where the
// janitor is busy.
func (j *janitor) suspendSoon(n EndpointNumber, reason string) {
	select {
	case j.suspend <- suspension{n, reason}:
	default:
	}
}

// cancelWaiting settles the unowned waiting rows of an endpoint up to its
// cancel mark. Rows in hand are canceled by the sender, later ones when they
// are claimed.
func (j *janitor) cancelWaiting(ctx context.Context, e *Endpoint) {
	s := j.svc
	for ctx.Err() == nil {
		n, err := s.store.CancelWaiting(ctx, *s.lease.Load(), CancelWaiting{
			Endpoint: e.Number, UpTo: e.CancelUpTo, Now: s.clock.now(), Limit: reclaimLimit,
		})
		j.logError("cancel", err)
		if err != nil || n < reclaimLimit {
			return
		}
	}
}

// sweep removes what retention no longer keeps.
func (j *janitor) sweep(ctx context.Context) {
	s := j.svc
	steps := []struct {
		what  string
		keep  time.Duration
		sweep func(context.Context, Lease, Key, time.Duration) (int, bool, error)
	}{
		{"retention", s.cfg.Retention, s.store.Sweep},
		{"idempotency keys", idempotencySpan, s.store.SweepIdempotency},
		{"statistics by the minute", s.keepStatistics(keepMinutes), s.sweepStatistics(StatisticsMinute)},
		{"statistics by the hour", s.keepStatistics(keepHours), s.sweepStatistics(StatisticsHour)},
		{"inboxes", 0, func(ctx context.Context, lease Lease, before Key, budget time.Duration) (int, bool, error) {
			return s.store.SweepInboxes(ctx, lease, before.Time(), budget)
		}},
	}
	for _, step := range steps {
		if step.keep < 0 {
			continue
		}
		for ctx.Err() == nil {
			n, more, err := step.sweep(ctx, *s.lease.Load(), KeyAt(s.clock.old(step.keep)), sweepBudget)
			j.logError(step.what, err)
			if n > 0 {
				s.log.Debug("removed", "what", step.what, "rows", n)
			}
			if err != nil || !more {
				break
			}
			pause(ctx, sweepBudget/4)
		}
	}
	j.sweepSessions(ctx, s.clock.now())
}

// sweepSessions removes the sessions that have ended, in short pieces.
func (j *janitor) sweepSessions(ctx context.Context, now time.Time) {
	for ctx.Err() == nil {
		n, err := j.svc.store.SweepSessions(ctx, now, sessionPiece)
		j.logError("sessions", err)
		if err != nil || n < sessionPiece {
			return
		}
		pause(ctx, sweepBudget/4)
	}
}

// keepStatistics is how long statistics are kept: no longer than the log.
func (s *Service) keepStatistics(keep time.Duration) time.Duration {
	if s.cfg.Retention < 0 {
		return keep
	}
	return min(keep, s.cfg.Retention)
}

func (s *Service) sweepStatistics(step time.Duration) func(context.Context, Lease, Key, time.Duration) (int, bool, error) {
	return func(ctx context.Context, lease Lease, before Key, budget time.Duration) (int, bool, error) {
		return s.store.SweepStatistics(ctx, lease, StatisticsSweep{Step: step, Before: before.Time()}, budget)
	}
}
