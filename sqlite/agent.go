package sqlite

import (
	"context"
	"fmt"
	"math"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const agentColumns = "number, id, version, created_at, updated_at, deleted_at, settings"

func readAgent(r *rows) (waybell.Agent, error) {
	a := waybell.Agent{
		Number: waybell.AgentNumber(r.int()), ID: r.text(), Version: r.int(),
		CreatedAt: r.time(), UpdatedAt: r.time(), DeletedAt: r.time(),
	}
	if err := stored.ReadAgent(r.blob(), &a); err != nil {
		return a, fmt.Errorf("sqlite: %w", err)
	}
	return a, nil
}

const sqlAgentByID = "SELECT number FROM agents WHERE id = ? AND living = 1"

// CreateAgent implements [waybell.AgentStore].
func (s *Store) CreateAgent(ctx context.Context, a waybell.Agent) (waybell.Agent, error) {
	settings, err := stored.Agent(&a)
	if err != nil {
		return waybell.Agent{}, err
	}
	err = s.write(ctx, 1, len(settings), func(t *tx) error {
		taken, err := t.int(sqlAgentByID, a.ID)
		if err != nil {
			return err
		}
		if taken != 0 {
			return fmt.Errorf("agent %s: %w", a.ID, waybell.ErrExists)
		}
		number, err := t.int("SELECT max(number) FROM agents")
		if err != nil {
			return err
		}
		a.Number, a.Version = waybell.AgentNumber(number+1), t.nextVersion()
		_, err = t.exec(`INSERT INTO agents (number, id, version, created_at, updated_at, deleted_at, living, settings)
			VALUES (?, ?, ?, ?, ?, ?, 1, ?)`,
			a.Number, a.ID, a.Version, a.CreatedAt, a.UpdatedAt, noTime, settings)
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
	err = s.write(ctx, 1, len(settings), func(t *tx) error {
		if err := t.checkAgent(a.Number, given, false); err != nil {
			return err
		}
		holder, err := t.int(sqlAgentByID, a.ID)
		if err != nil {
			return err
		}
		if holder != 0 && holder != int64(a.Number) {
			return fmt.Errorf("agent %s: %w", a.ID, waybell.ErrExists)
		}
		a.Version = t.nextVersion()
		_, err = t.exec("UPDATE agents SET id = ?, version = ?, created_at = ?, updated_at = ?, settings = ? WHERE number = ?",
			a.ID, a.Version, a.CreatedAt, a.UpdatedAt, settings, a.Number)
		return err
	})
	return a, err
}

// checkAgent refuses a change of an agent that is gone or, unless any will do,
// has another version.
func (t *tx) checkAgent(n waybell.AgentNumber, version int64, anyVersion bool) error {
	var stored int64
	found, err := t.row(func(r *rows) { stored = r.int() },
		"SELECT version FROM agents WHERE number = ? AND living = 1", n)
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
	return s.write(ctx, 8, 0, func(t *tx) error {
		if err := t.checkAgent(a.Number, a.Version, a.Version == 0); err != nil {
			return err
		}
		at := a.DeletedAt
		if at.IsZero() {
			at = cancelUpTo.Time()
		}
		v := t.nextVersion()
		_, err := t.exec("UPDATE agents SET living = 0, version = ?, updated_at = ?2, deleted_at = ?2 WHERE number = ?3", v, at, a.Number)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE endpoints SET living = 0, state = ?1, state_since = ?2, updated_at = ?2, deleted_at = ?2,
			cancel_up_to = max(cancel_up_to, ?3), version = ?4 WHERE agent = ?5 AND living = 1`,
			int(waybell.EndpointDeleted), at, cancelUpTo, v, a.Number)
		if err != nil {
			return err
		}
		if _, err := t.exec(sqlForgetAgentHealth, a.Number); err != nil {
			return err
		}
		_, err = t.exec("UPDATE inboxes SET expires_at = min(expires_at, ?) WHERE agent = ?", at, a.Number)
		return err
	})
}

// Agent implements [waybell.AgentStore].
func (s *Store) Agent(ctx context.Context, id string) (waybell.Agent, error) {
	list, err := s.agents(ctx, "SELECT "+agentColumns+" FROM agents WHERE id = ? AND living = 1", id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("agent %s: %w", id, waybell.ErrNotFound)
	}
	if err != nil {
		return waybell.Agent{}, err
	}
	return list[0], nil
}

// Agents implements [waybell.AgentStore].
func (s *Store) Agents(ctx context.Context, q waybell.PageQuery) ([]waybell.Agent, error) {
	return s.agents(ctx, "SELECT "+agentColumns+
		" FROM agents WHERE number < ? AND living = 1 ORDER BY number DESC LIMIT ?", before(q), q.Limit)
}

// before is the exclusive upper bound of a page.
func before(q waybell.PageQuery) int64 {
	if q.After > 0 {
		return q.After
	}
	return math.MaxInt64
}

func (s *Store) agents(ctx context.Context, sql string, args ...any) (list []waybell.Agent, err error) {
	err = s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(sql, args...), readAgent)
		return err
	})
	return list, err
}

// collect reads all rows of a query.
func collect[T any](r *rows, read func(*rows) (T, error)) ([]T, error) {
	var list []T
	for r.next() {
		v, err := read(r)
		if err != nil {
			r.close()
			return nil, err
		}
		list = append(list, v)
	}
	return list, r.close()
}
