package bench

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// backlog is the retries that wait in S6: each of an agent's endpoints waits
// with each of so many events so far, copies of one made through the API.
type backlog struct{ events int }

const (
	backlogAgent     = "backlog"
	backlogEndpoints = 100
	// leastWaiting is what the claims are measured on first.
	leastWaiting = 10_000
	// backlogFrom and backlogTo are when rows are due, seen from the seed.
	backlogFrom = time.Hour
	backlogTo   = 23 * time.Hour
)

// extend adds events to a store that no server uses, so that each endpoint
// waits with so many in all.
func (b *backlog) extend(ctx context.Context, st store, events int) error {
	texts := b.statements(st, events, time.Now())
	if err := execute(ctx, st, texts); err != nil {
		return err
	}
	b.events = events
	return nil
}

// statements say the same to both databases, but for the names of columns that
// only one has. An event's key is that of the one made through the API and so
// many microseconds later: all of them lie before the next start.
func (b *backlog) statements(st store, events int, now time.Time) []string {
	numbers := fmt.Sprintf("generate_series(%d::bigint, %d) n (i)", b.events+1, events)
	no := "false"
	_, inFile := st.(*embedded)
	if inFile {
		numbers = fmt.Sprintf("(WITH RECURSIVE c (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) n", b.events+1, events)
		no = "0"
	}
	key := fmt.Sprintf("e.key + (n.i << %d)", keyBits)
	model := fmt.Sprintf("(SELECT * FROM events WHERE agent_id = '%s' ORDER BY key LIMIT 1) e", backlogAgent)
	spread := (backlogTo - backlogFrom).Microseconds()
	due := fmt.Sprintf("%d + (n.i * %d + p.number) * 7919 %% %d", now.Add(backlogFrom).UnixMicro(), spread/997, spread)
	texts := []string{
		"INSERT INTO events (agent, key, timestamp, deliveries, test, type, agent_id, agent_name, id, messages, data) SELECT e.agent, " +
			key + ", e.timestamp + n.i, e.deliveries, " + no + ", e.type, e.agent_id, e.agent_name, e.id, e.messages, e.data FROM " +
			model + " CROSS JOIN " + numbers,
		"INSERT INTO waiting (agent, event, endpoint, type, entered, next_at, window_end, attempts, cycle, status_code, reason, owner," +
			" adopted, begun, deaths, panics, test) SELECT e.agent, " + key + ", p.number, e.type, " + key + ", " + due + ", " +
			fmt.Sprint(now.Add(24*time.Hour).UnixMicro()) + ", 1, 0, 503, 2, 0, " + no + ", " + no + ", 0, 0, " + no + " FROM " +
			model + " CROSS JOIN endpoints p CROSS JOIN " + numbers + " WHERE p.agent = e.agent",
		b.count(st, events-b.events),
	}
	if inFile {
		texts = append(texts, fmt.Sprintf("UPDATE meta SET value = value + %d WHERE name = 'events'", events-b.events))
	}
	return texts
}

// count keeps the ledger equal to the rows. PostgreSQL's has several rows for
// an endpoint, which are summed.
func (b *backlog) count(st store, n int) string {
	set := fmt.Sprintf("UPDATE counters SET accepted = accepted + %d, retrying = retrying + %d WHERE agent = (SELECT number FROM agents WHERE id = '%s')",
		n, n, backlogAgent)
	if _, ok := st.(*embedded); ok {
		return set
	}
	return set + ` AND (seat, lane) = (SELECT c.seat, c.lane FROM counters c WHERE c.agent = counters.agent AND c.endpoint = counters.endpoint
		ORDER BY c.seat, c.lane LIMIT 1)`
}

// due makes all that an endpoint waits with due at a time.
func (b *backlog) due(ctx context.Context, st store, id string, at time.Time) error {
	return execute(ctx, st, []string{fmt.Sprintf("UPDATE waiting SET next_at = %d WHERE endpoint = (SELECT number FROM endpoints WHERE id = '%s')",
		at.UnixMicro(), id)})
}

// refused makes an endpoint one whose breaker opened a minute ago.
func (b *backlog) refused(ctx context.Context, st store, id string, now time.Time) error {
	table := fmt.Sprintf("health SET open = true, changed_at = %d,", now.UnixMicro())
	if _, ok := st.(*embedded); ok {
		table = "counters SET open = 1,"
	}
	ago := now.Add(-time.Minute).UnixMicro()
	return execute(ctx, st, []string{fmt.Sprintf(`UPDATE %s failures = 100, refusals = 100, failing_since = %d, refused_since = %d,
		last_failure = %d, last_status = 503, last_reason = 2 WHERE endpoint = (SELECT number FROM endpoints WHERE id = '%s')`,
		table, ago, ago, now.UnixMicro(), id)})
}

// execute runs statements on a store that no server uses.
func execute(ctx context.Context, st store, texts []string) error {
	run := func(exec func(string) error) error {
		for _, text := range texts {
			if err := exec(text); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
		return nil
	}
	switch st := st.(type) {
	case *embedded:
		db, err := st.open()
		if err != nil {
			return err
		}
		defer db.Close()
		texts = append(texts, "PRAGMA wal_checkpoint(TRUNCATE)")
		return run(func(text string) error { _, err := db.ExecContext(ctx, text); return err })
	case *schema:
		u, err := st.url()
		if err != nil {
			return err
		}
		c, err := pgx.Connect(ctx, u)
		if err != nil {
			return err
		}
		defer c.Close(context.WithoutCancel(ctx))
		// As autovacuum would within minutes.
		texts = append(texts, "VACUUM (ANALYZE) waiting", "VACUUM (ANALYZE) counters")
		return run(func(text string) error { _, err := c.Exec(ctx, text); return err })
	}
	return fmt.Errorf("no way to write to %T", st)
}

// open opens the closed file for a seed.
func (e *embedded) open() (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+e.file()+"?_pragma=synchronous(off)&_pragma=journal_mode(wal)&_pragma=cache_size(-65536)")
	if err == nil {
		db.SetMaxOpenConns(1) // temporary tables are the connection's own
	}
	return db, err
}
