package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/waybell/waybell"
)

const eventColumns = "key, agent, agent_id, agent_name, id, type, timestamp, test, deliveries, messages, data"

func (s *Store) readEvent(r *rows) waybell.Event {
	e := waybell.Event{
		Key: waybell.Key(r.int()), Agent: waybell.AgentNumber(r.int()), AgentID: r.text(), AgentName: r.text(),
		ID: r.text(), Type: s.types.word(r.int()), Timestamp: r.time(), Test: r.bool(), Deliveries: int(r.int()),
		Messages: r.blob(), Data: r.blob(),
	}
	if e.ID == "" {
		e.ID = waybell.EventID(e.Key)
	}
	return e
}

const sqlEvent = "SELECT " + eventColumns + " FROM events WHERE key = ? AND agent = ?"

func (s *Store) event(c *conn, agent waybell.AgentNumber, key waybell.Key) (e waybell.Event, found bool, err error) {
	found, err = c.row(func(r *rows) { e = s.readEvent(r) }, sqlEvent, key, agent)
	return e, found, err
}

// Event implements [waybell.EventStore].
func (s *Store) Event(ctx context.Context, agent waybell.AgentNumber, key waybell.Key) (waybell.Event, error) {
	var e waybell.Event
	err := s.read(ctx, func(c *conn) error {
		var found bool
		var err error
		if e, found, err = s.event(c, agent, key); err == nil && !found {
			err = fmt.Errorf("event %s: %w", waybell.EventID(key), waybell.ErrNotFound)
		}
		return err
	})
	return e, err
}

// EventByID implements [waybell.EventStore].
func (s *Store) EventByID(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Event, error) {
	var e waybell.Event
	err := s.snapshot(ctx, func(c *conn) error {
		chosen, err := c.int("SELECT event FROM idempotency WHERE agent = ? AND kind = 0 AND key = ?", agent, id)
		if err != nil {
			return err
		}
		key, found := waybell.Key(chosen), chosen != 0
		if !found {
			key, found = waybell.ParseEventID(id)
		}
		if found {
			e, found, err = s.event(c, agent, key)
		}
		// An event with a chosen id is not found by the id that its key would make.
		if err == nil && (!found || e.ID != id) {
			err = fmt.Errorf("event %.140q: %w", id, waybell.ErrNotFound)
		}
		return err
	})
	if err != nil {
		return waybell.Event{}, err
	}
	return e, nil
}

// EventsByKey implements [waybell.EventStore].
func (s *Store) EventsByKey(ctx context.Context, refs []waybell.EventRef) ([]waybell.Event, error) {
	wanted := make(map[waybell.EventRef]bool, len(refs))
	for _, ref := range refs {
		wanted[ref] = true
	}
	list := make([]waybell.Event, 0, len(wanted))
	err := s.snapshot(ctx, func(c *conn) error {
		for some := range slices.Chunk(refs, eventsAtOnce) {
			keys := make([]any, eventsAtOnce)
			for i := range keys { // the last one fills what is left: a set has it once
				keys[i] = some[min(i, len(some)-1)].Key
			}
			r := c.query(sqlEvents, keys...)
			for r.next() {
				e := s.readEvent(r)
				ref := waybell.EventRef{Agent: e.Agent, Key: e.Key}
				if wanted[ref] {
					list = append(list, e)
				}
				delete(wanted, ref) // given twice, it comes back once
			}
			if err := r.close(); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// eventsAtOnce is how many events one statement reads.
const eventsAtOnce = 16

const sqlEvents = "SELECT " + eventColumns + ` FROM events
	WHERE key IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// The index holds what a list filters by: only events of the page are read.
const sqlListEvents = `SELECT key, type FROM events
	WHERE agent = ? AND key < ? AND key >= ? ORDER BY key DESC LIMIT ?`

// ListEvents implements [waybell.EventStore].
func (s *Store) ListEvents(ctx context.Context, q waybell.EventQuery) (waybell.EventPage, error) {
	var page waybell.EventPage
	typ := int64(0)
	if q.Type != "" {
		if typ = s.types.lookup(q.Type); typ == 0 {
			return page, s.read(ctx, func(*conn) error { return nil }) // no row ever had it
		}
	}
	upper := int64(math.MaxInt64)
	for _, bound := range []waybell.Key{q.After, q.Until} {
		if bound != 0 {
			upper = min(upper, int64(bound))
		}
	}
	err := s.snapshot(ctx, func(c *conn) error {
		var keys []waybell.Key
		r := c.query(sqlListEvents, q.Agent, upper, q.Since, q.Scan+1)
		seen, last := 0, waybell.Key(0)
		for r.next() {
			if seen == q.Scan || len(keys) == q.Limit {
				page.Next = last
				break
			}
			seen++
			last = waybell.Key(r.int())
			if typ == 0 || r.int() == typ {
				keys = append(keys, last)
			}
		}
		if err := r.close(); err != nil {
			return err
		}
		for _, k := range keys {
			e, _, err := s.event(c, q.Agent, k)
			if err != nil {
				return err
			}
			page.Events = append(page.Events, e)
		}
		return nil
	})
	return page, err
}
