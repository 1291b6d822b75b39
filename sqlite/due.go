package sqlite

import (
	"container/heap"

	"github.com/waybell/waybell"
)

// dueSet knows, for each endpoint with unowned rows that are no suspects, when
// the earliest of them is due. It mirrors the index waiting_due: a transaction
// that may have changed an endpoint's earliest row looks it up there before it
// commits, and the set takes the value over afterwards.
type dueSet struct {
	order dueHeap
	place map[waybell.EndpointNumber]int
}

type dueEntry struct {
	endpoint waybell.EndpointNumber
	nextAt   int64
}

// set replaces the endpoint's earliest due time; with any false it has none.
func (d *dueSet) set(e waybell.EndpointNumber, nextAt int64, anyRow bool) {
	h := dueOrder{d}
	i, known := d.place[e]
	switch {
	case known && anyRow:
		d.order[i].nextAt = nextAt
		heap.Fix(h, i)
	case known:
		heap.Remove(h, i)
	case anyRow:
		heap.Push(h, dueEntry{e, nextAt})
	}
}

// until appends the endpoints due at or before t. It looks at no others but
// their direct successors in the heap.
func (d *dueSet) until(t int64, to []dueEntry) []dueEntry {
	if len(d.order) == 0 {
		return to
	}
	walk := []int{0}
	for len(walk) > 0 {
		i := walk[len(walk)-1]
		walk = walk[:len(walk)-1]
		if i >= len(d.order) || d.order[i].nextAt > t {
			continue
		}
		to = append(to, d.order[i])
		walk = append(walk, 2*i+1, 2*i+2)
	}
	return to
}

func (d *dueSet) reset() {
	d.order = nil
	d.place = make(map[waybell.EndpointNumber]int)
}

type dueHeap []dueEntry

// dueOrder is the container/heap view of a dueSet.
type dueOrder struct{ *dueSet }

func (d dueOrder) Len() int           { return len(d.order) }
func (d dueOrder) Less(i, j int) bool { return d.order[i].nextAt < d.order[j].nextAt }

func (d dueOrder) Swap(i, j int) {
	d.order[i], d.order[j] = d.order[j], d.order[i]
	d.place[d.order[i].endpoint] = i
	d.place[d.order[j].endpoint] = j
}

func (d dueOrder) Push(x any) {
	e := x.(dueEntry)
	d.place[e.endpoint] = len(d.order)
	d.order = append(d.order, e)
}

func (d dueOrder) Pop() any {
	e := d.order[len(d.order)-1]
	d.order = d.order[:len(d.order)-1]
	delete(d.place, e.endpoint)
	return e
}
