package memstore_test

import (
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/memstore"
	"github.com/waybell/waybell/internal/storetest"
)

// The model of a store that simulations run on keeps what real ones keep,
// whether it stands for an embedded one or for one that nodes share.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"embedded": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(testing.TB) storetest.Harness {
				s := memstore.New(memstore.Options{Shared: shared})
				return storetest.Harness{Store: s, Crash: func(testing.TB) waybell.Store {
					s.Crash()
					return s
				}}
			})
		})
	}
}
