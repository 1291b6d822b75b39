package sqlite

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const keyColumns = "id, hash, root, version, created_at, revoked_at, settings"

func readKey(r *rows) (waybell.APIKey, error) {
	k := waybell.APIKey{ID: r.text()}
	copy(k.Hash[:], r.blob())
	k.Root, k.Version, k.CreatedAt, k.RevokedAt = r.bool(), r.int(), r.time(), r.time()
	if err := stored.ReadKey(r.blob(), &k); err != nil {
		return k, fmt.Errorf("sqlite: %w", err)
	}
	return k, nil
}

// CreateKey implements [waybell.KeyStore]. It fails with ErrExists also when
// the id is taken.
func (s *Store) CreateKey(ctx context.Context, k waybell.APIKey) (waybell.APIKey, error) {
	err := s.write(ctx, 1, 0, func(t *tx) error { return t.insertKey(&k) })
	return k, err
}

func (t *tx) insertKey(k *waybell.APIKey) error {
	settings, err := stored.Key(k)
	if err != nil {
		return err
	}
	taken, err := t.int("SELECT number FROM api_keys WHERE hash = ? AND works = 1", k.Hash[:])
	if err == nil && taken == 0 {
		taken, err = t.int("SELECT number FROM api_keys WHERE id = ?", k.ID)
	}
	if err != nil {
		return err
	}
	if taken != 0 {
		return fmt.Errorf("key %s: %w", k.ID, waybell.ErrExists)
	}
	k.Version, k.RevokedAt = t.nextVersion(), time.Time{}
	_, err = t.exec(`INSERT INTO api_keys (id, hash, root, version, created_at, revoked_at, works, settings)
		VALUES (?, ?, ?, ?, ?, ?, 1, ?)`, k.ID, k.Hash[:], k.Root, k.Version, k.CreatedAt, noTime, settings)
	return err
}

// RevokeKey implements [waybell.KeyStore].
func (s *Store) RevokeKey(ctx context.Context, id string, now time.Time) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		number, err := t.int("SELECT number FROM api_keys WHERE id = ? AND works = 1", id)
		if err != nil {
			return err
		}
		if number == 0 {
			return fmt.Errorf("key %s: %w", id, waybell.ErrNotFound)
		}
		return t.revoke(number, now)
	})
}

func (t *tx) revoke(number int64, now time.Time) error {
	_, err := t.exec("UPDATE api_keys SET works = 0, version = ?, revoked_at = ? WHERE number = ?",
		t.nextVersion(), now, number)
	return err
}

// ReplaceRootKey implements [waybell.KeyStore]. Other root keys are revoked at
// k.CreatedAt.
func (s *Store) ReplaceRootKey(ctx context.Context, k waybell.APIKey) error {
	return s.write(ctx, 2, 0, func(t *tx) error {
		same, err := t.int("SELECT root FROM api_keys WHERE hash = ? AND works = 1", k.Hash[:])
		if err != nil || same != 0 {
			return err
		}
		var others []int64
		r := t.query("SELECT number FROM api_keys WHERE works = 1 AND root = 1 ORDER BY number")
		for r.next() {
			others = append(others, r.int())
		}
		if err := r.close(); err != nil {
			return err
		}
		for _, number := range others {
			if err := t.revoke(number, k.CreatedAt); err != nil {
				return err
			}
		}
		root := k
		root.Root = true
		return t.insertKey(&root)
	})
}

// Keys implements [waybell.KeyStore]. An unknown after is ErrNotFound.
func (s *Store) Keys(ctx context.Context, after string, limit int) (list []waybell.APIKey, err error) {
	err = s.snapshot(ctx, func(c *conn) error {
		below := int64(math.MaxInt64)
		if after != "" {
			if below, err = c.int("SELECT number FROM api_keys WHERE id = ?", after); err != nil {
				return err
			}
			if below == 0 {
				return fmt.Errorf("key %s: %w", after, waybell.ErrNotFound)
			}
		}
		list, err = collect(c.query("SELECT "+keyColumns+
			" FROM api_keys WHERE number < ? AND works = 1 ORDER BY number DESC LIMIT ?", below, limit), readKey)
		return err
	})
	return list, err
}
