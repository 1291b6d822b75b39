//go:build linux

package chaos

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell/internal/chaos/point"
	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/pgtest"
)

var onlyPoint = flag.String("chaos.point", "", "of the points only those whose names begin so")

// namedPoint is a point at which the process is killed.
type namedPoint struct {
	name string // of the programme
	hook string // of the point in the source, if it is another one
	most int    // the process dies at one of so many passes; 0 = 1
	// starting: the point comes before the server takes publishes.
	starting bool
	soon     bool // passes count from the start; otherwise after a while
	// down is done before the process starts, up when it takes publishes: what leads
	// to the point, where the load does not.
	down, up func(*pointTrial)
	// tries is how often up may have to be done again, where the engine has two ways
	// and one of them leads to the point.
	tries int
	// restarts is how often another process may have to be started until one comes to
	// the point.
	restarts int
	// after is done with the next process, before the next point.
	after func(*pointTrial)
}

// pointTrial is a trial of one node that is killed at points.
type pointTrial struct {
	*trial
	side *side
	dir  string    // of the embedded store
	keys int       // how often the encryption key was changed
	cut  time.Time // since when its connections to the database are cut; zero when they are not
}

// found is what was measured of a point.
type found struct {
	faults []int // indices
	events int   // accepted meanwhile
	ready  []time.Duration
}

// commonPoints are those of both stores. Each is between two things that must
// both have happened, or none, or the one before the other.
func commonPoints() []*namedPoint {
	return []*namedPoint{
		{name: "publish.before", most: 40},
		{name: "publish.written", most: 40},
		{name: "publish.after", most: 40},
		{name: "publish.answered", most: 40},
		{name: "claim.after", most: 3},
		{name: "settle.before", most: 40},
		{name: "settle.written", most: 40},
		{name: "settle.after", most: 40},
		{name: "retry.after", most: 3},
		{name: "pause.after", hook: "endpoint.after", soon: true, up: (*pointTrial).pauseAndResume, after: (*pointTrial).resume},
		{name: "resume.after", hook: "endpoint.after", soon: true, up: (*pointTrial).resume, down: (*pointTrial).hold},
		{name: "held.after", soon: true, up: (*pointTrial).pauseAndResume},
		{name: "cancel.piece", soon: true, tries: 3, up: (*pointTrial).cancelHeld, after: (*pointTrial).sideSettled},
		{name: "adopt.before", soon: true, down: (*pointTrial).leaveSome},
		{name: "adopt.piece", soon: true, down: (*pointTrial).leaveSome},
		{name: "rotate.before", hook: "endpoint.before", soon: true, up: (*pointTrial).rotate},
		{name: "rotate.after", hook: "endpoint.after", soon: true, up: (*pointTrial).rotate},
		{name: "reencrypt.piece", hook: "endpoint.after", most: sideEndpoints, soon: true,
			down: (*pointTrial).changeKey, after: (*pointTrial).keyChanged},
		{name: "sweep.piece", most: 2, soon: true, restarts: oldTries, down: (*pointTrial).addOld, after: (*pointTrial).oldGone},
		{name: "stop.step", most: 7, soon: true, up: (*pointTrial).stop},
		{name: "join.after", starting: true, soon: true},
		{name: "load.after", starting: true, soon: true},
	}
}

// TestPoints kills the process at each point of the engine on the embedded store.
func TestPoints(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	testPoints(t, &pointTrial{dir: dir}, options{dir: dir}, append(commonPoints(),
		&namedPoint{name: "migrate.before", most: 4, starting: true, soon: true, down: (*pointTrial).downgrade},
		&namedPoint{name: "migrate.within", most: 4, starting: true, soon: true, down: (*pointTrial).downgrade},
		&namedPoint{name: "migrate.after", most: 4, starting: true, soon: true, down: (*pointTrial).downgrade},
	))
}

