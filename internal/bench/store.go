package bench

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The stores that servers can be measured on.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// store is where the servers of one run keep everything.
type store interface {
	// serve are the flags and the environment of a server on it.
	serve() (args, env []string)
	// usage is what it cost so far.
	usage(ctx context.Context) (storeUsage, error)
	// settle writes out what earlier work left to be written later, so that it
	// does not weigh on what is measured next.
	settle(ctx context.Context) error
	// discard removes it.
	discard(ctx context.Context) error
}

// storeUsage is what a store cost since it began, as far as that can be known:
// zero for what cannot.
type storeUsage struct {
	cpu     time.Duration // of processes other than Waybell's
	memory  int64         // of those now, memory that they share counted once
	wal     int64         // bytes of the write-ahead log ever written
	written int64         // bytes that those processes had written to disk
	synced  time.Duration // that PostgreSQL waited for the disk to have its log
	size    int64         // bytes of tables, indexes and what is in the log only
}

// embedded is the SQLite store in a folder.
type embedded struct{ dir string }

func (e *embedded) serve() (args, env []string) { return []string{"--data-dir", e.dir}, nil }

// file is the database's.
func (e *embedded) file() string { return filepath.Join(e.dir, "waybell.db") }

// usage: the store works in Waybell's own process.
func (e *embedded) usage(context.Context) (u storeUsage, err error) {
	for _, name := range []string{e.file(), e.file() + "-wal"} {
		info, err := os.Stat(name)
		if err != nil && !os.IsNotExist(err) {
			return u, err
		}
		if err == nil {
			u.size += info.Size()
		}
	}
	return u, nil
}

// settle syncs the file: what a seed left in the system's cache would be written
// while a server is measured, and its own syncs would wait for it.
func (e *embedded) settle(context.Context) error {
	f, err := os.OpenFile(e.file(), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (e *embedded) discard(context.Context) error { return os.RemoveAll(e.dir) }

// newStore makes a fresh store of the kind that is being measured.
func (o *Options) newStore(ctx context.Context) (store, error) {
	if o.store == Postgres {
		return o.database.schema(ctx)
	}
	dir, err := os.MkdirTemp(o.Dir, "waybell-bench-")
	return &embedded{dir}, err
}
