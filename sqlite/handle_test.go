package sqlite

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybell/waybell"
)

func openConn(t *testing.T) *conn {
	t.Helper()
	c, err := connect(filepath.Join(t.TempDir(), "a b?c#d%.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestValues holds that what is bound comes back: as it was, whatever was bound
// before it, and while other statements run.
func TestValues(t *testing.T) {
	t.Parallel()
	c := openConn(t)
	if err := c.run("CREATE TABLE v (n INTEGER PRIMARY KEY, i INTEGER, t TEXT, b BLOB) STRICT"); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("large ", keptSpace)
	texts := []string{"", "a", "nul \x00 within", "größer", large, ""}
	blobs := [][]byte{nil, {}, {0}, []byte(large), {0xff}, nil}
	for i, s := range texts {
		n, err := c.exec("INSERT INTO v (n, i, t, b) VALUES (?, ?, ?, ?)", i, int64(-i)<<40, s, blobs[i])
		if err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if len(c.space) > keptSpace {
			t.Errorf("%d bytes stay allocated", len(c.space))
		}
	}
	r := c.query("SELECT n, i, t, b FROM v WHERE t <> ? ORDER BY n", "none of them")
	seen := 0
	for ; r.next(); seen++ {
		if _, err := c.int("SELECT count(*) FROM v WHERE t = ?", "another text, bound meanwhile"); err != nil {
			t.Fatal(err)
		}
		n, i, s, b := int(r.int()), r.int(), r.text(), r.blob()
		if n != seen || i != int64(-n)<<40 || s != texts[n] || !bytes.Equal(b, blobs[n]) || (b == nil) != (blobs[n] == nil) {
			t.Errorf("row %d came back as %d, %d, %.20q, %.20q", seen, n, i, s, b)
		}
	}
	if err := r.close(); err != nil || seen != len(texts) {
		t.Errorf("%d rows, %v", seen, err)
	}
}

// TestStatementErrors holds that errors have SQLite's code and text, and that a
// statement can be used again after one.
func TestStatementErrors(t *testing.T) {
	t.Parallel()
	c := openConn(t)
	if err := c.run("CREATE TABLE u (n INTEGER PRIMARY KEY) STRICT"); err != nil {
		t.Fatal(err)
	}
	const insert = "INSERT INTO u (n) VALUES (?)"
	for _, want := range []string{"", "UNIQUE constraint failed: u.n", "UNIQUE constraint failed: u.n"} {
		switch _, err := c.exec(insert, 1); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q is no %q", err, want)
		}
	}
	if n, err := c.exec(insert, 2); n != 1 || err != nil {
		t.Error(n, err)
	}
	for name, err := range map[string]error{
		"too few":  second(c.exec(insert)),
		"too many": second(c.exec(insert, 3, 4)),
		"a type":   second(c.exec(insert, struct{}{})),
		"a query":  c.query("SELECT n FROM u WHERE n = ?").close(),
		"syntax":   c.run("PRAGMA user_version = 1; SELEKT"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if n, err := c.int("SELECT count(*) FROM u"); n != 2 || err != nil {
		t.Error(n, err)
	}
	_, err := connect(filepath.Join(t.TempDir(), "no folder", "a.db"))
	if !errors.Is(err, waybell.ErrUnavailable) || !medium(err) {
		t.Errorf("a file that cannot be opened: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestInterrupt holds that a context ends a long query, before its first row and
// not after, and that the connection works afterwards.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	c := openConn(t)
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.run("CREATE TABLE w (n INTEGER PRIMARY KEY); INSERT INTO w VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	r := c.queryContext(ctx, "SELECT n FROM w ORDER BY n")
	cancel()
	seen := 0
	for r.next() {
		seen++
	}
	if err := r.close(); err != nil || seen != 2 {
		t.Errorf("%d rows of a query that had begun, %v", seen, err)
	}
	const endless = "WITH RECURSIVE e (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM e) SELECT n FROM e WHERE n < 0"
	ctx, cancel = context.WithCancel(t.Context())
	go cancel()
	r = c.queryContext(ctx, endless)
	if r.next() {
		t.Error("the endless query found a row")
	}
	if err := r.close(); !errors.Is(err, context.Canceled) {
		t.Errorf("the endless query ended with %v", err)
	}
	if n, err := c.int("SELECT count(*) FROM w"); n != 2 || err != nil {
		t.Error(n, err)
	}
}
