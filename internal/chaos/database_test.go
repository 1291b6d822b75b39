//go:build linux

package chaos

import (
	"fmt"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/pgtest"
)

// trouble is what happens to a database.
type trouble struct {
	begin, end func()
	lasts      time.Duration
	// refuses: every publish meets it, so it lasts until some were refused.
	refuses bool
}

// databaseTemper is that of receivers while a database has trouble.
var databaseTemper = temper{fail: 4, hang: 2, reset: 2, slow: 50, slowness: 400 * time.Millisecond}

// bear goes through a trouble of the database and returns how long after it the
// first event was accepted. Meanwhile every publish is answered in time.
func (tr *trial) bear(x trouble) (recovery time.Duration) {
	t := tr.t
	t.Helper()
	before := tr.feeder.count()
	tr.feeder.until("publishing works", func(c feedCounts) bool { return c.accepted >= before.accepted+100 })
	tr.pause(100*time.Millisecond, lasts(500*time.Millisecond, 4*time.Second))
	before = tr.feeder.count()
	tr.duringOf(nil, away, func() {
		began := time.Now()
		x.begin()
		if x.refuses {
			tr.feeder.until("publishing answers 503", func(c feedCounts) bool { return c.busy >= before.busy+10 })
		}
		tr.pauseUntil(began.Add(x.lasts))
		x.end()
	})
	ended, given := time.Now(), tr.feeder.count()
	tr.feeder.until("publishing works again", func(c feedCounts) bool { return c.accepted > given.accepted })
	recovery = time.Since(ended)
	after := tr.feeder.count()
	if after.broken > before.broken || after.refused > before.refused {
		t.Errorf("publishes got no answer instead of 503: %+v before, %+v after", before, after)
	}
	return recovery
}

// endTrouble judges. Nothing comes twice: a database that is away kills no node,
// and no node takes over from one that lives.
// It writes the result of the programme.
func (tr *trial) endTrouble(programme string, joined map[int]int64, recovery []time.Duration) {
	t := tr.t
	t.Helper()
	v := tr.end()
	if now := tr.shared.numbers(t); !maps.Equal(now, joined) {
		t.Errorf("nodes were declared dead: joined as %v, now %v", joined, now)
	}
	if v.duplicates > 0 {
		t.Errorf("%d deliveries came twice", v.duplicates)
	}
	if slowest := tr.feeder.count().slowest; slowest > publishBound+busyMachine {
		t.Errorf("a publish was refused after %v, want within %v", slowest, publishBound)
	} else {
		t.Logf("refused after %v at most", slowest.Round(time.Millisecond))
	}
	t.Logf("accepts again after: %s", spread(recovery))
	took := times{"accepts_again": recovery, "refused_after": {tr.feeder.count().slowest}}
	tr.record(programme, len(tr.faults), v, took, nil)
}

// newDatabaseTrial starts three nodes on a database.
func newDatabaseTrial(t *testing.T, direct, given string) *trial {
	t.Helper()
	tr := newTrial(t, options{temper: databaseTemper, timeout: hangTimeout, shared: newShared(direct, given, "all", "all", "all")})
	tr.unsure = true // of a commit that broke off nobody knows whether it happened
	return tr
}

// TestDatabaseStop stops PostgreSQL at once and starts it, again and again.
func TestDatabaseStop(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{Dir: memory()})
	url := c.Database(t)
	tr := newDatabaseTrial(t, url, url)
	joined := tr.shared.numbers(t)
	var recovery []time.Duration
	for n := range repeat(1) {
		if n%5 == 4 {
			t.Logf("%s: %d cycles, %d events accepted", time.Now().Format(clock), n, tr.feeder.count().accepted)
		}
		recovery = append(recovery, tr.bear(trouble{refuses: true, lasts: lasts(5*time.Second, 30*time.Second),
			begin: func() { c.Stop(t, pgtest.Immediate) }, end: func() { c.Start(t) }}))
	}
	tr.endTrouble("database:stop", joined, recovery)
}

