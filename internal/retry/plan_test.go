package retry

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// t0 is when the event of these tests was accepted.
func t0() time.Time { return time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC) }

func sec(n ...int) []time.Duration {
	waits := make([]time.Duration, len(n))
	for i, s := range n {
		waits[i] = time.Duration(s) * time.Second
	}
	return waits
}

func TestNext(t *testing.T) {
	t.Parallel()
	const expired = -1
	tests := []struct {
		name       string
		schedule   []time.Duration
		window     int // seconds
		now        int // seconds after acceptance
		attempts   int
		retryAfter int
		random     float64
		want       float64 // seconds after acceptance
	}{
		{name: "first attempt at once", schedule: sec(5), window: 100, now: 0, attempts: 0, want: 0},
		{name: "first attempt after downtime", schedule: sec(5), window: 100, now: 500, attempts: 0, want: 500},
		{name: "first wait", schedule: sec(5, 30), window: 100, now: 1, attempts: 1, random: 0.5, want: 6},
		{name: "second wait", schedule: sec(5, 30), window: 100, now: 6, attempts: 2, random: 0.5, want: 36},
		{name: "schedule used up", schedule: sec(5, 30), window: 100, now: 36, attempts: 3, random: 0.5, want: expired},
		{name: "empty schedule", window: 100, now: 1, attempts: 1, random: 0.5, want: expired},
		{name: "more attempts than waits", schedule: sec(5), window: 100, now: 1, attempts: 1 << 40, random: 0.5, want: expired},
		{name: "least jitter", schedule: sec(10), window: 100, now: 0, attempts: 1, random: 0, want: 9},
		{name: "quarter jitter", schedule: sec(10), window: 100, now: 0, attempts: 1, random: 0.25, want: 9.5},
		{name: "three quarter jitter", schedule: sec(10), window: 100, now: 0, attempts: 1, random: 0.75, want: 10.5},

		{name: "Retry-After is later", schedule: sec(10), window: 100, now: 0, attempts: 1, retryAfter: 40, random: 0.5, want: 40},
		{name: "Retry-After is earlier", schedule: sec(10), window: 100, now: 0, attempts: 1, retryAfter: 4, random: 0.5, want: 10},
		{name: "Retry-After against early jitter", schedule: sec(10), window: 100, now: 0, attempts: 1, retryAfter: 10, random: 0, want: 10},
		{name: "negative Retry-After", schedule: sec(10), window: 100, now: 0, attempts: 1, retryAfter: -40, random: 0.5, want: 10},
		{name: "Retry-After at the window's end", schedule: sec(10), window: 100, now: 60, attempts: 1, retryAfter: 40, random: 0.5, want: 100},
		{name: "Retry-After past the window", schedule: sec(10), window: 100, now: 60, attempts: 1, retryAfter: 41, random: 0.5, want: 100},
		{name: "Retry-After and schedule past the window", schedule: sec(300), window: 100, now: 60, attempts: 1, retryAfter: 900, random: 0.5, want: 100},
		{name: "Retry-After in the window, schedule past it", schedule: sec(300), window: 100, now: 60, attempts: 1, retryAfter: 10, random: 0.5, want: 100},
		{name: "Retry-After, schedule used up", schedule: sec(10), window: 100, now: 60, attempts: 2, retryAfter: 10, random: 0.5, want: expired},
		{name: "Retry-After after the last attempt at the end", schedule: sec(10, 10), window: 100, now: 100, attempts: 2, retryAfter: 10, random: 0.5, want: expired},

		{name: "wait past the window", schedule: sec(101), window: 100, now: 0, attempts: 1, random: 0.5, want: expired},
		{name: "early jitter saves no wait past the window", schedule: sec(105), window: 100, now: 0, attempts: 1, random: 0, want: expired},
		{name: "sum past the window", schedule: sec(60, 60), window: 100, now: 60, attempts: 2, random: 0.5, want: expired},
		{name: "sum past the window, but early", schedule: sec(60, 60), window: 100, now: 30, attempts: 2, random: 0.5, want: 90},
		{name: "wait to the window's end", schedule: sec(100), window: 100, now: 0, attempts: 1, random: 0.5, want: 100},
		{name: "late jitter at the window's end", schedule: sec(100), window: 100, now: 0, attempts: 1, random: 0.75, want: 100},
		{name: "slow attempt before a planned wait", schedule: sec(60, 40), window: 100, now: 75, attempts: 2, random: 0.5, want: 100},
		{name: "one second left", schedule: sec(60, 40), window: 100, now: 99, attempts: 2, random: 0, want: 100},
		{name: "nothing left", schedule: sec(60, 40), window: 100, now: 100, attempts: 2, random: 0, want: expired},
		{name: "long past", schedule: sec(60, 40), window: 100, now: 9999, attempts: 1, random: 0, want: expired},
	}
	for _, tt := range tests {
		p := Policy{Schedule: tt.schedule, Window: time.Duration(tt.window) * time.Second, Jitter: 0.10}
		at, ok := p.Next(State{
			Now:        t0().Add(time.Duration(tt.now) * time.Second),
			Attempts:   tt.attempts,
			WindowEnd:  t0().Add(p.Window),
			RetryAfter: time.Duration(tt.retryAfter) * time.Second,
			Random:     tt.random,
		})
		if tt.want == expired {
			if ok || !at.IsZero() {
				t.Errorf("%s: next at %v, want expired", tt.name, at.Sub(t0()))
			}
			continue
		}
		if got := at.Sub(t0()); !ok || got != time.Duration(tt.want*float64(time.Second)) {
			t.Errorf("%s: next at %v (%v), want %vs", tt.name, got, ok, tt.want)
		}
	}
}

