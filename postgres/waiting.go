package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// waitingColumns, of waiting under the name w.
const waitingColumns = `w.agent, w.event, w.endpoint, w.type, w.entered, w.next_at, w.window_end, w.attempts, w.cycle,
	w.status_code, w.reason, w.owner, w.adopted, w.begun, w.deaths, w.panics, w.test`

// waitingRow is a waiting row as it is stored.
type waitingRow struct {
	waybell.Waiting
	owner int64
}

func readWaiting(r pgx.CollectableRow) (waitingRow, error) {
	var w waitingRow
	var nextAt, windowEnd int64
	var reason int16
	err := r.Scan(&w.Agent, &w.Event, &w.Endpoint, &w.Type, &w.Entered, &nextAt, &windowEnd, &w.Attempts, &w.Cycle,
		&w.StatusCode, &reason, &w.owner, &w.Adopted, &w.Begun, &w.Deaths, &w.Panics, &w.Test)
	w.NextAt, w.WindowEnd, w.Reason = moment(nextAt), moment(windowEnd), waybell.Reason(reason)
	w.Owned = w.owner != 0
	return w, err
}

// sqlClaim… take due rows that nobody else is taking: in the order of their due
// time, at most so many of each endpoint.
const (
	sqlClaimDue = `WITH c AS (
			SELECT p.place FROM unnest($2::bigint[], $3::integer[]) AS want (endpoint, most)
			CROSS JOIN LATERAL (
				SELECT ctid AS place FROM waiting
				WHERE endpoint = want.endpoint AND next_at <= $4 AND owner = 0 AND deaths < 3
				ORDER BY next_at LIMIT want.most FOR UPDATE SKIP LOCKED) p
		) UPDATE waiting w SET owner = $1 FROM c
		WHERE w.ctid = c.place RETURNING ` + waitingColumns

	sqlClaimTests = `WITH c AS (
			SELECT ctid AS place FROM waiting WHERE next_at <= $3 AND owner = 0 AND test AND deaths < 3
			ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED
		) UPDATE waiting w SET owner = $1 FROM c
		WHERE w.ctid = c.place RETURNING ` + waitingColumns

	sqlClaimSuspect = `WITH c AS (
			SELECT ctid AS place FROM waiting WHERE next_at <= $2 AND owner = 0 AND deaths >= 3
			ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
		) UPDATE waiting w SET owner = $1 FROM c
		WHERE w.ctid = c.place RETURNING ` + waitingColumns
)

