package stream

import "github.com/waybell/waybell/internal/ring"

// queue keeps the newest values, at most limit of them. It takes memory as it
// fills.
type queue[T any] struct {
	ring.Ring[T]
	limit int
}

// push appends v, and tells whether the oldest value had to go for it.
func (q *queue[T]) push(v T) (dropped bool) {
	if dropped = q.Len() == q.limit; dropped {
		q.Pop()
	}
	q.Push(v)
	return dropped
}

// clear forgets all values, and the memory they took.
func (q *queue[T]) clear() { *q = queue[T]{limit: q.limit} }
