//go:build linux

package pgserver

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start, which may be a recovery, or
// to stop.
const patience = 60 * time.Second

// Options configure a server. The zero value is what most callers want.
type Options struct {
	// Settings are those of postgresql.conf, beside and before the package's
	// own: 64MB of shared_buffers, 300 connections, wal_level replica, fsync on.
	Settings map[string]string
	// Bin is the folder of the PostgreSQL programs, see [Installed]; the newest
	// if empty.
	Bin string
	// Dir is where the server's temporary folder is made; [os.TempDir] if empty.
	// It must be open to the user of the servers, and short: a socket's path has
	// 107 bytes at most.
	Dir string
	// Disk, if not 0, puts the data on a disk of its own of so many bytes, at
	// least 64 MiB; see [Server.Fill].
	Disk int64
	// WALApart leaves the write-ahead log outside of Disk. A full disk then
	// fails statements, while a server that cannot write its log crashes.
	WALApart bool
}

// Server is a PostgreSQL server with its data. Its methods may be called from
// any goroutine, one at a time.
type Server struct {
	opts   Options
	bin    string
	folder *Folder
	port   int
	name   string // by which a primary knows a standby

	process *Process // the postmaster
}

// Start makes a server without databases of users and starts it. With an error
// nothing is left of it.
func Start(opts Options) (*Server, error) {
	return newServer(opts, (*Server).create)
}

// StartStandby makes a copy of a running server, which streams from it under the
// name [Server.Name], and starts it. With an error nothing is left of it.
func StartStandby(primary *Server) (*Server, error) {
	opts := primary.opts
	opts.Disk, opts.WALApart, opts.Bin = 0, false, primary.bin
	return newServer(opts, func(s *Server) error {
		s.name = "standby_" + strings.ReplaceAll(filepath.Base(s.folder.dir), "-", "_")
		return s.copy(primary)
	})
}

// newServer makes a server whose data comes from fill, which starts it too.
func newServer(opts Options, fill func(*Server) error) (*Server, error) {
	s := &Server{opts: opts, bin: opts.Bin}
	if s.bin == "" {
		installed := Installed()
		if len(installed) == 0 {
			return nil, errors.New("PostgreSQL is not installed")
		}
		s.bin = installed[0]
	}
	var err error
	if s.folder, err = NewFolder(opts.Dir); err != nil {
		return nil, err
	}
	if err := fill(s); err != nil {
		return nil, errors.Join(err, s.End())
	}
	return s, nil
}

// End stops the server, whatever was done to it, and removes its data.
func (s *Server) End() error {
	err := s.folder.End()
	if s.process != nil {
		<-s.process.done
	}
	return err
}

// create makes the data of a new server and starts it.
func (s *Server) create() error {
	// Nothing but the server has to survive a crash: no fsync while making it.
	args := []string{"-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"}
	if s.opts.Disk != 0 {
		if err := s.folder.mount(s.opts.Disk); err != nil {
			return err
		}
		args = append(args, "--wal-segsize=1")
	}
	if s.opts.WALApart {
		args = append(args, "-X", filepath.Join(s.folder.dir, "wal"))
	}
	if err := run(s.folder.dir, filepath.Join(s.bin, "initdb"), args...); err != nil {
		return err
	}
	return s.launch()
}

