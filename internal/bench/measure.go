package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Percentiles summarise latencies, in milliseconds.
type Percentiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// String shows all of them.
func (p Percentiles) String() string {
	return fmt.Sprintf("p50 %.2f p90 %.2f p99 %.2f max %.2f ms (%d)", p.P50, p.P90, p.P99, p.Max, p.N)
}

// Summarise sorts the samples and summarises them.
func Summarise(samples []time.Duration) Percentiles {
	if len(samples) == 0 {
		return Percentiles{}
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		return milliseconds(samples[min(len(samples)-1, int(q*float64(len(samples))))])
	}
	return Percentiles{len(samples), at(0.5), at(0.9), at(0.99), at(1)}
}

// per1000 is CPU seconds per 1,000 of n deliveries.
func per1000(cpu time.Duration, n float64) float64 { return cpu.Seconds() / max(n, 1) * 1000 }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fsyncTime is the median of appending 4 KiB to a file of the folder and
// syncing it.
func fsyncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "fsync-probe"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	samples := make([]time.Duration, 0, 101)
	for range cap(samples) {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		samples = append(samples, time.Since(began))
	}
	slices.Sort(samples)
	return samples[len(samples)/2], nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}
