//go:build !linux

package teststore

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/waybell/waybell"
)

var errOnlyLinux = errors.New("teststore: PostgreSQL is started for tests on Linux only")

func openShared(testing.TB, *slog.Logger) (waybell.Store, error) { return nil, errOnlyLinux }

func database(t testing.TB) string {
	t.Helper()
	t.Fatal(errOnlyLinux)
	return ""
}
