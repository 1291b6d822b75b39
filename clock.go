package waybell

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clockStep is the least difference that is a step of the clock and not its
	// being slewed.
	clockStep = time.Second
	// clockSkew is how far this node's time may lie from that of a shared store
	// before it follows. Nodes agree as well as their clocks do, and heartbeats
	// come every two seconds.
	clockSkew = 5 * time.Second
	// clockSteps is how many steps are remembered.
	clockSteps = 64
)

// engineClock tells the time that deliveries are planned by. Keys, due times,
// windows and health go by it; what is told to receivers goes by the wall clock.
//
// On a store of its own a node takes the wall clock, and knows how much of what
// it shows did not really pass: a step ahead uses up no window and no retention.
// On a shared store it takes the store's time, carried on by the monotonic clock:
// a node whose clock is wrong neither makes the others send early or late, nor
// ends the windows of what they accepted.
type engineClock struct {
	started time.Time   // with its monotonic reading
	shared  atomic.Bool // the time is the store's
	lastKey func() Key
	stepped chan struct{} // signalled after a step

	mu    sync.Mutex
	base  atomic.Pointer[clockReading]
	steps atomic.Pointer[[]steppedBy]
	ahead atomic.Int64 // all steps together, nanoseconds
	backs atomic.Int64 // how often it went back
}

// clockReading is what the clock showed when the monotonic one had come so far.
type clockReading struct {
	passed time.Duration // since started
	shown  time.Time
}

// steppedBy is a step that the clock made after a key was made.
type steppedBy struct {
	after Key
	by    time.Duration
}

func newEngineClock(lastKey func() Key) *engineClock {
	c := &engineClock{started: time.Now(), lastKey: lastKey, stepped: make(chan struct{}, 1)}
	c.base.Store(&clockReading{shown: c.started.Round(0)})
	c.steps.Store(&[]steppedBy{})
	return c
}

// now is the time. On a shared store it has no monotonic reading: it goes evenly
// by itself.
func (c *engineClock) now() time.Time {
	t := time.Now()
	passed := t.Sub(c.started)
	if c.shared.Load() {
		return c.base.Load().at(passed)
	}
	c.see(passed, t.Round(0), clockStep)
	return t
}

func (r *clockReading) at(passed time.Duration) time.Time { return r.shown.Add(passed - r.passed) }

// see compares what a clock shows with what this one should, and takes a
// difference of least or more as a step.
func (c *engineClock) see(passed time.Duration, shown time.Time, least time.Duration) {
	if shown.Sub(c.base.Load().at(passed)).Abs() < least {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.base.Load().at(passed)
	by := shown.Sub(before)
	if by.Abs() < least { // somebody else saw it first
		return
	}
	c.base.Store(&clockReading{passed: passed, shown: shown})
	after := c.lastKey()
	if by > 0 { // other nodes' keys may be newer; after a step back they are made from the last one on
		after = max(after, KeyAt(before)|MaxNodeSlot)
	}
	steps := append(slices.Clone(*c.steps.Load()), steppedBy{after: after, by: by})
	steps = steps[max(0, len(steps)-clockSteps):]
	c.steps.Store(&steps)
	c.ahead.Add(int64(by))
	if by < 0 {
		c.backs.Add(1)
	}
	signal(c.stepped)
}

// follow takes the time of a shared store: it was seen when the local clock
// showed at.
func (c *engineClock) follow(seen, at time.Time) {
	c.see(at.Sub(c.started), seen.Round(0), clockSkew)
	c.shared.Store(true)
}

// resume tells the clock the newest key of earlier processes. Where it lies ahead
// the clock went back since, at a time that is not known: plans may lie ahead too.
func (c *engineClock) resume(newest Key) {
	if newest.Time().Sub(c.now()) >= clockStep {
		c.backs.Add(1)
	}
}

// skipped is how much of the time since a key was made did not pass; negative
// where the clock went back.
func (c *engineClock) skipped(since Key) (sum time.Duration) {
	for _, s := range *c.steps.Load() {
		if since <= s.after {
			sum += s.by
		}
	}
	return sum
}

// mostSkipped is the most that skipped returns for any key.
func (c *engineClock) mostSkipped() (most time.Duration) {
	var sum time.Duration
	for _, s := range slices.Backward(*c.steps.Load()) {
		sum += s.by
		most = max(most, sum)
	}
	return most
}

// passed is the time less what the clock was stepped ahead while the process ran:
// nothing is removed for its age that did not get so old.
func (c *engineClock) passed() time.Time { return c.now().Add(-max(0, time.Duration(c.ahead.Load()))) }
