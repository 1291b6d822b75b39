//go:build linux

package pgtest

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybell/waybell/internal/pgserver"
)

// patience is how long a statement about the server may take.
const patience = 60 * time.Second

// Options configure a cluster. The zero value is what most tests want; Dir may
// be [Memory].
type Options = pgserver.Options

// Cluster is a PostgreSQL server with its data. Its methods may be called from
// any goroutine, one at a time; those that take a [testing.TB] fail that test
// at once if they cannot do what they say.
type Cluster struct {
	server   *pgserver.Server
	shared   bool     // lives longer than a test
	standbys []string // the synchronous ones

	databases atomic.Int64 // made so far
	creating  sync.Mutex   // held while a database is copied
	templates map[string]func() error
}

// Memory is a folder in the machine's memory for [Options.Dir], empty if less
// than 2 GiB is free there. An fsync costs nothing in it, which makes tests
// several times as fast and a benchmark worthless. What is there survives the
// death of every process, so faults of processes are as real as on a disk.
func Memory() string {
	const dir = "/dev/shm"
	const writeAndSearch = 0b011 // access(2)
	var fs syscall.Statfs_t
	if syscall.Access(dir, writeAndSearch) != nil {
		return ""
	}
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < 2<<30 {
		return ""
	}
	return dir
}

// Installed lists the folders of the PostgreSQL programs on this machine, the
// newest version first.
func Installed() []string { return pgserver.Installed() }

// shared is the cluster of the test process.
var shared = sync.OnceValues(func() (*Cluster, error) {
	c, err := newCluster(Options{Dir: Memory(), Settings: map[string]string{"max_wal_size": "256MB", "wal_keep_size": "0"}})
	if err == nil {
		c.shared = true
	}
	return c, err
})

// Server is the cluster that the tests of a process share. It is started on
// first use, never stopped before the process ends, and is not to be disturbed.
// It lies in [Memory] where there is enough: a benchmark that writes starts its
// own. The first use must not be in a bubble of testing/synctest.
func Server(t testing.TB) *Cluster {
	t.Helper()
	c, err := shared()
	must(t, err)
	return c
}

// Start starts a cluster of the test's own. It ends with the test, whatever
// was done to it; if the test failed, the end of its log is shown.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c, err := newCluster(opts)
	must(t, err)
	t.Cleanup(func() { c.end(t) })
	return c
}

func newCluster(opts Options) (*Cluster, error) {
	if len(pgserver.Installed()) == 0 {
		return nil, errors.New("PostgreSQL is not installed: make setup")
	}
	s, err := pgserver.Start(opts)
	return &Cluster{server: s, templates: map[string]func() error{}}, err
}

func (c *Cluster) end(t testing.TB) {
	if t.Failed() {
		t.Logf("the log of PostgreSQL on %s ends:\n%s", c.Addr(), c.LogTail(60))
	}
	if err := c.server.End(); err != nil {
		t.Errorf("pgtest: %v", err)
	}
}

// must fails the test with an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// Start starts the server again after [Cluster.Stop], [Cluster.Kill] or a crash,
// on its port, and waits until it takes connections.
func (c *Cluster) Start(t testing.TB) { t.Helper(); must(t, c.server.Start()) }

// StopMode says how a server stops.
type StopMode = pgserver.StopMode

// The modes of pg_ctl stop.
const (
	// Fast ends the sessions, writes a checkpoint and ends.
	Fast = pgserver.Fast
	// Immediate ends at once: the next start is a recovery.
	Immediate = pgserver.Immediate
)

// Stop stops a server that is not frozen and waits for its end.
func (c *Cluster) Stop(t testing.TB, mode StopMode) { t.Helper(); must(t, c.server.Stop(mode)) }

// Freeze stops all processes of the server by SIGSTOP: connections stay open
// and new ones are taken by the kernel, but nobody answers. Its return says
// that none of them runs.
func (c *Cluster) Freeze(t testing.TB) { t.Helper(); must(t, c.server.Freeze()) }

// Thaw lets a frozen server go on.
func (c *Cluster) Thaw(t testing.TB) { t.Helper(); must(t, c.server.Thaw()) }

// Kill ends all processes of the server by SIGKILL at once, frozen or not, as
// if the machine had lost its power, and waits until they are gone.
func (c *Cluster) Kill(t testing.TB) { t.Helper(); must(t, c.server.Kill()) }

// Fill uses up what is free on the cluster's own disk, see [Options]. The
// server gets ENOSPC wherever it needs more until [Cluster.Free]: it fails a
// statement that extends a table, and crashes where it cannot extend its log;
// then it may also fail to start by itself.
func (c *Cluster) Fill(t testing.TB) { t.Helper(); must(t, c.server.Fill()) }

// Free gives back what [Cluster.Fill] took. A server that crashed has to be
// started again.
func (c *Cluster) Free(t testing.TB) { t.Helper(); must(t, c.server.Free()) }

// Pid is the process of the postmaster, 0 while none runs.
func (c *Cluster) Pid() int { return c.server.Pid() }

// Done is closed when the server that runs now ends.
func (c *Cluster) Done() <-chan struct{} { return c.server.Done() }

// Addr is the host and port of the server. They stay the same over restarts.
func (c *Cluster) Addr() string { return c.server.Addr() }

// URL is that of a database, for the superuser postgres, without a password.
func (c *Cluster) URL(database string) string { return c.server.URL(database) }

// LogTail is the end of the server's log, at most so many lines and 64 KiB.
func (c *Cluster) LogTail(lines int) string { return c.server.LogTail(lines) }

// Exec runs statements one after the other as superuser in the database
// postgres, each in a transaction of its own: ALTER SYSTEM, for example.
func (c *Cluster) Exec(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(t.Context())
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("pgtest: %s: %v", statement, err)
		}
	}
}
