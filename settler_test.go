package waybell

import "testing"

// One call of the store has fewer outcomes where they are of retries; each is in
// one call, in the order in which they came.
func TestSettleBatch(t *testing.T) {
	t.Parallel()
	s := newSettler(nil)
	add := func(n, attempts int) {
		for range n {
			s.add(&work{Waiting: Waiting{Attempts: attempts}}, outcome{})
		}
	}
	add(settleBatch+10, 0)
	add(100, 3)
	for i, want := range []int{
		settleBatch,
		10 + (settleBatch-10+settleApart-1)/settleApart,
		100 - (settleBatch-10+settleApart-1)/settleApart,
		0,
	} {
		works, batch := s.take()
		if len(works) != want || len(batch) != want {
			t.Errorf("call %d: %d works, %d outcomes, want %d", i, len(works), len(batch), want)
		}
	}
}
