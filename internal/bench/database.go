package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// database is the PostgreSQL database of a bench: on a server of its own, or
// one that was given. Each run has a schema of its own in it.
type database struct {
	url      string
	pool     *pgxpool.Pool
	postgres int // the server's first process, 0 where it cannot be seen
	schemas  atomic.Int64
	end      func() error // of the server
	info     PostgresInfo
}

// PostgresInfo says what was measured on.
type PostgresInfo struct {
	Version  string            `json:"version"`
	Own      bool              `json:"own_server"` // started for the bench
	Settings map[string]string `json:"settings"`
}

// ownSettings are those of a server of the bench's own: what its owner would
// give to a small machine. What is not named is PostgreSQL's default.
func ownSettings() map[string]string {
	return map[string]string{
		"shared_buffers": "512MB",
		"max_wal_size":   "8GB",
		"wal_keep_size":  "0",
		"fsync":          "on",

		"track_wal_io_timing": "on", // two looks at the clock for each fsync
	}
}

// reported are the settings worth knowing beside figures.
var reported = [...]string{"shared_buffers", "max_wal_size", "wal_buffers", "wal_level", "wal_compression", "fsync", "synchronous_commit",
	"full_page_writes", "commit_delay", "checkpoint_timeout", "checkpoint_completion_target", "effective_io_concurrency",
	"max_connections", "work_mem", "autovacuum", "track_io_timing", "jit"}

// openDatabase starts a server, or looks at the database that was given.
func (o *Options) openDatabase(ctx context.Context) (_ *database, err error) {
	d := &database{url: o.DatabaseURL, end: func() error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.url == "" {
		d.info.Own = true
		settings := ownSettings()
		maps.Copy(settings, o.PostgresSettings)
		var end func() error
		if d.url, end, err = startCluster(o.Dir, settings); err != nil {
			return nil, fmt.Errorf("start PostgreSQL: %w", err)
		}
		d.end = end
	}
	if d.pool, err = pgxpool.New(ctx, d.url); err != nil {
		return nil, err
	}
	if !d.info.Own {
		if err := d.refuseFull(ctx); err != nil {
			return nil, err
		}
	}
	if err := d.describe(ctx); err != nil {
		return nil, err
	}
	return d, d.findProcess(ctx)
}

func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	return d.end()
}

// refuseFull refuses a database that somebody keeps something in.
func (d *database) refuseFull(ctx context.Context) error {
	var name, table *string
	err := d.pool.QueryRow(ctx, `SELECT current_database(), (SELECT n.nspname || '.' || c.relname FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%' AND c.relkind IN ('r', 'p', 'm')
		ORDER BY 1 LIMIT 1)`).Scan(&name, &table)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	if table != nil {
		return fmt.Errorf("the database %s is not empty, it has a table %s: give one that holds nothing, the bench makes and drops schemas in it", *name, *table)
	}
	return nil
}

func (d *database) describe(ctx context.Context) error {
	rows, err := d.pool.Query(ctx, "SELECT name, current_setting(name) FROM pg_settings WHERE name = 'server_version' OR name = ANY($1)", reported[:])
	if err != nil {
		return err
	}
	d.info.Settings = make(map[string]string)
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		d.info.Settings[name] = value
		return nil
	})
	d.info.Version = d.info.Settings["server_version"]
	delete(d.info.Settings, "server_version")
	return err
}

// findProcess finds the server's first process where it runs on this machine:
// the parent of the process that serves our connection.
func (d *database) findProcess(ctx context.Context) error {
	var pid int
	var here bool
	var name string
	err := d.pool.QueryRow(ctx, `SELECT pg_backend_pid(), coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true),
		current_database()`).Scan(&pid, &here, &name)
	if err != nil || !here {
		return err
	}
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.HasPrefix(string(title), "postgres:") || !strings.Contains(string(title), name) {
		return nil // it is in a container, or behind a tunnel
	}
	if st, err := processStat(pid); err == nil {
		d.postgres = st.parent
	}
	return nil
}

// schema is a fresh store in the database.
type schema struct {
	d    *database
	name string
}

func (d *database) schema(ctx context.Context) (*schema, error) {
	s := &schema{d, fmt.Sprintf("waybell_bench_%d", d.schemas.Add(1))}
	_, err := d.pool.Exec(ctx, "CREATE SCHEMA "+s.name)
	return s, err
}

// url is that of the schema.
func (s *schema) url() (string, error) {
	u, err := url.Parse(s.d.url)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("search_path", s.name)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// benchEncryptionKey is that of servers on PostgreSQL, which keep none.
const benchEncryptionKey = "d2F5YmVsbC1iZW5jaC1lbmNyeXB0aW9uLWtleS0wMTI="

func (s *schema) serve() (args, env []string) {
	u, err := s.url()
	if err != nil {
		u = s.d.url // the server tells what is wrong with it
	}
	return nil, []string{"WAYBELL_DATABASE_URL=" + u, "WAYBELL_ENCRYPTION_KEY=" + benchEncryptionKey}
}

func (s *schema) usage(ctx context.Context) (u storeUsage, err error) {
	if s.d.postgres != 0 {
		if u, err = treeUsage(s.d.postgres); err != nil {
			return u, err
		}
	}
	var synced float64 // ms; 0 where the server does not measure it, or elsewhere
	err = s.d.pool.QueryRow(ctx, `SELECT (pg_current_wal_lsn() - '0/0')::bigint,
		(SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'),
		(SELECT coalesce((to_jsonb(w) ->> 'wal_sync_time')::float8, 0) FROM pg_stat_wal w)`,
		s.name).Scan(&u.wal, &u.size, &synced)
	u.synced = time.Duration(synced * float64(time.Millisecond))
	return u, err
}

// settle writes a checkpoint where that is allowed: that of the last run would
// otherwise come in the next one.
func (s *schema) settle(ctx context.Context) error {
	if !s.d.info.Own {
		return nil
	}
	_, err := s.d.pool.Exec(ctx, "CHECKPOINT")
	return err
}

// discard drops the schema, once those who still work in it have let go.
func (s *schema) discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	_, err := s.d.pool.Exec(ctx, "DROP SCHEMA "+s.name+" CASCADE")
	return err
}
