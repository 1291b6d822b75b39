//go:build linux

package pgtest_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/waybell/waybell/internal/pgtest"
)

func TestBouncerPoolsTransactions(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	b := pgtest.StartBouncer(t, database, map[string]string{"default_pool_size": "2"})
	name := database[strings.LastIndexByte(database, '/')+1 : strings.IndexByte(database, '?')]
	url := b.URL(name) + "&default_query_exec_mode=simple_protocol"

	// One client sets something in its session; another takes that very session,
	// and the first goes on in a second one.
	first, second := connect(t, url), connect(t, url)
	const session = "SELECT pg_backend_pid()"
	exec(t, first, "SET work_mem = '99MB'")
	before := get[int](t, first, session)
	exec(t, second, "BEGIN")
	if taken := get[int](t, second, session); taken != before {
		t.Errorf("session %d is not that of the first client, %d", taken, before)
	}
	if got := get[string](t, second, "SHOW work_mem"); got != "99MB" {
		t.Errorf("the second client has a work_mem of %s: sessions are not shared", got)
	}
	if after := get[int](t, first, session); after == before {
		t.Errorf("the first client has kept session %d", after)
	}
	if got := get[string](t, first, "SHOW work_mem"); got == "99MB" {
		t.Error("SET holds beyond its transaction")
	}

	b.Kill(t)
	if _, err := first.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a connection outlives PgBouncer")
	}
	refused(t, url)
	b.Start(t)
	exec(t, connect(t, url), "SELECT 1")
	if _, err := pgx.Connect(t.Context(), b.URL("nowhere")); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a database that does not exist: %v", err)
	}
}
