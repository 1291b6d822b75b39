package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/internal/storetest"
)

// database is the URL of a new database with the newest schema: a copy of one
// that was migrated, which is quicker than migrating each.
func database(t testing.TB) string {
	t.Helper()
	return pgtest.DatabaseFrom(t, pgtest.Template(t, "waybell", func(ctx context.Context, url string) error {
		_, err := Migrate(ctx, url)
		return err
	}))
}

func openStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = database(t)
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
// opened again by a process that takes them for dead at once.
func contract(url func(testing.TB) string) storetest.Open {
	return func(t testing.TB) storetest.Harness {
		cfg := Config{URL: url(t), Conns: leastConns}
		s := openStore(t, cfg)
		return storetest.Harness{Store: s, Crash: func(t testing.TB) waybell.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, cfg)
			s.watch.presume = true
			return s
		}}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, contract(database))
}

// TestContractThroughPooler runs the contract behind PgBouncer in transaction
// mode: nothing may rest on a session.
func TestContractThroughPooler(t *testing.T) {
	t.Parallel()
	storetest.Run(t, contract(func(t testing.TB) string { return pooled(t, database(t)) }))
}

func pooled(t testing.TB, url string) string {
	t.Helper()
	at, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return pgtest.StartBouncer(t, url, map[string]string{"default_pool_size": "10"}).URL(at.Database)
}
