//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a server may take to start, which may be a recovery, or
// to stop.
const patience = 60 * time.Second

// Options configure a cluster. The zero value is what most tests want.
type Options struct {
	// Settings are those of postgresql.conf, beside and before the package's
	// own: 64MB of shared_buffers, 300 connections, wal_level replica, fsync on.
	Settings map[string]string
	// Bin is the folder of the PostgreSQL programs, see [Installed]; the newest
	// if empty.
	Bin string
	// Dir is where the cluster's temporary folder is made, see also [Memory];
	// [os.TempDir] if empty. It must be open to the user of the servers, and
	// short: a socket's path has 107 bytes at most.
	Dir string
	// Disk, if not 0, puts the cluster on a disk of its own of so many bytes,
	// at least 64 MiB; see [Cluster.Fill].
	Disk int64
	// WALApart leaves the write-ahead log outside of Disk. A full disk then
	// fails statements, while a server that cannot write its log crashes.
	WALApart bool
}

// Cluster is a PostgreSQL server with its data. Its methods may be called from
// any goroutine, one at a time; those that take a [testing.TB] fail that test
// at once if they cannot do what they say.
type Cluster struct {
	opts     Options
	bin      string
	guard    *guard
	port     int
	shared   bool     // lives longer than a test
	name     string   // by which a primary knows a standby
	standbys []string // the synchronous ones

	cmd  *exec.Cmd     // the postmaster
	done chan struct{} // closed when it has ended

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

// shared is the cluster of the test process.
var shared = sync.OnceValues(func() (*Cluster, error) {
	c, err := newCluster(Options{Dir: Memory(), Settings: map[string]string{"max_wal_size": "256MB", "wal_keep_size": "0"}})
	if err != nil {
		return nil, err
	}
	c.shared = true
	return c, c.create()
})

// Server is the cluster that the tests of a process share. It is started on
// first use, never stopped before the process ends, and is not to be disturbed.
// It lies in [Memory] where there is enough: a benchmark that writes starts its
// own. The first use must not be in a bubble of testing/synctest.
func Server(t testing.TB) *Cluster {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c
}

// Start starts a cluster of the test's own. It ends with the test, whatever
// was done to it; if the test failed, the end of its log is shown.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c, err := newCluster(opts)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { c.end(t) })
	if err := c.create(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c
}

func newCluster(opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts, bin: opts.Bin, templates: map[string]func() error{}}
	if c.bin == "" {
		installed := Installed()
		if len(installed) == 0 {
			return nil, errors.New("PostgreSQL is not installed: make setup")
		}
		c.bin = installed[0]
	}
	var err error
	c.guard, err = newGuard(opts.Dir)
	return c, err
}

func (c *Cluster) end(t testing.TB) {
	if t.Failed() {
		t.Logf("the log of PostgreSQL on port %d ends:\n%s", c.port, c.LogTail(60))
	}
	if err := c.guard.end(); err != nil {
		t.Errorf("pgtest: %v", err)
	}
	if c.done != nil {
		<-c.done
	}
}

// create makes the data of a new cluster and starts it.
func (c *Cluster) create() error {
	// Nothing but the server has to survive a crash: no fsync while making it.
	args := []string{"-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"}
	if c.opts.Disk != 0 {
		if err := c.guard.mount(c.opts.Disk); err != nil {
			return err
		}
		args = append(args, "--wal-segsize=1")
	}
	if c.opts.WALApart {
		args = append(args, "-X", filepath.Join(c.guard.dir, "wal"))
	}
	if err := run(c.guard.dir, filepath.Join(c.bin, "initdb"), args...); err != nil {
		return err
	}
	return c.launch()
}

// launch starts a server that has data and no port. Another process may take
// the port between our look and the server's: then it gets another one.
func (c *Cluster) launch() error {
	var err error
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.configure(); err != nil {
			return err
		}
		if err = c.start(); err == nil || !strings.Contains(c.LogTail(20), "could not bind") {
			return err
		}
	}
	return err
}

