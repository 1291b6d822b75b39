package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell"
)

// writer is what only the writer's goroutine touches.
type writer struct {
	conn *conn
	// broken tells that the handle was given up: open it anew before anything
	// is accepted.
	broken bool
	tried  time.Time // the last vain attempt to open it
	logged int64     // estimate of the bytes written to the log since it was looked at
	batch  []*operation
	behind []*operation // that others go before
	passed map[waybell.EndpointNumber]passed
}

// reopenPause keeps a broken disk from being opened for each single operation.
const reopenPause = 250 * time.Millisecond

// reopenPatience is how long reads under way may take to end; a second is much.
const reopenPatience = 10 * time.Second

// operation is one caller's write. do runs inside a transaction that other
// operations may share; it may run again after a rollback, so that it sets its
// results anew each time. outside runs between transactions.
type operation struct {
	rows, bytes int
	do          func(*tx) error
	outside     func(*conn) error
	place       place
	state       atomic.Int32
	done        chan error
}

const (
	opQueued int32 = iota
	opTaken
	opAbandoned
)

// place is where an operation goes in the order of transactions.
type place int

const (
	// ahead is what somebody waits for, a publish above all.
	ahead place = iota
	// along goes with anything: outcomes of first attempts, whose rows lie together.
	along
	// behind changes rows that lie apart, or many of them, while nobody waits: after
	// what is ahead, and one operation at a time, so that a publish waits for one.
	behind
)

// write queues do for the next group commit and returns when it is durable.
// Its ctx only ends the wait for a place in a transaction.
func (s *Store) write(ctx context.Context, rows, bytes int, do func(*tx) error) error {
	return s.writeAt(ctx, ahead, rows, bytes, do)
}

// writeAt is write at another place.
func (s *Store) writeAt(ctx context.Context, where place, rows, bytes int, do func(*tx) error) error {
	return s.submit(ctx, &operation{place: where, rows: rows, bytes: bytes, do: do, done: make(chan error, 1)})
}

func (s *Store) submit(ctx context.Context, op *operation) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	select {
	case s.ops <- op:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
		if op.state.CompareAndSwap(opQueued, opAbandoned) {
			return ctx.Err()
		}
	case <-s.stopped:
	}
	select {
	case err := <-op.done:
		return err
	case <-s.stopped:
	}
	select { // both may have been ready
	case err := <-op.done:
		return err
	default:
		return errClosed
	}
}

// runWriter commits until the store closes and the queue is empty.
func (s *Store) runWriter() {
	defer close(s.stopped)
	for {
		switch op, ok := s.next(); {
		case !ok:
			return
		case op != nil:
			s.group(op)
		default:
			s.commit(s.takeBehind())
		}
	}
}

// next waits for an operation. It returns none where others were taken that have to
// be committed, and not ok once the store is closed and there are no more.
func (s *Store) next() (op *operation, ok bool) {
	if len(s.writer.behind) == 0 {
		select {
		case op := <-s.ops:
			return op, true
		case <-s.closing:
		}
	}
	select {
	case op := <-s.ops:
		return op, true
	default:
		return nil, len(s.writer.behind) > 0
	}
}

// takeBehind returns the first of the operations that others went before, if any.
func (s *Store) takeBehind() []*operation {
	w := &s.writer
	for len(w.behind) > 0 {
		first := w.behind[0]
		w.behind = slices.Delete(w.behind, 0, 1)
		if first.state.CompareAndSwap(opQueued, opTaken) {
			return []*operation{first}
		}
	}
	return nil
}

// groupOpen is how long a group of outcomes and marks is open for more at most. Nobody
// waits for outcomes, but the log shows them later; who waits for marks, or for what
// goes behind, waits so much longer.
const groupOpen = 2 * time.Millisecond

// grouping is whether a group is still open.
type grouping struct {
	until   time.Time // of outcomes; zero: the group has nothing yet
	hurried bool      // somebody waits for it
	yielded bool
}

func (g *grouping) take(p place) {
	g.hurried = g.hurried || p == ahead
	if g.until.IsZero() {
		g.until = time.Now().Add(groupOpen)
	}
}

// another returns the next operation of a group, or nil where it is not to be waited
// for.
func (s *Store) another(g *grouping) *operation {
	select {
	case op := <-s.ops:
		return op
	default:
	}
	if left := time.Until(g.until); left > 0 && !g.hurried {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case op := <-s.ops:
			return op
		case <-timer.C:
		case <-s.closing:
		}
	}
	if g.yielded {
		return nil
	}
	// The callers answered a moment ago may have more: let them run once.
	g.yielded = true
	runtime.Gosched()
	select {
	case op := <-s.ops:
		return op
	default:
		return nil
	}
}

