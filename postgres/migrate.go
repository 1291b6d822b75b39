package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer tells that a later version of Waybell made the schema, one that this
// version cannot work with: use that version.
var ErrNewer = errors.New("the database was made by a newer version of Waybell")

// Migration is one step of the schema. Steps only go forward. Nodes of the
// version before keep working while and after the next one's steps run: what a
// step takes away, no version that may still run needs.
type Migration struct {
	Version   int
	Name      string
	SQL       string
	AppliedAt time.Time // by the database's clock; zero while it is pending
}

// migrationLock is the key of the transaction-level advisory lock that lets one
// node migrate at a time: "waybell" in ASCII.
const migrationLock = 0x77617962656c6c

// Migrate applies the migrations that the database lacks, each in a transaction
// of its own under a transaction-level advisory lock, so that any number of nodes
// may start at once. It returns what it applied.
func Migrate(ctx context.Context, url string) ([]Migration, error) {
	conn, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to lose
	return migrate(ctx, conn)
}

// Migrations lists all migrations that this version or the database knows, with
// what was applied. It changes nothing.
func Migrations(ctx context.Context, url string) ([]Migration, error) {
	conn, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it only read
	list, err := readMigrations(migrations)
	if err != nil {
		return nil, err
	}
	return applied(ctx, conn, list)
}

// readMigrations reads the migrations by rising version. Versions are unique but
// need not follow on each other.
func readMigrations(files fs.FS) ([]Migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []Migration
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql")
		digits, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(digits)
		if err != nil || len(digits) != 4 || version <= 0 || len(list) > 0 && list[len(list)-1].Version == version {
			return nil, fmt.Errorf("postgres: migration %s has no number of its own", path)
		}
		script, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		list = append(list, Migration{Version: version, Name: name, SQL: string(script)})
	}
	return list, nil
}

const sqlMigrationTable = `CREATE TABLE IF NOT EXISTS migrations (
	version    integer     PRIMARY KEY,
	name       text        NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)`

// applied marks the migrations that the database has. Ones that this version
// does not know are appended without their SQL.
func applied(ctx context.Context, conn *pgx.Conn, list []Migration) ([]Migration, error) {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('migrations') IS NOT NULL").Scan(&there); err != nil {
		return nil, translate(err)
	}
	if !there {
		return list, nil
	}
	rows, err := conn.Query(ctx, "SELECT version, name, applied_at FROM migrations ORDER BY version")
	if err != nil {
		return nil, explainMigration(translate(err))
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (m Migration, err error) {
		err = r.Scan(&m.Version, &m.Name, &m.AppliedAt)
		return m, err
	})
	if err != nil {
		return nil, explainMigration(translate(err))
	}
	for _, f := range found {
		known := false
		for i := range list {
			if list[i].Version == f.Version {
				list[i].AppliedAt, known = f.AppliedAt, true
			}
		}
		if !known {
			list = append(list, f)
		}
	}
	return list, nil
}

func migrate(ctx context.Context, conn *pgx.Conn) ([]Migration, error) {
	known, err := readMigrations(migrations)
	if err != nil {
		return nil, err
	}
	list, err := applied(ctx, conn, known)
	if err != nil {
		return nil, err
	}
	var done []Migration
	for i := range list {
		m := &list[i]
		switch {
		case m.SQL == "":
			// Steps of a later version: they kept what this one needs, or raised
			// the least version, which Open looks at.
		case m.AppliedAt.IsZero():
			ran, err := m.apply(ctx, conn)
			if err != nil {
				return done, fmt.Errorf("migration %s: %w", m.Name, explainMigration(err))
			}
			if ran {
				done = append(done, *m)
			}
		}
	}
	return done, nil
}

// explainMigration says what to do about a schema in which Waybell's tables cannot
// be made.
func explainMigration(err error) error {
	switch state(err) {
	case stateNoRight:
		return fmt.Errorf("%w: the user must be allowed to make tables there: GRANT CREATE ON SCHEMA public TO the user, or make it the owner of the database", err)
	case stateTableThere, stateNoColumn:
		return fmt.Errorf("%w: the schema holds tables of another program: give Waybell a database, or a schema, of its own", err)
	}
	return err
}

// apply runs one migration, unless another node did meanwhile.
func (m *Migration) apply(ctx context.Context, conn *pgx.Conn) (ran bool, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return false, translate(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // without effect after the commit
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
		return false, translate(err)
	}
	if _, err := tx.Exec(ctx, sqlMigrationTable); err != nil {
		return false, translate(err)
	}
	var there bool
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM migrations WHERE version = $1)", m.Version).Scan(&there)
	if err != nil || there {
		return false, translate(err)
	}
	if _, err := tx.Exec(ctx, m.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, translate(err)
	}
	err = tx.QueryRow(ctx, "INSERT INTO migrations (version, name) VALUES ($1, $2) RETURNING applied_at", m.Version, m.Name).
		Scan(&m.AppliedAt)
	if err != nil {
		return false, translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return false, translate(err)
	}
	return true, nil
}

// dial opens one connection that needs nothing of a session, so that it may go
// through a pooler.
func dial(ctx context.Context, url string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errURL
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, translate(err)
	}
	return conn, nil
}
