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
	backs atomic.Int64 // how often it went back

	// What resume was told: by how much the clock is behind the earlier process,
	// and that one's newest key.
	behind  time.Duration
	earlier Key
}

// clockReading is what the clock showed when the monotonic one had come so far, and
// the steps until then.
type clockReading struct {
	passed time.Duration // since started
	shown  time.Time
	steps  []steppedBy
}

// steppedBy is a step that the clock made after a key was made.
type steppedBy struct {
	after Key
	at    time.Time // what it showed before; no key after the step before was planned later
	by    time.Duration
}

func newEngineClock(lastKey func() Key) *engineClock {
	c := &engineClock{started: time.Now(), lastKey: lastKey, stepped: make(chan struct{}, 1)}
	c.base.Store(&clockReading{shown: c.started.Round(0)})
	return c
}

// now is the time. On a shared store it has no monotonic reading: it goes evenly
// by itself.
func (c *engineClock) now() time.Time { now, _, _ := c.look(); return now }

// both is now and the same moment by the machine's clock, with its monotonic reading.
func (c *engineClock) both() (now, local time.Time) { now, local, _ = c.look(); return now, local }

// read is now and the reading that it goes by: no step lies between them.
func (c *engineClock) read() (time.Time, *clockReading) { now, _, base := c.look(); return now, base }

func (c *engineClock) look() (now, local time.Time, base *clockReading) {
	for {
		base, local = c.base.Load(), time.Now()
		passed := local.Sub(c.started)
		if c.shared.Load() {
			return base.at(passed), local, base
		}
		if c.see(passed, local.Round(0), clockStep); c.base.Load() == base {
			return local, local, base
		}
	}
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
	base := c.base.Load()
	before := base.at(passed)
	by := shown.Sub(before)
	if by.Abs() < least || passed < base.passed { // somebody else saw it first
		return
	}
	after := c.lastKey()
	if by > 0 { // other nodes' keys may be newer; after a step back they are made from the last one on
		after = max(after, KeyAt(before)|MaxNodeSlot)
	}
	steps := slices.Clone(base.steps)
	if less := min(by, c.behind); less > 0 { // back to the time that the earlier process kept
		steps = append(steps, steppedBy{after: c.earlier, at: c.earlier.Time(), by: -less})
		c.behind -= less
	}
	steps = append(steps, steppedBy{after: after, at: before, by: by})
	c.base.Store(&clockReading{passed: passed, shown: shown, steps: steps[max(0, len(steps)-clockSteps):]})
	if by < 0 {
		c.backs.Add(1)
	}
	signal(c.stepped)
}

// follow takes the time of a shared store: it was seen when the local clock
// showed at. The first time that is no step: nothing was planned by another.
func (c *engineClock) follow(seen, at time.Time) {
	if passed, seen := at.Sub(c.started), seen.Round(0); c.shared.Load() {
		c.see(passed, seen, clockSkew)
	} else if seen.Sub(c.base.Load().at(passed)).Abs() >= clockSkew {
		c.mu.Lock()
		c.base.Store(&clockReading{passed: passed, shown: seen, steps: c.base.Load().steps})
		c.mu.Unlock()
	}
	c.shared.Store(true)
}

// resume tells the clock the newest key of earlier processes. Where it lies ahead
// the clock went back since, at a time that is not known: plans may lie ahead too.
func (c *engineClock) resume(newest Key) {
	if behind := newest.Time().Sub(c.now()); behind >= clockStep {
		c.backs.Add(1)
		c.mu.Lock()
		c.behind, c.earlier = behind, newest
		c.mu.Unlock()
	}
}

// skipped is how much of the time since a key was made did not pass; negative
// where the clock went back.
func (r *clockReading) skipped(since Key) (sum time.Duration) {
	for _, s := range r.steps {
		if since <= s.after {
			sum += s.by
		}
	}
	return sum
}

// mostSkipped is the most that skipped returns for any key that is younger than
// since, its time not having passed what was skipped.
func (r *clockReading) mostSkipped(since time.Time) (most time.Duration) {
	var sum time.Duration
	for _, s := range slices.Backward(r.steps) {
		if sum += s.by; s.at.Add(sum).After(since) {
			most = max(most, sum)
		}
	}
	return most
}

// old is the time before which keys are older than keep: nothing is removed for
// its age that did not get so old while the process ran.
func (c *engineClock) old(keep time.Duration) time.Time {
	now, r := c.read()
	at := now.Add(-keep)
	return at.Add(-r.mostSkipped(at))
}

// moment is the engine's time as the configuration keeps it.
func (s *Service) moment() time.Time { return s.clock.now().UTC().Truncate(time.Microsecond) }
