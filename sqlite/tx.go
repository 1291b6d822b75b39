package sqlite

import (
	"errors"
	"fmt"

	"github.com/waybell/waybell"
)

// tx is one transaction of the writer and what becomes of the store's memory
// when it commits.
type tx struct {
	*conn
	s       *Store
	begun   bool
	refused []error // per operation: refused before it wrote anything

	config  int64 // the configuration version reached, 0 = unchanged
	events  int64 // events inserted less events removed
	ledger  map[waybell.EndpointNumber]*counts
	touched map[waybell.EndpointNumber]struct{} // unowned rows came or went
	due     []dueChange
	passed  map[waybell.EndpointNumber]passed // see passed
	named   []string                          // type names added
	joined  []waybell.Lease                   // nodes that join in this transaction
	after   []func()                          // run when committed
}

type dueChange struct {
	endpoint waybell.EndpointNumber
	nextAt   int64
	any      bool
}

// counts is how a transaction changes the ledger of one endpoint.
type counts struct {
	agent                       waybell.AgentNumber
	accepted, pending, retrying int
	delivered, failed, canceled int
	health                      *waybell.Health
}

// run executes the batch and commits. On an error nothing was written (but see
// commit), and guilty is the operation to blame, or -1.
func (t *tx) run(batch []*operation) (guilty int, err error) {
	t.refused = make([]error, len(batch))
	if _, err := t.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return -1, err
	}
	for i, op := range batch {
		before := t.conn.runs
		err := op.do(t)
		switch {
		case err == nil:
		case t.conn.runs == before:
			t.refused[i] = err
		default:
			return i, t.rollback(err)
		}
	}
	if err := t.finish(); err != nil {
		return -1, t.rollback(err)
	}
	return -1, t.commit()
}

func (t *tx) exec(sql string, args ...any) (int, error) {
	t.begun = true
	return t.conn.exec(sql, args...)
}

// rollback undoes the transaction; where SQLite did so itself the statement
// only says that there is none.
func (t *tx) rollback(cause error) error {
	if len(t.named) > 0 {
		t.s.types.forget(t.named)
	}
	t.conn.forgetCollected()
	if _, err := t.conn.exec("ROLLBACK"); err != nil && medium(err) {
		return errors.Join(cause, err)
	}
	return cause
}

// commit ends the transaction. Where the disk fails meanwhile, the commit
// record may have reached it: whether the rows are there shows only when the
// database was opened anew. A full disk is no such case: the record comes last.
func (t *tx) commit() error {
	_, err := t.conn.exec("COMMIT")
	if err == nil {
		return nil
	}
	err = t.rollback(err)
	if t.conn.bad {
		return fmt.Errorf("%w: %w", waybell.ErrCommitUnknown, err)
	}
	return err
}

// finish writes what was collected for the whole transaction.
func (t *tx) finish() error {
	for e, c := range t.ledger {
		if err := t.count(e, c); err != nil {
			return err
		}
	}
	if t.config > 0 {
		if _, err := t.exec("UPDATE meta SET value = ? WHERE name = 'config_version'", t.config); err != nil {
			return err
		}
	}
	if t.events != 0 {
		if _, err := t.exec("UPDATE meta SET value = value + ? WHERE name = 'events'", t.events); err != nil {
			return err
		}
	}
	for e := range t.touched {
		ch := dueChange{endpoint: e}
		var err error
		ch.any, err = t.row(func(r *rows) { ch.nextAt = r.int() }, sqlEarliest, e)
		if err != nil {
			return err
		}
		t.due = append(t.due, ch)
	}
	return nil
}

const sqlEarliest = `SELECT next_at FROM waiting
	WHERE endpoint = ? AND owner = 0 AND deaths < 3 ORDER BY next_at LIMIT 1`

const sqlCount = `INSERT INTO counters (endpoint, agent, accepted, pending, retrying, delivered, failed, canceled,
		last_success, last_failure, failing_since, failures, refusals, refused_since, open)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?9, ?9, ?9, 0, 0, ?9, 0)
	ON CONFLICT (endpoint) DO UPDATE SET accepted = accepted + excluded.accepted,
		pending = pending + excluded.pending, retrying = retrying + excluded.retrying,
		delivered = delivered + excluded.delivered, failed = failed + excluded.failed,
		canceled = canceled + excluded.canceled`

const sqlHealth = `UPDATE counters SET last_success = ?, last_failure = ?, failing_since = ?,
	failures = ?, refusals = ?, refused_since = ?, open = ?, last_reason = ?, last_status = ? WHERE endpoint = ?`

func (t *tx) count(e waybell.EndpointNumber, c *counts) error {
	_, err := t.exec(sqlCount, e, c.agent, c.accepted, c.pending, c.retrying,
		c.delivered, c.failed, c.canceled, noTime)
	if err != nil || c.health == nil {
		return err
	}
	h := c.health
	_, err = t.exec(sqlHealth, h.LastSuccess, h.LastFailure, h.FailingSince,
		h.Failures, h.Refusals, h.RefusedSince, h.Open, h.LastReason, h.LastStatus, e)
	return err
}

// publish takes the committed changes into the store's memory.
func (t *tx) publish() {
	if t.config > 0 || len(t.due) > 0 {
		t.s.mu.Lock()
		if t.config > 0 {
			t.s.version = t.config
		}
		for _, ch := range t.due {
			t.s.due.set(ch.endpoint, ch.nextAt, ch.any)
		}
		t.s.mu.Unlock()
	}
	for e, p := range t.passed {
		t.s.writer.passed[e] = p
	}
	for _, f := range t.after {
		f()
	}
}

// counts returns the transaction's changes for an endpoint, to add to.
func (t *tx) counts(agent waybell.AgentNumber, e waybell.EndpointNumber) *counts {
	c := t.ledger[e]
	if c == nil {
		if t.ledger == nil {
			t.ledger = make(map[waybell.EndpointNumber]*counts)
		}
		c = &counts{agent: agent}
		t.ledger[e] = c
	}
	return c
}

// waits counts n waiting rows that came or went; attempted tells which kind.
func (c *counts) waits(attempted bool, n int) {
	if attempted {
		c.retrying += n
	} else {
		c.pending += n
	}
}

// settles counts n settled deliveries that came or went.
func (c *counts) settles(s waybell.DeliveryState, n int) {
	switch s {
	case waybell.DeliveryDelivered:
		c.delivered += n
	case waybell.DeliveryFailed:
		c.failed += n
	default:
		c.canceled += n
	}
}

// touch notes that the endpoint's earliest unowned row may be another one.
func (t *tx) touch(e waybell.EndpointNumber) {
	if t.touched == nil {
		t.touched = make(map[waybell.EndpointNumber]struct{})
	}
	t.touched[e] = struct{}{}
}

// configVersion is the version this transaction has reached.
func (t *tx) configVersion() int64 {
	if t.config > 0 {
		return t.config
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.s.version
}

// nextVersion raises the configuration version for one change.
func (t *tx) nextVersion() int64 {
	t.config = t.configVersion() + 1
	return t.config
}

// fence refuses a lease that is not a living node's.
func (t *tx) fence(lease waybell.Lease) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.s.fence(lease)
}

// fence must be called with mu held.
func (s *Store) fence(lease waybell.Lease) error {
	if l, ok := s.living[lease.Node]; !ok || l.lease.Epoch != lease.Epoch {
		return fmt.Errorf("%w: node %d", waybell.ErrFenced, lease.Node)
	}
	return nil
}
