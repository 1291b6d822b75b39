package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

const deliveryColumns = "agent, event, endpoint, type, state, reason, attempts, status_code, finished_at"

func (s *Store) readDelivery(r *rows) (waybell.Delivery, error) {
	p := readPlace(r)
	return waybell.Delivery{
		Agent: p.agent, DeliveryRef: p.ref, Type: s.types.word(r.int()),
		State: waybell.DeliveryState(r.int()), Reason: waybell.Reason(r.int()),
		Attempts: int(r.int()), StatusCode: int(r.int()), FinishedAt: r.time(), CreatedAt: p.ref.Event.Time(),
	}, nil
}

// delivery shows a waiting row as the log does.
func (w waitingRow) delivery() waybell.Delivery {
	return waybell.Delivery{
		Agent: w.Agent, DeliveryRef: w.DeliveryRef, Type: w.Type,
		State: waitingState(w.Attempts), Reason: w.Reason,
		Attempts: w.Attempts, StatusCode: w.StatusCode, NextAt: w.NextAt,
		CreatedAt: w.Event.Time(), Entered: w.Entered,
	}
}

func waitingState(attempts int) waybell.DeliveryState {
	if attempts > 0 {
		return waybell.DeliveryRetrying
	}
	return waybell.DeliveryPending
}

// nameEvents fills in the webhook-ids, which only the event rows hold.
func (s *Store) nameEvents(c *conn, list []waybell.Delivery) error {
	for i := range list {
		d := &list[i]
		if i > 0 && list[i-1].Event == d.Event {
			d.EventID = list[i-1].EventID
			continue
		}
		_, err := c.row(func(r *rows) { d.EventID = r.text() }, "SELECT id FROM events WHERE key = ?", d.Event)
		if err != nil {
			return err
		}
		if d.EventID == "" {
			d.EventID = waybell.EventID(d.Event)
		}
	}
	return nil
}

const sqlDelivery = "SELECT " + deliveryColumns + " FROM deliveries WHERE agent = ? AND event = ? AND endpoint = ?"

// delivery finds a delivery, waiting or settled.
func (s *Store) delivery(c *conn, agent waybell.AgentNumber, ref waybell.DeliveryRef) (waybell.Delivery, error) {
	var d waybell.Delivery
	w, found, err := s.waitingRow(c, agent, ref)
	if err != nil {
		return d, err
	}
	if found {
		return w.delivery(), nil
	}
	found, err = c.row(func(r *rows) { d, _ = s.readDelivery(r) }, sqlDelivery, agent, ref.Event, ref.Endpoint)
	if err == nil && !found {
		err = fmt.Errorf("delivery %s: %w", ref, waybell.ErrNotFound)
	}
	return d, err
}

// Delivery implements [waybell.DeliveryStore].
func (s *Store) Delivery(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef) (waybell.Delivery, error) {
	list := make([]waybell.Delivery, 1)
	err := s.snapshot(ctx, func(c *conn) error {
		var err error
		if list[0], err = s.delivery(c, agent, ref); err != nil {
			return err
		}
		return s.nameEvents(c, list)
	})
	if err != nil {
		return waybell.Delivery{}, err
	}
	return list[0], nil
}

// EventDeliveries implements [waybell.DeliveryStore].
func (s *Store) EventDeliveries(ctx context.Context, agent waybell.AgentNumber, event waybell.Key) ([]waybell.Delivery, error) {
	var list []waybell.Delivery
	err := s.snapshot(ctx, func(c *conn) error {
		waiting, err := collect(c.query("SELECT "+waitingColumns+
			" FROM waiting WHERE agent = ? AND event = ? ORDER BY endpoint", agent, event), s.readWaiting)
		if err != nil {
			return err
		}
		list, err = collect(c.query("SELECT "+deliveryColumns+
			" FROM deliveries WHERE agent = ? AND event = ? ORDER BY endpoint", agent, event), s.readDelivery)
		if err != nil {
			return err
		}
		for _, w := range waiting {
			list = append(list, w.delivery())
		}
		slices.SortFunc(list, func(a, b waybell.Delivery) int { return compareRefs(a.DeliveryRef, b.DeliveryRef) })
		return s.nameEvents(c, list)
	})
	return list, err
}

