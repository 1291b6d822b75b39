package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// aReport has one of everything that plots and page show.
func aReport() Report {
	return Report{Results: []*Result{
		{Scenario: "S1", Store: SQLite, Ratio: 0.5, Bars: []Bar{atLeast("ratio", 0.5, 0.4)}},
		{Scenario: "S1", Store: Postgres, Ratio: 1.25},
		{Scenario: "S4", Store: SQLite, OverTime: map[string][]Span{
			"a < b": {{0, Percentiles{P50: 1, P99: 10}}, {10, Percentiles{P50: 0.1, P99: 100}}}}},
		{Scenario: "S9", Store: SQLite},
	}}
}

func TestPlots(t *testing.T) {
	t.Parallel()
	plots := Plots(aReport())
	if len(plots) != 2 {
		t.Fatalf("%d plots, want ratio and S4", len(plots))
	}
	for name, wants := range map[string][]string{
		// The scale goes to 1.3, over 590 pixels from 110.
		"ratio.svg": {`x="110" y="58" width="226.9"`, `x="110" y="82" width="567.3"`, `x1="291.5" y1="55"`, ">S1 postgres</text>", ">1.25</text>"},
		// Three decades from 0.1 over 260 pixels from 76: 1 is at two thirds of them.
		"S4-sqlite.svg": {`points="70,249.3 740,336"`, `points="70,162.7 740,76"`, "a &lt; b", ">0.1</text>", ">100</text>"},
	} {
		for _, want := range wants {
			if !strings.Contains(plots[name], want) {
				t.Errorf("%s has no %s:\n%s", name, want, plots[name])
			}
		}
		d := xml.NewDecoder(strings.NewReader(plots[name]))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if plots := Plots(Report{Results: []*Result{{Scenario: "S9"}}}); len(plots) != 0 {
		t.Errorf("plots of nothing: %v", plots)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := WritePlots(dir, aReport()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "S4-sqlite.svg")); err != nil || string(b) != plots["S4-sqlite.svg"] {
		t.Errorf("%v: %d bytes", err, len(b))
	}
}

func TestRoundStep(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 3: 5, 5.5: 10, 14: 20, 99: 100} {
		if got := roundStep(v); got != want {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	var all timeline
	for i := range 100 { // in no order
		i = i * 7 % 100
		all = append(all, sample{began.Add(time.Duration(i) * time.Second), time.Duration(i) * time.Millisecond})
	}
	part := all.between(began.Add(10*time.Second), began.Add(20*time.Second))
	if p := part.summary(); p.N != 10 || p.Max != 19 || p.P50 != 15 {
		t.Errorf("ten seconds: %+v", p)
	}
	spans := all.spans(10)
	if len(spans) != 10 || spans[0].N != 10 || spans[0].Max != 9 || spans[9].Max != 99 || spans[9].At < 93 || spans[9].At > 95 {
		t.Errorf("%+v", spans)
	}
	if spans := (timeline)(nil).spans(3); spans != nil {
		t.Errorf("%+v", spans)
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bar  Bar
		met  bool
		want string
	}{
		{atLeast("ratio", 0.4, 0.4), true, "ratio ≥ 0.400: 0.400, met"},
		{atLeast("ratio", 0.399, 0.4), false, "ratio ≥ 0.400: 0.399, missed"},
		{atMost("p99 ms", 25, 25), true, "p99 ms ≤ 25.0: 25.0, met"},
		{atMost("MiB", 300.5, 300), false, "MiB ≤ 300: 300, missed"},
	} {
		if tt.bar.Met() != tt.met || tt.bar.String() != tt.want {
			t.Errorf("%v, met %v; want %s", tt.bar, tt.bar.Met(), tt.want)
		}
	}
}
