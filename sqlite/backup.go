package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waybell/waybell"
)

// backupPages is how many pages one step copies: about a millisecond of the
// writer's time.
const backupPages = 128

// Backup copies the database to a new file while the store is in use. The copy
// is consistent, holds everything that was durable when Backup returned, and is
// on disk by then; it opens as the database of another data directory. It does
// not hold the encryption key of secrets and headers. An existing file is
// refused with an error that is fs.ErrExist.
func (s *Store) Backup(ctx context.Context, path string) error {
	// The empty file keeps the name for this backup; the copy takes its place
	// only when it is whole.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	partial := path + ".partial"
	err = f.Close()
	if err == nil {
		err = s.backupTo(ctx, partial)
	}
	if err == nil {
		err = os.Rename(partial, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), remove(path), remove(partial))
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// backupTo copies page by page on the writing connection, some between each two
// transactions: what the writer changes meanwhile, SQLite changes in the copy
// too, so that it never starts again, and no long read keeps the log from being
// copied (https://sqlite.org/backup.html).
func (s *Store) backupTo(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// Nothing is lost by a copy that is not synced before its end.
	to, err := connect(path, "synchronous = OFF", "journal_mode = OFF")
	if err != nil {
		return err
	}
	var b *backup
	var source *conn
	err = s.outside(ctx, func(c *conn) error {
		source = c
		var err error
		b, err = to.backupOf(c.handle)
		return c.failed("backup", err)
	})
	if err != nil {
		return errors.Join(err, to.close())
	}
	for more := true; more && err == nil; {
		err = s.outside(ctx, func(c *conn) error {
			if c != source {
				return errReopened
			}
			var err error
			more, err = b.step(backupPages)
			return c.failed("backup", err)
		})
	}
	// The end must run whatever ctx says: the writer copies its changes until then.
	ran := false
	finish := s.outside(s.ctx, func(c *conn) error {
		ran = true
		if c != source { // its end was the backup's
			return errReopened
		}
		return c.failed("backup", b.finish())
	})
	if ran { // else the store is closing, and the source's end finishes the copy, which must outlive it
		finish = errors.Join(finish, to.close())
	}
	if err == nil {
		err = finish
	}
	if err != nil {
		return err
	}
	return f.Sync()
}

var errReopened = fmt.Errorf("%w: the database was opened anew meanwhile", waybell.ErrUnavailable)

// outside runs f on the writer's connection between two transactions.
func (s *Store) outside(ctx context.Context, f func(*conn) error) error {
	return s.submit(ctx, &operation{done: make(chan error, 1), outside: f})
}
