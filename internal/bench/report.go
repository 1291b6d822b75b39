package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// WriteJSON writes a report as one JSON document.
func WriteJSON(w io.Writer, report Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

// WriteTable writes a report for people.
func WriteTable(w io.Writer, report Report) error {
	m := report.Machine
	fmt.Fprintf(w, "Waybell %s, %s, %s, %d cores, fsync %.2f ms, %s, %.1f minutes\n", m.Version, m.Go, m.System, m.Cores, m.Fsync, m.Date, m.Minutes)
	if p := report.Postgres; p != nil {
		fmt.Fprintf(w, "PostgreSQL %s", p.Version)
		for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
			fmt.Fprintf(w, ", %s %s", name, p.Settings[name])
		}
		fmt.Fprintln(w)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tstore\tdeliveries/s\tceiling/s\tratio\tby CPU\tCPU s/1,000\tDB CPU s/1,000\tload\treceiver\tpeak MiB\tDB MiB\tmissing\tduplicates\tbars")
	for _, r := range report.Results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.Scenario, r.Store,
			figure("%.0f", r.Rate), figure("%.0f", r.Ceiling), figure("%.3f", r.Ratio), figure("%.3f", r.CPURatio),
			figure("%.3f", r.CPU), figure("%.3f", r.DatabaseCPU), figure("%.3f", r.LoadCPU), figure("%.3f", r.ReceiverCPU),
			figure("%.0f", r.RSS), figure("%.0f", r.DatabaseMemory),
			r.Missing, r.Dups, missed(r.Bars))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range report.Results {
		writeDetails(w, r)
	}
	return nil
}

func writeDetails(w io.Writer, r *Result) {
	fmt.Fprintf(w, "%s on %s: %s\n", r.Scenario, r.Store, r.What)
	for _, b := range r.Bars {
		fmt.Fprintf(w, "    %v\n", b)
	}
	if r.Writes != nil {
		fmt.Fprintf(w, "    per delivery: %.4f commits, %.1f µs in commits, %.1f µs in fsync, %s bytes of write-ahead log, %s bytes written to disk, store grew by %.0f bytes\n",
			r.Writes.Commits, r.Writes.CommitTime*1000, r.Writes.Sync*1000, figure("%.0f", r.Writes.WAL), figure("%.0f", r.Writes.Disk), r.Writes.Growth)
	}
	if r.Latency != nil {
		fmt.Fprintf(w, "    latency %v\n", r.Latency)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Lists)) {
		fmt.Fprintf(w, "    %s: %v\n", name, r.Lists[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Figures)) {
		fmt.Fprintf(w, "    %s %.2f\n", name, r.Figures[name])
	}
}

// missed says how many bars are missed.
func missed(bars []Bar) string {
	n := 0
	for _, b := range bars {
		if !b.Met() {
			n++
		}
	}
	switch {
	case len(bars) == 0:
		return "-"
	case n == 0:
		return "met"
	}
	return fmt.Sprintf("%d of %d missed", n, len(bars))
}

func figure(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}
