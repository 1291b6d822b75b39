//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// room is a way to take the server the room to write, and to give it back.
type room struct {
	take func(t *testing.T, s *server)
	give func(t *testing.T, s *server)
}

// TestDiskFull fills the disk under the server, and kills the process every second
// time before there is room again. It refuses with 503 and Retry-After, accepts nothing that it cannot keep, and goes on by itself when
// there is room. The disk is a small tmpfs; a user who may not mount one
// gets a limit on the size of files alone, which TestFileSizeLimit tests for
// everybody.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	size := 32 + 8*repeat(roomCycles) // MiB: what is published in all cycles fits
	if err := unix.Mount("waybell-chaos", disk, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", size)); err != nil {
		t.Logf("no tmpfs can be mounted (%v): a limit on the size of files instead", err)
		testFileSizeLimit(t)
		return
	}
	t.Cleanup(func() { // after the server has ended
		if err := unix.Unmount(disk, 0); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	testNoRoom(t, "diskfull", options{dir: filepath.Join(disk, "data")}, room{
		take: func(t *testing.T, _ *server) { fill(t, ballast) },
		give: func(t *testing.T, _ *server) {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		},
	})
}

// TestFileSizeLimit lets every write fail that makes the server's files longer
// than they may be, as a quota does: an error of the medium, other than a full
// disk, after which the store opens the database anew; and kills the process every
// second time before they work again.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	testFileSizeLimit(t)
}

func testFileSizeLimit(t *testing.T) {
	t.Helper()
	limit := func(t *testing.T, s *server, soft uint64) {
		l := unix.Rlimit{}
		if err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &l); err != nil {
			t.Fatal(err)
		}
		l.Cur = soft
		if err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_FSIZE, &l, nil); err != nil {
			t.Fatal(err)
		}
	}
	testNoRoom(t, "filesizelimit", options{prepare: blockFileSizeSignal}, room{
		take: func(t *testing.T, s *server) { limit(t, s, 4096) },
		give: func(t *testing.T, s *server) {
			if s.cmd != nil { // the next process has no limit
				limit(t, s, unix.RLIM_INFINITY)
			}
		},
	})
}

// blockFileSizeSignal starts a child with SIGXFSZ blocked: the kernel sends it
// with the error (setrlimit(2)), and Go's runtime ends a process that gets it.
// A blocked signal stays so across fork and exec.
func blockFileSizeSignal(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	word := 8 * int(unsafe.Sizeof(block.Val[0]))
	n := int(syscall.SIGXFSZ) - 1
	block.Val[n/word] |= 1 << (n % word)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before); err != nil {
		return err
	}
	return errors.Join(start(), unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
}

// fill writes a file until the disk is full.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; {
		switch _, err := f.Write(make([]byte, size)); {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			t.Fatal(err)
		}
	}
}

// roomCycles is how often the room is taken in a short run.
const roomCycles = 4

// testNoRoom takes the room again and again. Every second time the process is
// killed before it gets it back: what it accepted must not be in its memory
// alone.
func testNoRoom(t *testing.T, programme string, o options, r room) {
	t.Helper()
	o.temper, o.timeout = temper{fail: 4, hang: 2, reset: 2}, hangTimeout
	tr := newTrial(t, o)
	// Where the medium fails during a commit nobody knows at first what it kept.
	tr.unsure = o.prepare != nil
	var recovery []time.Duration
	for n := range repeat(roomCycles) {
		before := tr.feeder.count()
		tr.feeder.until("publishing works", func(c feedCounts) bool { return c.accepted >= before.accepted+100 })
		tr.pause(100*time.Millisecond, 500*time.Millisecond)
		kill := n%2 == 1
		before = tr.feeder.count()
		tr.during(noRoom, func() {
			taken := time.Now()
			r.take(t, tr.server)
			tr.feeder.until("publishing answers 503", func(c feedCounts) bool { return c.busy >= before.busy+50 })
			tr.pause(100*time.Millisecond, 500*time.Millisecond)
			if kill {
				f := tr.during(killed, tr.server.kill)
				f.stale = f.ended.Sub(taken)
			}
			r.give(t, tr.server)
		})
		began := time.Now()
		if kill {
			tr.server.start()
			continue
		}
		given := tr.feeder.count()
		tr.feeder.until("publishing works again", func(c feedCounts) bool { return c.accepted > given.accepted })
		recovery = append(recovery, time.Since(began))
		if after := tr.feeder.count(); after.broken > before.broken || after.refused > before.refused {
			t.Errorf("publishes got no answer instead of 503: %+v before, %+v after", before, after)
		}
	}
	v := tr.end()
	if !tr.server.running() {
		t.Errorf("the process ended: %v", tr.server.cmd.ProcessState)
	}
	t.Logf("accepts again after: %s", spread(recovery))
	tr.record(programme, repeat(roomCycles), v, times{"accepts_again": recovery}, nil)
}
