package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// The embedded store gets processors for the threads that wait for the disk, however
// often it is started; what the environment sets stays.
func TestTuneRuntime(t *testing.T) {
	percent := debug.SetGCPercent(100)
	procs := runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
	})
	for _, c := range []struct {
		name, gomaxprocs, gogc string
		embedded               bool
		procs, percent         int
	}{
		{"embedded", "", "", true, cores + diskThreads, gcPercent},
		{"embedded, again", "", "", true, cores + diskThreads, gcPercent},
		{"PostgreSQL", "", "", false, cores + 7, gcPercent},
		{"set", "9", "50", true, cores + 7, 100},
	} {
		t.Setenv("GOMAXPROCS", c.gomaxprocs)
		t.Setenv("GOGC", c.gogc)
		if c.procs == cores+7 { // neither is touched
			runtime.GOMAXPROCS(c.procs)
		}
		debug.SetGCPercent(100)
		tuneRuntime(nil, c.embedded)()
		if got := runtime.GOMAXPROCS(0); got != c.procs {
			t.Errorf("%s: %d processors, want %d", c.name, got, c.procs)
		}
		if got := debug.SetGCPercent(100); got != c.percent {
			t.Errorf("%s: the heap may grow by %d %%, want %d", c.name, got, c.percent)
		}
	}
}

// Memory goes back once a process rests, after each burst that left much, also one that
// no look saw; and not again and again where it stays in use.
func TestRest(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	var held, live uint64 = 0, 10 * mib
	freed := 0
	r := new(rest)
	looks := func(n int, busy bool) {
		for range n {
			r.look(busy, func() uint64 { return held }, func() { freed, held = freed+1, live })
		}
	}
	for i, step := range []struct {
		held  uint64
		looks int
		busy  bool
		freed int
	}{
		{held: 30 * mib, looks: 3 * restChecks, freed: 0}, // little to give
		{held: 90 * mib, looks: 10, busy: true, freed: 0},
		{held: 90 * mib, looks: restChecks - 1, freed: 0},
		{held: 90 * mib, looks: 1, freed: 1},
		{held: 90 * mib, looks: restChecks, freed: 2}, // a burst between two looks
		{held: 20 * mib, looks: 5 * restChecks, freed: 2},
	} {
		held = step.held
		if looks(step.looks, step.busy); freed != step.freed {
			t.Fatalf("step %d: given back %d times, want %d", i, freed, step.freed)
		}
	}
	held, live = 200*mib, 150*mib // much is in use
	if looks(10*restChecks, false); freed != 3 {
		t.Errorf("given back %d times, want 3", freed)
	}
}
