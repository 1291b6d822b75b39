//go:build linux

package pgtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybell/waybell/internal/pgserver"
)

// Standby starts a hot standby that streams from this server. A synchronous one
// is waited for by every commit of this server from then on, with the others
// that are: one of them must have it (FIRST 1). The standby has its own folder
// and port and ends with the test.
func (c *Cluster) Standby(t testing.TB, synchronous bool) *Cluster {
	t.Helper()
	server, err := pgserver.StartStandby(c.server)
	if err != nil {
		t.Fatalf("pgtest: standby: %v", err)
	}
	s := &Cluster{server: server, templates: map[string]func() error{}}
	t.Cleanup(func() { s.end(t) })
	state := "async"
	if synchronous {
		state = "sync"
		if len(c.standbys) > 0 {
			state = "potential"
		}
		c.standbys = append(c.standbys, server.Name())
		c.Exec(t, fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (%s)'", strings.Join(c.standbys, ", ")),
			"SELECT pg_reload_conf()")
	}
	// Until then a commit would not wait, or wait for nobody.
	if err := c.until(t.Context(), "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming' AND sync_state = $2", server.Name(), state); err != nil {
		t.Fatalf("pgtest: standby: %v\n%s", err, s.LogTail(20))
	}
	return s
}

// Promote makes a standby a primary and waits until it takes writes. The old
// primary is not told.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	err := c.until(t.Context(), "SELECT pg_promote(true, $1)", int(patience.Seconds()))
	if err != nil {
		t.Fatalf("pgtest: promote: %v; the log ends:\n%s", err, c.LogTail(20))
	}
}
