package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

const sqlReopen = `INSERT INTO waiting (agent, event, endpoint, type, entered, next_at, window_end,
	attempts, cycle, status_code, reason, owner, adopted, begun, deaths, panics, test)
	SELECT d.agent, d.event, d.endpoint, d.type, ?, ?, ?, d.attempts, d.attempts, d.status_code, d.reason,
		0, 0, 0, 0, 0, e.test
	FROM deliveries d JOIN events e ON e.key = d.event
	WHERE d.agent = ? AND d.event = ? AND d.endpoint = ?`

// Requeue implements [waybell.DeliveryStore].
func (s *Store) Requeue(ctx context.Context, lease waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	got := make([]waybell.Requeued, len(list))
	err := s.write(ctx, 2*len(list), 0, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		for i := range list {
			var err error
			got[i].Waiting, err = t.requeue(lease, &list[i])
			if got[i].Err = err; err != nil && !errors.Is(err, waybell.ErrNotFound) && !errors.Is(err, waybell.ErrConflict) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// requeue makes one delivery due. ErrNotFound and ErrConflict leave nothing half
// done.
func (t *tx) requeue(lease waybell.Lease, r *waybell.Requeue) (waybell.Waiting, error) {
	w, waits, err := t.s.waitingRow(t.conn, r.Agent, r.DeliveryRef)
	switch {
	case err != nil:
		return waybell.Waiting{}, err
	case waits && w.Entered <= r.CanceledUpTo:
		if err := t.notUnderWay(lease, r, w.owner); err != nil {
			return waybell.Waiting{}, err
		}
		if err := t.end(w, cancelAt(r.Now)); err != nil {
			return waybell.Waiting{}, err
		}
		err = t.reopen(r)
	case !waits:
		var owner int64
		if _, err = t.row(func(r *rows) { owner = r.int() }, sqlSettledOwner, r.Agent, r.Event, r.Endpoint); err != nil {
			return waybell.Waiting{}, err
		}
		if err = t.notUnderWay(lease, r, owner); err != nil {
			return waybell.Waiting{}, err
		}
		err = t.reopen(r)
	case w.Owned:
		return w.Waiting, nil
	default:
		_, err = t.exec("UPDATE waiting SET next_at = ? WHERE agent = ? AND event = ? AND endpoint = ?",
			r.Now, r.Agent, r.Event, r.Endpoint)
	}
	if err != nil {
		return waybell.Waiting{}, err
	}
	t.touch(r.Endpoint)
	t.moved(r.Endpoint, r.Now.UnixMicro())
	w, _, err = t.s.waitingRow(t.conn, r.Agent, r.DeliveryRef)
	return w.Waiting, err
}

const sqlSettledOwner = "SELECT owner FROM deliveries WHERE agent = ? AND event = ? AND endpoint = ?"

// notUnderWay refuses a delivery that another living node has in hand.
func (t *tx) notUnderWay(lease waybell.Lease, r *waybell.Requeue, owner int64) error {
	if owner == 0 || owner == lease.Node || !t.s.isLiving(owner) {
		return nil
	}
	return fmt.Errorf("delivery %s: node %d has an attempt under way: %w", r.DeliveryRef, owner, waybell.ErrConflict)
}

// reopen makes a settled delivery wait again.
func (t *tx) reopen(r *waybell.Requeue) error {
	d, err := t.s.delivery(t.conn, r.Agent, r.DeliveryRef)
	if err != nil {
		return err
	}
	n, err := t.exec(sqlReopen, r.Entered, r.Now, r.WindowEnd, r.Agent, r.Event, r.Endpoint)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("delivery %s: its event is gone: %w", r.DeliveryRef, waybell.ErrNotFound)
	}
	_, err = t.exec("DELETE FROM deliveries WHERE agent = ? AND event = ? AND endpoint = ?", r.Agent, r.Event, r.Endpoint)
	c := t.counts(r.Agent, r.Endpoint)
	c.settles(d.State, -1)
	c.waits(d.Attempts > 0, 1)
	return err
}

// CancelDelivery implements [waybell.DeliveryStore].
func (s *Store) CancelDelivery(ctx context.Context, lease waybell.Lease, agent waybell.AgentNumber, ref waybell.DeliveryRef, now time.Time) error {
	return s.write(ctx, 2, 0, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		w, waits, err := s.waitingRow(t.conn, agent, ref)
		if err != nil {
			return err
		}
		if waits {
			return t.end(w, cancelAt(now))
		}
		d, err := s.delivery(t.conn, agent, ref)
		if err == nil {
			err = fmt.Errorf("delivery %s is %s: %w", ref, d.State, waybell.ErrConflict)
		}
		return err
	})
}