// TestPointsShared kills the process at each point of the engine on PostgreSQL, where
// besides the node reads back what it owns after a commit of unknown outcome. Short
// runs give a dead node 2 s instead of 12, as there is no other one that might still
// send, and choose some points by the seed: each takes seconds here.
func TestPointsShared(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t, pgtest.Options{Dir: memory()}).Database(t)
	testPoints(t, &pointTrial{}, options{shared: newShared(url, url, "all")}, append(commonPoints(),
		&namedPoint{name: "readback.before", soon: true, up: (*pointTrial).cutBackends},
		&namedPoint{name: "readback.after", soon: true, up: (*pointTrial).cutBackends},
	))
}

// TestPointsMigration kills a node while it makes the schema, beside another that
// starts at the same moment and must get it.
func TestPointsMigration(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Start(t, pgtest.Options{Dir: memory()})
	began := time.Now()
	for _, name := range []string{"migrate.before", "migrate.within", "migrate.after"} {
		if !strings.HasPrefix(name, *onlyPoint) {
			continue
		}
		var ready, other []time.Duration
		n := repeat(1)
		for range n {
			url := cluster.Database(t)
			killed, second := newServer(t, 1, "--database-url", url), newServer(t, 2, "--database-url", url)
			killed.binary, second.binary = pointBinary(t), pointBinary(t)
			killed.env = []string{point.Env + "=" + name}
			killed.launch()
			p := &pointTrial{trial: &trial{t: t, server: killed}}
			p.awaitEnd(&namedPoint{name: name})
			other = append(other, second.start())
			killed.env = nil
			ready = append(ready, killed.start())
			for _, s := range []*server{killed, second} {
				s.terminate()
			}
		}
		record(t, began, result.Result{Programme: "point:" + name, Store: sharedStore, Cycles: n,
			Times: times{"ready": ready, "other_ready": other}.figures()})
	}
}

// somePoints are how many of PostgreSQL's a short run passes.
const somePoints = 8

