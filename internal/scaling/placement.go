package scaling

import (
	"cmp"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
)

// Cell is the cell of an agent by rendezvous hashing: the name with the highest
// score together with the agent's id. Whoever routes needs the names and nothing
// else. It returns "" without names.
func Cell(agent string, names []string) string {
	var best string
	var top uint64
	a := hash(agent)
	for _, name := range names {
		if s := score(a, hash(name)); best == "" || s > top || s == top && name < best {
			best, top = name, s
		}
	}
	return best
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// score mixes the hashes of an agent and a cell: the finalizer of SplitMix64,
// without which ids that differ in their last letters would score alike.
func score(agent, cell uint64) uint64 {
	x := agent ^ cell
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Zipf is the traffic of n agents, the busiest first, total together: the k-th
// has a part in proportion to k^-exponent. Exponent 0 makes all alike.
func Zipf(n int, exponent, total float64) []float64 {
	rates := make([]float64, n)
	var sum float64
	for i := range rates {
		rates[i] = math.Pow(float64(i+1), -exponent)
		sum += rates[i]
	}
	for i := range rates {
		rates[i] *= total / sum
	}
	return rates
}

// Split divides each agent above most into equal parts that are not: the
// platform gives such a customer several agents, since one agent lives in one
// cell. It tells how many were divided. The result is ordered as rates are, the
// largest first.
func Split(rates []float64, most float64) (parts []float64, divided int) {
	for _, r := range rates {
		n := math.Ceil(r / most)
		if n > 1 {
			divided++
		}
		for range int(n) {
			parts = append(parts, r/n)
		}
	}
	slices.SortFunc(parts, func(a, b float64) int { return cmp.Compare(b, a) })
	return parts, divided
}

// poisson draws a number of events of which mean are expected.
func poisson(rng *rand.Rand, mean float64) float64 {
	if mean > 50 { // near enough to normal
		return max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))
	}
	n, p, limit := 0.0, rng.Float64(), math.Exp(-mean)
	for p > limit {
		n, p = n+1, p*rng.Float64()
	}
	return n
}

// Growth is a platform that gets cell after cell. Agents with ids that follow
// from the seed have one second of traffic, drawn from their rates; those above
// a bound stand on a list, with the least loaded cell, the others go by hash.
type Growth struct {
	agents []uint64 // hashes of ids
	drawn  []float64
	listed []float64
	best   []uint64 // score of the cell that has the agent
	home   []int
	loads  []float64 // of the cells, by hash alone
	cells  *rand.Rand
}

// NewGrowth draws the traffic; rates are ordered, the largest first. An agent
// whose expected rate is above list is placed by list.
func NewGrowth(rates []float64, list float64, seed uint64) *Growth {
	rng := rand.New(rand.NewPCG(seed, 1))
	g := &Growth{cells: rand.New(rand.NewPCG(seed, 2))}
	for _, r := range rates {
		if n := poisson(rng, r); r > list {
			g.listed = append(g.listed, n)
		} else {
			g.agents = append(g.agents, rng.Uint64())
			g.drawn = append(g.drawn, n)
		}
	}
	g.best = make([]uint64, len(g.agents))
	g.home = make([]int, len(g.agents))
	return g
}

// Add adds a cell and tells which share of the hashed agents moved to it.
func (g *Growth) Add() float64 {
	name, moved, cell := g.cells.Uint64(), 0, len(g.loads)
	g.loads = append(g.loads, 0)
	for i, agent := range g.agents {
		s := score(agent, name)
		if cell > 0 && s <= g.best[i] {
			continue
		}
		if cell > 0 {
			g.loads[g.home[i]] -= g.drawn[i]
		}
		g.loads[cell] += g.drawn[i]
		g.best[i], g.home[i] = s, cell
		moved++
	}
	return float64(moved) / float64(len(g.agents))
}

// Loads are the deliveries per second of each cell, list included, and how many
// agents the list has.
func (g *Growth) Loads() (loads []float64, listed int) {
	loads = slices.Clone(g.loads)
	for _, n := range g.listed {
		least := 0
		for i, l := range loads {
			if l < loads[least] {
				least = i
			}
		}
		loads[least] += n
	}
	return loads, len(g.listed)
}

// Spread is the busiest and the idlest of loads beside their mean.
func Spread(loads []float64) (busiest, idlest float64) {
	var sum float64
	for _, l := range loads {
		sum += l
	}
	mean := sum / float64(len(loads))
	return slices.Max(loads) / mean, slices.Min(loads) / mean
}

// Grow adds cells until the busiest one has at most usable in every platform,
// and tells how many that takes; 0 when most cells are not enough.
func Grow(platforms []*Growth, usable float64, most int) int {
	for n := 1; n <= most; n++ {
		fits := true
		for _, g := range platforms {
			g.Add()
			loads, _ := g.Loads()
			fits = fits && slices.Max(loads) <= usable
		}
		if fits {
			return n
		}
	}
	return 0
}
