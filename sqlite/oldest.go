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

// returnedMax is how many rows may have become due again among those that were
// passed before it is cheaper to pass them anew.
const returnedMax = 256

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

// oldest finds due rows entered at or before w.Oldest, by rising Entered: first
// the passed ones that became due, then on from where the last claim ended.
func (t *tx) oldest(now time.Time, w waybell.ClaimWant) ([]waitingRow, error) {
	p, ok := t.passedOf(w.Endpoint)
	if !ok {
		p = passed{nextAt: math.MaxInt64}
	}
	var list []waitingRow
	if p.nextAt <= now.UnixMicro() {
		found, err := collect(t.query(sqlReturned, w.Endpoint, p.nextAt, now, returnedMax), t.s.readWaiting)
		if err != nil {
			return nil, err
		}
		if len(found) == returnedMax {
			p = passed{nextAt: math.MaxInt64}
		} else {
			list, p.nextAt = chooseOldest(found, p, w, now.UnixMicro())
		}
	}
	r := t.query(sqlClaimOldest, w.Endpoint, p.upTo, w.Oldest)
	for len(list) < w.Max && r.next() {
		row, _ := t.s.readWaiting(r)
		p.upTo = row.Entered
		if row.NextAt.After(now) {
			p.nextAt = min(p.nextAt, row.NextAt.UnixMicro())
			continue
		}
		list = append(list, row)
	}
	t.pass(w.Endpoint, p)
	return list, r.close()
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
