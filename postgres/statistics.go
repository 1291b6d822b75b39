package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/statistics"
)

// tallyKey is the key of a row of the statistics as it is stored.
type tallyKey struct {
	agent, endpoint, at int64
	step                int32
}

func keyOfTally(k waybell.StatisticsKey) tallyKey {
	return tallyKey{int64(k.Agent), int64(k.Endpoint), micros(k.At), int32(k.Step / time.Second)}
}

// tallyColumns are rows for unnest.
type tallyColumns struct {
	agents, endpoints, ats []int64
	steps                  []int32
	tallies                [][]byte
}

func (c *tallyColumns) add(k tallyKey, t *waybell.Tally) {
	c.agents, c.endpoints = append(c.agents, k.agent), append(c.endpoints, k.endpoint)
	c.steps, c.ats = append(c.steps, k.step), append(c.ats, k.at)
	c.tallies = append(c.tallies, t.Append(nil))
}

const (
	// sqlNewTallies inserts the rows that are not there and returns their keys.
	// Those that are there it locks and leaves alone: the row of a conflict is
	// locked before the condition is looked at (PostgreSQL's documentation,
	// INSERT).
	sqlNewTallies = `INSERT INTO statistics (agent, endpoint, step, at, tally)
		SELECT agent, endpoint, step, at, tally
		FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::bytea[]) u (agent, endpoint, step, at, tally)
		ORDER BY agent, endpoint, step, at
		ON CONFLICT (agent, endpoint, step, at) DO UPDATE SET tally = excluded.tally WHERE false
		RETURNING agent, endpoint, step, at`

	sqlTallies = `SELECT agent, endpoint, step, at, s.tally
		FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[]) u (agent, endpoint, step, at)
		JOIN statistics s USING (agent, endpoint, step, at)`

	sqlPutTallies = `UPDATE statistics s SET tally = u.tally
		FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::bytea[]) u (agent, endpoint, step, at, tally)
		WHERE s.agent = u.agent AND s.endpoint = u.endpoint AND s.step = u.step AND s.at = u.at`
)

// AddStatistics implements [waybell.StatisticsStore]. Every row is inserted or
// locked in one pass in the order of the keys, so that nodes never wait in a
// circle; nobody changes or sweeps the locked ones until they are written back.
func (s *Store) AddStatistics(ctx context.Context, lease waybell.Lease, rows []waybell.StatisticsRow) error {
	return s.write(ctx, lease, func(t *tx) error {
		t.rows = len(rows)
		return t.addTallies(rows)
	})
}

func (t *tx) addTallies(rows []waybell.StatisticsRow) error {
	var fresh, sums tallyColumns
	left := make(map[tallyKey]*waybell.Tally, len(rows))
	for i := range rows {
		k := keyOfTally(rows[i].StatisticsKey)
		left[k] = &rows[i].Tally
		fresh.add(k, &rows[i].Tally)
	}
	t.query(func(r pgx.CollectableRow) error {
		var k tallyKey
		err := r.Scan(&k.agent, &k.endpoint, &k.step, &k.at)
		delete(left, k)
		return err
	}, sqlNewTallies, fresh.agents, fresh.endpoints, fresh.steps, fresh.ats, fresh.tallies)
	t.query(func(r pgx.CollectableRow) error {
		var k tallyKey
		var stored []byte
		if err := r.Scan(&k.agent, &k.endpoint, &k.step, &k.at, &stored); err != nil {
			return err
		}
		add := left[k]
		if add == nil {
			return nil // inserted just now
		}
		sum, err := statistics.Parse(stored)
		if err != nil {
			return damaged(k, err)
		}
		sum.Add(add)
		sums.add(k, &sum)
		return nil
	}, sqlTallies, fresh.agents, fresh.endpoints, fresh.steps, fresh.ats)
	if err := t.flush(); err != nil {
		return err
	}
	if len(sums.ats) > 0 {
		t.queue(sqlPutTallies, sums.agents, sums.endpoints, sums.steps, sums.ats, sums.tallies)
	}
	return nil
}

func damaged(k tallyKey, err error) error {
	return fmt.Errorf("%w: statistics of agent %d, endpoint %d at %v: %w", errData, k.agent, k.endpoint, moment(k.at), err)
}

// Statistics implements [waybell.StatisticsStore].
func (s *Store) Statistics(ctx context.Context, q waybell.StatisticsQuery) ([]waybell.StatisticsRow, error) {
	endpoints := []int64{0}
	if q.Endpoints != nil {
		endpoints = numbers(q.Endpoints)
	}
	return readAll(ctx, s, func(r pgx.CollectableRow) (row waybell.StatisticsRow, err error) {
		var stored []byte
		var at int64
		if err := r.Scan(&row.Endpoint, &at, &stored); err != nil {
			return row, err
		}
		row.Agent, row.Step, row.At = q.Agent, q.Step, moment(at)
		if row.Tally, err = statistics.Parse(stored); err != nil {
			err = damaged(keyOfTally(row.StatisticsKey), err)
		}
		return row, err
	}, `SELECT endpoint, at, tally FROM statistics
		WHERE agent = $1 AND endpoint = ANY($2::bigint[]) AND step = $3 AND at >= $4 AND at < $5 ORDER BY endpoint, at`,
		q.Agent, endpoints, int32(q.Step/time.Second), micros(q.Since), micros(q.Until))
}

