package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const sessionColumns = "id, agent, key_hash, token_hash, ttl, created_at, exchanged_at, ends_at, settings"

func readSession(r *rows) (waybell.Session, error) {
	s := waybell.Session{ID: r.text(), Agent: waybell.AgentNumber(r.int())}
	copy(s.KeyHash[:], r.blob())
	copy(s.TokenHash[:], r.blob())
	s.TTL = time.Duration(r.int()) * time.Microsecond
	s.CreatedAt, s.ExchangedAt, s.EndsAt = r.time(), r.time(), r.time()
	if err := stored.ReadSession(r.blob(), &s); err != nil {
		return s, fmt.Errorf("sqlite: %w", err)
	}
	return s, nil
}

// session finds at most one session.
func (c *conn) session(where string, args ...any) (s waybell.Session, err error) {
	found, rowErr := c.row(func(r *rows) { s, err = readSession(r) }, "SELECT "+sessionColumns+" FROM sessions WHERE "+where, args...)
	switch {
	case rowErr != nil:
		return s, rowErr
	case !found:
		return s, fmt.Errorf("session: %w", waybell.ErrNotFound)
	}
	return s, err
}

// CreateSession implements [waybell.SessionStore].
func (s *Store) CreateSession(ctx context.Context, v waybell.Session, limit int) error {
	settings, err := stored.Session(&v)
	if err != nil {
		return err
	}
	return s.write(ctx, 1, len(settings), func(t *tx) error {
		taken, err := t.int("SELECT 1 FROM sessions WHERE id = ?", v.ID)
		if err == nil && taken == 0 {
			taken, err = t.int("SELECT 1 FROM sessions WHERE key_hash = ?", v.KeyHash[:])
		}
		if err != nil {
			return err
		}
		if taken != 0 {
			return fmt.Errorf("session %s: %w", v.ID, waybell.ErrExists)
		}
		full, err := t.int("SELECT 1 FROM sessions WHERE agent = ? AND ends_at > ? ORDER BY ends_at LIMIT 1 OFFSET ?",
			v.Agent, v.CreatedAt, limit-1)
		if err != nil {
			return err
		}
		if full != 0 {
			return fmt.Errorf("%d sessions: %w", limit, waybell.ErrConflict)
		}
		_, err = t.exec(`INSERT INTO sessions (id, agent, key_hash, ttl, created_at, exchanged_at, ends_at, settings)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, v.ID, v.Agent, v.KeyHash[:], v.TTL.Microseconds(), v.CreatedAt, noTime, v.EndsAt, settings)
		return err
	})
}

const exchangeable = "key_hash = ? AND token_hash IS NULL AND ends_at > ?"

// ExchangeSession implements [waybell.SessionStore]. A key that is not there
// never reaches the writer.
func (s *Store) ExchangeSession(ctx context.Context, x waybell.SessionExchange) (waybell.Session, error) {
	var v waybell.Session
	find := func(c *conn) (err error) {
		v, err = c.session(exchangeable, x.KeyHash[:], x.Now)
		return err
	}
	if err := s.read(ctx, find); err != nil {
		return waybell.Session{}, err
	}
	err := s.write(ctx, 1, 0, func(t *tx) error {
		if err := find(t.conn); err != nil {
			return err
		}
		v.TokenHash, v.ExchangedAt, v.EndsAt = x.TokenHash, x.Now, x.Now.Add(v.TTL)
		_, err := t.exec("UPDATE sessions SET token_hash = ?, exchanged_at = ?, ends_at = ? WHERE id = ?",
			v.TokenHash[:], v.ExchangedAt, v.EndsAt, v.ID)
		return err
	})
	if err != nil {
		return waybell.Session{}, err
	}
	return v, nil
}

// SessionByToken implements [waybell.SessionStore].
func (s *Store) SessionByToken(ctx context.Context, hash [32]byte, now time.Time) (v waybell.Session, err error) {
	err = s.read(ctx, func(c *conn) (err error) {
		v, err = c.session("token_hash = ? AND ends_at > ?", hash[:], now)
		return err
	})
	return v, err
}

// EndSession implements [waybell.SessionStore].
func (s *Store) EndSession(ctx context.Context, id string) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		if _, err := t.session("id = ?", id); err != nil {
			return err
		}
		_, err := t.exec("DELETE FROM sessions WHERE id = ?", id)
		return err
	})
}

// SweepSessions implements [waybell.SessionStore].
func (s *Store) SweepSessions(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.write(ctx, limit, 0, func(t *tx) error {
		var err error
		n, err = t.exec(`DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)`, before, limit)
		return err
	})
	return n, err
}

// Setting implements [waybell.SettingStore].
func (s *Store) Setting(ctx context.Context, name string) (value []byte, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err := c.row(func(r *rows) { value = r.blob() }, "SELECT value FROM settings WHERE name = ?", name)
		if err == nil && !found {
			err = fmt.Errorf("setting %s: %w", name, waybell.ErrNotFound)
		}
		return err
	})
	return value, err
}

// PutSetting implements [waybell.SettingStore].
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	return s.write(ctx, 1, len(value), func(t *tx) error {
		_, err := t.exec(`INSERT INTO settings (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}
