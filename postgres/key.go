package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const sqlKey = "SELECT id, hash, root, version, created_at, revoked_at, settings FROM api_keys"

func readKey(r pgx.CollectableRow) (k waybell.APIKey, err error) {
	var hash, settings []byte
	var created, revoked int64
	if err := r.Scan(&k.ID, &hash, &k.Root, &k.Version, &created, &revoked, &settings); err != nil {
		return k, err
	}
	copy(k.Hash[:], hash)
	k.CreatedAt, k.RevokedAt = moment(created), moment(revoked)
	if err := stored.ReadKey(settings, &k); err != nil {
		return k, fmt.Errorf("%w: %w", errData, err)
	}
	return k, nil
}

// CreateKey implements [waybell.KeyStore]. It fails with ErrExists also when
// the id is taken.
func (s *Store) CreateKey(ctx context.Context, k waybell.APIKey) (waybell.APIKey, error) {
	err := s.configure(ctx, func(t *tx, version int64) error {
		k.Version, k.RevokedAt = version, time.Time{}
		return t.insertKey(&k)
	})
	return k, err
}

func (t *tx) insertKey(k *waybell.APIKey) error {
	settings, err := stored.Key(k)
	if err != nil {
		return err
	}
	taken := false
	_, err = t.one("SELECT EXISTS (SELECT FROM api_keys WHERE hash = $1 AND works) OR EXISTS (SELECT FROM api_keys WHERE id = $2)",
		[]any{k.Hash[:], k.ID}, &taken)
	if err != nil {
		return err
	}
	if taken {
		return fmt.Errorf("key %s: %w", k.ID, waybell.ErrExists)
	}
	t.queue(`INSERT INTO api_keys (id, hash, root, version, created_at, revoked_at, works, settings)
		VALUES ($1, $2, $3, $4, $5, $6, true, $7)`,
		k.ID, k.Hash[:], k.Root, k.Version, micros(k.CreatedAt), micros(time.Time{}), settings)
	return nil
}

// RevokeKey implements [waybell.KeyStore].
func (s *Store) RevokeKey(ctx context.Context, id string, now time.Time) error {
	if !storable(id) {
		return fmt.Errorf("key %q: %w", id, waybell.ErrNotFound)
	}
	return s.configure(ctx, func(t *tx, version int64) error {
		n, err := t.exec("UPDATE api_keys SET works = false, version = $2, revoked_at = $3 WHERE id = $1 AND works",
			id, version, micros(now))
		if err == nil && n == 0 {
			err = fmt.Errorf("key %s: %w", id, waybell.ErrNotFound)
		}
		return err
	})
}

const sqlIsRootKey = "SELECT EXISTS (SELECT FROM api_keys WHERE hash = $1 AND works AND root)"

// ReplaceRootKey implements [waybell.KeyStore]. Other root keys are revoked at
// k.CreatedAt. Every node calls it at its start, mostly with the key that is
// there: that is read without a lock first.
func (s *Store) ReplaceRootKey(ctx context.Context, k waybell.APIKey) error {
	same := false
	err := s.read(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, sqlIsRootKey, k.Hash[:]).Scan(&same)
	})
	if err != nil || same {
		return err
	}
	k.Root = true
	return s.change(ctx, func(t *tx) error {
		t.queue(sqlLockConfig)
		if _, err := t.one(sqlIsRootKey, []any{k.Hash[:]}, &same); err != nil || same {
			return err
		}
		version, err := t.nextVersion()
		if err != nil {
			return err
		}
		t.queue("UPDATE api_keys SET works = false, version = $1, revoked_at = $2 WHERE works AND root", version, micros(k.CreatedAt))
		k.Version = version
		return t.insertKey(&k)
	})
}

// Keys implements [waybell.KeyStore]. An unknown after is ErrNotFound.
func (s *Store) Keys(ctx context.Context, after string, limit int) ([]waybell.APIKey, error) {
	below := int64(math.MaxInt64)
	if after != "" {
		var err error
		below, err = readOne(ctx, s, pgx.RowTo[int64], "SELECT number FROM api_keys WHERE id = $1", after)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", after, err)
		}
	}
	return readAll(ctx, s, readKey, sqlKey+" WHERE number < $1 AND works ORDER BY number DESC LIMIT $2", below, limit)
}
