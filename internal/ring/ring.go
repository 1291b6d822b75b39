// Package ring is a first-in-first-out queue that re-uses its space.
package ring

// Ring is a queue. The zero value is empty.
type Ring[T any] struct {
	items []T
	head  int
	n     int
}

// Len is how many items there are.
func (r *Ring[T]) Len() int { return r.n }

// Push appends an item.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.items) {
		bigger := make([]T, max(8, 2*r.n))
		for i := range r.n {
			bigger[i] = r.items[(r.head+i)%len(r.items)]
		}
		r.items, r.head = bigger, 0
	}
	r.items[(r.head+r.n)%len(r.items)] = v
	r.n++
}

// Pop takes the oldest item; the ring must not be empty. An emptied ring that
// had grown large gives its space back.
func (r *Ring[T]) Pop() T {
	var zero T
	v := r.items[r.head]
	r.items[r.head] = zero
	r.head = (r.head + 1) % len(r.items)
	r.n--
	if r.n == 0 && len(r.items) > 64 {
		r.items, r.head = nil, 0
	}
	return v
}

// First is the oldest item.
func (r *Ring[T]) First() (v T, ok bool) {
	if r.n > 0 {
		return r.items[r.head], true
	}
	return v, false
}

// At is the item that comes i-th, from 0; it must be there.
func (r *Ring[T]) At(i int) T { return r.items[(r.head+i)%len(r.items)] }

// All yields the items, oldest first.
func (r *Ring[T]) All(yield func(T) bool) {
	for i := range r.n {
		if !yield(r.items[(r.head+i)%len(r.items)]) {
			return
		}
	}
}
