//go:build linux

package powerloss

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/binarytest"
	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/pgtest"
)

// TestPowerOrder holds that PostgreSQL had synced its log up to the commit of
// each event before Waybell's answer began. Both run under strace; the server is
// told not to wait for the disk at a commit, which Waybell must not put up with.
func TestPowerOrder(t *testing.T) {
	t.Parallel()
	s := chosen(t)
	began := time.Now()
	bin, trace := tracedPrograms(t)
	c := pgtest.Start(t, pgtest.Options{Dir: pgtest.Memory(), Bin: bin, Settings: map[string]string{
		"synchronous_commit": "off",
		"autovacuum":         "off", "wal_init_zero": "off", // less to record
	}})
	database := c.Database(t)
	addr := binarytest.FreeAddress(t)
	tr := startTraced(t, true, []string{"WAYBELL_API_KEY=" + apiKey, "WAYBELL_ENCRYPTION_KEY=" + childKey()}, built.Path(t), "serve", "--listen", addr,
		"--database-url", database, "--allow-targets", "127.0.0.1", "--log-level", "error")
	waitReady(t, addr)
	calls := newClient(addr)
	calls.subscribe(t, newReceiver(t, s))
	calls.publish(t.Context(), smallPrefix, 120, false).wait(t)
	tr.stop(syscall.SIGTERM)
	calls.CloseIdleConnections()
	c.Stop(t, pgtest.Fast)
	dir := dataDir(t, trace)
	log, err := readWAL(dir, filepath.Join(pgtest.Installed()[0], "pg_waldump"))
	if err != nil {
		t.Fatal(err)
	}
	sends, _, err := readTrace(tr.file, "/nowhere", 0, true)
	if err != nil {
		t.Fatal(err)
	}
	writes := awaitTrace(t, trace, dir)
	answers := promises(sends)
	checked, found := log.unsynced(writes, answers)
	report(t, found)
	if checked < 120 {
		t.Errorf("%d events were checked", checked)
	}
	// The judge must find what it is there for.
	without := slices.DeleteFunc(slices.Clone(writes), func(o *op) bool { return o.kind == opSync })
	if _, found := log.unsynced(without, answers); len(found) != checked {
		t.Errorf("without any sync %d of %d events are found", len(found), checked)
	}
	early := slices.Clone(answers)
	for i, p := range early {
		for _, o := range writes {
			if o.kind == opSync && o.end < p.place {
				early[i].place = o.begin
			}
		}
	}
	if _, found := log.unsynced(writes, early); len(found) == 0 {
		t.Error("answers before the sync are not found")
	}
	t.Logf("%d events checked, %d calls of PostgreSQL recorded", checked, len(writes))
	write(t, began, result.Result{Programme: "power:order", Store: "postgres", Seed: int64(s), Cycles: len(answers),
		Counts: map[string]int64{"events": int64(checked), "unsynced": int64(len(found)), "calls": int64(len(writes))}})
}

// tracedPrograms is a folder of PostgreSQL's programs in which the server itself is
// started under strace, and the file that it is recorded in.
func tracedPrograms(t *testing.T) (bin, trace string) {
	t.Helper()
	if len(pgtest.Installed()) == 0 {
		t.Fatal("PostgreSQL is not installed: make setup")
	}
	real := pgtest.Installed()[0]
	bin, err := os.MkdirTemp("", "waybell-power")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(bin) })
	trace = filepath.Join(bin, "trace")
	programs, err := os.ReadDir(real)
	if err == nil {
		err = os.Chmod(bin, 0o777) // the servers are another user's
	}
	for _, p := range programs {
		if err == nil && p.Name() != "postgres" {
			err = os.Symlink(filepath.Join(real, p.Name()), filepath.Join(bin, p.Name()))
		}
	}
	// With -D the server keeps the process that was started: strace is beside it.
	options := append([]string{"-D", "-ttt"}, straceOptions("pwrite64,pwritev,write,fsync,fdatasync,rename,renameat,renameat2", trace)...)
	script := fmt.Sprintf("#!/bin/sh\nexec strace %s -- %s/postgres \"$@\"\n", strings.Join(options, " "), real)
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "postgres"), []byte(script), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bin, trace
}

var dataPath = regexp.MustCompile(`<((?:\\x[0-9a-f]{2})+)>`)

// dataDir is the data directory of the server, from the paths in its record.
func dataDir(t *testing.T, trace string) string {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := in.ReadString('\n')
		for _, m := range dataPath.FindAllStringSubmatch(line, -1) {
			if dir, _, ok := strings.Cut(string(unhex(m[1])), "/pg_wal/"); ok {
				return dir
			}
		}
		if err != nil {
			t.Fatal("the record of PostgreSQL shows no write to its log")
		}
	}
}

