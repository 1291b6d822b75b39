package sqlite

import (
	"os"
	"path/filepath"
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

// contract opens stores whose crash is: closed without a word of its nodes,
// opened again. They begin as copies of one new database, which is quicker than
// making each.
func contract(t *testing.T) storetest.Open {
	dir := t.TempDir()
	if err := openStore(t, Config{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return func(t testing.TB) storetest.Harness {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), fresh, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, Config{Dir: dir})
		return storetest.Harness{Store: s, Crash: func(t testing.TB) waybell.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, Config{Dir: dir})
			return s
		}}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	var plans planRecorder
	open := contract(t)
	t.Run("Store", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Harness {
			h := open(t)
			t.Cleanup(func() { plans.record(h.Store.(*Store)) })
			return h
		})
	})
	plans.check(t)
}
