package sqlite

import (
	"errors"
	"fmt"
	"time"

	"github.com/waybell/waybell"
	sqlite3 "modernc.org/sqlite/lib"
)

// logState is what PRAGMA wal_checkpoint tells, in pages.
type logState struct {
	busy   bool
	pages  int64 // in the log
	copied int64 // of them, into the database
}

func (l logState) rest() int64 { return (l.pages - l.copied) * pageSize }

func (c *conn) logState(mode string) (logState, error) {
	var l logState
	_, err := c.row(func(r *rows) { l = logState{r.bool(), r.int(), r.int()} }, "PRAGMA wal_checkpoint("+mode+")")
	return l, err
}

// watchLog runs on the writer between transactions. It asks for a checkpoint
// where the log has grown, and where it is above its bound lets one through.
func (s *Store) watchLog() {
	l, err := s.writer.conn.logState("NOOP")
	if err == nil && l.pages*pageSize > s.cfg.MaxLogBytes {
		err = s.cutLog()
	}
	switch {
	case err != nil:
		s.writer.conn.bad = s.writer.conn.bad || medium(err)
		s.giveUp(err)
		s.cfg.Logger.Error("checkpoint failed", "path", s.path, "error", err)
	case l.rest() > s.cfg.CheckpointBytes:
		s.wantCheckpoint()
	}
}

// readPatience is how long the writer waits for reads to end, to cut the log.
const readPatience = time.Second

// cutLog copies the whole log and empties it while nobody reads or writes: as
// long as reads overlap, SQLite cannot start the log from its beginning. A
// check of the whole database is not waited for.
func (s *Store) cutLog() error {
	readers, ok := s.holdReaders(readPatience)
	if !ok {
		return nil // the next look at the log tries again
	}
	defer s.freeReaders(readers)
	s.hurry.Add(1)
	defer s.hurry.Add(-1)
	_, err := s.copyBeside("TRUNCATE")
	return err
}

func (s *Store) wantCheckpoint() {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

func (s *Store) runCheckpointer() {
	for {
		select {
		case <-s.closing:
			return
		case <-s.wanted:
		}
		if err := s.copyLog(); err != nil && !errors.Is(err, errClosed) {
			s.cfg.Logger.Error("checkpoint failed", "path", s.path, "error", err)
		}
	}
}

// copyLog copies the log into the database beside the writer, who goes on
// appending. What it appended meanwhile is copied again, a shorter piece each
// time, and the last one by the writer itself between two transactions: only
// a log that is copied to its end can be started from its beginning.
//
// SQLite syncs the database only when a copy reached the end of the log. That is
// the writer's, so what was copied before is synced here: else the writer would
// wait for all of it.
func (s *Store) copyLog() error {
	const last = 2 << 20 // bytes the writer copies itself: some milliseconds
	rest := s.restBetween()
	for range 4 {
		l, err := s.copyBeside("PASSIVE")
		if err == nil && l.rest() == 0 { // of what was there when it began
			l, err = s.afterCopy(rest)
		}
		if err != nil {
			return s.broke(err)
		}
		if l.rest() == 0 {
			return nil
		}
		if l.rest() <= last {
			break
		}
	}
	return s.outside(s.ctx, func(c *conn) error {
		s.checkpoint.Lock()
		defer s.checkpoint.Unlock()
		_, err := c.logState("PASSIVE")
		return err
	})
}

// copyBeside runs one checkpoint on a connection of its own, which waits for no
// lock.
func (s *Store) copyBeside(mode string) (logState, error) {
	s.checkpoint.Lock()
	defer s.checkpoint.Unlock()
	if s.checkpointer == nil {
		c, err := connect(s.path, "synchronous = FULL", "wal_autocheckpoint = 0", "cache_size = -64")
		if err != nil {
			return logState{}, err
		}
		s.checkpointer = c
	}
	if s.checkpointer.bad { // what it copied may be lost, and counts as copied
		return logState{}, s.checkpointer.failed("copy", &resultError{sqlite3.SQLITE_IOERR_FSYNC, "a sync has failed"})
	}
	return s.checkpointer.logState(mode)
}

// writeOutRest bounds the rests of one copy in all: the log grows meanwhile.
const writeOutRest = time.Second

// restBetween is the rest between two pieces that are written to the disk, as long
// as the piece took. A commit's sync waits for what the disk has to do before it:
// without rests, whoever publishes beside a copy of scattered pages waited 5 to 8 ms
// instead of one.
func (s *Store) restBetween() func(time.Duration) {
	left := writeOutRest
	return func(d time.Duration) {
		if s.hurry.Load() > 0 {
			return
		}
		d = min(d, left)
		left -= d
		s.rest(s.ctx, d)
	}
}

// afterCopy makes what was copied durable and looks at what the writer appended
// meanwhile.
func (s *Store) afterCopy(rest func(time.Duration)) (logState, error) {
	s.checkpoint.Lock()
	defer s.checkpoint.Unlock()
	if s.checkpointer == nil { // closed since
		return logState{}, nil
	}
	if err := s.checkpointer.failed("write out", s.checkpointer.writeOut(rest)); err != nil {
		return logState{}, err
	}
	if err := s.checkpointer.failed("sync", s.checkpointer.syncFile()); err != nil {
		return logState{}, err
	}
	return s.checkpointer.logState("NOOP")
}

// broke makes the writer give the handle up after a failure of the medium on
// another connection.
func (s *Store) broke(cause error) error {
	if !medium(cause) {
		return cause
	}
	err := s.outside(s.ctx, func(c *conn) error {
		c.bad = true
		return fmt.Errorf("%w: checkpoint: %w", waybell.ErrUnavailable, cause)
	})
	return errors.Join(cause, err)
}
