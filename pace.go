package waybell

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// The breaker of an endpoint. It never changes what a delivery is, only when:
// while it is open, due deliveries wait for the next successful probe and keep
// their state, window and attempt count.
const (
	breakerRefusals = 20               // consecutive refusals that open it …
	breakerSpan     = 30 * time.Second // … over at least this time
	probeFirst      = 5 * time.Second  // from opening to the first probe
	probeLongest    = 60 * time.Second // between probes, growing to this
)

// troubleTime is how long an endpoint gets no more attempts at once than the default
// after one failed: it may take so many and refuse the rest.
const troubleTime = time.Minute

// slowLatency is what counts as a slow attempt when the node's slots are
// shared; failingAfter is how many failures in a row leave an endpoint a single
// slot then.
const (
	slowLatency  = time.Second
	failingAfter = 3
)

// pace says how fast an endpoint may be sent to, from what its last attempts
// showed. It is guarded by dispatcher.mu.
type pace struct {
	health    Health
	persisted time.Time     // when health was last written
	ramp      int           // attempts at once while it recovers; 0 = no limit
	wide, run int           // attempts at once beyond the default, and successes since it grew
	latency   time.Duration // moving average of an attempt
	lastMove  time.Time     // when an attempt last ended, or the first of a run began
	nextProbe time.Time     // while the breaker is open
	probeWait time.Duration

	limiter *rate.Limiter
}

// restore takes over the health that an earlier process stored. An endpoint
// whose breaker was open is probed at once, and recovers from one at a time.
func (p *pace) restore(h Health, now time.Time) {
	p.health = h
	if h.Open {
		p.nextProbe, p.probeWait = now, probeFirst
	} else if h.Failures >= breakerRefusals {
		p.ramp = 1
	}
}

// resume lets a suspended endpoint begin anew: one attempt goes first, and
// concurrency grows from there.
func (p *pace) resume() {
	p.health.begin()
	p.ramp = 1
}

// begin forgets the failures in a row.
func (h *Health) begin() {
	*h = Health{LastSuccess: h.LastSuccess, LastFailure: h.LastFailure, LastReason: h.LastReason, LastStatus: h.LastStatus}
}

// limit is how many attempts may run at once.
func (p *pace) limit(full int) int {
	switch {
	case p.health.Open:
		return min(1, full)
	case p.ramp > 0:
		return min(p.ramp, full)
	}
	return full
}

func (p *pace) failing() bool { return p.health.Failures >= failingAfter }

// slow tells whether attempts take long, or have stood still for long.
func (p *pace) slow(now time.Time, inFlight int) bool {
	return p.latency > slowLatency || inFlight > 0 && now.Sub(p.lastMove) > slowLatency
}

// quick tells whether attempts succeed and take little time.
func (p *pace) quick() bool {
	return p.latency > 0 && p.latency <= soonAnswered && p.health.Failures == 0
}

// begin takes note of the start of an attempt.
func (p *pace) begin(now time.Time, inFlight int) {
	if inFlight == 0 {
		p.lastMove = now
	}
}

// take returns 0 and uses up one place of the rate limit, or how long to wait.
func (p *pace) take(now time.Time, perSecond float64) time.Duration {
	if perSecond <= 0 {
		p.limiter = nil
		return 0
	}
	burst := max(1, int(perSecond/10))
	if p.limiter == nil || p.limiter.Limit() != rate.Limit(perSecond) {
		p.limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	r := p.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
		wait += time.Microsecond // the limiter counts in floating point: surely then
	}
	return wait
}

// paceChange is what a note changed.
type paceChange struct{ opened, closed bool }

// note takes the outcome of an attempt in and puts the health to be stored into
// it.
func (p *pace) note(now time.Time, o *outcome) (c paceChange) {
	p.lastMove = now
	if o.Attempt == nil {
		return c
	}
	switch {
	case o.Reason == ReasonDelivered:
		c.closed = p.success(now)
		p.health.LastReason, p.health.LastStatus = ReasonDelivered, o.Attempt.StatusCode
	case o.test:
		return c // a failing test says nothing of the deliveries
	default:
		c = p.failure(now, o)
	}
	if p.latency == 0 {
		p.latency = o.Attempt.Duration
	}
	p.latency += (o.Attempt.Duration - p.latency) / 8
	if !p.quick() {
		p.wide, p.run = 0, 0
	} else if p.run++; now.Sub(p.health.LastFailure).Abs() >= troubleTime && p.run >= defaultConcurrency+p.wide {
		p.wide, p.run = min(p.wide+1, 3*defaultConcurrency), 0
	}
	// A success after a failure is always written: the stored FailingSince
	// must not outlive it.
	if p.health.Failures > 0 || c.closed || now.Sub(p.persisted) > time.Minute || !p.persisted.After(p.health.LastFailure) {
		h := p.health
		o.Health, p.persisted = &h, now
	}
	return c
}

func (p *pace) success(now time.Time) (closed bool) {
	closed = p.health.Open
	if closed || p.ramp == 0 && p.health.Failures >= breakerRefusals {
		p.ramp = 1
	} else if p.ramp > 0 {
		if p.ramp++; p.ramp > 64 {
			p.ramp = 0
		}
	}
	p.health = Health{LastSuccess: now, LastFailure: p.health.LastFailure}
	return closed
}

func (p *pace) failure(now time.Time, o *outcome) (c paceChange) {
	h := &p.health
	h.LastFailure, h.LastReason, h.LastStatus = now, o.Attempt.Reason, o.Attempt.StatusCode
	if h.Failures++; h.Failures == 1 {
		h.FailingSince = now
	}
	if p.ramp > 1 {
		p.ramp = 1
	}
	if !o.refused {
		h.Refusals, h.RefusedSince = 0, time.Time{}
		if h.Open { // it answers again
			h.Open, p.ramp, c.closed = false, 1, true
		}
		return c
	}
	if h.Refusals++; h.Refusals == 1 {
		h.RefusedSince = now
	}
	if h.Open {
		if !o.Attempt.StartedAt.Before(p.nextProbe) { // not one from before it opened
			p.probeWait = min(2*p.probeWait, probeLongest)
			p.nextProbe = now.Add(p.probeWait)
		}
		return c
	}
	if h.Refusals >= breakerRefusals && now.Sub(h.RefusedSince) >= breakerSpan {
		h.Open = true
		p.probeWait, p.nextProbe = probeFirst, now.Add(probeFirst)
		c.opened = true
	}
	return c
}

// hopeless is the reason to suspend an endpoint that has had no success for
// long, or "".
func (p *pace) hopeless(now time.Time, after time.Duration, failures int) string {
	h := &p.health
	if after < 0 || h.Failures < failures || now.Sub(h.FailingSince) < after {
		return ""
	}
	return fmt.Sprintf("No request succeeded since %s; %d failed.", h.FailingSince.UTC().Format(time.RFC3339), h.Failures)
}

// clockStepped brings a probe forward that a step back of the clock put off.
func (p *pace) clockStepped(now time.Time) {
	if latest := now.Add(p.probeWait); p.nextProbe.After(latest) {
		p.nextProbe = latest
	}
}
