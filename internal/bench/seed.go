package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver
)

const (
	seedAgents = 1000
	seedDays   = 30
	// leastStored is one attempt for each agent and day.
	leastStored = seedAgents * seedDays
	// seedFailed: every so manieth event of an agent failed with status 500.
	seedFailed = 50
	// keyBits is where the time begins in an event's key, which counts
	// microseconds: below it is the slot of the node that made it.
	keyBits = 10
)

// seed is a log of 30 whole days before today, an equal share of each day for
// each of the agents: one event, one delivery and one attempt each, copies of
// one that was made through the API. The agents take turns.
type seed struct {
	stored int
	first  time.Time // the start of the oldest day
}

func newSeed(stored int) seed {
	return seed{stored, time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -seedDays)}
}

func (s seed) perDay() int { return s.stored / seedDays }

func (s seed) day(d int) time.Time { return s.first.AddDate(0, 0, d) }

// agentID is the id of the n-th agent.
func agentID(n int) string { return fmt.Sprintf("agent-%04d", n) }

// fill writes the log into a store that no server uses, which has the agents and
// one delivered event.
func (s seed) fill(ctx context.Context, st store) error {
	switch st := st.(type) {
	case *embedded:
		return s.fillEmbedded(ctx, st)
	case *schema:
		return s.fillSchema(ctx, st)
	}
	return fmt.Errorf("no way to fill %T", st)
}

// sqlSeeds lists the agents with their endpoint, and what the one delivery had.
const sqlSeeds = `CREATE TEMPORARY TABLE seeds AS
	SELECT row_number() OVER (ORDER BY a.number) - 1 AS i, a.number AS agent, a.id AS agent_id, p.number AS endpoint,
		e.type, e.agent_name, e.messages, e.data, t.detail, t.duration, t.reason
	FROM agents a JOIN endpoints p ON p.agent = a.number, events e, attempts t
	WHERE a.id LIKE 'agent-%'`

// dialect is how the two databases differ in the same statements.
type dialect struct {
	numbers string // a table n (i) of the numbers of a day's events
	suffix  string // of the names of tables
	agent   string // begins the columns of attempts
	none    string // the id of an event whose caller chose none
	no      string // false
}

// statements are those of one day.
func (s seed) statements(d int, in dialect) []string {
	step := int64(24*time.Hour/time.Microsecond) / int64(s.perDay())
	from := s.day(d).UnixMicro()
	at := fmt.Sprintf("(%d + n.i * %d)", from, step)
	key := fmt.Sprintf("(%s << %d)", at, keyBits)
	fails := fmt.Sprintf("n.i / %d %% %d = 7", seedAgents, seedFailed)
	source := fmt.Sprintf(" FROM %s JOIN seeds a ON a.i = n.i %% %d", in.numbers, seedAgents)
	status := "CASE WHEN " + fails + " THEN 500 ELSE 204 END"
	reason := "CASE WHEN " + fails + " THEN 2 ELSE a.reason END" // http_status
	state := "CASE WHEN " + fails + " THEN 4 ELSE 3 END"         // failed, delivered
	value := in.agent
	if value != "" {
		value = "a." + value
	}
	return []string{
		"INSERT INTO events" + in.suffix +
			" (agent, key, timestamp, deliveries, test, type, agent_id, agent_name, id, messages, data) SELECT a.agent, " +
			key + ", " + at + ", 1, " + in.no + ", a.type, a.agent_id, a.agent_name, " + in.none + ", a.messages, a.data" + source,
		"INSERT INTO deliveries" + in.suffix +
			" (agent, event, endpoint, finished_at, attempts, status_code, state, reason, type) SELECT a.agent, " +
			key + ", a.endpoint, " + at + " + 5000, 1, " + status + ", " + state + ", " + reason + ", a.type" + source,
		"INSERT INTO attempts" + in.suffix +
			" (" + in.agent + "event, endpoint, started_at, duration, number, status_code, reason, detail) SELECT " +
			value + key + ", a.endpoint, " + at + " + 1000, a.duration, 1, " + status + ", " + reason + ", a.detail" + source,
	}
}

// fillEmbedded writes to the closed file.
func (s seed) fillEmbedded(ctx context.Context, st *embedded) error {
	db, err := st.open()
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, sqlSeeds); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "CREATE UNIQUE INDEX seeds_i ON seeds (i)"); err != nil {
		return err
	}
	in := dialect{none: "NULL", no: "0", numbers: fmt.Sprintf(
		"(WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) n", s.perDay()-1)}
	for d := range seedDays {
		for _, text := range s.statements(d, in) {
			if _, err := db.ExecContext(ctx, text); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
	}
	for _, text := range []string{
		fmt.Sprintf("UPDATE meta SET value = value + %d WHERE name = 'events'", s.perDay()*seedDays),
		"PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// fillSchema makes the days as the store does, writes them, and has their pages
// marked as visible to all, as autovacuum would within minutes.
func (s seed) fillSchema(ctx context.Context, st *schema) error {
	u, err := st.url()
	if err != nil {
		return err
	}
	c, err := pgx.Connect(ctx, u)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, sqlSeeds); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, "ANALYZE seeds"); err != nil {
		return err
	}
	in := dialect{agent: "agent, ", none: "''", no: "false", numbers: fmt.Sprintf("generate_series(0::bigint, %d) n (i)", s.perDay()-1)}
	for d := range seedDays {
		in.suffix = s.day(d).Format("_20060102")
		var texts, after []string
		for _, parent := range []string{"events", "deliveries", "attempts"} {
			name := parent + in.suffix
			texts = append(texts, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", name, parent),
				fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", parent, name,
					s.day(d).UnixMicro()<<keyBits, s.day(d+1).UnixMicro()<<keyBits))
			after = append(after, "VACUUM (ANALYZE) "+name)
		}
		for _, text := range slices.Concat(texts, s.statements(d, in), after) {
			if _, err := c.Exec(ctx, text); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
		}
	}
	return nil
}
