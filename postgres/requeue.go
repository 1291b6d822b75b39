package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

const (
	sqlWaitingRow  = "SELECT " + waitingColumns + " FROM waiting w WHERE agent = $1 AND event = $2 AND endpoint = $3 FOR UPDATE"
	sqlWaitingRows = sqlWaitingRowsHead + " OFFSET 0) w"
	// sqlLockWaiting locks those that a call may change, in the order of their keys.
	// One that a node has in hand is not, unless it counts as canceled: it is left as
	// it is, and its node settles many of them in an order of its own.
	sqlLockWaiting = sqlWaitingRowsHead + " AND (x.owner = 0 OR x.entered <= o.up_to) OFFSET 0 FOR UPDATE) w"

	sqlWaitingRowsHead = "SELECT " + waitingColumns + ` FROM (
			SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (agent, event, endpoint, up_to)
			ORDER BY agent, event, endpoint) o
		CROSS JOIN LATERAL (
			SELECT * FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint`

	sqlSettledRows = `SELECT d.agent, d.event, d.endpoint, d.owner
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS o (agent, event, endpoint)
		JOIN deliveries d ON d.agent = o.agent AND d.event = o.event AND d.endpoint = o.endpoint
		ORDER BY d.agent, d.event, d.endpoint FOR UPDATE OF d`

	sqlDueNow = `UPDATE waiting w SET next_at = o.now
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS o (agent, event, endpoint, now, entered, window_end)
		CROSS JOIN LATERAL (
			SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
			OFFSET 0) p
		WHERE w.ctid = p.place`

	// sqlReopen makes settled deliveries wait again, unless their event is gone.
	sqlReopen = `WITH o AS (
			SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS u (agent, event, endpoint, now, entered, window_end)
		), gone AS (
			DELETE FROM deliveries d USING o, events e
			WHERE d.agent = o.agent AND d.event = o.event AND d.endpoint = o.endpoint AND e.agent = o.agent AND e.key = o.event
			RETURNING d.*, e.test, o.now, o.entered, o.window_end
		), waits AS (
			INSERT INTO waiting (agent, event, endpoint, type, entered, next_at, window_end, attempts, cycle, status_code,
				reason, owner, test)
			SELECT agent, event, endpoint, type, entered, now, window_end, attempts, attempts, status_code, reason, 0, test FROM gone
		) SELECT agent, event, endpoint, state, attempts FROM gone`
)

// deliveryKey names a row of waiting or deliveries.
type deliveryKey struct {
	agent waybell.AgentNumber
	waybell.DeliveryRef
}

func (w *waitingRow) key() deliveryKey { return deliveryKey{w.Agent, w.DeliveryRef} }

// requeueRows are deliveries to be made due, as parameters.
type requeueRows struct {
	agents, events, endpoints, nows, entered, ends []int64
	upTo                                           []int64 // canceled are those entered by then
}

func (p *requeueRows) add(r *waybell.Requeue) {
	p.agents, p.events, p.endpoints = append(p.agents, int64(r.Agent)), append(p.events, int64(r.Event)), append(p.endpoints, int64(r.Endpoint))
	p.nows, p.entered, p.ends = append(p.nows, micros(r.Now)), append(p.entered, int64(r.Entered)), append(p.ends, micros(r.WindowEnd))
	p.upTo = append(p.upTo, int64(r.CanceledUpTo))
}

func (p *requeueRows) key(i int) deliveryKey {
	return deliveryKey{waybell.AgentNumber(p.agents[i]), waybell.DeliveryRef{
		Event: waybell.Key(p.events[i]), Endpoint: waybell.EndpointNumber(p.endpoints[i])}}
}

func (p *requeueRows) args() []any {
	return []any{p.agents, p.events, p.endpoints, p.nows, p.entered, p.ends}
}

// requeueing is what is known of the deliveries of one call.
type requeueing struct {
	all     requeueRows
	waiting map[deliveryKey]waitingRow
	left    map[deliveryKey]waitingRow // those of waiting that stay as they are: some node has them in hand
	settled map[deliveryKey]int64      // by whom an attempt may be under way
	living  map[int64]bool             // of the nodes that may have one
	refused map[deliveryKey]error
}

func newRequeueing(list []waybell.Requeue) (q requeueing) {
	q.refused, q.left = make(map[deliveryKey]error), make(map[deliveryKey]waitingRow)
	for i := range list {
		q.all.add(&list[i])
	}
	return q
}

