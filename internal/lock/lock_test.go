package lock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Readers share it, a writer has it alone, and it counts what they did.
func TestExclusion(t *testing.T) {
	t.Parallel()
	var l RW
	var wg sync.WaitGroup
	a, b := 0, 0
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if err := l.Lock(t.Context()); err != nil {
					t.Error(err)
					return
				}
				a++
				b++
				l.Unlock()
			}
		})
		wg.Go(func() {
			for range 500 {
				if !l.TryRLock() {
					if err := l.RLock(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
				if a != b {
					t.Errorf("a reader saw %d and %d", a, b)
				}
				l.RUnlock()
			}
		})
	}
	wg.Wait()
	if a != 2000 || b != 2000 {
		t.Errorf("%d and %d writes, want 2,000", a, b)
	}
}

// Nobody waits longer than its context; a writer that gives up holds no reader
// up.
func TestContextEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l RW
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.RLock(ctx); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		late := make(chan time.Duration, 1)
		go func() {
			time.Sleep(500 * time.Millisecond)
			if l.TryRLock() {
				t.Error("a reader passed a writer that waits")
			}
			if err := l.RLock(t.Context()); err != nil {
				t.Error(err)
			}
			late <- time.Since(began)
			l.RUnlock()
		}()
		if err := l.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v, want the deadline after 1s", err, time.Since(began))
		}
		if d := <-late; d != time.Second {
			t.Errorf("the reader behind the writer came in after %v, want 1s", d)
		}
		l.RUnlock()
		if err := l.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.RLock(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline", err)
		}
		l.Unlock()
		if !l.TryRLock() {
			t.Error("it is not free after all")
		}
	})
}
