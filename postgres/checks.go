package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Check is something that an operator should know of the database.
type Check struct {
	Name   string // a word for programs: database_replica
	Status string // ok, warning or error
	Text   string // sentences for people: what it is, and what to do
}

const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkError   = "error"
)

// Checks look at the server, at how other nodes' changes arrive, and at the
// replica, where there is one.
func (s *Store) Checks(ctx context.Context) []Check {
	list := []Check{s.checkServer(ctx), s.checkChanges()}
	if s.replica != nil {
		list = append(list, s.checkReplica(ctx))
	}
	return list
}

func (s *Store) checkServer(ctx context.Context) Check {
	c := Check{Name: "database", Status: checkOK}
	var fsync, full, commit string
	var used, most int
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), current_setting('max_connections')::int`).
			Scan(&fsync, &full, &commit, &used, &most)
	})
	about := "PostgreSQL " + s.server
	if s.pooled {
		about += ", through a pooler"
	}
	switch {
	case err != nil:
		c.Status, c.Text = checkError, about+", does not answer. Publishing answers 503 until it does."
	case fsync != "on" || full != "on":
		c.Status, c.Text = checkError, fmt.Sprintf("%s, runs with fsync=%s and full_page_writes=%s: it can lose what it confirmed. Switch both on.", about, fsync, full)
	case used*10 > most*9:
		c.Status, c.Text = checkWarning, fmt.Sprintf("%s, has %d of at most %d connections. Put a pooler in front, or lower database-connections.", about, used, most)
	default:
		c.Text = fmt.Sprintf("%s, fsync on, %d of at most %d connections.", about, used, most)
	}
	return c
}

func (s *Store) checkChanges() Check {
	c := Check{Name: "database_changes", Status: checkOK, Text: "What other nodes change is heard at once."}
	switch {
	case s.listenURL() == "":
		c.Text = "What other nodes change is looked for twice a second, since the pooler passes no notifications on. With database-listen-url it would be heard at once."
	case !s.listening.Load():
		c.Status, c.Text = checkWarning, "What other nodes change is looked for twice a second: the connection that hears of it is broken. It is tried again every second."
	}
	return c
}

// maxReplicaLag is how far a replica may be behind before somebody should look.
const maxReplicaLag = 30 * time.Second

func (s *Store) checkReplica(ctx context.Context) Check {
	c := Check{Name: "database_replica", Status: checkOK}
	var standby bool
	var lag float64
	err := s.readFrom(ctx, s.replica, func(ctx context.Context, q *pgxpool.Conn) error {
		// Where everything was replayed it is not behind, however long nothing came.
		return q.QueryRow(ctx, `SELECT pg_is_in_recovery(), CASE
			WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
			ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8`).Scan(&standby, &lag)
	})
	behind := time.Duration(lag * float64(time.Second))
	switch {
	case err != nil:
		c.Status, c.Text = checkWarning, "The replica does not answer; the primary answers the queries of the log. See that it runs and that database-replica-url leads to it."
	case !standby:
		c.Status, c.Text = checkWarning, "database-replica-url leads to a primary: the queries of the log spare it nothing. Leave the setting out, or name a standby."
	case behind > maxReplicaLag:
		c.Status, c.Text = checkWarning, fmt.Sprintf("The replica is %s behind, and so is what the log shows.", behind.Round(time.Second))
	default:
		c.Text = fmt.Sprintf("The replica answers the queries of the log, %s behind.", behind.Round(100*time.Millisecond))
	}
	return c
}
