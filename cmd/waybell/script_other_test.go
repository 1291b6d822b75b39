//go:build !linux

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// databases is the command database, which only Linux has: scripts with it have
// that condition.
func databases(*testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no PostgreSQL for tests here") }
}
