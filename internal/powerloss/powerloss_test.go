//go:build linux

package powerloss

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/binarytest"
	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/pgtest"
	_ "modernc.org/sqlite" // for its version
)

var (
	cuts = flag.Int("chaos.cycles", 0, "how often the power is cut in each record; 0 = some times")
	seed = flag.Uint64("chaos.seed", 0, "of the cuts and what they leave; 0 = another one each time")

	results = flag.String("chaos.results", "", "directory for what the tests measured, one JSON file for each; docs/reliability.md shows those in docs/reliability")
)

const (
	someCuts = 30
	// Every so many-th image is started by the real binary and delivered.
	startEvery = 10
	// leastBegun is how often the log of the second record is begun anew.
	leastBegun = 5
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := serveChild(context.Background(), dir, os.Getenv(childAddr)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(built.Main(m))
}

// built is the binary under test.
var built binarytest.Binary

// recordBinary records three lives of the real binary: one that is stopped in
// order, one that is killed, and one more.
func recordBinary(t *testing.T, r *receiver) *record {
	t.Helper()
	rec := &record{dir: filepath.Join(t.TempDir(), "new", "data")}
	addr := binarytest.FreeAddress(t)
	for life, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM} {
		tr := startTraced(t, false, []string{"WAYBELL_API_KEY=" + apiKey}, built.Path(t), "serve", "--listen", addr, "--data-dir", rec.dir,
			"--allow-targets", "127.0.0.1", "--log-level", "error")
		rec.live(t, tr, addr, r, life, sig, 45)
	}
	return rec
}

// recordCheckpoints records two lives of the store with a log that is soon full.
func recordCheckpoints(t *testing.T, r *receiver) *record {
	t.Helper()
	rec := &record{dir: filepath.Join(t.TempDir(), "data")}
	addr := binarytest.FreeAddress(t)
	for life, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		tr := startTraced(t, false, []string{childDir + "=" + rec.dir, childAddr + "=" + addr}, os.Args[0])
		rec.live(t, tr, addr, r, life, sig, 90)
	}
	return rec
}

// live loads a process until it has accepted some events, ends it, and takes in
// what it did.
func (r *record) live(t *testing.T, tr *tracer, addr string, to *receiver, life int, sig syscall.Signal, events int) {
	t.Helper()
	waitReady(t, addr)
	c := newClient(addr)
	if life == 0 {
		c.subscribe(t, to)
	}
	p := c.publish(t.Context(), fmt.Sprintf("life%d", life), events, sig == syscall.SIGKILL)
	p.wait(t)
	tr.stop(sig)
	c.CloseIdleConnections()
	r.add(t, tr.file)
}

// outcome is what the cuts of one record showed.
type outcome struct {
	cuts, started int
	promises      int // those before the cuts, in all
	byLoss        map[string]int
	complaints    []string
}

// cutPower makes images of many moments and judges them. start, if it is not nil,
// starts the binary on some of them.
func cutPower(ctx context.Context, dir string, r *record, n int, rng *rand.Rand, start *starter) (*outcome, error) {
	out := &outcome{byLoss: map[string]int{}}
	d := newDisk(r.dir, r.ops)
	for i, place := range r.moments(n, rng) {
		d.play(place)
		l := loss{strict: i%2 == 0, what: losses[rng.IntN(len(losses))]}
		image := d.image(l, rng)
		mapped(image, rng)
		if err := writeImage(dir, image); err != nil {
			return nil, err
		}
		before := r.before(place)
		var complaints []string
		if start != nil && i%startEvery == 0 {
			out.started++
			complaints = start.deliver(ctx, dir, before)
		}
		complaints = append(complaints, judge(ctx, dir, before, r.key())...)
		for _, c := range complaints {
			out.complaints = append(out.complaints, fmt.Sprintf("cut at %d of %d, %s, strict names %v: %s", place, r.places, l.what, l.strict, c))
		}
		out.cuts++
		out.promises += len(before)
		out.byLoss[l.what]++
	}
	return out, nil
}

// moments are places to cut at, rising: half of them anywhere, half just after an
// answer began.
func (r *record) moments(n int, rng *rand.Rand) []int {
	first := r.ops[0].begin
	list := make([]int, n)
	for i := range list {
		if i%2 == 0 {
			list[i] = r.promises[rng.IntN(len(r.promises))].place + 1
		} else {
			list[i] = first + rng.IntN(r.places-first)
		}
	}
	slices.Sort(list)
	return list
}

// before are the answers that had begun before a place.
func (r *record) before(place int) []promise {
	n := 0
	for n < len(r.promises) && r.promises[n].place < place {
		n++
	}
	return r.promises[:n]
}

