package sqlite

import (
	"context"
	"fmt"

	"github.com/waybell/waybell"
)

// sqlFinal ends the wait of a row that the node owns and whose next attempt
// this was. It changes nothing in any other case.
const sqlFinal = `DELETE FROM waiting
	WHERE agent = ? AND event = ? AND endpoint = ? AND owner = ? AND attempts = ?`

const sqlRetry = `UPDATE waiting SET owner = 0, begun = 0, attempts = attempts + 1, next_at = ?, panics = ?,
	status_code = ?, reason = ?
	WHERE agent = ? AND event = ? AND endpoint = ? AND owner = ? AND attempts = ?`

const sqlRelease = `UPDATE waiting SET owner = 0, begun = 0, next_at = ?
	WHERE agent = ? AND event = ? AND endpoint = ? AND owner = ?`

// Settle implements [waybell.WorkStore]. An outcome applies to the waiting row
// only while the lease owns it and its attempt is the row's next one; the
// attempt of any other, canceled or already written, is kept beside it.
func (s *Store) Settle(ctx context.Context, lease waybell.Lease, outcomes []waybell.Settlement) error {
	bytes, where := 0, along
	for i := range outcomes {
		if a := outcomes[i].Attempt; a != nil {
			bytes += len(a.Detail)
			if a.Number > 1 {
				where = behind
			}
		} else if outcomes[i].Kind == waybell.SettleRetry {
			return fmt.Errorf("sqlite: delivery %s: a retry without its attempt", outcomes[i].DeliveryRef)
		}
	}
	return s.writeAt(ctx, where, 2*len(outcomes), bytes, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		for i := range outcomes {
			if err := t.settle(lease, &outcomes[i]); err != nil {
				return fmt.Errorf("delivery %s: %w", outcomes[i].DeliveryRef, err)
			}
		}
		return nil
	})
}

func (t *tx) settle(lease waybell.Lease, o *waybell.Settlement) error {
	if o.Health != nil {
		h := *o.Health
		t.counts(o.Agent, o.Endpoint).health = &h
	}
	switch {
	case o.Kind == waybell.SettleRelease:
		n, err := t.exec(sqlRelease, o.NextAt, o.Agent, o.Event, o.Endpoint, lease.Node)
		if err != nil || n == 0 {
			return t.letGo(lease, o, err)
		}
		t.touch(o.Endpoint)
		t.moved(o.Endpoint, o.NextAt.UnixMicro())
		return nil
	case o.Attempt == nil:
		w, found, err := t.s.waitingRow(t.conn, o.Agent, o.DeliveryRef)
		if err != nil || !found {
			return t.letGo(lease, o, err)
		}
		if w.owner != lease.Node {
			return nil
		}
		return t.end(w, ending{o.State, o.Reason, o.FinishedAt, lease.Node})
	}
	applied, err := t.apply(lease, o)
	if err != nil {
		return err
	}
	if applied {
		return t.insertAttempt(o.Attempt)
	}
	return t.settleLate(lease, o)
}

// letGo notes that the node has a delivery no longer in hand that was canceled
// meanwhile.
func (t *tx) letGo(lease waybell.Lease, o *waybell.Settlement, err error) error {
	if err == nil {
		_, err = t.exec("UPDATE deliveries SET owner = 0 WHERE agent = ? AND event = ? AND endpoint = ? AND owner = ?",
			o.Agent, o.Event, o.Endpoint, lease.Node)
	}
	return err
}

