package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/waybell/waybell"
)

// querier reads: a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// read lends a connection of the primary to f, which reads what is committed.
func (s *Store) read(ctx context.Context, f func(context.Context, querier) error) error {
	return s.readFrom(ctx, s.pool, func(ctx context.Context, c *pgxpool.Conn) error { return f(ctx, c) })
}

// snapshot is read where all statements of f see the same state.
func (s *Store) snapshot(ctx context.Context, f func(context.Context, querier) error) error {
	return s.readFrom(ctx, s.pool, func(ctx context.Context, c *pgxpool.Conn) error { return inSnapshot(ctx, c, f) })
}

// snapshotOfAll is snapshot for what may be all rows of a table: it has as long as
// its caller allows, up to readAllTimeout.
func (s *Store) snapshotOfAll(ctx context.Context, f func(context.Context, querier) error) error {
	within, cancel := context.WithTimeout(ctx, readAllTimeout)
	defer cancel()
	return s.readWithin(ctx, within, s.pool, func(ctx context.Context, c *pgxpool.Conn) error { return inSnapshot(ctx, c, f) })
}

// readQueue is snapshot for looking at the queue by its indexes: a plan is made
// once and kept, maybe while the queue was empty.
func (s *Store) readQueue(ctx context.Context, f func(context.Context, querier) error) error {
	return s.readFrom(ctx, s.pool, func(ctx context.Context, c *pgxpool.Conn) error { return begun(ctx, c, sqlBeginLog, f) })
}

// readLog is snapshot for queries of the log: of the replica, where there is one
// that answers. Of those who read some places are not for the log, however slow
// its pages come from a cold disk: the engine looks for work, changes of the
// configuration and other nodes in the same way.
func (s *Store) readLog(ctx context.Context, f func(context.Context, querier) error) error {
	in := func(ctx context.Context, c *pgxpool.Conn) error { return begun(ctx, c, sqlBeginLog, f) }
	within, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	select {
	case s.logReaders <- struct{}{}:
		defer func() { <-s.logReaders }()
	case <-s.ctx.Done():
		return errClosed
	case <-within.Done():
		return s.patience(ctx, within.Err())
	}
	if s.replica != nil {
		err := s.readFrom(ctx, s.replica, in)
		if err == nil || !errors.Is(err, waybell.ErrUnavailable) || s.open(ctx) != nil {
			return err
		}
		s.cfg.Logger.Warn("the replica cannot answer, the primary does", "error", err)
	}
	return s.readFrom(ctx, s.pool, in)
}

const sqlBeginRead = "begin isolation level repeatable read read only"

// sqlBeginLog has lists read in the order of an index and stop there, whatever
// the planner believes of partitions that were never analyzed. Compiling
// statements takes longer than a page of them.
const sqlBeginLog = sqlBeginRead + `; set local enable_sort = off; set local enable_seqscan = off;
	set local enable_bitmapscan = off; set local jit = off`

func inSnapshot(ctx context.Context, c *pgxpool.Conn, f func(context.Context, querier) error) error {
	return begun(ctx, c, sqlBeginRead, f)
}

// begun runs f in a transaction that begins with sql.
func begun(ctx context.Context, c *pgxpool.Conn, sql string, f func(context.Context, querier) error) error {
	return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{BeginQuery: sql}, func(t pgx.Tx) error { return f(ctx, t) })
}

func (s *Store) readFrom(ctx context.Context, pool *pgxpool.Pool, f func(context.Context, *pgxpool.Conn) error) error {
	within, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.readWithin(ctx, within, pool, f)
}

// readAllWaiting is read for statements that look at every waiting row: with many
// millions, and a cold disk, they may take longer than anything else that reads,
// and what they look for is found in no other way.
func (s *Store) readAllWaiting(ctx context.Context, f func(context.Context, querier) error) error {
	within, cancel := context.WithTimeout(ctx, readAllTimeout)
	defer cancel()
	return s.readWithin(ctx, within, s.pool, func(ctx context.Context, c *pgxpool.Conn) error { return f(ctx, c) })
}

// readWithin lends a connection until within, which comes of the caller's ctx, ends.
func (s *Store) readWithin(ctx, within context.Context, pool *pgxpool.Pool, f func(context.Context, *pgxpool.Conn) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	within, cancel := context.WithCancel(within)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	select {
	case s.readers <- struct{}{}:
		defer func() { <-s.readers }()
	case <-within.Done():
		return s.patience(ctx, within.Err())
	}
	c, err := pool.Acquire(within)
	if err != nil {
		return s.patience(ctx, err)
	}
	defer c.Release()
	if err = f(within, c); err != nil {
		s.note(pool, err)
		return s.patience(ctx, err)
	}
	return nil
}

// patience tells a caller who left from a database that did not answer in time.
func (s *Store) patience(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return callerGone(ctx)
	case s.ctx.Err() != nil:
		return errClosed
	}
	return translate(err)
}

// note gives up all connections where the server no longer takes writes, or one
// broke: the others are of the same server, and each would fail somebody's call.
func (s *Store) note(pool *pgxpool.Pool, err error) {
	if moved(err) || broke(err) {
		pool.Reset()
	}
}

