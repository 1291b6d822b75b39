package sqlite

import (
	"syscall"
	"testing"
)

// TestDirectoryIsGivenBack: a directory is free once its store is closed, although a
// process that is being started has the lock's file until it begins its own program.
func TestDirectoryIsGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		s, err := Open(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		child, err := syscall.Dup(int(s.lock.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(child)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
