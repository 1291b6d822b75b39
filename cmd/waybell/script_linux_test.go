package main

import (
	"net/url"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waybell/waybell/internal/pgtest"
)

// databases is the command database VAR: it sets VAR to the URL of a new, empty
// PostgreSQL database, and VAR_NONE to that of one that is not there.
func databases(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: database VAR")
		}
		made := pgtest.Database(t)
		u, err := url.Parse(made)
		ts.Check(err)
		u.Path += "_none"
		ts.Setenv(args[0], made)
		ts.Setenv(args[0]+"_NONE", u.String())
	}
}
