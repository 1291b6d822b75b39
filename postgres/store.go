// Package postgres is the shared store: any number of nodes on one PostgreSQL
// (15 or newer), and nothing else. Its design is in DESIGN.md; its contract is
// waybell.Store and internal/storetest.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/waybell/waybell"
)

// Config is how a store is opened. Only URL is required.
type Config struct {
	// URL is of the form postgres://user:password@host:5432/database, with
	// several hosts and target_session_attrs=read-write where there are standbys.
	// It may lead through a pooler in transaction mode.
	URL string
	// ListenURL leads to the same database without a pooler: what other nodes
	// change is then heard at once. Without it, and behind a pooler, it is asked
	// for.
	ListenURL string
	// ReplicaURL leads to a standby that answers the queries of the log, as far
	// behind as the standby is; the primary answers while it does not.
	ReplicaURL string
	// Lanes is how many transactions of publishers run at once; default 2.
	Lanes int
	// Conns is how many connections this process opens at most; default 16, at
	// least 8.
	Conns int
	// Timeout is how long a transaction may take, and how long a publisher waits
	// for its place in one; default 4 s. Publishing answers within it.
	Timeout time.Duration
	// NoMigrate leaves the schema as it is; Open fails when it is too old.
	NoMigrate bool
	Logger    *slog.Logger // nil = silence
}

const (
	defaultLanes   = 2
	defaultConns   = 16
	leastConns     = 8
	defaultTimeout = 4 * time.Second
	readTimeout    = 5 * time.Second // of one reading call
	readAllTimeout = 2 * time.Minute // of one that looks at all that waits, or all of the configuration
	connectTimeout = 3 * time.Second
	// reserved is how many connections are left to writers and heartbeats by
	// those who read.
	reserved = 6
	// changersMost is how many of those people have who change something.
	changersMost = 3
)

// batchRows and batchBytes bound one transaction of publishers.
const (
	batchRows  = 2048
	batchBytes = 4 << 20
)

func (c Config) withDefaults() Config {
	c.Lanes = cmp.Or(c.Lanes, defaultLanes)
	c.Conns = cmp.Or(c.Conns, defaultConns)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.URL == "":
		return errors.New("postgres: Config.URL is empty: name the database")
	case c.Lanes < 0 || c.Timeout < 0:
		return errors.New("postgres: Config has a negative number")
	case c.Conns != 0 && c.Conns < leastConns:
		return fmt.Errorf("postgres: Config.Conns is %d; it must be at least %d", c.Conns, leastConns)
	}
	return nil
}

// Store is the shared store. It implements [waybell.Store].
type Store struct {
	cfg     Config
	pool    *pgxpool.Pool
	replica *pgxpool.Pool // nil without one
	readers chan struct{} // one place per read under way
	// logReaders and changers are the same for queries of the log, of which there
	// are fewer places, and for what people change.
	logReaders, changers chan struct{}
	pooled               bool   // a pooler lies between: sessions keep nothing
	server               string // its version
	// listening tells that notifications are heard at this moment.
	listening atomic.Bool

	ctx     context.Context // ends with the store
	cancel  context.CancelCauseFunc
	ended   sync.WaitGroup
	close   func() error // once
	changes chan struct{}
	ops     chan *operation // publishers

	commits    atomic.Int64
	commitTime atomic.Int64
	commitRows atomic.Int64

	leases   leases
	joined   atomic.Bool // a joining succeeded: see Join
	watch    watch
	adopting adopting
	days     days
	due      dueSet
	passes   passes
}

var errClosed = fmt.Errorf("%w: the store is closed", waybell.ErrUnavailable)

