package postgres

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// BenchmarkWaiting has rows come and go in waiting at the full rate, one in two
// by way of a retry that is claimed, without and beside a transaction that reads
// for all that time: what the table grows to, and what a claim costs. One
// iteration takes a second: -benchtime=600x is ten minutes.
func BenchmarkWaiting(b *testing.B) {
	for _, beside := range []string{"nobody", "a long read"} {
		b.Run("beside="+beside, func(b *testing.B) {
			url := pgtest.Start(b, pgtest.Options{Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB"}}).Database(b)
			l := newLoad(b, Config{URL: url})
			conn, err := pgx.Connect(b.Context(), url)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(b.Context()))
			if beside == "a long read" {
				defer holdSnapshot(b, url)()
			}
			b.ResetTimer()
			ctx, cancel := context.WithCancel(b.Context())
			c := churn{load: l}
			var work sync.WaitGroup
			work.Go(func() { c.run(ctx, b) })
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			every := max(1, b.N/8) // more lines would be left out
			for i := range b.N {
				<-tick.C
				if (i+1)%every == 0 {
					c.report(b, conn, i+1)
				}
			}
			cancel()
			work.Wait()
			b.ReportMetric(float64(c.deliveries)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// holdSnapshot opens a transaction that has read something, until end.
func holdSnapshot(b *testing.B, url string) (end func()) {
	c, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Exec(b.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM waiting"); err != nil {
		b.Fatal(err)
	}
	return func() { c.Close(context.WithoutCancel(b.Context())) }
}

// churn makes deliveries and settles them.
type churn struct {
	*load
	mu         sync.Mutex
	claims     []time.Duration // since the last report
	deliveries int
}

func (c *churn) run(ctx context.Context, b *testing.B) {
	const group, endpoint = 256, 7
	for ctx.Err() == nil {
		events := c.Events(group, 1, endpoint)
		c.Accept(b, events)
		outcomes := c.Outcomes(events)
		for i := range outcomes[:group/2] {
			o := &outcomes[i]
			o.Kind, o.State, o.NextAt = waybell.SettleRetry, waybell.DeliveryRetrying, o.Attempt.StartedAt
			o.Reason, o.Attempt.Reason = waybell.ReasonHTTPStatus, waybell.ReasonHTTPStatus
		}
		if err := c.s.Settle(b.Context(), c.Lease, outcomes); err != nil {
			b.Error(err)
			return
		}
		began := time.Now()
		rows, err := c.s.Claim(b.Context(), c.Lease, began.Add(time.Hour), []waybell.ClaimWant{{Endpoint: endpoint, Max: group}})
		took := time.Since(began)
		if err != nil || len(rows) != group/2 {
			b.Errorf("%d rows claimed, %v", len(rows), err)
			return
		}
		again := c.Outcomes(events[:group/2])
		for i := range again {
			again[i].Attempt.Number = 2
		}
		if err := c.s.Settle(b.Context(), c.Lease, again); err != nil {
			b.Error(err)
			return
		}
		c.mu.Lock()
		c.claims, c.deliveries = append(c.claims, took), c.deliveries+group
		c.mu.Unlock()
	}
}

// report logs what there is after so many seconds.
func (c *churn) report(b *testing.B, conn *pgx.Conn, second int) {
	var heap, indexes, rows, dead, vacuums int64
	err := conn.QueryRow(b.Context(), `SELECT pg_table_size('waiting') >> 20, pg_indexes_size('waiting') >> 20,
		n_live_tup, n_dead_tup, autovacuum_count FROM pg_stat_user_tables WHERE relname = 'waiting'`).
		Scan(&heap, &indexes, &rows, &dead, &vacuums)
	if err != nil {
		b.Error(err)
		return
	}
	var plan []struct {
		Plan struct {
			Pages int `json:"Shared Hit Blocks"`
		}
	}
	// What a claim must pass tells more than its time on a machine with other work.
	err = conn.QueryRow(b.Context(), `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT ctid FROM waiting
		WHERE endpoint = 7 AND owner = 0 AND deaths < 3 AND next_at < 4611686018427387904 ORDER BY next_at LIMIT 64`).Scan(&plan)
	if err != nil {
		b.Error(err)
		return
	}
	c.mu.Lock()
	claims, deliveries := c.claims, c.deliveries
	c.claims = nil
	c.mu.Unlock()
	if len(claims) == 0 {
		return
	}
	slices.Sort(claims)
	b.Logf("%4d s: %8d deliveries, heap %4d MiB, indexes %4d MiB, %7d live and %8d dead rows, %d vacuums, claim p50 %v max %v, its look passes %d pages",
		second, deliveries, heap, indexes, rows, dead, vacuums, claims[len(claims)/2].Round(10*time.Microsecond), claims[len(claims)-1].Round(10*time.Microsecond),
		plan[0].Plan.Pages)
}
