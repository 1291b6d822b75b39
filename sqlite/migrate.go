package sqlite

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
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

// migrate brings the schema to the newest version. Migrations only go forward;
// each runs in its own transaction, with the version it leads to.
func migrate(c *conn) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	id, err := c.int("PRAGMA application_id")
	if err != nil {
		return err
	}
	version, err := c.int("PRAGMA user_version")
	if err != nil {
		return err
	}
	tables, err := c.int("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	switch {
	case id != applicationID && (id != 0 || version != 0 || tables != 0):
		return ErrForeign
	case int(version) > len(names):
		return fmt.Errorf("%w: schema %d, this one knows %d", ErrNewer, version, len(names))
	}
	for i := int(version); i < len(names); i++ {
		if !strings.HasPrefix(names[i], fmt.Sprintf("migrations/%04d_", i+1)) {
			return fmt.Errorf("sqlite: migration %s is not number %d", names[i], i+1)
		}
		text, err := migrations.ReadFile(names[i])
		if err != nil {
			return err
		}
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			text, applicationID, i+1)
		if err := c.run(script); err != nil {
			return fmt.Errorf("migration %s: %w", names[i], err)
		}
	}
	return nil
}