// tx is a write transaction: statements are queued and sent together, in as few
// round trips as what they need of each other allows.
type tx struct {
	s     *Store
	ctx   context.Context // bounds the transaction; never the caller's
	conn  *pgxpool.Conn
	batch *pgx.Batch

	node    int64 // whose lease it is; 0 for what people change
	slot    int
	bound   waybell.Key
	seat    int // of the node's counters, -1 without a node
	lane    int // of the counters
	rows    int
	ledger  map[ledgerKey]*counts
	healths map[ledgerKey]*waybell.Health
	touched map[waybell.EndpointNumber]struct{}
	told    bool     // other nodes get to know
	moves   []func() // whatever becomes of it; see moved
	after   []func() // when it is durable
}

// worksLane is the lane of the counters of everything but publishing, which has
// those from 0 on.
const worksLane = -1

// write runs do in a transaction under the lease and commits. Its ctx only ends
// the wait for a connection. A commit whose outcome is unknown is noted with the
// lease: see Owned. do may run again, so it sets its results anew.
func (s *Store) write(ctx context.Context, lease waybell.Lease, do func(*tx) error) error {
	for {
		l, err := s.leases.get(lease)
		if err != nil {
			return err
		}
		err = s.transact(ctx, l, do)
		switch {
		case !errors.Is(err, waybell.ErrFenced):
			return err
		case s.leases.raised(l):
			// By this node itself, after a commit of unknown outcome.
		case s.leases.unsure(l.node):
			if err := s.raise(ctx, l); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// again is how often a write is repeated where the server asks for it: it ended one
// of those that waited for each other in a circle.
const again = 3

// writeAgain is write, repeated after a deadlock.
func (s *Store) writeAgain(ctx context.Context, lease waybell.Lease, do func(*tx) error) error {
	for try := 1; ; try++ {
		if err := s.write(ctx, lease, do); try == again || !circular(err) {
			return err
		}
	}
}

// circular tells that the server rolled a transaction back for the sake of another.
func circular(err error) bool {
	code := state(err)
	return code == stateDeadlock || code == stateSerialize
}

// change is write for what people change: it needs no lease. However many do so
// at once, and wait for each other, there are connections left for heartbeats,
// publishers and outcomes.
func (s *Store) change(ctx context.Context, do func(*tx) error) error {
	within, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	select {
	case s.changers <- struct{}{}:
		defer func() { <-s.changers }()
	case <-s.ctx.Done():
		return errClosed
	case <-within.Done():
		return s.patience(ctx, within.Err())
	}
	return s.transact(ctx, nil, do)
}

func (s *Store) transact(ctx context.Context, l *lease, do func(*tx) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	defer cancel()
	waiting, stopWaiting := context.WithCancel(within)
	defer stopWaiting()
	stop := context.AfterFunc(ctx, stopWaiting)
	conn, err := s.pool.Acquire(waiting)
	stop()
	if err != nil {
		return s.patience(ctx, err)
	}
	defer conn.Release()
	started := time.Now()
	t := &tx{s: s, ctx: within, conn: conn, batch: &pgx.Batch{}, seat: -1, lane: worksLane}
	t.queue("begin")
	if l != nil {
		t.node, t.slot, t.bound, t.seat = l.node, l.slot, l.bound, l.seat
		t.queue("SELECT waybell_begin($1, $2, $3)", l.node, l.epoch, l.incarnation)
	} else {
		t.queue("SELECT waybell_durable()")
	}
	if err := t.run(do); err != nil {
		return s.failed(l, t, err)
	}
	s.committed(t, started)
	return nil
}

// run is the transaction from its begin to its commit.
func (t *tx) run(do func(*tx) error) error {
	if err := do(t); err != nil {
		return t.rollback(err)
	}
	t.finish()
	var tag pgconn.CommandTag
	t.batch.Queue("commit").Exec(func(ct pgconn.CommandTag) error { tag = ct; return nil })
	if err := t.flush(); err != nil {
		return t.rollback(commitError{err})
	}
	if tag.String() != "COMMIT" {
		return errors.New("postgres: the server rolled the transaction back")
	}
	return nil
}

// commitError is an error of the round trip that held the commit.
type commitError struct{ error }

func (e commitError) Unwrap() error { return e.error }

// rollback undoes what was begun; a connection that cannot is closed, which does
// the same.
func (t *tx) rollback(cause error) error {
	pg := t.conn.Conn().PgConn()
	if pg.IsClosed() || pg.TxStatus() == 'I' {
		return cause
	}
	if _, err := t.conn.Exec(t.ctx, "rollback"); err != nil {
		_ = t.conn.Conn().Close(t.ctx)
	}
	return cause
}

// failed gives an error of a transaction its meaning.
func (s *Store) failed(l *lease, t *tx, err error) error {
	s.note(s.pool, err)
	for e := range t.touched {
		s.due.touch(e)
	}
	for _, f := range t.moves {
		f()
	}
	if _, atCommit := errors.AsType[commitError](err); atCommit && lost(err) {
		if l != nil {
			s.leases.doubt(l)
		}
		return fmt.Errorf("%w: %w: %w", waybell.ErrCommitUnknown, waybell.ErrUnavailable, err)
	}
	return translate(err)
}

// committed takes note of what became durable.
func (s *Store) committed(t *tx, started time.Time) {
	s.commits.Add(1)
	s.commitTime.Add(int64(time.Since(started)))
	s.commitRows.Add(int64(t.rows))
	for e := range t.touched {
		s.due.touch(e)
	}
	for _, f := range slices.Concat(t.moves, t.after) {
		f()
	}
}

// queue adds a statement whose result is not looked at.
func (t *tx) queue(sql string, args ...any) { t.batch.Queue(sql, args...) }

// query adds a statement; each is called with each of its rows, when flush
// runs.
func (t *tx) query(each func(pgx.CollectableRow) error, sql string, args ...any) {
	t.batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := each(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// flush sends what is queued, in one round trip, and reads the answers.
func (t *tx) flush() error {
	if t.batch.Len() == 0 {
		return nil
	}
	b := t.batch
	t.batch = &pgx.Batch{}
	return t.conn.SendBatch(t.ctx, b).Close()
}

// one flushes and runs a statement that gives one row, or none.
func (t *tx) one(sql string, args []any, to ...any) (found bool, err error) {
	t.query(func(r pgx.CollectableRow) error {
		found = true
		return r.Scan(to...)
	}, sql, args...)
	return found, t.flush()
}

// exec flushes and runs a statement, and tells how many rows it changed.
func (t *tx) exec(sql string, args ...any) (n int64, err error) {
	t.batch.Queue(sql, args...).Exec(func(ct pgconn.CommandTag) error { n = ct.RowsAffected(); return nil })
	return n, t.flush()
}

// touch notes that the endpoint's earliest unowned row may be another one.
func (t *tx) touch(e waybell.EndpointNumber) {
	if t.touched == nil {
		t.touched = make(map[waybell.EndpointNumber]struct{})
	}
	t.touched[e] = struct{}{}
}

// tell has the other nodes look, once per transaction.
func (t *tx) tell() { t.told = true }

// finish queues what was collected for the whole transaction.
func (t *tx) finish() {
	t.queueLedger()
	t.queueHealth()
	if t.told {
		t.queue(sqlTell, t.s.watch.self())
	}
}

// ledgerKey names an endpoint with its agent.
type ledgerKey struct {
	agent    waybell.AgentNumber
	endpoint waybell.EndpointNumber
}

// counts is how a transaction changes the ledger of one endpoint.
type counts struct {
	accepted, pending, retrying int64
	delivered, failed, canceled int64
}

// counts returns the transaction's changes for an endpoint, to add to.
func (t *tx) counts(agent waybell.AgentNumber, e waybell.EndpointNumber) *counts {
	k := ledgerKey{agent, e}
	c := t.ledger[k]
	if c == nil {
		if t.ledger == nil {
			t.ledger = make(map[ledgerKey]*counts)
		}
		c = &counts{}
		t.ledger[k] = c
	}
	return c
}

// waits counts n waiting rows that came or went; attempted tells which kind.
func (c *counts) waits(attempted bool, n int64) {
	if attempted {
		c.retrying += n
	} else {
		c.pending += n
	}
}

// settles counts n settled deliveries that came or went.
func (c *counts) settles(s waybell.DeliveryState, n int64) {
	switch s {
	case waybell.DeliveryDelivered:
		c.delivered += n
	case waybell.DeliveryFailed:
		c.failed += n
	default:
		c.canceled += n
	}
}

const sqlCount = `INSERT INTO counters AS c (agent, endpoint, seat, lane, accepted, pending, retrying, delivered, failed, canceled)
	SELECT agent, endpoint, $1, $2, accepted, pending, retrying, delivered, failed, canceled
	FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
		AS u (agent, endpoint, accepted, pending, retrying, delivered, failed, canceled)
	ON CONFLICT (agent, endpoint, seat, lane) DO UPDATE SET accepted = c.accepted + excluded.accepted,
		pending = c.pending + excluded.pending, retrying = c.retrying + excluded.retrying,
		delivered = c.delivered + excluded.delivered, failed = c.failed + excluded.failed,
		canceled = c.canceled + excluded.canceled`

// queueLedger adds the counts to the rows of one writer, in the order of their
// key: two transactions of the same writer wait for each other, never in a circle.
func (t *tx) queueLedger() {
	if len(t.ledger) == 0 {
		return
	}
	keys := make([]ledgerKey, 0, len(t.ledger))
	for k := range t.ledger {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareLedgerKeys)
	var columns [8][]int64
	for _, k := range keys {
		c := t.ledger[k]
		for i, v := range [8]int64{int64(k.agent), int64(k.endpoint), c.accepted, c.pending, c.retrying, c.delivered, c.failed, c.canceled} {
			columns[i] = append(columns[i], v)
		}
	}
	args := []any{t.seat, t.lane}
	for i := range columns {
		args = append(args, columns[i])
	}
	t.queue(sqlCount, args...)
}