// Requeue implements [waybell.DeliveryStore].
func (s *Store) Requeue(ctx context.Context, lease waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	got := make([]waybell.Requeued, len(list))
	err := s.writeAgain(ctx, lease, func(t *tx) error {
		t.rows = 2 * len(list)
		q := newRequeueing(list)
		if err := t.findRequeued(&q); err != nil {
			return err
		}
		if err := t.requeue(&q, list); err != nil {
			return err
		}
		if err := t.findWaiting(&q); err != nil {
			return err
		}
		for i := range list {
			k := deliveryKey{list[i].Agent, list[i].DeliveryRef}
			w, waits := q.waiting[k]
			got[i] = waybell.Requeued{Waiting: w.Waiting, Err: q.refused[k]}
			if waits && errors.Is(got[i].Err, waybell.ErrNotFound) {
				got[i].Err = nil // another transaction made it wait again between the looks
			}
			if got[i].Err == nil && !waits { // what kept it was removed
				got[i].Err = fmt.Errorf("delivery %s: its event is gone: %w", k.DeliveryRef, waybell.ErrNotFound)
			}
			if got[i].Err != nil {
				got[i].Waiting = waybell.Waiting{}
			}
		}
		t.tell()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// findWaiting reads the waiting rows as they are after the call. What was left alone
// may have been settled since; it is told as it was found.
func (t *tx) findWaiting(q *requeueing) error {
	rows, err := t.look(sqlWaitingRows, q.all.agents, q.all.events, q.all.endpoints, q.all.upTo)
	q.waiting = maps.Clone(q.left)
	for _, w := range rows {
		if _, left := q.left[w.key()]; !left {
			q.waiting[w.key()] = w
		}
	}
	return err
}

// findRequeued reads what there is of the deliveries, and locks what is not in some
// node's hand.
func (t *tx) findRequeued(q *requeueing) error {
	owners, upTo := make(map[int64]bool), make(map[deliveryKey]waybell.Key)
	for i := range q.all.agents {
		k := q.all.key(i)
		upTo[k] = max(upTo[k], waybell.Key(q.all.upTo[i]))
	}
	for missed := true; missed; {
		missed = false
		q.waiting, q.settled = make(map[deliveryKey]waitingRow), make(map[deliveryKey]int64)
		t.query(func(r pgx.CollectableRow) error {
			w, err := readWaiting(r)
			q.waiting[w.key()] = w
			return err
		}, sqlLockWaiting, q.all.agents, q.all.events, q.all.endpoints, q.all.upTo)
		t.query(func(r pgx.CollectableRow) error {
			w, err := readWaiting(r)
			if _, locked := q.waiting[w.key()]; !locked {
				q.waiting[w.key()] = w
				missed = missed || !w.Owned || w.Entered <= upTo[w.key()] // only since then
			}
			return err
		}, sqlWaitingRows, q.all.agents, q.all.events, q.all.endpoints, q.all.upTo)
		t.query(func(r pgx.CollectableRow) error {
			var k deliveryKey
			var owner int64
			err := r.Scan(&k.agent, &k.Event, &k.Endpoint, &owner)
			q.settled[k], owners[owner] = owner, true
			return err
		}, sqlSettledRows, q.all.agents, q.all.events, q.all.endpoints)
		if err := t.flush(); err != nil {
			return err
		}
	}
	return t.findLiving(q, owners)
}

// findLiving reads which nodes may have an attempt under way.
func (t *tx) findLiving(q *requeueing, owners map[int64]bool) error {
	q.living = make(map[int64]bool)
	for _, w := range q.waiting {
		owners[w.owner] = true
	}
	delete(owners, 0)
	delete(owners, t.node)
	if len(owners) == 0 {
		return nil
	}
	var nodes []int64
	for n := range owners {
		nodes = append(nodes, n)
	}
	t.query(func(r pgx.CollectableRow) error {
		var node int64
		err := r.Scan(&node)
		q.living[node] = true
		return err
	}, "SELECT node FROM nodes WHERE node = ANY($1::bigint[]) AND NOT dead", nodes)
	return t.flush()
}

// requeue makes what was found due.
func (t *tx) requeue(q *requeueing, list []waybell.Requeue) error {
	var due, reopen requeueRows
	var cancel []waitingRow
	done := make(map[deliveryKey]bool)
	for i := range list {
		r := &list[i]
		k := deliveryKey{r.Agent, r.DeliveryRef}
		if done[k] {
			continue
		}
		done[k] = true
		w, waits := q.waiting[k]
		owner, settled := q.settled[k]
		over := waits && w.Entered <= r.CanceledUpTo
		if over {
			owner = w.owner
		}
		switch {
		case !waits && !settled:
			q.refused[k] = fmt.Errorf("delivery %s: %w", r.DeliveryRef, waybell.ErrNotFound)
			continue
		case (over || !waits) && q.living[owner]:
			q.refused[k] = fmt.Errorf("delivery %s: node %d has an attempt under way: %w", r.DeliveryRef, owner, waybell.ErrConflict)
			continue
		case over:
			cancel = append(cancel, w)
			reopen.add(r)
		case !waits:
			reopen.add(r)
		case w.Owned:
			q.left[k] = w
			continue
		default:
			due.add(r)
		}
		t.touch(r.Endpoint)
		t.moved(r.Endpoint, r.Now)
	}
	if len(cancel) > 0 {
		t.end(cancel, waybell.DeliveryCanceled, waybell.ReasonCanceled, list[0].Now)
	}
	if len(due.agents) > 0 {
		t.queue(sqlDueNow, due.args()...)
	}
	if len(reopen.agents) > 0 {
		t.query(func(r pgx.CollectableRow) error {
			var k deliveryKey
			var state int16
			var attempts int
			err := r.Scan(&k.agent, &k.Event, &k.Endpoint, &state, &attempts)
			c := t.counts(k.agent, k.Endpoint)
			c.settles(waybell.DeliveryState(state), -1)
			c.waits(attempts > 0, 1)
			return err
		}, sqlReopen, reopen.args()...)
	}
	return t.flush()
}

// CancelDelivery implements [waybell.DeliveryStore].
func (s *Store) CancelDelivery(ctx context.Context, lease waybell.Lease, agent waybell.AgentNumber, ref waybell.DeliveryRef, now time.Time) error {
	return s.write(ctx, lease, func(t *tx) error {
		key := []any{int64(agent), int64(ref.Event), int64(ref.Endpoint)}
		rows, err := t.look(sqlWaitingRow, key...)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			t.end(rows, waybell.DeliveryCanceled, waybell.ReasonCanceled, now)
			return nil
		}
		var state int16
		settled, err := t.one("SELECT state FROM deliveries WHERE agent = $1 AND event = $2 AND endpoint = $3", key, &state)
		switch {
		case err != nil:
			return err
		case !settled:
			return fmt.Errorf("delivery %s: %w", ref, waybell.ErrNotFound)
		}
		return fmt.Errorf("delivery %s is %s: %w", ref, waybell.DeliveryState(state), waybell.ErrConflict)
	})
}
