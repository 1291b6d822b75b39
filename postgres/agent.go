package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const sqlAgent = "SELECT number, id, version, created_at, updated_at, deleted_at, settings FROM agents"

func readAgent(r pgx.CollectableRow) (a waybell.Agent, err error) {
	var created, updated, deleted int64
	var settings []byte
	if err := r.Scan(&a.Number, &a.ID, &a.Version, &created, &updated, &deleted, &settings); err != nil {
		return a, err
	}
	a.CreatedAt, a.UpdatedAt, a.DeletedAt = moment(created), moment(updated), moment(deleted)
	if err := stored.ReadAgent(settings, &a); err != nil {
		return a, fmt.Errorf("%w: %w", errData, err)
	}
	return a, nil
}

// agentNumber finds the living agent with an id, 0 without one.
func (t *tx) agentNumber(id string) (n waybell.AgentNumber, err error) {
	_, err = t.one("SELECT number FROM agents WHERE id = $1 AND living", []any{id}, &n)
	return n, err
}

// CreateAgent implements [waybell.AgentStore].
func (s *Store) CreateAgent(ctx context.Context, a waybell.Agent) (waybell.Agent, error) {
	settings, err := stored.Agent(&a)
	if err != nil {
		return waybell.Agent{}, err
	}
	err = s.configure(ctx, func(t *tx, version int64) error {
		holder, err := t.agentNumber(a.ID)
		if err != nil {
			return err
		}
		if holder != 0 {
			return fmt.Errorf("agent %s: %w", a.ID, waybell.ErrExists)
		}
		a.Version = version
		_, err = t.one(`INSERT INTO agents (id, version, created_at, updated_at, deleted_at, living, settings)
			VALUES ($1, $2, $3, $4, $5, true, $6) RETURNING number`,
			[]any{a.ID, version, micros(a.CreatedAt), micros(a.UpdatedAt), micros(time.Time{}), settings}, &a.Number)
		return err
	})
	return a, err
}

// UpdateAgent implements [waybell.AgentStore].
func (s *Store) UpdateAgent(ctx context.Context, a waybell.Agent) (waybell.Agent, error) {
	settings, err := stored.Agent(&a)
	if err != nil {
		return waybell.Agent{}, err
	}
	given := a.Version
	err = s.configure(ctx, func(t *tx, version int64) error {
		if err := t.checkAgent(a.Number, given, false); err != nil {
			return err
		}
		holder, err := t.agentNumber(a.ID)
		if err != nil {
			return err
		}
		if holder != 0 && holder != a.Number {
			return fmt.Errorf("agent %s: %w", a.ID, waybell.ErrExists)
		}
		a.Version = version
		t.queue("UPDATE agents SET id = $2, version = $3, created_at = $4, updated_at = $5, settings = $6 WHERE number = $1",
			a.Number, a.ID, version, micros(a.CreatedAt), micros(a.UpdatedAt), settings)
		return nil
	})
	return a, err
}

// checkAgent refuses a change of an agent that is gone or, unless any will do,
// has another version.
func (t *tx) checkAgent(n waybell.AgentNumber, version int64, anyVersion bool) error {
	var stored int64
	found, err := t.one("SELECT version FROM agents WHERE number = $1 AND living", []any{n}, &stored)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("agent %d: %w", n, waybell.ErrNotFound)
	case stored != version && !anyVersion:
		return fmt.Errorf("agent %d: %w: it has version %d, not %d", n, waybell.ErrConflict, stored, version)
	}
	return nil
}

// DeleteAgent implements [waybell.AgentStore].
func (s *Store) DeleteAgent(ctx context.Context, a waybell.Agent, cancelUpTo waybell.Key) error {
	return s.configure(ctx, func(t *tx, version int64) error {
		if err := t.checkAgent(a.Number, a.Version, a.Version == 0); err != nil {
			return err
		}
		at := micros(a.DeletedAt)
		if a.DeletedAt.IsZero() {
			at = micros(cancelUpTo.Time())
		}
		// The agent's row first: whoever makes an inbox holds it, and what they
		// committed meanwhile the last statement sees.
		t.queue("UPDATE agents SET living = false, version = $2, updated_at = $3, deleted_at = $3 WHERE number = $1",
			a.Number, version, at)
		t.queue(`UPDATE endpoints SET living = false, state = $2, state_since = $3, updated_at = $3, deleted_at = $3,
			cancel_up_to = greatest(cancel_up_to, $4), version = $5 WHERE agent = $1 AND living`,
			a.Number, int16(waybell.EndpointDeleted), at, int64(cancelUpTo), version)
		t.queue(sqlForgetAgentHealth, a.Number)
		t.queue(`UPDATE inboxes SET expires_at = $2 WHERE number IN (
			SELECT number FROM inboxes WHERE agent = $1 AND expires_at > $2 ORDER BY number FOR NO KEY UPDATE)`, a.Number, at)
		return nil
	})
}

// Agent implements [waybell.AgentStore].
func (s *Store) Agent(ctx context.Context, id string) (waybell.Agent, error) {
	a, err := readOne(ctx, s, readAgent, sqlAgent+" WHERE id = $1 AND living", id)
	return a, about("agent "+id, err)
}

// Agents implements [waybell.AgentStore].
func (s *Store) Agents(ctx context.Context, q waybell.PageQuery) ([]waybell.Agent, error) {
	return readAll(ctx, s, readAgent, sqlAgent+" WHERE number < $1 AND living ORDER BY number DESC LIMIT $2", before(q), q.Limit)
}

// before is the exclusive upper bound of a page.
func before(q waybell.PageQuery) int64 {
	if q.After > 0 {
		return q.After
	}
	return math.MaxInt64
}
