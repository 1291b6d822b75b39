package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent lets the heap grow to five times what lives between two
	// collections. Little lives (bodies on their way), much is thrown away: the
	// default would collect many times a second under load. What it costs is
	// bounded by the limits on what is in hand, and given back afterwards.
	gcPercent = 400

	quietAfter = 15 * time.Second // how often it is looked at whether anything happens
	quietBytes = 1 << 20          // allocated within that time: nothing happens
	worthBytes = 16 << 20         // allocated since memory was last given back
)

// tuneMemory sets how often garbage is collected, unless GOGC says so.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// giveMemoryBack returns to the system, once a load has ended, what only a load
// needs: without allocations there are no collections that would do it. It ends
// with ctx.
func giveMemoryBack(ctx context.Context) {
	tick := time.NewTicker(quietAfter)
	defer tick.Stop()
	var r rest
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(sample)
		if r.begins(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

// rest notices when a load has ended.
type rest struct{ last, freed uint64 }

// begins is told the bytes allocated so far, and tells whether to give memory
// back now.
func (r *rest) begins(allocated uint64) bool {
	quiet := allocated-r.last < quietBytes
	r.last = allocated
	if !quiet || allocated-r.freed < worthBytes {
		return false
	}
	r.freed = allocated
	return true
}
