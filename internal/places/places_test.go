package places

import (
	"fmt"
	"testing"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ each, all, ofOne, ofOthers int }{
		{3, 0, 3, 3}, {3, 5, 3, 2}, {3, 2, 2, 0},
	} {
		p := New(tt.each, tt.all)
		enter := func(name string) (leave []func()) {
			for f := p.Enter(name); f != nil; f = p.Enter(name) {
				leave = append(leave, f)
			}
			return leave
		}
		first, others := enter("a"), enter("b")
		if len(first) != tt.ofOne || len(others) != tt.ofOthers {
			t.Errorf("%d for each, %d in all: %d of one, %d of another", tt.each, tt.all, len(first), len(others))
		}
		first[0]()
		first[0]() // gives back one place, not two
		if n := len(enter("a")); n != 1 {
			t.Errorf("%d places became free, want 1", n)
		}
	}
}

func TestPlacesForgetWhoHasNone(t *testing.T) {
	t.Parallel()
	p := New(3, 0)
	for i := range 1000 {
		p.Enter(fmt.Sprint(i))()
	}
	if len(p.taken) != 0 || p.sum != 0 {
		t.Errorf("%d names and %d places are remembered", len(p.taken), p.sum)
	}
}