// A reading of the monotonic clock must not get into a plan: it would make
// comparisons blind to a step of the wall clock.
func TestNextIsWallClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at, ok := Standard().Next(State{Now: now, Attempts: 1, WindowEnd: now.Add(time.Hour), Random: 0.5})
	if want := now.Round(0).Add(5 * time.Second); !ok || at != want {
		t.Errorf("next %v, want %v without a monotonic reading", at, want)
	}
}

// policies draws valid policies, schedules with waits past the window included.
func policies() *rapid.Generator[Policy] {
	return rapid.Custom(func(t *rapid.T) Policy {
		wait := rapid.OneOf(rapid.IntRange(1, 60), rapid.IntRange(1, 86400))
		return Policy{
			Name:     "drawn",
			Rules:    Standard().Rules,
			Schedule: sec(rapid.SliceOfN(wait, 0, MaxWaits).Draw(t, "schedule")...),
			Window:   time.Duration(rapid.IntRange(1, 604800).Draw(t, "window")) * time.Second,
			Jitter:   rapid.OneOf(rapid.Just(0.0), rapid.Just(0.1), rapid.Float64Range(0, 1)).Draw(t, "jitter"),
		}
	})
}

func durations(low, high time.Duration) *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64Range(int64(low), int64(high)), func(d int64) time.Duration { return time.Duration(d) })
}

func TestNextProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		s := State{
			Now:        t0().Add(durations(0, p.Window+time.Hour).Draw(t, "elapsed")),
			Attempts:   rapid.IntRange(1, MaxWaits+1).Draw(t, "attempts"),
			WindowEnd:  t0().Add(p.Window),
			RetryAfter: rapid.OneOf(rapid.Just(time.Duration(0)), durations(0, MaxRetryAfter)).Draw(t, "retry after"),
			Random:     rapid.Float64Range(0, 0.9999999).Draw(t, "random"),
		}
		at, ok := p.Next(s)
		if s.Attempts > len(p.Schedule) || !s.Now.Before(s.WindowEnd) {
			if ok {
				t.Fatalf("next at %v although schedule or window are used up", at)
			}
			return
		}
		wait := p.Schedule[s.Attempts-1]
		jitter := time.Duration(float64(wait)*p.Jitter) + 1
		if !ok {
			if s.RetryAfter > 0 || !s.Now.Add(wait).After(s.WindowEnd) {
				t.Fatalf("expired with %v left and a wait of %v", s.WindowEnd.Sub(s.Now), wait)
			}
			return
		}
		ahead := at.Sub(s.Now)
		switch {
		case at.After(s.WindowEnd):
			t.Fatalf("next at %v past the window", at.Sub(s.WindowEnd))
		case ahead < 0:
			t.Fatalf("next at %v before now", ahead)
		case at.Equal(s.WindowEnd):
		case ahead < s.RetryAfter:
			t.Fatalf("next in %v, before Retry-After %v", ahead, s.RetryAfter)
		case ahead < wait-jitter:
			t.Fatalf("next in %v, before %v less jitter", ahead, wait)
		case ahead > max(s.RetryAfter, wait+jitter):
			t.Fatalf("next in %v, after %v plus jitter and Retry-After %v", ahead, wait, s.RetryAfter)
		}
		if s.RetryAfter == 0 && ahead > p.LongestWait() {
			t.Fatalf("next in %v, longest wait %v", ahead, p.LongestWait())
		}
		// More random never means earlier, and a fresh plan is plausible.
		later := s
		later.Random += (1 - s.Random) / 2
		if at2, _ := p.Next(later); at2.Before(at) {
			t.Fatalf("random %v plans %v, random %v plans %v", s.Random, at, later.Random, at2)
		}
		if next, end := p.Clamp(at, s.WindowEnd, s.Now); !next.Equal(at) || !end.Equal(s.WindowEnd) {
			t.Fatalf("a fresh plan is clamped from %v to %v, window from %v to %v", at, next, s.WindowEnd, end)
		}
	})
}

