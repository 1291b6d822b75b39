// Package result keeps what the runs of faults measured: one JSON file for each
// programme and store. docs/reliability.md is made from such files, so that no
// figure in it is typed by hand.
package result

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Result is what one programme of faults measured.
type Result struct {
	// Programme names the faults: "kill", "point:settle.before", "clock", …; what
	// comes before the colon groups programmes.
	Programme string `json:"programme"`
	// Store is "sqlite" or "postgres"; or another word where the programme has a
	// store of its own, such as "memory".
	Store string `json:"store"`
	// Version is that of Waybell, as [Version] says it, of Go and of the store.
	Version string `json:"version"`
	// Date is the day of the run, YYYY-MM-DD (UTC).
	Date string `json:"date"`
	// Seed is that of the random moments: it repeats them as far as they go.
	Seed int64 `json:"seed"`
	// Cycles is how often the fault happened.
	Cycles int `json:"cycles"`
	// Seconds is how long the whole run took.
	Seconds float64 `json:"seconds"`
	// Counts are "events", "requests", "lost", "duplicates", "explained",
	// "unexplained", "refused" and others: see the words in docs/reliability.md.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Times are seconds: "ready_median", "ready_most" and others.
	Times map[string]float64 `json:"times,omitempty"`
	// Note says what was particular of this run.
	Note string `json:"note,omitempty"`
}

// name is the file of a result in its directory.
func (r *Result) name() string { return r.base() + ".json" }

// Samples is the file beside it for what was sampled on the way, as CSV; only soaks
// have one.
func (r *Result) Samples() string { return r.base() + ".csv" }

func (r *Result) base() string {
	return strings.NewReplacer("/", "-", ":", "-").Replace(r.Programme + "-" + r.Store)
}

// ErrWeaker tells that a result was not written: the one that is there is of a
// longer run.
var ErrWeaker = errors.New("a result of a longer run is there: remove its file to replace it")

// Write puts r into dir as <programme>-<store>.json ("/" and ":" become "-"),
// in place of an earlier result of the same name, unless that one is of a longer
// run: what is published gets no weaker by chance, and the error is [ErrWeaker].
// The directory is made if it is not there. A result that does not say what was
// run, on what and when is an error.
func Write(dir string, r Result) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("result %q on %q: %w", r.Programme, r.Store, err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, r.name())
	if old, err := read(path); err == nil && old.outweighs(&r) {
		return fmt.Errorf("%s: %w (%d cycles in %.0f s, this one %d in %.0f s)",
			path, ErrWeaker, old.Cycles, old.Seconds, r.Cycles, r.Seconds)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// outweighs tells whether a run went on for longer than another: by its cycles, or
// where these are one each, as those of a soak, by time.
func (r *Result) outweighs(other *Result) bool {
	return r.Cycles > other.Cycles || r.Cycles == 1 && other.Cycles == 1 && r.Seconds > 2*other.Seconds
}

// read reads one file.
func read(path string) (r Result, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&r); err == nil {
		err = r.check()
	}
	if err == nil && r.name() != filepath.Base(path) {
		err = fmt.Errorf("holds what belongs into %s", r.name())
	}
	return r, err
}

// check finds what is missing.
func (r *Result) check() error {
	switch _, err := time.Parse(time.DateOnly, r.Date); {
	case r.Programme == "" || r.Store == "" || r.Version == "":
		return errors.New("programme, store and version must be set")
	case err != nil:
		return err
	case r.Cycles < 1:
		return errors.New("nothing was run")
	}
	return nil
}

// Read returns the results in dir, by programme and store; none where there is
// no such directory. A file that Write would not have made so is an error.
func Read(dir string) ([]Result, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []Result
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		r, err := read(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, f.Name()), err)
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Programme, b.Programme), strings.Compare(a.Store, b.Store))
	})
	return list, nil
}

// Version names the commit that is checked out in the working directory, with "+"
// if anything but documents was changed since, and Go: "waybell 70351a6, go1.26.8".
// Outside a repository the commit is "unknown". Whoever runs faults adds the
// version of the store.
func Version(ctx context.Context) string {
	commit, err := git(ctx, "rev-parse", "--short", "HEAD")
	if err != nil {
		return "waybell unknown, " + runtime.Version()
	}
	changed, err := git(ctx, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)docs")
	if err != nil || changed != "" {
		commit += "+"
	}
	return "waybell " + commit + ", " + runtime.Version()
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	return strings.TrimSpace(string(out)), err
}
