package scaling

import (
	"math"
	"time"
)

// This file is the arithmetic: what one works out on paper. Nothing here draws
// or simulates, and nothing of the simulation calls it.

// Usable is what is planned to run on a cell: its rate less the headroom.
func Usable(m Measured, p Plan) float64 { return m.Rate * (1 - p.Headroom) }

// CellsFor is how many cells take a rate when traffic lies on them evenly but
// for a busiest cell with imbalance times the mean.
func CellsFor(rate, usable, imbalance float64) int {
	return int(math.Ceil(rate * imbalance / usable))
}

// Imbalance is the busiest of n cells beside the mean when a hash places agents
// with these rates: each cell's load is a sum of many small parts, so it lies
// about normally around the mean, and the largest of n such values √(2·ln n)
// deviations above it. A cell with the largest agent carries the mean of the
// others besides. It describes agents of which none fills a good part of a cell.
func Imbalance(rates []float64, n int) float64 {
	var sum, squares, largest float64
	for _, r := range rates {
		sum += r
		squares += r * r
		largest = max(largest, r)
	}
	mean := sum / float64(n)
	deviation := math.Sqrt(squares / float64(n) * (1 - 1/float64(n)))
	spread := 1 + math.Sqrt(2*math.Log(float64(n)))*deviation/mean
	return max(spread, 1+(largest-largest/float64(n))/mean)
}

// InFlight is how many attempts are under way on average: Little's law, rate
// times the time that an attempt takes.
func InFlight(rate float64, mean time.Duration) float64 { return rate * mean.Seconds() }

// MeanAttempt is the time of an attempt when a share of them hangs until the
// timeout.
func MeanAttempt(latency, timeout time.Duration, hanging float64) time.Duration {
	return time.Duration((1-hanging)*float64(latency) + hanging*float64(timeout))
}

// Nodes is how many nodes a cell needs at a rate: enough slots for what is in
// flight, or enough cores, whichever is more, and one that may be missing.
func Nodes(m Measured, p Plan, rate float64, mean time.Duration) int {
	slots := math.Ceil(InFlight(rate, mean) / float64(p.Slots))
	cores := math.Ceil(rate / 1000 * m.NodeCPU / float64(p.Cores))
	return int(max(slots, cores)) + 1
}

// Capacity is the rate of n nodes on one database: their slots or the database.
func Capacity(m Measured, p Plan, nodes int) float64 {
	return min(float64(nodes*p.Slots)/p.Latency.Seconds(), m.Rate)
}

// Attempts is how many attempts a delivery takes when each fails with the same
// probability and is made again until it succeeds.
func Attempts(failing float64) float64 { return 1 / (1 - failing) }

// WithRetries is a cell's rate when attempts fail. Publishing and the outcome
// are half of a delivery's cost each; an attempt more is another claim and
// another outcome, as much as a delivery.
func WithRetries(rate, failing float64) float64 { return rate / Attempts(failing) }

// PutAside is a cell's rate when every delivery is put aside and claimed, as
// events are that a node of role api takes: half a delivery more.
func PutAside(rate float64) float64 { return rate / 1.5 }

// CatchUp is how long a cell needs after an outage until nothing of it waits:
// what came meanwhile, taken by what the load leaves free.
func CatchUp(outage time.Duration, load float64) time.Duration {
	return time.Duration(float64(outage) * load / (1 - load))
}

// Moved is the share of agents that another hash cell takes over, with n before.
func Moved(n int) float64 { return 1 / float64(n+1) }

// Cost is what a million deliveries take.
type Cost struct {
	DatabaseCPU, NodeCPU float64 // seconds
	Commits              float64
	WAL, Table           float64 // bytes
	// CPUPrice is of the CPU, with the headroom that is paid for and not used;
	// DiskPrice of keeping the rows for the retention.
	CPUPrice, DiskPrice float64
}

// CostPerMillion is the cost of a million deliveries.
func CostPerMillion(m Measured, p Plan) Cost {
	const million, thousands = 1e6, 1e3
	c := Cost{
		DatabaseCPU: thousands * m.DatabaseCPU, NodeCPU: thousands * m.NodeCPU,
		Commits: million * m.Commits, WAL: million * m.WALBytes, Table: million * m.TableBytes,
	}
	c.CPUPrice = (c.DatabaseCPU + c.NodeCPU) / 3600 / (1 - p.Headroom) * p.PriceCore
	c.DiskPrice = c.Table / 1e9 * float64(p.Retention) / 30 * p.PriceGigabyte
	return c
}
