package retry

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// run plays one delivery through as an engine does, in virtual time: wait until
// the attempt is due, make it, ask for the next. "True" time is what has really
// passed since the event was accepted; the clock shows it with an offset, which
// a step changes.
type run struct {
	policy Policy
	// answer returns status and Retry-After of an attempt (from 1) and how long
	// it took.
	answer func(attempt int) (status int, retryAfter, took time.Duration)
	// random is asked before each plan.
	random func() float64
	// stepAfter and step: the clock is moved by step after that many attempts.
	stepAfter int
	step      time.Duration
	// heldAfter and held: the delivery is held for that time after that many
	// attempts.
	heldAfter int
	held      time.Duration

	attempts []time.Duration // true starting times
	verdict  Verdict         // Retry: expired
	ended    time.Duration   // true time of the end
}

func (r *run) play(t rapid.TB) {
	t.Helper()
	p := r.policy
	var passed, offset, held time.Duration
	clock := func() time.Time { return t0().Add(passed + offset) }
	unheld := clock().Add(p.Window) // the window's end less the time held in all, as it is stored
	next := clock()
	for n := 1; ; n++ {
		if n > MaxWaits+1 {
			t.Fatalf("%s: attempt %d", p.Name, n)
		}
		var end time.Time
		next, end = p.Clamp(next, unheld.Add(held), clock())
		unheld = end.Add(-held)
		passed += max(0, next.Sub(clock()))
		r.attempts = append(r.attempts, passed)
		status, retryAfter, took := r.answer(n)
		passed += took
		r.verdict, r.ended = p.Classify(status), passed
		if r.verdict != Retry {
			return
		}
		if !p.HonoursRetryAfter(status) {
			retryAfter = 0
		}
		var ok bool
		next, ok = p.Next(State{Now: clock(), Attempts: n, WindowEnd: end, RetryAfter: retryAfter, Random: r.random()})
		if !ok {
			return
		}
		if next.After(end) || next.Before(clock()) {
			t.Fatalf("%s: attempt %d is planned %v before now or %v past the window", p.Name, n+1, clock().Sub(next), next.Sub(end))
		}
		if n == r.stepAfter {
			offset += r.step
		}
		if n == r.heldAfter {
			passed += r.held
			held += r.held
		}
	}
}

// always answers each attempt with a status, after some time.
func always(status int, took time.Duration) func(int) (int, time.Duration, time.Duration) {
	return func(int) (int, time.Duration, time.Duration) { return status, 0, took }
}

// jitters are the extremes and the middle, and real randomness.
func jitters() map[string]func() float64 {
	source := rand.New(rand.NewPCG(1, 2))
	return map[string]func() float64{
		"earliest": func() float64 { return 0 },
		"middle":   func() float64 { return 0.5 },
		"latest":   func() float64 { return 1 - 1e-9 },
		"random":   source.Float64,
	}
}

// With every jitter, and with attempts that take the longest timeout there is,
// the default schedule yields its 12 attempts within the window.
func TestDayOfFailures(t *testing.T) {
	t.Parallel()
	for _, p := range builtins() {
		for name, random := range jitters() {
			for _, took := range []time.Duration{0, 41 * time.Millisecond, 30 * time.Second, 120 * time.Second} {
				r := run{policy: p, answer: always(503, took), random: random}
				r.play(t)
				if len(r.attempts) != 12 || r.verdict != Retry {
					t.Errorf("%s, %s jitter, attempts of %v: %d attempts, then %v; want 12, then expired",
						p.Name, name, took, len(r.attempts), r.verdict)
				}
				last := r.attempts[len(r.attempts)-1]
				if last > 24*time.Hour || last < 21*time.Hour {
					t.Errorf("%s, %s jitter, attempts of %v: the last one after %v", p.Name, name, took, last)
				}
				if name == "middle" && took == 0 && last != 23*time.Hour+52*time.Minute+35*time.Second {
					t.Errorf("%s: the last attempt after %v without jitter", p.Name, last)
				}
			}
		}
	}
}

// What each policy makes of a day of the same answer.
func TestDayPerPolicy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		policy   string
		status   int
		attempts int
		verdict  Verdict
	}{
		{"standard", 200, 1, Success}, {"chatzuri", 200, 1, Success}, {"chatislav", 200, 1, Success},
		{"standard", 301, 12, Retry}, {"chatzuri", 301, 12, Retry}, {"chatislav", 301, 1, Fail},
		{"standard", 404, 12, Retry}, {"chatzuri", 404, 12, Retry}, {"chatislav", 404, 1, Fail},
		{"standard", 410, 1, FailSuspend}, {"chatzuri", 410, 12, Retry}, {"chatislav", 410, 1, Fail},
		{"standard", 429, 12, Retry}, {"chatzuri", 429, 12, Retry}, {"chatislav", 429, 1, Fail},
		{"standard", 500, 12, Retry}, {"chatzuri", 500, 12, Retry}, {"chatislav", 500, 12, Retry},
		{"standard", 0, 12, Retry}, {"chatzuri", 0, 12, Retry}, {"chatislav", 0, 12, Retry},
	}
	for _, tt := range tests {
		r := run{policy: policy(t, tt.policy), answer: always(tt.status, time.Second), random: jitters()["random"]}
		r.play(t)
		if len(r.attempts) != tt.attempts || r.verdict != tt.verdict {
			t.Errorf("%s, all %d: %d attempts, then %v; want %d, %v",
				tt.policy, tt.status, len(r.attempts), r.verdict, tt.attempts, tt.verdict)
		}
	}
}

