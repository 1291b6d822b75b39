package waybell

import (
	"bytes"
	"testing"
)

// An event that was published in a large body does not keep the body's room.
func TestFitting(t *testing.T) {
	t.Parallel()
	small := append(make([]byte, 0, 1<<20), `{"text":"hi"}`...)
	if got := fitting(small); !bytes.Equal(got, small) || cap(got) > 64 {
		t.Errorf("fitting(%s) is %q with room for %d bytes", small, got, cap(got))
	}
	for _, whole := range [][]byte{nil, {}, bytes.Repeat([]byte("x"), 4096)[:4000]} {
		if got := fitting(whole); len(whole) > 0 && &got[0] != &whole[0] {
			t.Errorf("%d bytes with room for %d were copied", len(whole), cap(whole))
		}
	}
}
