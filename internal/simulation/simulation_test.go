package simulation_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/memstore"
)

// The flags say which seeds are run.
var (
	seeds   = flag.Int("simulation.seeds", 0, "how many seeds to run; 0 = as many as a usual test has time for")
	first   = flag.Uint64("simulation.first", 1, "the first of them")
	only    = flag.Uint64("simulation.seed", 0, "run this seed alone and show its trace, with -v")
	within  = flag.Duration("simulation.time", 0, "begin no more seeds after so long; 0 = run all of them")
	results = flag.String("chaos.results", "", "write what was found to this directory, for docs/reliability.md")
)

// TestMain has memory collected less often than usual: a seed makes little, and
// leaves it all at once.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	m.Run()
}

// simulate runs one seed and returns its world.
func simulate(t *testing.T, seed uint64, flaws memstore.Flaws) *world {
	t.Helper()
	var w *world
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed)
		w.store.Spoil(flaws)
		w.run()
	})
	return w
}

// run plays a seed to its end.
func (w *world) run() {
	w.newNode(true)
	for range 1 + w.rng.IntN(3) {
		w.join()
	}
	for range 2 + w.rng.IntN(5) {
		w.subscribe()
	}
	all := steps()
	clusters := w.rng.IntN(3)
	for w.left() > 0 && !w.failed() {
		if clusters > 0 && w.chance(30) {
			clusters--
			w.cluster(all)
			continue
		}
		time.Sleep(w.gap())
		w.act(all)
		synctest.Wait()
		w.check()
	}
	w.settle()
	for _, n := range append([]*node{}, w.nodes...) {
		n.stop(time.Minute)
	}
	w.dying.Wait()
	w.receiver.Close()
	w.span = time.Since(w.begun)
}

func (w *world) left() time.Duration { return time.Until(w.end) }

// gap is the time to the next step: days pass, and much happens at once.
func (w *world) gap() time.Duration {
	switch n := w.rng.IntN(100); {
	case n < 45:
		return w.between(time.Microsecond, 3*time.Second)
	case n < 75:
		return w.between(time.Second, 3*time.Minute)
	case n < 95:
		return w.between(time.Minute, time.Hour)
	}
	return w.between(time.Hour, 10*time.Hour)
}

// cluster has several nodes share the store for some minutes.
func (w *world) cluster(all []step) {
	w.step("from now on several nodes")
	w.count("clusters", 1)
	for _, n := range append([]*node{}, w.nodes...) {
		n.stop(w.between(time.Second, 20*time.Second))
	}
	for range 2 + w.rng.IntN(2) {
		time.Sleep(w.between(time.Microsecond, time.Second)) // their clocks tick apart
		w.newNode(false)
	}
	end := time.Now().Add(w.between(time.Minute, 6*time.Minute))
	for time.Now().Before(end) && !w.failed() {
		time.Sleep(w.between(time.Microsecond, 8*time.Second))
		w.act(all)
		synctest.Wait()
		w.check()
	}
	w.step("from now on one node")
	for _, n := range append([]*node{}, w.nodes...) {
		if w.chance(2) {
			n.stop(w.between(time.Second, 20*time.Second))
		} else {
			n.crash()
		}
	}
	w.newNode(true)
}

// settle ends all trouble and waits for what is left; then it judges.
func (w *world) settle() {
	w.step("all receivers are good again")
	w.mu.Lock()
	for _, e := range w.endpoints {
		e.mode = good
	}
	list := append([]*endpoint{}, w.endpoints...)
	w.mu.Unlock()
	time.Sleep(2 * time.Minute) // until the last spell is over
	for _, e := range list {
		if !w.chance(5) {
			err := w.call(func(ctx context.Context) error {
				_, err := w.nodes[0].svc.ResumeEndpoint(ctx, e.agent.id, e.id, waybell.HeldSend, 0)
				return err
			})
			w.step("resume %d: %s", e.number, word(err))
		}
	}
	for range 40 {
		if w.failed() || w.waiting() == 0 {
			break
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		w.check()
	}
	w.judge()
}

// TestSeeds runs the engine for 24 to 72 virtual hours per seed, with faults at random,
// and holds every promise after each step.
func TestSeeds(t *testing.T) {
	t.Parallel()
	r := &run{began: time.Now(), last: *first + uint64(usual) - 1, counts: map[string]int64{}}
	r.next.Store(*first)
	switch {
	case *only != 0:
		r.next.Store(*only)
		r.last = *only
	case *seeds != 0:
		r.last = *first + uint64(*seeds) - 1
	}
	t.Run("all", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				r.work(t)
			})
		}
	})
	t.Logf("%d seeds, %v of simulated time: %v", r.done, r.simulated.Round(time.Hour), r.counts)
	r.record(t)
}

