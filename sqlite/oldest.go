package sqlite

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// passed remembers, for one endpoint that is drained oldest first, what a claim
// need not look at again: of the unowned rows entered at or before upTo, none is
// due before nextAt. Rows that failed once more pile up at the old end of the
// order; without this each claim would walk over all of them.
type passed struct {
	upTo   waybell.Key
	nextAt int64
}

const (
	// returnedMax is how many due rows are put in order one claim after the other, and
	// how many may have become due again among those that were passed before it is
	// cheaper to pass them anew.
	returnedMax = 256
	// walkMost is how many rows one claim walks over: the writer's time is everybody's.
	walkMost = 8 << 10
)

// moved notes that an unowned row of the endpoint is now due at nextAt.
func (t *tx) moved(e waybell.EndpointNumber, nextAt int64) {
	if p, ok := t.passedOf(e); ok && nextAt < p.nextAt {
		p.nextAt = nextAt
		t.pass(e, p)
	}
}

func (t *tx) passedOf(e waybell.EndpointNumber) (passed, bool) {
	if p, ok := t.passed[e]; ok {
		return p, true
	}
	p, ok := t.s.writer.passed[e]
	return p, ok
}

func (t *tx) pass(e waybell.EndpointNumber, p passed) {
	if t.passed == nil {
		t.passed = make(map[waybell.EndpointNumber]passed)
	}
	t.passed[e] = p
}

const sqlReturned = "SELECT " + waitingColumns + ` FROM waiting
	WHERE endpoint = ? AND next_at >= ? AND next_at <= ? AND owner = 0 AND deaths < 3 ORDER BY next_at LIMIT ?`

// sqlClaimOldest merges as sqlCancelable does.
const sqlClaimOldest = "SELECT " + waitingColumns + ` FROM waiting INDEXED BY waiting_entered
	WHERE endpoint = ?1 AND (attempts > cycle) = 0 AND entered > ?2 AND entered <= ?3 AND owner = 0 AND deaths < 3
	UNION ALL SELECT ` + waitingColumns + ` FROM waiting INDEXED BY waiting_entered
	WHERE endpoint = ?1 AND (attempts > cycle) = 1 AND entered > ?2 AND entered <= ?3 AND owner = 0 AND deaths < 3
	ORDER BY entered`

// oldest finds due rows entered at or before w.Oldest, by rising Entered. Where many
// are due these are the passed ones that became due, then those from where the last
// claim ended. Where that walk is long, because many are not due, it goes on with the
// next claim, and this one takes of the due rows those that became due first.
func (t *tx) oldest(now time.Time, w waybell.ClaimWant) ([]waitingRow, error) {
	due, err := t.returned(w.Endpoint, 0, now, returnedMax)
	if err != nil {
		return nil, err
	}
	if len(due) < returnedMax { // which is all: nothing else has to be passed
		list, _ := chooseOldest(due, passed{upTo: w.Oldest}, w, now.UnixMicro())
		return list, nil
	}
	p, ok := t.passedOf(w.Endpoint)
	if !ok {
		p = passed{nextAt: math.MaxInt64}
	}
	var list []waitingRow
	if p.nextAt <= now.UnixMicro() {
		found, err := t.returned(w.Endpoint, p.nextAt, now, returnedMax)
		if err != nil {
			return nil, err
		}
		if len(found) == returnedMax {
			p = passed{nextAt: math.MaxInt64}
		} else {
			list, p.nextAt = chooseOldest(found, p, w, now.UnixMicro())
		}
	}
	r, walked := t.query(sqlClaimOldest, w.Endpoint, p.upTo, w.Oldest), 0
	for ; len(list) < w.Max && walked < walkMost && r.next(); walked++ {
		row, _ := t.s.readWaiting(r)
		p.upTo = row.Entered
		if row.NextAt.After(now) {
			p.nextAt = min(p.nextAt, row.NextAt.UnixMicro())
			continue
		}
		list = append(list, row)
	}
	t.pass(w.Endpoint, p)
	if err := r.close(); err != nil || walked < walkMost || len(list) == w.Max {
		return list, err
	}
	due, err = t.returned(w.Endpoint, 0, now, returnedMax+w.Max)
	due = slices.DeleteFunc(due, func(r waitingRow) bool { return r.Entered <= p.upTo }) // they are in the list
	w.Max -= len(list)
	rest, _ := chooseOldest(due, passed{upTo: w.Oldest}, w, now.UnixMicro())
	return append(list, rest...), err
}

// returned reads rows by when they became due, from a time on.
func (t *tx) returned(e waybell.EndpointNumber, from int64, now time.Time, most int) ([]waitingRow, error) {
	return collect(t.query(sqlReturned, e, from, now, most), t.s.readWaiting)
}

// chooseOldest takes what is wanted of the passed rows that are due now, and
// tells when the earliest of the others is due.
func chooseOldest(found []waitingRow, p passed, w waybell.ClaimWant, now int64) ([]waitingRow, int64) {
	nextAt := now + 1
	if len(found) > 0 {
		nextAt = min(nextAt, found[0].NextAt.UnixMicro())
	}
	found = slices.DeleteFunc(found, func(r waitingRow) bool { return r.Entered > p.upTo || r.Entered > w.Oldest })
	slices.SortFunc(found, func(a, b waitingRow) int { return cmp.Compare(a.Entered, b.Entered) })
	if len(found) <= w.Max {
		// All passed rows due now are taken, unless they entered after w.Oldest.
		return found, nextAt
	}
	return found[:w.Max], nextAt
}
