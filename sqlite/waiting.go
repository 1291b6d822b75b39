package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

const waitingColumns = `agent, event, endpoint, type, entered, next_at, window_end, attempts, cycle,
	status_code, reason, owner, adopted, begun, deaths, panics, test`

// waitingRow is a waiting row as it is stored.
type waitingRow struct {
	waybell.Waiting
	owner int64
}

func (s *Store) readWaiting(r *rows) (waitingRow, error) {
	p := readPlace(r)
	w := waitingRow{Waiting: waybell.Waiting{
		Agent: p.agent, DeliveryRef: p.ref,
		Type: s.types.word(r.int()), Entered: waybell.Key(r.int()), NextAt: r.time(), WindowEnd: r.time(),
		Attempts: int(r.int()), Cycle: int(r.int()), StatusCode: int(r.int()), Reason: waybell.Reason(r.int()),
	}, owner: r.int()}
	w.Owned = w.owner != 0
	w.Adopted, w.Begun, w.Deaths, w.Panics, w.Test = r.bool(), r.bool(), int(r.int()), int(r.int()), r.bool()
	return w, nil
}

// waitingRow finds one waiting row.
func (s *Store) waitingRow(c *conn, agent waybell.AgentNumber, ref waybell.DeliveryRef) (w waitingRow, found bool, err error) {
	found, err = c.row(func(r *rows) { w, _ = s.readWaiting(r) },
		"SELECT "+waitingColumns+" FROM waiting WHERE agent = ? AND event = ? AND endpoint = ?",
		agent, ref.Event, ref.Endpoint)
	return w, found, err
}

// Due implements [waybell.WorkStore] from memory.
func (s *Store) Due(ctx context.Context, until time.Time) ([]waybell.DueEndpoint, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	found := s.due.until(until.UnixMicro(), nil)
	s.mu.Unlock()
	list := make([]waybell.DueEndpoint, len(found))
	for i, d := range found {
		list[i] = waybell.DueEndpoint{Endpoint: d.endpoint, NextAt: time.UnixMicro(d.nextAt).UTC()}
	}
	return list, nil
}

const sqlClaimDue = "SELECT " + waitingColumns + ` FROM waiting
	WHERE endpoint = ? AND next_at <= ? AND owner = 0 AND deaths < 3 ORDER BY next_at LIMIT ?`

const sqlClaimTests = "SELECT " + waitingColumns + ` FROM waiting INDEXED BY waiting_test
	WHERE next_at <= ? AND owner = 0 AND test = 1 AND deaths < 3 ORDER BY next_at LIMIT ?`

const sqlOwn = `UPDATE waiting SET owner = ? WHERE agent = ? AND event = ? AND endpoint = ?`