// run is some seeds, in whatever order they come to an end.
type run struct {
	began time.Time
	next  atomic.Uint64
	last  uint64

	mu        sync.Mutex
	done      int
	failed    []uint64
	simulated time.Duration
	counts    map[string]int64
}

// work runs seeds until there are no more, or no more time.
func (r *run) work(t *testing.T) {
	for {
		seed := r.next.Add(1) - 1
		if seed > r.last || *within > 0 && time.Since(r.began) > *within {
			return
		}
		w := simulate(t, seed, memstore.Flaws{})
		r.mu.Lock()
		r.done++
		r.simulated += w.span
		for what, n := range w.counts {
			r.counts[what] += n
		}
		if len(w.violations) > 0 {
			r.failed = append(r.failed, seed)
		}
		r.mu.Unlock()
		switch {
		case len(w.violations) > 0:
			t.Errorf("seed %d (alone with -cpu 1 -simulation.seed %[1]d):\n%s", seed, w.trace())
		case *only != 0:
			t.Logf("trace %016x\n%s", w.sum(), w.trace())
		}
	}
}

// record keeps what a long run found, where it is asked for.
func (r *run) record(t *testing.T) {
	if *results == "" {
		return
	}
	counts := maps.Clone(r.counts)
	counts["seeds"], counts["violations"] = int64(r.done), int64(len(r.failed))
	counts["simulated_hours"] = int64(r.simulated.Hours())
	err := result.Write(*results, result.Result{
		Programme: "simulation", Store: "memory", Version: result.Version(t.Context()), Date: r.began.UTC().Format(time.DateOnly),
		Seed: int64(*first), Cycles: r.done, Seconds: time.Since(r.began).Seconds(), Counts: counts,
		Note: fmt.Sprintf("Seeds %d to %d, each 24 to 72 simulated hours and the time to come to rest.", *first, *first+uint64(r.done)-1),
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRepeats runs seeds twice: what happens follows from the seed. Goroutines that
// wake in the same nanosecond run in any order, see the package comment: from
// there on two runs may part, so what is asked for is that they go together for a
// good part of the way.
func TestRepeats(t *testing.T) {
	t.Parallel()
	same, together := 0, 0.0
	for i := range uint64(tries) {
		one, two := simulate(t, *first+i, memstore.Flaws{}), simulate(t, *first+i, memstore.Flaws{})
		at, what := difference(one, two)
		together += at / tries
		if one.sum() == two.sum() {
			same++
			continue
		}
		t.Logf("seed %d: the traces %016x and %016x part after %.0f %%: %s", *first+i, one.sum(), two.sum(), 100*at, what)
	}
	t.Logf("%d of %d seeds were the same twice; on average %.0f %% were", same, tries, 100*together)
	if together < 0.1 {
		t.Errorf("two runs of a seed go together for %.0f %% of what happens", 100*together)
	}
}

// difference is where two runs of a seed part, as a share of the way.
func difference(one, two *world) (at float64, what string) {
	a, b := one.lines(), two.lines()
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return float64(i) / float64(len(a)), fmt.Sprintf("line %d of %d and %d:\n%s\n%s", i, len(a), len(b), a[i], b[i])
		}
	}
	return 1, fmt.Sprintf("%d lines and %d", len(a), len(b))
}
