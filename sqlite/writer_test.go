package sqlite

import (
	"runtime"
	"slices"
	"sync"
	"testing"
)

// TestPlaces queues writes while the writer is busy: those that nobody waits for go
// one by one, after all that somebody waits for and was queued by then.
func TestPlaces(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	queued := func(n int) {
		for len(l.s.ops) < n {
			runtime.Gosched()
		}
	}
	var order []string
	transactions := make(map[*tx]bool)
	var all sync.WaitGroup
	queue := func(name string, where place, then func()) {
		n := len(l.s.ops)
		all.Go(func() {
			err := l.s.writeAt(t.Context(), where, 1, 0, func(tx *tx) error {
				order = append(order, name)
				transactions[tx] = true
				then()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		queued(n + 1)
	}
	nothing := func() {}

	busy, hold := make(chan struct{}), make(chan struct{})
	all.Go(func() {
		err := l.s.outside(t.Context(), func(*conn) error {
			close(busy)
			<-hold
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-busy
	queue("retries", behind, func() { queue("late publish", ahead, nothing) })
	queue("publish", ahead, nothing)
	queue("sweep", behind, func() {
		queue("adoption", behind, nothing)
		queue("outcomes", along, nothing)
	})
	queue("another publish", ahead, nothing)
	close(hold)
	all.Wait()

	want := []string{"publish", "another publish", "retries", "late publish", "sweep", "outcomes", "adoption"}
	if !slices.Equal(order, want) {
		t.Errorf("the order is %q, want %q", order, want)
	}
	if len(transactions) != 5 {
		t.Errorf("%d transactions, want 5: both publishes share one, and what nobody waits for the last", len(transactions))
	}
}
