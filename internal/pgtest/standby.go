//go:build linux

package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Standby starts a hot standby that streams from this server. A synchronous one
// is waited for by every commit of this server from then on, with the others
// that are: one of them must have it (FIRST 1). The standby has its own folder
// and port and ends with the test.
func (c *Cluster) Standby(t testing.TB, synchronous bool) *Cluster {
	t.Helper()
	opts := c.opts
	opts.Disk, opts.WALApart = 0, false
	s, err := newCluster(opts)
	if err != nil {
		t.Fatalf("pgtest: standby: %v", err)
	}
	t.Cleanup(func() { s.end(t) })
	s.bin, s.name = c.bin, "standby_"+strings.ReplaceAll(filepath.Base(s.guard.dir), "-", "_")
	if err := s.copy(c); err != nil {
		t.Fatalf("pgtest: standby: %v", err)
	}
	state := "async"
	if synchronous {
		state = "sync"
		if len(c.standbys) > 0 {
			state = "potential"
		}
		c.standbys = append(c.standbys, s.name)
		c.Exec(t, fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (%s)'", strings.Join(c.standbys, ", ")),
			"SELECT pg_reload_conf()")
	}
	// Until then a commit would not wait, or wait for nobody.
	if err := c.until(t.Context(), "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming' AND sync_state = $2", s.name, state); err != nil {
		t.Fatalf("pgtest: standby: %v\n%s", err, s.LogTail(20))
	}
	return s
}

// copy copies a running server and starts the copy as its standby, which gives
// its cluster_name as application_name.
func (c *Cluster) copy(primary *Cluster) error {
	err := run(c.guard.dir, filepath.Join(c.bin, "pg_basebackup"), "-D", c.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(primary.port),
		"-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	// What ALTER SYSTEM set was copied; a standby has none of its own.
	auto, err := os.OpenFile(filepath.Join(c.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := auto.WriteString("synchronous_standby_names = ''\n"); err != nil {
		return err
	}
	if err := auto.Close(); err != nil {
		return err
	}
	return c.launch()
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
