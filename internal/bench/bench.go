// Package bench measures a real server process on loopback, with its store on a
// real disk and fsync on, beside the raw ceiling: a plain net/http loop that
// posts the same bytes to the same receiver, in the same run and in turn with
// it. What counts is the ratio; absolute times mean nothing on a shared
// machine. docs/performance.md describes the scenarios.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Options choose what is measured.
type Options struct {
	Binary    string        // the server's executable
	Dir       string        // where temporary stores are made; "" = the system's
	Scenarios []string      // S1, S2, …; empty = S1, S2, S2b and S3
	Pairs     int           // how often each runs, in turn with the ceiling
	Duration  time.Duration // of one load
	Flags     []string      // for serve
	Progress  io.Writer     // nil = silent
}

// scenarios are all there are, in order.
func scenarios() []struct {
	name string
	run  func(context.Context, *Options) (*Result, error)
} {
	type entry = struct {
		name string
		run  func(context.Context, *Options) (*Result, error)
	}
	var all []entry
	for _, t := range throughputs() {
		all = append(all, entry{t.name, t.run})
		if t.name == "S2" {
			all = append(all, entry{"S2b", drain})
		}
	}
	all = append(all, entry{"S4", idleLatency})
	for _, t := range troubles() {
		all = append(all, entry{t.name, t.run})
	}
	return append(all, entry{"S8", restart}, entry{"S9", idle})
}

// Names lists the scenarios.
func Names() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// Validate fails for a scenario that does not exist and for sizes that measure
// nothing.
func (o *Options) Validate() error {
	for _, name := range o.Scenarios {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	if o.Pairs < 1 || o.Duration < 100*time.Millisecond {
		return fmt.Errorf("%d runs of %v: at least one of 100ms is needed", o.Pairs, o.Duration)
	}
	return nil
}

// Run measures the chosen scenarios, in their own order. With an error it
// returns the results of those before. The context's end ends the servers.
func Run(ctx context.Context, o Options) ([]*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(o.Scenarios) == 0 {
		o.Scenarios = []string{"S1", "S2", "S2b", "S3"}
	}
	// For the receiver, the load and the ceiling alike: a rarer garbage
	// collection makes the raw loop about 15 % cheaper.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var results []*Result
	for _, s := range scenarios() {
		if !slices.Contains(o.Scenarios, s.name) {
			continue
		}
		r, err := s.run(ctx, &o)
		if err != nil {
			return results, fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func (o *Options) progress(format string, args ...any) {
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, format+"\n", args...)
	}
}

// server starts a server on a fresh store.
func (o *Options) server(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp(o.Dir, "waybell-bench-")
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, o.Binary, dir, o.Flags...)
	if err != nil {
		os.RemoveAll(dir)
	}
	return s, err
}

// again starts a server on the store of an ended one.
func (o *Options) again(ctx context.Context, old *server) (*server, error) {
	return startServer(ctx, o.Binary, old.dir, o.Flags...)
}

// discard ends a server and removes its store.
func (o *Options) discard(s *server) {
	s.kill()
	os.RemoveAll(s.dir)
}

// WriteJSON writes the results as one JSON document.
func WriteJSON(w io.Writer, results []*Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"results": results})
}

// WriteTable writes the results for people.
func WriteTable(w io.Writer, results []*Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tdeliveries/s\tceiling/s\tratio\tby CPU\tCPU s/1,000\tpeak MiB\tmissing\tduplicates\tbar")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.Scenario,
			figure("%.0f", r.Rate), figure("%.0f", r.Ceiling), figure("%.3f", r.Ratio), figure("%.3f", r.CPURatio), figure("%.3f", r.CPU), figure("%.0f", r.RSS),
			r.Missing, r.Dups, r.Bar)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		fmt.Fprintf(w, "%s: %s\n", r.Scenario, r.What)
		if r.Latency != nil {
			fmt.Fprintf(w, "    latency p50 %.2f p90 %.2f p99 %.2f max %.2f ms (%d)\n", r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.Max, r.Latency.N)
		}
		names := make([]string, 0, len(r.Figures))
		for name := range r.Figures {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(w, "    %s %.2f\n", name, r.Figures[name])
		}
	}
	return nil
}

func figure(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}