// Open connects, brings the schema to the newest version and starts the writers.
// Errors: ErrUnavailable where the server cannot be reached (with ErrDenied where
// it refuses user, password or database), ErrNewer.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Store{
		cfg: cfg, changes: make(chan struct{}, 1), ops: make(chan *operation, 4096),
		readers: make(chan struct{}, max(2, cfg.Conns-reserved)), changers: make(chan struct{}, changersMost),
	}
	s.logReaders = make(chan struct{}, max(1, cap(s.readers)-2))
	s.watch.deadAfter, s.watch.gap = nodeDeadAfter, lookGap
	s.due.reset()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	var err error
	if s.pool, err = s.connect(ctx, cfg.URL, cfg.Conns); err != nil {
		return nil, err
	}
	if cfg.ReplicaURL != "" {
		if s.replica, err = s.connect(ctx, cfg.ReplicaURL, max(2, cfg.Conns/2)); err != nil {
			s.pool.Close()
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.close = sync.OnceValue(s.shutdown)
	if err := s.makeDays(ctx, time.Now()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.ended.Go(func() { s.keepDays(s.ctx) })
	for lane := range cfg.Lanes {
		s.ended.Go(func() { s.runLane(lane) })
	}
	if url := s.listenURL(); url != "" {
		s.ended.Go(func() { s.listen(url) })
	}
	return s, nil
}

// prepare looks at the server on a connection of its own and migrates.
func (s *Store) prepare(ctx context.Context) error {
	conn, err := dial(ctx, s.cfg.URL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to lose
	var (
		pid    uint32
		number int
		fsync  string
	)
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), current_setting('server_version_num')::int,
		current_setting('server_version'), current_setting('fsync')`).Scan(&pid, &number, &s.server, &fsync)
	switch {
	case err != nil:
		return translate(err)
	case number < 150000:
		return fmt.Errorf("postgres: the server is version %s; 15 or newer is needed", s.server)
	case fsync != "on":
		return errors.New("postgres: the server runs with fsync=off and would lose what it confirmed: switch it on")
	}
	// A pooler answers with a process number of its own.
	s.pooled = pid != conn.PgConn().PID()
	if !s.cfg.NoMigrate {
		done, err := migrate(ctx, conn)
		if err != nil {
			return err
		}
		for _, m := range done {
			s.cfg.Logger.Info("migrated the database", "migration", m.Name)
		}
	}
	return checkSchema(ctx, conn)
}

// checkSchema tells whether this version can work with the schema.
func checkSchema(ctx context.Context, conn *pgx.Conn) error {
	list, err := readMigrations(migrations)
	if err != nil {
		return err
	}
	if list, err = applied(ctx, conn, list); err != nil {
		return err
	}
	newest := 0
	for _, m := range list {
		if m.SQL == "" {
			continue
		}
		if m.AppliedAt.IsZero() {
			return fmt.Errorf("postgres: the database lacks migration %s: run waybell migrate up", m.Name)
		}
		newest = m.Version
	}
	var needs int
	if err := conn.QueryRow(ctx, "SELECT needs FROM config").Scan(&needs); err != nil {
		return translate(err)
	}
	if needs > newest {
		return fmt.Errorf("%w: schema %d, this one knows %d", ErrNewer, needs, newest)
	}
	return nil
}

// connect makes a pool. Behind a pooler no statement may outlive its
// transaction: descriptions are kept on this side and statements stay unnamed.
func (s *Store) connect(ctx context.Context, url string, conns int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errURL
	}
	cfg.MaxConns = int32(conns)
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.MaxConnLifetime = time.Hour
	cfg.MaxConnLifetimeJitter = 10 * time.Minute
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	if s.pooled {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, translate(err)
	}
	return pool, nil
}

// Close ends the store. Writes under way are finished first. Later calls of any
// method fail with ErrUnavailable.
func (s *Store) Close() error { return s.close() }

func (s *Store) shutdown() error {
	s.cancel(errClosed)
	s.ended.Wait()
	s.pool.Close()
	if s.replica != nil {
		s.replica.Close()
	}
	return nil
}

// open tells why nothing more can be asked: the store is closed, or the caller
// has gone.
func (s *Store) open(ctx context.Context) error {
	if s.ctx.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

// Stats implements [waybell.MaintenanceStore].
func (s *Store) Stats(ctx context.Context) (waybell.StoreStats, error) {
	st := waybell.StoreStats{
		Driver:     "postgres",
		Commits:    s.commits.Load(),
		CommitTime: time.Duration(s.commitTime.Load()),
		CommitRows: s.commitRows.Load(),
	}
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT pg_database_size(current_database()),
			coalesce((SELECT sum(c.reltuples) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
				WHERE i.inhparent = 'events'::regclass AND c.reltuples > 0), 0)::bigint`).Scan(&st.SizeBytes, &st.EventsKept)
	})
	return st, err
}
