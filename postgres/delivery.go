package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// A delivery waits or is settled. These two show both in the same columns.
const (
	sqlShowWaiting = `SELECT event, endpoint, type, CASE WHEN attempts > 0 THEN 1 ELSE 0 END AS state, reason, attempts,
		status_code, next_at AS at, entered FROM waiting`

	sqlShowSettled = `SELECT event, endpoint, type, state, reason, attempts, status_code, finished_at AS at, 0::bigint AS entered
		FROM deliveries`

	// shownColumns are of the delivery d; id is the event's, NULL when it is gone.
	shownColumns = `d.event, d.endpoint, d.type, d.state, d.reason, d.attempts, d.status_code, d.at, d.entered`
)

func readDelivery(r pgx.CollectableRow) (waybell.Delivery, error) {
	var d waybell.Delivery
	var state, reason int16
	var at int64
	var id *string
	err := r.Scan(&d.Event, &d.Endpoint, &d.Type, &state, &reason, &d.Attempts, &d.StatusCode, &at, &d.Entered, &d.Agent, &id)
	d.State, d.Reason, d.CreatedAt = waybell.DeliveryState(state), waybell.Reason(reason), d.Event.Time()
	if d.State.Settled() {
		d.FinishedAt = moment(at)
	} else {
		d.NextAt = moment(at)
	}
	if d.EventID = waybell.EventID(d.Event); id != nil && *id != "" {
		d.EventID = *id
	}
	return d, err
}

const sqlDelivery = `SELECT ` + shownColumns + `, $1::bigint, (SELECT id FROM events WHERE agent = $1 AND key = $2) FROM (
		` + sqlShowWaiting + ` WHERE agent = $1 AND event = $2 AND endpoint = $3
		UNION ALL
		` + sqlShowSettled + ` WHERE agent = $1 AND event = $2 AND endpoint = $3) d LIMIT 1`

// Delivery implements [waybell.DeliveryStore]. The primary answers: who asks for
// a single delivery has often just changed it.
func (s *Store) Delivery(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef) (d waybell.Delivery, err error) {
	var list []waybell.Delivery
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		list, err = deliveries(ctx, q, sqlDelivery, int64(agent), int64(ref.Event), int64(ref.Endpoint))
		return err
	})
	if err == nil && len(list) == 0 {
		err = notFound(ref)
	}
	if err != nil {
		return d, err
	}
	return list[0], nil
}

func notFound(ref waybell.DeliveryRef) error {
	return fmt.Errorf("delivery %s: %w", ref, waybell.ErrNotFound)
}

func deliveries(ctx context.Context, q querier, sql string, args ...any) ([]waybell.Delivery, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, readDelivery)
}

const sqlEventDeliveries = `SELECT ` + shownColumns + `, $1::bigint, (SELECT id FROM events WHERE agent = $1 AND key = $2) FROM (
		` + sqlShowWaiting + ` WHERE agent = $1 AND event = $2
		UNION ALL
		` + sqlShowSettled + ` WHERE agent = $1 AND event = $2) d`

// EventDeliveries implements [waybell.DeliveryStore]. The primary answers: who
// asks has often just published the event.
func (s *Store) EventDeliveries(ctx context.Context, agent waybell.AgentNumber, event waybell.Key) (list []waybell.Delivery, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		list, err = deliveries(ctx, q, sqlEventDeliveries, int64(agent), int64(event))
		return err
	})
	slices.SortFunc(list, func(a, b waybell.Delivery) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	return list, err
}

// sqlAttempts gives one row without a number where the delivery has no attempts,
// and none where there is no delivery.
const sqlAttempts = `SELECT a.number, a.started_at, a.duration, a.status_code, a.reason, a.detail FROM (
		SELECT agent, event, endpoint FROM waiting WHERE agent = $1 AND event = $2 AND endpoint = $3
		UNION ALL
		SELECT agent, event, endpoint FROM deliveries WHERE agent = $1 AND event = $2 AND endpoint = $3) d
	LEFT JOIN (SELECT * FROM attempts WHERE agent = $1 AND event = $2 AND endpoint = $3
		ORDER BY number DESC LIMIT $4) a ON true`

// Attempts implements [waybell.DeliveryStore].
func (s *Store) Attempts(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef, newest int) ([]waybell.Attempt, error) {
	var list []waybell.Attempt
	found := false
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sqlAttempts, int64(agent), int64(ref.Event), int64(ref.Endpoint), newest)
		if err != nil {
			return err
		}
		var number, status *int
		var started, duration *int64
		var reason *int16
		var detail []byte
		_, err = pgx.ForEachRow(rows, []any{&number, &started, &duration, &status, &reason, &detail}, func() error {
			if found = true; number != nil {
				list = append(list, waybell.Attempt{DeliveryRef: ref, Agent: agent, Number: *number, StartedAt: moment(*started),
					Duration: time.Duration(*duration) * time.Microsecond, StatusCode: *status, Reason: waybell.Reason(*reason), Detail: detail})
			}
			return nil
		})
		return err
	})
	if err == nil && !found {
		err = notFound(ref)
	}
	slices.SortFunc(list, func(a, b waybell.Attempt) int { return cmp.Compare(a.Number, b.Number) })
	return list, err
}

