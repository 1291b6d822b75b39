package stream

// queue keeps the newest values, at most limit of them. It takes memory as it
// fills.
type queue[T any] struct {
	items   []T
	head, n int
	limit   int
}

// push appends v, and tells whether the oldest value had to go for it.
func (q *queue[T]) push(v T) (dropped bool) {
	if q.n == len(q.items) && q.n < q.limit {
		items := make([]T, min(q.limit, max(16, 2*q.n)))
		i := 0
		for v := range q.all {
			items[i] = v
			i++
		}
		q.items, q.head = items, 0
	}
	q.items[(q.head+q.n)%len(q.items)] = v
	if q.n < len(q.items) {
		q.n++
		return false
	}
	q.head = (q.head + 1) % len(q.items)
	return true
}

// first is the oldest value.
func (q *queue[T]) first() (v T, ok bool) {
	if q.n > 0 {
		return q.items[q.head], true
	}
	return v, false
}

// all yields the values, oldest first.
func (q *queue[T]) all(yield func(T) bool) {
	for i := range q.n {
		if !yield(q.items[(q.head+i)%len(q.items)]) {
			return
		}
	}
}

// clear forgets all values, and the memory they took.
func (q *queue[T]) clear() { *q = queue[T]{limit: q.limit} }
