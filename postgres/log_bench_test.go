package postgres

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// benchRows makes BenchmarkLog's log larger: S7 has ten million attempts.
var benchRows = flag.Int("postgres.rows", 200_000, "attempts of the log that BenchmarkLog lists")

// seeding is a log to be made by the server itself. Agent 1 has a tenth of it,
// the others have equal parts. Each event has two deliveries to two of its
// agent's ten endpoints, and every fourth of these had two attempts.
type seeding struct {
	attempts, days, agents int
	newest                 day
	data, detail           int // bytes of each
	waiting                int // one in so many deliveries of the newest day waits
}

const attemptsPerEvent = 2.5

// at is the key of the n-th event of a day, and its agent.
const sqlSeedEvents = `SELECT n, $1::bigint + (n * $3::bigint << 10) AS key,
	CASE WHEN n % 10 = 0 THEN 1 ELSE 1 + (n * 7919 + n / 10) % $4::bigint END AS agent,
	CASE WHEN n % 7 = 0 THEN 'rating.given' ELSE 'lead.submit' END AS type FROM generate_series(0, $2::bigint - 1) n`

const sqlSeedDeliveries = `SELECT e.*, agent * 10 + (n / 10 + j) % 10 AS endpoint, n * 2 + j AS m
	FROM (` + sqlSeedEvents + `) e CROSS JOIN generate_series(0, 1) j`

var seeds = []string{
	`INSERT INTO events (agent, key, timestamp, deliveries, test, type, agent_id, agent_name, id, data)
	SELECT agent, key, key >> 10, 2, false, type, 'agent-' || agent, 'Agent', '', convert_to(repeat('e', $5), 'UTF8')
	FROM (` + sqlSeedEvents + `) e`,

	`INSERT INTO waiting (agent, event, endpoint, entered, next_at, window_end, owner, attempts, test, type)
	SELECT agent, key, endpoint, key, (key >> 10) + 60000000, (key >> 10) + 86400000000, 0, m % 3 % 2, false, type
	FROM (` + sqlSeedDeliveries + `) d WHERE m % $6 = 0 AND $5::integer IS NOT NULL`,

	`INSERT INTO deliveries (agent, event, endpoint, type, state, reason, attempts, status_code, finished_at)
	SELECT agent, key, endpoint, type, CASE WHEN abs(hashint8(m)::bigint) % 50 = 7 THEN 4 ELSE 3 END, 1, 1 + (m % 4 = 0)::integer,
		CASE WHEN abs(hashint8(m)::bigint) % 50 = 7 THEN 500 + m % 3 ELSE 200 END, (key >> 10) + 100000
	FROM (` + sqlSeedDeliveries + `) d WHERE m % $6 <> 0 AND $5::integer IS NOT NULL`,

	`INSERT INTO attempts (agent, event, endpoint, number, started_at, duration, status_code, reason, detail)
	SELECT agent, key, endpoint, number, (key >> 10) + number * 1000, 40000, 200, 1, convert_to(repeat('d', $5), 'UTF8')
	FROM (` + sqlSeedDeliveries + `) d CROSS JOIN LATERAL generate_series(1, 1 + (m % 4 = 0)::integer) number WHERE m % $6 <> 0`,
}

