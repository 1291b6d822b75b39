// Package sqlite is the embedded store: one file in a data directory, used by
// one process. DESIGN.md has the model, the locks and the failure rules.
//
// Its writer and its checkpointer wait for the disk within calls that the Go runtime
// does not know to block, so each keeps one of its processors meanwhile. Where there are
// few, a program does well to add two, as the server does:
// runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2).
package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell"
)

// FileName is the name of the database in the data directory. SQLite puts two
// more files beside it while it is open.
const FileName = "waybell.db"

const (
	defaultReaders         = 4
	defaultBatchRows       = 4096
	defaultBatchBytes      = 4 << 20
	defaultWriterCache     = 20 << 20
	defaultReaderCache     = 4 << 20
	defaultCheckpointBytes = 48 << 20
	defaultMaxLogBytes     = 256 << 20

	// pageSize holds an attempt with its detail, or several events, without
	// overflow pages; see DESIGN.md for the measurement.
	pageSize = 8192
)

// Config says where the database is and how much it may use. Zero values mean
// the defaults.
type Config struct {
	// Dir is the data directory. It is made, readable by its owner only, when it
	// does not exist.
	Dir string
	// Readers is how many connections read at once; default 4.
	Readers int
	// BatchRows and BatchBytes bound one group commit: rows written and bytes of
	// payload; default 4,096 and 4 MiB.
	BatchRows  int
	BatchBytes int
	// WriterCache and ReaderCache bound the page cache of the writing and of
	// each reading connection in bytes; default 20 MiB and 4 MiB.
	WriterCache int
	ReaderCache int
	// CheckpointBytes is how far the write-ahead log grows before it is copied
	// into the database, beside the writer; default 48 MiB. Under load it grows on
	// meanwhile: at MaxLogBytes, default 256 MiB, the writer waits for the copy.
	CheckpointBytes int64
	MaxLogBytes     int64
	// Logger gets the store's own failures and recoveries; nil discards them.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Readers = cmp.Or(c.Readers, defaultReaders)
	c.BatchRows = cmp.Or(c.BatchRows, defaultBatchRows)
	c.BatchBytes = cmp.Or(c.BatchBytes, defaultBatchBytes)
	c.WriterCache = cmp.Or(c.WriterCache, defaultWriterCache)
	c.ReaderCache = cmp.Or(c.ReaderCache, defaultReaderCache)
	c.CheckpointBytes = cmp.Or(c.CheckpointBytes, defaultCheckpointBytes)
	c.MaxLogBytes = cmp.Or(c.MaxLogBytes, defaultMaxLogBytes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("sqlite: Config.Dir is empty: name the data directory")
	}
	if c.Readers < 0 || c.BatchRows < 0 || c.BatchBytes < 0 || c.WriterCache < 0 ||
		c.ReaderCache < 0 || c.CheckpointBytes < 0 || c.MaxLogBytes < 0 {
		return errors.New("sqlite: Config has a negative number")
	}
	return nil
}

// Store is the embedded store. It implements [waybell.Store].
type Store struct {
	cfg  Config
	path string
	ctx  context.Context // never done
	lock *os.File

	ops     chan *operation
	wanted  chan struct{} // a checkpoint is wanted
	closing chan struct{}
	stopped chan struct{} // the writer has ended
	ended   sync.WaitGroup
	close   func() error // once

	writer     writer
	adopting   sync.Mutex // one Adopt at a time
	adoption   adoption
	checkpoint sync.Mutex // guards checkpointer
	// checks is held for reading by each check, whose connection is its own.
	checks sync.RWMutex
	// hurry is how many wait for checkpoint while nothing else can go on.
	hurry atomic.Int32
	// checkpointer is the connection that copies the log into the database.
	checkpointer *conn
	// readers holds one place per reading connection; nil stands for one that is
	// not open.
	readers chan *conn
	// gen counts how often the database was opened anew after a failure.
	gen atomic.Int64

	commits    atomic.Int64
	commitTime atomic.Int64
	commitRows atomic.Int64

	mu      sync.Mutex // guards version, due and living
	version int64      // of the configuration
	due     dueSet
	types   typeNames
	living  map[int64]livingNode
}

var _ waybell.Store = (*Store)(nil)

