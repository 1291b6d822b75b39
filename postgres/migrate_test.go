package postgres_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/postgres"
)

// A schema in which nothing can be made says what to do.
func TestMigrateExplains(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, user, want string
	}{
		"a table of another program":  {"CREATE TABLE agents (name text)", "", "tables of another program: give Waybell a database, or a schema, of its own"},
		"migrations of another":       {"CREATE TABLE migrations (id text)", "", "tables of another program"},
		"a user without rights there": {"CREATE ROLE waybell_nobody LOGIN", "waybell_nobody", "GRANT CREATE ON SCHEMA public TO the user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Database(t)
			conn, err := pgx.Connect(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), tt.before); err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			if tt.user != "" {
				u.User = url.User(tt.user)
			}
			if _, err := postgres.Migrate(t.Context(), u.String()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
