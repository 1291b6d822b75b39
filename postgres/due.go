package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// dueSet knows, for each endpoint with unowned rows that are no suspects, when
// the earliest of them is due. What this process changes is looked up exactly;
// what other nodes change is found by looking at all endpoints now and then, the
// more seldom the longer that takes.
type dueSet struct {
	mu       sync.Mutex
	earliest map[waybell.EndpointNumber]int64
	touched  map[waybell.EndpointNumber]struct{}
	next     time.Time // of looking at all
}

const (
	dueLook = 500 * time.Millisecond // between two looks at all endpoints, at least
	dueRest = 20                     // and so many times as long as the last one took
)

func (d *dueSet) reset() {
	d.earliest = make(map[waybell.EndpointNumber]int64)
	d.touched = make(map[waybell.EndpointNumber]struct{})
}

// touch notes that an endpoint's earliest row may be another one.
func (d *dueSet) touch(e waybell.EndpointNumber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.touched[e] = struct{}{}
}

// stale has all endpoints looked at next time.
func (d *dueSet) stale() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = time.Time{}
}

// Due implements [waybell.WorkStore]: rows of other nodes are seen within a
// second, or sooner when they told of them.
func (s *Store) Due(ctx context.Context, until time.Time) ([]waybell.DueEndpoint, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.lookDue(ctx); err != nil {
		return nil, err
	}
	d := &s.due
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []waybell.DueEndpoint
	for e, at := range d.earliest {
		if at <= micros(until) {
			list = append(list, waybell.DueEndpoint{Endpoint: e, NextAt: moment(at)})
		}
	}
	return list, nil
}

// sqlDue walks from endpoint to endpoint in the index: one descent for each,
// however many rows it has.
const sqlDue = `WITH RECURSIVE d AS (
		(SELECT endpoint, next_at FROM waiting WHERE owner = 0 AND deaths < 3 ORDER BY endpoint, next_at LIMIT 1)
		UNION ALL
		SELECT n.* FROM d CROSS JOIN LATERAL (SELECT endpoint, next_at FROM waiting
			WHERE owner = 0 AND deaths < 3 AND endpoint > d.endpoint ORDER BY endpoint, next_at LIMIT 1) n
	) SELECT endpoint, next_at FROM d`

const sqlDueOf = `SELECT n.endpoint, n.next_at FROM unnest($1::bigint[]) u (endpoint) CROSS JOIN LATERAL (
		SELECT endpoint, next_at FROM waiting WHERE owner = 0 AND deaths < 3 AND endpoint = u.endpoint
		ORDER BY next_at LIMIT 1) n`

// lookDue brings the set up to date.
func (s *Store) lookDue(ctx context.Context) error {
	d := &s.due
	d.mu.Lock()
	started := time.Now()
	all := !started.Before(d.next)
	touched := d.touched
	d.touched = make(map[waybell.EndpointNumber]struct{})
	if all {
		d.next = started.Add(dueLook)
	}
	d.mu.Unlock()
	if !all && len(touched) == 0 {
		return nil
	}
	sql, args := sqlDue, []any(nil)
	if !all {
		sql, args = sqlDueOf, []any{endpointNumbers(touched)}
	}
	found := make(map[waybell.EndpointNumber]int64)
	err := s.readQueue(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		var endpoint, at int64
		_, err = pgx.ForEachRow(rows, []any{&endpoint, &at}, func() error {
			found[waybell.EndpointNumber(endpoint)] = at
			return nil
		})
		return err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		for e := range touched {
			d.touched[e] = struct{}{}
		}
		if all {
			d.next = time.Time{}
		}
		return err
	}
	if all {
		d.earliest = found
		d.next = started.Add(max(dueLook, dueRest*time.Since(started)))
		return nil
	}
	for e := range touched {
		if at, waits := found[e]; waits {
			d.earliest[e] = at
		} else {
			delete(d.earliest, e)
		}
	}
	return nil
}

func endpointNumbers(set map[waybell.EndpointNumber]struct{}) []int64 {
	list := make([]int64, 0, len(set))
	for e := range set {
		list = append(list, int64(e))
	}
	return list
}
