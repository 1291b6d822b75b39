package share

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The parts of all nodes add up to the limit, differ by one at most, and go
// round by the key.
func TestParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 64).Draw(t, "nodes")
		limit := rapid.IntRange(0, 10_000).Draw(t, "limit")
		key := rapid.Uint64().Draw(t, "key")
		sum, least, most, rate := 0, math.MaxInt, 0, 0.0
		for rank := range nodes {
			s := Share{Rank: rank, Nodes: nodes}
			part := s.Of(limit, key)
			sum, least, most, rate = sum+part, min(least, part), max(most, part), rate+s.Rate(float64(limit))
		}
		if sum != limit || most-least > 1 {
			t.Fatalf("%d nodes have %d of %d, from %d to %d", nodes, sum, limit, least, most)
		}
		if math.Abs(rate-float64(limit)) > 1e-6*float64(limit) {
			t.Fatalf("rates add up to %v of %d", rate, limit)
		}
		// One node's parts over as many keys as there are nodes are its fair share.
		s, all := Share{Rank: nodes - 1, Nodes: nodes}, 0
		for k := range uint64(nodes) {
			all += s.Of(limit, key>>1+k)
		}
		if all != limit {
			t.Fatalf("over %d keys a node has %d, want %d", nodes, all, limit)
		}
	})
}

func TestAlone(t *testing.T) {
	t.Parallel()
	for _, s := range []Share{{}, {Nodes: 1}} {
		if s.Of(7, 3) != 7 || s.Rate(2.5) != 2.5 {
			t.Errorf("%+v has %d of 7 and %v of 2.5", s, s.Of(7, 3), s.Rate(2.5))
		}
	}
}
