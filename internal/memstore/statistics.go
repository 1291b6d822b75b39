package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// AddStatistics implements [waybell.StatisticsStore].
func (s *Store) AddStatistics(ctx context.Context, lease waybell.Lease, rows []waybell.StatisticsRow) error {
	_, err := fenced(s, ctx, lease, "AddStatistics", func() (done, error) {
		for i := range rows {
			key := rows[i].StatisticsKey
			key.At = key.At.UTC() // keys are compared with their location
			t := s.statistics[key]
			if t == nil {
				t = new(waybell.Tally)
				s.statistics[key] = t
			}
			t.Add(&rows[i].Tally)
		}
		return done{}, nil
	})
	return err
}

// Statistics implements [waybell.StatisticsStore].
func (s *Store) Statistics(ctx context.Context, q waybell.StatisticsQuery) ([]waybell.StatisticsRow, error) {
	return read(s, ctx, "Statistics", func() (list []waybell.StatisticsRow, err error) {
		for key, t := range s.statistics {
			wanted := key.Agent == q.Agent && key.Step == q.Step && !key.At.Before(q.Since) && key.At.Before(q.Until)
			if q.Endpoints == nil {
				wanted = wanted && key.Endpoint == 0
			} else {
				wanted = wanted && slices.Contains(q.Endpoints, key.Endpoint)
			}
			if wanted {
				var c waybell.Tally
				c.Add(t)
				list = append(list, waybell.StatisticsRow{StatisticsKey: key, Tally: c})
			}
		}
		slices.SortFunc(list, func(a, b waybell.StatisticsRow) int {
			return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), a.At.Compare(b.At))
		})
		return list, nil
	})
}

// SweepStatistics implements [waybell.StatisticsStore].
func (s *Store) SweepStatistics(ctx context.Context, lease waybell.Lease, sweep waybell.StatisticsSweep, _ time.Duration) (int, bool, error) {
	n, err := fenced(s, ctx, lease, "SweepStatistics", func() (int, error) {
		n := 0
		for key := range s.statistics {
			if key.Step == sweep.Step && key.At.Before(sweep.Before) {
				delete(s.statistics, key)
				n++
			}
		}
		return n, nil
	})
	return n, false, err
}
