package simulation_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/memstore"
)

// The flags say which seeds are run.
var (
	seeds = flag.Int("simulation.seeds", 0, "how many seeds to run; 0 = as many as fit into the time of a usual test")
	first = flag.Uint64("simulation.first", 1, "the first of them")
	only  = flag.Uint64("simulation.seed", 0, "run this seed alone and show its trace")
)

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
	w.counts["clusters"]++
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
				_, err := w.nodes[0].svc.ResumeEndpoint(ctx, e.agent.id, e.id, waybell.HeldSend)
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

// TestSeeds runs seeds; each promise is held after each step.
func TestSeeds(t *testing.T) {
	count := *seeds
	if *only != 0 {
		*first, count = *only, 1
	}
	if count == 0 {
		count = 150
	}
	for i := range count {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := simulate(t, seed, memstore.Flaws{})
			if len(w.violations) > 0 {
				t.Errorf("seed %d (run it alone with -simulation.seed %[1]d):\n%s", seed, w.trace())
			} else if *only != 0 {
				t.Logf("trace %016x\n%s", w.sum(), w.trace())
			}
		})
	}
}

// TestRepeats runs seeds twice: what happens follows from the seed.
func TestRepeats(t *testing.T) {
	for i := range max(*seeds, 8) {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			one, two := simulate(t, seed, memstore.Flaws{}), simulate(t, seed, memstore.Flaws{})
			if one.sum() != two.sum() {
				t.Errorf("the traces %016x and %016x differ: %s", one.sum(), two.sum(), difference(one, two))
			}
		})
	}
}

// difference is where two runs of a seed part.
func difference(one, two *world) string {
	a, b := one.lines(), two.lines()
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d of %d and %d:\n%s\n%s", i, len(a), len(b), a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(a), len(b))
}
