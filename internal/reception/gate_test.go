package reception

import (
	"fmt"
	"testing"
	"time"
)

func TestGateOfOneInbox(t *testing.T) {
	t.Parallel()
	g := NewGate(64 << 10)
	now := time.Unix(1_000_000, 0)
	admitted := func(inbox string, tries int, at time.Time) (n int) {
		for range tries {
			if g.Admit(inbox, at) {
				n++
			}
		}
		return n
	}
	if n := admitted("a", 1000, now); n != Burst {
		t.Errorf("%d at once, want %d", n, Burst)
	}
	if n := admitted("a", 1000, now.Add(time.Second)); n != PerSecond {
		t.Errorf("%d a second later, want %d", n, PerSecond)
	}
	if n := admitted("b", 1000, now); n != Burst {
		t.Errorf("%d of another inbox, want %d", n, Burst)
	}
}

func TestGateForgetsIdleInboxes(t *testing.T) {
	t.Parallel()
	g := NewGate(64 << 10)
	now := time.Unix(1_000_000, 0)
	for i := range 10 * maxDoors {
		at := now.Add(time.Duration(i) * 100 * time.Millisecond)
		if !g.Admit(fmt.Sprint(i), at) {
			t.Fatalf("inbox %d is not admitted", i)
		}
		if len(g.doors) > maxDoors {
			t.Fatalf("%d inboxes are remembered", len(g.doors))
		}
	}
	// A busy one is not forgotten with the idle ones.
	at := now.Add(time.Hour)
	for range Burst {
		g.Admit("busy", at)
	}
	for i := range 2 * maxDoors {
		g.Admit(fmt.Sprint("new", i), at)
	}
	if g.Admit("busy", at) {
		t.Error("a busy inbox got a new allowance")
	}
}

func TestGateOfAllInboxes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	for _, kept := range []int{0, 64 << 10, 32 << 20} {
		g := NewGate(kept)
		if !g.Keep(kept, now) {
			t.Errorf("the largest body of %d bytes never fits", kept)
		}
		total := kept + rowBytes
		for g.Keep(kept, now) {
			total += kept + rowBytes
		}
		if most := max(bytesBurst, kept+rowBytes); total > most {
			t.Errorf("%d bytes at once, want at most %d", total, most)
		}
		if later := now.Add(time.Minute); !g.Keep(kept, later) {
			t.Errorf("%d bytes do not fit later", kept)
		}
	}
}

func TestGateOfExplanations(t *testing.T) {
	t.Parallel()
	g := NewGate(64 << 10)
	now := time.Unix(1_000_000, 0)
	if g.Explain(make([]byte, explainBytes+1), now) {
		t.Error("a long body is explained")
	}
	n := 0
	for range 100 {
		if g.Explain(make([]byte, explainBytes), now) {
			n++
		}
	}
	if n != explainBurst {
		t.Errorf("%d at once, want %d", n, explainBurst)
	}
	if !g.Explain(nil, now.Add(time.Minute)) {
		t.Error("nothing is explained a minute later")
	}
}

func TestGateBoundsWhatIsReadAtOnce(t *testing.T) {
	t.Parallel()
	g := NewGate(64 << 10)
	enter := func(inbox string, tries int) (leave []func()) {
		for range tries {
			if f := g.Enter(inbox); f != nil {
				leave = append(leave, f)
			}
		}
		return leave
	}
	first := enter("a", 100)
	if len(first) != Together {
		t.Fatalf("%d at once, want %d", len(first), Together)
	}
	all := len(first)
	for i := range 100 {
		all += len(enter(fmt.Sprint("other", i), 1+i%Together))
	}
	if all != togetherInAll {
		t.Errorf("%d of all inboxes at once, want %d", all, togetherInAll)
	}
	first[0]()
	first[0]() // gives back one place, not two
	if n := len(enter("a", 100)); n != 1 {
		t.Errorf("%d places became free, want 1", n)
	}
	for _, leave := range first {
		leave()
	}
	if n := len(enter("a", 100)); n != Together-1 {
		t.Errorf("%d places became free, want %d", n, Together-1)
	}
}
