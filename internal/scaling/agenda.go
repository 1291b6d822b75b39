package scaling

// The kinds of what happens in a cell.
const (
	arrival = iota // one is published, and the next one planned
	committed
	sent
	due // a retry
	troubleBegins
	adoption
	troubleEnds
)

// happening is something that a simulation has planned. Which of the fields
// count depends on the kind.
type happening struct {
	at       int64 // nanoseconds since the start
	order    int64 // of those at the same time
	kind     uint8
	work     uint8 // of a commit
	node     int32
	delivery int32
	batch    []int32
}

func (h *happening) before(o *happening) bool {
	return h.at < o.at || h.at == o.at && h.order < o.order
}

// agenda is a heap of what is planned, the earliest first. A simulation lives in
// it: package container/heap would allocate for each of millions.
type agenda struct {
	heap  []happening
	order int64
}

func (a *agenda) plan(h happening) {
	a.order++
	h.order = a.order
	a.heap = append(a.heap, h)
	for i := len(a.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(&a.heap[parent]) {
			break
		}
		a.heap[i], a.heap[parent] = a.heap[parent], h
		i = parent
	}
}

// next takes the earliest one out; false when none is planned until the end.
func (a *agenda) next(end int64) (first happening, ok bool) {
	if len(a.heap) == 0 || a.heap[0].at > end {
		return first, false
	}
	first = a.heap[0]
	n := len(a.heap) - 1
	last := a.heap[n]
	a.heap[n] = happening{}
	a.heap = a.heap[:n]
	for i := 0; n > 0; {
		child := 2*i + 1
		if child+1 < n && a.heap[child+1].before(&a.heap[child]) {
			child++
		}
		if child >= n || !a.heap[child].before(&last) {
			a.heap[i] = last
			break
		}
		a.heap[i] = a.heap[child]
		i = child
	}
	return first, true
}
