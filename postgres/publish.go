package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// The kinds of rows in idempotency.
const (
	kindID  = 0 // an id chosen by the publisher: for as long as the event is kept
	kindKey = 1 // an Idempotency-Key: for idempotencyTime
)

// idempotencyTime is how long an Idempotency-Key is remembered.
const idempotencyTime = 24 * time.Hour

// keyAhead is how far beyond a stored key others may be stored before the slot's
// row is written again.
const keyAhead = time.Minute

// accept queues what a batch of operations stores. Without chosen ids and
// Idempotency-Keys nothing has to be asked first: the whole transaction is one
// round trip.
func (t *tx) accept(lane int, batch []*operation) error {
	t.lane = lane
	version := batch[0].version
	var events []*waybell.NewEvent
	var results []*waybell.Accepted
	for _, op := range batch {
		if op.state.Load() == opAbandoned {
			continue
		}
		version = min(version, op.version)
		for i, e := range op.events {
			op.results[i] = waybell.Accepted{}
			events, results = append(events, e), append(results, &op.results[i])
		}
	}
	t.queue("SELECT waybell_version($1)", version)
	fresh, err := t.withoutRepetitions(events, results)
	if err != nil {
		return err
	}
	if len(fresh) == 0 {
		return nil
	}
	t.insertEvents(fresh)
	t.insertWaiting(fresh)
	return t.boundKeys(fresh)
}

const sqlInsertEvents = `INSERT INTO events (agent, key, timestamp, deliveries, test, type, agent_id, agent_name, id, messages, data)
	SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::boolean[], $6::text[], $7::text[],
		$8::bytea[], $9::text[], $10::bytea[], $11::bytea[])`

func (t *tx) insertEvents(events []*waybell.NewEvent) {
	n := len(events)
	agents, keys, timestamps := make([]int64, n), make([]int64, n), make([]int64, n)
	deliveries, tests := make([]int32, n), make([]bool, n)
	types, agentIDs, ids := make([]string, n), make([]string, n), make([]string, n)
	names, messages, data := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, e := range events {
		agents[i], keys[i], timestamps[i] = int64(e.Agent), int64(e.Key), micros(e.Timestamp)
		deliveries[i], tests[i] = int32(len(e.Targets)), e.Test
		types[i], agentIDs[i] = e.Type, e.AgentID
		if e.CustomID { // one made from the key is not stored
			ids[i] = e.ID
		}
		names[i], messages[i], data[i] = []byte(e.AgentName), e.Messages, e.Data
	}
	t.rows += n
	t.queue(sqlInsertEvents, agents, keys, timestamps, deliveries, tests, types, agentIDs, names, ids, messages, data)
}

const sqlInsertWaiting = `INSERT INTO waiting (agent, event, endpoint, entered, next_at, window_end, owner, test, type)
	SELECT agent, event, endpoint, event, next_at, window_end, owner, test, type
	FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[], $8::text[])
		AS u (agent, event, endpoint, next_at, window_end, owner, test, type)`

func (t *tx) insertWaiting(events []*waybell.NewEvent) {
	var agents, keys, endpoints, dues, ends, owners []int64
	var tests []bool
	var types []string
	for _, e := range events {
		for _, target := range e.Targets {
			owner := t.node
			if target.Aside {
				owner = 0
				t.touch(target.Endpoint)
				t.tell()
			}
			agents, keys, endpoints = append(agents, int64(e.Agent)), append(keys, int64(e.Key)), append(endpoints, int64(target.Endpoint))
			dues = append(dues, micros(e.Due()))
			ends, owners = append(ends, micros(target.WindowEnd)), append(owners, owner)
			tests, types = append(tests, e.Test), append(types, e.Type)
			c := t.counts(e.Agent, target.Endpoint)
			c.accepted++
			c.pending++
		}
	}
	if len(agents) > 0 {
		t.rows += len(agents)
		t.queue(sqlInsertWaiting, agents, keys, endpoints, dues, ends, owners, tests, types)
	}
}

// boundKeys makes it known that keys of this node's slot may be as large as those
// of events; for a while ahead, so that it is seldom written.
func (t *tx) boundKeys(events []*waybell.NewEvent) error {
	largest := slices.MaxFunc(events, func(a, b *waybell.NewEvent) int { return cmp.Compare(a.Key, b.Key) }).Key
	if largest < t.bound {
		return nil
	}
	bound := waybell.KeyAt(largest.Time().Add(keyAhead))
	t.queue("UPDATE slots SET last_key = greatest(last_key, $1) WHERE slot = $2", int64(bound), t.slot)
	node := t.node
	t.after = append(t.after, func() {
		t.s.leases.update(node, func(l *lease) { l.bound = max(l.bound, bound) })
	})
	return nil
}