// sqlListDeliveries looks at a stretch of the log, newest first, by the indexes
// alone: at $6 rows at most, of which it tells the ones that are wanted, with
// their place. It also tells the one at place $7, where the page ends, those
// after it, and the last of all. It ends where nobody reads on.
const sqlListDeliveries = `SELECT event, endpoint, n, wanted FROM (
		SELECT event, endpoint, row_number() OVER () AS n, lead(false, 1, true) OVER () AS last,
			($8::smallint[] IS NULL OR state = ANY ($8)) AND ($9::bigint[] IS NULL OR endpoint = ANY ($9))
				AND endpoint <> ALL ($10::bigint[]) AND ($11::text = '' OR type = $11) AND status_code BETWEEN $12 AND $13 AS wanted
		FROM ((SELECT event, endpoint, CASE WHEN attempts > 0 THEN 1::smallint ELSE 0::smallint END AS state, status_code, type
				FROM waiting WHERE agent = $1 AND event <= $2 AND (event, endpoint) < ($2, $3) AND event >= $4
				ORDER BY event DESC, endpoint DESC LIMIT $6)
			UNION ALL
			(SELECT event, endpoint, state, status_code, type
				FROM deliveries WHERE agent = $1 AND event <= $2 AND (event, endpoint) < ($2, $3) AND event >= $4
				ORDER BY event DESC, endpoint DESC LIMIT $6)
			ORDER BY event DESC, endpoint DESC LIMIT $6) l
	) l WHERE wanted OR n >= $7 OR last LIMIT $5`

// sqlShow reads the deliveries of a page. Each is one or two steps into an index,
// whatever the planner believes.
const sqlShow = `SELECT ` + shownColumns + `, $1::bigint, e.id
	FROM unnest($2::bigint[], $3::bigint[]) u (event, endpoint)
	CROSS JOIN LATERAL (
		` + sqlShowWaiting + ` WHERE agent = $1 AND event = u.event AND endpoint = u.endpoint
		UNION ALL
		` + sqlShowSettled + ` WHERE agent = $1 AND event = u.event AND endpoint = u.endpoint AND event BETWEEN $4 AND $5
		LIMIT 1) d
	LEFT JOIN LATERAL (SELECT id FROM events WHERE agent = $1 AND key = u.event AND key BETWEEN $4 AND $5 LIMIT 1) e ON true`

// Deliveries implements [waybell.DeliveryStore]: waiting and settled rows are
// merged from two indexes, stretch by stretch of days.
func (s *Store) Deliveries(ctx context.Context, q waybell.DeliveryQuery) (page waybell.DeliveryPage, err error) {
	upper := waybell.DeliveryRef{Event: math.MaxInt64}
	if q.After != (waybell.DeliveryRef{}) {
		upper = q.After
	}
	if q.Until != 0 && q.Until <= upper.Event {
		upper = waybell.DeliveryRef{Event: q.Until}
	}
	f := newDeliveryFilter(q)
	err = s.readLog(ctx, func(ctx context.Context, db querier) error {
		w := walk[waybell.DeliveryRef]{limit: q.Limit, scan: q.Scan, filtered: f.filters}
		upper := upper
		for since := range stretches(q.Since, upper.Event, waybell.KeyAt(time.Now())) {
			returned, most, border := w.bounds()
			rows, err := db.Query(ctx, sqlListDeliveries, int64(q.Agent), int64(upper.Event), int64(upper.Endpoint), int64(since),
				returned, most, border, f.states, f.only, f.except, f.typ, f.statusFrom, f.until)
			if err != nil {
				return err
			}
			if err := w.look(rows, func(r *waybell.DeliveryRef) []any { return []any{&r.Event, &r.Endpoint} }); err != nil {
				return err
			}
			if w.more {
				break
			}
			upper = waybell.DeliveryRef{Event: since}
		}
		page.Next = w.next()
		page.Deliveries, err = show(ctx, db, q.Agent, w.shown)
		return err
	})
	return page, err
}

// show reads deliveries, in the order of the keys.
func show(ctx context.Context, db querier, agent waybell.AgentNumber, keys []waybell.DeliveryRef) ([]waybell.Delivery, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	events, endpoints := make([]int64, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		events[i], endpoints[i] = int64(k.Event), int64(k.Endpoint)
	}
	list, err := deliveries(ctx, db, sqlShow, int64(agent), events, endpoints, slices.Min(events), slices.Max(events))
	slices.SortFunc(list, func(a, b waybell.Delivery) int { return newestFirst(a.DeliveryRef, b.DeliveryRef) })
	return list, err
}

// newestFirst is the order of the log: by falling event, then endpoint.
func newestFirst(a, b waybell.DeliveryRef) int {
	return cmp.Or(cmp.Compare(b.Event, a.Event), cmp.Compare(b.Endpoint, a.Endpoint))
}

// deliveryFilter is what a query asks of each delivery, as parameters.
type deliveryFilter struct {
	states            []int16 // nil = all
	only, except      []int64 // endpoints; only nil = all
	typ               string  // "" = all
	statusFrom, until int32
	filters           bool
}

func newDeliveryFilter(q waybell.DeliveryQuery) deliveryFilter {
	f := deliveryFilter{typ: q.Type, statusFrom: math.MinInt32, until: math.MaxInt32, except: numbers(q.ExceptEndpoints)}
	if q.States != nil {
		f.states = make([]int16, 0, len(q.States))
		for _, s := range q.States {
			f.states = append(f.states, int16(s))
		}
	}
	if q.Endpoints != nil {
		f.only = numbers(q.Endpoints)
	}
	if r := q.Status; r != nil {
		f.statusFrom, f.until = clamp(r.From), clamp(r.To)
	}
	f.filters = f.states != nil || f.only != nil || len(f.except) > 0 || f.typ != "" || q.Status != nil
	return f
}

func clamp(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }
