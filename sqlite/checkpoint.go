package sqlite

import (
	"errors"
	"fmt"
	"time"

	"github.com/waybell/waybell"
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
	back := s.holdReaders(readPatience)
	if back == nil {
		return nil // the next look at the log tries again
	}
	defer back(false)
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
func (s *Store) copyLog() error {
	const last = 2 << 20 // bytes the writer copies itself: some milliseconds
	for range 4 {
		l, err := s.copyBeside("PASSIVE")
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
	return s.checkpointer.logState(mode)
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
