package sqlite

import (
	"errors"
	"fmt"

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
// where the log has grown, and where it is above its bound lets one through:
// while the writer waits, the whole log can be copied, and the next
// transaction starts it from its beginning.
func (s *Store) watchLog() {
	l, err := s.writer.conn.logState("NOOP")
	if err != nil {
		s.giveUp(err)
		return
	}
	switch {
	case l.pages*pageSize > s.cfg.MaxLogBytes:
		s.checkpoint.Lock() // one that is under way may suffice
		defer s.checkpoint.Unlock()
		if _, err := s.writer.conn.logState("PASSIVE"); err != nil {
			s.giveUp(err)
			s.cfg.Logger.Error("checkpoint failed", "path", s.path, "error", err)
		}
	case l.rest() > s.cfg.CheckpointBytes:
		s.wantCheckpoint()
	}
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
		l, err := s.copyBeside()
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

// copyBeside runs one checkpoint on a connection of its own.
func (s *Store) copyBeside() (logState, error) {
	s.checkpoint.Lock()
	defer s.checkpoint.Unlock()
	if s.checkpointer == nil {
		c, err := connect(s.ctx, s.path, "synchronous = FULL", "wal_autocheckpoint = 0", "cache_size = -64")
		if err != nil {
			return logState{}, err
		}
		s.checkpointer = c
	}
	return s.checkpointer.logState("PASSIVE")
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
