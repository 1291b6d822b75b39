//go:build linux

package chaos

import (
	"database/sql"
	"flag"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/pgtest"
	_ "modernc.org/sqlite" // for its version
)

var results = flag.String("chaos.results", "", "directory for what the tests measured, one JSON file for each; docs/reliability.md shows those in docs/reliability")

// The two stores, as results name them.
const (
	embeddedStore = "sqlite"
	sharedStore   = "postgres"
)

// record writes what a programme measured, if -chaos.results asks for it and the
// test has not failed. Programme, Store, Seed, Cycles and the figures are the
// caller's; the rest is filled in where it is empty.
func record(t *testing.T, began time.Time, r result.Result) {
	t.Helper()
	if *results == "" {
		return
	}
	if t.Failed() {
		t.Logf("%s on %s failed: no result is written", r.Programme, r.Store)
		return
	}
	if r.Date == "" {
		r.Date = time.Now().UTC().Format(time.DateOnly)
	}
	if r.Seconds == 0 {
		r.Seconds = float64(time.Since(began).Round(time.Second) / time.Second)
	}
	if r.Version == "" {
		r.Version = strings.Join(slices.DeleteFunc([]string{result.Version(t.Context()), storeVersion(t, r.Store)},
			func(s string) bool { return s == "" }), ", ")
	}
	if err := result.Write(*results, r); err != nil {
		t.Error(err)
	}
}

// storeVersion is the version of what keeps the data, "" for another store.
func storeVersion(t *testing.T, store string) string {
	t.Helper()
	var version string
	switch store {
	case embeddedStore:
		db, err := sql.Open("sqlite", ":memory:")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRowContext(t.Context(), "SELECT 'SQLite ' || sqlite_version()").Scan(&version); err != nil {
			t.Fatal(err)
		}
	case sharedStore:
		dirs := pgtest.Installed() // the tests use the first one
		if len(dirs) == 0 {
			t.Fatal("PostgreSQL is not installed")
		}
		out, err := exec.CommandContext(t.Context(), filepath.Join(dirs[0], "postgres"), "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		// postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)
		if f := strings.Fields(string(out)); len(f) > 2 {
			version = "PostgreSQL " + f[2]
		}
	}
	return version
}

// store is the one of a trial, as results name it.
func (tr *trial) store() string {
	if tr.shared != nil {
		return sharedStore
	}
	return embeddedStore
}

// record writes the verdict of a trial with the times that its programme took.
// more adds counts of its own, and may be nil.
func (tr *trial) record(programme string, cycles int, v *verdict, times times, more map[string]int64) {
	tr.t.Helper()
	c := tr.feeder.count()
	counts := map[string]int64{
		"events": int64(v.accepted), "deliveries": int64(v.deliveries), "requests": int64(v.requests),
		"lost": int64(v.lost), "duplicates": int64(v.duplicates), "unexplained": int64(v.unexplained),
		"explained": int64(v.duplicates - v.unexplained), "explained_by_one": int64(most(v.byFault)),
		"refused": int64(c.busy), "broken": int64(c.broken), "taken_unanswered": int64(v.silent), "faults": int64(len(tr.faults)),
	}
	if v.late > 0 {
		counts["late"] = int64(v.late)
	}
	for name, n := range more {
		counts[name] = n
	}
	record(tr.t, tr.began, result.Result{
		Programme: programme, Store: tr.store(), Seed: tr.seed, Cycles: cycles, Counts: counts, Times: times.figures(), Note: tr.note(),
	})
}

// note says what short runs leave out.
func (tr *trial) note() string {
	if tr.shared == nil || *long {
		return ""
	}
	return "short faults, the database in memory"
}

// times are lists of durations by what they are of.
type times map[string][]time.Duration

// figures are the median and the most of each list, in seconds: of more than one
// duration both, of one only the most.
func (x times) figures() map[string]float64 {
	if len(x) == 0 {
		return nil
	}
	f := map[string]float64{}
	seconds := func(d time.Duration) float64 { return float64(d.Round(time.Millisecond).Milliseconds()) / 1000 }
	for name, list := range x {
		if len(list) == 0 {
			continue
		}
		sorted := slices.Sorted(slices.Values(list))
		f[name+"_most"] = seconds(sorted[len(sorted)-1])
		if len(sorted) > 1 {
			f[name+"_median"] = seconds(sorted[len(sorted)/2])
		}
	}
	return f
}

// most is the greatest of some counts, 0 of none.
func most(counts []int) (n int) {
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}
