package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/waybell/waybell"
)

const (
	// gcPercent lets the heap grow to four times what lives before it is
	// collected: a delivery leaves much garbage and little behind, and
	// collecting at the default of 100 costs a tenth of the CPU. GOGC decides
	// where it is set.
	gcPercent = 300
	// diskThreads of the embedded store may wait for the disk at once, its writer's
	// and its checkpointer's: each within a call of the system that the Go runtime is
	// not told of, so that it keeps one of the processors that goroutines run on. With
	// as many more of them, goroutines have all cores meanwhile: 12 % more deliveries
	// on two cores. GOMAXPROCS decides where it is set.
	diskThreads = 2
	// After a burst the memory goes back to the system once nothing was in hand
	// for restChecks looks, restEvery apart, and it grew by restBytes since the last time.
	restEvery  = 5 * time.Second
	restChecks = 3
	restBytes  = 32 << 20
)

// cores are those that the process may use, as the runtime found them at its start.
var cores = runtime.GOMAXPROCS(0)

// tuneRuntime sets how the process uses memory and processors, and returns how to end
// it.
func tuneRuntime(svc *waybell.Service, embedded bool) (stop func()) {
	if embedded && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores + diskThreads)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.FreeOSMemory() // what only the start needed
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(restEvery)
		defer tick.Stop()
		for r := new(rest); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				l := svc.Load()
				r.look(l.InFlight+l.Queued+l.Outcomes > 0, heldBytes, debug.FreeOSMemory)
			}
		}
	}()
	return func() { close(done) }
}

// rest tells when a process rests.
type rest struct {
	idle int    // looks in a row at which nothing was in hand
	held uint64 // what stayed after memory was given back
}

// look gives memory back where it is time. A burst may come and go between two looks:
// what it left is found all the same.
func (r *rest) look(busy bool, held func() uint64, free func()) {
	if busy {
		r.idle = 0
		return
	}
	if r.idle++; r.idle%restChecks != 0 {
		return
	}
	if held() > r.held+restBytes {
		free()
		r.held = held()
	} else {
		r.held = min(r.held, held())
	}
}

// heldBytes is the memory of the heap that the system gave and has not got back.
func heldBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys - m.HeapReleased
}
