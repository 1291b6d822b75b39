package sqlite

import (
	"context"
	"fmt"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const endpointColumns = `number, agent, agent_id, id, state, state_since, cancel_up_to, version,
	created_at, updated_at, deleted_at, settings, sealed`

func readEndpoint(r *rows) (waybell.Endpoint, error) {
	e := waybell.Endpoint{
		Number: waybell.EndpointNumber(r.int()), Agent: waybell.AgentNumber(r.int()), AgentID: r.text(), ID: r.text(),
		State: waybell.EndpointState(r.int()), StateSince: r.time(), CancelUpTo: waybell.Key(r.int()), Version: r.int(),
		CreatedAt: r.time(), UpdatedAt: r.time(), DeletedAt: r.time(),
	}
	if err := stored.ReadEndpoint(r.blob(), &e); err != nil {
		return e, fmt.Errorf("sqlite: %w", err)
	}
	e.Sealed = r.blob()
	return e, nil
}

const sqlEndpointByID = "SELECT number FROM endpoints WHERE agent = ? AND id = ? AND living = 1"

// CreateEndpoint implements [waybell.EndpointStore]. It fails with ErrExists
// when the agent has a living endpoint with this id, and with ErrNotFound when
// the agent is gone.
func (s *Store) CreateEndpoint(ctx context.Context, e waybell.Endpoint, limit int) (waybell.Endpoint, error) {
	settings, err := stored.Endpoint(&e)
	if err != nil {
		return waybell.Endpoint{}, err
	}
	err = s.write(ctx, 1, len(settings)+len(e.Sealed), func(t *tx) error {
		agent, err := t.row(func(r *rows) { e.AgentID = r.text() },
			"SELECT id FROM agents WHERE number = ? AND living = 1", e.Agent)
		if err != nil {
			return err
		}
		if !agent {
			return fmt.Errorf("agent %d: %w", e.Agent, waybell.ErrNotFound)
		}
		if taken, err := t.int(sqlEndpointByID, e.Agent, e.ID); err != nil {
			return err
		} else if taken != 0 {
			return fmt.Errorf("endpoint %s: %w", e.ID, waybell.ErrExists)
		}
		if limit > 0 {
			n, err := t.int("SELECT count(*) FROM endpoints WHERE agent = ? AND living = 1", e.Agent)
			if err != nil {
				return err
			}
			if n >= int64(limit) {
				return fmt.Errorf("%w: the agent has %d endpoints", waybell.ErrConflict, n)
			}
		}
		number, err := t.int("SELECT max(number) FROM endpoints")
		if err != nil {
			return err
		}
		e.Number, e.Version = waybell.EndpointNumber(number+1), t.nextVersion()
		_, err = t.exec(`INSERT INTO endpoints (number, agent, agent_id, id, state, state_since, cancel_up_to, version,
				created_at, updated_at, deleted_at, living, settings, sealed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.Number, e.Agent, e.AgentID, e.ID, int(e.State), e.StateSince, e.CancelUpTo, e.Version,
			e.CreatedAt, e.UpdatedAt, e.DeletedAt, e.State != waybell.EndpointDeleted, settings, e.Sealed)
		return err
	})
	return e, err
}

// UpdateEndpoint implements [waybell.EndpointStore].
func (s *Store) UpdateEndpoint(ctx context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	settings, err := stored.Endpoint(&e)
	if err != nil {
		return waybell.Endpoint{}, err
	}
	given := e.Version
	err = s.write(ctx, 1, len(settings)+len(e.Sealed), func(t *tx) error {
		var stored int64
		found, err := t.row(func(r *rows) { stored = r.int() },
			"SELECT version FROM endpoints WHERE number = ? AND living = 1", e.Number)
		switch {
		case err != nil:
			return err
		case !found:
			return fmt.Errorf("endpoint %s: %w", e.ID, waybell.ErrNotFound)
		case stored != given:
			return fmt.Errorf("endpoint %s: %w: it has version %d, not %d", e.ID, waybell.ErrConflict, stored, given)
		}
		e.Version = t.nextVersion()
		_, err = t.exec(`UPDATE endpoints SET state = ?, state_since = ?, cancel_up_to = ?, version = ?,
				created_at = ?, updated_at = ?, deleted_at = ?, living = ?, settings = ?, sealed = ?
			WHERE number = ?`,
			int(e.State), e.StateSince, e.CancelUpTo, e.Version, e.CreatedAt, e.UpdatedAt, e.DeletedAt,
			e.State != waybell.EndpointDeleted, settings, e.Sealed, e.Number)
		if err == nil && e.State == waybell.EndpointDeleted {
			_, err = t.exec(sqlForgetHealth, e.Number)
		}
		return err
	})
	return e, err
}

// Endpoint implements [waybell.EndpointStore].
func (s *Store) Endpoint(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Endpoint, error) {
	list, err := s.endpoints(ctx, "SELECT "+endpointColumns+
		" FROM endpoints WHERE agent = ? AND id = ? AND living = 1", agent, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("endpoint %s: %w", id, waybell.ErrNotFound)
	}
	if err != nil {
		return waybell.Endpoint{}, err
	}
	return list[0], nil
}

// Endpoints implements [waybell.EndpointStore].
func (s *Store) Endpoints(ctx context.Context, agent waybell.AgentNumber, q waybell.PageQuery) ([]waybell.Endpoint, error) {
	return s.endpoints(ctx, "SELECT "+endpointColumns+
		" FROM endpoints WHERE agent = ? AND number < ? AND living = 1 ORDER BY number DESC LIMIT ?",
		agent, before(q), q.Limit)
}

func (s *Store) endpoints(ctx context.Context, sql string, args ...any) (list []waybell.Endpoint, err error) {
	err = s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(sql, args...), readEndpoint)
		return err
	})
	return list, err
}

const countersColumns = `endpoint, accepted, pending, retrying, delivered, failed, canceled,
	last_success, last_failure, failing_since, failures, refusals, refused_since, open, last_reason, last_status`

func readCounters(r *rows) (waybell.Counters, error) {
	return waybell.Counters{
		Endpoint: waybell.EndpointNumber(r.int()),
		Accepted: r.int(), Pending: r.int(), Retrying: r.int(),
		Delivered: r.int(), Failed: r.int(), Canceled: r.int(),
		Health: waybell.Health{
			LastSuccess: r.time(), LastFailure: r.time(), FailingSince: r.time(),
			Failures: int(r.int()), Refusals: int(r.int()), RefusedSince: r.time(), Open: r.bool(),
			LastReason: waybell.Reason(r.int()), LastStatus: int(r.int()),
		},
	}, nil
}

// Counters implements [waybell.EndpointStore].
func (s *Store) Counters(ctx context.Context, agent waybell.AgentNumber) ([]waybell.Counters, error) {
	return s.counters(ctx, "SELECT "+countersColumns+" FROM counters WHERE agent = ? ORDER BY endpoint", agent)
}

// AllCounters implements [waybell.EndpointStore].
func (s *Store) AllCounters(ctx context.Context) ([]waybell.Counters, error) {
	return s.counters(ctx, "SELECT "+countersColumns+" FROM counters ORDER BY endpoint")
}

func (s *Store) counters(ctx context.Context, sql string, args ...any) (list []waybell.Counters, err error) {
	err = s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(sql, args...), readCounters)
		return err
	})
	return list, err
}