// copy copies a running server and starts the copy as its standby, which gives
// its cluster_name as application_name.
func (s *Server) copy(primary *Server) error {
	err := run(s.folder.dir, filepath.Join(s.bin, "pg_basebackup"), "-D", s.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(primary.port),
		"-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	// What ALTER SYSTEM set was copied; a standby has none of its own.
	auto, err := os.OpenFile(filepath.Join(s.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = auto.WriteString("synchronous_standby_names = ''\n")
	if err := errors.Join(err, auto.Close()); err != nil {
		return err
	}
	return s.launch()
}

// launch starts a server that has data and no port. Another process may take
// the port between our look and the server's: then it gets another one.
func (s *Server) launch() error {
	var err error
	for range 5 {
		if s.port, err = FreePort(); err != nil {
			return err
		}
		if err = s.configure(); err != nil {
			return err
		}
		if err = s.Start(); err == nil || !strings.Contains(s.LogTail(20), "could not bind") {
			return err
		}
	}
	return err
}

// configure writes postgresql.conf. ALTER SYSTEM goes before it.
func (s *Server) configure() error {
	settings := map[string]string{
		"cluster_name":               s.name,
		"dynamic_shared_memory_type": "mmap", // in the folder, so that nothing else stays of a killed server
		"listen_addresses":           "127.0.0.1",
		"port":                       strconv.Itoa(s.port),
		"unix_socket_directories":    s.folder.dir,
		"shared_buffers":             "64MB",
		"max_connections":            "300",
		"fsync":                      "on", // the store refuses less
		"wal_level":                  "replica",
		"timezone":                   "UTC",
		"log_timezone":               "UTC",
		"log_line_prefix":            "%m [%p] %d ",
	}
	if s.opts.Disk == 0 {
		settings["wal_keep_size"] = "256MB" // a standby may be away for a while
	} else {
		settings["min_wal_size"], settings["max_wal_size"] = "4MB", "16MB"
	}
	maps.Copy(settings, s.opts.Settings)
	var conf strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	return os.WriteFile(filepath.Join(s.data(), "postgresql.conf"), []byte(conf.String()), 0o644)
}

func (s *Server) data() string { return filepath.Join(s.folder.disk(), "data") }
func (s *Server) log() string  { return filepath.Join(s.folder.dir, "log") }

// Start starts the server again after [Server.Stop], [Server.Kill] or a crash,
// on its port, and waits until it takes connections.
func (s *Server) Start() error {
	if s.Pid() != 0 {
		return errors.New("the server runs already")
	}
	process, err := Launch(s.folder.dir, s.log(), filepath.Join(s.bin, "postgres"), "-D", s.data())
	if err != nil {
		return err
	}
	s.process = process
	return s.await(process.done, "take connections", s.ready)
}

// ready reads what the server says of itself in the file by which pg_ctl waits
// too: the process in line 1, its state in line 8.
func (s *Server) ready() bool {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(s.process.Pid) &&
		slices.Contains([]string{"ready", "standby"}, strings.TrimSpace(lines[7]))
}

// await waits until something holds, or the server has ended.
func (s *Server) await(done <-chan struct{}, what string, holds func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("the server ended; its log ends:\n%s", s.LogTail(20))
		case <-timeout:
			return fmt.Errorf("the server did not %s within %v; its log ends:\n%s", what, patience, s.LogTail(20))
		}
	}
	return nil
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
func (s *Server) Stop(mode StopMode) error {
	signal, known := map[StopMode]syscall.Signal{Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT}[mode]
	if !known {
		return fmt.Errorf("no mode %q", mode)
	}
	if err := s.process.Signal(signal); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	select {
	case <-s.process.done:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the server did not stop within %v; its log ends:\n%s", patience, s.LogTail(20))
	}
}

// Pid is the process of the postmaster, 0 while none runs.
func (s *Server) Pid() int {
	if s.process == nil {
		return 0
	}
	select {
	case <-s.process.done:
		return 0
	default:
		return s.process.Pid
	}
}

// Done is closed when the server that runs now ends.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Name is a standby's application_name, empty for other servers.
func (s *Server) Name() string { return s.name }

// Addr is the host and port of the server. They stay the same over restarts.
func (s *Server) Addr() string { return Address(s.port) }

// URL is that of a database, for the superuser postgres, without a password.
func (s *Server) URL(database string) string { return URL(s.Addr(), database) }

// URL is that of a database behind an address, for the superuser postgres,
// without a password.
func URL(addr, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// LogTail is the end of the server's log, at most so many lines and 64 KiB.
func (s *Server) LogTail(lines int) string {
	f, err := os.Open(s.log())
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
