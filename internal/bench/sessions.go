package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sessions counts what the active sessions of a PostgreSQL server, clients' and
// its own, were seen to wait for.
type sessions struct {
	looks int
	seen  map[string]int
}

func newSessions() *sessions { return &sessions{seen: make(map[string]int)} }

const sessionsEvery = 10 * time.Millisecond

// sqlSessions takes a session that waits for nothing as one that has, or wants,
// a processor.
const sqlSessions = `SELECT coalesce(wait_event_type || ':' || wait_event, 'processor'), count(*) FROM pg_stat_activity
	WHERE pid <> pg_backend_pid() AND coalesce(wait_event_type, '') NOT IN ('Activity', 'Client')
		AND (state = 'active' OR backend_type <> 'client backend') GROUP BY 1`

// watch looks again and again until stop is called, which returns the first
// error.
func (s *sessions) watch(ctx context.Context, pool *pgxpool.Pool) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(sessionsEvery)
		defer tick.Stop()
		for err == nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err = s.look(ctx, pool); ctx.Err() != nil {
				err = nil
			}
		}
	})
	return func() error {
		cancel()
		done.Wait()
		return err
	}
}

func (s *sessions) look(ctx context.Context, pool *pgxpool.Pool) error {
	rows, err := pool.Query(ctx, sqlSessions)
	if err != nil {
		return err
	}
	var what string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&what, &n}, func() error {
		s.seen[what] += n
		return nil
	})
	s.looks++
	return err
}

// shares is how many sessions, on average, did or waited for each thing; what
// one look in fifty did not see is left out.
func (s *sessions) shares() map[string]float64 {
	shares := make(map[string]float64)
	for what, n := range s.seen {
		if share := float64(n) / float64(max(s.looks, 1)); share >= 0.02 {
			shares[what] = share
		}
	}
	return shares
}

// String lists the shares, the largest first.
func (s *sessions) String() string {
	shares := s.shares()
	names := slices.SortedFunc(maps.Keys(shares), func(a, b string) int {
		if shares[a] > shares[b] {
			return -1
		}
		return 1
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %.2f", name, shares[name]))
	}
	return strings.Join(parts, ", ")
}
