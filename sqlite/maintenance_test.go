package sqlite

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// pragma runs on the writer's connection.
func (l *load) pragma(t *testing.T, text string) {
	t.Helper()
	err := l.s.outside(t.Context(), func(c *conn) error { return c.run("PRAGMA " + text) })
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk lets the database grow no further: writes fail without harm, and
// work again when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(5, 1, 7))
	gen := l.s.gen.Load()
	l.pragma(t, "max_page_count = 1") // SQLite takes the present size instead
	kept := 5
	for i := 0; ; i++ {
		if i > 1000 {
			t.Fatal("never full")
		}
		_, err := l.s.Accept(t.Context(), l.Lease, 0, l.Events(1, 1, 7))
		if err == nil {
			kept++
			continue
		}
		if !errors.Is(err, waybell.ErrUnavailable) || errors.Is(err, waybell.ErrCommitUnknown) {
			t.Fatalf("error %v", err)
		}
		break
	}
	if _, err := l.s.Due(t.Context(), time.Now()); err != nil { // reading goes on
		t.Fatal(err)
	}
	l.pragma(t, "max_page_count = 1000000")
	l.Accept(t, l.Events(50, 1, 7))
	st, err := l.s.Stats(t.Context())
	if err != nil || st.EventsKept != int64(kept+50) {
		t.Fatalf("%d events kept, want %d, %v", st.EventsKept, kept+50, err)
	}
	if l.s.gen.Load() != gen {
		t.Error("a full disk is no reason to open the database anew")
	}
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	for range 8 {
		events := l.Events(100, 1, 7)
		l.Accept(t, events)
		l.Settle(t, events[:50])
	}
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	stop := make(chan struct{})
	var during sync.WaitGroup
	var last []*waybell.NewEvent
	during.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				last = l.Events(5, 1, 8)
				l.Accept(t, last)
			}
		}
	})
	probe := l.Events(1, 2, 9) // durable before the backup
	l.Accept(t, probe)
	before := probe[0].Key
	if err := l.s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	close(stop)
	during.Wait()
	if err := l.s.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("left beside the backup: %v, %v", names, err)
	}
	copied := openStore(t, Config{Dir: dir})
	if err := copied.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page, err := copied.ListEvents(t.Context(), waybell.EventQuery{Agent: 2, Limit: 10, Scan: 10}); err != nil || len(page.Events) != 1 {
		t.Errorf("%d events of agent 2, %v", len(page.Events), err)
	}
	page, err := copied.ListEvents(t.Context(), waybell.EventQuery{Agent: 1, Until: before, Limit: 3000, Scan: 3000})
	if err != nil || len(page.Events) < 800 {
		t.Errorf("%d events, %v", len(page.Events), err)
	}
	// The source goes on as before.
	l.Settle(t, last)
	if err := l.s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "no", "such", "file")
	if err := l.s.Backup(t.Context(), missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a missing directory: %v", err)
	}
}

// TestBackupCanceled leaves nothing behind, and the writer free of the copy.
func TestBackupCanceled(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	for range 20 {
		l.Accept(t, l.Events(100, 1, 7))
	}
	dir := t.TempDir()
	ctx, cancel := contextAfter(t, 3)
	defer cancel()
	if err := l.s.Backup(ctx, filepath.Join(dir, "b.db")); err == nil {
		t.Fatal("no error")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	l.Accept(t, l.Events(100, 1, 7))
	if err := l.s.Backup(t.Context(), filepath.Join(dir, "b.db")); err != nil {
		t.Fatal(err)
	}
}

// TestCheck damages a database in several ways; each is found and named.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ want, sql string }{
		{"", "SELECT 1"},
		{"waiting delivery without its event", "DELETE FROM events WHERE key = (SELECT min(event) FROM waiting)"},
		{"settled delivery without its event", "DELETE FROM events WHERE key = (SELECT min(event) FROM deliveries)"},
		{"attempt without its event", "UPDATE attempts SET event = event + 1"},
		{"both waiting and settled", `INSERT INTO deliveries SELECT agent, event, endpoint, type, 3, 0, 0, 0, 0, 0 FROM waiting`},
		{"without a name", "DELETE FROM type_names"},
		{"does not add up", "UPDATE counters SET accepted = accepted + 1"},
		{"differs from the waiting rows", "UPDATE counters SET pending = pending - 1, canceled = canceled + 1"},
		{"differs from the waiting rows", "DELETE FROM counters"},
		{"below the settled rows", "UPDATE counters SET delivered = delivered - 1, failed = failed + 1"},
	} {
		l := newLoad(t, Config{})
		events := l.Events(4, 1, 7)
		l.Accept(t, events)
		l.Settle(t, events[:2])
		err := l.s.outside(t.Context(), func(conn *conn) error { return conn.run(c.sql) })
		if err != nil {
			t.Fatal(err)
		}
		err = l.s.Check(t.Context())
		switch {
		case c.want == "" && err != nil:
			t.Errorf("sound: %v", err)
		case c.want != "" && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q", c.sql, err, c.want)
		}
		if err := l.s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckDamagedPages overwrites pages in the middle of the file.
func TestCheckDamagedPages(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	for range 5 {
		l.Accept(t, l.Events(100, 1, 7))
	}
	if err := l.s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(l.s.path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[len(data)-20*pageSize:], bytes.Repeat([]byte{0xee}, 3*pageSize))
	if err := os.WriteFile(l.s.path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Config{Dir: l.s.cfg.Dir})
	err = s.Check(t.Context())
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, waybell.ErrUnavailable) {
		t.Fatalf("error %v", err)
	}
}