// apply writes an outcome to the waiting row, where it is the next one of it.
func (t *tx) apply(lease waybell.Lease, o *waybell.Settlement) (bool, error) {
	a := o.Attempt
	if o.Kind == waybell.SettleRetry {
		n, err := t.execApart(sqlRetry, o.NextAt, o.Panics, a.StatusCode, a.Reason,
			o.Agent, o.Event, o.Endpoint, lease.Node, a.Number-1)
		if err != nil || n == 0 {
			return false, err
		}
		c := t.counts(o.Agent, o.Endpoint)
		c.waits(a.Number > 1, -1)
		c.waits(true, 1)
		t.touch(o.Endpoint)
		t.moved(o.Endpoint, o.NextAt.UnixMicro())
		return true, nil
	}
	typ, err := t.settledType(o)
	if err != nil || typ == 0 {
		return false, err
	}
	n, err := t.execApart(sqlFinal, o.Agent, o.Event, o.Endpoint, lease.Node, a.Number-1)
	if err != nil || n == 0 {
		return false, err
	}
	err = t.insertLater(t.targets.deliveries, num(o.Agent), num(o.Event), num(o.Endpoint), num(typ), num(o.State),
		num(o.Reason), num(a.Number), num(a.StatusCode), moment(o.FinishedAt))
	if err != nil {
		return false, err
	}
	c := t.counts(o.Agent, o.Endpoint)
	c.waits(a.Number > 1, -1)
	c.settles(o.State, 1)
	return true, nil
}

// settledType is the number of the type of an outcome's event, read from the
// waiting row where the outcome does not say it; 0 without a row.
func (t *tx) settledType(o *waybell.Settlement) (int64, error) {
	if o.Type != "" {
		return t.typeNumber(o.Type)
	}
	return t.int("SELECT type FROM waiting WHERE agent = ? AND event = ? AND endpoint = ?", o.Agent, o.Event, o.Endpoint)
}

func (t *tx) insertAttempt(a *waybell.Attempt) error {
	return t.insertLater(t.targets.attempts, num(a.Event), num(a.Endpoint), num(a.Number), moment(a.StartedAt),
		num(a.Duration.Microseconds()), num(a.StatusCode), num(a.Reason), blob(a.Detail))
}

// settleLate keeps an attempt whose waiting row is gone or no longer the
// node's, or that was written before. The delivery stays as it is, only counts
// the attempt, so that numbers go on after it; but canceled becomes delivered
// by a 2xx. Of a delivery that retention removed nothing is kept, nor of one that
// another node has in hand: its attempt has the number.
func (t *tx) settleLate(lease waybell.Lease, o *waybell.Settlement) error {
	w, waits, err := t.s.waitingRow(t.conn, o.Agent, o.DeliveryRef)
	if err != nil {
		return err
	}
	switch {
	case waits && w.Owned && w.owner != lease.Node:
		return nil
	case waits:
		if w.Attempts < o.Attempt.Number {
			_, err := t.exec("UPDATE waiting SET attempts = ? WHERE agent = ? AND event = ? AND endpoint = ?",
				o.Attempt.Number, o.Agent, o.Event, o.Endpoint)
			if err != nil {
				return err
			}
			c := t.counts(o.Agent, o.Endpoint)
			c.waits(w.Attempts > 0, -1)
			c.waits(true, 1)
		}
		return t.insertAttempt(o.Attempt)
	}
	var state waybell.DeliveryState
	settled, err := t.row(func(r *rows) { state = waybell.DeliveryState(r.int()) },
		"SELECT state FROM deliveries WHERE agent = ? AND event = ? AND endpoint = ?", o.Agent, o.Event, o.Endpoint)
	if err != nil || !settled {
		return err
	}
	_, err = t.exec(`UPDATE deliveries SET attempts = max(attempts, ?), owner = iif(owner = ?, 0, owner)
		WHERE agent = ? AND event = ? AND endpoint = ?`,
		o.Attempt.Number, lease.Node, o.Agent, o.Event, o.Endpoint)
	if err != nil {
		return err
	}
	if state == waybell.DeliveryCanceled && o.Kind == waybell.SettleFinal && o.State == waybell.DeliveryDelivered {
		_, err = t.exec(`UPDATE deliveries SET state = ?, reason = ?, status_code = ?, finished_at = ?
			WHERE agent = ? AND event = ? AND endpoint = ?`,
			o.State, o.Reason, o.Attempt.StatusCode, o.FinishedAt, o.Agent, o.Event, o.Endpoint)
		if err != nil {
			return err
		}
		c := t.counts(o.Agent, o.Endpoint)
		c.settles(waybell.DeliveryCanceled, -1)
		c.settles(waybell.DeliveryDelivered, 1)
	}
	return t.insertAttempt(o.Attempt)
}
