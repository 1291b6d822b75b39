package sqlite

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRestBetween rests as long as each piece took, up to the bound in all, and no
// longer once the store closes.
func TestRestBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Store{ctx: t.Context(), closing: make(chan struct{})}
		took := func(f func()) time.Duration {
			began := time.Now()
			f()
			return time.Since(began)
		}
		rest := s.restBetween()
		for i, c := range []struct{ piece, want time.Duration }{
			{300 * time.Millisecond, 300 * time.Millisecond},
			{600 * time.Millisecond, 600 * time.Millisecond},
			{500 * time.Millisecond, writeOutRest - 900*time.Millisecond},
			{time.Minute, 0},
		} {
			if got := took(func() { rest(c.piece) }); got != c.want {
				t.Errorf("rest %d after a piece of %v took %v, want %v", i, c.piece, got, c.want)
			}
		}
		close(s.closing)
		if got := took(func() { s.restBetween()(time.Second) }); got != 0 {
			t.Errorf("a store that closes rested %v", got)
		}
	})
}