// Claim implements [waybell.WorkStore].
func (s *Store) Claim(ctx context.Context, lease waybell.Lease, now time.Time, wants []waybell.ClaimWant) ([]waybell.Waiting, error) {
	var claimed []waybell.Waiting
	rows := 0
	for _, w := range wants {
		rows += w.Max
	}
	err := s.writeAt(ctx, behind, rows, 0, func(t *tx) error {
		claimed = claimed[:0]
		if err := t.fence(lease); err != nil {
			return err
		}
		for _, w := range wants {
			list, err := t.claimable(now, w)
			if err != nil {
				return err
			}
			for _, row := range list {
				got, err := t.own(lease, row)
				if err != nil {
					return err
				}
				claimed = append(claimed, got)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// claimable finds the rows for one want.
func (t *tx) claimable(now time.Time, w waybell.ClaimWant) ([]waitingRow, error) {
	switch {
	case w.Max <= 0:
		return nil, nil
	case w.Tests:
		return collect(t.query(sqlClaimTests, now, w.Max), t.s.readWaiting)
	case w.Oldest != 0:
		return t.oldest(now, w)
	}
	return collect(t.query(sqlClaimDue, w.Endpoint, now, w.Max), t.s.readWaiting)
}

// own makes the lease the row's owner.
func (t *tx) own(lease waybell.Lease, w waitingRow) (waybell.Waiting, error) {
	n, err := t.exec(sqlOwn, lease.Node, w.Agent, w.Event, w.Endpoint)
	if err != nil {
		return w.Waiting, err
	}
	if n != 1 {
		return w.Waiting, fmt.Errorf("sqlite: delivery %s vanished while it was claimed", w.DeliveryRef)
	}
	t.touch(w.Endpoint)
	w.Owned = true
	return w.Waiting, nil
}

// ClaimSuspect implements [waybell.WorkStore].
func (s *Store) ClaimSuspect(ctx context.Context, lease waybell.Lease, now time.Time) (waybell.Waiting, error) {
	var got waybell.Waiting
	err := s.write(ctx, 1, 0, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		list, err := collect(t.query("SELECT "+waitingColumns+` FROM waiting
			WHERE next_at <= ? AND owner = 0 AND deaths >= 3 ORDER BY next_at LIMIT 1`, now), s.readWaiting)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("suspect delivery: %w", waybell.ErrNotFound)
		}
		got, err = t.own(lease, list[0])
		return err
	})
	return got, err
}

// Owned implements [waybell.WorkStore]. The writer reads: only when it has opened
// the database anew is it known what a commit left that failed on a broken disk.
// Before, a reader sees the state without it, and the rows would be missed.
func (s *Store) Owned(ctx context.Context, lease waybell.Lease, after waybell.Waiting, limit int) ([]waybell.Waiting, error) {
	var list []waybell.Waiting
	err := s.outside(ctx, func(c *conn) error {
		found, err := collect(c.query("SELECT "+waitingColumns+` FROM waiting
			WHERE (agent, event, endpoint) > (?, ?, ?) AND owner = ? ORDER BY agent, event, endpoint LIMIT ?`,
			after.Agent, after.Event, after.Endpoint, lease.Node, limit), s.readWaiting)
		for _, w := range found {
			list = append(list, w.Waiting)
		}
		return err
	})
	return list, err
}

const sqlExpirable = "SELECT " + waitingColumns + ` FROM waiting INDEXED BY waiting_entered
	WHERE endpoint = ? AND (attempts > cycle) = 1 AND owner = 0 ORDER BY entered LIMIT ?`

// ExpireWaiting implements [waybell.WorkStore].
func (s *Store) ExpireWaiting(ctx context.Context, lease waybell.Lease, e waybell.ExpireWaiting) (int, error) {
	n := 0
	err := s.writeAt(ctx, behind, e.Limit, 0, func(t *tx) error {
		n = 0
		if err := t.fence(lease); err != nil {
			return err
		}
		// Mostly there is none: the first row tells.
		list, err := collect(t.query(sqlExpirable, e.Endpoint, 1), s.readWaiting)
		if err == nil && len(list) > 0 && !list[0].WindowEnd.After(e.End) {
			list, err = collect(t.query(sqlExpirable, e.Endpoint, e.Limit), s.readWaiting)
		}
		if err != nil {
			return err
		}
		for _, w := range list {
			if w.WindowEnd.After(e.End) {
				break
			}
			if err := t.end(w, ending{state: waybell.DeliveryFailed, reason: waybell.ReasonExpired, at: e.Now}); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// sqlCancelable merges what was tried in this cycle and what was not, which the
// index keeps apart.
const sqlCancelable = "SELECT " + waitingColumns + ` FROM waiting INDEXED BY waiting_entered
	WHERE endpoint = ?1 AND (attempts > cycle) = 0 AND entered <= ?2 AND owner = 0
	UNION ALL SELECT ` + waitingColumns + ` FROM waiting INDEXED BY waiting_entered
	WHERE endpoint = ?1 AND (attempts > cycle) = 1 AND entered <= ?2 AND owner = 0
	ORDER BY entered LIMIT ?3`

// CancelWaiting implements [waybell.WorkStore].
func (s *Store) CancelWaiting(ctx context.Context, lease waybell.Lease, c waybell.CancelWaiting) (int, error) {
	n := 0
	err := s.writeAt(ctx, behind, c.Limit, 0, func(t *tx) error {
		n = 0
		if err := t.fence(lease); err != nil {
			return err
		}
		list, err := collect(t.query(sqlCancelable, c.Endpoint, c.UpTo, c.Limit), s.readWaiting)
		if err != nil {
			return err
		}
		for _, w := range list {
			if err := t.end(w, cancelAt(c.Now)); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// sqlEnd keeps the owner of a row that is canceled under it, until it lets go.
const sqlEnd = `INSERT INTO deliveries (agent, event, endpoint, type, state, reason, attempts, status_code, finished_at, owner)
	SELECT agent, event, endpoint, type, ?, ?, attempts, status_code, ?, iif(owner = ?, 0, owner) FROM waiting
	WHERE agent = ? AND event = ? AND endpoint = ?`

const sqlDeleteWaiting = "DELETE FROM waiting WHERE agent = ? AND event = ? AND endpoint = ?"

// ending is how a waiting row is settled without an attempt.
type ending struct {
	state  waybell.DeliveryState
	reason waybell.Reason
	at     time.Time
	owner  int64 // set when it is the row's owner who settles it
}

func cancelAt(now time.Time) ending {
	return ending{state: waybell.DeliveryCanceled, reason: waybell.ReasonCanceled, at: now}
}

// end settles a waiting row without an attempt.
func (t *tx) end(w waitingRow, by ending) error {
	if _, err := t.exec(sqlEnd, by.state, by.reason, by.at, by.owner, w.Agent, w.Event, w.Endpoint); err != nil {
		return err
	}
	if _, err := t.exec(sqlDeleteWaiting, w.Agent, w.Event, w.Endpoint); err != nil {
		return err
	}
	c := t.counts(w.Agent, w.Endpoint)
	c.waits(w.Attempts > 0, -1)
	c.settles(by.state, 1)
	if !w.Owned {
		t.touch(w.Endpoint)
	}
	return nil
}

// BringForward implements [waybell.WorkStore].
func (s *Store) BringForward(ctx context.Context, lease waybell.Lease, endpoint waybell.EndpointNumber, latest time.Time, limit int) (int, error) {
	n := 0
	err := s.writeAt(ctx, behind, limit, 0, func(t *tx) error {
		n = 0
		if err := t.fence(lease); err != nil {
			return err
		}
		list, err := collect(t.query("SELECT "+waitingColumns+` FROM waiting
			WHERE endpoint = ? AND next_at > ? AND owner = 0 AND deaths < 3 ORDER BY next_at DESC LIMIT ?`,
			endpoint, latest, limit), s.readWaiting)
		if err != nil {
			return err
		}
		if rest := limit - len(list); rest > 0 { // suspects are few, whatever their endpoint
			suspects, err := collect(t.query("SELECT "+waitingColumns+` FROM waiting INDEXED BY waiting_suspect
				WHERE next_at > ? AND owner = 0 AND deaths >= 3 AND endpoint = ? ORDER BY next_at DESC LIMIT ?`,
				latest, endpoint, rest), s.readWaiting)
			if err != nil {
				return err
			}
			list = append(list, suspects...)
		}
		for _, w := range list {
			_, err := t.exec("UPDATE waiting SET next_at = ? WHERE agent = ? AND event = ? AND endpoint = ?",
				latest, w.Agent, w.Event, w.Endpoint)
			if err != nil {
				return err
			}
			n++
		}
		if n > 0 {
			t.touch(endpoint)
			t.moved(endpoint, latest.UnixMicro())
		}
		return nil
	})
	return n, err
}
