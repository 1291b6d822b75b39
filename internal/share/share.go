// Package share divides a limit among nodes that know only how many they are and
// which of them they are: no node asks another.
package share

// Share is one node's place among those that divide something. The zero value is
// a node that is alone.
type Share struct {
	Rank  int // 0 to Nodes-1, each once
	Nodes int
}

// Of is this node's part of a whole number. The parts of all nodes add up to
// limit and differ by one at most; who gets one more goes round by key, so that
// small limits of many keys are spread evenly.
func (s Share) Of(limit int, key uint64) int {
	if s.Nodes <= 1 {
		return limit
	}
	n := uint64(s.Nodes)
	part := limit / s.Nodes
	if (key%n+uint64(s.Rank))%n < uint64(limit%s.Nodes) {
		part++
	}
	return part
}

// Rate is this node's part of a rate.
func (s Share) Rate(perSecond float64) float64 {
	if s.Nodes <= 1 {
		return perSecond
	}
	return perSecond / float64(s.Nodes)
}
