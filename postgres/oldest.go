package postgres

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

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
		ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED`

	sqlOldest = "SELECT " + waitingColumns + ` FROM waiting w
		WHERE endpoint = $1 AND entered > $2 AND entered <= $3 AND owner = 0 AND deaths < 3
		ORDER BY entered LIMIT $4 FOR UPDATE SKIP LOCKED`

	sqlOwn = `UPDATE waiting w SET owner = $1, begun = adopted
		FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS o (agent, event, endpoint)
		WHERE w.agent = o.agent AND w.event = o.event AND w.endpoint = o.endpoint`
)

// claimOldest takes due rows entered at or before w.Oldest, by rising Entered:
// first the passed ones that became due, then on from where the last claim ended.
func (t *tx) claimOldest(now time.Time, w waybell.ClaimWant) ([]waybell.Waiting, error) {
	p := t.s.passes.get(w.Endpoint)
	var list []waitingRow
	if p.nextAt <= micros(now) {
		found, err := t.locked(sqlReturned, int64(w.Endpoint), p.nextAt, micros(now), returnedMax)
		if err != nil {
			return nil, err
		}
		if len(found) == returnedMax {
			p = passed{nextAt: math.MaxInt64}
		} else {
			list, p.nextAt = chooseOldest(found, p, w, micros(now))
		}
	}
	for more := true; more && len(list) < w.Max; {
		rows, err := t.locked(sqlOldest, int64(w.Endpoint), int64(p.upTo), int64(w.Oldest), oldestScan)
		if err != nil {
			return nil, err
		}
		more = len(rows) == oldestScan
		for _, row := range rows {
			if len(list) == w.Max {
				break
			}
			p.upTo = row.Entered
			if row.NextAt.After(now) {
				p.nextAt = min(p.nextAt, micros(row.NextAt))
				continue
			}
			list = append(list, row)
		}
	}
	t.after = append(t.after, func() { t.s.passes.set(w.Endpoint, p) })
	return t.own(list), nil
}

// own makes the node the owner of rows that the transaction has locked.
func (t *tx) own(rows []waitingRow) []waybell.Waiting {
	var agents, events, endpoints []int64
	got := make([]waybell.Waiting, len(rows))
	for i, w := range rows {
		agents, events, endpoints = append(agents, int64(w.Agent)), append(events, int64(w.Event)), append(endpoints, int64(w.Endpoint))
		w.Owned, w.Begun = true, w.Adopted
		got[i] = w.Waiting
	}
	if len(rows) > 0 {
		t.queue(sqlOwn, t.node, agents, events, endpoints)
	}
	return got
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
