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
	// After a burst the memory goes back to the system once nothing was in hand
	// for restChecks looks, restEvery apart, and there is restBytes to give.
	restEvery  = 5 * time.Second
	restChecks = 3
	restBytes  = 32 << 20
)

// tuneMemory sets how the process uses memory, and returns how to end it.
func tuneMemory(svc *waybell.Service) (stop func()) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.FreeOSMemory() // what only the start needed
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(restEvery)
		defer tick.Stop()
		for idle := 0; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if l := svc.Load(); l.InFlight+l.Queued+l.Outcomes > 0 {
				idle = 0
				continue
			}
			if idle++; idle == restChecks {
				giveBack()
			}
		}
	}()
	return func() { close(done) }
}

// giveBack returns unused memory to the system where there is enough of it.
func giveBack() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapSys-m.HeapReleased > restBytes {
		debug.FreeOSMemory()
	}
}
