package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/waybell/waybell"
)

const (
	// sweepRows bounds one transaction of a sweep.
	sweepRows = 1000
	// sweepAgents is how many agents' waiting rows one transaction looks for.
	sweepAgents = 1000
	// detachTime is how long a sweep waits for the readers of a day that it
	// removes. It goes on at the next one.
	detachTime = 3 * time.Second
	// dropTime is how long the server may take to remove a table's files.
	dropTime = 30 * time.Second
	// countRows is how large a day's events may be to be counted; of larger ones
	// the server's estimate is told.
	countRows = 100_000
)

// Sweep implements [waybell.MaintenanceStore] for whole days: one goes when the
// key lies in a later one. Any number of nodes may do it at once, each step is
// one that can be repeated, and what one node leaves half done the next one ends.
func (s *Store) Sweep(ctx context.Context, lease waybell.Lease, before waybell.Key, budget time.Duration) (n int, more bool, err error) {
	until := time.Now().Add(budget)
	kept := dayOf(before) // and all later ones
	if done, err := s.clear(ctx, lease, kept, until); err != nil || !done {
		return 0, err == nil, err
	}
	old, err := s.daysBefore(ctx, kept)
	if err != nil {
		return 0, false, err
	}
	for i, d := range old {
		if i > 0 && time.Now().After(until) {
			return n, true, nil
		}
		gone, more, err := s.removeDay(ctx, lease, d, until)
		n += gone
		switch {
		case inTheWay(err):
			s.cfg.Logger.Info("a day is removed later: others use it", "day", d.String(), "error", err)
			return n, false, nil
		case err != nil:
			return n, false, fmt.Errorf("remove %s: %w", d, err)
		case more:
			return n, true, nil
		}
	}
	return n, false, nil
}

// oldDay is a day and what there is of its partitions.
type oldDay struct {
	day
	tables map[string]partitionState // by parent
}

// daysBefore lists the days before kept of which there is anything, oldest first.
func (s *Store) daysBefore(ctx context.Context, kept day) (list []oldDay, err error) {
	old := make(map[day]oldDay)
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		there, err := partitions(ctx, q)
		for p, st := range there {
			if p.day >= kept {
				continue
			}
			if old[p.day].tables == nil {
				old[p.day] = oldDay{p.day, make(map[string]partitionState)}
			}
			old[p.day].tables[p.parent] = st
		}
		return err
	})
	for _, d := range slices.Sorted(maps.Keys(old)) {
		list = append(list, old[d])
	}
	return list, err
}

// removeDay removes a day's partitions and returns how many events went, and
// whether some are left because the time is over. The events are detached first:
// when that is done, no transaction is left that could make one of them wait
// again, and so the rows that wait can be settled for good. Of a detached day
// nobody sees anything; what remains is the disk's work.
func (s *Store) removeDay(ctx context.Context, lease waybell.Lease, d oldDay, until time.Time) (n int, more bool, err error) {
	for _, parent := range parents {
		if err := s.detach(ctx, parent, d.day, d.tables[parent]); err != nil {
			return 0, false, err
		}
		if parent != "events" {
			continue
		}
		if done, err := s.clear(ctx, lease, d.day+1, time.Now().Add(s.cfg.Timeout)); err != nil {
			return 0, false, err
		} else if !done {
			return 0, false, errInUse
		}
	}
	dropped := 0
	for _, parent := range parents {
		if !d.tables[parent].exists {
			continue
		}
		if dropped > 0 && time.Now().After(until) {
			return n, true, nil
		}
		gone, err := s.drop(ctx, parent, d.day, d.tables[parent])
		if err != nil {
			return n, false, err
		}
		n += gone
		dropped++
	}
	return n, false, nil
}

// drop removes a table that is no partition any more and returns how many events
// went with it.
func (s *Store) drop(ctx context.Context, parent string, d day, st partitionState) (n int, err error) {
	within, cancel := context.WithTimeout(ctx, dropTime)
	defer cancel()
	err = s.define(within, sqlAllLockTime, func(t pgx.Tx) error {
		if parent == "events" {
			if n, err = countDay(within, t, d, st); err != nil {
				return err
			}
		}
		_, err := t.Exec(within, "DROP TABLE "+d.table(parent))
		return err
	})
	return n, err
}

// countDay counts the events of a day that is detached.
func countDay(ctx context.Context, t pgx.Tx, d day, st partitionState) (n int, err error) {
	if st.rows >= countRows {
		return int(st.rows), nil
	}
	err = t.QueryRow(ctx, "SELECT count(*) FROM "+d.table("events"), pgx.QueryExecModeExec).Scan(&n)
	return n, err
}

// detach takes a partition away from its parent, without keeping readers and
// writers of other days from it: it waits for those who began before. A wait that
// was given up leaves the partition invisible, and the next one ends it.
func (s *Store) detach(ctx context.Context, parent string, d day, st partitionState) error {
	sql := fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s ", parent, d.table(parent))
	switch {
	case !st.attached:
		return nil
	case st.pending:
		return s.define(ctx, sqlAllLockTime, func(t pgx.Tx) error {
			_, err := t.Exec(ctx, sql+"FINALIZE")
			return err
		})
	}
	within, cancel := context.WithTimeout(ctx, detachTime)
	defer cancel()
	err := s.apart(within, func(c *pgxpool.Conn) error {
		_, err := c.Exec(within, sql+"CONCURRENTLY") // in no transaction: PostgreSQL makes two of it
		return err
	})
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errInUse, err)
	}
	return err
}

