// Package teststore chooses the store below what is tested: the API, the
// command and the screens promise the same on both. The embedded store is used,
// or with TEST_STORE=postgres in the environment PostgreSQL. Each store is a
// database of its own there, on a server that the tests of a package share:
//
//	go test ./api
//	TEST_STORE=postgres go test ./api
//
// `make test` does both. A test that is about the file of the embedded store
// asks [Embedded] and says why in a line.
package teststore

import (
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/sqlite"
)

// variable must not begin with WAYBELL_: the binary refuses settings that it
// does not know.
const variable = "TEST_STORE"

// encryptionKey is that of the nodes of [Environ].
const encryptionKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// Driver is the chosen store's name, as in [waybell.StoreStats].
func Driver(t testing.TB) string {
	t.Helper()
	driver := cmp.Or(os.Getenv(variable), "sqlite")
	if driver != "sqlite" && driver != "postgres" {
		t.Fatalf("%s is %q; it must be sqlite or postgres", variable, driver)
	}
	return driver
}

// Embedded tells that the embedded store is the one chosen.
func Embedded(t testing.TB) bool {
	t.Helper()
	return Driver(t) == "sqlite"
}

// Open opens a new, empty store, which is closed at the end of the test.
func Open(t testing.TB, log *slog.Logger) waybell.Store {
	t.Helper()
	var store waybell.Store
	var err error
	if Embedded(t) {
		store, err = sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir(), Logger: log})
	} else {
		store, err = openShared(t, log)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// Environ is what the environment tells the binary so that it has a new, empty
// store: variables of the form NAME=value. On PostgreSQL all servers that get
// them are nodes of one database.
func Environ(t testing.TB) []string {
	t.Helper()
	if Embedded(t) {
		return []string{"WAYBELL_DATA_DIR=" + filepath.Join(t.TempDir(), "data")} // made by the server, with its own rights
	}
	return []string{"WAYBELL_DATABASE_URL=" + database(t), "WAYBELL_ENCRYPTION_KEY=" + encryptionKey}
}
