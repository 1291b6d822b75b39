package retry

import "time"

// State is what [Policy.Next] decides from.
type State struct {
	// Now is the wall-clock time at which the last attempt ended.
	Now time.Time
	// Attempts counts the finished attempts of this cycle; a re-send of a
	// finished delivery starts a new cycle at 0.
	Attempts int
	// WindowEnd is the time after which no attempt is planned: the acceptance
	// of the event plus the policy's window, and plus the time that the delivery
	// was held since, so that its window stands still meanwhile.
	WindowEnd time.Time
	// RetryAfter is what the receiver asked for, from [ParseRetryAfter] and
	// only where [Policy.HonoursRetryAfter]; 0 or less is none.
	RetryAfter time.Duration
	// Random places the attempt within the jitter: 0 is the earliest, just
	// below 1 the latest. It must be in [0,1).
	Random float64
}

// Next returns when the next attempt of a delivery is due after one that is to
// be tried again. Where ok is false there is none: schedule or window are used
// up, and the delivery has expired.
//
// The attempt is due after the wait that the schedule gives, jittered, or after
// RetryAfter, whichever is later. It is never planned before Now, nor after
// WindowEnd:
//
//   - Where RetryAfter is given and the attempt would lie past the window, one
//     last attempt is made at the window's end.
//   - Where the waits so far add up to no more than the policy's window, the
//     attempt is a planned one, and is brought back to the window's end if
//     jitter, slow attempts or a late start have pushed it past. The jitter of
//     single waits adds up: eleven of +10 % would cost the default schedule
//     its twelfth attempt, which it always gets by this rule.
//   - Any other wait that, without jitter, ends past the window expires.
//   - From the window's end on all expires, so at most one attempt is made at
//     the end itself.
//
// Before the first attempt (Attempts is 0) it is due at once, window or not: a
// delivery that could not be tried in time gets one attempt before it expires.
func (p Policy) Next(s State) (at time.Time, ok bool) {
	// Plans are stored and outlive the process: only wall-clock time counts.
	now, end := s.Now.Round(0), s.WindowEnd.Round(0)
	if s.Attempts <= 0 {
		return now, true
	}
	if s.Attempts > len(p.Schedule) || !now.Before(end) {
		return time.Time{}, false
	}
	wait := p.Schedule[s.Attempts-1]
	if s.RetryAfter <= 0 && now.Add(wait).After(end) && !p.planned(s.Attempts) {
		return time.Time{}, false
	}
	spread := p.spread(wait)
	wait += time.Duration((2*s.Random - 1) * float64(spread))
	at = now.Add(max(wait, s.RetryAfter, 0))
	if at.After(end) {
		at = end
	}
	return at, true
}

// planned reports whether the first n waits fit into the window as they are
// written in the schedule.
func (p Policy) planned(n int) bool {
	var sum time.Duration
	for _, w := range p.Schedule[:n] {
		sum += w
	}
	return sum <= p.Window
}

// LongestWait returns the longest time that [Policy.Next] plans ahead without a
// Retry-After: the longest wait of the schedule with all of its jitter, but not
// more than the window; 0 where nothing is tried again. With a Retry-After it
// is the window.
func (p Policy) LongestWait() time.Duration {
	var longest time.Duration
	for _, w := range p.Schedule {
		longest = max(longest, w+p.spread(w))
	}
	return min(longest, p.Window)
}

// Clamp brings a stored plan back to what can be true at now, so that a clock
// that was stepped back strands no delivery. It returns the time of the next
// attempt and the window's end; both stay as they are where they are plausible.
//
// The window's end was made by the same clock, so it can tell whether that was
// stepped: with a clock that only moves forward at most one whole window is
// left, however long the delivery was held. So:
//
//   - Where more than the window is left, the clock was stepped back (or the
//     window was made shorter since). The window ends one window from now, and
//     the attempt is due within [Policy.LongestWait].
//   - Otherwise the attempt may be as far ahead as the window's end, because a
//     Retry-After can have asked for that; a bound by the schedule would call
//     before the time that the receiver named. The next attempt is never
//     after the window's end, unless that is past: then it is due at once.
//
// What a step back can cost is therefore one LongestWait where it shows, and
// never more than what is left of one window.
func (p Policy) Clamp(next, windowEnd, now time.Time) (time.Time, time.Time) {
	now = now.Round(0)
	if latest := now.Add(p.Window); windowEnd.After(latest) {
		windowEnd = latest
		next = earlier(next, now.Add(p.LongestWait()))
	}
	if next.After(now) && next.After(windowEnd) {
		next = windowEnd
		if next.Before(now) {
			next = now
		}
	}
	return next, windowEnd
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