// sqlWaitingAgents finds agents with waiting rows of events before the key. It
// steps from agent to agent: its cost grows with their number and not with that
// of the rows.
const sqlWaitingAgents = `WITH RECURSIVE a (agent) AS (
		(SELECT agent FROM waiting ORDER BY agent LIMIT 1)
		UNION ALL
		SELECT (SELECT w.agent FROM waiting w WHERE w.agent > a.agent ORDER BY w.agent LIMIT 1) FROM a WHERE a.agent IS NOT NULL
	) SELECT agent FROM a
	WHERE agent IS NOT NULL AND (SELECT w.event FROM waiting w WHERE w.agent = a.agent ORDER BY w.event LIMIT 1) < $1
	LIMIT $2`

// sqlClearWaiting removes waiting rows of events before the key, but for those
// that another transaction has in hand: no two ever wait for each other.
const sqlClearWaiting = `DELETE FROM waiting WHERE ctid = ANY (ARRAY(
		SELECT w.ctid FROM unnest($1::bigint[]) u (agent) CROSS JOIN LATERAL (
			SELECT ctid FROM waiting WHERE agent = u.agent AND event < $2 ORDER BY event, endpoint LIMIT $3 FOR UPDATE SKIP LOCKED
		) w LIMIT $3))
	RETURNING agent, endpoint, attempts > 0`

// sqlClearKeys removes rows of idempotency, as sqlClearWaiting does. $3 is where
// the last such statement came to: what it left need not be passed again.
const sqlClearKeys = `WITH gone AS (
		DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM idempotency WHERE kind = $1 AND event < $2 AND event >= $3
			ORDER BY event LIMIT $4 FOR UPDATE SKIP LOCKED))
		RETURNING event
	) SELECT count(*), coalesce(max(event), 0) FROM gone`

// clearing removes what events before a key have outside of their partitions.
type clearing struct {
	before waybell.Key
	agents []int64         // with waiting rows that go
	passed map[int16]int64 // by kind of idempotency
	rows   int             // of the last piece
	full   bool            // it was as large as it may be
}

// clear settles what waits of the days before kept as canceled, which only the
// ledger keeps, and removes their ids and Idempotency-Keys. done tells that
// nothing is left of what was there when it began. At least one transaction is
// made: a lost lease is found out.
func (s *Store) clear(ctx context.Context, lease waybell.Lease, kept day, until time.Time) (done bool, err error) {
	c := clearing{before: kept.from(), passed: make(map[int16]int64)}
	for {
		if c.agents, err = s.waitingAgents(ctx, c.before); err != nil {
			return false, err
		}
		err = s.write(ctx, lease, func(t *tx) error { return t.clear(&c, kindID, kindKey) })
		if err != nil {
			return false, err
		}
		switch {
		case !c.full && len(c.agents) == 0:
			return true, nil
		case c.rows == 0: // others have the rest in hand, for a moment
			return false, nil
		case time.Now().After(until):
			return false, nil
		}
	}
}

func (s *Store) waitingAgents(ctx context.Context, before waybell.Key) (agents []int64, err error) {
	err = s.readQueue(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sqlWaitingAgents, int64(before), sweepAgents)
		if err != nil {
			return err
		}
		agents, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return agents, err
}

// sqlByIndex has the rows be found in the order of an index, whatever the planner
// believes of tables that grow and shrink.
const sqlByIndex = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_sort', 'off', true)`

// clear removes one piece.
func (t *tx) clear(c *clearing, kinds ...int16) error {
	c.rows, c.full = 0, false
	t.queue(sqlByIndex)
	if len(c.agents) > 0 {
		t.query(func(r pgx.CollectableRow) error {
			var k ledgerKey
			var attempted bool
			err := r.Scan(&k.agent, &k.endpoint, &attempted)
			n := t.counts(k.agent, k.endpoint)
			n.waits(attempted, -1)
			n.settles(waybell.DeliveryCanceled, 1)
			t.touch(k.endpoint)
			c.rows++
			return err
		}, sqlClearWaiting, c.agents, int64(c.before), sweepRows)
	}
	passed := make(map[int16]int64)
	for _, kind := range kinds {
		t.query(func(r pgx.CollectableRow) error {
			var n int
			var last int64
			err := r.Scan(&n, &last)
			passed[kind] = max(last, c.passed[kind])
			c.full = c.full || n == sweepRows
			c.rows += n
			return err
		}, sqlClearKeys, kind, int64(c.before), c.passed[kind], sweepRows)
	}
	err := t.flush()
	t.rows = c.rows
	t.after = append(t.after, func() { maps.Copy(c.passed, passed) })
	return err
}

// SweepIdempotency implements [waybell.MaintenanceStore].
func (s *Store) SweepIdempotency(ctx context.Context, lease waybell.Lease, before waybell.Key, budget time.Duration) (n int, more bool, err error) {
	until := time.Now().Add(budget)
	c := clearing{before: before, passed: make(map[int16]int64)}
	for {
		if err := s.write(ctx, lease, func(t *tx) error { return t.clear(&c, kindKey) }); err != nil {
			return n, false, err
		}
		n += c.rows
		if !c.full || time.Now().After(until) {
			return n, c.full, nil
		}
	}
}
