package waybell

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A wall clock that is stepped is followed, and what a step skipped is known: of
// events accepted before it, not of those accepted after.
func TestEngineClockSteps(t *testing.T) {
	t.Parallel()
	var last Key
	c := newEngineClock(func() Key { return last })
	start := c.base.Load().shown
	see := func(passed, offset time.Duration) { c.see(passed, start.Add(passed+offset), clockStep) }
	const h = time.Hour

	see(h, 900*time.Millisecond)
	if n := len(c.base.Load().steps); n != 0 {
		t.Fatalf("less than %v is %d steps", clockStep, n)
	}
	before := KeyAt(start.Add(h))
	see(h, 25*h)
	see(h+time.Second, 25*h) // the same step
	after := KeyAt(start.Add(h + 25*h))
	if c.base.Load().skipped(before) != 25*h || c.base.Load().skipped(after) != 0 || c.base.Load().mostSkipped(time.Time{}) != 25*h {
		t.Errorf("skipped since before %v, since after %v, at most %v", c.base.Load().skipped(before), c.base.Load().skipped(after), c.base.Load().mostSkipped(time.Time{}))
	}
	select {
	case <-c.stepped:
	default:
		t.Error("nobody was told")
	}

	last = KeyAt(start.Add(26*h + time.Minute)) // an event between the steps
	see(h+2*time.Minute, 0)
	for name, got := range map[string][2]time.Duration{
		"before both":    {c.base.Load().skipped(before), 0},
		"between them":   {c.base.Load().skipped(last), -25 * h},
		"after both":     {c.base.Load().skipped(last + 1<<keyNodeBits), 0},
		"at most":        {c.base.Load().mostSkipped(time.Time{}), 0},
		"the time is it": {c.base.Load().at(h+3*time.Minute).Sub(start) - h - 3*time.Minute, 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, want %v", name, got[0], got[1])
		}
	}
	for i := range 3 * clockSteps {
		see(2*h, time.Duration(i%2)*h)
	}
	if n := len(c.base.Load().steps); n != clockSteps {
		t.Errorf("%d steps are remembered", n)
	}
}

// What is read beside a step is from before it or from after it, with what it
// skipped, and nothing between: else a delivery would expire by the step.
func TestEngineClockReadsWholeSteps(t *testing.T) {
	t.Parallel()
	c := newEngineClock(func() Key { return 0 })
	var steps atomic.Int64
	var stepping sync.WaitGroup
	stepping.Go(func() {
		for range 2000 {
			at := time.Now()
			c.see(at.Sub(c.started), at.Round(0).Add(25*time.Hour), clockStep) // the next read sees it go back
			steps.Add(1)
		}
	})
	for last := false; !last; {
		last = steps.Load() == 2000
		now, r := c.read()
		if off := now.Round(0).Sub(r.at(now.Sub(c.started))); off.Abs() >= clockStep {
			t.Errorf("the time is %v off what it goes by", off)
			break
		}
	}
	stepping.Wait()
	if len(c.base.Load().steps) < 2 {
		t.Error("there were no steps")
	}
}

// On a shared store a node whose clock is wrong goes by the store's, evenly
// between heartbeats, and one whose clock is right enough by its own.
func TestEngineClockFollowsStore(t *testing.T) {
	t.Parallel()
	for offset, follows := range map[time.Duration]bool{
		0: false, 2 * time.Second: false, -4 * time.Second: false, -25 * time.Hour: true, 6 * time.Second: true,
	} {
		c := newEngineClock(func() Key { return 0 })
		at := time.Now()
		c.follow(at.Add(offset), at)
		got := c.now().Sub(at.Round(0))
		want := time.Duration(0)
		if follows {
			want = offset
		}
		// The wall clock and the monotonic one are read one after the other.
		if got < want-time.Millisecond || got > want+time.Since(at)+time.Millisecond {
			t.Errorf("the store is %v ahead: the time is %v ahead, want %v", offset, got, want)
		}
		if !follows && len(c.base.Load().steps) != 0 {
			t.Errorf("the store is %v ahead: that is a step", offset)
		}
	}
}
