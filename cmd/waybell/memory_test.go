package main

import "testing"

func TestMemoryIsGivenBackOncePerLoad(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	var r rest
	for i, step := range []struct {
		allocated uint64
		give      bool
	}{
		{8 * mib, false},     // starting
		{8*mib + 1, false},   // quiet, but nothing worth it
		{500 * mib, false},   // a load
		{900 * mib, false},   // goes on
		{900*mib + 9, true},  // has ended
		{901 * mib, false},   // still quiet
		{910 * mib, false},   // a little
		{910*mib + 5, false}, // not worth it yet
		{917 * mib, false},
		{917*mib + 5, true}, // together it is
	} {
		if give := r.begins(step.allocated); give != step.give {
			t.Errorf("step %d: %v, want %v", i, give, step.give)
		}
	}
}
