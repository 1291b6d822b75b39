// Package bench measures a real server process on loopback, with its store on a
// real disk and fsync on, beside the raw ceiling: a plain net/http loop that
// posts the same bytes to the same receiver, in the same run and in turn with
// it. What counts is the ratio; absolute times mean nothing on a shared
// machine. docs/performance.md describes the scenarios.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options choose what is measured.
type Options struct {
	Binary    string        // the server's executable
	Dir       string        // where temporary stores are made; "" = the system's
	Scenarios []string      // S1, S2, …; empty = S1, S2, S2b and S3
	Stores    []string      // [SQLite], [Postgres] or both; empty = SQLite
	Pairs     int           // how often each runs, in turn with the ceiling
	Duration  time.Duration // of one load
	Stored    int           // attempts that S7 begins with
	Waiting   int           // retries that wait in S6
	Version   string        // of the program, for the report
	Flags     []string      // for serve
	Progress  io.Writer     // nil = silent; takes writes from several goroutines

	DatabaseURL      string            // an empty PostgreSQL database; "" = a server of the bench's own
	PostgresSettings map[string]string // of postgresql.conf, for a server of the bench's own

	store    string                // the one of the scenario that runs
	database *database             // nil unless one of the stores is Postgres
	fsync    time.Duration         // of the disk that stores are made on
	ratios   map[[2]string]float64 // of what was measured: by scenario and store
	loading  *sync.Mutex           // held by the load of a scenario that runs on all stores at once
}

// ratio is that of a scenario on the present store, 0 before it was measured.
func (o *Options) ratio(scenario string) float64 { return o.ratios[[2]string{scenario, o.store}] }

// Report is what a bench measured.
type Report struct {
	Machine  Machine       `json:"machine"`
	Postgres *PostgresInfo `json:"postgres,omitempty"`
	Results  []*Result     `json:"results"`
}

// Machine says what was measured, where and when.
type Machine struct {
	Version  string  `json:"version"` // of Waybell
	Go       string  `json:"go"`
	System   string  `json:"system"`
	Cores    int     `json:"cores"`
	Fsync    float64 `json:"fsync_p50_ms"` // 4 KiB appended and synced in the folder of the stores
	Date     string  `json:"date"`         // YYYY-MM-DD, UTC
	Minutes  float64 `json:"minutes"`      // of the whole run
	Pairs    int     `json:"pairs"`
	Duration float64 `json:"load_seconds"`
}

func (o *Options) machine(began time.Time) Machine {
	return Machine{
		Version: o.Version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(),
		Fsync: milliseconds(o.fsync), Date: began.UTC().Format(time.DateOnly), Minutes: time.Since(began).Minutes(),
		Pairs: o.Pairs, Duration: o.Duration.Seconds(),
	}
}

// scenario is one of those that there are.
type scenario struct {
	name string
	run  func(context.Context, *Options) (*Result, error)
	only string // the one store that it makes sense on; "" = any
	more bool   // no part of the whole
	// together says that it runs on all stores at once: it mostly waits.
	together bool
}

// scenarios are all there are, in order.
func scenarios() []scenario {
	var all []scenario
	for _, t := range throughputs() {
		all = append(all, scenario{name: t.name, run: t.run})
		if t.name == "S2" {
			all = append(all, scenario{name: "S2b", run: drain})
		}
	}
	all = append(all, scenario{name: "P1", run: embed}, scenario{name: "S4", run: idleLatency})
	for _, t := range troubles() {
		all = append(all, scenario{name: t.name, run: t.run, more: t.name != "S5"})
	}
	return append(all, scenario{name: "S6", run: recovery}, scenario{name: "S7", run: stored}, scenario{name: "S8", run: restart},
		scenario{name: "S9", run: idle, together: true},
		scenario{name: "N1", run: nodes, only: Postgres, more: true}, scenario{name: "N2", run: limit, only: Postgres, more: true})
}

