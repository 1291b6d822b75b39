package sqlite

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// TestGroupOfOutcomesIsOpen: outcomes alone take others in for a moment, and somebody who
// waits ends it at once.
func TestGroupOfOutcomesIsOpen(t *testing.T) {
	t.Parallel()
	type step struct {
		after time.Duration // of the beginning
		where place
		done  time.Duration
		group int
	}
	const ms = time.Millisecond
	for name, steps := range map[string][]step{
		"publish alone":              {{0, ahead, 0, 1}},
		"outcomes alone":             {{0, along, groupOpen, 1}},
		"outcomes together":          {{0, along, groupOpen, 1}, {ms, along, groupOpen, 1}, {groupOpen + ms, along, 2*groupOpen + ms, 2}},
		"publish ends it":            {{0, along, ms, 1}, {ms, ahead, ms, 1}, {groupOpen, ahead, groupOpen, 2}},
		"what lies apart goes along": {{0, along, groupOpen, 1}, {ms, behind, groupOpen, 1}},
		"what lies apart alone":      {{0, behind, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(t, Config{})
				synctest.Wait()
				began := time.Now()
				var mu sync.Mutex
				groups := map[*tx]int{}
				var all sync.WaitGroup
				for i, st := range steps {
					all.Go(func() {
						time.Sleep(st.after)
						group := 0
						err := l.s.writeAt(t.Context(), st.where, 1, 0, func(t *tx) error {
							mu.Lock()
							defer mu.Unlock()
							if groups[t] == 0 {
								groups[t] = len(groups) + 1
							}
							group = groups[t]
							return nil
						})
						if took := time.Since(began); err != nil || took != st.done || group != st.group {
							t.Errorf("operation %d was done after %v in group %d, %v; want %v in group %d", i, took, group, err, st.done, st.group)
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// TestGroupIsBounded: a group that is full is not open for more.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(t, Config{BatchRows: 100})
		began := time.Now()
		for _, rows := range []int{100, 101} {
			if err := l.s.writeAt(t.Context(), along, rows, 0, func(*tx) error { return nil }); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("full groups took %v", took)
		}
	})
}
