package bench

import "fmt"

// Result is what one scenario measured.
type Result struct {
	Scenario string    `json:"scenario"`
	Store    string    `json:"store"`
	What     string    `json:"what"`
	Rate     float64   `json:"deliveries_per_second,omitempty"` // median of the runs
	Ceiling  float64   `json:"ceiling_per_second,omitempty"`    // median of the runs
	Ratio    float64   `json:"ratio,omitempty"`                 // median of the runs' ratios
	Ratios   []float64 `json:"ratios,omitempty"`
	CPURatio float64   `json:"cpu_ratio,omitempty"`            // CPU of the ceiling to CPU of everything, per delivery
	CPU      float64   `json:"cpu_seconds_per_1000,omitempty"` // of the server, until the last outcome is stored
	RSS      float64   `json:"peak_rss_mib,omitempty"`

	// Of the bench's own process: what the load cost, and what receiving did.
	LoadCPU     float64 `json:"load_cpu_seconds_per_1000,omitempty"`
	ReceiverCPU float64 `json:"receiver_cpu_seconds_per_1000,omitempty"`

	// Of PostgreSQL's processes, where they run on this machine.
	DatabaseCPU    float64 `json:"database_cpu_seconds_per_1000,omitempty"`
	DatabaseMemory float64 `json:"database_memory_mib,omitempty"` // at the end, shared memory counted once

	Writes   *writes                `json:"writes_per_delivery,omitempty"`
	Missing  int64                  `json:"missing"`
	Dups     int64                  `json:"duplicates"`
	Publish  *Percentiles           `json:"publish_latency,omitempty"`
	Latency  *Percentiles           `json:"delivery_latency,omitempty"`
	OverTime map[string][]Span      `json:"latency_over_time,omitempty"` // by what was measured
	Lists    map[string]Percentiles `json:"lists,omitempty"`             // latency by kind of list
	Figures  map[string]float64     `json:"figures,omitempty"`           // what else the scenario measures
	Bars     []Bar                  `json:"bars,omitempty"`
}

// all is the CPU of everything for 1,000 deliveries, in seconds.
func (r *Result) all() float64 { return r.CPU + r.DatabaseCPU + r.LoadCPU + r.ReceiverCPU }

// Cores is how many cores were in use, on average of the scenario's time.
func (r *Result) Cores() float64 { return r.all() * r.Rate / 1000 }

// CeilingCores is how many of them the raw ceiling had in use.
func (r *Result) CeilingCores() float64 { return r.CPURatio * r.all() * r.Ceiling / 1000 }

// WriterBusy is the part of the time that the embedded store's one writer had a
// transaction open; 0 for PostgreSQL, whose transactions overlap.
func (r *Result) WriterBusy() float64 {
	if r.Store != SQLite || r.Writes == nil {
		return 0
	}
	return r.Writes.CommitTime * r.Rate / 1000
}

// Bar is a figure with the least or the most that it is meant to be.
type Bar struct {
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least,omitempty"` // else at most
}

func atLeast(what string, value, limit float64) Bar { return Bar{what, value, limit, true} }
func atMost(what string, value, limit float64) Bar  { return Bar{what, value, limit, false} }

// Met tells whether the figure is within its limit.
func (b Bar) Met() bool {
	if b.AtLeast {
		return b.Value >= b.Limit
	}
	return b.Value <= b.Limit
}

// Aim is what the figure is meant to be, such as "ratio ≥ 0.40".
func (b Bar) Aim() string {
	sign := "≤"
	if b.AtLeast {
		sign = "≥"
	}
	return fmt.Sprintf("%s %s %s", b.What, sign, short(b.Limit))
}

// String shows the figure with what it is meant to be.
func (b Bar) String() string {
	met := "met"
	if !b.Met() {
		met = "missed"
	}
	return fmt.Sprintf("%s: %s, %s", b.Aim(), short(b.Value), met)
}

// short shows a figure with three digits that matter.
func short(v float64) string {
	digits := 3
	for _, from := range []float64{1, 10, 100} {
		if v >= from {
			digits--
		}
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// writes is what one delivery costs the store, its event and its part of what
// is done in groups included.
type writes struct {
	Commits float64 `json:"commits"`
	// CommitTime is how long transactions took, from their begin to being
	// durable, in seconds for 1,000 deliveries. Those of PostgreSQL overlap.
	CommitTime float64 `json:"commit_seconds_per_1000"`
	// Sync is how long the disk was waited for, in seconds for 1,000 deliveries:
	// as PostgreSQL measures it, or commits × what one fsync takes.
	Sync   float64 `json:"fsync_seconds_per_1000"`
	WAL    float64 `json:"wal_bytes,omitempty"`     // of PostgreSQL
	Disk   float64 `json:"written_bytes,omitempty"` // by all processes, log and what was written back of tables so far
	Growth float64 `json:"growth_bytes"`            // of the store
}
