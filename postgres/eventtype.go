package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

const sqlEventType = "SELECT name, description, schema, example, version, created_at, updated_at, deleted_at FROM event_types"

func readEventType(r pgx.CollectableRow) (t waybell.EventType, err error) {
	var description, schema, example []byte
	var created, updated, deleted int64
	err = r.Scan(&t.Name, &description, &schema, &example, &t.Version, &created, &updated, &deleted)
	t.Description, t.Schema, t.Example = string(description), schema, example
	t.CreatedAt, t.UpdatedAt, t.DeletedAt = moment(created), moment(updated), moment(deleted)
	return t, err
}

// PutEventType implements [waybell.EventTypeStore]. A type that is replaced
// keeps its CreatedAt.
func (s *Store) PutEventType(ctx context.Context, et waybell.EventType) (waybell.EventType, bool, error) {
	given := et.CreatedAt
	replaced := false
	err := s.configure(ctx, func(t *tx, version int64) (err error) {
		var created int64
		replaced, err = t.one("SELECT created_at FROM event_types WHERE name = $1 AND living", []any{et.Name}, &created)
		if err != nil {
			return err
		}
		et.CreatedAt, et.DeletedAt, et.Version = given, time.Time{}, version
		if replaced {
			et.CreatedAt = moment(created)
		}
		t.queue(`INSERT INTO event_types (name, description, schema, example, version, created_at, updated_at, deleted_at, living)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true)
			ON CONFLICT (name) DO UPDATE SET description = excluded.description, schema = excluded.schema,
				example = excluded.example, version = excluded.version, created_at = excluded.created_at,
				updated_at = excluded.updated_at, deleted_at = excluded.deleted_at, living = true`,
			et.Name, []byte(et.Description), []byte(et.Schema), []byte(et.Example), version,
			micros(et.CreatedAt), micros(et.UpdatedAt), micros(time.Time{}))
		return nil
	})
	return et, err == nil && !replaced, err
}

// DeleteEventType implements [waybell.EventTypeStore].
func (s *Store) DeleteEventType(ctx context.Context, name string, now time.Time) error {
	if !storable(name) {
		return fmt.Errorf("event type %q: %w", name, waybell.ErrNotFound)
	}
	return s.configure(ctx, func(t *tx, version int64) error {
		n, err := t.exec("UPDATE event_types SET living = false, version = $2, updated_at = $3, deleted_at = $3 WHERE name = $1 AND living",
			name, version, micros(now))
		if err == nil && n == 0 {
			err = fmt.Errorf("event type %s: %w", name, waybell.ErrNotFound)
		}
		return err
	})
}
