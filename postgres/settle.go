package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// Rows of waiting are looked up one by one, in a subquery that stays apart
// (OFFSET 0), and then joined by their place. What the planner believes of this
// table may be long out of date, and it must not choose to compare every outcome
// with every row: see DESIGN.md.

// sqlFinal ends the wait of rows that the node owns and whose next attempt this
// was, and stores delivery and attempt. It changes nothing in any other case.
const (
	sqlFinal       = sqlFinalHead + sqlFinalTail
	sqlFinalBeside = sqlFinalHead + sqlBeside + sqlFinalTail
	sqlRetry       = sqlRetryHead + sqlRetryTail
	sqlRetryBeside = sqlRetryHead + sqlBeside + sqlRetryTail

	// sqlBeside leaves attempts alone that are there. Those of a row's next number
	// are not, so looking for them each time would cost a third of the statement
	// for nothing; it is done when the insert has failed.
	sqlBeside = ` ON CONFLICT DO NOTHING`
)

const sqlFinalHead = `WITH o AS (
		SELECT * FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
			$8::smallint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::smallint[], $13::smallint[], $14::bigint[])
		AS u (ord, agent, event, endpoint, number, status_code, tried, started_at, duration, detail, state, reason, finished_at)
	), gone AS (
		DELETE FROM waiting w USING o CROSS JOIN LATERAL (
			SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
				AND x.owner = $1 AND x.attempts = o.number - 1 OFFSET 0) p
		WHERE w.ctid = p.place RETURNING o.*, w.type
	), settled AS (
		INSERT INTO deliveries (agent, event, endpoint, type, state, reason, attempts, status_code, finished_at)
		SELECT agent, event, endpoint, type, state, reason, number, status_code, finished_at FROM gone
	), kept AS (
		INSERT INTO attempts (agent, event, endpoint, number, started_at, duration, status_code, reason, detail)
		SELECT agent, event, endpoint, number, started_at, duration, status_code, tried, detail FROM gone`

const sqlFinalTail = `) SELECT ord FROM gone`

const sqlRetryHead = `WITH o AS (
		SELECT * FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[],
			$8::smallint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::integer[])
		AS u (ord, agent, event, endpoint, number, status_code, tried, started_at, duration, detail, next_at, panics)
	), waits AS (
		UPDATE waiting w SET owner = 0, begun = false, attempts = o.number, next_at = o.next_at, panics = o.panics,
			status_code = o.status_code, reason = o.tried
		FROM o CROSS JOIN LATERAL (
			SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
				AND x.owner = $1 AND x.attempts = o.number - 1 OFFSET 0) p
		WHERE w.ctid = p.place RETURNING o.*
	), kept AS (
		INSERT INTO attempts (agent, event, endpoint, number, started_at, duration, status_code, reason, detail)
		SELECT agent, event, endpoint, number, started_at, duration, status_code, tried, detail FROM waits`

const sqlRetryTail = `) SELECT ord FROM waits`

const sqlRelease = `UPDATE waiting w SET owner = 0, begun = false, next_at = o.next_at
	FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS o (ord, agent, event, endpoint, next_at)
		CROSS JOIN LATERAL (
		SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
			AND x.owner = $1 OFFSET 0) p
	WHERE w.ctid = p.place
	RETURNING o.ord`

// sqlUnsent ends the wait of rows that the node owns, without an attempt.
const sqlUnsent = `WITH o AS (
		SELECT * FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], $7::smallint[], $8::bigint[])
		AS u (ord, agent, event, endpoint, state, reason, finished_at)
	), gone AS (
		DELETE FROM waiting w USING o CROSS JOIN LATERAL (
			SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
				AND x.owner = $1 OFFSET 0) p
		WHERE w.ctid = p.place RETURNING o.*, w.type, w.attempts, w.status_code
	), settled AS (
		INSERT INTO deliveries (agent, event, endpoint, type, state, reason, attempts, status_code, finished_at)
		SELECT agent, event, endpoint, type, state, reason, attempts, status_code, finished_at FROM gone
	) SELECT ord, attempts > 0 FROM gone`

// sqlEnded notes that the node has nothing of these deliveries in hand any more,
// though they were canceled under it: they may be sent again.
const sqlEnded = `UPDATE deliveries d SET owner = 0
	FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS o (agent, event, endpoint)
	WHERE d.agent = o.agent AND d.event = o.event AND d.endpoint = o.endpoint AND d.owner = $1`

// Settle implements [waybell.WorkStore]. An outcome applies to the waiting row
// only while the lease owns it and its attempt is the row's next one; the
// attempt of any other, canceled or already written, is kept beside it.
func (s *Store) Settle(ctx context.Context, lease waybell.Lease, outcomes []waybell.Settlement) error {
	for i := range outcomes {
		if o := &outcomes[i]; o.Attempt == nil && o.Kind == waybell.SettleRetry {
			return fmt.Errorf("postgres: delivery %s: a retry without its attempt", o.DeliveryRef)
		}
	}
	final, retry := sqlFinal, sqlRetry
	order := inKeyOrder(outcomes)
	for {
		err := s.writeAgain(ctx, lease, func(t *tx) error {
			t.rows = 2 * len(outcomes)
			b := settling{order: order, applied: make([]bool, len(outcomes)), sqlFinal: final, sqlRetry: retry}
			for i := range outcomes {
				t.noteHealth(&outcomes[i]) // the newest is the last one
			}
			for _, i := range order {
				b.add(i, &outcomes[i])
			}
			t.settle(&b)
			if err := t.flush(); err != nil {
				return err
			}
			return t.settled(&b, outcomes)
		})
		if state(err) != stateUnique || final == sqlFinalBeside {
			return err
		}
		final, retry = sqlFinalBeside, sqlRetryBeside
	}
}

