package waybell

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// attemptOutcome is an outcome as judge makes it.
func attemptOutcome(started time.Time, took time.Duration, reason Reason) *outcome {
	o := &outcome{refused: reason != ReasonDelivered && reason != ReasonHTTPStatus}
	o.Reason = reason
	o.Attempt = &Attempt{StartedAt: started, Duration: took, Reason: reason}
	return o
}

// The breaker opens after 20 refusals in a row over at least 30 s, and not
// before either is true.
func TestBreakerOpens(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		every  time.Duration
		breaks map[int]Reason // other outcomes than a refusal, by attempt
		opens  int            // the attempt that opens it; 0 = none of 60
	}{
		{name: "slow refusals", every: 10 * time.Second, opens: 20},
		{name: "fast refusals", every: time.Second, opens: 31},
		{name: "exactly 30 s", every: 30 * time.Second / 19, opens: 21}, // 19 waits round to just below 30 s
		{name: "a success between", every: 10 * time.Second, breaks: map[int]Reason{19: ReasonDelivered}, opens: 39},
		{name: "a 404 between", every: 10 * time.Second, breaks: map[int]Reason{10: ReasonHTTPStatus}, opens: 30},
		{name: "all at once", every: 0, opens: 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var p pace
			now := time.Now()
			opened := 0
			for n := 1; n <= 60 && opened == 0; n++ {
				reason := ReasonConnect
				if r, ok := tc.breaks[n]; ok {
					reason = r
				}
				if c := p.note(now, attemptOutcome(now, 0, reason)); c.opened {
					opened = n
				}
				now = now.Add(tc.every)
			}
			if opened != tc.opens || p.health.Open != (tc.opens > 0) {
				t.Errorf("opened by attempt %d (open: %v), want %d", opened, p.health.Open, tc.opens)
			}
		})
	}
}

// openBreaker returns a pace whose breaker opened just now.
func openBreaker(now time.Time) *pace {
	p := new(pace)
	for n := range breakerRefusals {
		at := now.Add(time.Duration(n-breakerRefusals+1) * 2 * time.Second)
		p.note(at, attemptOutcome(at, 0, ReasonTimeout))
	}
	return p
}

// Probes come after 5 s, then at doubled distances up to a minute, whatever the
// attempts say that were under way when it opened.
func TestProbeDistances(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := openBreaker(now)
	if !p.health.Open {
		t.Fatal("the breaker is not open")
	}
	for range 15 { // under way when it opened
		p.note(now.Add(time.Second), attemptOutcome(now.Add(-time.Second), 2*time.Second, ReasonTimeout))
	}
	last := now
	for i, want := range []time.Duration{5, 10, 20, 40, 60, 60, 60} {
		want *= time.Second
		if got := p.nextProbe.Sub(last); got != want {
			t.Fatalf("probe %d comes after %v, want %v", i+1, got, want)
		}
		last = p.nextProbe
		if c := p.note(last, attemptOutcome(last, 0, ReasonConnect)); c != (paceChange{}) {
			t.Fatalf("a failed probe changed %+v", c)
		}
	}
}

func TestRecoveryGrowsFromOne(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{ReasonDelivered, ReasonHTTPStatus} {
		now := time.Now()
		p := openBreaker(now)
		if got := p.limit(16); got != 1 {
			t.Errorf("limit %d behind the breaker, want 1", got)
		}
		if c := p.note(now, attemptOutcome(now, 0, reason)); !c.closed {
			t.Errorf("%s did not close the breaker", reason)
		}
		for want := 1; want <= 16; want++ {
			if got := p.limit(16); got != want {
				t.Fatalf("limit %d after %d successes, want %d", got, want-1, want)
			}
			p.note(now, attemptOutcome(now, 0, ReasonDelivered))
		}
		p.note(now, attemptOutcome(now, 0, ReasonConnect))
		if got := p.limit(16); got != 1 {
			t.Errorf("limit %d after a failure while it recovers, want 1", got)
		}
		for range 70 {
			p.note(now, attemptOutcome(now, 0, ReasonDelivered))
		}
		if got := p.limit(1000); got != 1000 {
			t.Errorf("limit %d long after, want none", got)
		}
	}
}

// The stored health follows: after a success it never says that the endpoint
// fails since before.
func TestHealthIsStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p pace
		var stored Health
		now := time.Now()
		for range rapid.IntRange(1, 80).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(t, "after ms")) * time.Millisecond)
			o := attemptOutcome(now, 0, rapid.SampledFrom([]Reason{ReasonDelivered, ReasonHTTPStatus, ReasonConnect}).Draw(t, "reason"))
			o.test = rapid.IntRange(0, 9).Draw(t, "test") == 0
			p.note(now, o)
			if o.Health != nil {
				stored = *o.Health
			}
			if stored.Failures != p.health.Failures || stored.FailingSince != p.health.FailingSince || stored.Open != p.health.Open {
				t.Fatalf("stored %+v, true %+v", stored, p.health)
			}
			if p.health.Open && p.health.Refusals < breakerRefusals {
				t.Fatalf("open after %d refusals", p.health.Refusals)
			}
		}
	})
}

func TestFailingTestsSayNothing(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Now()
	for i := range 100 {
		now = now.Add(time.Duration(i) * time.Second)
		o := attemptOutcome(now, 0, ReasonConnect)
		o.test = true
		p.note(now, o)
	}
	if p.health != (Health{}) {
		t.Errorf("health %+v after failed tests, want none", p.health)
	}
}

func TestHopeless(t *testing.T) {
	t.Parallel()
	const after = 5 * 24 * time.Hour
	for _, tc := range []struct {
		failures int
		since    time.Duration
		after    time.Duration
		want     bool
	}{
		{20, after, after, true},
		{19, after, after, false},
		{20, after - time.Second, after, false},
		{1000, 30 * after, -1, false},
	} {
		now := time.Now()
		p := pace{health: Health{Failures: tc.failures, FailingSince: now.Add(-tc.since)}}
		if got := p.hopeless(now, tc.after, 20) != ""; got != tc.want {
			t.Errorf("%d failures over %v: %v, want %v", tc.failures, tc.since, got, tc.want)
		}
	}
}

// Over any time a rate limit lets through at most its rate and one burst, and
// who waits as long as told is let through.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p pace
		rate := rapid.Float64Range(0.05, 500).Draw(t, "rate")
		start := time.Now()
		now, sent := start, 0
		for range 200 {
			if wait := p.take(now, rate); wait == 0 {
				sent++
			} else if now = now.Add(wait); p.take(now, rate) != 0 {
				t.Fatalf("still to wait after %v", wait)
			} else {
				sent++
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pause ms")) * time.Millisecond)
		}
		if most := now.Sub(start).Seconds()*rate + max(1, rate/10) + 1; float64(sent) > most {
			t.Fatalf("%d sent in %v at %v per second", sent, now.Sub(start), rate)
		}
		if p.take(now, 0) != 0 {
			t.Fatal("no limit, and yet a wait")
		}
	})
}