func TestDayWithRecovery(t *testing.T) {
	t.Parallel()
	for _, p := range builtins() {
		r := run{policy: p, random: jitters()["random"], answer: func(n int) (int, time.Duration, time.Duration) {
			if n < 12 {
				return 502, 0, time.Second
			}
			return 204, 0, time.Second
		}}
		r.play(t)
		if len(r.attempts) != 12 || r.verdict != Success {
			t.Errorf("%s: %d attempts, then %v", p.Name, len(r.attempts), r.verdict)
		}
	}
}

func TestDayWithRetryAfter(t *testing.T) {
	t.Parallel()
	const h = time.Hour
	tests := []struct {
		name       string
		retryAfter time.Duration
		attempts   int
		last       time.Duration
	}{
		// The schedule is later from the seventh wait on.
		{"an hour each", h, 12, 24 * h},
		{"six hours each", 6 * h, 5, 24 * h},
		{"past the window", 100 * h, 2, 24 * h},
		{"the window exactly", 24 * h, 2, 24 * h},
	}
	for _, tt := range tests {
		for _, p := range builtins() {
			r := run{policy: p, random: func() float64 { return 0.5 }, answer: func(int) (int, time.Duration, time.Duration) {
				return 503, tt.retryAfter, 0
			}}
			r.play(t)
			if last := r.attempts[len(r.attempts)-1]; len(r.attempts) != tt.attempts || last != tt.last {
				t.Errorf("%s, %s: %d attempts, the last after %v; want %d, %v", p.Name, tt.name, len(r.attempts), last, tt.attempts, tt.last)
			}
		}
	}
}

// The clock jumps by 25 hours at any point of the day. Forward: what is planned
// is tried at once, then the window is over. Back: the next attempt comes
// within the longest wait of the schedule, and the rest of the schedule follows.
func TestDayWithClockJumps(t *testing.T) {
	t.Parallel()
	for _, p := range builtins() {
		for after := 1; after <= 11; after++ {
			forward := run{policy: p, answer: always(503, time.Second), random: jitters()["random"], stepAfter: after, step: 25 * time.Hour}
			forward.play(t)
			if got := len(forward.attempts); got != after+1 {
				t.Errorf("%s, forward after attempt %d: %d attempts, want one more", p.Name, after, got)
			}
			if wait := forward.attempts[after] - forward.attempts[after-1]; wait > time.Second {
				t.Errorf("%s, forward after attempt %d: the next one %v later, want at once", p.Name, after, wait)
			}

			back := run{policy: p, answer: always(503, time.Second), random: jitters()["random"], stepAfter: after, step: -25 * time.Hour}
			back.play(t)
			// An early wait that became the longest one can push the last
			// attempt past the window, which is whole again from the step on.
			if got := len(back.attempts); got < 11 || after >= 6 && got != 12 {
				t.Errorf("%s, back after attempt %d: %d attempts, want 12, or 11 after an early step", p.Name, after, got)
			}
			if wait := back.attempts[after] - back.attempts[after-1]; wait > p.LongestWait()+time.Second {
				t.Errorf("%s, back after attempt %d: the next one %v later", p.Name, after, wait)
			}
		}
	}
}

// A hold of any length costs no attempt: the window stands still meanwhile.
func TestDayWithHold(t *testing.T) {
	t.Parallel()
	for _, p := range builtins() {
		for after := 1; after <= 11; after++ {
			r := run{policy: p, answer: always(503, time.Second), random: jitters()["random"], heldAfter: after, held: 72 * time.Hour}
			r.play(t)
			if len(r.attempts) != 12 {
				t.Errorf("%s, held after attempt %d: %d attempts, want 12", p.Name, after, len(r.attempts))
			}
			if last := r.attempts[len(r.attempts)-1]; last > (24+72)*time.Hour {
				t.Errorf("%s, held after attempt %d: the last attempt after %v", p.Name, after, last)
			}
		}
	}
}

// Whatever the policy, the receiver and the clock do: a run ends, starts no
// attempt before the one before has ended, makes no more attempts than the
// schedule has, and with a steady clock starts none past the window.
func TestRunProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		steps := rapid.OneOf(rapid.Just(time.Duration(0)), durations(-25*time.Hour, 25*time.Hour))
		r := run{
			policy:    p,
			stepAfter: rapid.IntRange(1, 10).Draw(t, "step after"),
			step:      steps.Draw(t, "step"),
			random:    func() float64 { return rapid.Float64Range(0, 0.9999999).Draw(t, "random") },
		}
		var took []time.Duration
		r.answer = func(int) (int, time.Duration, time.Duration) {
			took = append(took, durations(0, 120*time.Second).Draw(t, "took"))
			retryAfter := rapid.OneOf(rapid.Just(time.Duration(0)), durations(0, 48*time.Hour)).Draw(t, "retry after")
			return rapid.SampledFrom([]int{0, 301, 404, 429, 500, 503}).Draw(t, "status"), retryAfter, took[len(took)-1]
		}
		r.play(t)
		if len(r.attempts) > len(p.Schedule)+1 {
			t.Fatalf("%d attempts with %d waits", len(r.attempts), len(p.Schedule))
		}
		for i := 1; i < len(r.attempts); i++ {
			if r.attempts[i] < r.attempts[i-1]+took[i-1] {
				t.Fatalf("attempt %d overlaps the one before", i+1)
			}
		}
		if last := r.attempts[len(r.attempts)-1]; r.step == 0 && last > p.Window {
			t.Fatalf("the last attempt %v after acceptance, window %v", last, p.Window)
		}
		// One that has expired had used up its schedule, or the window could not
		// take the next wait.
		if n := len(r.attempts); r.verdict == Retry && n <= len(p.Schedule) && r.step == 0 &&
			r.ended+p.Schedule[n-1] <= p.Window && r.ended < p.Window {
			t.Fatalf("expired %v after acceptance with a wait of %v to come", r.ended, p.Schedule[n-1])
		}
	})
}