// TestDatabaseTrouble freezes PostgreSQL, resets its connections, and lets it
// refuse writes, for longer than a node may be silent.
func TestDatabaseTrouble(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{Dir: memory()})
	direct := c.Database(t)
	database := databaseOf(t, direct)
	proxy := pgtest.StartProxy(t, c.Addr())
	tr := newDatabaseTrial(t, direct, proxy.URL(direct))
	joined := tr.shared.numbers(t)
	troubles := map[string]trouble{
		"frozen": {refuses: true, lasts: lasts(6*time.Second, 20*time.Second),
			begin: func() { c.Freeze(t) }, end: func() { c.Thaw(t) }},
		"connections reset": {lasts: lasts(3*time.Second, 20*time.Second),
			begin: func() {
				for range 6 {
					proxy.Cut()
					tr.pause(10*time.Millisecond, lasts(500*time.Millisecond, 3*time.Second))
				}
			}, end: func() { proxy.Cut() }},
		"read-only": {refuses: true, lasts: lasts(14*time.Second, 20*time.Second),
			begin: func() {
				c.Exec(t, fmt.Sprintf("ALTER DATABASE %q SET default_transaction_read_only = on", database),
					fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", database))
			},
			// The nodes find out by themselves: sessions stay as they began.
			end: func() { c.Exec(t, fmt.Sprintf("ALTER DATABASE %q RESET default_transaction_read_only", database)) }},
	}
	var recovery []time.Duration
	for range repeat(1) {
		for _, name := range []string{"frozen", "connections reset", "read-only"} {
			recovery = append(recovery, tr.bear(troubles[name]))
			t.Logf("%s: accepts again after %v", name, recovery[len(recovery)-1].Round(time.Millisecond))
		}
	}
	tr.endTrouble("database:trouble", joined, recovery)
}

// TestDatabaseFull fills the disk of PostgreSQL's tables.
func TestDatabaseFull(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Options{Disk: int64(128+32*repeat(1)) << 20, WALApart: true})
	url := c.Database(t)
	tr := newDatabaseTrial(t, url, url)
	joined := tr.shared.numbers(t)
	var recovery []time.Duration
	for range repeat(1) {
		recovery = append(recovery, tr.bear(trouble{refuses: true, lasts: lasts(3*time.Second, 20*time.Second),
			begin: func() { c.Fill(t) }, end: func() { c.Free(t) }}))
	}
	tr.endTrouble("database:full", joined, recovery)
}

// TestDatabaseFailover kills the primary and promotes its synchronous standby.
// The nodes know two addresses: the dead server's becomes that of the next standby.
func TestDatabaseFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{Dir: memory()})
	direct := primary.Database(t)
	database := databaseOf(t, direct)
	ways := [2]*pgtest.Proxy{pgtest.StartProxy(t, primary.Addr()), pgtest.StartProxy(t, primary.Addr())}
	ways[1].Refuse()
	both := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		Host: ways[0].Addr() + "," + ways[1].Addr(), RawQuery: "sslmode=disable&target_session_attrs=read-write"}
	tr := newDatabaseTrial(t, direct, both.String())
	joined := tr.shared.numbers(t)
	var recovery []time.Duration
	for n := range repeat(1) {
		standby, way, next := primary.Standby(t, true), ways[n%2], ways[(n+1)%2]
		next.To(standby.Addr())
		next.Heal()
		recovery = append(recovery, tr.bear(trouble{refuses: true, lasts: lasts(2*time.Second, 10*time.Second),
			begin: func() { primary.Kill(t); way.Refuse(); way.Cut() },
			end:   func() { standby.Promote(t); tr.shared.direct = standby.URL(database) }}))
		primary = standby
	}
	tr.endTrouble("database:failover", joined, recovery)
}
