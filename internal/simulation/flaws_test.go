//go:build !race

package simulation_test

import (
	"testing"

	"github.com/waybell/waybell/internal/memstore"
)

// TestFlawsAreFound spoils the store in one way after the other: each is found
// within a few seeds.
func TestFlawsAreFound(t *testing.T) {
	t.Parallel()
	for name, flaws := range map[string]memstore.Flaws{
		"an outcome is forgotten":           {ForgetSettle: 40},
		"a waiting row is lost":             {LoseWaiting: 40},
		"lost leases may write":             {NoFence: true},
		"a claimed row stays free":          {DoubleClaim: 10},
		"a settled delivery is not counted": {Miscount: 40},
		"retries are due at once":           {EarlyRetry: true},
		"held ones in any order":            {Unordered: true},
		"ids may be used again":             {Repeat: true},
		"what is held is sent":              {SendHeld: true},
		"what is claimed counts as begun":   {BeginClaimed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 60
			for seed := range uint64(most) {
				if w := simulate(t, seed+1, flaws); len(w.violations) > 0 {
					t.Logf("seed %d: %s", seed+1, w.violations[0])
					return
				}
			}
			t.Errorf("not found by %d seeds", most)
		})
	}
}
