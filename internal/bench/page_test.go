package bench

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
)

var update = flag.Bool("update", false, "write docs/performance.md and its plots from docs/performance/result.json")

const (
	pageFile = "../../docs/performance.md"
	pageDir  = "../../docs/performance"
)

// document is what the template of docs/performance.md sees.
type document struct {
	Report
	Earlier []Report // of other machines
}

// Same is the result of another run that is comparable with r, or nil.
func (p document) Same(other Report, r *Result) *Result {
	i := slices.IndexFunc(other.Results, func(o *Result) bool { return o.Scenario == r.Scenario && o.Store == r.Store })
	if i < 0 {
		return nil
	}
	return other.Results[i]
}

// Stores are those that something was measured on.
func (p document) Stores() []string {
	var names []string
	for _, r := range p.Results {
		if !slices.Contains(names, r.Store) {
			names = append(names, r.Store)
		}
	}
	return names
}

// Without are the scenarios of a whole run that this one did without.
func (p document) Without() string {
	return strings.Join(slices.DeleteFunc(All(), func(name string) bool {
		return slices.ContainsFunc(p.Results, func(r *Result) bool { return r.Scenario == name })
	}), ", ")
}

// Rated are the results of the scenarios that alternate with the ceiling.
func (p document) Rated() []*Result {
	return slices.DeleteFunc(slices.Clone(p.Results), func(r *Result) bool { return r.Ratio == 0 })
}

// Missed are the bars that are, each with what missed it.
func (p document) Missed() []string {
	var list []string
	for _, r := range p.Results {
		for _, b := range r.Bars {
			if !b.Met() {
				list = append(list, fmt.Sprintf("%s on %s: %s, it is %s", r.Scenario, r.Store, b.Aim(), short(b.Value)))
			}
		}
	}
	return list
}

// Busy names the scenarios whose ratio is far above what the CPU time tells:
// something else ran on the machine, and took more from the ceiling than from
// them.
func (p document) Busy() string {
	var list []string
	for _, r := range p.Rated() {
		if r.busy() {
			list = append(list, r.Scenario+" on "+r.Store)
		}
	}
	return strings.Join(list, ", ")
}

// BarCount is how many bars there are.
func (p document) BarCount() (n int) {
	for _, r := range p.Results {
		n += len(r.Bars)
	}
	return n
}

// Lost is what went missing in all runs.
func (p document) Lost() (n int64) {
	for _, r := range p.Results {
		n += r.Missing
	}
	return n
}

// Lists are the results that measured lists.
func (p document) Lists() []*Result {
	return slices.DeleteFunc(slices.Clone(p.Results), func(r *Result) bool { return len(r.Lists) == 0 })
}

// Judged says what became of a bar of r, and where CPU time tells less than the
// ratio that was judged.
func (p document) Judged(r *Result, b Bar) string {
	text := short(b.Value)
	if !b.Met() {
		text = "**" + text + "**, missed"
	}
	if b.What == "ratio" && r.CPURatio > 0 && short(r.CPURatio) < short(b.Value) {
		text += "; by CPU " + short(r.CPURatio)
	}
	return text
}

// Narrow names the ratios that meet their bar where those by CPU do not.
func (p document) Narrow() string {
	var list []string
	for _, r := range p.Rated() {
		for _, b := range r.Bars {
			if b.What == "ratio" && b.Met() && r.CPURatio < b.Limit {
				list = append(list, fmt.Sprintf("%s on %s, %s, %s by CPU", r.Scenario, r.Store, b.Aim(), short(r.CPURatio)))
			}
		}
	}
	return strings.Join(list, "; ")
}

// Command is what made the result.
func (p document) Command() string {
	stored := ""
	if r := cmp.Or(p.Of("S7", "sqlite"), p.Of("S7", "postgres")); r != nil {
		n, _, _ := strings.Cut(r.What, " ")
		stored = " --stored " + n
	}
	return "waybell bench --all --store " + strings.Join(p.Stores(), ",") + stored + " -o json > docs/performance/result.json"
}

// Of is the result of a scenario on a store, or nil.
func (p document) Of(scenario, store string) *Result {
	return p.Same(p.Report, &Result{Scenario: scenario, Store: store})
}

// BarOf is a bar of a scenario by its words, or nil.
func (p document) BarOf(scenario, store, what string) *Bar {
	r := p.Of(scenario, store)
	if r == nil {
		return nil
	}
	if i := slices.IndexFunc(r.Bars, func(b Bar) bool { return b.What == what }); i >= 0 {
		return &r.Bars[i]
	}
	return nil
}

// HTTPShare is how many per cent of the server's CPU S1 spends beyond P1, which
// does the same without HTTP; 0 where that is not known.
func (p document) HTTPShare(store string) float64 {
	with, without := p.Of("S1", store), p.Of("P1", store)
	if with == nil || without == nil {
		return 0
	}
	return 100 * (1 - without.CPU/with.CPU)
}

