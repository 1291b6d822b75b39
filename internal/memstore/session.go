package memstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// CreateSession implements [waybell.SessionStore].
func (s *Store) CreateSession(ctx context.Context, n waybell.Session, limit int) error {
	_, err := write(s, ctx, "CreateSession", func() (done, error) {
		living := 0
		for _, o := range s.sessions {
			if o.ID == n.ID || o.KeyHash == n.KeyHash {
				return done{}, fmt.Errorf("session: %w", waybell.ErrExists)
			}
			if o.Agent == n.Agent && o.EndsAt.After(n.CreatedAt) {
				living++
			}
		}
		if living >= limit {
			return done{}, fmt.Errorf("%d sessions: %w", living, waybell.ErrConflict)
		}
		n.Capabilities = slices.Clone(n.Capabilities)
		s.sessions[n.ID] = &n
		return done{}, nil
	})
	return err
}

// session finds a session. The lock is held.
func (d *data) session(is func(*waybell.Session) bool) (*waybell.Session, error) {
	for _, o := range d.sessions {
		if is(o) {
			return o, nil
		}
	}
	return nil, fmt.Errorf("session: %w", waybell.ErrNotFound)
}

// ExchangeSession implements [waybell.SessionStore].
func (s *Store) ExchangeSession(ctx context.Context, x waybell.SessionExchange) (waybell.Session, error) {
	return write(s, ctx, "ExchangeSession", func() (waybell.Session, error) {
		o, err := s.session(func(o *waybell.Session) bool {
			return o.KeyHash == x.KeyHash && o.ExchangedAt.IsZero() && o.EndsAt.After(x.Now)
		})
		if err != nil {
			return waybell.Session{}, err
		}
		o.TokenHash, o.ExchangedAt, o.EndsAt = x.TokenHash, micro(x.Now), micro(x.Now.Add(o.TTL))
		return *o, nil
	})
}

// SessionByToken implements [waybell.SessionStore].
func (s *Store) SessionByToken(ctx context.Context, hash [32]byte, now time.Time) (waybell.Session, error) {
	return read(s, ctx, "SessionByToken", func() (waybell.Session, error) {
		o, err := s.session(func(o *waybell.Session) bool {
			return o.TokenHash == hash && !o.ExchangedAt.IsZero() && o.EndsAt.After(now)
		})
		if err != nil {
			return waybell.Session{}, err
		}
		return *o, nil
	})
}

// EndSession implements [waybell.SessionStore].
func (s *Store) EndSession(ctx context.Context, id string) error {
	_, err := write(s, ctx, "EndSession", func() (done, error) {
		if s.sessions[id] == nil {
			return done{}, fmt.Errorf("session %q: %w", id, waybell.ErrNotFound)
		}
		delete(s.sessions, id)
		return done{}, nil
	})
	return err
}

// SweepSessions implements [waybell.SessionStore].
func (s *Store) SweepSessions(ctx context.Context, before time.Time, limit int) (int, error) {
	return write(s, ctx, "SweepSessions", func() (int, error) {
		n := 0
		for _, id := range sorted(s.sessions) {
			if n < limit && !s.sessions[id].EndsAt.After(before) {
				delete(s.sessions, id)
				n++
			}
		}
		return n, nil
	})
}
