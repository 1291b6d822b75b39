package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"golang.org/x/sys/unix"
)

// breakFile makes every write through the open descriptors of a file of the
// store fail with EBADF, as a failing disk would with EIO: they become
// read-only. It returns how many there were.
func breakFile(t *testing.T, path string) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		link, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || link != path {
			continue
		}
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		f, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(f, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		if err := unix.Close(f); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestBrokenDisk has the log's descriptors fail under writers: nobody is told
// that something is durable that is not, and the store opens itself anew.
func TestBrokenDisk(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(10, 1, 7))
	if breakFile(t, l.s.path+"-wal") == 0 {
		t.Fatal("no descriptor of the log")
	}
	var mu sync.Mutex
	accepted := make(map[waybell.Key]bool) // whether the store said so
	failed := 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				events := l.Events(1, 1, 7)
				_, err := l.s.Accept(t.Context(), l.Lease, 0, events)
				if err != nil && !errors.Is(err, waybell.ErrUnavailable) && !errors.Is(err, waybell.ErrCommitUnknown) {
					t.Errorf("error %v", err)
				}
				mu.Lock()
				accepted[events[0].Key] = err == nil
				if err != nil {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed == 0 || failed == 80 {
		t.Fatalf("%d of 80 failed", failed)
	}
	l.Accept(t, l.Events(1, 1, 7))
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.s.Close(); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Config{Dir: l.s.cfg.Dir})
	for key, ok := range accepted {
		if _, err := s.Event(t.Context(), 1, key); ok && err != nil {
			t.Errorf("event %d was accepted and is lost: %v", key, err)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenCheckpoint has the database file fail while the log is copied into
// it: the store opens itself anew, and nothing is lost.
func TestBrokenCheckpoint(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(10, 1, 7))
	if err := l.s.copyLog(); err != nil {
		t.Fatal(err)
	}
	l.Accept(t, l.Events(10, 1, 7))
	if breakFile(t, l.s.path) < 2 {
		t.Fatal("too few descriptors of the database")
	}
	if err := l.s.copyLog(); !errors.Is(err, waybell.ErrUnavailable) {
		t.Fatalf("checkpoint: %v", err)
	}
	gen := l.s.gen.Load()
	l.Accept(t, l.Events(1, 1, 7))
	if l.s.gen.Load() == gen {
		t.Error("the database was not opened anew")
	}
	if err := l.s.copyLog(); err != nil {
		t.Error(err)
	}
	st, err := l.s.Stats(t.Context())
	if err != nil || st.EventsKept != 21 {
		t.Fatalf("%d events kept, %v", st.EventsKept, err)
	}
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOwnedAfterFailure asks for the owned rows when the handle was given up: a
// commit that failed may have reached the log, and shows only when the database
// was opened anew.
func TestOwnedAfterFailure(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(10, 1, 7))
	if _, err := l.s.Owned(t.Context(), l.Lease, waybell.Waiting{}, 1); err != nil { // a reader is open
		t.Fatal(err)
	}
	gen := l.s.gen.Load()
	err := l.s.outside(t.Context(), func(c *conn) error {
		c.bad = true
		return waybell.ErrUnavailable
	})
	if !errors.Is(err, waybell.ErrUnavailable) {
		t.Fatal(err)
	}
	rows, err := l.s.Owned(t.Context(), l.Lease, waybell.Waiting{}, 100)
	if err != nil || len(rows) != 10 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if l.s.gen.Load() == gen {
		t.Fatal("the rows were read without opening the database anew")
	}
}

// TestStaysBroken has a store that cannot be opened again: every write says so,
// until it can.
func TestStaysBroken(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(1, 1, 7))
	hidden := l.s.path + ".hidden"
	breakFile(t, l.s.path+"-wal")
	if err := os.Rename(l.s.path, hidden); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.s.path, 0o700); err != nil { // cannot be opened
		t.Fatal(err)
	}
	for range 3 {
		_, err := l.s.Accept(t.Context(), l.Lease, 0, l.Events(1, 1, 7))
		if !errors.Is(err, waybell.ErrUnavailable) && !errors.Is(err, waybell.ErrCommitUnknown) {
			t.Fatalf("error %v", err)
		}
	}
	if err := errors.Join(os.Remove(l.s.path), os.Rename(hidden, l.s.path)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := l.s.Accept(t.Context(), l.Lease, 0, l.Events(1, 1, 7))
		if err == nil {
			break
		}
		if time.Now().After(deadline) || !strings.Contains(err.Error(), "unavailable") {
			t.Fatal(err)
		}
	}
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestCheckHoldsReopening has a file fail while it is checked: it is opened anew when
// the check has ended, not before.
func TestCheckHoldsReopening(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(1, 1, 7))
	l.s.checks.RLock() // as a check does that is under way
	breakFile(t, l.s.path+"-wal")
	for range 2 {
		_, err := l.s.Accept(t.Context(), l.Lease, 0, l.Events(1, 1, 7))
		if !errors.Is(err, waybell.ErrUnavailable) && !errors.Is(err, waybell.ErrCommitUnknown) {
			t.Fatalf("error %v", err)
		}
	}
	if _, err := l.s.Accept(t.Context(), l.Lease, 0, l.Events(1, 1, 7)); !errors.Is(err, waybell.ErrUnavailable) {
		t.Fatalf("the file was opened anew beside a check: %v", err)
	}
	l.s.checks.RUnlock()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := l.s.Accept(t.Context(), l.Lease, 0, l.Events(1, 1, 7))
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}
