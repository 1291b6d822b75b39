//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// faultKind is what was done to the server.
type faultKind string

const (
	killed     faultKind = "kill -9"
	terminated faultKind = "SIGTERM"
	frozen     faultKind = "SIGSTOP"
	noRoom     faultKind = "no room"
	cutOff     faultKind = "cut off"  // a node from the database
	away       faultKind = "database" // away, for all nodes: explains nothing that comes twice
)

// fault is something done to a node, or to all. Of a kill, ended is when the
// process was gone; of a freeze or a cut, when it was lifted.
type fault struct {
	kind         faultKind
	node         int // 0 = all
	began, ended time.Time
	// stale is for how long before it nothing could be made durable.
	stale time.Duration
	// stranded are the ids of the deliveries that the node owned in the shared
	// store when it could do nothing more about them; nil if nobody looked.
	// Nothing else of it may come twice.
	stranded *stranded
	// beside is since when the others could know that the node's process had ended,
	// which was one of their machine; zero if they could not.
	beside time.Time
}

// ledger is the conservation ledger as the API answers it.
type ledger struct {
	Accepted, Pending, Retrying, Delivered, Failed, Held, Canceled int64
}

// logged is a delivery in the server's log.
type logged struct {
	ID       string `json:"id"`
	EventID  string `json:"event_id"`
	Endpoint string `json:"endpoint_id"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
}

// tried is an attempt in the server's log.
type tried struct {
	Number    int       `json:"number"`
	StartedAt time.Time `json:"started_at"`
	Reason    string    `json:"reason"`
}

// evidence is everything that was recorded of a trial, after the server has
// drained.
type evidence struct {
	paths     map[string]string // endpoint id → path
	publishes map[string]*publish
	hits      map[deliveryKey][]hit
	faults    []*fault
	ledger    ledger
	events    []string // ids in the server's log
	log       []logged
	// lag is how old an outcome may be that is not durable yet: the time from
	// the answer, or the end of the attempt's time, to the commit.
	lag time.Duration
	// timeout is how long an attempt may take, and attempts are those of a
	// delivery in the server's log; nil if there are none.
	timeout  time.Duration
	attempts func(delivery string) []tried
	// unsure tells that a 503 leaves open whether the event was taken: a commit
	// that failed on a broken medium may have reached it.
	unsure bool
}

// verdict is what the judge found.
type verdict struct {
	accepted   int // events
	deliveries int // delivered, once or more
	requests   int
	silent     int           // events taken although their publisher got no 202
	duplicates int           // deliveries answered 2xx again, all explained if there is no complaint
	late       int           // deliveries answered 2xx again because the first answer came after its time
	byFault    []int         // how many of them each fault explains
	oldest     time.Duration // how long before its fault the first answer of one was
	// lost are accepted events that are not in the log, and deliveries of stored
	// ones that were never answered 2xx.
	lost        int
	unexplained int // duplicates that no fault explains
	hits        map[deliveryKey][]hit
	complaints  []string
}

func (v *verdict) complain(format string, args ...any) {
	v.complaints = append(v.complaints, fmt.Sprintf(format, args...))
}

// judge compares the records.
func judge(e *evidence) *verdict {
	v := &verdict{byFault: make([]int, len(e.faults))}
	stored := e.judgeEvents(v)
	e.judgeDeliveries(v, stored)
	for _, key := range slices.SortedFunc(maps.Keys(e.hits), func(a, b deliveryKey) int {
		return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.path, b.path))
	}) {
		if !stored[key.event] {
			v.complain("event %s was sent to %s and is not in the log", key.event, key.path)
		}
		e.judgeHits(v, key)
	}
	return v
}

// judgeEvents holds what publishers were told against the log: every 202 is
// there, once, and nothing is that was refused.
func (e *evidence) judgeEvents(v *verdict) (stored map[string]bool) {
	stored = make(map[string]bool, len(e.events))
	for _, id := range e.events {
		if stored[id] {
			v.complain("event %s is in the log twice", id)
		}
		stored[id] = true
	}
	for id, p := range e.publishes {
		switch {
		case p.accepted:
			v.accepted++
			if !stored[id] {
				v.lost++
				v.complain("event %s was accepted and is not in the log", id)
			}
			if p.silent {
				v.silent++
			}
		case !stored[id]:
		case p.broken || p.busy && e.unsure:
			v.silent++
		default:
			v.complain("event %s was refused and is in the log", id)
		}
	}
	for id := range stored {
		if e.publishes[id] == nil {
			v.complain("event %s is in the log and was never published", id)
		}
	}
	return stored
}

// judgeDeliveries holds the log against the ledger and the receiver: every
// stored event was delivered to every endpoint, and the ledger is the count of
// the log.
func (e *evidence) judgeDeliveries(v *verdict, stored map[string]bool) {
	seen := make(map[deliveryKey]bool, len(e.log))
	delivered := 0
	for _, d := range e.log {
		key := deliveryKey{d.EventID, e.paths[d.Endpoint]}
		if seen[key] {
			v.complain("event %s has two deliveries to %s", key.event, key.path)
		}
		seen[key] = true
		if d.State != "delivered" {
			v.complain("delivery %s of event %s is %s after the drain", d.ID, d.EventID, d.State)
			continue
		}
		delivered++
		hits := e.hits[key]
		last := slices.IndexFunc(hits, func(h hit) bool { return h.answer == answered && h.attempt == d.Attempts })
		if last < 0 {
			v.complain("delivery %s is delivered by attempt %d, which the receiver did not answer so: %v", d.ID, d.Attempts, hits)
		}
		if i := slices.IndexFunc(hits, func(h hit) bool { return h.delivery != d.ID }); i >= 0 {
			v.complain("delivery %s was sent under the id %q", d.ID, hits[i].delivery)
		}
	}
	for id := range stored {
		for _, path := range e.paths {
			if !seen[deliveryKey{id, path}] {
				v.complain("event %s is stored and has no delivery to %s", id, path)
			}
			if !slices.ContainsFunc(e.hits[deliveryKey{id, path}], func(h hit) bool { return h.answer == answered }) {
				v.lost++
				v.complain("event %s was never answered 2xx at %s: lost", id, path)
			}
		}
	}
	v.deliveries = delivered
	l := e.ledger
	if want := (ledger{Accepted: int64(len(e.log)), Delivered: int64(delivered)}); l != want ||
		l.Accepted != l.Pending+l.Retrying+l.Delivered+l.Failed+l.Held+l.Canceled {
		v.complain("the ledger is %+v, the recount of the log %+v", l, want)
	}
}

// judgeHits goes through the requests of one delivery. The number of an attempt
// rises by itself; it stays the same, or a 2xx is followed by one more request,
// only across a fault that explains it; or where the answer was begun after the
// time of the attempt, as on a busy machine.
func (e *evidence) judgeHits(v *verdict, key deliveryKey) {
	hits := slices.SortedStableFunc(slices.Values(e.hits[key]), func(a, b hit) int { return a.at.Compare(b.at) })
	v.requests += len(hits)
	if hits[0].attempt < 1 {
		v.complain("event %s to %s: attempt %d", key.event, key.path, hits[0].attempt)
	}
	for i := 1; i < len(hits); i++ {
		a, b := hits[i-1], hits[i]
		again := a.answer == answered
		by := e.explain(a, b)
		late := again && by < 0 && b.attempt > a.attempt && e.late(a)
		switch {
		case late:
			v.late++
		case again:
			v.duplicates++
			if by < 0 {
				v.unexplained++
			}
		}
		switch {
		case by < 0 && b.at.Before(a.until):
			v.complain("event %s to %s: attempt %d by node %d came at %s while attempt %d by node %d lasted until %s", key.event, key.path,
				b.attempt, b.node, b.at.Format(clock), a.attempt, a.node, a.until.Format(clock))
		case b.attempt > a.attempt && (!again || late):
			// the next one of a delivery that was not delivered yet
		case by < 0:
			v.complain("event %s to %s: attempt %d (%s) by node %d at %s and %d by node %d at %s, and no fault between explains it; the last before ended at %s",
				key.event, key.path, a.attempt, a.answer, a.node, a.at.Format(clock), b.attempt, b.node, b.at.Format(clock), e.lastBefore(b.at).Format(clock))
		case again:
			v.byFault[by]++
			v.oldest = max(v.oldest, e.faults[by].began.Sub(e.over(&a)))
		}
	}
}

// lastBefore is when the last fault ended that began before a moment.
func (e *evidence) lastBefore(at time.Time) (ended time.Time) {
	for _, f := range e.faults {
		if f.began.Before(at) && f.ended.After(ended) {
			ended = f.ended
		}
	}
	return ended
}

const clock = "15:04:05.000"

// readLate is how long after its sender's death the receiver may read a request:
// what was written waits in the socket until a busy machine comes to it.
const readLate = 300 * time.Millisecond

// readDead is the same after a kill: what the process had under way comes again soon
// after its next start, which is no later kill to explain it by.
const readDead = time.Second

// late tells whether an answer came after the time of its attempt: the receiver
// began it then, or so shortly before that it may have been on its way (readLate),
// and the log says that the sender had given up. A clock that was stepped excuses
// nothing.
func (e *evidence) late(a hit) bool {
	if e.attempts == nil || a.begun.IsZero() {
		return false
	}
	return slices.ContainsFunc(e.attempts(a.delivery), func(x tried) bool {
		after := a.begun.Sub(x.StartedAt) - e.timeout
		return x.Number == a.attempt && x.Reason == "timeout" && after > -readLate && after < time.Minute
	})
}

// explain finds the first fault that explains why b followed a, or -1: one that
// befell the node that sent a while a was under way, or its outcome at most lag
// old.
func (e *evidence) explain(a, b hit) int {
	for i, f := range e.faults {
		late := readLate
		if f.kind == killed {
			late = readDead
		}
		if b.at.Before(f.began) || a.at.After(f.ended.Add(late)) || f.began.Sub(e.over(&a)) > e.lag+f.stale {
			continue
		}
		if f.explains(a, b) {
			return i
		}
	}
	return -1
}

// over is when a request was answered, or the time of its attempt ended.
func (e *evidence) over(h *hit) time.Time {
	end := h.until
	switch {
	case h.answer == hung:
		end = h.until.Add(readLate) // see receiver.step
	case h.begun.After(end):
		end = h.begun
	}
	if limit := h.at.Add(e.timeout); e.timeout > 0 && end.After(limit) {
		return limit
	}
	return end
}

// explains tells whether b may follow a, both near enough to the fault. What a
// killed process had not made durable is done again under the same number. What
// a frozen process had under way may have run out of time when it wakes, answered
// or not, and is then tried again under the next number. What a node owned that
// was frozen or cut off for long is done again by another under the same number,
// as if it had died; a frozen one may have been about to send, and does so when
// it wakes.
func (f *fault) explains(a, b hit) bool {
	adopted := b.attempt == a.attempt && (f.stranded == nil || f.stranded.ids[a.delivery])
	switch {
	case f.kind == frozen && b.node == f.node && a.node != f.node:
		return adopted && f.stranded != nil && b.at.Sub(f.ended).Abs() < readLate
	case a.node != f.node:
		return false
	case f.kind == killed:
		return adopted
	case f.kind == frozen:
		return b.attempt == a.attempt+1 || adopted && f.stranded != nil
	case f.kind == cutOff:
		return adopted && f.stranded != nil
	}
	return false
}

func (a answer) String() string {
	return [...]string{"2xx", "500", "no answer", "reset"}[a]
}

// The judge must find what it is there for: each case spoils a good record.
func TestJudge(t *testing.T) {
	t.Parallel()
	type counts struct{ lost, unexplained int }
	counted := map[string]counts{ // of the others neither
		"an accepted event is not stored":  {lost: 1},
		"a stored event was not delivered": {lost: 1},
		"nothing was sent":                 {lost: 1},
		"an endpoint was left out":         {lost: 1},
		"a duplicate without a kill":       {unexplained: 1},
		"a duplicate before the kill":      {unexplained: 1},
		"a duplicate after the kill":       {unexplained: 1},
		"a duplicate of what was durable":  {unexplained: 1},
		"an outcome that was long durable": {unexplained: 1},
		"a duplicate after SIGTERM":        {unexplained: 1},
		"a freeze repeats no attempt":      {unexplained: 1},
		"a database was away":              {unexplained: 1},
		"another node was killed":          {unexplained: 1},
		"the killed node did not own it":   {unexplained: 1},
		"a node cut off did not own it":    {unexplained: 1},
		"attempt numbers go back":          {unexplained: 1},
		"it was answered in time":          {unexplained: 1},
		"another attempt was late":         {unexplained: 1},
		"a late attempt is repeated":       {unexplained: 1},
		"the connection was lost":          {unexplained: 1},
		"a clock was stepped":              {unexplained: 1},
	}
	at := func(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }
	ok := deliveryKey{"ok", "/p"}
	good := func() *evidence {
		return &evidence{
			paths:     map[string]string{"ep_1": "/p"},
			publishes: map[string]*publish{"ok": {accepted: true}, "no": {busy: true}},
			hits: map[deliveryKey][]hit{ok: {
				{delivery: "dlv_1", attempt: 1, at: at(0), answer: failed, node: 1, until: at(0)},
				{delivery: "dlv_1", attempt: 2, at: at(1000), answer: answered, node: 1, until: at(1200)},
				{delivery: "dlv_1", attempt: 2, at: at(3000), answer: answered, node: 2, until: at(3000)},
			}},
			faults: []*fault{{kind: killed, node: 1, began: at(1500), ended: at(1600)}},
			ledger: ledger{Accepted: 1, Delivered: 1},
			events: []string{"ok"},
			log:    []logged{{"dlv_1", "ok", "ep_1", "delivered", 2}},
			lag:    time.Second,
		}
	}
	if v := judge(good()); len(v.complaints) > 0 || v.duplicates != 1 || v.byFault[0] != 1 || v.accepted != 1 || v.oldest != 300*time.Millisecond ||
		v.lost != 0 || v.unexplained != 0 {
		t.Fatalf("a good record: %+v", v)
	}
	// tooLate is a record without a fault, whose second attempt is answered so long
	// after its start.
	tooLate := func(e *evidence, after time.Duration, number int, reason string) {
		e.faults, e.timeout = nil, time.Second
		e.hits[ok][2].attempt, e.log[0].Attempts = 3, 3
		e.hits[ok][1].begun = at(900).Add(after)
		e.attempts = func(string) []tried {
			return []tried{{1, at(0), "http_status"}, {number, at(900), reason}, {3, at(3000), "delivered"}}
		}
	}
	e := good()
	tooLate(e, 1100*time.Millisecond, 2, "timeout")
	if v := judge(e); len(v.complaints) > 0 || v.duplicates != 0 || v.unexplained != 0 || v.late != 1 {
		t.Fatalf("an answer that came too late: %+v", v)
	}
	for name, spoil := range map[string]func(*evidence){
		"an accepted event is not stored":  func(e *evidence) { e.publishes["lost"] = &publish{accepted: true} },
		"an event is stored twice":         func(e *evidence) { e.events = append(e.events, "ok") },
		"a refused event is stored":        func(e *evidence) { e.publishes["ok"] = &publish{busy: true} },
		"an event was never published":     func(e *evidence) { delete(e.publishes, "ok") },
		"a stored event was not delivered": func(e *evidence) { e.hits[ok] = e.hits[ok][:1] },
		"nothing was sent":                 func(e *evidence) { delete(e.hits, ok) },
		"an endpoint was left out":         func(e *evidence) { e.paths["ep_2"] = "/q" },
		"a delivery is twice in the log":   func(e *evidence) { e.log = append(e.log, e.log[0]) },
		"a delivery failed":                func(e *evidence) { e.log[0].State = "failed" },
		"the log counts other attempts":    func(e *evidence) { e.log[0].Attempts = 3 },
		"a delivery changes its id":        func(e *evidence) { e.hits[ok][0].delivery = "dlv_2" },
		"the ledger does not add up":       func(e *evidence) { e.ledger.Held = 1 },
		"the ledger is not the log":        func(e *evidence) { e.ledger = ledger{Accepted: 2, Delivered: 2} },
		"what was never stored is sent":    func(e *evidence) { e.hits[deliveryKey{"no", "/p"}] = e.hits[ok] },
		"a duplicate without a kill":       func(e *evidence) { e.faults = nil },
		"a duplicate before the kill":      func(e *evidence) { e.faults[0].began, e.faults[0].ended = at(4000), at(5000) },
		"a duplicate after the kill":       func(e *evidence) { e.faults[0].began, e.faults[0].ended = at(-900), at(-800) },
		"a duplicate of what was durable":  func(e *evidence) { e.hits[ok][2].attempt = 3 },
		"an outcome that was long durable": func(e *evidence) { e.lag = 200 * time.Millisecond },
		"a duplicate after SIGTERM":        func(e *evidence) { e.faults[0].kind = terminated },
		"a freeze repeats no attempt":      func(e *evidence) { e.faults[0].kind = frozen },
		"a database was away":              func(e *evidence) { e.faults[0].kind, e.faults[0].node = away, 0 },
		"another node was killed":          func(e *evidence) { e.faults[0].node = 2 },
		"the killed node did not own it":   func(e *evidence) { e.faults[0].stranded = &stranded{} },
		"a node cut off did not own it":    func(e *evidence) { e.faults[0].kind = cutOff },
		"two attempts overlap":             func(e *evidence) { e.hits[ok][0].until = at(1100) },
		"attempt numbers go back":          func(e *evidence) { e.hits[ok][2].attempt = 1 },
		"an attempt is repeated without kill": func(e *evidence) {
			e.hits[ok][1] = hit{delivery: "dlv_1", attempt: 1, at: at(100), answer: failed, node: 1, until: at(100)}
		},
		"a request without a number": func(e *evidence) { e.hits[ok][0].attempt = 0 },
		"it was answered in time":    func(e *evidence) { tooLate(e, 300*time.Millisecond, 2, "timeout") },
		"another attempt was late":   func(e *evidence) { tooLate(e, 1100*time.Millisecond, 1, "timeout") },
		"the connection was lost":    func(e *evidence) { tooLate(e, 1100*time.Millisecond, 2, "connection_lost") },
		"a clock was stepped":        func(e *evidence) { tooLate(e, 5*time.Minute, 2, "timeout") },
		"a late attempt is repeated": func(e *evidence) {
			tooLate(e, 1100*time.Millisecond, 2, "timeout")
			e.hits[ok][2].attempt, e.log[0].Attempts = 2, 2
		},
	} {
		e := good()
		spoil(e)
		v := judge(e)
		if len(v.complaints) == 0 {
			t.Errorf("%s: the judge does not notice", name)
		}
		if got := (counts{v.lost, v.unexplained}); got != counted[name] {
			t.Errorf("%s: counted %+v, want %+v", name, got, counted[name])
		}
	}
}

// What a fault of one of several nodes explains, and what it does not.
func TestExplain(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }
	had := &stranded{ids: map[string]bool{"dlv_1": true}}
	befell := func(k faultKind, s *stranded) *fault {
		return &fault{kind: k, node: 1, began: at(1000), ended: at(20_000), stranded: s}
	}
	sent := func(node, attempt, ms int) hit {
		return hit{delivery: "dlv_1", attempt: attempt, at: at(ms), answer: answered, node: node, until: at(ms)}
	}
	begunAt := func(ms int, h hit) hit { h.begun = at(ms); return h }
	lasting := func(by answer, ms int, h hit) hit {
		h.answer, h.until = by, h.at.Add(time.Duration(ms)*time.Millisecond)
		return h
	}
	for name, c := range map[string]struct {
		f    *fault
		a, b hit
		want bool
	}{
		"another does what a dead node had":           {befell(killed, had), sent(1, 1, 900), sent(2, 1, 14_000), true},
		"a dead node had finished it":                 {befell(killed, &stranded{}), sent(1, 1, 900), sent(2, 1, 14_000), false},
		"another node sent it":                        {befell(killed, had), sent(3, 1, 900), sent(2, 1, 14_000), false},
		"long before the fault":                       {befell(killed, had), sent(1, 1, -500), sent(2, 1, 14_000), false},
		"answered late, and shortly before the fault": {befell(killed, had), lasting(answered, 2000, sent(1, 1, -1500)), sent(2, 1, 14_000), true},
		"begun late, and shortly before the fault":    {befell(killed, had), begunAt(500, sent(1, 1, -1500)), sent(2, 1, 14_000), true},
		"begun after its time, long before the fault": {befell(killed, had), begunAt(900, sent(1, 1, -2500)), sent(2, 1, 14_000), false},
		"under way at the fault":                      {befell(killed, had), lasting(hung, 1700, sent(1, 1, -500)), sent(2, 1, 14_000), true},
		"its time was over shortly before the fault":  {befell(killed, had), lasting(hung, 1700, sent(1, 1, -1900)), sent(2, 1, 14_000), true},
		"its time was over long before the fault":     {befell(killed, had), lasting(hung, 1700, sent(1, 1, -2500)), sent(2, 1, 14_000), false},
		"another does what a frozen node had":         {befell(frozen, had), sent(1, 1, 900), sent(2, 1, 14_000), true},
		"a frozen node tries again when it wakes":     {befell(frozen, nil), sent(1, 1, 900), sent(1, 2, 20_100), true},
		"a node was about to send when it was frozen": {befell(frozen, had), sent(2, 1, 14_000), sent(1, 1, 20_100), true},
		"a node sends long after it woke":             {befell(frozen, had), sent(2, 1, 14_000), sent(1, 1, 21_000), false},
		"a short freeze makes no other node send":     {befell(frozen, nil), sent(1, 1, 900), sent(2, 1, 14_000), false},
		"a node cut off sends what it had":            {befell(cutOff, had), sent(1, 1, 8000), sent(2, 1, 14_000), true},
		"a node cut off goes on when it is back":      {befell(cutOff, had), sent(2, 1, 14_000), sent(1, 1, 20_100), false},
		"a node cut off counts its attempt":           {befell(cutOff, had), sent(1, 1, 8000), sent(2, 2, 14_000), false},
	} {
		e := &evidence{faults: []*fault{c.f}, lag: time.Second, timeout: 2 * time.Second}
		if got := e.explain(c.a, c.b) == 0; got != c.want {
			t.Errorf("%s: explained %v, want %v", name, got, c.want)
		}
	}
}
