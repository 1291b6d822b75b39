package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as Waybell's ("WBL1"), see
// https://sqlite.org/pragma.html#pragma_application_id.
const applicationID = 0x57424c31

// ErrForeign tells that the file is a database, but not one of Waybell's.
var ErrForeign = errors.New("not a Waybell database")

// ErrNewer tells that a later version of Waybell made the database. There is no
// way back: use that version, or restore a backup.
var ErrNewer = errors.New("made by a newer version of Waybell")

// Migration is a step of the schema.
type Migration struct {
	Version   int
	Name, SQL string
	Applied   bool // the database has it
}

// Migrations lists the steps of the schema and tells which the database in a
// directory has, whether a server uses it or not. It makes no database: without
// one the error is fs.ErrNotExist. Others: ErrForeign, ErrNewer.
func Migrations(ctx context.Context, dir string) ([]Migration, error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	list, err := readMigrations(migrations)
	if err != nil {
		return nil, err
	}
	c, err := connect(path, "busy_timeout = 2000", "query_only = ON")
	if err != nil {
		return nil, err
	}
	version, err := checkVersion(c, list)
	if err = errors.Join(err, c.giveUp()); err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", path, err)
	}
	steps := make([]Migration, len(list))
	for i, m := range list {
		name := strings.TrimSuffix(strings.TrimPrefix(m.name, "migrations/"), ".sql")
		steps[i] = Migration{int(m.number), name, m.script, m.number <= version}
	}
	return steps, nil
}

// migrate brings the schema to the newest version. Migrations only go forward;
// each runs in its own transaction, with the version it leads to.
func migrate(c *conn) error {
	list, err := readMigrations(migrations)
	if err != nil {
		return err
	}
	return migrateBy(c, list)
}

// migration is one step of the schema.
type migration struct {
	number int64
	name   string
	script string
}

// readMigrations reads the migrations by rising number. Numbers are unique but
// need not follow on each other.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, name := range names {
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		number, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || len(digits) != 4 || number <= 0 || len(list) > 0 && list[len(list)-1].number == number {
			return nil, fmt.Errorf("sqlite: migration %s has no number of its own", name)
		}
		script, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		list = append(list, migration{number, name, string(script)})
	}
	return list, nil
}

// checkVersion is the number of the newest migration that the database has,
// where the file is for this program.
func checkVersion(c *conn, list []migration) (int64, error) {
	newest := list[len(list)-1].number
	id, err := c.int("PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	version, err := c.int("PRAGMA user_version")
	if err != nil {
		return 0, err
	}
	tables, err := c.int("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	switch {
	case id != applicationID && (id != 0 || version != 0 || tables != 0):
		return 0, ErrForeign
	case version > newest:
		return 0, fmt.Errorf("%w: schema %d, this one knows %d", ErrNewer, version, newest)
	}
	return version, nil
}

// migrateBy runs the migrations above the database's version.
func migrateBy(c *conn, list []migration) error {
	version, err := checkVersion(c, list)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.number <= version {
			continue
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			m.script, applicationID, m.number)
		if err := c.run(script); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}
