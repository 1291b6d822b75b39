// Package scaling holds the arithmetic of docs/scaling.md and a simulation that
// does not know it: traffic is drawn, agents are placed, cells fill their slots
// and queue for their database. The tests hold the two against each other and
// make the tables of the document from both.
//
// It is not part of the server. Everything is deterministic: what is drawn
// follows from a seed, and time is a number that the simulation moves.
package scaling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Measured is what was measured of one cell: one PostgreSQL and its nodes. It is
// read from testdata/measured.json and nothing else, so that a new measurement
// changes one file. A delivery is one event to one endpoint, published alone
// and delivered at the first attempt: the dearest mix, since events with several
// deliveries share the event's row.
type Measured struct {
	// Source says where the figures come from; the document repeats it.
	Source string `json:"source"`
	// Rate is how many deliveries a cell takes per second for as long as one
	// likes, with the database as the bottleneck.
	Rate float64 `json:"cell_deliveries_per_second"`
	// Saturates is what is used up at that rate, in words.
	Saturates string `json:"saturates"`
	// CommitMilliseconds is a commit of one row, fsync included.
	CommitMilliseconds float64 `json:"commit_milliseconds"`
	// TransactionMilliseconds is the part of it that keeps the database from
	// other work.
	TransactionMilliseconds float64 `json:"transaction_milliseconds"`
	// Batch is the most rows that a node combines into one transaction.
	Batch int `json:"batch_rows"`
	// DatabaseCPU and NodeCPU are seconds of CPU for 1,000 deliveries, of all
	// processes of PostgreSQL and of all nodes.
	DatabaseCPU float64 `json:"database_cpu_seconds_per_thousand"`
	NodeCPU     float64 `json:"node_cpu_seconds_per_thousand"`
	// Commits is transactions for a delivery, publishing and outcome together.
	Commits float64 `json:"commits_per_delivery"`
	// WALBytes and TableBytes are bytes for a delivery with a payload of 1 KB:
	// of write-ahead log, and of tables with their indexes as they are kept.
	WALBytes   float64 `json:"wal_bytes_per_delivery"`
	TableBytes float64 `json:"table_bytes_per_delivery"`
	// Connections is how many a node holds at most.
	Connections int `json:"connections_per_node"`
}

// ParseMeasured reads testdata/measured.json. Unknown keys, a missing source
// and figures that are not positive are errors: a misspelled key must not leave
// a table with zeros.
func ParseMeasured(data []byte) (Measured, error) {
	var m Measured
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, fmt.Errorf("measured figures: %w", err)
	}
	if m.Source == "" || m.Saturates == "" {
		return m, fmt.Errorf("measured figures: no source, or nothing that saturates")
	}
	for name, v := range map[string]float64{
		"cell_deliveries_per_second": m.Rate, "commit_milliseconds": m.CommitMilliseconds,
		"transaction_milliseconds": m.TransactionMilliseconds, "batch_rows": float64(m.Batch), "database_cpu_seconds_per_thousand": m.DatabaseCPU,
		"node_cpu_seconds_per_thousand": m.NodeCPU, "commits_per_delivery": m.Commits,
		"wal_bytes_per_delivery": m.WALBytes, "table_bytes_per_delivery": m.TableBytes,
		"connections_per_node": float64(m.Connections),
	} {
		if !(v > 0) {
			return m, fmt.Errorf("measured figures: %s is %v, not above 0", name, v)
		}
	}
	return m, nil
}

// Transaction and Commit are the part of a commit's time that keeps the
// database from other work, and the rest, which is waiting for the disk.
func (m Measured) Transaction() time.Duration {
	return time.Duration(m.TransactionMilliseconds * float64(time.Millisecond))
}

// Commit is said at Transaction.
func (m Measured) Commit() time.Duration {
	return time.Duration(m.CommitMilliseconds*float64(time.Millisecond)) - m.Transaction()
}

// Plan is what the document assumes besides: the goal and the habits of its
// imagined users. None of it is measured; whoever plans puts in their own.
type Plan struct {
	Target   float64 // deliveries per second over all cells
	Headroom float64 // share of a cell's rate that is kept free for bursts and for catching up
	Agents   int     // that share the traffic

	Latency  time.Duration // of a receiver, on average
	Slots    int           // attempts that a node makes at once: the default of max-in-flight
	Cores    int           // of a node
	Timeout  time.Duration // after which a receiver that hangs is given up: the default of an endpoint
	Adoption time.Duration // from a node's death until others have its deliveries, at most

	Retention     int     // days that the log is kept: the default
	DiskPerSecond float64 // bytes that a database's disk writes per second, one after the other
	PriceCore     float64 // of a core for an hour
	PriceGigabyte float64 // of a GB of disk for 30 days
}

// DefaultPlan is the plan that docs/scaling.md goes through.
func DefaultPlan() Plan {
	return Plan{
		Target:        1_000_000,
		Headroom:      0.3,
		Agents:        50_000,
		Latency:       100 * time.Millisecond,
		Slots:         512,
		Cores:         4,
		Timeout:       30 * time.Second,
		Adoption:      15 * time.Second,
		Retention:     30,
		DiskPerSecond: 500e6,
		PriceCore:     0.04,
		PriceGigabyte: 0.10,
	}
}