// namedList is a list of S7 and how long it took.
type namedList struct {
	Name, Store string
	Percentiles
}

// SlowestList is the list of S7 with the largest p99, or nil.
func (p document) SlowestList() *namedList {
	var worst *namedList
	for _, r := range p.Lists() {
		for _, name := range slices.Sorted(maps.Keys(r.Lists)) {
			if l := r.Lists[name]; worst == nil || l.P99 > worst.P99 {
				worst = &namedList{name, r.Store, l}
			}
		}
	}
	return worst
}

// PlotOf is the name of a result's plot, "" without one.
func (p document) PlotOf(r *Result) string {
	if len(r.OverTime) == 0 {
		return ""
	}
	return plotName(r)
}

// Settings are those of PostgreSQL that are worth knowing.
func (p document) Settings() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(p.Postgres.Settings)) {
		list = append(list, "`"+name+"="+p.Postgres.Settings[name]+"`")
	}
	return strings.Join(list, ", ")
}

// render makes the page of a report, beside those of earlier runs.
func render(report Report, earlier ...Report) ([]byte, error) {
	text, err := os.ReadFile("testdata/performance.md.tmpl")
	if err != nil {
		return nil, err
	}
	figures := template.FuncMap{
		"f0":    func(v float64) string { return figure("%.0f", v) },
		"f1":    func(v float64) string { return figure("%.1f", v) },
		"f2":    func(v float64) string { return figure("%.2f", v) },
		"f3":    func(v float64) string { return figure("%.3f", v) },
		"f4":    func(v float64) string { return figure("%.4f", v) },
		"short": short,
		"us":    func(v float64) string { return figure("%.1f", 1000*v) }, // s per 1,000 → µs each
		"words": func(name string) string { return strings.ReplaceAll(name, "_", " ") },
	}
	t, err := template.New("performance.md").Funcs(figures).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, document{report, earlier})
	return b.Bytes(), err
}

// TestPage holds docs/performance.md and its plots equal to what the committed
// result makes of them, so that no figure is typed by hand. With -update it
// writes them.
func TestPage(t *testing.T) {
	t.Parallel()
	report := readReport(t, filepath.Join(pageDir, "result.json"))
	others, err := filepath.Glob(filepath.Join(pageDir, "earlier-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var earlier []Report
	for _, name := range others {
		earlier = append(earlier, readReport(t, name))
	}
	want, err := render(report, earlier...)
	if err != nil {
		t.Fatal(err)
	}
	if guide, err := os.ReadFile("../../CONTRIBUTING.md"); err != nil || !strings.Contains(string(guide), "`"+(document{Report: report}).Command()+"`") {
		t.Errorf("CONTRIBUTING.md does not have the command that made the result (%v): %s", err, document{Report: report}.Command())
	}
	files := map[string]string{pageFile: string(want)}
	for name, svg := range Plots(report) {
		files[filepath.Join(pageDir, name)] = svg
	}
	old, err := filepath.Glob(filepath.Join(pageDir, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if _, ok := files[name]; !ok && *update {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		} else if !ok {
			t.Errorf("%s is no plot of the result", name)
		}
	}
	for name, want := range files {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(name); err != nil || string(have) != want {
			t.Errorf("%s is not what the result makes of it (%v): go test ./internal/bench -run Page -update", name, err)
		}
	}
}

func readReport(t *testing.T, name string) (report Report) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&report); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return report
}

// TestPageTells: what is missed is named, and a result of one store is enough.
func TestPageTells(t *testing.T) {
	t.Parallel()
	report := aReport()
	report.Results[0].Bars = []Bar{atLeast("ratio", 0.5, 0.65), atMost("CPU", 0.1, 0.15)}
	got, err := render(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 of 2 bars is missed", "- S1 on sqlite: ratio ≥ 0.650, it is 0.500\n", "performance/S4-sqlite.svg", "| CPU ≤ 0.150 | 0.100 |"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	report.Results[0].Ratio, report.Results[0].CPURatio = 0.66, 0.6
	report.Results[0].Bars = []Bar{atLeast("ratio", 0.66, 0.65)}
	if got, err = render(report); err != nil || !strings.Contains(string(got), "| ratio ≥ 0.650 | 0.660; by CPU 0.600 |") ||
		!strings.Contains(string(got), "not by CPU time: S1 on sqlite, ratio ≥ 0.650, 0.600 by CPU.") {
		t.Errorf("%v:\n%s", err, got)
	}
	report.Results = report.Results[2:]
	if got, err = render(report); err != nil || !strings.Contains(string(got), "No bar is missed.") {
		t.Errorf("%v:\n%s", err, got)
	}
}
