package postgres

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// passed remembers, for one endpoint that is drained oldest first, what a claim
// of this node need not look at again: of the unowned rows entered at or before
// upTo, none that it knows of is due before nextAt. Rows that failed once more
// pile up at the old end of the order; without this each claim would walk over
// all of them. What another node moved is claimed when the drain is over.
type passed struct {
	upTo   waybell.Key
	nextAt int64
}

// passes are those of all endpoints being drained.
type passes struct {
	mu sync.Mutex
	of map[waybell.EndpointNumber]passed
}

func (p *passes) get(e waybell.EndpointNumber) passed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.of[e]; ok {
		return at
	}
	return passed{nextAt: math.MaxInt64}
}

func (p *passes) set(e waybell.EndpointNumber, at passed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = make(map[waybell.EndpointNumber]passed)
	}
	p.of[e] = at
}

// moved notes that an unowned row of the endpoint is now due at a time.
func (t *tx) moved(e waybell.EndpointNumber, at time.Time) {
	t.after = append(t.after, func() {
		p := &t.s.passes
		p.mu.Lock()
		defer p.mu.Unlock()
		if old, ok := p.of[e]; ok && micros(at) < old.nextAt {
			old.nextAt = micros(at)
			p.of[e] = old
		}
	})
}

// returnedMax is how many rows may have become due again among those that were
// passed before it is cheaper to pass them anew; oldestScan is how many rows one
// claim looks at besides those it takes.
const (
	returnedMax = 256
	oldestScan  = 1024
)

const (
	sqlReturned = "SELECT " + waitingColumns + ` FROM waiting w
		WHERE endpoint = $1 AND next_at >= $2 AND next_at <= $3 AND owner = 0 AND deaths < 3
		ORDER BY next_at LIMIT $4`

	sqlOldest = "SELECT " + waitingColumns + ` FROM waiting w
		WHERE endpoint = $1 AND entered > $2 AND entered <= $3 AND owner = 0 AND deaths < 3
		ORDER BY entered LIMIT $4`

	// Of rows that were only looked at another node may have taken some. They are
	// found by their key alone: no index of unowned rows may seem the better one.
	sqlOwn = `WITH c AS (
			SELECT p.place FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS o (agent, event, endpoint)
			CROSS JOIN LATERAL (
				SELECT x.ctid AS place, x.owner, x.deaths, x.next_at FROM waiting x
				WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint OFFSET 0 FOR UPDATE SKIP LOCKED) p
			WHERE p.owner = 0 AND p.deaths < 3 AND p.next_at <= $5
		) UPDATE waiting w SET owner = $1, begun = w.adopted FROM c
		WHERE w.ctid = c.place RETURNING ` + waitingColumns
)

// claimOldest takes due rows entered at or before w.Oldest, by rising Entered:
// first the passed ones that became due, then on from where the last claim ended.
func (t *tx) claimOldest(now time.Time, w waybell.ClaimWant) ([]waybell.Waiting, error) {
	p := t.s.passes.get(w.Endpoint)
	var got []waybell.Waiting
	if p.nextAt <= micros(now) {
		found, err := t.look(sqlReturned, int64(w.Endpoint), p.nextAt, micros(now), returnedMax)
		if err != nil {
			return nil, err
		}
		if len(found) == returnedMax {
			p = passed{nextAt: math.MaxInt64}
		} else {
			var chosen []waitingRow
			chosen, p.nextAt = chooseOldest(found, p, w, micros(now))
			if got, err = t.own(chosen, now); err != nil {
				return nil, err
			}
		}
	}
	for more := true; more && len(got) < w.Max; {
		rows, err := t.look(sqlOldest, int64(w.Endpoint), int64(p.upTo), int64(w.Oldest), oldestScan)
		if err != nil {
			return nil, err
		}
		more = len(rows) == oldestScan
		var chosen []waitingRow
		for _, row := range rows {
			if len(got)+len(chosen) == w.Max {
				more = true // unless another node has taken some of them
				break
			}
			p.upTo = row.Entered
			if row.NextAt.After(now) {
				p.nextAt = min(p.nextAt, micros(row.NextAt))
				continue
			}
			chosen = append(chosen, row)
		}
		taken, err := t.own(chosen, now)
		if err != nil {
			return nil, err
		}
		got = append(got, taken...)
	}
	t.after = append(t.after, func() { t.s.passes.set(w.Endpoint, p) })
	return got, nil
}

// look reads waiting rows.
func (t *tx) look(sql string, args ...any) (rows []waitingRow, err error) {
	t.query(func(r pgx.CollectableRow) error {
		w, err := readWaiting(r)
		rows = append(rows, w)
		return err
	}, sql, args...)
	err = t.flush()
	return rows, err
}

// own makes the node the owner of due rows that it looked at, as far as no other
// is taking them, and returns what it got.
func (t *tx) own(rows []waitingRow, now time.Time) (got []waybell.Waiting, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	var agents, events, endpoints []int64
	for _, w := range rows {
		agents, events, endpoints = append(agents, int64(w.Agent)), append(events, int64(w.Event)), append(endpoints, int64(w.Endpoint))
	}
	taken, err := t.look(sqlOwn, t.node, agents, events, endpoints, micros(now))
	for _, w := range taken {
		got = append(got, w.Waiting)
	}
	return got, err
}

// chooseOldest takes what is wanted of the passed rows that are due now, and
// tells when the earliest of the others is due.
func chooseOldest(found []waitingRow, p passed, w waybell.ClaimWant, now int64) ([]waitingRow, int64) {
	nextAt := now + 1
	if len(found) > 0 {
		nextAt = min(nextAt, micros(found[0].NextAt))
	}
	found = slices.DeleteFunc(found, func(r waitingRow) bool { return r.Entered > p.upTo || r.Entered > w.Oldest })
	slices.SortFunc(found, func(a, b waitingRow) int { return cmp.Compare(a.Entered, b.Entered) })
	if len(found) <= w.Max {
		// All passed rows due now are taken, unless they entered after w.Oldest.
		return found, nextAt
	}
	return found[:w.Max], nextAt
}
