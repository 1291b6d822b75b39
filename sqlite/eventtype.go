package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

const eventTypeColumns = "name, description, schema, example, version, created_at, updated_at, deleted_at"

func readEventType(r *rows) (waybell.EventType, error) {
	return waybell.EventType{
		Name: r.text(), Description: r.text(), Schema: r.blob(), Example: r.blob(), Version: r.int(),
		CreatedAt: r.time(), UpdatedAt: r.time(), DeletedAt: r.time(),
	}, nil
}

// PutEventType implements [waybell.EventTypeStore]. A type that is replaced
// keeps its CreatedAt.
func (s *Store) PutEventType(ctx context.Context, et waybell.EventType) (waybell.EventType, bool, error) {
	created := et.CreatedAt
	fresh := false
	err := s.write(ctx, 1, len(et.Schema)+len(et.Example), func(t *tx) error {
		et.CreatedAt, et.DeletedAt = created, time.Time{}
		found, err := t.row(func(r *rows) { et.CreatedAt = r.time() },
			"SELECT created_at FROM event_types WHERE name = ? AND living = 1", et.Name)
		if err != nil {
			return err
		}
		fresh = !found
		et.Version = t.nextVersion()
		_, err = t.exec(`INSERT OR REPLACE INTO event_types (name, description, schema, example, version,
				created_at, updated_at, deleted_at, living)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)`,
			et.Name, et.Description, []byte(et.Schema), []byte(et.Example), et.Version,
			et.CreatedAt, et.UpdatedAt, noTime)
		return err
	})
	return et, fresh, err
}

// DeleteEventType implements [waybell.EventTypeStore].
func (s *Store) DeleteEventType(ctx context.Context, name string, now time.Time) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		found, err := t.int("SELECT living FROM event_types WHERE name = ?", name)
		if err != nil {
			return err
		}
		if found == 0 {
			return fmt.Errorf("event type %s: %w", name, waybell.ErrNotFound)
		}
		_, err = t.exec("UPDATE event_types SET living = 0, version = ?, updated_at = ?2, deleted_at = ?2 WHERE name = ?3",
			t.nextVersion(), now, name)
		return err
	})
}