// numbers are endpoints as an array for PostgreSQL, never NULL.
func numbers(endpoints []waybell.EndpointNumber) []int64 {
	list := make([]int64, len(endpoints))
	for i, e := range endpoints {
		list[i] = int64(e)
	}
	return list
}

// sweptTallies is how many rows of the statistics one transaction removes.
const sweptTallies = 256

// SweepStatistics implements [waybell.StatisticsStore]. Rows that another node
// is about to remove are its own.
func (s *Store) SweepStatistics(ctx context.Context, lease waybell.Lease, sweep waybell.StatisticsSweep, budget time.Duration) (int, bool, error) {
	return s.pieces(ctx, lease, budget, func(t *tx) (int, bool, error) {
		n, err := t.exec(`DELETE FROM statistics WHERE (agent, endpoint, step, at) IN (
			SELECT agent, endpoint, step, at FROM statistics WHERE step = $1 AND at < $2 ORDER BY at LIMIT $3 FOR UPDATE SKIP LOCKED)`,
			int32(sweep.Step/time.Second), micros(sweep.Before), sweptTallies)
		return int(n), n == sweptTallies, err
	})
}

// pieces runs one short transaction under the lease after the other until there
// is no more to do or the budget is spent.
func (s *Store) pieces(ctx context.Context, lease waybell.Lease, budget time.Duration, piece func(*tx) (int, bool, error)) (total int, more bool, err error) {
	started := time.Now()
	for {
		n := 0
		err = s.write(ctx, lease, func(t *tx) (err error) {
			n, more, err = piece(t)
			return err
		})
		if err != nil {
			return total, true, err
		}
		if total += n; !more || time.Since(started) >= budget {
			return total, more, nil
		}
	}
}

// FailingCounters implements [waybell.StatisticsStore]. The 3 stands in the
// index, too. An endpoint fails when its newest health says so: another node may
// have had a success since.
func (s *Store) FailingCounters(ctx context.Context, limit int) ([]waybell.Counters, error) {
	return readAll(ctx, s, readCounters, "SELECT "+countersColumns+`
		FROM (SELECT h.* FROM (SELECT DISTINCT agent, endpoint FROM health WHERE failures >= 3) f
			JOIN endpoints e ON e.number = f.endpoint AND e.living AND e.state <> $1
			CROSS JOIN LATERAL (SELECT * FROM health o WHERE o.agent = f.agent AND o.endpoint = f.endpoint
				ORDER BY changed_at DESC, written_at DESC LIMIT 1) h
			WHERE h.failures >= 3 ORDER BY h.failing_since, h.endpoint LIMIT $2) h
		CROSS JOIN LATERAL (SELECT `+sums+` FROM counters o WHERE o.agent = h.agent AND o.endpoint = h.endpoint) c
		ORDER BY failing_since, endpoint`, int16(waybell.EndpointDisabled), limit)
}

// OpenBreakers implements [waybell.StatisticsStore].
func (s *Store) OpenBreakers(ctx context.Context, limit int) ([]waybell.Counters, error) {
	list, err := readAll(ctx, s, readCounters, `SELECT h.`+countersColumns+`
		FROM (SELECT DISTINCT agent, endpoint FROM health WHERE open) f
		JOIN endpoints e ON e.number = f.endpoint AND e.living
		CROSS JOIN LATERAL (SELECT * FROM health o WHERE o.agent = f.agent AND o.endpoint = f.endpoint
			ORDER BY changed_at DESC, written_at DESC LIMIT 1) h
		CROSS JOIN (SELECT 0::bigint AS accepted, 0::bigint AS pending, 0::bigint AS retrying, 0::bigint AS delivered,
			0::bigint AS failed, 0::bigint AS canceled) c
		WHERE h.open ORDER BY h.endpoint LIMIT $1`, limit)
	return list, err
}

// CountersOf implements [waybell.StatisticsStore].
func (s *Store) CountersOf(ctx context.Context, endpoints []waybell.EndpointNumber) ([]waybell.Counters, error) {
	found, err := readAll(ctx, s, readCounters, sqlCounters(" WHERE endpoint = ANY($1::bigint[])"), numbers(endpoints))
	if err != nil {
		return nil, err
	}
	of := make(map[waybell.EndpointNumber]waybell.Counters, len(found))
	for _, c := range found {
		of[c.Endpoint] = c
	}
	var list []waybell.Counters
	for _, e := range endpoints {
		if c, ok := of[e]; ok {
			list = append(list, c)
		}
	}
	return list, nil
}
