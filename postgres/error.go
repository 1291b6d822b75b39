package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/waybell/waybell"
)

// The SQLSTATEs that decide something here, from PostgreSQL's appendix A and,
// with the class WB, from our own functions.
const (
	stateFenced       = "WB001"
	stateVersion      = "WB002"
	stateNoPartition  = "23514" // check_violation: also what no partition takes
	stateUnique       = "23505"
	stateReadOnly     = "25006" // a standby, or a database that was made read-only
	stateSerialize    = "40001"
	stateDeadlock     = "40P01"
	stateNoDatabase   = "3D000"
	stateBadPassword  = "28P01"
	stateBadAuth      = "28000"
	stateLocked       = "55P03" // lock_timeout
	statePrerequisite = "55000" // of a partition: its removal was begun already
	stateNoTable      = "42P01"
	stateTableThere   = "42P07"
	stateNoColumn     = "42703"
	stateNoRight      = "42501" // insufficient_privilege
	stateCanceled     = "57014" // statement_timeout, or by us
	stateIdleTimeout  = "25P03" // idle_in_transaction_session_timeout
	classConnection   = "08"
	classResources    = "53" // disk full, out of memory, too many connections
	classIntervention = "57" // shut down, starting up, statement timeout
	classSystem       = "58" // I/O errors
)

// errURL never repeats the URL: it holds a password.
var errURL = errors.New("postgres: the URL of the database cannot be understood; it looks like postgres://user:password@host:5432/database")

// ErrDenied tells that the server refuses user, password or database: trying
// again is no use.
var ErrDenied = errors.New("the database refuses the connection")

// state is the SQLSTATE of a server's error in err's chain, or "".
func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// translate gives an error of the driver its meaning by its code, never by its
// text. Whatever the server did not say itself is a connection's.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case known(err):
		return err
	}
	code := state(err)
	switch code {
	case stateFenced:
		return fmt.Errorf("%w: %w", waybell.ErrFenced, err)
	case stateVersion:
		return fmt.Errorf("%w: %w", waybell.ErrConfigChanged, err)
	case stateBadPassword, stateBadAuth, stateNoDatabase:
		return fmt.Errorf("%w: %w: %w", waybell.ErrUnavailable, ErrDenied, err)
	case stateReadOnly, stateSerialize, stateDeadlock, stateIdleTimeout, stateLocked,
		stateNoTable: // of a day that retention removes meanwhile
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
	case "":
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
	}
	for _, class := range []string{classConnection, classResources, classIntervention, classSystem} {
		if strings.HasPrefix(code, class) {
			return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
		}
	}
	if ended(err) { // whatever it could not do: nothing that was asked was refused
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
	}
	return err
}

// ended tells that the server ended the connection with this error, or did not open
// it. Its severity in words of the server's language is another field.
func ended(err error) bool {
	e, told := errors.AsType[*pgconn.PgError](err)
	return told && (e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC")
}

// known tells errors that have their meaning already.
func known(err error) bool {
	for _, e := range []error{waybell.ErrUnavailable, waybell.ErrNotFound, waybell.ErrExists, waybell.ErrConflict,
		waybell.ErrFenced, waybell.ErrConfigChanged, waybell.ErrCommitUnknown, ErrNotEmpty, ErrInUse} {
		if errors.Is(err, e) {
			return true
		}
	}
	_, ours := errors.AsType[*waybell.Error](err)
	return ours || errors.Is(err, errNoPartition) || errors.Is(err, errData)
}

// errData marks stored bytes that cannot be read: no fault of the connection.
var errData = errors.New("postgres: a stored value cannot be read")

// errNoPartition tells that a key lies in a day that has no partition yet.
var errNoPartition = errors.New("postgres: a day has no partition")

// lost tells whether err leaves it open what became of the transaction: the
// connection ended, or our patience did. An error that the server told ended the
// transaction without a commit, unless it ended the connection too.
func lost(err error) bool {
	return state(err) == "" || ended(err)
}

// moved tells that the server at this address is not, or no longer, the one that
// takes writes: connections to it are given up, so that the next ones look for
// the primary anew.
func moved(err error) bool {
	code := state(err)
	return code == stateReadOnly || strings.HasPrefix(code, "57P")
}

// broke tells that a connection ended under a call that still had time.
func broke(err error) bool {
	return state(err) == "" && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// callerGone is the error of a caller whose context ended before anything began.
func callerGone(ctx context.Context) error { return context.Cause(ctx) }
