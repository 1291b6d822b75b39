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
// all of them. What another node moved is claimed when few are due.
type passed struct {
	upTo   waybell.Key
	nextAt int64
}

// passes are those of all endpoints being drained.
type passes struct {
	mu sync.Mutex
	of map[waybell.EndpointNumber]passed
	// since is the earliest time that a row was moved to after a claim began that has
	// not told yet how far it came.
	since map[waybell.EndpointNumber]int64
}

// get begins a claim. One that fails leaves what was moved since to the next one.
func (p *passes) get(e waybell.EndpointNumber) passed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since == nil {
		p.of, p.since = make(map[waybell.EndpointNumber]passed), make(map[waybell.EndpointNumber]int64)
	}
	if _, ok := p.since[e]; !ok {
		p.since[e] = math.MaxInt64
	}
	if at, ok := p.of[e]; ok {
		return at
	}
	return passed{nextAt: math.MaxInt64}
}

// set ends a claim.
func (p *passes) set(e waybell.EndpointNumber, at passed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.since[e]; ok {
		at.nextAt = min(at.nextAt, first)
		delete(p.since, e)
	}
	p.of[e] = at
}

// moved notes that an unowned row of the endpoint is due at a time, or may be.
func (p *passes) moved(e waybell.EndpointNumber, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.since[e]; ok {
		p.since[e] = min(first, at)
	}
	if old, ok := p.of[e]; ok && at < old.nextAt {
		old.nextAt = at
		p.of[e] = old
	}
}

// moved notes, whatever becomes of the transaction, that an unowned row of the
// endpoint is now due at a time.
func (t *tx) moved(e waybell.EndpointNumber, at time.Time) {
	t.moves = append(t.moves, func() { t.s.passes.moved(e, micros(at)) })
}

const (
	// returnedMax is how many due rows are put in order one claim after the other, and
	// how many may have become due again among those that were passed before it is
	// cheaper to pass them anew.
	returnedMax = 256
	oldestScan  = 1024 // rows of one look
	oldestLooks = 16   // of one claim: a transaction has little time
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
		) UPDATE waiting w SET owner = $1 FROM c
		WHERE w.ctid = c.place RETURNING ` + waitingColumns
)

// claimOldest takes due rows entered at or before w.Oldest, by rising Entered. Where
// many are due these are the passed ones that became due, then those from where the
// last claim ended. Where that walk is long, because many are not due, it goes on with
// the next claim, and this one takes of the due rows those that became due first.
func (t *tx) claimOldest(now time.Time, w waybell.ClaimWant) ([]waybell.Waiting, error) {
	due, err := t.returned(w.Endpoint, 0, now, returnedMax)
	if err != nil {
		return nil, err
	}
	if len(due) < returnedMax { // which is all: nothing else has to be passed
		got, _, err := t.ownOldest(due, w.Oldest, w.Max, now)
		return got, err
	}
	p := t.s.passes.get(w.Endpoint)
	var got []waybell.Waiting
	if p.nextAt <= micros(now) {
		found, err := t.returned(w.Endpoint, p.nextAt, now, returnedMax)
		if err != nil {
			return nil, err
		}
		if len(found) == returnedMax {
			p = passed{nextAt: math.MaxInt64}
		} else if got, p.nextAt, err = t.ownOldest(found, min(p.upTo, w.Oldest), w.Max, now); err != nil {
			return nil, err
		}
	}
	more, at, passing := true, p.upTo, true
	for looks := 0; more && len(got) < w.Max && looks < oldestLooks; looks++ {
		rows, err := t.look(sqlOldest, int64(w.Endpoint), int64(at), int64(w.Oldest), oldestScan)
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
			at = row.Entered
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
		if passing && len(taken) < len(chosen) { // another node may give the others back
			passing = false
			p.upTo = firstOther(chosen, taken).Entered - 1
		}
		if passing {
			p.upTo = at
		}
	}
	t.after = append(t.after, func() { t.s.passes.set(w.Endpoint, p) })
	if !more || len(got) == w.Max {
		return got, nil
	}
	if due, err = t.returned(w.Endpoint, 0, now, returnedMax+w.Max); err != nil {
		return nil, err
	}
	rest, _, err := t.ownOldest(due, w.Oldest, w.Max-len(got), now)
	return append(got, rest...), err
}

// firstOther is the first of the chosen rows that was not taken.
func firstOther(chosen []waitingRow, taken []waybell.Waiting) waitingRow {
	i := slices.IndexFunc(chosen, func(c waitingRow) bool {
		return !slices.ContainsFunc(taken, func(w waybell.Waiting) bool { return w.DeliveryRef == c.DeliveryRef })
	})
	return chosen[i]
}

// returned reads rows by when they became due, from a time on.
func (t *tx) returned(e waybell.EndpointNumber, from int64, now time.Time, most int) ([]waitingRow, error) {
	return t.look(sqlReturned, int64(e), from, micros(now), most)
}

// ownOldest makes the node the owner of so many of the rows that are due now at most,
// which entered at or before a key, by rising Entered, and tells when the earliest of
// the others is due.
func (t *tx) ownOldest(found []waitingRow, upTo waybell.Key, most int, now time.Time) (got []waybell.Waiting, nextAt int64, err error) {
	nextAt = micros(now) + 1
	if len(found) > 0 {
		nextAt = min(nextAt, micros(found[0].NextAt))
	}
	found = slices.DeleteFunc(found, func(r waitingRow) bool { return r.Entered > upTo })
	slices.SortFunc(found, func(a, b waitingRow) int { return cmp.Compare(a.Entered, b.Entered) })
	for len(found) > 0 && len(got) < most { // another node may take some of them
		n := min(most-len(got), len(found))
		taken, err := t.own(found[:n], now)
		if err != nil {
			return nil, 0, err
		}
		got, found = append(got, taken...), found[n:]
	}
	return got, nextAt, nil
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