// Attempts implements [waybell.DeliveryStore].
func (s *Store) Attempts(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef) ([]waybell.Attempt, error) {
	var list []waybell.Attempt
	err := s.snapshot(ctx, func(c *conn) error {
		if _, err := s.delivery(c, agent, ref); err != nil {
			return err
		}
		r := c.query(`SELECT number, started_at, duration, status_code, reason, detail FROM attempts
			WHERE event = ? AND endpoint = ? ORDER BY number`, ref.Event, ref.Endpoint)
		for r.next() {
			list = append(list, waybell.Attempt{
				DeliveryRef: ref, Agent: agent, Number: int(r.int()), StartedAt: r.time(),
				Duration: time.Duration(r.int()) * time.Microsecond, StatusCode: int(r.int()),
				Reason: waybell.Reason(r.int()), Detail: r.blob(),
			})
		}
		return r.close()
	})
	return list, err
}

const sqlListWaiting = "SELECT " + waitingColumns + ` FROM waiting
	WHERE agent = ? AND (event, endpoint) < (?, ?) AND event >= ? ORDER BY event DESC, endpoint DESC`

const sqlListSettled = "SELECT " + deliveryColumns + ` FROM deliveries
	WHERE agent = ? AND (event, endpoint) < (?, ?) AND event >= ? ORDER BY event DESC, endpoint DESC`

// Deliveries implements [waybell.DeliveryStore]: two range scans, merged.
func (s *Store) Deliveries(ctx context.Context, q waybell.DeliveryQuery) (waybell.DeliveryPage, error) {
	var page waybell.DeliveryPage
	upper := waybell.DeliveryRef{Event: math.MaxInt64, Endpoint: math.MaxUint32}
	if q.After != (waybell.DeliveryRef{}) {
		upper = q.After
	}
	if q.Until != 0 && q.Until <= upper.Event {
		upper = waybell.DeliveryRef{Event: q.Until}
	}
	err := s.snapshot(ctx, func(c *conn) error {
		m := merge{s: s,
			waiting: c.query(sqlListWaiting, q.Agent, upper.Event, upper.Endpoint, q.Since),
			settled: c.query(sqlListSettled, q.Agent, upper.Event, upper.Endpoint, q.Since)}
		f := newDeliveryFilter(q)
		seen := 0
		var last waybell.DeliveryRef
		for d, ok := m.next(); ok; d, ok = m.next() {
			if seen == q.Scan || len(page.Deliveries) == q.Limit {
				page.Next = last
				break
			}
			seen++
			last = d.DeliveryRef
			if f.wants(d) {
				page.Deliveries = append(page.Deliveries, *d)
			}
		}
		if err := m.close(); err != nil {
			return err
		}
		return s.nameEvents(c, page.Deliveries)
	})
	return page, err
}

// merge reads waiting and settled rows together, by falling (event, endpoint).
type merge struct {
	s                *Store
	waiting, settled *rows
	w, d             waybell.Delivery
	hasW, hasD       bool
}

func (m *merge) next() (*waybell.Delivery, bool) {
	if !m.hasW {
		if m.hasW = m.waiting.next(); m.hasW {
			row, _ := m.s.readWaiting(m.waiting)
			m.w = row.delivery()
		}
	}
	if !m.hasD {
		if m.hasD = m.settled.next(); m.hasD {
			m.d, _ = m.s.readDelivery(m.settled)
		}
	}
	switch {
	case m.hasW && (!m.hasD || compareRefs(m.w.DeliveryRef, m.d.DeliveryRef) > 0):
		m.hasW = false
		return &m.w, true
	case m.hasD:
		m.hasD = false
		return &m.d, true
	}
	return nil, false
}

func (m *merge) close() error {
	err := m.waiting.close()
	if e := m.settled.close(); err == nil {
		err = e
	}
	return err
}

// deliveryFilter is what a query asks of each row.
type deliveryFilter struct {
	q            waybell.DeliveryQuery
	only, except map[waybell.EndpointNumber]bool
	states       [8]bool
}

func newDeliveryFilter(q waybell.DeliveryQuery) deliveryFilter {
	f := deliveryFilter{q: q, except: endpointSet(q.ExceptEndpoints)}
	if q.Endpoints != nil {
		f.only = endpointSet(q.Endpoints)
	}
	for i := range f.states {
		state := waybell.DeliveryState(i)
		f.states[i] = q.States == nil || slices.Contains(q.States, state)
	}
	return f
}

func endpointSet(list []waybell.EndpointNumber) map[waybell.EndpointNumber]bool {
	set := make(map[waybell.EndpointNumber]bool, len(list))
	for _, e := range list {
		set[e] = true
	}
	return set
}

func (f *deliveryFilter) wants(d *waybell.Delivery) bool {
	return f.states[d.State] &&
		(f.q.Type == "" || f.q.Type == d.Type) &&
		(f.q.StatusCode == 0 || f.q.StatusCode == d.StatusCode) &&
		(f.only == nil || f.only[d.Endpoint]) && !f.except[d.Endpoint]
}
