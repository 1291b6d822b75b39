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