// claim is a chosen id or Idempotency-Key of an agent.
type claim struct {
	agent waybell.AgentNumber
	kind  int16
	key   string
}

// repetition is a row of idempotency.
type repetition struct {
	event waybell.Key
	hash  [32]byte
}

func claimsOf(e *waybell.NewEvent) (list []claim) {
	if e.CustomID {
		list = append(list, claim{e.Agent, kindID, e.ID})
	}
	if e.IdempotencyKey != "" {
		list = append(list, claim{e.Agent, kindKey, e.IdempotencyKey})
	}
	return list
}

// withoutRepetitions leaves out the events that were published before and tells
// of each what it repeats. It stores what makes the others recognizable.
func (t *tx) withoutRepetitions(events []*waybell.NewEvent, results []*waybell.Accepted) ([]*waybell.NewEvent, error) {
	var fresh, keyed []*waybell.NewEvent
	var told []*waybell.Accepted
	for i, e := range events {
		if e.CustomID || e.IdempotencyKey != "" {
			keyed, told = append(keyed, e), append(told, results[i])
		} else {
			fresh = append(fresh, e)
		}
	}
	own := make(map[waybell.Key]*waybell.NewEvent) // accepted in this transaction
	for len(keyed) > 0 {
		// Of events with the same key in one batch the first comes first, the
		// others are its repetitions.
		taken := make(map[claim]bool)
		var round, later []*waybell.NewEvent
		var roundTold, laterTold []*waybell.Accepted
		for i, e := range keyed {
			list := claimsOf(e)
			if slices.ContainsFunc(list, func(c claim) bool { return taken[c] }) {
				later, laterTold = append(later, e), append(laterTold, told[i])
			} else {
				round, roundTold = append(round, e), append(roundTold, told[i])
			}
			for _, c := range list {
				taken[c] = true
			}
		}
		accepted, err := t.claimRound(round, roundTold, own)
		if err != nil {
			return nil, err
		}
		for _, e := range accepted {
			own[e.Key] = e
		}
		fresh = append(fresh, accepted...)
		keyed, told = later, laterTold
	}
	return fresh, nil
}

// sqlClaim takes ids and keys that are free or expired. Another transaction's is
// waited for, so that a duplicate is answered once its original is durable; the
// order of the rows keeps two such waits from making a circle.
const sqlClaim = `INSERT INTO idempotency AS i (agent, event, kind, key, hash)
	SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bytea[]) AS u (agent, event, kind, key, hash)
	ORDER BY agent, kind, key
	ON CONFLICT (agent, kind, key) DO UPDATE SET event = excluded.event, hash = excluded.hash
		WHERE i.kind = 1 AND (excluded.event >> 10) - (i.event >> 10) >= $6
	RETURNING agent, kind, key`

const sqlClaimed = `SELECT i.agent, i.kind, i.key, i.event, i.hash FROM idempotency i
	JOIN unnest($1::bigint[], $2::smallint[], $3::text[]) AS u (agent, kind, key)
		ON i.agent = u.agent AND i.kind = u.kind AND i.key = u.key`

const sqlUnclaim = `DELETE FROM idempotency i USING unnest($1::bigint[], $2::smallint[], $3::text[]) AS u (agent, kind, key)
	WHERE i.agent = u.agent AND i.kind = u.kind AND i.key = u.key`

const sqlReclaim = `UPDATE idempotency i SET event = u.event
	FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[]) AS u (agent, event, kind, key)
	WHERE i.agent = u.agent AND i.kind = u.kind AND i.key = u.key`

// claimRound stores the ids and keys of events, no two of them the same, and
// returns the events that had none in use.
func (t *tx) claimRound(events []*waybell.NewEvent, told []*waybell.Accepted, own map[waybell.Key]*waybell.NewEvent) ([]*waybell.NewEvent, error) {
	var rows claimRows
	for _, e := range events {
		for _, c := range claimsOf(e) {
			rows.add(c, e)
		}
	}
	got := make(map[claim]bool)
	t.query(func(r pgx.CollectableRow) error {
		var c claim
		err := r.Scan(&c.agent, &c.kind, &c.key)
		got[c] = true
		return err
	}, sqlClaim, rows.agents, rows.events, rows.kinds, rows.keys, rows.hashes, idempotencyTime.Microseconds())
	if err := t.flush(); err != nil {
		return nil, err
	}
	var taken claimRows // somebody else's
	for _, e := range events {
		for _, c := range claimsOf(e) {
			if !got[c] {
				taken.add(c, e)
			}
		}
	}
	if len(taken.keys) == 0 {
		return events, nil
	}
	before := make(map[claim]repetition)
	t.query(func(r pgx.CollectableRow) error {
		var c claim
		var old repetition
		var hash []byte
		err := r.Scan(&c.agent, &c.kind, &c.key, &old.event, &hash)
		copy(old.hash[:], hash)
		before[c] = old
		return err
	}, sqlClaimed, taken.agents, taken.kinds, taken.keys)
	if err := t.flush(); err != nil {
		return nil, err
	}
	originals, err := t.originals(before, own)
	if err != nil {
		return nil, err
	}
	verdict := judgement{got: got, before: before, originals: originals}
	return t.judge(events, told, &verdict), nil
}

