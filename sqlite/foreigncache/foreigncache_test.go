// Package foreigncache_test is a program that brought a page cache of its own to SQLite
// before it opened a store. That can be done once in a process, so it is a package of
// its own.
package foreigncache_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	driver "modernc.org/sqlite"
	"modernc.org/sqlite/pcache"

	"github.com/waybell/waybell/sqlite"
)

// TestForeignPageCacheIsLeftAlone: what the store does to SQLite's page cache it does to
// no other.
func TestForeignPageCacheIsLeftAlone(t *testing.T) {
	if err := driver.RegisterPageCache(pcache.New()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	db, err := sql.Open("sqlite", filepath.Join(dir, "other.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (a)) WITHOUT ROWID")
	db.SetMaxOpenConns(1)
	exec("BEGIN")
	for i := range 2000 { // pages exchange their numbers
		exec("INSERT OR REPLACE INTO t VALUES (?, hex(zeroblob(100)))", i*7919%10_000)
	}
	exec("COMMIT")
	var found string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		t.Fatalf("integrity check: %q, %v", found, err)
	}
}
