package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const (
	sessionColumns = "id, agent, key_hash, token_hash, ttl, created_at, exchanged_at, ends_at, settings"
	sqlSession     = "SELECT " + sessionColumns + " FROM sessions"
)

func readSession(r pgx.CollectableRow) (v waybell.Session, err error) {
	var key, token, settings []byte
	var ttl, created, exchanged, ends int64
	if err := r.Scan(&v.ID, &v.Agent, &key, &token, &ttl, &created, &exchanged, &ends, &settings); err != nil {
		return v, err
	}
	copy(v.KeyHash[:], key)
	copy(v.TokenHash[:], token)
	v.TTL = time.Duration(ttl) * time.Microsecond
	v.CreatedAt, v.ExchangedAt, v.EndsAt = moment(created), moment(exchanged), moment(ends)
	if err := stored.ReadSession(settings, &v); err != nil {
		return v, fmt.Errorf("%w: %w", errData, err)
	}
	return v, nil
}

// CreateSession implements [waybell.SessionStore]. Those who make sessions of
// the same agent wait for each other at its row, those for the console at the
// configuration's: so the limit holds.
func (s *Store) CreateSession(ctx context.Context, v waybell.Session, limit int) error {
	settings, err := stored.Session(&v)
	if err != nil {
		return err
	}
	return s.change(ctx, func(t *tx) error {
		if v.Agent == 0 {
			t.queue(sqlLockConfig)
		} else {
			t.queue("SELECT FROM agents WHERE number = $1 FOR NO KEY UPDATE", v.Agent)
		}
		var living int
		t.query(func(r pgx.CollectableRow) error { return r.Scan(&living) }, `SELECT count(*) FROM (
			SELECT FROM sessions WHERE agent = $1 AND ends_at > $2 LIMIT $3) l`, v.Agent, micros(v.CreatedAt), limit)
		n, err := t.exec(`INSERT INTO sessions (id, agent, key_hash, ttl, created_at, exchanged_at, ends_at, settings)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			v.ID, v.Agent, v.KeyHash[:], v.TTL.Microseconds(), micros(v.CreatedAt), micros(time.Time{}), micros(v.EndsAt), settings)
		switch {
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("session %s: %w", v.ID, waybell.ErrExists)
		case living >= limit:
			return fmt.Errorf("%d sessions: %w", living, waybell.ErrConflict)
		}
		return nil
	})
}

// exchangeable is the one-time key $1 that works at $2.
const exchangeable = " WHERE key_hash = $1 AND token_hash IS NULL AND ends_at > $2"

// ExchangeSession implements [waybell.SessionStore]. A key that is not there
// costs a read. Of several who exchange the same key, the second waits for the
// first one's commit and then finds a token.
func (s *Store) ExchangeSession(ctx context.Context, x waybell.SessionExchange) (waybell.Session, error) {
	v, err := readOne(ctx, s, readSession, sqlSession+exchangeable, x.KeyHash[:], micros(x.Now))
	if err != nil {
		return waybell.Session{}, about("session", err)
	}
	found := false
	err = s.change(ctx, func(t *tx) error {
		found = false
		t.query(func(r pgx.CollectableRow) (err error) {
			found = true
			v, err = readSession(r)
			return err
		}, "UPDATE sessions SET token_hash = $3, exchanged_at = $2, ends_at = $2 + ttl"+exchangeable+" RETURNING "+sessionColumns,
			x.KeyHash[:], micros(x.Now), x.TokenHash[:])
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("session: %w", waybell.ErrNotFound)
	}
	if err != nil {
		return waybell.Session{}, err
	}
	return v, nil
}

// SessionByToken implements [waybell.SessionStore].
func (s *Store) SessionByToken(ctx context.Context, hash [32]byte, now time.Time) (waybell.Session, error) {
	v, err := readOne(ctx, s, readSession, sqlSession+" WHERE token_hash = $1 AND ends_at > $2", hash[:], micros(now))
	return v, about("session", err)
}

// EndSession implements [waybell.SessionStore].
func (s *Store) EndSession(ctx context.Context, id string) error {
	if !storable(id) {
		return fmt.Errorf("session %q: %w", id, waybell.ErrNotFound)
	}
	return s.change(ctx, func(t *tx) error {
		n, err := t.exec("DELETE FROM sessions WHERE id = $1", id)
		if err == nil && n == 0 {
			err = fmt.Errorf("session %s: %w", id, waybell.ErrNotFound)
		}
		return err
	})
}

// SweepSessions implements [waybell.SessionStore]. Several nodes may sweep at
// once: each takes other rows.
func (s *Store) SweepSessions(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.change(ctx, func(t *tx) error {
		gone, err := t.exec(`DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, micros(before), limit)
		n = int(gone)
		return err
	})
	return n, err
}

// Setting implements [waybell.SettingStore].
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	value, err := readOne(ctx, s, pgx.RowTo[[]byte], "SELECT value FROM settings WHERE name = $1", name)
	return value, about("setting "+name, err)
}

// PutSetting implements [waybell.SettingStore].
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	return s.change(ctx, func(t *tx) error {
		t.queue(`INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return nil
	})
}

// KeepSetting stores a setting unless there is one of that name, and returns
// the one that is there then: of several nodes that try, one decides for all.
func (s *Store) KeepSetting(ctx context.Context, name string, value []byte) ([]byte, error) {
	err := s.change(ctx, func(t *tx) error {
		t.queue("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, value)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.Setting(ctx, name)
}
