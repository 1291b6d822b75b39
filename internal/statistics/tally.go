package statistics

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxCauses is how many different causes a tally keeps. A receiver can answer
// with hundreds of different statuses; the failures of further ones count under
// the cause without a status.
const MaxCauses = 32

// Cause is why an attempt failed. Status is that of the answer, 0 without one.
// The numbers of reasons are the caller's.
type Cause struct {
	Reason uint8
	Status uint16
}

// CauseCount is how often a cause occurred.
type CauseCount struct {
	Cause
	Count uint64
}

// Tally is what became of some attempts. The zero value counts none. Adding is
// commutative and associative in everything but which causes are kept apart
// beyond [MaxCauses]; Failed is always the sum of the causes.
type Tally struct {
	Delivered, Failed uint64
	Latency           Histogram
	Causes            []CauseCount // by rising cause, each once
}

// Deliver counts a successful attempt.
func (t *Tally) Deliver(took time.Duration) {
	t.Delivered++
	t.Latency.Observe(took)
}

// Fail counts a failed attempt.
func (t *Tally) Fail(c Cause, took time.Duration) {
	t.Failed++
	t.Latency.Observe(took)
	t.cause(c, 1)
}

// Add counts all that o counted; o stays as it is.
func (t *Tally) Add(o *Tally) {
	t.Delivered += o.Delivered
	t.Failed += o.Failed
	t.Latency.Add(&o.Latency)
	for _, c := range o.Causes {
		t.cause(c.Cause, c.Count)
	}
}

func compareCauses(a, b Cause) int {
	return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Status, b.Status))
}

// cause counts n failures. There is one place more for each reason than
// MaxCauses: those without a status always have one.
func (t *Tally) cause(c Cause, n uint64) {
	i, found := t.find(c)
	if !found && c.Status != 0 && len(t.Causes) >= MaxCauses {
		c.Status = 0
		i, found = t.find(c)
	}
	if found {
		t.Causes[i].Count += n
		return
	}
	t.Causes = slices.Insert(t.Causes, i, CauseCount{c, n})
}

func (t *Tally) find(c Cause) (int, bool) {
	return slices.BinarySearchFunc(t.Causes, c, func(have CauseCount, c Cause) int { return compareCauses(have.Cause, c) })
}

// Attempts is how many attempts were counted.
func (t *Tally) Attempts() uint64 { return t.Delivered + t.Failed }

// Top returns the n most frequent causes, the most frequent first.
func (t *Tally) Top(n int) []CauseCount {
	top := slices.Clone(t.Causes)
	slices.SortStableFunc(top, func(a, b CauseCount) int { return cmp.Compare(b.Count, a.Count) })
	return top[:min(n, len(top))]
}

// tallyVersion is the first byte of an encoded tally.
const tallyVersion = 1

var errTally = errors.New("statistics: a tally is damaged")

// Append appends the tally as bytes: a version, the two counts, the buckets that
// are not empty (distance and count), 0, and the causes, all as varints. A usual
// minute takes some 20 bytes.
func (t *Tally) Append(b []byte) []byte {
	b = append(b, tallyVersion)
	b = binary.AppendUvarint(b, t.Delivered)
	b = binary.AppendUvarint(b, t.Failed)
	last := -1
	for i, n := range t.Latency {
		if n > 0 {
			b = binary.AppendUvarint(b, uint64(i-last))
			b = binary.AppendUvarint(b, n)
			last = i
		}
	}
	b = append(b, 0)
	for _, c := range t.Causes {
		b = append(b, c.Reason)
		b = binary.AppendUvarint(b, uint64(c.Status))
		b = binary.AppendUvarint(b, c.Count)
	}
	return b
}

// Parse is the inverse of Append; it fails for bytes that no Append made.
func Parse(b []byte) (Tally, error) {
	var t Tally
	if len(b) == 0 || b[0] != tallyVersion {
		return t, fmt.Errorf("%w: its version is unknown", errTally)
	}
	p := parser{rest: b[1:]}
	t.Delivered, t.Failed = p.number(), p.number()
	for i := -1; ; {
		gap := p.number()
		if gap == 0 {
			break
		}
		if gap > buckets || i+int(gap) >= buckets {
			return Tally{}, errTally
		}
		i += int(gap)
		t.Latency[i] = p.number()
		p.bad = p.bad || t.Latency[i] == 0
	}
	var failed uint64
	for len(p.rest) > 0 && !p.bad {
		c := CauseCount{Cause: Cause{Reason: p.rest[0]}}
		p.rest = p.rest[1:]
		status := p.number()
		c.Status, c.Count = uint16(status), p.number()
		if n := len(t.Causes); status > 1<<16-1 || c.Count == 0 || n > 0 && compareCauses(t.Causes[n-1].Cause, c.Cause) >= 0 {
			return Tally{}, errTally
		}
		failed += c.Count
		t.Causes = append(t.Causes, c)
	}
	if p.bad || failed != t.Failed || t.Latency.Count() != t.Attempts() {
		return Tally{}, errTally
	}
	return t, nil
}

// parser reads varints; after a damaged one all are 0.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) number() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 || p.bad || size > 1 && p.rest[size-1] == 0 { // not the shortest form
		p.bad, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[size:]
	return n
}