func testPoints(t *testing.T, p *pointTrial, o options, points []*namedPoint) {
	t.Helper()
	o.temper, o.timeout, o.points = temper{fail: 5, reset: 2, slow: 10, slowness: 100 * time.Millisecond}, calmTimeout, true
	p.trial = newTrial(t, o)
	p.patience = 20 * time.Minute // a delivery during which six processes died waits 8 minutes by itself
	p.unsure = o.shared != nil    // of a commit that broke off nobody knows whether it happened
	p.server.args = append(p.server.args, "--retention", "30d")
	p.side = newSide(t, p.trial)
	p.kill()
	for o.shared != nil && *cycles == 0 && *onlyPoint == "" && len(points) > somePoints {
		i := p.rng.IntN(len(points))
		points = slices.Delete(points, i, i+1)
	}
	all := map[string]*found{}
	for range repeat(1) {
		for _, x := range points {
			if strings.HasPrefix(x.name, *onlyPoint) {
				if all[x.name] == nil {
					all[x.name] = &found{}
				}
				p.run(x, all[x.name])
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("no point begins with %q", *onlyPoint)
	}
	p.server.env = nil
	p.server.start()
	p.side.end(p)
	v := p.end()
	if v.accepted == 0 || v.requests <= v.deliveries {
		t.Errorf("the load or the faults did not happen: %d of %d", v.requests, v.deliveries)
	}
	for _, x := range points {
		if f := all[x.name]; f != nil {
			p.recordPoint(x.name, f, v)
		}
	}
}

// recordPoint writes what the faults at one point did. What was lost, came twice
// unexplained, or was answered late is that of the whole trial: which fault it was nobody can tell.
func (p *pointTrial) recordPoint(name string, f *found, v *verdict) {
	counts := map[string]int64{"events": int64(f.events), "lost": int64(v.lost), "unexplained": int64(v.unexplained)}
	if v.late > 0 {
		counts["late"] = int64(v.late)
	}
	for _, i := range f.faults {
		counts["explained"] += int64(v.byFault[i])
		counts["explained_by_one"] = max(counts["explained_by_one"], int64(v.byFault[i]))
	}
	p.t.Logf("%-16s %d times, %d duplicates", name, len(f.faults), counts["explained"])
	record(p.t, p.began, result.Result{Programme: "point:" + name, Store: p.store(), Seed: p.seed, Cycles: len(f.faults),
		Counts: counts, Times: times{"ready": f.ready}.figures(), Note: p.note()})
}

// run has the process die at a point, and leaves it down, or goes on with the next
// one where the point says so.
func (p *pointTrial) run(x *namedPoint, f *found) {
	t := p.t
	t.Helper()
	if x.down != nil {
		x.down(p)
	}
	before := p.feeder.count().accepted
	p.server.log.clear()
	p.server.env = []string{fmt.Sprintf("%s=%s:%d", point.Env, cmp.Or(x.hook, x.name), 1+p.rng.IntN(max(x.most, 1)))}
	if !x.soon {
		p.server.env = append(p.server.env, fmt.Sprintf("%s=%dms", point.EnvAfter, 300+p.rng.IntN(500)))
	}
	p.deadSoon()
	p.server.launch()
	if !x.starting && p.readyOrEnded() && x.up != nil {
		x.up(p)
	}
	for range x.tries {
		if p.endedWithin(restartAfter) {
			break
		}
		x.up(p)
	}
	for range x.restarts { // it looks at its start, and may find others in the way
		if p.endedWithin(restartAfter) {
			break
		}
		p.kill()
		p.server.launch()
	}
	p.awaitEnd(x)
	f.faults = append(f.faults, len(p.faults)-1)
	// The next process is the one that shows how soon all works again.
	p.server.env = nil
	p.deadSoon()
	f.ready = append(f.ready, p.server.start())
	if x.after != nil {
		x.after(p)
	}
	accepted := p.feeder.count().accepted
	p.feeder.until("publishing works again", func(c feedCounts) bool { return c.accepted >= accepted+20 })
	f.events += p.feeder.count().accepted - before
	p.kill()
}

// deadSoon has a node count as dead sooner in short runs.
func (p *pointTrial) deadSoon() {
	if !*long {
		p.server.env = append(p.server.env, point.EnvDead+"=2s")
	}
}

// kill kills the process by a signal, as TestKill does.
func (p *pointTrial) kill() { p.during(killed, p.server.kill) }

// readyOrEnded waits until publishing works, false if the process ended before.
func (p *pointTrial) readyOrEnded() bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Minute); ; {
		select {
		case <-p.server.exited:
			return false
		case <-limit:
			p.t.Fatal("the server is not ready after a minute")
		case <-tick.C:
		}
		if res, err := p.server.client.Get("http://" + p.server.addr + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
	}
}

// restartAfter is how long a process gets to do what it does at its start.
const restartAfter = 10 * time.Second

// endedWithin waits for the end of the process for so long.
func (p *pointTrial) endedWithin(d time.Duration) bool {
	select {
	case <-p.server.exited:
		return true
	case <-time.After(d):
		return false
	}
}

// awaitEnd waits until the process has died at the point.
func (p *pointTrial) awaitEnd(x *namedPoint) {
	t := p.t
	t.Helper()
	select {
	case <-p.server.exited:
	case <-time.After(time.Minute):
		t.Fatalf("%s: not reached in a minute", x.name)
	}
	status, _ := p.server.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGKILL || !p.server.log.has("point: "+cmp.Or(x.hook, x.name)) {
		t.Fatalf("%s: the process ended otherwise: %v", x.name, p.server.cmd.ProcessState)
	}
	p.server.cmd = nil
	now := time.Now()
	f := &fault{kind: killed, node: p.server.number, began: now, ended: now}
	if !p.cut.IsZero() {
		f.stale, p.cut = now.Sub(p.cut), time.Time{}
	}
	p.faults = append(p.faults, f)
}

// endpoint makes a call about the endpoint of a path. It may get no answer: the
// process dies of it.
func (p *pointTrial) endpoint(path, action string, body any) {
	for id, other := range p.paths {
		if other == path {
			p.act(http.MethodPost, "/v1/agents/"+agentID+"/endpoints/"+id+"/"+action, body)
		}
	}
}

// act makes a call of which the process may die.
func (p *pointTrial) act(method, path string, body any) {
	p.t.Helper()
	err := p.server.call(p.t.Context(), method, path, body, nil)
	if err != nil && strings.Contains(err.Error(), "answered") {
		p.t.Error(err)
	}
}

// held waits until an endpoint of the agent holds deliveries, or the process has
// died.
func (p *pointTrial) held() {
	p.await("deliveries are held", func() bool {
		l, err := p.server.ledger(p.t.Context())
		return err == nil && l.Held >= 30 || !p.server.running()
	})
}

// pauseAndResume lets deliveries of an endpoint be held, and then sent.
func (p *pointTrial) pauseAndResume() {
	p.endpoint("/standard", "pause", nil)
	if !p.server.running() {
		return
	}
	p.held()
	p.endpoint("/standard", "resume", nil)
}

// hold leaves a store with deliveries that are held.
func (p *pointTrial) hold() {
	p.server.env = nil
	p.server.start()
	p.endpoint("/standard", "pause", nil)
	p.held()
	p.kill()
}

func (p *pointTrial) resume() { p.endpoint("/standard", "resume", nil) }

// leaveSome leaves a store with deliveries that the killed process had in hand.
func (p *pointTrial) leaveSome() {
	p.server.env = nil
	p.server.start()
	p.receiver.behave(p.server.number, temper{slow: 100, slowness: 1900 * time.Millisecond})
	before := p.feeder.count()
	p.feeder.until("deliveries are in hand", func(c feedCounts) bool { return c.accepted >= before.accepted+100 })
	p.kill()
	p.receiver.behave(p.server.number, p.receiver.temper)
}

// rotate gives an endpoint another secret. Whether it has it when the process died
// nobody knows: both may sign from then on.
func (p *pointTrial) rotate() {
	x := p.targets[p.rng.IntN(len(p.targets))]
	p.endpoint(x.path, "secret/rotate", map[string]any{"secret": x.rotate(p.t)})
}

// stop asks the process to end in order.
func (p *pointTrial) stop() { p.server.signal(syscall.SIGTERM) }

// changeKey puts another encryption key in front.
func (p *pointTrial) changeKey() {
	p.keys++
	p.server.keys = numberedKey(p.keys) + "," + p.server.keys
}

// keyChanged waits until all is encrypted with the first key, and leaves the others
// out from then on.
func (p *pointTrial) keyChanged() {
	p.kill()
	p.server.log.clear()
	p.server.args = append(p.server.args, "--log-level", "info")
	p.server.start()
	p.await("all is encrypted with the first key", func() bool { return p.server.log.has("everything is encrypted with the first encryption key") })
	p.server.args = p.server.args[:len(p.server.args)-2]
	p.server.keys, _, _ = strings.Cut(p.server.keys, ",")
}

// cutBackends ends all connections of the node to the database again and again,
// each time once it has taken events anew, until one of them breaks in a commit. What
// outcomes wait for is no more durable meanwhile than without room.
func (p *pointTrial) cutBackends() {
	p.cut = time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.server.running() {
		taken := p.feeder.count().accepted + 1 + p.rng.IntN(5)
		for limit := time.Now().Add(time.Second); p.server.running() && p.feeder.count().accepted < taken && time.Now().Before(limit); {
			<-tick.C
		}
		err := p.shared.ask(p.t.Context(), func(pgx.CollectableRow) error { return nil }, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			p.t.Fatal(err)
		}
	}
}