// configure writes postgresql.conf. ALTER SYSTEM goes before it.
func (c *Cluster) configure() error {
	settings := map[string]string{
		"cluster_name":               c.name,
		"dynamic_shared_memory_type": "mmap", // in the folder, so that nothing else stays of a killed server
		"listen_addresses":           "127.0.0.1",
		"port":                       strconv.Itoa(c.port),
		"unix_socket_directories":    c.guard.dir,
		"shared_buffers":             "64MB",
		"max_connections":            "300",
		"fsync":                      "on", // the store refuses less
		"wal_level":                  "replica",
		"timezone":                   "UTC",
		"log_timezone":               "UTC",
		"log_line_prefix":            "%m [%p] %d ",
	}
	if c.opts.Disk == 0 {
		settings["wal_keep_size"] = "256MB" // a standby may be away for a while
	} else {
		settings["min_wal_size"], settings["max_wal_size"] = "4MB", "16MB"
	}
	maps.Copy(settings, c.opts.Settings)
	var conf strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	return os.WriteFile(filepath.Join(c.data(), "postgresql.conf"), []byte(conf.String()), 0o644)
}

func (c *Cluster) data() string { return filepath.Join(c.guard.disk(), "data") }
func (c *Cluster) log() string  { return filepath.Join(c.guard.dir, "log") }

// start starts the server and waits until it takes connections.
func (c *Cluster) start() error {
	if c.Pid() != 0 {
		return errors.New("the server runs already")
	}
	cmd, err := command(c.guard.dir, filepath.Join(c.bin, "postgres"), "-D", c.data())
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended is in its log
	}()
	c.cmd, c.done = cmd, done
	return c.await(done, "take connections", c.ready)
}

// ready reads what the server says of itself in the file by which pg_ctl waits
// too: the process in line 1, its state in line 8.
func (c *Cluster) ready() bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(c.cmd.Process.Pid) &&
		slices.Contains([]string{"ready", "standby"}, strings.TrimSpace(lines[7]))
}

// await waits until something holds, or the server has ended.
func (c *Cluster) await(done <-chan struct{}, what string, holds func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("the server ended; its log ends:\n%s", c.LogTail(20))
		case <-timeout:
			return fmt.Errorf("the server did not %s within %v; its log ends:\n%s", what, patience, c.LogTail(20))
		}
	}
	return nil
}

// Start starts the server again after [Cluster.Stop], [Cluster.Kill] or a crash,
// on its port, and waits until it takes connections.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// StopMode says how a server stops.
type StopMode string

// The modes of pg_ctl stop.
const (
	// Fast ends the sessions, writes a checkpoint and ends.
	Fast StopMode = "fast"
	// Immediate ends at once: the next start is a recovery.
	Immediate StopMode = "immediate"
)

// Stop stops a server that is not frozen and waits for its end.
func (c *Cluster) Stop(t testing.TB, mode StopMode) {
	t.Helper()
	signal, known := map[StopMode]syscall.Signal{Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT}[mode]
	if !known {
		t.Fatalf("pgtest: no mode %q", mode)
	}
	if err := c.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("pgtest: stop: %v", err)
	}
	select {
	case <-c.done:
	case <-time.After(patience):
		t.Fatalf("pgtest: the server did not stop within %v; its log ends:\n%s", patience, c.LogTail(20))
	}
}

// Pid is the process of the postmaster, 0 while none runs.
func (c *Cluster) Pid() int {
	if c.done == nil {
		return 0
	}
	select {
	case <-c.done:
		return 0
	default:
		return c.cmd.Process.Pid
	}
}

// Done is closed when the server that runs now ends.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Addr is the host and port of the server. They stay the same over restarts.
func (c *Cluster) Addr() string { return address(c.port) }

// URL is that of a database, for the superuser postgres, without a password.
func (c *Cluster) URL(database string) string { return databaseURL(c.Addr(), database) }

func databaseURL(addr, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

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

// LogTail is the end of the server's log, at most so many lines and 64 KiB.
func (c *Cluster) LogTail(lines int) string {
	f, err := os.Open(c.log())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 64 << 10
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	buf := make([]byte, min(info.Size(), most))
	n, err := f.ReadAt(buf, info.Size()-int64(len(buf)))
	if err != nil && n == 0 && len(buf) > 0 {
		return err.Error()
	}
	all := strings.SplitAfter(strings.TrimSpace(string(buf[:n])), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
