package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

const (
	sqlWaitingRow = "SELECT " + waitingColumns + " FROM waiting w WHERE agent = $1 AND event = $2 AND endpoint = $3 FOR UPDATE"

	// sqlReopen makes a settled delivery wait again, unless its event is gone.
	sqlReopen = `WITH gone AS (
			DELETE FROM deliveries d USING events e WHERE d.agent = $4 AND d.event = $5 AND d.endpoint = $6
				AND e.agent = $4 AND e.key = $5 RETURNING d.*, e.test
		), waits AS (
			INSERT INTO waiting (agent, event, endpoint, type, entered, next_at, window_end, attempts, cycle, status_code,
				reason, owner, test)
			SELECT agent, event, endpoint, type, $1, $2, $3, attempts, attempts, status_code, reason, 0, test FROM gone
		) SELECT state, attempts FROM gone`
)

// Requeue implements [waybell.DeliveryStore].
func (s *Store) Requeue(ctx context.Context, lease waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	got := make([]waybell.Requeued, len(list))
	err := s.write(ctx, lease, func(t *tx) error {
		t.rows = 2 * len(list)
		for i := range list {
			var err error
			got[i].Waiting, err = t.requeue(&list[i])
			got[i].Err = err
			if err != nil && !errors.Is(err, waybell.ErrNotFound) && !errors.Is(err, waybell.ErrConflict) {
				return err
			}
		}
		t.tell()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// requeue makes one delivery due. ErrNotFound and ErrConflict leave nothing half
// done.
func (t *tx) requeue(r *waybell.Requeue) (waybell.Waiting, error) {
	key := []any{int64(r.Agent), int64(r.Event), int64(r.Endpoint)}
	rows, err := t.locked(sqlWaitingRow, key...)
	switch {
	case err != nil:
		return waybell.Waiting{}, err
	case len(rows) > 0 && rows[0].Entered <= r.CanceledUpTo:
		if err := t.notUnderWay(r, rows[0].owner); err != nil {
			return waybell.Waiting{}, err
		}
		t.end(rows, waybell.DeliveryCanceled, waybell.ReasonCanceled, r.Now)
		err = t.reopen(r, key)
	case len(rows) == 0:
		err = t.reopen(r, key)
	case rows[0].Owned:
		return rows[0].Waiting, nil
	default:
		t.queue("UPDATE waiting SET next_at = $4 WHERE agent = $1 AND event = $2 AND endpoint = $3", append(key, micros(r.Now))...)
	}
	if err != nil {
		return waybell.Waiting{}, err
	}
	t.touch(r.Endpoint)
	t.moved(r.Endpoint, r.Now)
	if rows, err = t.locked(sqlWaitingRow, key...); err != nil || len(rows) == 0 {
		return waybell.Waiting{}, errors.Join(err, t.flush())
	}
	return rows[0].Waiting, nil
}

// notUnderWay refuses a delivery that another living node has in hand.
func (t *tx) notUnderWay(r *waybell.Requeue, owner int64) error {
	if owner == 0 || owner == t.node {
		return nil
	}
	var living bool
	_, err := t.one("SELECT EXISTS (SELECT 1 FROM nodes WHERE node = $1 AND NOT dead)", []any{owner}, &living)
	if err == nil && living {
		err = fmt.Errorf("delivery %s: node %d has an attempt under way: %w", r.DeliveryRef, owner, waybell.ErrConflict)
	}
	return err
}

// reopen makes a settled delivery wait again.
func (t *tx) reopen(r *waybell.Requeue, key []any) error {
	var owner int64
	there, err := t.one("SELECT owner FROM deliveries WHERE agent = $1 AND event = $2 AND endpoint = $3 FOR UPDATE", key, &owner)
	switch {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("delivery %s: %w", r.DeliveryRef, waybell.ErrNotFound)
	}
	if err := t.notUnderWay(r, owner); err != nil {
		return err
	}
	var state int16
	var attempts int
	found := false
	t.query(func(row pgx.CollectableRow) error {
		found = true
		return row.Scan(&state, &attempts)
	}, sqlReopen, append([]any{int64(r.Entered), micros(r.Now), micros(r.WindowEnd)}, key...)...)
	if err := t.flush(); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("delivery %s: its event is gone: %w", r.DeliveryRef, waybell.ErrNotFound)
	}
	c := t.counts(r.Agent, r.Endpoint)
	c.settles(waybell.DeliveryState(state), -1)
	c.waits(attempts > 0, 1)
	return nil
}

// CancelDelivery implements [waybell.DeliveryStore].
func (s *Store) CancelDelivery(ctx context.Context, lease waybell.Lease, agent waybell.AgentNumber, ref waybell.DeliveryRef, now time.Time) error {
	return s.write(ctx, lease, func(t *tx) error {
		key := []any{int64(agent), int64(ref.Event), int64(ref.Endpoint)}
		rows, err := t.locked(sqlWaitingRow, key...)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			t.end(rows, waybell.DeliveryCanceled, waybell.ReasonCanceled, now)
			return nil
		}
		var state int16
		settled, err := t.one("SELECT state FROM deliveries WHERE agent = $1 AND event = $2 AND endpoint = $3", key, &state)
		switch {
		case err != nil:
			return err
		case !settled:
			return fmt.Errorf("delivery %s: %w", ref, waybell.ErrNotFound)
		}
		return fmt.Errorf("delivery %s is %s: %w", ref, waybell.DeliveryState(state), waybell.ErrConflict)
	})
}
