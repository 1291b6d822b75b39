package sqlite

import (
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/storetest"
)

func openStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// contract opens a store whose crash is: closed without a word of its nodes,
// opened again.
func contract(t testing.TB) storetest.Harness {
	dir := t.TempDir()
	s := openStore(t, Config{Dir: dir})
	return storetest.Harness{Store: s, Crash: func(t testing.TB) waybell.Store {
		t.Helper()
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, Config{Dir: dir})
		return s
	}}
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, contract)
}