// awaitTrace reads the record of the server's log once strace has written its end:
// the server that has ended is not strace's parent.
func awaitTrace(t *testing.T, trace, dir string) []*op {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	size := int64(-1)
	for limit := time.After(30 * time.Second); ; {
		if info, err := os.Stat(trace); err == nil && info.Size() == size {
			break
		} else if err == nil {
			size = info.Size()
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("strace does not end")
		}
	}
	ops, _, err := readTrace(trace, filepath.Join(dir, "pg_wal"), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// PostgreSQL's log: segments of files, pages in them with a header each, and
// records that go on behind the header of the next page
// (src/include/access/xlog_internal.h).
const (
	walSegment    = 16 << 20
	walPage       = 8192
	walPageHeader = 24
	walLongHeader = 40 // of the first page of a segment
)

// wal is PostgreSQL's log as it was when the server had ended.
type wal struct {
	start    int64            // position of the first segment
	content  []byte           // from there
	file     map[int64]string // segment number → name
	records  []walRecord      // by position
	commitAt map[string]int   // by transaction: its commit in records
}

type walRecord struct {
	at, size int64
	tx       string
}

var walLine = regexp.MustCompile(`^rmgr: (\S+)\s+len \(rec/tot\):\s*\d+/\s*(\d+), tx:\s*(\d+), lsn: ([0-9A-F]+)/([0-9A-F]+), prev \S+, desc: (\S+)`)

// readWAL reads the log with PostgreSQL's own program.
func readWAL(dir, waldump string) (*wal, error) {
	names, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0*"))
	if err != nil || len(names) == 0 {
		return nil, errors.Join(err, fmt.Errorf("there is no log in %s", dir))
	}
	slices.Sort(names)
	w := &wal{file: map[int64]string{}, commitAt: map[string]int{}}
	for i, name := range names {
		number, err := strconv.ParseInt(filepath.Base(name)[8:16]+filepath.Base(name)[22:], 16, 64)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			w.start = number * walSegment
		}
		w.file[number] = name
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		w.content = append(w.content, text...)
	}
	// It ends with an error where the log ends; without a record that is a failure.
	out, err := exec.Command(waldump, "-p", filepath.Join(dir, "pg_wal"), filepath.Base(names[0]), filepath.Base(names[len(names)-1])).Output()
	for line := range strings.Lines(string(out)) {
		m := walLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		size, _ := strconv.ParseInt(m[2], 10, 64) // digits
		high, _ := strconv.ParseInt(m[4], 16, 64)
		low, _ := strconv.ParseInt(m[5], 16, 64)
		if m[1] == "Transaction" && m[6] == "COMMIT" {
			w.commitAt[m[3]] = len(w.records)
		}
		w.records = append(w.records, walRecord{high<<32 | low, size, m[3]})
	}
	if len(w.records) == 0 {
		return nil, fmt.Errorf("pg_waldump shows no record: %w", err)
	}
	return w, nil
}

// last is the stretch of a record that lies on its last page: what is written and
// synced up to its end is written and synced before it too, as the log grows at
// its end alone.
func (r walRecord) last() (from, to int64) {
	from, left := r.at, r.size
	for {
		page := from - from%walPage + walPage
		if from+left <= page {
			return from, from + left
		}
		left -= page - from
		from = page + walPageHeader
		if page%walSegment == 0 {
			from = page + walLongHeader
		}
	}
}

// unsynced finds the events that were answered before the log was synced up to
// their commit.
func (w *wal) unsynced(ops []*op, answers []promise) (checked int, complaints []string) {
	for _, p := range answers {
		for _, id := range p.ids {
			if !strings.HasPrefix(id, smallPrefix) {
				continue
			}
			checked++
			if err := w.synced(ops, id, p.place); err != nil {
				complaints = append(complaints, fmt.Sprintf("%s: %v", id, err))
			}
		}
	}
	return checked, complaints
}

func (w *wal) synced(ops []*op, id string, place int) error {
	i := bytes.Index(w.content, []byte(mark(id)))
	if i < 0 {
		return errors.New("it is not in the log")
	}
	at := w.start + int64(i)
	n, _ := slices.BinarySearchFunc(w.records, at, func(r walRecord, at int64) int {
		if r.at <= at {
			return -1
		}
		return 1
	})
	if n == 0 {
		return errors.New("it is in no record of the log")
	}
	c, ok := w.commitAt[w.records[n-1].tx]
	if !ok {
		return fmt.Errorf("its transaction %s does not commit", w.records[n-1].tx)
	}
	from, to := w.records[c].last()
	name := w.file[from/walSegment]
	for _, o := range ops {
		if o.kind != opWrite || o.path != name {
			continue
		}
		lo := from%walSegment - o.off
		hi := lo + to - from
		if lo < 0 || hi > int64(len(o.data)) || !bytes.Equal(o.data[lo:hi], w.content[from-w.start:to-w.start]) {
			continue
		}
		for _, s := range ops {
			if s.kind == opSync && s.path == name && s.begin > o.end && s.end < place {
				return nil
			}
		}
		return fmt.Errorf("its commit was written at %d and not synced before the answer at %d", o.begin, place)
	}
	return errors.New("its commit was never written")
}
