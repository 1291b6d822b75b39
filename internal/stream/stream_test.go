package stream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func testConfig() Config {
	return Config{Ring: 8, Buffer: 4, Keep: time.Minute, Max: 5, Share: 3}
}

func newTestHub() *Hub[string, int] { return NewHub[string, int](testConfig()) }

func listen(t *testing.T, h *Hub[string, int], o Options[string, int]) *Listener[string, int] {
	t.Helper()
	l, err := h.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// take checks what a listener has.
func take(t *testing.T, l *Listener[string, int], dropped int, want ...int) []Message[int] {
	t.Helper()
	messages, lost := l.Take(nil)
	var got []int
	for i, m := range messages {
		got = append(got, m.Value)
		if i > 0 && m.Seq <= messages[i-1].Seq {
			t.Errorf("the sequence does not rise: %v", messages)
		}
	}
	if lost != dropped || !slices.Equal(got, want) {
		t.Errorf("took %v, dropped %d; want %v, dropped %d", got, lost, want, dropped)
	}
	return messages
}

func TestListen(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	h.Publish("a", 1) // nobody listens
	a := listen(t, h, Options[string, int]{Key: "a"})
	all := listen(t, h, Options[string, int]{All: true})
	even := listen(t, h, Options[string, int]{Key: "a", Wants: func(n int) bool { return n%2 == 0 }})
	select {
	case <-a.Ready():
		t.Error("ready before anything came")
	default:
	}
	h.Publish("a", 2)
	h.Publish("b", 3)
	h.Publish("a", 5)
	<-a.Ready()
	take(t, a, 0, 2, 5)
	take(t, all, 0, 2, 3, 5)
	take(t, even, 0, 2)
	take(t, a, 0)
	a.Close()
	a.Close()
	h.Publish("a", 7)
	take(t, a, 0)
	take(t, all, 0, 7)
}

// A listener that does not take loses the oldest, and is told how many.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	slow, quick := listen(t, h, Options[string, int]{Key: "a"}), listen(t, h, Options[string, int]{Key: "a"})
	for n := range 10 {
		h.Publish("a", n)
		take(t, quick, 0, n)
	}
	take(t, slow, 6, 6, 7, 8, 9)
	h.Publish("a", 10)
	take(t, slow, 0, 10)
}

func TestResume(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	first := listen(t, h, Options[string, int]{Key: "a"})
	h.Publish("a", 1)
	h.Publish("b", 2)
	h.Publish("a", 3)
	messages := take(t, first, 0, 1, 3)
	after := first.Position(messages[0].Seq)
	first.Close()
	h.Publish("a", 4) // nobody listens, but somebody may come back

	back := listen(t, h, Options[string, int]{Key: "a", After: after})
	if !back.Resumed() || back.Start() != after {
		t.Errorf("resumed %v at %s, want %s", back.Resumed(), back.Start(), after)
	}
	<-back.Ready()
	h.Publish("a", 5)
	take(t, back, 0, 3, 4, 5)

	// What was dropped was dropped behind the replay.
	again := listen(t, h, Options[string, int]{All: true, After: after})
	for n := range 6 {
		h.Publish("c", 10+n)
	}
	take(t, again, 0, 2, 3, 4, 5)
	<-again.Ready()
	take(t, again, 2, 12, 13, 14, 15)
	back.Close()

	for name, position := range map[string]string{
		"none": "", "garbage": "x", "of another process": "000000000000.3", "no number": h.boot + ".", "negative": h.boot + ".-1",
		"ahead": first.Position(1 << 40), "fallen out of the ring": after, "before the beginning": first.Position(0),
	} {
		l := listen(t, h, Options[string, int]{Key: "a", After: position})
		if l.Resumed() || l.Start() != l.Position(h.seq) {
			t.Errorf("%s: resumed at %s", name, l.Start())
		}
		take(t, l, 0)
		l.Close()
	}
	newest := listen(t, h, Options[string, int]{Key: "a", After: again.Position(h.seq)})
	if !newest.Resumed() {
		t.Error("nothing was missed, and it is not resumed")
	}
}

// The oldest position that can be resumed is the one before the ring's first.
func TestResumeAtTheEdgeOfTheRing(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	l := listen(t, h, Options[string, int]{Key: "a"})
	start := h.seq
	for n := range 12 {
		h.Publish("a", n)
	}
	edge := start + 12 - 8
	for seq, want := range map[uint64]bool{edge - 1: false, edge: true, edge + 1: true} {
		o := listen(t, h, Options[string, int]{All: true, After: l.Position(seq)})
		if o.Resumed() != want {
			t.Errorf("%d: resumed %v", seq, o.Resumed())
		}
		o.Close()
	}
}

func TestRingIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newTestHub()
		l := listen(t, h, Options[string, int]{Key: "a"})
		after := l.Start()
		l.Close()
		time.Sleep(59 * time.Second)
		h.Publish("a", 1)
		if l = listen(t, h, Options[string, int]{Key: "a", After: after}); !l.Resumed() {
			t.Error("forgotten before its time")
		}
		time.Sleep(time.Hour) // the timer of the first pause does not forget under a listener
		h.Publish("a", 2)
		take(t, l, 0, 1, 2)
		after = l.Position(h.seq)
		l.Close()
		time.Sleep(61 * time.Second)
		h.mu.Lock()
		kept := h.ring.Len()
		h.mu.Unlock()
		if h.Active() || kept != 0 {
			t.Error("the ring is kept for nobody")
		}
		h.Publish("a", 3)
		if l = listen(t, h, Options[string, int]{Key: "a", After: after}); l.Resumed() {
			t.Error("resumed although a message went unseen")
		}
		take(t, l, 0)
	})
}

func TestBounds(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	var list []*Listener[string, int]
	for range 3 {
		list = append(list, listen(t, h, Options[string, int]{Key: "a"}))
	}
	if _, err := h.Listen(Options[string, int]{Key: "a"}); !errors.Is(err, ErrFull) {
		t.Errorf("one key takes more than its share: %v", err)
	}
	listen(t, h, Options[string, int]{Key: "b"})
	listen(t, h, Options[string, int]{All: true})
	if _, err := h.Listen(Options[string, int]{All: true}); !errors.Is(err, ErrFull) {
		t.Errorf("more than the bound: %v", err)
	}
	list[0].Close()
	listen(t, h, Options[string, int]{All: true})
}

func TestClose(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	l := listen(t, h, Options[string, int]{Key: "a"})
	h.Publish("a", 1)
	h.Close()
	h.Close()
	<-l.Done()
	h.Publish("a", 2)
	take(t, l, 0, 1)
	l.Close()
	if _, err := h.Listen(Options[string, int]{Key: "a"}); !errors.Is(err, ErrClosed) || h.Active() || h.idle != nil {
		t.Errorf("after the end: %v, active %v", err, h.Active())
	}
}

// Makers, listeners and comers at once: each listener gets a rising sequence
// that is whole but for what it is told that it lost.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	h := NewHub[string, int](Config{Ring: 64, Buffer: 16, Keep: time.Minute, Max: 100, Share: 100})
	keeper := listen(t, h, Options[string, int]{Key: "nobody"}) // the numbers begin now
	start := h.seq
	const makers, each = 4, 2000
	var making, opening, listening sync.WaitGroup
	for range makers {
		making.Go(func() {
			for n := range each {
				h.Publish("a", n)
			}
		})
	}
	for range 8 {
		opening.Add(1)
		listening.Go(func() {
			l, err := h.Listen(Options[string, int]{All: true, After: keeper.Position(start)})
			opening.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			last, _ := h.parse(l.Start())
			for open := true; open; {
				select {
				case <-l.Ready():
				case <-l.Done():
					open = false
				}
				messages, dropped := l.Take(nil)
				for _, m := range messages {
					if m.Seq != last+1+uint64(dropped) {
						t.Errorf("%d follows %d, dropped %d", m.Seq, last, dropped)
						return
					}
					last, dropped = m.Seq, 0
				}
			}
			if last != start+makers*each {
				t.Errorf("the last message is %d, want %d", last, start+makers*each)
			}
		})
	}
	making.Wait()
	opening.Wait() // a quick maker is done before the last one came
	h.Close()
	listening.Wait()
}

func TestQueue(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 15, 16, 17, 40} {
		q := queue[int]{limit: limit}
		var want []int
		for n := range 500 {
			if rand.IntN(60) == 0 {
				q.clear()
				want = nil
			}
			if dropped := q.push(n); dropped != (len(want) == limit) {
				t.Fatalf("limit %d: dropped %v of %d", limit, dropped, len(want))
			}
			if want = append(want, n); len(want) > limit {
				want = want[1:]
			}
			if got := slices.Collect(q.All); !slices.Equal(got, want) {
				t.Fatalf("limit %d: %v, want %v", limit, got, want)
			}
			if first, ok := q.First(); !ok || first != want[0] {
				t.Fatalf("limit %d: first %v %v", limit, first, ok)
			}
		}
	}
}

func TestIdleCostsNoAllocation(t *testing.T) {
	h := newTestHub()
	if n := testing.AllocsPerRun(100, func() { h.Publish("a", 1) }); n != 0 {
		t.Errorf("%v allocations while nobody listens", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, listeners := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("listeners=%d", listeners), func(b *testing.B) {
			h := NewHub[string, int](Config{Ring: 2048, Buffer: 256, Keep: time.Minute, Max: 1000, Share: 1000})
			for range listeners {
				if _, err := h.Listen(Options[string, int]{Key: "a"}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				h.Publish("a", 1)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h := newTestHub()
	listen(t, h, Options[string, int]{All: true})
	if keys := h.Keys(); len(keys) != 0 {
		t.Errorf("keys %v, want none", keys)
	}
	first, second := listen(t, h, Options[string, int]{Key: "a"}), listen(t, h, Options[string, int]{Key: "a"})
	listen(t, h, Options[string, int]{Key: "b"})
	first.Close()
	keys := h.Keys()
	if slices.Sort(keys); !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys %v, want a and b", keys)
	}
	second.Close()
	if keys := h.Keys(); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("keys %v, want b", keys)
	}
}