// judgement is what the ids and keys of a round turned out to be: got by this
// transaction, or taken before, by which events.
type judgement struct {
	got       map[claim]bool
	before    map[claim]repetition
	originals map[waybell.Key]*waybell.Event
}

// judge tells of each event whether it repeats another, and returns those that do
// not.
func (t *tx) judge(events []*waybell.NewEvent, told []*waybell.Accepted, j *judgement) []*waybell.NewEvent {
	var fresh []*waybell.NewEvent
	var back, renew, others claimRows
	for i, e := range events {
		var old []repetition
		for _, c := range claimsOf(e) {
			if r, there := j.before[c]; there && j.originals[r.event] != nil {
				old = append(old, r)
			}
		}
		if len(old) == 0 { // free, or what is left of an event that retention removed
			for _, c := range claimsOf(e) {
				if !j.got[c] {
					renew.add(c, e)
				}
			}
			fresh = append(fresh, e)
			continue
		}
		*told[i] = repeats(e, old, j.originals)
		for _, c := range claimsOf(e) {
			switch {
			case !j.got[c]:
			case c.kind == kindKey && told[i].Duplicate != nil: // it is the original's from now on
				others.add(c, e)
				others.events[len(others.events)-1] = int64(told[i].Duplicate.Key)
			default:
				back.add(c, e)
			}
		}
	}
	if len(others.keys) > 0 {
		t.queue(sqlReclaim, others.agents, others.events, others.kinds, others.keys)
	}
	if len(back.keys) > 0 {
		t.queue(sqlUnclaim, back.agents, back.kinds, back.keys)
	}
	if len(renew.keys) > 0 {
		t.queue(sqlUnclaim, renew.agents, renew.kinds, renew.keys)
		t.queue(sqlClaim, renew.agents, renew.events, renew.kinds, renew.keys, renew.hashes, idempotencyTime.Microseconds())
	}
	return fresh
}

// repeats is the answer to a repetition. Two that name different events, or one
// whose content differs, are a mismatch.
func repeats(e *waybell.NewEvent, old []repetition, originals map[waybell.Key]*waybell.Event) waybell.Accepted {
	for _, r := range old {
		if r.hash != e.Hash || r.event != old[0].event {
			return waybell.Accepted{Err: &waybell.Error{Code: waybell.CodeIdempotencyMismatch,
				Message: "this id or Idempotency-Key was used for another event"}}
		}
	}
	return waybell.Accepted{Duplicate: originals[old[0].event]}
}

// originals reads the events that were published before.
func (t *tx) originals(before map[claim]repetition, own map[waybell.Key]*waybell.NewEvent) (map[waybell.Key]*waybell.Event, error) {
	found := make(map[waybell.Key]*waybell.Event)
	var agents, keys []int64
	for c, r := range before {
		if e := own[r.event]; e != nil {
			found[r.event] = &waybell.Event{Key: e.Key, Agent: e.Agent, ID: e.ID, Type: e.Type,
				Timestamp: e.Timestamp, Deliveries: len(e.Targets)}
			continue
		}
		agents, keys = append(agents, int64(c.agent)), append(keys, int64(r.event))
	}
	if len(keys) == 0 {
		return found, nil
	}
	t.query(func(r pgx.CollectableRow) error {
		var e waybell.Event
		var at int64
		err := r.Scan(&e.Agent, &e.Key, &e.ID, &e.Type, &at, &e.Deliveries)
		if e.ID == "" {
			e.ID = waybell.EventID(e.Key)
		}
		e.Timestamp = moment(at)
		found[e.Key] = &e
		return err
	}, `SELECT e.agent, e.key, e.id, e.type, e.timestamp, e.deliveries
		FROM unnest($1::bigint[], $2::bigint[]) AS u (agent, key) JOIN events e ON e.agent = u.agent AND e.key = u.key`, agents, keys)
	return found, t.flush()
}

// claimRows are rows of idempotency as parameters.
type claimRows struct {
	agents, events []int64
	kinds          []int16
	keys           []string
	hashes         [][]byte
}

func (r *claimRows) add(c claim, e *waybell.NewEvent) {
	r.agents, r.events = append(r.agents, int64(c.agent)), append(r.events, int64(e.Key))
	r.kinds, r.keys, r.hashes = append(r.kinds, c.kind), append(r.keys, c.key), append(r.hashes, e.Hash[:])
}
