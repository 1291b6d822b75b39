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
			list, err := s.Attempts(ctx, agent, ref, 100)
			return len(list), err
		})},
	}
}

// BenchmarkLog reads every list of a large log, warm, and tells the quickest, the
// median and the slowest page: go test ./postgres -run - -bench Log -postgres.rows 10000000.
func BenchmarkLog(b *testing.B) {
	url := pgtest.Start(b, pgtest.Options{Settings: map[string]string{"max_wal_size": "16GB", "wal_level": "minimal",
		"max_wal_senders": "0", "full_page_writes": "off", "shared_buffers": "1GB"}}).Database(b)
	s := openStore(b, Config{URL: url})
	f := seeding{attempts: *benchRows, days: 30, agents: 1000, newest: dayAt(time.Now()), data: 1000, detail: 600, waiting: 100}
	started := time.Now()
	err := f.fill(b.Context(), url, func(ctx context.Context, keys ...waybell.Key) error { return s.makeDaysOf(ctx, keys) })
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d attempts were made in %v", *benchRows, time.Since(started).Round(time.Second))
	if testing.Verbose() {
		f.explain(b, s)
	}
	for _, who := range []struct {
		name   string
		agents []waybell.AgentNumber
	}{{"large", []waybell.AgentNumber{1}}, {"usual", []waybell.AgentNumber{17, 222, 503, 648, 910}}} {
		for _, l := range f.listings() {
			b.Run(who.name+"/"+l.name, func(b *testing.B) { l.bench(b, s, who.agents) })
		}
	}
}

// explain tells how the statements run.
func (f seeding) explain(b *testing.B, s *Store) {
	page, err := s.Deliveries(b.Context(), waybell.DeliveryQuery{Agent: 1, Until: (f.newest - 14).from(), Limit: 1, Scan: 1})
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range plannedStatements(f, page.Deliveries[0].DeliveryRef) {
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			conn, err := pgx.Connect(b.Context(), s.cfg.URL)
			if err != nil {
				b.Fatal(err)
			}
			b.Logf("%s, %s:\n%s", p.name, mode, p.explain(b, conn, mode, "FORMAT TEXT"))
			conn.Close(b.Context())
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
	b.ReportMetric(float64(took[0].Microseconds())/1000, "min-ms") // on a busy machine, the one to compare
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
	b.ReportMetric(float64(rows), "rows")
}

// BenchmarkSweepDay removes a day of a million events and two million attempts
// beside publishers, and tells how long it takes and how long they wait.
func BenchmarkSweepDay(b *testing.B) {
	l := newLoad(b, Config{})
	f := seeding{attempts: 2_500_000, days: 1, agents: 1000, newest: dayAt(time.Now()) - 30, data: 1000, detail: 600, waiting: 1000}
	ctx := b.Context()
	for b.Loop() {
		b.StopTimer()
		err := f.fill(ctx, l.s.cfg.URL, func(ctx context.Context, keys ...waybell.Key) error { return l.s.makeDaysOf(ctx, keys) })
		if err != nil {
			b.Fatal(err)
		}
		quiet := l.publishers(b, func() { pauseFor(ctx, 5*time.Second) })
		b.StartTimer()
		n, pieces := 0, []time.Duration{}
		beside := l.publishers(b, func() {
			for more := true; more; {
				var gone int
				started := time.Now()
				if gone, more, err = l.s.Sweep(ctx, l.Lease, (f.newest + 1).from(), 250*time.Millisecond); err != nil {
					b.Error(err)
				}
				pieces = append(pieces, time.Since(started))
				n += gone
			}
			pauseFor(ctx, time.Second) // what the server does behind it
		})
		b.Logf("%d events went in %v", n, pieces)
		b.Logf("publishers before: %v", quiet)
		b.Logf("publishers beside: %v", beside)
	}
}

func pauseFor(ctx context.Context, d time.Duration) {
	within, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-within.Done()
}

// waits are how long publishers waited.
type waits []time.Duration

func (w waits) String() string {
	slices.Sort(w)
	return fmt.Sprintf("%d, p50 %v, p99 %v, max %v", len(w), w[len(w)/2], w[len(w)*99/100], w[len(w)-1])
}

// publishers has eight publish, and settle, while during runs.
func (l *load) publishers(b *testing.B, during func()) waits {
	stop := make(chan struct{})
	all := make(chan waits)
	const count = 8
	for range count {
		go func() {
			var took waits
			defer func() { all <- took }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				events := l.Events(4, 1, 7)
				started := time.Now()
				l.Accept(b, events)
				took = append(took, time.Since(started))
				l.Settle(b, events)
			}
		}()
	}
	during()
	close(stop)
	var took waits
	for range count {
		took = append(took, <-all...)
	}
	return took
}