// fill makes the log in a database with the schema, as it is some time later:
// vacuumed and analyzed.
func (f seeding) fill(ctx context.Context, url string, make func(context.Context, ...waybell.Key) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	events := max(1, int(float64(f.attempts)/attemptsPerEvent)/f.days)
	step := (dayLength - time.Hour).Microseconds() / int64(events)
	for n := range f.days {
		d := f.newest - day(f.days-1-n)
		if err := make(ctx, d.from()); err != nil {
			return err
		}
		waiting := int64(1) << 60
		if d == f.newest {
			waiting = int64(f.waiting)
		}
		for i, sql := range seeds {
			size := f.data
			if i == len(seeds)-1 {
				size = f.detail
			}
			// The first statement has no use for the last parameter.
			args := []any{int64(d.from()), events, step, f.agents, size, waiting}
			if i == 0 {
				args = args[:5]
			}
			if _, err := conn.Exec(ctx, sql, args...); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		for _, parent := range parents {
			if _, err := conn.Exec(ctx, "VACUUM (ANALYZE) "+d.table(parent)); err != nil {
				return err
			}
		}
	}
	_, err = conn.Exec(ctx, "VACUUM (ANALYZE) waiting")
	return err
}

// listing is a page to be read.
type listing struct {
	name string
	read func(context.Context, *Store, waybell.AgentNumber) (rows int, more bool, err error)
}

func listDeliveries(q waybell.DeliveryQuery) func(context.Context, *Store, waybell.AgentNumber) (int, bool, error) {
	return func(ctx context.Context, s *Store, agent waybell.AgentNumber) (int, bool, error) {
		q := q
		q.Agent, q.Limit, q.Scan = agent, 50, 10_000
		if q.Endpoints != nil {
			q.Endpoints = []waybell.EndpointNumber{waybell.EndpointNumber(agent)*10 + q.Endpoints[0]}
		}
		page, err := s.Deliveries(ctx, q)
		return len(page.Deliveries), page.Next != waybell.DeliveryRef{}, err
	}
}

func listEvents(q waybell.EventQuery) func(context.Context, *Store, waybell.AgentNumber) (int, bool, error) {
	return func(ctx context.Context, s *Store, agent waybell.AgentNumber) (int, bool, error) {
		q := q
		q.Agent, q.Limit, q.Scan = agent, 50, 10_000
		page, err := s.ListEvents(ctx, q)
		return len(page.Events), page.Next != 0, err
	}
}

// listings are all lists, with the pages that cost the most: those that look at
// as many rows as they may and find nothing.
func (f seeding) listings() []listing {
	middle, old := (f.newest - day(f.days/2)).from(), (f.newest - day(f.days-2)).from()
	single := func(read func(context.Context, *Store, waybell.DeliveryRef, waybell.AgentNumber) (int, error)) func(context.Context, *Store, waybell.AgentNumber) (int, bool, error) {
		return func(ctx context.Context, s *Store, agent waybell.AgentNumber) (int, bool, error) {
			page, err := s.Deliveries(ctx, waybell.DeliveryQuery{Agent: agent, Until: middle, Limit: 1, Scan: 1})
			if err != nil {
				return 0, false, err
			}
			n, err := read(ctx, s, page.Deliveries[0].DeliveryRef, agent)
			return n, false, err
		}
	}
	return []listing{
		{"deliveries", listDeliveries(waybell.DeliveryQuery{})},
		{"deliveries, deep", listDeliveries(waybell.DeliveryQuery{After: waybell.DeliveryRef{Event: middle, Endpoint: 1}})},
		{"deliveries, deepest", listDeliveries(waybell.DeliveryQuery{After: waybell.DeliveryRef{Event: old, Endpoint: 1}})},
		{"deliveries of a day", listDeliveries(waybell.DeliveryQuery{Since: middle, Until: middle + 86_400_000_000<<10})},
		{"deliveries failed", listDeliveries(waybell.DeliveryQuery{States: []waybell.DeliveryState{waybell.DeliveryFailed}})},
		{"deliveries failed, deep", listDeliveries(waybell.DeliveryQuery{Until: middle, States: []waybell.DeliveryState{waybell.DeliveryFailed}})},
		{"deliveries waiting", listDeliveries(waybell.DeliveryQuery{States: []waybell.DeliveryState{waybell.DeliveryPending, waybell.DeliveryRetrying}})},
		{"deliveries of an endpoint", listDeliveries(waybell.DeliveryQuery{Endpoints: []waybell.EndpointNumber{3}})},
		{"deliveries of an endpoint failed", listDeliveries(waybell.DeliveryQuery{Endpoints: []waybell.EndpointNumber{3}, States: []waybell.DeliveryState{waybell.DeliveryFailed}})},
		{"deliveries of a type", listDeliveries(waybell.DeliveryQuery{Type: "rating.given"})},
		{"deliveries, none found", listDeliveries(waybell.DeliveryQuery{Type: "no.such"})},
		{"deliveries, none found, deep", listDeliveries(waybell.DeliveryQuery{Until: middle, Status: &waybell.StatusRange{From: 404, To: 404}})},
		{"events", listEvents(waybell.EventQuery{})},
		{"events, deep", listEvents(waybell.EventQuery{After: middle})},
		{"events of a type", listEvents(waybell.EventQuery{Type: "rating.given"})},
		{"events, none found", listEvents(waybell.EventQuery{Type: "no.such"})},
		{"deliveries of an event", single(func(ctx context.Context, s *Store, ref waybell.DeliveryRef, agent waybell.AgentNumber) (int, error) {
			list, err := s.EventDeliveries(ctx, agent, ref.Event)
			return len(list), err
		})},
		{"attempts", single(func(ctx context.Context, s *Store, ref waybell.DeliveryRef, agent waybell.AgentNumber) (int, error) {
			list, err := s.Attempts(ctx, agent, ref)
			return len(list), err
		})},
	}
}

// BenchmarkLog reads every list of a large log, warm, and tells the median and
// the slowest page: go test ./postgres -run - -bench Log -postgres.rows 10000000.
func BenchmarkLog(b *testing.B) {
	url := pgtest.Start(b, pgtest.Options{Settings: map[string]string{"max_wal_size": "16GB", "wal_compression": "on"}}).Database(b)
	s := openStore(b, Config{URL: url})
	f := seeding{attempts: *benchRows, days: 30, agents: 1000, newest: dayAt(time.Now()), data: 1000, detail: 600, waiting: 100}
	started := time.Now()
	err := f.fill(b.Context(), url, func(ctx context.Context, keys ...waybell.Key) error { return s.makeDaysOf(ctx, keys) })
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d attempts were made in %v", *benchRows, time.Since(started).Round(time.Second))
	for _, who := range []struct {
		name   string
		agents []waybell.AgentNumber
	}{{"large", []waybell.AgentNumber{1}}, {"usual", []waybell.AgentNumber{17, 222, 503, 648, 910}}} {
		for _, l := range f.listings() {
			b.Run(who.name+"/"+l.name, func(b *testing.B) { l.bench(b, s, who.agents) })
		}
	}
}

func (l listing) bench(b *testing.B, s *Store, agents []waybell.AgentNumber) {
	rows := 0
	for range 2 { // warm
		for _, a := range agents {
			n, _, err := l.read(b.Context(), s, a)
			if err != nil {
				b.Fatal(err)
			}
			rows = n
		}
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		started := time.Now()
		if _, _, err := l.read(b.Context(), s, agents[i%len(agents)]); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
	b.ReportMetric(float64(rows), "rows")
}