// Open opens the database in cfg.Dir, or makes it. It fails with [ErrLocked]
// when the directory is in use, [ErrForeign] or [ErrNewer] when the file is not
// for this program, and with [waybell.ErrUnavailable] when it is damaged or
// cannot be written. ctx is only for opening.
//
// The first Open of a process configures SQLite's library for all of it (see
// preparePageCache): it must not run beside another first use of that library, such as
// that of a database/sql driver for a file of the program's own.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := makeDir(cfg.Dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, path: filepath.Join(cfg.Dir, FileName), ctx: context.WithoutCancel(ctx), lock: lock,
		ops:     make(chan *operation, 1024),
		wanted:  make(chan struct{}, 1),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
		readers: make(chan *conn, cfg.Readers),
		living:  make(map[int64]livingNode),
	}
	s.close = sync.OnceValue(s.shutdown)
	for range cfg.Readers {
		s.readers <- nil
	}
	if err = s.create(); err == nil {
		err = s.openWriter()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.path, err), s.closeWriter(), unlockDir(lock))
	}
	s.ended.Go(s.runWriter)
	s.ended.Go(s.runCheckpointer)
	return s, nil
}

// makeDir makes the data directory and its entry in the parent durable.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		err = syncDir(filepath.Dir(dir))
	case errors.Is(err, os.ErrExist):
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: data directory: %w", waybell.ErrUnavailable, err)
	}
	return nil
}

// create makes an empty database file that only its owner can read; the log
// gets the same rights from SQLite.
func (s *Store) create() error {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), syncDir(s.cfg.Dir))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
	}
	return nil
}

// openWriter opens the writing connection and reads what the store keeps in
// memory.
func (s *Store) openWriter() error {
	c, err := connect(s.path, fmt.Sprintf("page_size = %d", pageSize), "busy_timeout = 2000")
	if err != nil {
		return err
	}
	c.targets = newTargets()
	s.writer.conn = c
	if err := migrateFile(c, s.cfg.WriterCache); err != nil {
		return err
	}
	// What a failed or interrupted commit left in the log is now either in or
	// out; copying it into the database makes "in" durable before anything is
	// built on it.
	l, err := c.logState("TRUNCATE")
	if err != nil {
		return err
	}
	if l.busy && s.writer.broken { // else nothing counts as copied that is not
		return fmt.Errorf("%w: another program reads the database, so that its log cannot be copied", waybell.ErrUnavailable)
	}
	s.writer.logged, s.writer.passed = 0, make(map[waybell.EndpointNumber]passed)
	return s.load(c)
}

// migrateFile sets the connection up. The journal mode comes after the check
// whose file it is: it writes.
func migrateFile(c *conn, cache int) error {
	id, err := c.int("PRAGMA application_id")
	if err != nil {
		return err
	}
	if id != 0 && id != applicationID {
		return ErrForeign
	}
	for _, p := range []string{
		"journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0",
		"foreign_keys = OFF", "trusted_schema = OFF", "temp_store = MEMORY",
		fmt.Sprintf("cache_size = -%d", cache>>10),
	} {
		if err := c.run("PRAGMA " + p); err != nil {
			return err
		}
	}
	mode := ""
	if _, err := c.row(func(r *rows) { mode = r.text() }, "PRAGMA journal_mode"); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: the file system cannot hold a write-ahead log (journal mode %s)", waybell.ErrUnavailable, mode)
	}
	return migrate(c)
}

// load reads the store's memory from the database.
func (s *Store) load(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.version, err = c.int("SELECT value FROM meta WHERE name = 'config_version'"); err != nil {
		return err
	}
	if err := s.types.load(c); err != nil {
		return err
	}
	// A loose scan: one seek for each endpoint, however many rows it has.
	s.due.reset()
	for last, more := int64(-1), true; more; {
		var e, nextAt int64
		more, err = c.row(func(r *rows) { e, nextAt = r.int(), r.int() }, sqlFirstDue, last)
		if err != nil {
			return err
		}
		if more {
			s.due.set(waybell.EndpointNumber(e), nextAt, true)
			last = e
		}
	}
	return nil
}

const sqlFirstDue = `SELECT endpoint, next_at FROM waiting
	WHERE owner = 0 AND deaths < 3 AND endpoint > ? ORDER BY endpoint, next_at LIMIT 1`

