package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/waybell/waybell/internal/chaos/result"
)

//go:embed reliability.md.tmpl
var pageText string

const (
	pageFile   = "docs/reliability.md"
	resultsDir = "docs/reliability"
)

// writePage makes the page of a module's folder.
func writePage(ctx context.Context, root string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	page, err := renderPage(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, pageFile), page, 0o644)
}

// renderPage is the page as the results and the tests of a module's folder make it.
func renderPage(root string) ([]byte, error) {
	results, err := result.Read(filepath.Join(root, resultsDir))
	if err != nil {
		return nil, err
	}
	list, err := programmes(root)
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Funcs(template.FuncMap{"cell": cell, "grouped": grouped}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	soaked, err := soakDisk(filepath.Join(root, resultsDir, "soak-sqlite.csv"))
	if err != nil {
		return nil, err
	}
	err = t.Execute(&b, map[string]any{"Programmes": describe(list), "Groups": groups(results), "Total": total(results), "Soaked": soaked})
	return b.Bytes(), err
}

// third is what a soak had on disk, at most, in a third of its time, and how fast
// events came.
type third struct{ MiB, Rate int64 }

// soakDisk reads the samples of a soak of the embedded store: the middle third and
// the last.
func soakDisk(path string) (thirds [2]third, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return thirds, err
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 7 {
		return thirds, fmt.Errorf("%s: %d samples: %w", path, len(rows), err)
	}
	column := func(row []string, name string) float64 {
		v, _ := strconv.ParseFloat(row[slices.Index(rows[0], name)], 64)
		return v
	}
	samples := rows[1:]
	for i := range thirds {
		part := samples[(i+1)*(len(samples)/3):]
		if i == 0 {
			part = part[:len(samples)/3]
		}
		most := 0.0
		for _, row := range part {
			most = max(most, column(row, "store")+column(row, "log"))
		}
		first, last := part[0], part[len(part)-1]
		rate := (column(last, "events") - column(first, "events")) / (column(last, "seconds") - column(first, "seconds"))
		thirds[i] = third{int64(most/(1<<20) + 0.5), int64(rate + 0.5)}
	}
	return thirds, nil
}

// described is a programme as the page has it.
type described struct{ Name, Stores, About string }

func describe(list []programme) (out []described) {
	for _, p := range list {
		out = append(out, described{p.name, strings.Join(p.stores, ", "), p.about})
	}
	return out
}

// sum is of all results. Cuts are of a recorded disk, Soaked events those of soaks;
// faults and events of neither are of running processes.
// Changed are builds with changes that no commit had.
type sum struct {
	Results, Faults, Events, Cuts, Soaked, Seeds int64
	Lost, Unexplained, Explained, Changed        int64
}

func total(results []result.Result) (s sum) {
	for _, r := range results {
		s.Results++
		s.Explained += r.Counts["explained"]
		if strings.Contains(r.Version, "+") {
			s.Changed++
		}
		switch name, _, _ := strings.Cut(r.Programme, ":"); name {
		case "power":
			if r.Programme != "power:order" { // that looks at the order of calls, and cuts nothing
				s.Cuts += int64(r.Cycles)
			}
		case "soak":
			s.Soaked += r.Counts["events"]
		case "simulation":
			s.Seeds += int64(r.Cycles)
		default:
			s.Faults += int64(r.Cycles)
			s.Events += r.Counts["events"]
		}
		s.Lost += r.Counts["lost"] // one of the points' run is told with each of them
		s.Unexplained += r.Counts["unexplained"]
	}
	return s
}

// group are results of one kind: what comes before the colon of their programmes.
type group struct {
	Name, Title string
	Rows        []row
	Runs        []string // seeds, versions, dates
}

// row is one result. Columns that no result of the group has are "".
type row struct {
	Fault, Store, Cycles, Events, Lost, Unexplained, Explained string
	Ready, Besides                                             string
}

// titles are those of the groups that the page puts first, in this order. Others
// follow by name.
func titles() [][2]string {
	return [][2]string{
		{"kill", "kill -9 at any moment"},
		{"point", "kill -9 at named points"},
		{"terminate", "SIGTERM"},
		{"freeze", "A frozen process"},
		{"diskfull", "A full disk"},
		{"filesizelimit", "Writes that fail"},
		{"nodes", "One of several nodes"},
		{"database", "The database"},
		{"power", "Power cuts"},
		{"clock", "Steps of the wall clock"},
		{"poison", "Poison payloads"},
		{"black-holes", "Black holes"},
		{"herd", "A thundering herd, in virtual time"},
		{"simulation", "Simulation"},
		{"soak", "Soak"},
	}
}

// groups sorts results into groups.
func groups(results []result.Result) (list []group) {
	byName := map[string][]result.Result{}
	for _, r := range results {
		name, _, _ := strings.Cut(r.Programme, ":")
		byName[name] = append(byName[name], r)
	}
	known := titles()
	place := func(name string) int {
		if i := slices.IndexFunc(known, func(t [2]string) bool { return t[0] == name }); i >= 0 {
			return i
		}
		return len(known)
	}
	for _, name := range slices.SortedFunc(maps.Keys(byName), func(a, b string) int {
		return cmp.Or(place(a)-place(b), strings.Compare(a, b))
	}) {
		g := group{Name: name, Title: strings.ToUpper(name[:1]) + name[1:]}
		if i := place(name); i < len(known) {
			g.Title = known[i][1]
		}
		for _, r := range byName[name] {
			g.Rows = append(g.Rows, newRow(&r))
		}
		g.Runs = runLines(byName[name])
		list = append(list, g)
	}
	return list
}

// newRow spreads a result over the columns; what has none goes into the last.
func newRow(r *result.Result) row {
	out := row{Fault: r.Programme, Store: r.Store, Cycles: grouped(int64(r.Cycles)),
		Events: count(r, "events"), Lost: count(r, "lost"), Unexplained: count(r, "unexplained")}
	if n, ok := r.Counts["explained"]; ok {
		out.Explained = grouped(n)
		if most := r.Counts["explained_by_one"]; n > 0 && most > 0 {
			out.Explained += ", at most " + grouped(most) + " by one"
		}
	}
	var besides []string
	for _, name := range slices.Sorted(maps.Keys(r.Counts)) {
		switch name {
		case "events", "lost", "unexplained", "explained", "explained_by_one", "duplicates", "faults":
		default:
			besides = append(besides, word(name)+" "+grouped(r.Counts[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Times)) {
		base, kind, _ := cutLast(name, "_")
		switch text := span(r.Times[name]); {
		case kind == "median" && hasTime(r, base+"_most"): // told with the most
		case kind == "most":
			if median, ok := r.Times[base+"_median"]; ok {
				text = span(median) + " median, " + text + " most"
			}
			if base == "ready" {
				out.Ready = text
			} else {
				besides = append(besides, word(base)+" "+text)
			}
		default:
			besides = append(besides, word(name)+" "+text)
		}
	}
	out.Besides = strings.Join(besides, "; ")
	return out
}

func hasTime(r *result.Result, name string) bool {
	_, ok := r.Times[name]
	return ok
}

// cutLast cuts at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// words are what names of figures mean, where their own words do not say it.
func words() map[string]string {
	return map[string]string{
		"refused": "answered 503", "broken": "connections broken", "taken_unanswered": "taken without an answer",
		"late":    "sent again after an answer that came too late",
		"in_hand": "deliveries in hand", "in_hand_at_once": "in hand at once, at most", "sent_by_others": "of those sent by others",
		"taken_over": "taken over after the last heartbeat:", "taken_over_soon": "after the end of a process on the same machine:", "taken_over_beside": "… while another node was away too:",
		"accepts_again": "accepts again after", "joined_again": "joined anew after", "stopped": "stopped in",
		"refused_after": "refused within", "last_attempt": "last attempt after the last heartbeat:",
		"early": "pairs of attempts less than 0.9 s apart", "stamped_off": "requests stamped by the wrong clock",
		"between_attempts": "between two attempts of a delivery, at most", "deaths": "processes killed by it",
		"swallowed": "attempts swallowed at once", "goroutines_most": "goroutines, at most", "descriptors_most": "descriptors, at most",
		"mebibytes_most": "MiB resident, at most", "fresh": "new events waited, at most", "drain": "longest drain",
		"unsynced": "answers before their sync", "answers_before_cuts": "answers that a cut had to keep",
		"delivered_images": "of the images, delivered by the binary", "calls": "system calls recorded", "log_begun": "log begun anew",
		"heap_slope_kib_per_hour": "live memory, KiB/h", "heap_slope_margin_kib": "±", "rss_slope_kib_per_hour": "resident memory, KiB/h",
		"rss_slope_margin_kib": "±", "rss_most_bytes": "resident bytes, at most", "rss_warm_bytes": "after the warm-up", "fds_last": "descriptors at the end",
		"fds_middle": "in the middle", "goroutines_last": "goroutines at the end", "goroutines_middle": "in the middle",
		"disk_last_bytes": "bytes of disk in the last third", "disk_middle_bytes": "in the middle one", "live_mean_bytes": "live bytes, mean",
		"planted": "events of a past day", "planted_left": "of them left", "rate": "events/s", "rate_asked": "asked for",
		"other_ready": "the other node ready after", "waiting_least": "deliveries waiting, at least", "ready_processor": "processor time until ready",
	}
}

func word(name string) string {
	if w, ok := words()[name]; ok {
		return w
	}
	return strings.ReplaceAll(name, "_", " ")
}

// runLines tells of each run what repeats it. Points of the same run, whose times
// since its begin differ, are told together.
func runLines(results []result.Result) (lines []string) {
	type run struct {
		store, date, version, note string
		seed                       int64
	}
	points := map[run][]result.Result{}
	var order []run
	for _, r := range results {
		if !strings.HasPrefix(r.Programme, "point:") {
			lines = append(lines, runLine(&r, r.Programme))
			continue
		}
		of := run{r.Store, r.Date, r.Version, r.Note, r.Seed}
		if points[of] == nil {
			order = append(order, of)
		}
		points[of] = append(points[of], r)
	}
	for _, of := range order {
		longest := slices.MaxFunc(points[of], func(a, b result.Result) int { return cmp.Compare(a.Seconds, b.Seconds) })
		var names []string
		for _, r := range points[of] {
			names = append(names, r.Programme)
		}
		lines = append(lines, runLine(&longest, pointNames(names)))
	}
	return lines
}

// pointNames names points, those with a common beginning by it.
func pointNames(names []string) string {
	var list []string
	for i, name := range names {
		noun, word, _ := cutLast(name, ".")
		if before, _, ok := cutLast(names[max(i-1, 0)], "."); i > 0 && ok && before == noun {
			name = "." + word
		}
		list = append(list, name)
	}
	return strings.Join(list, "`, `")
}

// runLine tells of a run what repeats it.
func runLine(r *result.Result, name string) string {
	line := fmt.Sprintf("`%s` on %s: %s", name, r.Store, r.Date)
	if r.Seed != 0 { // some have no random moments
		line += fmt.Sprintf(", seed %d", r.Seed)
	}
	line += fmt.Sprintf(", %s s, %s", grouped(int64(r.Seconds+0.5)), r.Version)
	if r.Note != "" {
		line += "; " + r.Note
	}
	return line
}

// grouped writes 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span writes seconds: 12 ms, 1.25 s, 90 s.
func span(seconds float64) string {
	switch {
	case seconds < 1:
		return strconv.FormatFloat(seconds*1000, 'f', 0, 64) + " ms"
	case seconds < 10:
		return strconv.FormatFloat(seconds, 'f', 2, 64) + " s"
	}
	return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
}

// cell is a text in a table: what must be zero stands out, what was not measured
// is a dash.
func cell(s string) string {
	if s == "" {
		return "–"
	}
	return strings.ReplaceAll(s, "|", `\|`)
}