// group collects what is queued behind first, up to the bounds, and commits it. What
// somebody waits for is not kept waiting: the queue fills while a commit is under way.
// A group of outcomes alone has a moment for company: each commit writes some pages
// however little it has, and who waits shares them.
func (s *Store) group(first *operation) {
	batch := s.writer.batch[:0]
	rows, bytes := 0, 0
	var g grouping
	for op := first; op != nil; op = s.another(&g) {
		if op.place == behind {
			s.writer.behind = append(s.writer.behind, op)
		} else if op.state.CompareAndSwap(opQueued, opTaken) {
			if op.outside != nil {
				s.commit(batch)
				s.between(op)
				batch = batch[:0]
				break
			}
			batch = append(batch, op)
			rows += op.rows
			bytes += op.bytes
			g.take(op.place)
		}
		if rows >= s.cfg.BatchRows || bytes >= s.cfg.BatchBytes {
			break
		}
	}
	if slices.ContainsFunc(batch, func(op *operation) bool { return op.place == ahead }) {
		s.commit(batch)
		s.commit(s.takeBehind())
	} else {
		batch = append(batch, s.takeBehind()...)
		s.commit(batch)
	}
	clear(batch)
	s.writer.batch = batch[:0]
}

// between runs an operation that needs the connection to itself.
func (s *Store) between(op *operation) {
	err := s.ready()
	if err == nil {
		err = op.outside(s.writer.conn)
		s.giveUp(err)
	}
	op.done <- err
}

// commit writes a batch in one transaction and answers its callers. Where one
// operation fails by itself, the transaction is rolled back and repeated
// without it: SQLite tells at once whose row it was, so no search by halves is
// needed.
func (s *Store) commit(batch []*operation) {
	single := false
	for len(batch) > 0 {
		if err := s.ready(); err != nil {
			answer(batch, err)
			return
		}
		started := time.Now()
		t := &tx{conn: s.writer.conn, s: s}
		t.targets.single = single
		guilty, err := t.run(batch)
		if err == nil {
			s.account(t, batch, started)
			return
		}
		s.giveUp(err)
		if guilty < 0 && !single && !errors.Is(err, waybell.ErrUnavailable) && !errors.Is(err, waybell.ErrCommitUnknown) {
			single = true // one of the rows inserted together: which one shows one by one
			continue
		}
		if guilty < 0 || errors.Is(err, waybell.ErrUnavailable) {
			s.wantCheckpoint() // on a full disk it may make room in the log
			answer(batch, err)
			return
		}
		batch[guilty].done <- err
		batch = append(batch[:guilty:guilty], batch[guilty+1:]...)
	}
}

func answer(batch []*operation, err error) {
	for _, op := range batch {
		op.done <- err
	}
}

// account takes a committed transaction into the store's memory, then answers.
func (s *Store) account(t *tx, batch []*operation, started time.Time) {
	t.publish()
	rows, bytes := 0, 0
	for _, op := range batch {
		rows += op.rows
		bytes += op.bytes
	}
	if t.begun {
		s.commits.Add(1)
		s.commitTime.Add(int64(time.Since(started)))
		s.commitRows.Add(int64(rows))
	}
	for i, op := range batch {
		op.done <- t.refused[i]
	}
	// Rows are small, payloads are bytes; some pages are written at every commit.
	s.writer.logged += int64(4*pageSize + rows*256 + 2*bytes)
	if s.writer.logged >= s.cfg.CheckpointBytes/8 {
		s.writer.logged = 0
		s.watchLog()
	}
}

// giveUp marks the handle as unusable after an error of the medium: what its
// caches and the system's hold is no longer known (a failed fsync may drop
// pages that look clean afterwards).
func (s *Store) giveUp(err error) {
	if err == nil || !s.writer.conn.bad {
		return
	}
	s.writer.broken = true
	s.cfg.Logger.Error("store failed, opening it anew", "path", s.path, "error", err)
}

// ready opens the database anew where it was given up.
func (s *Store) ready() error {
	w := &s.writer
	if !w.broken {
		return nil
	}
	if since := time.Since(w.tried); since >= 0 && since < reopenPause {
		return fmt.Errorf("%w: the database could not be opened again", waybell.ErrUnavailable)
	}
	if err := s.reopen(); err != nil {
		w.tried = time.Now()
		s.cfg.Logger.Error("store cannot be opened again", "path", s.path, "error", err)
		if !errors.Is(err, waybell.ErrUnavailable) {
			err = fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
		}
		return err
	}
	w.broken, w.tried = false, time.Time{}
	s.cfg.Logger.Info("store is open again", "path", s.path)
	return nil
}

// reopen closes every connection, so that SQLite forgets what it knew of the
// file, and reads it as after a crash. That is in memory that the connections share:
// as long as one is open, what a failed sync lost counts as copied.
func (s *Store) reopen() error {
	s.gen.Add(1)
	readers, ok := s.holdReaders(reopenPatience)
	if !ok {
		return fmt.Errorf("%w: a read does not end", waybell.ErrUnavailable)
	}
	defer s.freeReaders(readers)
	if !s.checks.TryLock() {
		return fmt.Errorf("%w: a check of the whole database is under way", waybell.ErrUnavailable)
	}
	defer s.checks.Unlock()
	for i, c := range readers {
		if c != nil {
			_ = c.giveUp() // as it is of no use any more
			readers[i] = nil
		}
	}
	_ = s.closeWriter() // the same
	return s.openWriter()
}
