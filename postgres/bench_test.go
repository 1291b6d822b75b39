package postgres

import (
	"testing"

	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/internal/storetest"
)

// load is a load on a store of its own.
type load struct {
	*storetest.Load
	s *Store
}

func newLoad(tb testing.TB, cfg Config) *load {
	tb.Helper()
	if cfg.URL == "" {
		cfg.URL = pgtest.Start(tb, pgtest.Options{Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB"}}).Database(tb)
	}
	s, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return &load{storetest.NewLoad(tb, s), s}
}

func justLoad(tb testing.TB) *storetest.Load { return newLoad(tb, Config{}).Load }

func BenchmarkDelivery(b *testing.B)   { storetest.BenchDelivery(b, justLoad) }
func BenchmarkPublishers(b *testing.B) { storetest.BenchPublishers(b, justLoad) }
