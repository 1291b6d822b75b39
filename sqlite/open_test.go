package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/storetest"
)

func TestLock(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a dir with ? # % and ü")
	s := openStore(t, Config{Dir: dir})
	_, err := Open(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	for _, want := range []string{dir, fmt.Sprint(os.Getpid()), "stop that process or choose another directory"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("directory %v, %v", fi.Mode(), err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if fi, err := os.Stat(filepath.Join(dir, FileName+suffix)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("file %s: %v, %v", suffix, fi, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, FileName+"-wal")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is left after Close: %v", err)
	}
	openStore(t, Config{Dir: dir})
}

// TestKilledProcess has another process accept an event and be killed: its lock
// is gone, what it was told is durable, its row is adopted.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv("WAYBELL_TEST_KILLED"); dir != "" {
		l := newLoad(t, Config{Dir: dir})
		l.Accept(t, l.Events(3, 1, 7))
		fmt.Println("accepted")
		_, _ = io.ReadAll(os.Stdin) // until it is killed
	}
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), "WAYBELL_TEST_KILLED="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var word string
	if _, err := fmt.Fscan(out, &word); err != nil || word != "accepted" {
		t.Fatalf("the other process said %q, %v", word, err)
	}
	if _, err := Open(ctx, Config{Dir: dir}); !errors.Is(err, ErrLocked) ||
		!strings.Contains(err.Error(), fmt.Sprint(cmd.Process.Pid)) {
		t.Fatalf("open beside it: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s := openStore(t, Config{Dir: dir})
	lease, err := s.Join(ctx, waybell.NodeInfo{Name: "next"})
	if err != nil {
		t.Fatal(err)
	}
	if n, more, err := s.Adopt(ctx, lease, time.Now()); n != 3 || more || err != nil {
		t.Fatalf("adopted %d, %v, %v", n, more, err)
	}
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestAdoptAmongMany finds the few rows of a dead process among many that wait, in
// short reads.
func TestAdoptAmongMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := newLoad(t, Config{Dir: dir})
	l.Accept(t, l.Events(2, 1, 7))
	aside := l.Events(3*adoptScan, 1, 7)
	for _, e := range aside {
		e.Targets[0].Aside = true
	}
	l.Accept(t, aside)
	l.Accept(t, l.Events(3, 1, 7))
	if err := l.s.Close(); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Config{Dir: dir})
	lease, err := s.Join(t.Context(), waybell.NodeInfo{Name: "next"})
	if err != nil {
		t.Fatal(err)
	}
	total, empty := 0, 0
	for more := true; more; {
		var n int
		if n, more, err = s.Adopt(t.Context(), lease, time.Now()); err != nil {
			t.Fatal(err)
		}
		total += n
		if n == 0 {
			empty++
		}
	}
	if total != 5 || empty < 2 {
		t.Errorf("adopted %d in all, nothing in %d pieces", total, empty)
	}
}

// TestRefused opens files that are not for this program.
func TestRefused(t *testing.T) {
	t.Parallel()
	alter := func(t *testing.T, dir string, sqls ...string) {
		c, err := connect(filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range sqls {
			if err := c.run(sql); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
	}
	made := func(t *testing.T, dir string) {
		if err := openStore(t, Config{Dir: dir}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string)
		want error
		text string
	}{
		{"newer", func(t *testing.T, dir string) { made(t, dir); alter(t, dir, "PRAGMA user_version = 999") }, ErrNewer, "schema 999"},
		{"foreign", func(t *testing.T, dir string) { alter(t, dir, "CREATE TABLE t (x)") }, ErrForeign, FileName},
		{"foreign id", func(t *testing.T, dir string) { alter(t, dir, "PRAGMA application_id = 7") }, ErrForeign, FileName},
		{"text", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, FileName), []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, waybell.ErrUnavailable, "damaged"},
		{"overwritten", func(t *testing.T, dir string) {
			made(t, dir)
			f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(make([]byte, pageSize), 100); err != nil { // the schema's page
				t.Fatal(err)
			}
		}, waybell.ErrUnavailable, "damaged"},
		{"directory", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
				t.Fatal(err)
			}
		}, waybell.ErrUnavailable, FileName},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.make(t, dir)
			for range 2 { // the lock is given back
				_, err := Open(t.Context(), Config{Dir: dir})
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
					t.Fatalf("error %v, want %v with %q", err, c.want, c.text)
				}
			}
		})
	}
	if _, err := Open(t.Context(), Config{Dir: filepath.Join(t.TempDir(), "no", "such")}); !errors.Is(err, waybell.ErrUnavailable) {
		t.Errorf("missing parent: %v", err)
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("no directory")
	}
	if _, err := Open(t.Context(), Config{Dir: t.TempDir(), Readers: -1}); err == nil {
		t.Error("negative number")
	}
}

// TestBubble runs a store inside a synctest bubble: its goroutines block on
// channels only, so that virtual time goes on, and end with Close.
func TestBubble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, err := Open(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		l := storetest.NewLoad(t, s)
		for range 24 {
			time.Sleep(time.Hour)
			events := l.Events(3, 1, 7)
			l.Accept(t, events)
			l.Settle(t, events)
		}
		synctest.Wait()
		if got, want := time.Since(began), 24*(time.Hour+groupOpen); got != want { // outcomes wait for company
			t.Errorf("%v passed, want %v", got, want)
		}
		if n, more, err := s.Sweep(t.Context(), l.Lease, waybell.KeyAt(time.Now()), time.Minute); n != 72 || more || err != nil {
			t.Errorf("swept %d, %v, %v", n, more, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestMigrationNumbers runs migrations whose numbers have a gap, and refuses
// what is not numbered.
func TestMigrationNumbers(t *testing.T) {
	t.Parallel()
	file := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(sql)} }
	gap := fstest.MapFS{
		"migrations/0007_last.sql":  file("ALTER TABLE a ADD COLUMN z INTEGER"),
		"migrations/0001_first.sql": file("CREATE TABLE a (x)"),
		"migrations/0003_third.sql": file("ALTER TABLE a ADD COLUMN y INTEGER"),
	}
	c, err := connect(filepath.Join(t.TempDir(), FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	list, err := readMigrations(gap)
	if err != nil {
		t.Fatal(err)
	}
	// First an older program, then this one, then this one again.
	for _, n := range []int{2, 3, 3} {
		if err := migrateBy(c, list[:n]); err != nil {
			t.Fatal(err)
		}
		if version, err := c.int("PRAGMA user_version"); err != nil || version != list[n-1].number {
			t.Errorf("version %d, %v; want %d", version, err, list[n-1].number)
		}
	}
	if _, err := c.exec("INSERT INTO a (x, y, z) VALUES (1, 2, 3)"); err != nil {
		t.Error(err)
	}
	if err := migrateBy(c, list[:2]); !errors.Is(err, ErrNewer) {
		t.Errorf("the older program again: %v", err)
	}
	for _, name := range []string{"0003_twice.sql", "0000_zero.sql", "04_short.sql", "next.sql", "-001_minus.sql"} {
		bad := maps.Clone(gap)
		bad["migrations/"+name] = file("SELECT 1")
		if list, err := readMigrations(bad); err == nil {
			t.Errorf("%s is taken: %v", name, list)
		}
	}
}
