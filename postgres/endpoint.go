package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const sqlEndpoint = `SELECT number, agent, agent_id, id, state, state_since, cancel_up_to, version,
	created_at, updated_at, deleted_at, settings, sealed FROM endpoints`

func readEndpoint(r pgx.CollectableRow) (e waybell.Endpoint, err error) {
	var since, created, updated, deleted int64
	var state int16
	var settings []byte
	if err := r.Scan(&e.Number, &e.Agent, &e.AgentID, &e.ID, &state, &since, &e.CancelUpTo, &e.Version,
		&created, &updated, &deleted, &settings, &e.Sealed); err != nil {
		return e, err
	}
	e.State, e.StateSince = waybell.EndpointState(state), moment(since)
	e.CreatedAt, e.UpdatedAt, e.DeletedAt = moment(created), moment(updated), moment(deleted)
	if err := stored.ReadEndpoint(settings, &e); err != nil {
		return e, fmt.Errorf("%w: %w", errData, err)
	}
	return e, nil
}

// CreateEndpoint implements [waybell.EndpointStore]. It fails with ErrExists
// when the agent has a living endpoint with this id, and with ErrNotFound when
// the agent is gone.
func (s *Store) CreateEndpoint(ctx context.Context, e waybell.Endpoint, limit int) (waybell.Endpoint, error) {
	settings, err := stored.Endpoint(&e)
	if err != nil {
		return waybell.Endpoint{}, err
	}
	err = s.configure(ctx, func(t *tx, version int64) error {
		var taken bool
		var has int
		found, err := t.one(`SELECT id,
				EXISTS (SELECT FROM endpoints WHERE agent = $1 AND id = $2 AND living),
				(SELECT count(*) FROM endpoints WHERE agent = $1 AND living)
			FROM agents WHERE number = $1 AND living`, []any{e.Agent, e.ID}, &e.AgentID, &taken, &has)
		switch {
		case err != nil:
			return err
		case !found:
			return fmt.Errorf("agent %d: %w", e.Agent, waybell.ErrNotFound)
		case taken:
			return fmt.Errorf("endpoint %s: %w", e.ID, waybell.ErrExists)
		case limit > 0 && has >= limit:
			return fmt.Errorf("%w: the agent has %d endpoints", waybell.ErrConflict, has)
		}
		e.Version = version
		_, err = t.one(`INSERT INTO endpoints (agent, agent_id, id, state, state_since, cancel_up_to, version,
				created_at, updated_at, deleted_at, living, settings, sealed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING number`,
			[]any{e.Agent, e.AgentID, e.ID, int16(e.State), micros(e.StateSince), int64(e.CancelUpTo), version,
				micros(e.CreatedAt), micros(e.UpdatedAt), micros(e.DeletedAt), e.State != waybell.EndpointDeleted,
				settings, e.Sealed}, &e.Number)
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
	err = s.configure(ctx, func(t *tx, version int64) error {
		var stored int64
		found, err := t.one("SELECT version FROM endpoints WHERE number = $1 AND living", []any{int64(e.Number)}, &stored)
		switch {
		case err != nil:
			return err
		case !found:
			return fmt.Errorf("endpoint %s: %w", e.ID, waybell.ErrNotFound)
		case stored != given:
			return fmt.Errorf("endpoint %s: %w: it has version %d, not %d", e.ID, waybell.ErrConflict, stored, given)
		}
		e.Version = version
		t.queue(`UPDATE endpoints SET state = $2, state_since = $3, cancel_up_to = $4, version = $5,
				created_at = $6, updated_at = $7, deleted_at = $8, living = $9, settings = $10, sealed = $11
			WHERE number = $1`,
			int64(e.Number), int16(e.State), micros(e.StateSince), int64(e.CancelUpTo), version,
			micros(e.CreatedAt), micros(e.UpdatedAt), micros(e.DeletedAt), e.State != waybell.EndpointDeleted,
			settings, e.Sealed)
		if e.State == waybell.EndpointDeleted {
			t.queue(sqlForgetHealth, int64(e.Number))
		}
		return nil
	})
	return e, err
}

// Endpoint implements [waybell.EndpointStore].
func (s *Store) Endpoint(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Endpoint, error) {
	e, err := readOne(ctx, s, readEndpoint, sqlEndpoint+" WHERE agent = $1 AND id = $2 AND living", agent, id)
	return e, about("endpoint "+id, err)
}

// Endpoints implements [waybell.EndpointStore].
func (s *Store) Endpoints(ctx context.Context, agent waybell.AgentNumber, q waybell.PageQuery) ([]waybell.Endpoint, error) {
	return readAll(ctx, s, readEndpoint,
		sqlEndpoint+" WHERE agent = $1 AND number < $2 AND living ORDER BY number DESC LIMIT $3", agent, before(q), q.Limit)
}

// sums are the counters of an endpoint over all its writers, healthColumns what
// is known of it. Of several nodes' health the newest is the endpoint's.
const (
	sums = `sum(accepted)::bigint AS accepted, sum(pending)::bigint AS pending, sum(retrying)::bigint AS retrying,
		sum(delivered)::bigint AS delivered, sum(failed)::bigint AS failed, sum(canceled)::bigint AS canceled`

	healthColumns = `last_success, last_failure, failing_since, failures, refusals, refused_since, open, last_reason, last_status`

	countersColumns = "endpoint, accepted, pending, retrying, delivered, failed, canceled, " + healthColumns
)

// sqlCounters reads the ledger with the health of the endpoints that where
// chooses, in both tables. An endpoint has one agent: grouping by endpoint first
// takes the order of the index.
func sqlCounters(where string) string {
	return "SELECT " + countersColumns + `
		FROM (SELECT agent, endpoint, ` + sums + " FROM counters" + where + ` GROUP BY endpoint, agent) c
		LEFT JOIN (SELECT DISTINCT ON (endpoint, agent) agent, endpoint, ` + healthColumns + " FROM health" + where + `
			ORDER BY endpoint, agent, changed_at DESC, written_at DESC) h USING (agent, endpoint)
		ORDER BY endpoint`
}

// readCounters reads countersColumns; the health of an endpoint without an
// outcome is NULL.
func readCounters(r pgx.CollectableRow) (c waybell.Counters, err error) {
	var success, failure, failing, refused *int64
	var failures, refusals, status *int32
	var open *bool
	var reason *int16
	if err := r.Scan(&c.Endpoint, &c.Accepted, &c.Pending, &c.Retrying, &c.Delivered, &c.Failed, &c.Canceled,
		&success, &failure, &failing, &failures, &refusals, &refused, &open, &reason, &status); err != nil || success == nil {
		return c, err
	}
	c.Health = waybell.Health{
		LastSuccess: moment(*success), LastFailure: moment(*failure), FailingSince: moment(*failing),
		Failures: int(*failures), Refusals: int(*refusals), RefusedSince: moment(*refused), Open: *open,
		LastReason: waybell.Reason(*reason), LastStatus: int(*status),
	}
	return c, nil
}

// Counters implements [waybell.EndpointStore].
func (s *Store) Counters(ctx context.Context, agent waybell.AgentNumber) ([]waybell.Counters, error) {
	return readAll(ctx, s, readCounters, sqlCounters(" WHERE agent = $1"), agent)
}

// countersPage is of how many endpoints, by their numbers, AllCounters reads the
// ledger at once: what one statement sorts stays small, and no reading lasts.
const countersPage = 8192

// AllCounters implements [waybell.EndpointStore]. Each endpoint's counters are of
// one moment, those of different ones need not be.
func (s *Store) AllCounters(ctx context.Context) (list []waybell.Counters, err error) {
	var newest int64
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT coalesce(max(endpoint), 0) FROM counters").Scan(&newest)
	})
	for from := int64(1); err == nil && from <= newest; from += countersPage {
		var page []waybell.Counters
		page, err = readAll(ctx, s, readCounters, sqlCounters(" WHERE endpoint >= $1 AND endpoint < $2"), from, from+countersPage)
		list = append(list, page...)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// The failures of what is gone are forgotten, so that the indexes of failing
// endpoints and of open breakers hold the living; an open breaker has more than
// three failures. Rows are locked in the order in which nodes write
// them, so that nobody waits in a circle.
const (
	sqlForgetHealth = `UPDATE health h SET failures = 0, open = false FROM (
			SELECT agent, endpoint, seat FROM health WHERE endpoint = $1 AND failures >= 3
			ORDER BY agent, endpoint, seat FOR NO KEY UPDATE) f
		WHERE h.agent = f.agent AND h.endpoint = f.endpoint AND h.seat = f.seat`

	sqlForgetAgentHealth = `UPDATE health h SET failures = 0, open = false FROM (
			SELECT agent, endpoint, seat FROM health WHERE agent = $1 AND failures >= 3
			ORDER BY agent, endpoint, seat FOR NO KEY UPDATE) f
		WHERE h.agent = f.agent AND h.endpoint = f.endpoint AND h.seat = f.seat`
)