// Names lists the scenarios.
func Names() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// All names the scenarios of a whole run: S1 to S9 and P1.
func All() []string {
	var names []string
	for _, s := range scenarios() {
		if !s.more {
			names = append(names, s.name)
		}
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
	for _, name := range o.Stores {
		if name != SQLite && name != Postgres {
			return fmt.Errorf("there is no store %q; there are %s and %s", name, SQLite, Postgres)
		}
	}
	for _, s := range o.chosen() {
		if s.only != "" && !slices.Contains(o.stores(), s.only) {
			return fmt.Errorf("%s measures several nodes: it needs the store %s", s.name, s.only)
		}
	}
	switch {
	case (o.DatabaseURL != "" || len(o.PostgresSettings) > 0) && !slices.Contains(o.stores(), Postgres):
		return fmt.Errorf("a database is of use for the store %s only", Postgres)
	case o.DatabaseURL != "" && len(o.PostgresSettings) > 0:
		return errors.New("the settings of a server that is given are not changed")
	case o.Pairs < 1 || o.Duration < 100*time.Millisecond:
		return fmt.Errorf("%d runs of %v: at least one of 100ms is needed", o.Pairs, o.Duration)
	case o.Stored < leastStored && slices.Contains(o.Scenarios, "S7"):
		return fmt.Errorf("%d stored attempts: at least %d are needed", o.Stored, leastStored)
	case o.Waiting < leastWaiting && slices.Contains(o.Scenarios, "S6"):
		return fmt.Errorf("%d waiting retries: at least %d are needed", o.Waiting, leastWaiting)
	}
	return nil
}

func (o *Options) stores() []string {
	if len(o.Stores) == 0 {
		return []string{SQLite}
	}
	return o.Stores
}

// chosen are the scenarios to run, in their own order.
func (o *Options) chosen() []scenario {
	names := o.Scenarios
	if len(names) == 0 {
		names = []string{"S1", "S2", "S2b", "S3"}
	}
	return slices.DeleteFunc(scenarios(), func(s scenario) bool { return !slices.Contains(names, s.name) })
}

// Run measures the chosen scenarios, each on one store after the other. With an
// error it returns the results of those before. The context's end ends the
// servers.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if err := o.Validate(); err != nil {
		return report, err
	}
	// For the receiver, the load and the ceiling alike: a rarer garbage
	// collection makes the raw loop about 15 % cheaper.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	began := time.Now()
	dir := o.Dir
	if dir == "" {
		dir = os.TempDir()
	}
	if o.fsync, err = fsyncTime(dir); err != nil {
		return report, err
	}
	defer func() { report.Machine = o.machine(began) }()
	if slices.Contains(o.stores(), Postgres) {
		if o.database, err = o.openDatabase(ctx); err != nil {
			return report, err
		}
		defer func() { err = errors.Join(err, o.database.close()) }()
		report.Postgres = &o.database.info
	}
	o.ratios, o.loading = make(map[[2]string]float64), new(sync.Mutex)
	for _, s := range o.chosen() {
		o.progress("%s begins, %v since the start", s.name, time.Since(began).Round(time.Second))
		results, err := o.measure(ctx, s)
		report.Results = append(report.Results, results...)
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// measure runs a scenario on each store that it makes sense on.
func (o *Options) measure(ctx context.Context, s scenario) ([]*Result, error) {
	var names []string
	for _, name := range o.stores() {
		if s.only == "" || s.only == name {
			names = append(names, name)
		}
	}
	results, errs := make([]*Result, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		on := *o
		on.store = name
		all.Go(func() { results[i], errs[i] = on.run(ctx, s) })
		if !s.together {
			if all.Wait(); errs[i] != nil {
				break
			}
		}
	}
	all.Wait()
	return slices.DeleteFunc(results, func(r *Result) bool { return r == nil }), errors.Join(errs...)
}

func (o *Options) run(ctx context.Context, s scenario) (*Result, error) {
	r, err := s.run(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s on %s: %w", s.name, o.store, err)
	}
	r.Store = o.store
	if r.Ratio > 0 {
		o.ratios[[2]string{r.Scenario, r.Store}] = r.Ratio
	}
	for _, b := range r.Bars {
		o.progress("%s: %v", s.name, b)
	}
	return r, nil
}

func (o *Options) progress(format string, args ...any) {
	if o.Progress != nil {
		line := fmt.Sprintf(format, args...)
		if o.store != "" {
			line = o.store + ": " + line
		}
		fmt.Fprintln(o.Progress, line)
	}
}

// server starts a server on a fresh store.
func (o *Options) server(ctx context.Context) (*server, error) {
	st, err := o.newStore(ctx)
	if err != nil {
		return nil, err
	}
	err = st.settle(ctx)
	var s *server
	if err == nil {
		s, err = o.on(ctx, st)
	}
	if err != nil {
		return nil, errors.Join(err, st.discard(ctx))
	}
	return s, nil
}

// on starts a server on a store, which may be that of others.
func (o *Options) on(ctx context.Context, st store, flags ...string) (*server, error) {
	dir, err := os.MkdirTemp(o.Dir, "waybell-bench-")
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, o.Binary, dir, st, append(slices.Clone(o.Flags), flags...)...)
	if err != nil {
		os.RemoveAll(dir)
	}
	return s, err
}

// crash ends a server with nothing in order, and leaves its store.
func (s *server) crash() {
	s.kill()
	os.RemoveAll(s.dir)
}

// end ends a server and leaves its store. It has a moment to end in order, and
// so to write a profile that it was told to make.
func (s *server) end() {
	kill := time.AfterFunc(5*time.Second, func() { s.cmd.Process.Kill() })
	s.stop()
	kill.Stop()
	s.crash()
}

// discard ends a server and removes its store.
func (o *Options) discard(ctx context.Context, s *server) {
	s.end()
	if err := s.store.discard(ctx); err != nil {
		o.progress("the store is left: %v", err)
	}
}