// Close finishes the writes under way, copies the log into the database and
// gives the directory back. Later calls of any method fail with ErrUnavailable.
func (s *Store) Close() error { return s.close() }

func (s *Store) shutdown() error {
	close(s.closing)
	s.ended.Wait()
	var errs []error
	for range cap(s.readers) {
		if c := <-s.readers; c != nil {
			errs = append(errs, c.close())
		}
	}
	errs = append(errs, s.closeWriter(), unlockDir(s.lock))
	return errors.Join(errs...)
}

// closeWriter closes the writing connection and the checkpointer. The last
// connection copies the log and removes it, but for one that was given up.
func (s *Store) closeWriter() error {
	s.hurry.Add(1)
	defer s.hurry.Add(-1)
	s.checkpoint.Lock()
	defer s.checkpoint.Unlock()
	end := (*conn).close
	if s.writer.broken || s.writer.conn != nil && s.writer.conn.bad || s.checkpointer != nil && s.checkpointer.bad {
		end = (*conn).giveUp
	}
	var errs []error
	if c := s.checkpointer; c != nil {
		errs = append(errs, end(c))
		s.checkpointer = nil
	}
	if c := s.writer.conn; c != nil {
		errs = append(errs, end(c))
		s.writer.conn = nil
	}
	return errors.Join(errs...)
}

// read lends a reading connection to f.
func (s *Store) read(ctx context.Context, f func(c *conn) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	var c *conn
	select {
	case c = <-s.readers:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	gen := s.gen.Load()
	if c != nil && c.gen != gen {
		_ = c.close() // its database handle was given up
		c = nil
	}
	if c == nil {
		var err error
		if c, err = s.openReader(); err != nil {
			s.readers <- nil
			return err
		}
		c.gen = gen
	}
	defer func() {
		if c.bad {
			_ = c.close()
			c = nil
		}
		s.readers <- c
	}()
	return f(c)
}

func (s *Store) openReader() (*conn, error) {
	return connect(s.path, "busy_timeout = 2000", "query_only = ON", "temp_store = MEMORY",
		fmt.Sprintf("cache_size = -%d", s.cfg.ReaderCache>>10))
}

// holdReaders takes every place of a reader, so that no read is under way, and
// returns the connections, nil where there is none yet. It is not ok when that took
// longer than patience.
func (s *Store) holdReaders(patience time.Duration) (held []*conn, ok bool) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for range cap(s.readers) {
		select {
		case c := <-s.readers:
			held = append(held, c)
		case <-late.C:
			s.freeReaders(held)
			return nil, false
		}
	}
	return held, true
}

// freeReaders gives back what holdReaders took.
func (s *Store) freeReaders(held []*conn) {
	for _, c := range held {
		s.readers <- c
	}
}

// snapshot is read inside one transaction: all statements of f see the same
// state.
func (s *Store) snapshot(ctx context.Context, f func(c *conn) error) error {
	return s.read(ctx, func(c *conn) error { return c.snapshot(f) })
}

func (c *conn) snapshot(f func(c *conn) error) error {
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	err := f(c)
	if _, e := c.exec("ROLLBACK"); e != nil && err == nil {
		err = e
	}
	return err
}

// open tells why nothing more can be asked: the store is closed, or the caller
// has gone.
func (s *Store) open(ctx context.Context) error {
	select {
	case <-s.closing:
		return errClosed
	default:
		return ctx.Err()
	}
}

var errClosed = fmt.Errorf("%w: the store is closed", waybell.ErrUnavailable)

// Stats implements [waybell.MaintenanceStore].
func (s *Store) Stats(ctx context.Context) (waybell.StoreStats, error) {
	st := waybell.StoreStats{
		Driver:     "sqlite",
		Commits:    s.commits.Load(),
		CommitTime: time.Duration(s.commitTime.Load()),
		CommitRows: s.commitRows.Load(),
	}
	if fi, err := os.Stat(s.path); err == nil {
		st.SizeBytes = fi.Size()
	}
	if fi, err := os.Stat(s.path + "-wal"); err == nil {
		st.LogBytes = fi.Size()
	}
	err := s.read(ctx, func(c *conn) error {
		var err error
		st.EventsKept, err = c.int("SELECT value FROM meta WHERE name = 'events'")
		return err
	})
	return st, err
}
