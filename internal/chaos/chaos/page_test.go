package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell/internal/chaos/result"
)

const root = "../../.."

// The committed page is what the command makes: no figure in it is typed by hand.
func TestPage(t *testing.T) {
	t.Parallel()
	want, err := renderPage(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what its results make (%v): go run ./internal/chaos/chaos doc", pageFile, err)
	}
}

// Nothing was lost and nothing came twice unexplained in what the page shows.
func TestResults(t *testing.T) {
	t.Parallel()
	list, err := result.Read(filepath.Join(root, resultsDir))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Error("there are no results")
	}
	for _, r := range list {
		if r.Counts["lost"] != 0 || r.Counts["unexplained"] != 0 {
			t.Errorf("%s on %s: %v", r.Programme, r.Store, r.Counts)
		}
	}
}

// The programmes are found, with their flags, and nothing else is taken for one.
func TestProgrammes(t *testing.T) {
	t.Parallel()
	list, err := programmes(root)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]programme{}
	for _, p := range list {
		found[p.name] = p
	}
	for name, store := range map[string]string{
		"kill": "sqlite", "kill-backlog": "sqlite", "terminate": "sqlite", "freeze": "sqlite", "disk-full": "sqlite",
		"file-size-limit": "sqlite", "points": "sqlite", "points-shared": "postgres", "points-migration": "postgres",
		"nodes-kill": "postgres", "nodes-freeze": "postgres", "nodes-terminate": "postgres", "nodes-partition": "postgres",
		"database-stop": "postgres", "database-trouble": "postgres", "database-full": "postgres", "database-failover": "postgres",
	} {
		p, ok := found[name]
		if !ok || !slices.Equal(p.stores, []string{store}) {
			t.Errorf("%s: found as %+v, want on %s", name, p, store)
		}
		for _, f := range []string{"chaos.cycles", "chaos.long", "chaos.seed", "chaos.results"} {
			if ok && !slices.Contains(p.flags, f) {
				t.Errorf("%s is not known to have the flag %s", name, f)
			}
		}
	}
	for _, no := range []string{"judge", "explain", "graft"} {
		if p, ok := found[no]; ok {
			t.Errorf("%s is taken for a programme of faults", p.test)
		}
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	p := programme{test: "TestKill", folder: "internal/chaos", flags: []string{"chaos.cycles", "chaos.results"}}
	got := strings.Join(p.args("dir", options{cycles: 7, long: true}), " ")
	if want := "test ./internal/chaos -run ^TestKill$ -v -count=1 -timeout=24h -chaos.cycles=7 -chaos.results=dir"; got != want {
		t.Errorf("go %s, want %s", got, want)
	}
}

// Any result shows, grouped by what comes before the colon, also one with figures
// that nobody told the page of.
func TestGroups(t *testing.T) {
	t.Parallel()
	list := groups([]result.Result{
		{Programme: "zebra", Store: "memory", Version: "v", Date: "2026-01-02", Seed: 5, Cycles: 10_000, Seconds: 61,
			Counts: map[string]int64{"virtual_hours": 1_234_567}, Times: map[string]float64{"stall": 0.0125}, Note: "striped"},
		{Programme: "point:b", Store: "sqlite", Cycles: 1, Counts: map[string]int64{"events": 5, "lost": 0, "unexplained": 0, "explained": 3, "explained_by_one": 2},
			Times: map[string]float64{"ready_median": 0.25, "ready_most": 12.5}},
		{Programme: "point:a", Store: "sqlite", Cycles: 1, Times: map[string]float64{"stopped_most": 1.5}},
	})
	if len(list) != 2 || list[0].Title != "kill -9 at named points" || list[1].Title != "Zebra" || len(list[0].Rows) != 2 || len(list[0].Runs) != 1 {
		t.Fatalf("grouped as %+v", list)
	}
	for _, c := range []struct{ got, want row }{
		{list[0].Rows[0], row{Fault: "point:b", Store: "sqlite", Cycles: "1", Events: "5", Lost: "0", Unexplained: "0",
			Explained: "3, at most 2 by one", Ready: "250 ms median, 12.5 s most"}},
		{list[0].Rows[1], row{Fault: "point:a", Store: "sqlite", Cycles: "1", Besides: "stopped in 1.50 s"}},
		{list[1].Rows[0], row{Fault: "zebra", Store: "memory", Cycles: "10,000", Besides: "virtual hours 1,234,567; stall 12 ms"}},
	} {
		if c.got != c.want {
			t.Errorf("the row is %+v, want %+v", c.got, c.want)
		}
	}
	if want := []string{"`point:b`, `point:a` on sqlite: , 0 s, "}; !slices.Equal(list[0].Runs, want) {
		t.Errorf("the runs are %q, want %q", list[0].Runs, want)
	}
	if got, want := pointNames([]string{"point:a.x", "point:a.y", "point:b.y", "point:c"}), "point:a.x`, `.y`, `point:b.y`, `point:c"; got != want {
		t.Errorf("the points are %q, want %q", got, want)
	}
	if want := "`zebra` on memory: 2026-01-02, seed 5, 61 s, v; striped"; list[1].Runs[0] != want {
		t.Errorf("the run is %q, want %q", list[1].Runs[0], want)
	}
}

// What only looked at the order of calls cut no power, and what has no random moments
// tells no seed.
func TestTotal(t *testing.T) {
	t.Parallel()
	got := total([]result.Result{
		{Programme: "power:cut", Version: "waybell 1", Cycles: 20, Seed: 7, Counts: map[string]int64{"lost": 0}},
		{Programme: "power:order", Version: "waybell 2+", Cycles: 90},
		{Programme: "kill", Version: "waybell 1", Cycles: 5, Counts: map[string]int64{"events": 50, "lost": 1, "explained": 3}},
	})
	if want := (sum{Results: 3, Faults: 5, Events: 50, Cuts: 20, Lost: 1, Explained: 3, Changed: 1}); got != want {
		t.Errorf("the total is %+v, want %+v", got, want)
	}
	if line := runLine(&result.Result{Store: "sqlite", Version: "v", Date: "2026-01-02"}, "herd"); strings.Contains(line, "seed") {
		t.Errorf("the run is %q", line)
	}
}

// The samples of a result go with it; most have none.
func TestKeepSamples(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	soak := result.Result{Programme: "soak", Store: "sqlite"}
	if err := os.WriteFile(filepath.Join(from, "soak-sqlite.csv"), []byte("seconds\n5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []result.Result{soak, {Programme: "kill", Store: "sqlite"}} {
		if err := keepSamples(from, to, r); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(to)
	if err != nil || len(files) != 1 {
		t.Fatalf("kept %v, %v", files, err)
	}
	if b, err := os.ReadFile(filepath.Join(to, "soak-sqlite.csv")); err != nil || string(b) != "seconds\n5\n" {
		t.Errorf("kept %q, %v", b, err)
	}
}