// TestLogBound writes far more than the log may hold, with readers that never
// let it rest.
func TestLogBound(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	l := newLoad(t, Config{CheckpointBytes: 256 << 10, MaxLogBytes: bound})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := l.s.Deliveries(t.Context(), waybell.DeliveryQuery{Agent: 1, Limit: 50, Scan: 50})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	largest := int64(0)
	for range 20 {
		events := l.Events(64, 1, 7)
		l.Accept(t, events)
		l.Settle(t, events)
		st, err := l.s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, st.LogBytes)
	}
	close(stop)
	readers.Wait()
	if largest > 2*bound {
		t.Errorf("the log grew to %d bytes, the bound is %d", largest, bound)
	}
}

// TestAppendedDuringCopy writes after a copy of the log began and before it ended:
// how much is left to copy shows, so that the log is copied to its end and starts
// from its beginning.
func TestAppendedDuringCopy(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{})
	l.Accept(t, l.Events(100, 1, 7))
	var left logState
	err := l.s.snapshot(t.Context(), func(c *conn) error { // the log cannot start anew meanwhile
		if _, err := c.int("SELECT value FROM meta WHERE name = 'events'"); err != nil {
			return err
		}
		if first, err := l.s.copyBeside("PASSIVE"); err != nil || first.rest() != 0 {
			t.Errorf("first copy: %+v, %v", first, err)
		}
		l.Accept(t, l.Events(100, 1, 7))
		var err error
		left, err = l.s.afterCopy(l.s.restBetween())
		return err
	})
	if err != nil || left.copied == 0 || left.rest() == 0 {
		t.Fatalf("after the first copy: %+v, %v", left, err)
	}
	if err := l.s.copyLog(); err != nil {
		t.Fatal(err)
	}
	l.Accept(t, l.Events(1, 1, 7))
	if anew, err := l.s.afterCopy(l.s.restBetween()); err != nil || anew.pages >= left.pages {
		t.Errorf("the log did not start anew: %+v, %v", anew, err)
	}
}

// TestSpaceIsUsedAgain publishes and sweeps in turn: the file stops growing.
func TestSpaceIsUsedAgain(t *testing.T) {
	t.Parallel()
	l := newLoad(t, Config{CheckpointBytes: 256 << 10})
	size := func() int64 {
		st, err := l.s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.SizeBytes
	}
	var sizes []int64
	for range 8 {
		first := l.Last()
		for range 2 {
			events := l.Events(100, 1, 7)
			l.Accept(t, events)
			l.Settle(t, events)
		}
		if _, _, err := l.s.Sweep(t.Context(), l.Lease, first, time.Minute); err != nil {
			t.Fatal(err)
		}
		err := l.s.outside(t.Context(), func(c *conn) error { _, err := c.logState("PASSIVE"); return err })
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, size())
	}
	if sizes[7] > sizes[2]*11/10 {
		t.Errorf("the file grows: %v", sizes)
	}
}