// Claim implements [waybell.WorkStore].
func (s *Store) Claim(ctx context.Context, lease waybell.Lease, now time.Time, wants []waybell.ClaimWant) ([]waybell.Waiting, error) {
	var tests, claimed []waybell.Waiting
	err := s.write(ctx, lease, func(t *tx) error {
		tests, claimed = tests[:0], claimed[:0]
		var endpoints []int64
		var most []int32
		into := func(list *[]waybell.Waiting) func(pgx.CollectableRow) error {
			return func(r pgx.CollectableRow) error {
				w, err := readWaiting(r)
				*list = append(*list, w.Waiting)
				t.touch(w.Endpoint)
				return err
			}
		}
		for _, w := range wants {
			switch {
			case w.Max <= 0 || w.Oldest != 0:
			case w.Tests:
				t.query(into(&tests), sqlClaimTests, t.node, w.Max, micros(now))
			default:
				t.touch(w.Endpoint) // others may have taken what was due
				endpoints, most = append(endpoints, int64(w.Endpoint)), append(most, int32(w.Max))
			}
		}
		if len(endpoints) > 0 {
			t.query(into(&claimed), sqlClaimDue, t.node, endpoints, most, micros(now))
		}
		if err := t.flush(); err != nil {
			return err
		}
		for _, w := range wants {
			if w.Oldest == 0 || w.Max <= 0 {
				continue
			}
			t.touch(w.Endpoint)
			rows, err := t.claimOldest(now, w)
			if err != nil {
				return err
			}
			claimed = append(claimed, rows...)
		}
		t.rows = len(tests) + len(claimed)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(inOrder(tests, nil), inOrder(claimed, wants)...), nil
}

// inOrder puts claimed rows into the order of the wants and within each into that
// of its due times or entries: a statement returns what it changed in any order.
func inOrder(rows []waybell.Waiting, wants []waybell.ClaimWant) []waybell.Waiting {
	place := make(map[waybell.EndpointNumber]int, len(wants))
	oldest := make(map[waybell.EndpointNumber]bool)
	for i, w := range wants {
		place[w.Endpoint], oldest[w.Endpoint] = i, w.Oldest != 0
	}
	slices.SortStableFunc(rows, func(a, b waybell.Waiting) int {
		first := cmp.Compare(place[a.Endpoint], place[b.Endpoint])
		if first == 0 && oldest[a.Endpoint] {
			first = cmp.Compare(a.Entered, b.Entered)
		}
		return cmp.Or(first, a.NextAt.Compare(b.NextAt), cmp.Compare(a.Entered, b.Entered))
	})
	return rows
}

// ClaimSuspect implements [waybell.WorkStore].
func (s *Store) ClaimSuspect(ctx context.Context, lease waybell.Lease, now time.Time) (waybell.Waiting, error) {
	var got waybell.Waiting
	err := s.write(ctx, lease, func(t *tx) error {
		found := false
		t.query(func(r pgx.CollectableRow) error {
			w, err := readWaiting(r)
			got, found = w.Waiting, true
			return err
		}, sqlClaimSuspect, t.node, micros(now))
		if err := t.flush(); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("suspect delivery: %w", waybell.ErrNotFound)
		}
		return nil
	})
	return got, err
}

// Owned implements [waybell.WorkStore]. Where a commit's outcome is unknown, the
// node first raises its incarnation: that waits for the transaction, if the
// server still runs it, and has it refused if it only arrives later. What is
// owned after that is all there is.
func (s *Store) Owned(ctx context.Context, of waybell.Lease, after waybell.Waiting, limit int) (list []waybell.Waiting, err error) {
	if err := s.settleDoubt(ctx, of); err != nil {
		return nil, err
	}
	err = s.readAllWaiting(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, "SELECT "+waitingColumns+` FROM waiting w
			WHERE (agent, event, endpoint) > ($1, $2, $3) AND owner = $4 ORDER BY agent, event, endpoint LIMIT $5`,
			int64(after.Agent), int64(after.Event), int64(after.Endpoint), of.Node, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (waybell.Waiting, error) {
			w, err := readWaiting(r)
			return w.Waiting, err
		})
		return err
	})
	return list, err
}

// settleDoubt raises the incarnation of a lease that has a commit of unknown
// outcome.
func (s *Store) settleDoubt(ctx context.Context, of waybell.Lease) error {
	l, err := s.leases.get(of)
	if err != nil || !l.doubtful {
		return err
	}
	return s.raise(ctx, l)
}

