package sqlite

import (
	"context"
	"time"

	"github.com/waybell/waybell"
)

const (
	// sweepTime is when a transaction of a sweep stops removing attempts; the
	// bounded rest and the commit come on top.
	sweepTime = 5 * time.Millisecond
	// The bounds of one transaction, besides one event with all its deliveries.
	sweepEvents = 128
	sweepRows   = 256
	sweepBytes  = 4 << 20
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
		err := s.writeAt(ctx, behind, sweepEvents, 0, func(t *tx) error {
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

// swept is an event that goes.
type swept struct {
	key   waybell.Key
	agent waybell.AgentNumber
	rows  int64 // deliveries
	bytes int64
}

const sqlSwept = `SELECT key, agent, deliveries, coalesce(length(data), 0) + coalesce(length(messages), 0)
	FROM events WHERE key < ? ORDER BY key LIMIT ?`

// sweep removes some events before the key, oldest first, with all that
// belongs to them. Every row of an event up to the last of them goes, so that
// ranges can be deleted instead of rows. Events go last: a piece that ends
// before is taken up again.
func (t *tx) sweep(before waybell.Key, until time.Time) (n int, more bool, err error) {
	list, err := collect(t.query(sqlSwept, before, sweepEvents+1), func(r *rows) (swept, error) {
		return swept{waybell.Key(r.int()), waybell.AgentNumber(r.int()), r.int(), r.int()}, nil
	})
	if err != nil || len(list) == 0 {
		return 0, false, err
	}
	size := sweepable(list)
	more = size < len(list)
	list = list[:size]
	last := list[len(list)-1].key
	done, err := t.sweepAttempts(last, until)
	if err != nil || !done {
		return 0, true, err
	}
	agents := make(map[waybell.AgentNumber]bool)
	for _, e := range list {
		if agents[e.agent] {
			continue
		}
		agents[e.agent] = true
		if err := t.sweepWaiting(e.agent, last); err != nil {
			return 0, true, err
		}
		if _, err := t.exec("DELETE FROM deliveries WHERE agent = ? AND event <= ?", e.agent, last); err != nil {
			return 0, true, err
		}
	}
	for _, sql := range []string{
		"DELETE FROM idempotency WHERE kind IN (0, 1) AND event <= ?",
		"DELETE FROM events WHERE key <= ?",
		"UPDATE meta SET value = max(value, ?) WHERE name = 'last_key'",
	} {
		if _, err := t.exec(sql, last); err != nil {
			return 0, true, err
		}
	}
	t.events -= int64(len(list))
	return len(list), more, nil
}

// sweepable is how many of the events go in one piece: one at least.
func sweepable(list []swept) int {
	var rows, bytes int64
	for i, e := range list {
		rows += e.rows
		bytes += e.bytes
		if i == sweepEvents || i > 0 && (rows > sweepRows || bytes > sweepBytes) {
			return i
		}
	}
	return len(list)
}

// sweepAttempts removes the attempts of events up to last, piece by piece.
func (t *tx) sweepAttempts(last waybell.Key, until time.Time) (done bool, err error) {
	for {
		var event, endpoint, number int64
		rest, err := t.row(func(r *rows) { event, endpoint, number = r.int(), r.int(), r.int() },
			`SELECT event, endpoint, number FROM attempts WHERE event <= ?
			ORDER BY event, endpoint, number LIMIT 1 OFFSET ?`, last, sweepRows)
		if err != nil {
			return false, err
		}
		if !rest {
			_, err := t.exec("DELETE FROM attempts WHERE event <= ?", last)
			return err == nil, err
		}
		_, err = t.exec("DELETE FROM attempts WHERE (event, endpoint, number) < (?, ?, ?)", event, endpoint, number)
		if err != nil || !time.Now().Before(until) {
			return false, err
		}
	}
}

// sweepWaiting settles an agent's waiting rows of events up to last as
// canceled: only the ledger keeps them.
func (t *tx) sweepWaiting(agent waybell.AgentNumber, last waybell.Key) error {
	waiting, err := collect(t.query("SELECT "+waitingColumns+
		" FROM waiting WHERE agent = ? AND event <= ? ORDER BY event, endpoint", agent, last), t.s.readWaiting)
	if err != nil || len(waiting) == 0 {
		return err
	}
	for _, w := range waiting {
		c := t.counts(agent, w.Endpoint)
		c.waits(w.Attempts > 0, -1)
		c.settles(waybell.DeliveryCanceled, 1)
		if !w.Owned {
			t.touch(w.Endpoint)
		}
	}
	_, err = t.exec("DELETE FROM waiting WHERE agent = ? AND event <= ?", agent, last)
	return err
}
