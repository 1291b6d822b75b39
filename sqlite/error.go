package sqlite

import (
	"errors"
	"fmt"

	"github.com/waybell/waybell"
	sqlite3 "modernc.org/sqlite/lib"
)

// coded is an error with an SQLite result code; the driver's is one.
type coded interface {
	error
	Code() int
}

// resultCode is the primary result code of an SQLite error in err's chain, the
// low byte of the extended one (https://sqlite.org/rescode.html).
func resultCode(err error) (int, bool) {
	var c coded
	if !errors.As(err, &c) {
		return 0, false
	}
	return c.Code() & 0xff, true
}

// translate gives an error of the driver its meaning by its code, never by its
// text.
func translate(err error) error {
	code, ok := resultCode(err)
	if !ok {
		return err
	}
	switch code {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: no room on the disk: %w", waybell.ErrUnavailable, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: the database is damaged, restore a backup: %w", waybell.ErrUnavailable, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
	}
	return err
}

// medium tells whether err leaves it open what the file and its caches hold:
// the handle must not be used again.
func medium(err error) bool {
	code, _ := resultCode(err)
	switch code {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}
