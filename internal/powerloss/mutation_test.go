//go:build linux

package powerloss

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutation spoils a record as a fault of the program would have.
type mutation struct {
	name  string
	spoil func(r *record)
	// order tells that the record alone shows it, without a cut.
	order bool
}

// without is a record that lacks the syncs of some files.
func without(which func(path string) bool) func(*record) {
	return func(r *record) {
		r.ops = slices.DeleteFunc(slices.Clone(r.ops), func(o *op) bool { return o.kind == opSync && which(o.path) })
	}
}

func suffix(s string) func(string) bool {
	return func(path string) bool { return strings.HasSuffix(path, s) }
}

// early moves each answer to where the third sync before it began: as if it were given
// while its sync is under way, or sooner. On a busy machine one or two others have ended
// between an answer's own and its writing.
func early(r *record) {
	const back = 3
	log := newLogOrder(r.ops)
	r.promises = slices.Clone(r.promises)
	for i, p := range r.promises {
		n := 0 // syncs that ended before it
		for n < len(log.syncs) && log.syncs[n].end < p.place {
			n++
		}
		if n > 0 {
			r.promises[i].place = log.syncs[max(0, n-back)].begin
		}
	}
	slices.SortStableFunc(r.promises, func(a, b promise) int { return a.place - b.place })
}

// The judges must find what they are there for: syncs that were left out, and
// answers that come too early.
func TestMutations(t *testing.T) {
	t.Parallel()
	s := chosen(t)
	receiver := newReceiver(t, s)
	binary, checkpoints := recordBinary(t, receiver), recordCheckpoints(t, receiver)
	find := func(t *testing.T, rec *record, m mutation) {
		t.Helper()
		spoilt := *rec
		m.spoil(&spoilt)
		if _, found := unsynced(&spoilt); m.order == (len(found) == 0) {
			t.Errorf("%s: the order of writes and answers shows %d faults", m.name, len(found))
		}
		dir := filepath.Join(imageDir(t), "image")
		rng := rand.New(rand.NewPCG(s, 3))
		for tries := range 20 { // of ten cuts each, until something is found
			out, err := cutPower(t.Context(), dir, &spoilt, 10, rng, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.complaints) > 0 {
				t.Logf("%s: found within %d cuts: %.200s", m.name, 10*(tries+1), out.complaints[0])
				return
			}
		}
		t.Errorf("%s: 200 cuts do not show it", m.name)
	}
	for _, m := range []mutation{
		{"no syncs of the log (synchronous=OFF)", without(suffix("-wal")), true},
		{"no syncs at all", without(func(string) bool { return true }), true},
		{"answers before the sync ends", early, true},
		{"no syncs of the directory", without(func(path string) bool { return path == binary.dir }), false},
		{"no sync of the key file", without(func(path string) bool { return strings.Contains(path, keyFile) }), false},
	} {
		find(t, binary, m)
	}
	find(t, checkpoints, mutation{"no syncs of the database before the log is begun anew", without(suffix(".db")), false})
}
