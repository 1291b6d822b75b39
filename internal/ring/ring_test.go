package ring

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A ring is a slice that grows at its end and shrinks at its beginning.
func TestRing(t *testing.T) {
	t.Parallel()
	var r Ring[int]
	var want []int
	for n := range 20_000 {
		// Waves, so that it grows, runs empty and goes around.
		if len(want) > 0 && rand.IntN(200) < 60+n/100%100 {
			if got := r.Pop(); got != want[0] {
				t.Fatalf("popped %d, want %d", got, want[0])
			}
			want = want[1:]
		} else {
			r.Push(n)
			want = append(want, n)
		}
		first, ok := r.First()
		if r.Len() != len(want) || ok != (len(want) > 0) || ok && first != want[0] {
			t.Fatalf("%d items, the first %d (%v); want %d", r.Len(), first, ok, len(want))
		}
		if n%100 == 0 && !slices.Equal(slices.Collect(r.All), want) {
			t.Fatalf("%v, want %v", slices.Collect(r.All), want)
		}
	}
}

// What was taken out is not held on to, and a large ring that ran empty gives
// its space back.
func TestSpace(t *testing.T) {
	t.Parallel()
	var r Ring[*int]
	for range 100 {
		r.Push(new(int))
	}
	for range 99 {
		r.Pop()
	}
	for i, p := range r.items {
		if p != nil && i != r.head {
			t.Fatalf("place %d still holds something", i)
		}
	}
	r.Pop()
	if r.items != nil {
		t.Errorf("%d places are kept", len(r.items))
	}
}
