package sqlite

import (
	"context"
	"time"

	"github.com/waybell/waybell"
)

const (
	// sweepTime bounds the work of one transaction of a sweep; its commit comes
	// on top.
	sweepTime = 6 * time.Millisecond
	// sweepEvents and sweepAttempts bound it where the clock stands still.
	sweepEvents   = 512
	sweepAttempts = 64
)

// Sweep implements [waybell.MaintenanceStore]. Its transactions queue up with
// those of publishers, who go first whenever both wait: a piece is asked for
// only after the last one is done.
func (s *Store) Sweep(ctx context.Context, lease waybell.Lease, before waybell.Key, budget time.Duration) (int, bool, error) {
	return s.pieces(ctx, lease, budget, func(t *tx, until time.Time) (int, bool, error) {
		return t.sweep(before, until)
	})
}

// SweepIdempotency implements [waybell.MaintenanceStore].
func (s *Store) SweepIdempotency(ctx context.Context, lease waybell.Lease, before waybell.Key, budget time.Duration) (int, bool, error) {
	return s.pieces(ctx, lease, budget, func(t *tx, _ time.Time) (int, bool, error) {
		n, err := t.exec(`DELETE FROM idempotency WHERE (agent, kind, key) IN (
			SELECT agent, kind, key FROM idempotency WHERE kind = 1 AND event < ? ORDER BY event LIMIT ?)`,
			before, sweepEvents)
		return n, n == sweepEvents, err
	})
}

// pieces runs one short transaction after the other until there is no more to
// do or the budget is spent.
func (s *Store) pieces(ctx context.Context, lease waybell.Lease, budget time.Duration, piece func(*tx, time.Time) (int, bool, error)) (int, bool, error) {
	started := time.Now()
	total := 0
	for {
		n, more := 0, false
		err := s.write(ctx, sweepEvents, 0, func(t *tx) error {
			if err := t.fence(lease); err != nil {
				return err
			}
			var err error
			n, more, err = piece(t, time.Now().Add(sweepTime))
			return err
		})
		total += n
		if err != nil || !more || time.Since(started) >= budget {
			return total, more, err
		}
	}
}

// sweep removes events before the key, oldest first. An event's row goes last,
// so that a piece that ends within an event is taken up again.
func (t *tx) sweep(before waybell.Key, until time.Time) (n int, more bool, err error) {
	type candidate struct {
		key   waybell.Key
		agent waybell.AgentNumber
	}
	list, err := collect(t.query("SELECT key, agent FROM events WHERE key < ? ORDER BY key LIMIT ?", before, sweepEvents),
		func(r *rows) (candidate, error) {
			return candidate{waybell.Key(r.int()), waybell.AgentNumber(r.int())}, nil
		})
	if err != nil || len(list) == 0 {
		return 0, false, err
	}
	more = len(list) == sweepEvents
	for _, e := range list {
		done, err := t.sweepEvent(e.agent, e.key, until)
		if err != nil {
			return n, true, err
		}
		if !done {
			more = true
			break
		}
		n++
		if !time.Now().Before(until) && n < len(list) {
			more = true
			break
		}
	}
	if n > 0 {
		_, err = t.exec("UPDATE meta SET value = max(value, ?) WHERE name = 'last_key'", list[n-1].key)
	}
	return n, more, err
}

// sweepEvent removes what belongs to one event, then the event.
func (t *tx) sweepEvent(agent waybell.AgentNumber, key waybell.Key, until time.Time) (done bool, err error) {
	waiting, err := collect(t.query("SELECT "+waitingColumns+
		" FROM waiting WHERE agent = ? AND event = ? ORDER BY endpoint", agent, key), t.s.readWaiting)
	if err != nil {
		return false, err
	}
	for _, w := range waiting {
		if _, err := t.exec(sqlDeleteWaiting, agent, key, w.Endpoint); err != nil {
			return false, err
		}
		c := t.counts(agent, w.Endpoint)
		c.waits(w.Attempts > 0, -1)
		c.settles(waybell.DeliveryCanceled, 1)
		if !w.Owned {
			t.touch(w.Endpoint)
		}
	}
	for n := sweepAttempts; n == sweepAttempts; {
		n, err = t.exec(`DELETE FROM attempts WHERE (event, endpoint, number) IN (
			SELECT event, endpoint, number FROM attempts WHERE event = ? LIMIT ?)`, key, sweepAttempts)
		if err != nil {
			return false, err
		}
		if n == sweepAttempts && !time.Now().Before(until) {
			return false, nil
		}
	}
	if _, err := t.exec("DELETE FROM idempotency WHERE kind IN (0, 1) AND event = ?", key); err != nil {
		return false, err
	}
	if _, err := t.exec("DELETE FROM deliveries WHERE agent = ? AND event = ?", agent, key); err != nil {
		return false, err
	}
	if _, err := t.exec("DELETE FROM events WHERE key = ?", key); err != nil {
		return false, err
	}
	t.events--
	return true, nil
}
