package sqlite

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"
)

// TestWriteOut writes out what was copied: of the database file, and what it holds
// stays as it is.
func TestWriteOut(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(600, 1, 7))
	if _, err := l.s.copyBeside("PASSIVE"); err != nil {
		t.Fatal(err)
	}
	c := l.s.checkpointer
	file, err := c.file()
	if err != nil {
		t.Fatal(err)
	}
	var written, database unix.Stat_t
	err = errors.Join(unix.Fstat(int((*sqlite3.TunixFile)(pointer(file)).Fh), &written), unix.Stat(l.s.path, &database))
	if err != nil || written.Ino != database.Ino || written.Size <= writeOutPiece {
		t.Fatalf("what is written out is file %d of %d bytes, the database is file %d: %v", written.Ino, written.Size, database.Ino, err)
	}
	if err := c.writeOut(func(time.Duration) {}); err != nil {
		t.Fatal(err)
	}
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestWriteOutErrors: only errors that say that there is no such call leave it to the
// sync; any other may be one of the disk, which the sync would not tell again.
func TestWriteOutErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		cannot bool
	}{
		{nil, false}, {unix.ENOSYS, true}, {unix.EINVAL, true}, {unix.ESPIPE, true}, {unix.EOPNOTSUPP, true}, {unix.EPERM, true},
		{unix.EIO, false}, {unix.ENOSPC, false}, {unix.EDQUOT, false}, {unix.ENODATA, false}, {unix.ETIMEDOUT, false}, {unix.EBADF, false},
	} {
		if got := cannotWriteOut(c.err); got != c.cannot {
			t.Errorf("%v: %v, want %v", c.err, got, c.cannot)
		}
	}
}

// TestLostCopy has the disk lose what was copied into the database when it was to be
// synced: it is copied anew from the log, whoever else has the database open, and
// also when the store is closed before it was opened anew.
func TestLostCopy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		reader, appended bool
		closed, untold   bool
	}{
		{name: "alone"},
		{name: "a reader is open", reader: true},
		{name: "written meanwhile", appended: true},
		{name: "a reader is open, written meanwhile", reader: true, appended: true},
		{name: "closed", closed: true},
		{name: "closed, written meanwhile", appended: true, closed: true},
		{name: "closed before the writer knew", appended: true, closed: true, untold: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLoad(t, Config{})
			l.Accept(t, l.Events(300, 1, 7))
			if err := l.s.copyLog(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(l.s.path, os.O_RDWR, 0) // closed at the end: it ends SQLite's locks
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			old, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			l.Accept(t, l.Events(300, 1, 7))
			want := int64(600)
			err = l.s.snapshot(t.Context(), func(r *conn) error { // the log cannot start anew meanwhile
				if _, err := r.int("SELECT value FROM meta WHERE name = 'events'"); err != nil {
					return err
				}
				if _, err := l.s.copyBeside("PASSIVE"); err != nil {
					return err
				}
				if c.appended {
					l.Accept(t, l.Events(1, 1, 7))
					want++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !c.reader {
				readers, _ := l.s.holdReaders(time.Minute)
				for i, r := range readers {
					if r != nil {
						if err := r.close(); err != nil {
							t.Fatal(err)
						}
						readers[i] = nil
					}
				}
				l.s.freeReaders(readers)
			}
			if _, err := f.WriteAt(old, 0); err != nil {
				t.Fatal(err)
			}
			if err := f.Truncate(int64(len(old))); err != nil {
				t.Fatal(err)
			}
			failed := l.s.checkpointer.failed("sync", &resultError{sqlite3.SQLITE_IOERR_FSYNC, "lost"})
			if _, err := l.s.copyBeside("TRUNCATE"); !errors.Is(err, waybell.ErrUnavailable) {
				t.Errorf("a connection whose sync failed went on copying: %v", err)
			}
			if !c.untold {
				if err := l.s.broke(failed); !errors.Is(err, waybell.ErrUnavailable) {
					t.Fatal(err)
				}
			}
			s := l.s
			if c.closed {
				if err := l.s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openStore(t, Config{Dir: l.s.cfg.Dir})
			} else {
				l.Accept(t, l.Events(1, 1, 7))
				want++
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
			if st, err := s.Stats(t.Context()); err != nil || st.EventsKept != want {
				t.Errorf("%d events are kept, want %d: %v", st.EventsKept, want, err)
			}
		})
	}
}
