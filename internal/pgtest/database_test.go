//go:build linux

package pgtest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybell/waybell/internal/pgtest"
)

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func get[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	var urls [2]string
	t.Run("live", func(t *testing.T) {
		for i := range urls {
			urls[i] = pgtest.Database(t)
			conn := connect(t, urls[i])
			// Were it the same database, the second would fail.
			exec(t, conn, "CREATE TABLE mark (n int)")
			if got := get[string](t, conn, "SHOW fsync"); got != "on" {
				t.Errorf("fsync is %s", got)
			}
		}
	})
	for _, url := range urls {
		if conn, err := pgx.Connect(t.Context(), url); err == nil {
			t.Errorf("%s is there after its test", url)
			conn.Close(t.Context())
		}
	}
}

func TestTemplateIsFilledOnceAndCopied(t *testing.T) {
	t.Parallel()
	var filled atomic.Int32
	fill := func(ctx context.Context, url string) error {
		filled.Add(1)
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE TABLE mark AS SELECT 7 AS n")
		return err
	}
	template := fmt.Sprintf("mark_%d", time.Now().UnixNano()) // -count runs this test again on the same server
	t.Run("parallel", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				conn := connect(t, pgtest.DatabaseFrom(t, pgtest.Template(t, template, fill)))
				exec(t, conn, "UPDATE mark SET n = n + 1")
				if got := get[int](t, conn, "SELECT sum(n) FROM mark"); got != 8 {
					t.Errorf("the copy has %d", got)
				}
			})
		}
	})
	if n := filled.Load(); n != 1 {
		t.Errorf("filled %d times", n)
	}
}

func BenchmarkDatabase(b *testing.B) {
	pgtest.Server(b)
	for b.Loop() {
		pgtest.Database(b)
	}
}