// raise raises the incarnation of a lease. The commit of that may be of unknown
// outcome too: each call asks for a larger one, so it may be repeated until one is
// confirmed, and what arrives late of an earlier call changes nothing.
func (s *Store) raise(ctx context.Context, l *lease) error {
	to := s.leases.raise(l.node)
	var now int64
	err := s.transact(ctx, nil, func(t *tx) error {
		t.queue("SELECT FROM nodes WHERE node = $1 FOR UPDATE", l.node)
		found, err := t.one(`UPDATE nodes SET incarnation = greatest(incarnation, $3)
			WHERE node = $1 AND epoch = $2 AND NOT dead RETURNING incarnation`, []any{l.node, l.epoch, to}, &now)
		if err == nil && !found {
			err = fmt.Errorf("%w: node %d", waybell.ErrFenced, l.node)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.leases.update(l.node, func(own *lease) {
		if own.incarnation < now {
			own.incarnation, own.doubtful = now, false
		}
	})
	return nil
}

// sqlEnd settles waiting rows without an attempt. Who owned one is noted: its
// attempt may be under way.
const sqlEnd = `WITH gone AS (
		DELETE FROM waiting w USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS o (agent, event, endpoint)
		CROSS JOIN LATERAL (
			SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
			OFFSET 0) p
		WHERE w.ctid = p.place RETURNING w.*
	) INSERT INTO deliveries (agent, event, endpoint, type, state, reason, attempts, status_code, finished_at, owner)
	SELECT agent, event, endpoint, type, $4, $5, attempts, status_code, $6, owner FROM gone`

// end settles rows that the transaction has locked.
func (t *tx) end(rows []waitingRow, state waybell.DeliveryState, reason waybell.Reason, now time.Time) {
	if len(rows) == 0 {
		return
	}
	var agents, events, endpoints []int64
	for _, w := range rows {
		agents, events, endpoints = append(agents, int64(w.Agent)), append(events, int64(w.Event)), append(endpoints, int64(w.Endpoint))
		c := t.counts(w.Agent, w.Endpoint)
		c.waits(w.Attempts > 0, -1)
		c.settles(state, 1)
		t.touch(w.Endpoint)
	}
	t.rows += len(rows)
	t.queue(sqlEnd, agents, events, endpoints, int16(state), int16(reason), micros(now))
}

const (
	sqlExpirable = "SELECT " + waitingColumns + ` FROM waiting w
		WHERE endpoint = $1 AND owner = 0 AND attempts > cycle ORDER BY entered LIMIT $2 FOR UPDATE SKIP LOCKED`

	sqlCancelable = "SELECT " + waitingColumns + ` FROM waiting w
		WHERE endpoint = $1 AND entered <= $2 AND owner = 0 ORDER BY entered LIMIT $3 FOR UPDATE SKIP LOCKED`
)

// ExpireWaiting implements [waybell.WorkStore].
func (s *Store) ExpireWaiting(ctx context.Context, lease waybell.Lease, e waybell.ExpireWaiting) (n int, err error) {
	err = s.write(ctx, lease, func(t *tx) error {
		rows, err := t.look(sqlExpirable, int64(e.Endpoint), e.Limit)
		if err != nil {
			return err
		}
		n = slices.IndexFunc(rows, func(w waitingRow) bool { return w.WindowEnd.After(e.End) })
		if n < 0 {
			n = len(rows)
		}
		t.end(rows[:n], waybell.DeliveryFailed, waybell.ReasonExpired, e.Now)
		return nil
	})
	return n, err
}

// CancelWaiting implements [waybell.WorkStore].
func (s *Store) CancelWaiting(ctx context.Context, lease waybell.Lease, c waybell.CancelWaiting) (n int, err error) {
	err = s.write(ctx, lease, func(t *tx) error {
		rows, err := t.look(sqlCancelable, int64(c.Endpoint), int64(c.UpTo), c.Limit)
		n = len(rows)
		t.end(rows, waybell.DeliveryCanceled, waybell.ReasonCanceled, c.Now)
		return err
	})
	return n, err
}

const sqlBringForward = `WITH c AS (
		(SELECT ctid AS place FROM waiting WHERE endpoint = $1 AND next_at > $2 AND owner = 0 AND deaths < 3
			ORDER BY next_at DESC LIMIT $3 FOR UPDATE SKIP LOCKED)
	) UPDATE waiting w SET next_at = $2 FROM c WHERE w.ctid = c.place`

// Suspects are few, whatever their endpoint.
const sqlBringSuspects = `WITH c AS (
		(SELECT ctid AS place FROM waiting WHERE next_at > $2 AND owner = 0 AND deaths >= 3 AND endpoint = $1
			ORDER BY next_at DESC LIMIT $3 FOR UPDATE SKIP LOCKED)
	) UPDATE waiting w SET next_at = $2 FROM c WHERE w.ctid = c.place`

// BringForward implements [waybell.WorkStore].
func (s *Store) BringForward(ctx context.Context, lease waybell.Lease, endpoint waybell.EndpointNumber, latest time.Time, limit int) (int, error) {
	var n int64
	err := s.write(ctx, lease, func(t *tx) error {
		var err error
		if n, err = t.exec(sqlBringForward, int64(endpoint), micros(latest), limit); err != nil {
			return err
		}
		if rest := int64(limit) - n; rest > 0 {
			more, err := t.exec(sqlBringSuspects, int64(endpoint), micros(latest), rest)
			if err != nil {
				return err
			}
			n += more
		}
		if n > 0 {
			t.touch(endpoint)
			t.moved(endpoint, latest)
		}
		return nil
	})
	return int(n), err
}
