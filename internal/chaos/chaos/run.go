package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/waybell/waybell/internal/chaos/result"
)

// options are the flags of a run.
type options struct {
	cycles  int
	store   string
	long    bool
	seed    int64
	results string
}

// ran is what became of a programme.
type ran struct {
	programme
	took    time.Duration
	err     error
	results []result.Result
}

// errFailed tells that a programme failed; its own output says how.
var errFailed = errors.New("not all programmes passed")

// runAll runs programmes one after the other, each with its output as it comes,
// and ends with a table.
func runAll(ctx context.Context, list []programme, o options, out io.Writer) error {
	var all []ran
	for i, p := range list {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(out, "=== %d of %d: %s: %s\n", i+1, len(list), p.name, p.about)
		r, err := run(ctx, p, o, out)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := table(out, all); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if slices.ContainsFunc(all, func(r ran) bool { return r.err != nil }) {
		return errFailed
	}
	return nil
}

// run runs one programme. What it measured goes through a directory of its own, so
// that the table shows this run.
func run(ctx context.Context, p programme, o options, out io.Writer) (ran, error) {
	dir, err := os.MkdirTemp("", "waybell-chaos-results")
	if err != nil {
		return ran{}, err
	}
	defer os.RemoveAll(dir)
	test := exec.CommandContext(ctx, "go", p.args(dir, o)...)
	test.Stdout, test.Stderr = out, out
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) }
	test.WaitDelay = 20 * time.Second
	began := time.Now()
	r := ran{programme: p, err: test.Run(), took: time.Since(began)}
	if r.results, err = result.Read(dir); err != nil {
		return ran{}, err
	}
	if o.results == "" {
		return r, nil
	}
	for _, x := range r.results {
		switch err := result.Write(o.results, x); {
		case errors.Is(err, result.ErrWeaker):
			fmt.Fprintln(out, "kept:", err)
		case err != nil:
			r.err = errors.Join(r.err, err)
		default:
			r.err = errors.Join(r.err, keepSamples(dir, o.results, x))
		}
	}
	return r, nil
}

// keepSamples copies the samples that belong to a result: a file of its name.
func keepSamples(from, to string, r result.Result) error {
	b, err := os.ReadFile(filepath.Join(from, r.Samples()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // most have none
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, r.Samples()), b, 0o644)
}

// args are those of go: the flags that the programme's package has.
func (p *programme) args(results string, o options) []string {
	args := []string{"test", "./" + p.folder, "-run", "^" + p.test + "$", "-v", "-count=1", "-timeout=24h"}
	for _, f := range testFlags(results, o) {
		if f.value != "" && slices.Contains(p.flags, f.name) {
			args = append(args, "-"+f.name+"="+f.value)
		}
	}
	return args
}

// testFlag is a flag of a package's tests; "" leaves it as it is.
type testFlag struct{ name, value string }

// soakTime is how long a soak lasts with --long.
const soakTime = "30m"

// herdSize is how many deliveries a herd is with --long.
const herdSize = "100000"

// testFlags are the flags that packages may have, as the options set them.
func testFlags(results string, o options) []testFlag {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	soak, long, herd := "", "", ""
	if o.long {
		soak, long, herd = soakTime, "true", herdSize
	}
	cycles, seed := number(int64(o.cycles)), number(o.seed)
	return []testFlag{
		{"chaos.cycles", cycles}, {"simulation.seeds", cycles},
		{"chaos.seed", seed}, {"simulation.first", seed},
		{"chaos.long", long}, {"chaos.soak", soak}, {"herd", herd}, {"chaos.results", results},
	}
}

// table shows what was run, one line for each result.
func table(out io.Writer, all []ran) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nprogramme\tfault\tstore\tcycles\tevents\tlost\tunexplained\texplained\ttook\t")
	for _, r := range all {
		verdict := "ok"
		if r.err != nil {
			verdict = "FAILED: " + r.err.Error()
		}
		took := r.took.Round(time.Second)
		if len(r.results) == 0 {
			fmt.Fprintf(w, "%s\t\t\t\t\t\t\t\t%v\t%s\n", r.name, took, verdict)
		}
		for _, x := range r.results {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%v\t%s\n", r.name, x.Programme, x.Store, x.Cycles,
				count(&x, "events"), count(&x, "lost"), count(&x, "unexplained"), count(&x, "explained"), took, verdict)
		}
	}
	return w.Flush()
}

// count is a figure of a result, "" if it was not measured.
func count(r *result.Result, name string) string {
	if n, ok := r.Counts[name]; ok {
		return grouped(n)
	}
	return ""
}
