package sqlite

import (
	"path/filepath"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

// TestCommitLeavesPageCacheAlone: pages get each other's numbers where rows go and come
// between others, and no number beyond the end of the file stays behind in the cache.
func TestCommitLeavesPageCacheAlone(t *testing.T) {
	t.Parallel()
	c, err := connect(filepath.Join(t.TempDir(), "waybell.db"), "page_size = 4096", "journal_mode = WAL")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := c.exec(sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE t (a INTEGER, b TEXT, PRIMARY KEY (a)) WITHOUT ROWID")
	cache := (*sqlite3.TPCache1)(pointer(pageCacheOf(c.handle)))
	for round := range 50 {
		exec("BEGIN IMMEDIATE")
		exec("DELETE FROM t WHERE a % 7 = ?", round%7)
		for i := range 200 {
			exec("INSERT OR REPLACE INTO t VALUES (?, hex(zeroblob(100)))", (i*7919+round*31)%10_000)
		}
		pages, err := c.int("PRAGMA page_count")
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(cache.FiMaxKey); got < pages/2 || got > pages+1 {
			t.Fatalf("round %d: the cache knows page %d of %d", round, got, pages)
		}
		exec("COMMIT")
	}
}

func pageCacheOf(h *handle) uintptr {
	tree := (*sqlite3.TDb)(pointer((*sqlite3.Tsqlite3)(pointer(h.db)).FaDb)).FpBt
	shared := (*sqlite3.TBtree)(pointer(tree)).FpBt
	pager := (*sqlite3.TBtShared)(pointer(shared)).FpPager
	pages := (*sqlite3.TPager)(pointer(pager)).FpPCache
	return (*sqlite3.TPCache)(pointer(pages)).FpCache
}
