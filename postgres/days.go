package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/waybell/waybell"
)

// day is a day in UTC, counted from the Unix epoch. Events, deliveries and
// attempts are partitioned by the day of the event's key.
type day int64

const dayLength = 24 * time.Hour

func dayAt(t time.Time) day { return day(t.Unix() / int64(dayLength/time.Second)) }

func dayOf(k waybell.Key) day { return dayAt(k.Time()) }

func (d day) start() time.Time { return time.Unix(int64(d)*int64(dayLength/time.Second), 0).UTC() }

// from is the smallest key of the day.
func (d day) from() waybell.Key { return waybell.KeyAt(d.start()) }

// String is the end of the names of the day's partitions.
func (d day) String() string { return d.start().Format(dayFormat) }

const dayFormat = "20060102"

// parents are the partitioned tables. A day's are made in this order.
var parents = [...]string{"events", "deliveries", "attempts"}

func (d day) table(parent string) string { return parent + "_" + d.String() }

// days is what one process knows of the partitions: nothing, because other nodes
// make and remove them. It lets one goroutine at a time make them.
type days struct{ mu sync.Mutex }

const (
	daysAhead     = 3 // days made before they begin
	daysEvery     = time.Hour
	daysAgain     = time.Minute // after an error
	daysTime      = 30 * time.Second
	daysPause     = 20 * time.Millisecond
	partitionLock = migrationLock + 1 // key of the advisory lock of those who make partitions
)

// makeDays makes the partitions of today and the next days. The ones of today
// are only missing when no node ran yesterday.
func (s *Store) makeDays(ctx context.Context, now time.Time) error {
	var keys []waybell.Key
	for ahead := range day(daysAhead + 1) {
		keys = append(keys, (dayAt(now) + ahead).from())
	}
	within, cancel := context.WithTimeout(ctx, daysTime)
	defer cancel()
	return s.makeMissing(within, keys)
}

// keepDays makes partitions ahead until ctx ends.
func (s *Store) keepDays(ctx context.Context) {
	next := time.NewTimer(daysEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(daysEvery)
		if err := s.makeDays(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("the partitions of the next days could not be made", "error", err)
			next.Reset(daysAgain)
		}
	}
}

// makeDaysOf makes the partitions that the keys need, for publishers who wait for
// them.
func (s *Store) makeDaysOf(ctx context.Context, keys []waybell.Key) error {
	within, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.makeMissing(within, keys)
}

// makeMissing makes what lacks of the keys' days. Any number of nodes may do it at
// once; publishers and readers go on meanwhile.
func (s *Store) makeMissing(ctx context.Context, keys []waybell.Key) error {
	var list []day
	for _, k := range keys {
		list = append(list, dayOf(k))
	}
	slices.Sort(list)
	s.days.mu.Lock()
	defer s.days.mu.Unlock()
	for _, d := range slices.Compact(list) {
		if err := s.makeDay(ctx, d); err != nil {
			return fmt.Errorf("partitions of %s: %w", d, err)
		}
	}
	return nil
}

// makeDay makes what lacks of a day, and again where somebody's lock stood in
// the way.
func (s *Store) makeDay(ctx context.Context, d day) error {
	for {
		err := s.define(ctx, sqlLockTime, func(t pgx.Tx) error {
			if _, err := t.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionLock)); err != nil {
				return err
			}
			return makeDayIn(ctx, t, d)
		})
		if !inTheWay(err) {
			return err
		}
		select {
		case <-time.After(daysPause):
		case <-ctx.Done():
			return err
		}
	}
}

// makeDayIn makes a day's three partitions or none. A table is made by itself and
// attached then, which locks its parent against other changes of partitions and
// not against readers and writers, as PARTITION OF does.
func makeDayIn(ctx context.Context, t pgx.Tx, d day) error {
	there, err := partitions(ctx, t)
	if err != nil {
		return err
	}
	for _, parent := range parents {
		p, name := there[partition{parent, d}], d.table(parent)
		var steps []string
		if p.pending { // retention began to remove it
			steps = append(steps, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE", parent, name))
		}
		if !p.exists {
			steps = append(steps, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL) WITH (%s)", name, parent, partitionSettings))
		}
		if !p.attached || p.pending {
			steps = append(steps, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)",
				parent, name, d.from(), (d+1).from()))
		}
		for _, sql := range steps {
			if _, err := t.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return nil
}

// partitionSettings have today's pages marked as visible to all soon after they
// are written: lists read the indexes alone.
const partitionSettings = "autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 10000"

// sqlLockTime bounds how long a transaction waits for a lock of a table: so long
// others may have to wait behind it. Where they do not, because nobody sees the
// partition any more, it may be longer than the second after which PostgreSQL ends
// a vacuum that stands in the way.
const (
	sqlLockTime    = "SELECT set_config('lock_timeout', '30ms', true)"
	sqlAllLockTime = "SELECT set_config('lock_timeout', '2s', true)"
)

// define runs statements in a transaction that begins with the one for its locks.
func (s *Store) define(ctx context.Context, lockTime string, do func(pgx.Tx) error) error {
	return s.apart(ctx, func(c *pgxpool.Conn) error {
		return pgx.BeginFunc(ctx, c, func(t pgx.Tx) error {
			if _, err := t.Exec(ctx, lockTime); err != nil {
				return err
			}
			return do(t)
		})
	})
}

// apart lends a connection of the primary for what is no transaction of a lease.
func (s *Store) apart(ctx context.Context, do func(*pgxpool.Conn) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.patience(ctx, err)
	}
	defer c.Release()
	if err := do(c); err != nil {
		s.note(s.pool, err)
		return translate(err)
	}
	return nil
}

// inTheWay tells that others hold what a change of partitions needs, or are at
// the same one: it may be tried another time.
func inTheWay(err error) bool {
	if errors.Is(err, errInUse) {
		return true
	}
	switch state(err) {
	case stateLocked, stateDeadlock, stateCanceled, statePrerequisite, stateNoTable:
		return true
	}
	return false
}

// errInUse tells that those who read or write a day did not end in time.
var errInUse = errors.New("postgres: the day is in use")

// partition names a table of one day.
type partition struct {
	parent string
	day    day
}

// partitionState is how far a partition is made or removed. The zero value is one
// that is not there.
type partitionState struct {
	exists   bool
	attached bool
	pending  bool // its removal was begun; readers no longer see it
	rows     int64
}

// partitions lists the tables whose name says that they are a partition. rows is
// the server's estimate, 0 without one.
func partitions(ctx context.Context, q querier) (map[partition]partitionState, error) {
	rows, err := q.Query(ctx, `SELECT c.relname::text, c.relispartition, coalesce(i.inhdetachpending, false),
			greatest(c.reltuples, 0)::bigint
		FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
		WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass)
			AND c.relname ~ '^(events|deliveries|attempts)_[0-9]{8}$'`)
	if err != nil {
		return nil, err
	}
	there := make(map[partition]partitionState)
	var name string
	p := partitionState{exists: true}
	_, err = pgx.ForEachRow(rows, []any{&name, &p.attached, &p.pending, &p.rows}, func() error {
		parent, date := name[:len(name)-len("_20060102")], name[len(name)-len(dayFormat):]
		at, err := time.Parse(dayFormat, date)
		if err == nil { // or a name that only looks like ours
			there[partition{parent, dayAt(at)}] = p
		}
		return nil
	})
	return there, err
}
