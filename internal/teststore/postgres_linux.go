package teststore

import (
	"context"
	"log/slog"
	"testing"

	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/postgres"
)

// openShared opens a store on a database of its own.
func openShared(t testing.TB, log *slog.Logger) (*postgres.Store, error) {
	return postgres.Open(t.Context(), postgres.Config{URL: database(t), Logger: log})
}

// database is the URL of a new database with the newest schema: a copy of one
// that was migrated, which is quicker than migrating each.
func database(t testing.TB) string {
	t.Helper()
	return pgtest.DatabaseFrom(t, pgtest.Template(t, "waybell", func(ctx context.Context, url string) error {
		_, err := postgres.Migrate(ctx, url)
		return err
	}))
}