func TestLongestWait(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy Policy
		want   time.Duration
	}{
		{"default", Standard(), 9*time.Hour + 54*time.Minute},
		{"not the last", Policy{Schedule: sec(5, 60, 10), Window: time.Hour, Jitter: 0.5}, 90 * time.Second},
		{"no jitter", Policy{Schedule: sec(5, 60), Window: time.Hour}, time.Minute},
		{"longer than the window", Policy{Schedule: sec(5, 60), Window: 20 * time.Second, Jitter: 0.1}, 20 * time.Second},
		{"one attempt", Policy{Window: time.Hour, Jitter: 0.1}, 0},
	}
	for _, tt := range tests {
		if got := tt.policy.LongestWait(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestClamp(t *testing.T) {
	t.Parallel()
	const h, m = time.Hour, time.Minute
	longest := 9*h + 54*m
	tests := []struct {
		name              string
		next, end         time.Duration // from now
		wantNext, wantEnd time.Duration
	}{
		{"due", 0, 20 * h, 0, 20 * h},
		{"overdue", -h, 20 * h, -h, 20 * h},
		{"overdue past the window", -2 * h, -h, -2 * h, -h},
		{"planned", 4 * h, 20 * h, 4 * h, 20 * h},
		{"planned as late as the schedule can", longest, 24 * h, longest, 24 * h},
		{"planned by Retry-After", 15 * h, 24 * h, 15 * h, 24 * h},
		{"planned by Retry-After at the window's end", 23 * h, 23 * h, 23 * h, 23 * h},
		{"stepped back an hour", 4 * h, 25 * h, 4 * h, 24 * h},
		{"stepped back 25 h", 25*h + 5*time.Second, 49 * h, longest, 24 * h},
		{"stepped back 25 h, first attempt put aside", 25 * h, 49 * h, longest, 24 * h},
		{"stepped back a year", 8760 * h, 8784 * h, longest, 24 * h},
		{"past the window's end", 23 * h, 20 * h, 20 * h, 20 * h},
		{"ahead although the window is past", 2 * h, -h, 0, -h},
	}
	now := t0()
	for _, tt := range tests {
		next, end := Standard().Clamp(now.Add(tt.next), now.Add(tt.end), now)
		if next.Sub(now) != tt.wantNext || end.Sub(now) != tt.wantEnd {
			t.Errorf("%s: next %v, end %v; want %v, %v", tt.name, next.Sub(now), end.Sub(now), tt.wantNext, tt.wantEnd)
		}
	}
}

func TestClampProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		span := durations(-400*24*time.Hour, 400*24*time.Hour)
		now := t0()
		next, end := now.Add(span.Draw(t, "next")), now.Add(span.Draw(t, "end"))
		next2, end2 := p.Clamp(next, end, now)
		if end2.After(end) || end2.After(now.Add(p.Window)) {
			t.Fatalf("window's end went from %v to %v", end.Sub(now), end2.Sub(now))
		}
		if next2.After(next) || next2.After(now) && next2.After(end2) {
			t.Fatalf("next went from %v to %v, window's end %v", next.Sub(now), next2.Sub(now), end2.Sub(now))
		}
		if end.After(now.Add(p.Window)) && next2.Sub(now) > p.LongestWait() {
			t.Fatalf("next is %v ahead after a step back, longest wait %v", next2.Sub(now), p.LongestWait())
		}
		if !next.After(now) && !next2.Equal(next) {
			t.Fatalf("what is due was moved from %v to %v", next.Sub(now), next2.Sub(now))
		}
		if next3, end3 := p.Clamp(next2, end2, now); !next3.Equal(next2) || !end3.Equal(end2) {
			t.Fatal("clamping twice is not clamping once")
		}
	})
}
