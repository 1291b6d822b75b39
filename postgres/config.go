package postgres

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

const (
	sqlNextVersion = "UPDATE config SET version = version + 1 RETURNING version"
	// sqlLockConfig waits for the changes of the configuration under way and
	// keeps others from beginning, without being one.
	sqlLockConfig = "SELECT FROM config FOR NO KEY UPDATE"
)

// configure is change for the configuration. Raising its version comes first:
// from then on no other change is under way, on any node. So changes commit in
// the order of their versions, who has read up to a version has missed none, and
// what do looks at stays as it is until the commit.
func (s *Store) configure(ctx context.Context, do func(t *tx, version int64) error) error {
	return s.change(ctx, func(t *tx) error {
		version, err := t.nextVersion()
		if err != nil {
			return err
		}
		return do(t, version)
	})
}

// nextVersion raises the configuration version. The other nodes are told at the
// commit.
func (t *tx) nextVersion() (version int64, err error) {
	t.tell()
	found, err := t.one(sqlNextVersion, nil, &version)
	if err == nil && !found {
		err = fmt.Errorf("%w: the table config is empty", errData)
	}
	return version, err
}

// ConfigVersion implements [waybell.ConfigStore].
func (s *Store) ConfigVersion(ctx context.Context) (version int64, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, "SELECT version FROM config").Scan(&version)
	})
	return version, err
}

// ConfigSince implements [waybell.ConfigStore]. It reads all in one snapshot: an
// endpoint of a version may belong to an agent that was changed later. So how long
// it takes grows with how much changed, and the caller says how long it may.
func (s *Store) ConfigSince(ctx context.Context, version int64) (waybell.ConfigChange, error) {
	var ch waybell.ConfigChange
	err := s.snapshotOfAll(ctx, func(ctx context.Context, q querier) error {
		if err := q.QueryRow(ctx, "SELECT version FROM config").Scan(&ch.Version); err != nil || ch.Version <= version {
			return err
		}
		const since = " WHERE version > $1 ORDER BY version"
		var err error
		if ch.Agents, err = collect(ctx, q, readAgent, sqlAgent+since, version); err != nil {
			return err
		}
		if ch.Endpoints, err = collect(ctx, q, readEndpoint, sqlEndpoint+since, version); err != nil {
			return err
		}
		if ch.EventTypes, err = collect(ctx, q, readEventType, sqlEventType+since, version); err != nil {
			return err
		}
		ch.Keys, err = collect(ctx, q, readKey, sqlKey+since, version)
		return err
	})
	if err != nil {
		return waybell.ConfigChange{}, err
	}
	return ch, nil
}

// collect reads all rows of a query; none is a nil slice.
func collect[T any](ctx context.Context, q querier, read func(pgx.CollectableRow) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows([]T(nil), rows, read)
}

// readAll is collect of what is committed.
func readAll[T any](ctx context.Context, s *Store, read func(pgx.CollectableRow) (T, error), sql string, args ...any) (list []T, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		list, err = collect(ctx, q, read, sql, args...)
		return err
	})
	return list, err
}

// readOne is readAll for a query of at most one row; ErrNotFound without it.
func readOne[T any](ctx context.Context, s *Store, read func(pgx.CollectableRow) (T, error), sql string, args ...any) (v T, err error) {
	for _, a := range args {
		if text, ok := a.(string); ok && !storable(text) {
			return v, waybell.ErrNotFound
		}
	}
	list, err := readAll(ctx, s, read, sql, args...)
	switch {
	case err != nil:
		return v, err
	case len(list) == 0:
		return v, waybell.ErrNotFound
	}
	return list[0], nil
}

// storable tells whether a column of type text can hold s: it takes UTF-8
// without NUL (PostgreSQL's documentation, 8.3), and refuses to compare with
// anything else. What is not storable is in no row.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// about names what an error is about; nil stays nil.
func about(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
