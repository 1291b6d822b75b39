package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybell/waybell"
)

// ErrDamaged tells that [Store.Check] found the database damaged or its rows
// contradicting each other.
var ErrDamaged = errors.New("database damaged")

// checkFindings bounds how many findings Check reports.
const checkFindings = 20

// sanity is what must hold between the tables: each query returns the rows for
// which it does not.
var sanityChecks = [...]struct{ finding, sql string }{
	{"waiting delivery without its event", `SELECT event, endpoint FROM waiting w
		WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.key = w.event AND e.agent = w.agent)`},
	{"settled delivery without its event", `SELECT event, endpoint FROM deliveries d
		WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.key = d.event AND e.agent = d.agent)`},
	{"attempt without its event", `SELECT event, endpoint FROM attempts a
		WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.key = a.event)`},
	{"delivery both waiting and settled", `SELECT w.event, w.endpoint FROM waiting w
		JOIN deliveries d ON d.agent = w.agent AND d.event = w.event AND d.endpoint = w.endpoint`},
	{"event type without a name", `SELECT key, type FROM events WHERE type NOT IN (SELECT number FROM type_names)`},
	{"ledger that does not add up", `SELECT 0, endpoint FROM counters
		WHERE accepted <> pending + retrying + delivered + failed + canceled`},
	{"ledger that differs from the waiting rows", `SELECT 0, endpoint FROM counters c
		FULL JOIN (SELECT endpoint, sum(attempts = 0) AS p, sum(attempts > 0) AS r FROM waiting GROUP BY endpoint) w
		USING (endpoint)
		WHERE coalesce(c.pending, 0) <> coalesce(w.p, 0) OR coalesce(c.retrying, 0) <> coalesce(w.r, 0)`},
	// Retention removes settled rows, never what the ledger counts of them.
	{"ledger below the settled rows", `SELECT 0, endpoint FROM counters c
		JOIN (SELECT endpoint, sum(state = 3) AS d, sum(state = 4) AS f, sum(state = 5) AS x
			FROM deliveries GROUP BY endpoint) s USING (endpoint)
		WHERE c.delivered < s.d OR c.failed < s.f OR c.canceled < s.x`},
}

// Check reads the whole database and tells with [ErrDamaged] what is wrong with
// it: SQLite's own integrity check, then what must hold between the rows. It
// works beside everything else, but the log cannot be shortened meanwhile:
// check a backup where the store is large and busy.
func (s *Store) Check(ctx context.Context) error {
	var findings []error
	if err := s.open(ctx); err != nil {
		return err
	}
	s.checks.RLock()
	defer s.checks.RUnlock()
	c, err := s.openReader() // its own: this takes long
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	err = c.snapshot(func(c *conn) error {
		r := c.queryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", checkFindings))
		for r.next() {
			if text := r.text(); text != "ok" {
				findings = append(findings, errors.New(text))
			}
		}
		if err := r.close(); err != nil {
			return err
		}
		for _, check := range sanityChecks {
			r := c.queryContext(ctx, check.sql+fmt.Sprintf(" LIMIT %d", checkFindings))
			for r.next() {
				ref := waybell.DeliveryRef{Event: waybell.Key(r.int()), Endpoint: waybell.EndpointNumber(r.int())}
				findings = append(findings, fmt.Errorf("%s: event %d, endpoint %d", check.finding, ref.Event, ref.Endpoint))
			}
			if err := r.close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, c.giveUp()); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if len(findings) > 0 {
		return fmt.Errorf("check: %w: %w", ErrDamaged, errors.Join(findings...))
	}
	return nil
}
