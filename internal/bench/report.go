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
	if p := report.Postgres; p != nil {
		fmt.Fprintf(w, "PostgreSQL %s", p.Version)
		for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
			fmt.Fprintf(w, ", %s %s", name, p.Settings[name])
		}
		fmt.Fprintln(w)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tstore\tdeliveries/s\tceiling/s\tratio\tby CPU\tCPU s/1,000\tDB CPU s/1,000\tpeak MiB\tDB MiB\tmissing\tduplicates\tbar")
	for _, r := range report.Results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", r.Scenario, r.Store,
			figure("%.0f", r.Rate), figure("%.0f", r.Ceiling), figure("%.3f", r.Ratio), figure("%.3f", r.CPURatio),
			figure("%.3f", r.CPU), figure("%.3f", r.DatabaseCPU), figure("%.0f", r.RSS), figure("%.0f", r.DatabaseMemory),
			r.Missing, r.Dups, r.Bar)
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
	if r.Writes != nil {
		fmt.Fprintf(w, "    per delivery: %.4f commits, %s bytes of write-ahead log, %s bytes written to disk, store grew by %.0f bytes\n",
			r.Writes.Commits, figure("%.0f", r.Writes.WAL), figure("%.0f", r.Writes.Disk), r.Writes.Growth)
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

func figure(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}
