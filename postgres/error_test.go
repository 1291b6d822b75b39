package postgres

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/waybell/waybell"
)

// What the server says decides whether a call may be repeated. A server that ran out of
// disk and starts again refuses connections with errors of any class.
func TestMeaningOfErrors(t *testing.T) {
	t.Parallel()
	told := func(severity, code string) error {
		// The severity in words is in the server's language.
		return fmt.Errorf("call: %w", &pgconn.PgError{Severity: "FATALE", SeverityUnlocalized: severity, Code: code})
	}
	for _, tc := range []struct {
		err                          error
		unavailable, denied, inDoubt bool
	}{
		{err: told("ERROR", "22003")}, // refused: numeric_value_out_of_range
		{err: told("ERROR", "XX000")},
		{err: told("ERROR", "53100"), unavailable: true},
		{err: told("FATAL", "XX000"), unavailable: true, inDoubt: true}, // could not write init file
		{err: told("PANIC", "XX000"), unavailable: true, inDoubt: true},
		{err: told("FATAL", "57P03"), unavailable: true, inDoubt: true},
		{err: told("FATAL", stateBadPassword), unavailable: true, denied: true, inDoubt: true},
		{err: io.ErrUnexpectedEOF, unavailable: true, inDoubt: true},
	} {
		got := translate(tc.err)
		if errors.Is(got, waybell.ErrUnavailable) != tc.unavailable || errors.Is(got, ErrDenied) != tc.denied || !errors.Is(got, tc.err) {
			t.Errorf("%v means %v", tc.err, got)
		}
		if lost(tc.err) != tc.inDoubt {
			t.Errorf("%v leaves a commit in doubt: %v", tc.err, !tc.inDoubt)
		}
	}
}
