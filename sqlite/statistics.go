package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/statistics"
)

const (
	sqlTally = "SELECT tally FROM statistics WHERE agent = ? AND endpoint = ? AND step = ? AND at = ?"

	sqlPutTally = `INSERT INTO statistics (agent, endpoint, step, at, tally) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (agent, endpoint, step, at) DO UPDATE SET tally = excluded.tally`

	sqlTallies = `SELECT at, tally FROM statistics
		WHERE agent = ? AND endpoint = ? AND step = ? AND at >= ? AND at < ? ORDER BY at`
)

// AddStatistics implements [waybell.StatisticsStore]. There is one writer, so a
// row is read, added to and written back without anybody between.
func (s *Store) AddStatistics(ctx context.Context, lease waybell.Lease, rows []waybell.StatisticsRow) error {
	return s.write(ctx, len(rows), 0, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		for i := range rows {
			if err := t.addTally(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) addTally(row *waybell.StatisticsRow) error {
	step := int64(row.Step / time.Second)
	sum := row.Tally
	var stored []byte
	found, err := t.row(func(r *rows) { stored = r.blob() }, sqlTally, row.Agent, row.Endpoint, step, row.At)
	if err != nil {
		return err
	}
	if found {
		if sum, err = statistics.Parse(stored); err != nil {
			return fmt.Errorf("sqlite: statistics of agent %d, endpoint %d at %v: %w", row.Agent, row.Endpoint, row.At, err)
		}
		sum.Add(&row.Tally)
	}
	_, err = t.exec(sqlPutTally, row.Agent, row.Endpoint, step, row.At, sum.Append(nil))
	return err
}

// Statistics implements [waybell.StatisticsStore].
func (s *Store) Statistics(ctx context.Context, q waybell.StatisticsQuery) (list []waybell.StatisticsRow, err error) {
	endpoints := q.Endpoints
	if endpoints == nil {
		endpoints = []waybell.EndpointNumber{0}
	}
	err = s.snapshot(ctx, func(c *conn) error {
		for _, e := range endpoints {
			key := waybell.StatisticsKey{Agent: q.Agent, Endpoint: e, Step: q.Step}
			found, err := collect(c.query(sqlTallies, q.Agent, e, int64(q.Step/time.Second), q.Since, q.Until),
				func(r *rows) (waybell.StatisticsRow, error) { return readTally(key, r) })
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	return list, err
}

func readTally(key waybell.StatisticsKey, r *rows) (waybell.StatisticsRow, error) {
	key.At = r.time()
	tally, err := statistics.Parse(r.blob())
	if err != nil {
		err = fmt.Errorf("sqlite: statistics of agent %d, endpoint %d at %v: %w", key.Agent, key.Endpoint, key.At, err)
	}
	return waybell.StatisticsRow{StatisticsKey: key, Tally: tally}, err
}

// SweepStatistics implements [waybell.StatisticsStore].
func (s *Store) SweepStatistics(ctx context.Context, lease waybell.Lease, sweep waybell.StatisticsSweep, budget time.Duration) (int, bool, error) {
	return s.pieces(ctx, lease, budget, func(t *tx, _ time.Time) (int, bool, error) {
		n, err := t.exec(`DELETE FROM statistics WHERE (agent, endpoint, step, at) IN (
			SELECT agent, endpoint, step, at FROM statistics WHERE step = ? AND at < ? ORDER BY at LIMIT ?)`,
			int64(sweep.Step/time.Second), sweep.Before, sweepRows)
		return n, n == sweepRows, err
	})
}

// FailingCounters implements [waybell.StatisticsStore]. The 3 stands in the
// index, too.
func (s *Store) FailingCounters(ctx context.Context, limit int) ([]waybell.Counters, error) {
	return s.counters(ctx, "SELECT "+countersColumns+` FROM counters WHERE failures >= 3
		AND EXISTS (SELECT 1 FROM endpoints WHERE number = counters.endpoint AND living = 1 AND state <> 1)
		ORDER BY failing_since, endpoint LIMIT ?`, limit)
}

// OpenBreakers implements [waybell.StatisticsStore].
func (s *Store) OpenBreakers(ctx context.Context, limit int) ([]waybell.Counters, error) {
	list, err := s.counters(ctx, "SELECT "+countersColumns+` FROM counters WHERE open = 1
		AND EXISTS (SELECT 1 FROM endpoints WHERE number = counters.endpoint AND living = 1)
		ORDER BY endpoint LIMIT ?`, limit)
	for i := range list {
		list[i] = waybell.Counters{Endpoint: list[i].Endpoint, Health: list[i].Health}
	}
	return list, err
}

// CountersOf implements [waybell.StatisticsStore].
func (s *Store) CountersOf(ctx context.Context, endpoints []waybell.EndpointNumber) (list []waybell.Counters, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		for _, e := range endpoints {
			found, err := collect(c.query("SELECT "+countersColumns+" FROM counters WHERE endpoint = ?", e), readCounters)
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	return list, err
}

// The health of what is gone is forgotten, so that the index of failing
// endpoints holds the living. An open breaker has more than three failures.
const (
	sqlForgetHealth      = "UPDATE counters SET failures = 0, open = 0 WHERE endpoint = ? AND failures >= 3"
	sqlForgetAgentHealth = "UPDATE counters SET failures = 0, open = 0 WHERE agent = ? AND failures >= 3"
)
