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
	return s.settled(c, agent, ref)
}

// settled finds a settled delivery.
func (s *Store) settled(c *conn, agent waybell.AgentNumber, ref waybell.DeliveryRef) (waybell.Delivery, error) {
	var d waybell.Delivery
	found, err := c.row(func(r *rows) { d, _ = s.readDelivery(r) }, sqlDelivery, agent, ref.Event, ref.Endpoint)
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
func (s *Store) Attempts(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef, newest int) ([]waybell.Attempt, error) {
	var list []waybell.Attempt
	err := s.snapshot(ctx, func(c *conn) error {
		if _, err := s.delivery(c, agent, ref); err != nil {
			return err
		}
		r := c.query(`SELECT number, started_at, duration, status_code, reason, detail FROM attempts
			WHERE event = ? AND endpoint = ? ORDER BY number DESC LIMIT ?`, ref.Event, ref.Endpoint, newest)
		for r.next() {
			list = append(list, waybell.Attempt{
				DeliveryRef: ref, Agent: agent, Number: int(r.int()), StartedAt: r.time(),
				Duration: time.Duration(r.int()) * time.Microsecond, StatusCode: int(r.int()),
				Reason: waybell.Reason(r.int()), Detail: r.blob(),
			})
		}
		slices.Reverse(list)
		return r.close()
	})
	return list, err
}

// A list looks at many rows to show few: what filters go by comes as one number,
// the state in the lowest four bits, then 16 of the status code, then the type.
const (
	sqlListWaiting = `SELECT event, endpoint, (attempts > 0) | (status_code << 4) | (type << 20) FROM waiting
	WHERE agent = ? AND (event, endpoint) < (?, ?) AND event >= ? ORDER BY event DESC, endpoint DESC`

	sqlListSettled = `SELECT event, endpoint, state | (status_code << 4) | (type << 20) FROM deliveries
	WHERE agent = ? AND (event, endpoint) < (?, ?) AND event >= ? ORDER BY event DESC, endpoint DESC`
)

// logRow is what of a delivery filters go by.
type logRow struct {
	waybell.DeliveryRef
	state  waybell.DeliveryState
	status int
	typ    int64
}

func readLogRow(r *rows) logRow {
	row := logRow{DeliveryRef: waybell.DeliveryRef{Event: waybell.Key(r.int()), Endpoint: waybell.EndpointNumber(r.int())}}
	packed := r.int()
	row.state, row.status, row.typ = waybell.DeliveryState(packed&0xf), int(packed>>4&0xffff), packed>>20
	return row
}

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
		m := merge{
			waiting: c.query(sqlListWaiting, q.Agent, upper.Event, upper.Endpoint, q.Since),
			settled: c.query(sqlListSettled, q.Agent, upper.Event, upper.Endpoint, q.Since)}
		f := newDeliveryFilter(q, s.types.lookup(q.Type))
		var shown []logRow
		var last waybell.DeliveryRef
		seen := 0
		for row, ok := m.next(); ok; row, ok = m.next() {
			if seen == q.Scan || len(shown) == q.Limit {
				page.Next = last
				break
			}
			seen++
			last = row.DeliveryRef
			if f.wants(row) {
				shown = append(shown, row)
			}
		}
		if err := m.close(); err != nil {
			return err
		}
		for _, row := range shown {
			find := s.delivery
			if row.state.Settled() {
				find = s.settled
			}
			d, err := find(c, q.Agent, row.DeliveryRef)
			if err != nil {
				return err
			}
			page.Deliveries = append(page.Deliveries, d)
		}
		return s.nameEvents(c, page.Deliveries)
	})
	return page, err
}

// merge reads waiting and settled rows together, by falling (event, endpoint).
type merge struct {
	waiting, settled *rows
	w, d             logRow
	hasW, hasD       bool
}

func (m *merge) next() (logRow, bool) {
	if !m.hasW {
		if m.hasW = m.waiting.next(); m.hasW {
			m.w = readLogRow(m.waiting)
		}
	}
	if !m.hasD {
		if m.hasD = m.settled.next(); m.hasD {
			m.d = readLogRow(m.settled)
		}
	}
	switch {
	case m.hasW && (!m.hasD || compareRefs(m.w.DeliveryRef, m.d.DeliveryRef) > 0):
		m.hasW = false
		return m.w, true
	case m.hasD:
		m.hasD = false
		return m.d, true
	}
	return logRow{}, false
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
	only, except map[waybell.EndpointNumber]bool
	states       [16]bool
	status       *waybell.StatusRange
	anyType      bool
	typ          int64
}

// newDeliveryFilter takes the number of q.Type, 0 when no row ever had it.
func newDeliveryFilter(q waybell.DeliveryQuery, typ int64) deliveryFilter {
	f := deliveryFilter{except: endpointSet(q.ExceptEndpoints), status: q.Status, anyType: q.Type == "", typ: typ}
	if q.Endpoints != nil {
		f.only = endpointSet(q.Endpoints)
	}
	for i := range f.states {
		f.states[i] = q.States == nil || slices.Contains(q.States, waybell.DeliveryState(i))
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

func (f *deliveryFilter) wants(r logRow) bool {
	return f.states[r.state] && (f.anyType || f.typ == r.typ) && f.status.Has(r.status) &&
		(f.only == nil || f.only[r.Endpoint]) && !f.except[r.Endpoint]
}