// inKeyOrder is the order in which outcomes take their rows, so that others who lock
// many rows are seldom waited for in a circle.
func inKeyOrder(outcomes []waybell.Settlement) []int {
	order := make([]int, len(outcomes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &outcomes[i], &outcomes[j]
		return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return order
}

// settling are outcomes as parameters, by what they do.
type settling struct {
	order                         []int
	final, retry, release, unsent outcomeRows
	applied                       []bool
	attempted                     []bool // of the unsent ones: the row had been tried before
	sqlFinal, sqlRetry            string
}

type outcomeRows struct {
	ords                      []int32
	agents, events, endpoints []int64
	// Of the attempt.
	numbers, statuses  []int32
	tried              []int16
	started, durations []int64
	details            [][]byte
	// Of what becomes of the delivery.
	states, reasons []int16
	ends, nexts     []int64
	panics          []int32
}

func (b *settling) add(i int, o *waybell.Settlement) {
	to := &b.final
	switch {
	case o.Kind == waybell.SettleRelease:
		to = &b.release
	case o.Kind == waybell.SettleRetry:
		to = &b.retry
	case o.Attempt == nil:
		to = &b.unsent
	}
	to.ords = append(to.ords, int32(i))
	to.agents, to.events, to.endpoints = append(to.agents, int64(o.Agent)), append(to.events, int64(o.Event)), append(to.endpoints, int64(o.Endpoint))
	if a := o.Attempt; a != nil {
		to.numbers, to.statuses, to.tried = append(to.numbers, int32(a.Number)), append(to.statuses, int32(a.StatusCode)), append(to.tried, int16(a.Reason))
		to.started, to.durations = append(to.started, micros(a.StartedAt)), append(to.durations, a.Duration.Microseconds())
		to.details = append(to.details, a.Detail)
	}
	to.states, to.reasons = append(to.states, int16(o.State)), append(to.reasons, int16(o.Reason))
	to.ends, to.nexts, to.panics = append(to.ends, micros(o.FinishedAt)), append(to.nexts, micros(o.NextAt)), append(to.panics, int32(o.Panics))
}

// settle queues the statements; rows that apply are marked.
func (t *tx) settle(b *settling) {
	mark := func(r pgx.CollectableRow) error {
		var ord int32
		err := r.Scan(&ord)
		b.applied[ord] = true
		return err
	}
	if o := &b.final; len(o.ords) > 0 {
		t.query(mark, b.sqlFinal, t.node, o.ords, o.agents, o.events, o.endpoints, o.numbers, o.statuses,
			o.tried, o.started, o.durations, o.details, o.states, o.reasons, o.ends)
	}
	if o := &b.retry; len(o.ords) > 0 {
		t.query(mark, b.sqlRetry, t.node, o.ords, o.agents, o.events, o.endpoints, o.numbers, o.statuses,
			o.tried, o.started, o.durations, o.details, o.nexts, o.panics)
	}
	if o := &b.release; len(o.ords) > 0 {
		t.query(mark, sqlRelease, t.node, o.ords, o.agents, o.events, o.endpoints, o.nexts)
		t.queue(sqlEnded, t.node, o.agents, o.events, o.endpoints)
	}
	if o := &b.unsent; len(o.ords) > 0 {
		b.attempted = make([]bool, len(b.applied))
		t.query(func(r pgx.CollectableRow) error {
			var ord int32
			var attempted bool
			err := r.Scan(&ord, &attempted)
			b.applied[ord], b.attempted[ord] = true, attempted
			return err
		}, sqlUnsent, t.node, o.ords, o.agents, o.events, o.endpoints, o.states, o.reasons, o.ends)
		t.queue(sqlEnded, t.node, o.agents, o.events, o.endpoints)
	}
}

// settled counts what applied, and keeps the attempts of what did not.
func (t *tx) settled(b *settling, outcomes []waybell.Settlement) error {
	for _, i := range b.order {
		o := &outcomes[i]
		switch {
		case !b.applied[i] && o.Attempt != nil:
			if err := t.settleLate(o); err != nil {
				return fmt.Errorf("delivery %s: %w", o.DeliveryRef, err)
			}
		case !b.applied[i]:
		case o.Kind == waybell.SettleRelease:
			t.touch(o.Endpoint)
			t.moved(o.Endpoint, o.NextAt)
		case o.Kind == waybell.SettleRetry:
			t.touch(o.Endpoint)
			t.moved(o.Endpoint, o.NextAt)
			c := t.counts(o.Agent, o.Endpoint)
			c.waits(o.Attempt.Number > 1, -1)
			c.waits(true, 1)
		default:
			c := t.counts(o.Agent, o.Endpoint)
			if o.Attempt != nil {
				c.waits(o.Attempt.Number > 1, -1)
			} else {
				c.waits(b.attempted[i], -1)
			}
			c.settles(o.State, 1)
		}
	}
	return nil
}

const sqlInsertAttempt = `INSERT INTO attempts (agent, event, endpoint, number, started_at, duration, status_code, reason, detail)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`

func (t *tx) queueAttempt(agent waybell.AgentNumber, a *waybell.Attempt) {
	t.queue(sqlInsertAttempt, int64(agent), int64(a.Event), int64(a.Endpoint), a.Number, micros(a.StartedAt),
		a.Duration.Microseconds(), a.StatusCode, int16(a.Reason), a.Detail)
}

// settleLate keeps an attempt whose waiting row is gone or no longer the
// node's, or that was written before. The delivery stays as it is, only counts
// the attempt, so that numbers go on after it; but canceled becomes delivered
// by a 2xx. Of a delivery that retention removed nothing is kept, nor of one that
// another node has in hand: its attempt has the number.
func (t *tx) settleLate(o *waybell.Settlement) error {
	agent, event, endpoint := int64(o.Agent), int64(o.Event), int64(o.Endpoint)
	var attempts int
	var owner int64
	waits, err := t.one("SELECT attempts, owner FROM waiting WHERE agent = $1 AND event = $2 AND endpoint = $3 FOR UPDATE",
		[]any{agent, event, endpoint}, &attempts, &owner)
	switch {
	case err != nil:
		return err
	case waits && owner != 0 && owner != t.node:
		return nil
	case waits:
		if attempts < o.Attempt.Number {
			t.queue("UPDATE waiting SET attempts = $4 WHERE agent = $1 AND event = $2 AND endpoint = $3",
				agent, event, endpoint, o.Attempt.Number)
			c := t.counts(o.Agent, o.Endpoint)
			c.waits(attempts > 0, -1)
			c.waits(true, 1)
		}
		t.queueAttempt(o.Agent, o.Attempt)
		return nil
	}
	var state int16
	settled, err := t.one("SELECT state FROM deliveries WHERE agent = $1 AND event = $2 AND endpoint = $3 FOR UPDATE",
		[]any{agent, event, endpoint}, &state)
	if err != nil || !settled {
		return err
	}
	t.queue(`UPDATE deliveries SET attempts = greatest(attempts, $4), owner = CASE owner WHEN $5 THEN 0 ELSE owner END
		WHERE agent = $1 AND event = $2 AND endpoint = $3`, agent, event, endpoint, o.Attempt.Number, t.node)
	if waybell.DeliveryState(state) == waybell.DeliveryCanceled && o.Kind == waybell.SettleFinal && o.State == waybell.DeliveryDelivered {
		t.queue(`UPDATE deliveries SET state = $4, reason = $5, status_code = $6, finished_at = $7
			WHERE agent = $1 AND event = $2 AND endpoint = $3`,
			agent, event, endpoint, int16(o.State), int16(o.Reason), o.Attempt.StatusCode, micros(o.FinishedAt))
		c := t.counts(o.Agent, o.Endpoint)
		c.settles(waybell.DeliveryCanceled, -1)
		c.settles(waybell.DeliveryDelivered, 1)
	}
	t.queueAttempt(o.Agent, o.Attempt)
	return nil
}

// noteHealth takes the newest health of an endpoint to be stored.
func (t *tx) noteHealth(o *waybell.Settlement) {
	if o.Health == nil {
		return
	}
	if t.healths == nil {
		t.healths = make(map[ledgerKey]*waybell.Health)
	}
	t.healths[ledgerKey{o.Agent, o.Endpoint}] = o.Health
}

const sqlHealth = `INSERT INTO health (agent, endpoint, seat, changed_at, written_at, last_success, last_failure, failing_since, refused_since,
		failures, refusals, last_status, last_reason, open)
	SELECT agent, endpoint, $1, greatest(last_success, last_failure), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, last_success, last_failure, failing_since, refused_since,
		failures, refusals, last_status, last_reason, open
	FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[], $9::integer[],
		$10::integer[], $11::smallint[], $12::boolean[])
		AS u (agent, endpoint, last_success, last_failure, failing_since, refused_since, failures, refusals, last_status, last_reason, open)
	ON CONFLICT (agent, endpoint, seat) DO UPDATE SET changed_at = excluded.changed_at, written_at = excluded.written_at, last_success = excluded.last_success,
		last_failure = excluded.last_failure, failing_since = excluded.failing_since, refused_since = excluded.refused_since,
		failures = excluded.failures, refusals = excluded.refusals, last_status = excluded.last_status,
		last_reason = excluded.last_reason, open = excluded.open`

// queueHealth writes what this node knows of endpoints to rows of its own.
func (t *tx) queueHealth() {
	if len(t.healths) == 0 {
		return
	}
	keys := make([]ledgerKey, 0, len(t.healths))
	for k := range t.healths {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareLedgerKeys)
	var agents, endpoints, successes, failures, since, refused []int64
	var failed, refusals, statuses []int32
	var reasons []int16
	var open []bool
	for _, k := range keys {
		h := t.healths[k]
		agents, endpoints = append(agents, int64(k.agent)), append(endpoints, int64(k.endpoint))
		successes, failures = append(successes, micros(h.LastSuccess)), append(failures, micros(h.LastFailure))
		since, refused = append(since, micros(h.FailingSince)), append(refused, micros(h.RefusedSince))
		failed, refusals, statuses = append(failed, int32(h.Failures)), append(refusals, int32(h.Refusals)), append(statuses, int32(h.LastStatus))
		reasons, open = append(reasons, int16(h.LastReason)), append(open, h.Open)
	}
	t.queue(sqlHealth, t.seat, agents, endpoints, successes, failures, since, refused, failed, refusals, statuses, reasons, open)
}

func compareLedgerKeys(a, b ledgerKey) int {
	return cmp.Or(cmp.Compare(a.agent, b.agent), cmp.Compare(a.endpoint, b.endpoint))
}
