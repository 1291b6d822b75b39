//go:build linux

package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybell/waybell/internal/pgtest"
)

// soon is long enough for what a healthy server answers at once.
const soon = 300 * time.Millisecond

// unanswered runs a statement that a server must not answer.
func unanswered(t *testing.T, url, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
	}
	if !errors.Is(err, context.DeadlineExceeded) && !pgconn.Timeout(err) {
		t.Errorf("%s was answered: %v", sql, err)
	}
}

func refused(t *testing.T, url string) {
	t.Helper()
	if conn, err := pgx.Connect(t.Context(), url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting gives %v; want it refused", err)
		if err == nil {
			conn.Close(t.Context())
		}
	}
}

func TestStopFreezeKill(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{Dir: pgtest.Memory(), Settings: map[string]string{"work_mem": "7MB"}})
	url := c.Database(t)
	conn := connect(t, url)
	exec(t, conn, "CREATE TABLE mark (n int)")
	if got := get[string](t, conn, "SHOW work_mem"); got != "7MB" {
		t.Errorf("work_mem is %s", got)
	}
	for i, end := range []func(){
		func() { c.Stop(t, pgtest.Fast) },
		func() { c.Stop(t, pgtest.Immediate) },
		func() { c.Kill(t) },
		func() { c.Freeze(t); c.Kill(t) },
	} {
		exec(t, connect(t, url), "INSERT INTO mark VALUES ($1)", i)
		ended := c.Done()
		end()
		<-ended
		if c.Pid() != 0 {
			t.Errorf("%d: process %d still runs", i, c.Pid())
		}
		refused(t, url)
		c.Start(t)
		if got := get[int](t, connect(t, url), "SELECT count(*) FROM mark"); got != i+1 {
			t.Errorf("%d: %d rows after the start, want %d", i, got, i+1)
		}
	}

	conn = connect(t, url)
	c.Freeze(t)
	unanswered(t, url, "SELECT 1")
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "INSERT INTO mark VALUES (100)")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("a frozen session answered: %v", err)
	case <-time.After(soon):
	}
	c.Thaw(t)
	if err := <-answer; err != nil {
		t.Errorf("the session after the thaw: %v", err)
	}
	c.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	c.Stop(t, pgtest.Fast)
	if tail := c.LogTail(1); !strings.Contains(tail, "database system is shut down") {
		t.Errorf("the log ends with %q", tail)
	}
	c.Start(t)
	if got := get[string](t, connect(t, url), "SHOW default_transaction_read_only"); got != "on" {
		t.Errorf("ALTER SYSTEM is forgotten: %s", got)
	}
}

// A primary that dies under load loses nothing that it confirmed while a
// standby was synchronous.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{Dir: pgtest.Memory()})
	url := primary.Database(t)
	exec(t, connect(t, url), "CREATE TABLE mark (n int)")
	standby := primary.Standby(t, true)

	standby.Freeze(t)
	unanswered(t, url, "INSERT INTO mark VALUES (-1)")
	standby.Thaw(t)

	const enough = 200
	written := make(chan int, 1<<16)
	conn := connect(t, url)
	go func() {
		defer close(written)
		for n := 0; ; n++ {
			if _, err := conn.Exec(t.Context(), "INSERT INTO mark VALUES ($1)", n); err != nil {
				return
			}
			written <- n
		}
	}()
	confirmed := 0
	for n := range written {
		if confirmed = n + 1; confirmed == enough {
			primary.Kill(t)
		}
	}
	if confirmed < enough {
		t.Fatalf("only %d writes were confirmed", confirmed)
	}

	standbyURL := strings.Replace(url, primary.Addr(), standby.Addr(), 1)
	after := connect(t, standbyURL)
	if !get[bool](t, after, "SELECT pg_is_in_recovery()") {
		t.Error("the standby takes writes")
	}
	standby.Promote(t)
	if got := get[int](t, after, "SELECT count(*) FROM mark WHERE n BETWEEN 0 AND $1", confirmed-1); got != confirmed {
		t.Errorf("%d of %d confirmed writes are there", got, confirmed)
	}
	exec(t, after, "INSERT INTO mark VALUES (-2)") // it waits for no standby of the old one
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{Disk: 128 << 20, WALApart: true})
	conn := connect(t, c.Database(t))
	exec(t, conn, "CREATE TABLE mark (n int, body text)")
	// A write larger than any free page or block that the server still has.
	const write = "INSERT INTO mark SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, 2000) n"
	c.Fill(t)
	_, err := conn.Exec(t.Context(), write)
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "53100" {
		t.Errorf("a write to a full disk gives %v; want SQLSTATE 53100", err)
	}
	c.Free(t)
	exec(t, conn, write)
	if got := get[int](t, conn, "SELECT count(*) FROM mark"); got != 2000 {
		t.Errorf("%d rows", got)
	}
}

// Nothing is left of a server whose test process was killed, not even if it
// was frozen. The child is this test again.
func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("PGTEST_CHILD"); dir != "" {
		c := pgtest.Start(t, pgtest.Options{Dir: dir})
		c.Freeze(t)
		os.Stdout.WriteString("address " + c.Addr() + "\n")
		select {}
	}
	dir, err := os.MkdirTemp("", "pgtest-parent-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the servers have another user
		t.Fatal(err)
	}
	child := osexec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServerEndsWithItsProcess$")
	child.Env = append(os.Environ(), "PGTEST_CHILD="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	lines := bufio.NewScanner(out)
	for addr == "" && lines.Scan() {
		addr, _ = strings.CutPrefix(lines.Text(), "address ")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Fatalf("the child said %q", addr)
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if t.Context().Err() != nil {
			t.Fatalf("%s is left", left)
		}
	}
	refused(t, "postgres://postgres@"+addr+"/postgres?sslmode=disable")
}