// key is the encryption key that the processes made, nil if they were given one.
func (r *record) key() []byte { return r.ends[len(r.ends)-1].files[keyFile] }

// begun is how often the log was begun anew: its own header was written.
func (r *record) begun() (n int) {
	for _, o := range r.ops {
		if o.kind == opWrite && strings.HasSuffix(o.path, "-wal") && o.off == 0 {
			n++
		}
	}
	return n
}

// mapped gives SQLite's index of the log, which is written through memory, some
// content or takes it away: nobody may rely on it after a cut.
func mapped(image map[string][]byte, rng *rand.Rand) {
	for name, content := range image {
		if !strings.HasSuffix(name, "-shm") {
			continue
		}
		switch rng.IntN(3) {
		case 0:
			delete(image, name)
		case 1:
			for i := range content {
				content[i] = byte(rng.Uint32())
			}
		}
	}
}

// chosen is the seed of a test.
func chosen(t *testing.T) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64() >> 1
	}
	t.Logf("seed %d", s)
	return s
}

// TestPowerCut cuts the power of the real binary at any moment of three starts:
// what was not synced is dropped, re-ordered or torn, and it is started on that.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	s := chosen(t)
	r := newReceiver(t, s)
	testCuts(t, recordBinary(t, r), s, "power:cut", &starter{built.Path(t), binarytest.FreeAddress(t), r})
}

// TestPowerCutCheckpoint cuts the power while the log of the embedded store is
// copied into the database and begun anew.
func TestPowerCutCheckpoint(t *testing.T) {
	t.Parallel()
	s := chosen(t)
	rec := recordCheckpoints(t, newReceiver(t, s))
	if n := rec.begun(); n < leastBegun {
		t.Errorf("the log was begun anew %d times, want %d at least", n, leastBegun)
	}
	testCuts(t, rec, s, "power:checkpoint", nil)
}

func testCuts(t *testing.T, rec *record, s uint64, programme string, start *starter) {
	t.Helper()
	checked, early := unsynced(rec)
	report(t, early)
	if start != nil {
		start.receiver.spare()
	}
	n := someCuts
	if *cuts > 0 {
		n = *cuts
	}
	began := time.Now()
	out, err := cutPower(t.Context(), filepath.Join(imageDir(t), "image"), rec, n, rand.New(rand.NewPCG(s, 1)), start)
	if err != nil {
		t.Fatal(err)
	}
	report(t, out.complaints)
	t.Logf("%d calls recorded, %d answers; %d ids checked for the sync before the answer; %d cuts (%v), %d images delivered by the binary, in %v",
		len(rec.ops), len(rec.promises), checked, out.cuts, out.byLoss, out.started, time.Since(began).Round(time.Millisecond))
	counts := map[string]int64{
		"events": int64(checked), "lost": int64(len(out.complaints)), "unsynced": int64(len(early)), "calls": int64(len(rec.ops)),
		"answers": int64(len(rec.promises)), "answers_before_cuts": int64(out.promises), "delivered_images": int64(out.started),
		"log_begun": int64(rec.begun()),
	}
	for what, n := range out.byLoss {
		counts["left_"+what] = int64(n)
	}
	write(t, began, result.Result{Programme: programme, Store: "sqlite", Seed: int64(s), Cycles: out.cuts, Counts: counts})
}

// write writes what was measured, if -chaos.results asks for it and the test has
// not failed.
func write(t *testing.T, began time.Time, r result.Result) {
	t.Helper()
	store := storeVersion(t, r.Store)
	if *results == "" || t.Failed() {
		return
	}
	r.Date = time.Now().UTC().Format(time.DateOnly)
	r.Seconds = time.Since(began).Round(100 * time.Millisecond).Seconds()
	r.Version = result.Version(t.Context()) + ", " + store
	if err := result.Write(*results, r); err != nil {
		t.Error(err)
	}
}

// storeVersion is the version of what kept the data.
func storeVersion(t *testing.T, store string) (version string) {
	t.Helper()
	if store == "postgres" {
		out, err := exec.CommandContext(t.Context(), filepath.Join(pgtest.Installed()[0], "postgres"), "--version").Output()
		if f := strings.Fields(string(out)); err == nil && len(f) > 2 { // postgres (PostgreSQL) 15.14 (Debian …)
			return "PostgreSQL " + f[2]
		}
		t.Fatalf("postgres --version: %q, %v", out, err)
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT 'SQLite ' || sqlite_version()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// imageDir is in the machine's memory where there is room: an image needs no disk.
func imageDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(pgtest.Memory(), "waybell-power")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func report(t *testing.T, complaints []string) {
	t.Helper()
	for i, c := range complaints {
		if i == 10 {
			t.Errorf("… and %d more", len(complaints)-i)
			return
		}
		t.Error(c)
	}
}
