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

const eventColumns = "key, agent, agent_id, agent_name, id, type, timestamp, test, deliveries, messages, data"

func readEvent(r pgx.CollectableRow) (waybell.Event, error) {
	var e waybell.Event
	var name []byte
	var timestamp int64
	err := r.Scan(&e.Key, &e.Agent, &e.AgentID, &name, &e.ID, &e.Type, &timestamp, &e.Test, &e.Deliveries, &e.Messages, &e.Data)
	e.AgentName, e.Timestamp = string(name), moment(timestamp)
	if e.ID == "" {
		e.ID = waybell.EventID(e.Key)
	}
	return e, err
}

func events(ctx context.Context, q querier, sql string, args ...any) ([]waybell.Event, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, readEvent)
}

const sqlEvent = "SELECT " + eventColumns + " FROM events WHERE agent = $1 AND key = $2"

// Event implements [waybell.EventStore].
func (s *Store) Event(ctx context.Context, agent waybell.AgentNumber, key waybell.Key) (waybell.Event, error) {
	var list []waybell.Event
	err := s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = events(ctx, q, sqlEvent, int64(agent), int64(key))
		return err
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("event %s: %w", waybell.EventID(key), waybell.ErrNotFound)
	}
	if err != nil {
		return waybell.Event{}, err
	}
	return list[0], nil
}

// EventByID implements [waybell.EventStore].
func (s *Store) EventByID(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Event, error) {
	if !storable(id) {
		return waybell.Event{}, fmt.Errorf("event %.140q: %w", id, waybell.ErrNotFound)
	}
	var list []waybell.Event
	err := s.snapshot(ctx, func(ctx context.Context, q querier) error {
		key, made := waybell.ParseEventID(id)
		var chosen []int64
		rows, err := q.Query(ctx, "SELECT event FROM idempotency WHERE agent = $1 AND kind = 0 AND key = $2", int64(agent), id)
		if err == nil {
			chosen, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		}
		switch {
		case err != nil:
			return err
		case len(chosen) > 0:
			key = waybell.Key(chosen[0])
		case !made:
			return nil
		}
		list, err = events(ctx, q, sqlEvent, int64(agent), int64(key))
		return err
	})
	// An event with a chosen id is not found by the id that its key would make.
	if err == nil && (len(list) == 0 || list[0].ID != id) {
		err = fmt.Errorf("event %.140q: %w", id, waybell.ErrNotFound)
	}
	if err != nil {
		return waybell.Event{}, err
	}
	return list[0], nil
}

// sqlEvents steps into the index once for each key, whatever the planner
// believes. The keys' bounds leave the other days out.
const sqlEvents = `SELECT e.* FROM unnest($1::bigint[], $2::bigint[]) u (agent, key)
	CROSS JOIN LATERAL (SELECT ` + eventColumns + ` FROM events
		WHERE agent = u.agent AND key = u.key AND key BETWEEN $3 AND $4 LIMIT 1) e`

// EventsByKey implements [waybell.EventStore].
func (s *Store) EventsByKey(ctx context.Context, refs []waybell.EventRef) ([]waybell.Event, error) {
	if len(refs) == 0 {
		return nil, s.open(ctx)
	}
	once := make(map[waybell.EventRef]bool, len(refs))
	agents, keys := make([]int64, 0, len(refs)), make([]int64, 0, len(refs))
	for _, ref := range refs {
		if !once[ref] {
			once[ref] = true
			agents, keys = append(agents, int64(ref.Agent)), append(keys, int64(ref.Key))
		}
	}
	var list []waybell.Event
	err := s.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = events(ctx, q, sqlEvents, agents, keys, slices.Min(keys), slices.Max(keys))
		return err
	})
	return list, err
}

// sqlListEvents looks at a stretch of an agent's events by the index alone, see
// sqlListDeliveries.
const sqlListEvents = `SELECT key, n, wanted FROM (
		SELECT key, row_number() OVER () AS n, lead(false, 1, true) OVER () AS last, $7::text = '' OR type = $7 AS wanted
		FROM (SELECT key, type FROM events WHERE agent = $1 AND key < $2 AND key >= $3 ORDER BY key DESC LIMIT $5) l
	) l WHERE wanted OR n >= $6 OR last LIMIT $4`

// sqlShowEvents reads the events of a page.
const sqlShowEvents = `SELECT e.* FROM unnest($2::bigint[]) u (key)
	CROSS JOIN LATERAL (SELECT ` + eventColumns + ` FROM events
		WHERE agent = $1 AND key = u.key AND key BETWEEN $3 AND $4 LIMIT 1) e`

// ListEvents implements [waybell.EventStore].
func (s *Store) ListEvents(ctx context.Context, q waybell.EventQuery) (page waybell.EventPage, err error) {
	upper := waybell.Key(math.MaxInt64)
	for _, bound := range []waybell.Key{q.After, q.Until} {
		if bound != 0 {
			upper = min(upper, bound)
		}
	}
	err = s.readLog(ctx, func(ctx context.Context, db querier) error {
		w := walk[waybell.Key]{limit: q.Limit, scan: q.Scan, filtered: q.Type != ""}
		upper := upper
		for since := range stretches(q.Since, upper, waybell.KeyAt(time.Now())) {
			returned, most, border := w.bounds()
			rows, err := db.Query(ctx, sqlListEvents, int64(q.Agent), int64(upper), int64(since), returned, most, border, q.Type)
			if err != nil {
				return err
			}
			if err := w.look(rows, func(k *waybell.Key) []any { return []any{k} }); err != nil {
				return err
			}
			if w.more {
				break
			}
			upper = since
		}
		page.Next = w.next()
		page.Events, err = showEvents(ctx, db, q.Agent, w.shown)
		return err
	})
	return page, err
}

// showEvents reads events, newest first.
func showEvents(ctx context.Context, db querier, agent waybell.AgentNumber, shown []waybell.Key) ([]waybell.Event, error) {
	if len(shown) == 0 {
		return nil, nil
	}
	keys := make([]int64, len(shown))
	for i, k := range shown {
		keys[i] = int64(k)
	}
	list, err := events(ctx, db, sqlShowEvents, int64(agent), keys, slices.Min(keys), slices.Max(keys))
	slices.SortFunc(list, func(a, b waybell.Event) int { return cmp.Compare(b.Key, a.Key) })
	return list, err
}
