//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/binarytest"
)

var (
	cycles = flag.Int("chaos.cycles", 0, "how often each fault happens; 0 = some times")
	long   = flag.Bool("chaos.long", false, "let the faults of nodes and databases last as long as docs/reliability.md says")
	load   = flag.Int("chaos.load", 1, "load on several nodes, in 200 events a second")
	seed   = flag.Int64("chaos.seed", 0, "of the random moments; 0 = another one each time")
)

// built is the binary under test.
var built = binarytest.Binary{Version: stamp(0)}

// copies are the files of the binary under test by the number of their node.
var copies struct {
	mu    sync.Mutex
	paths map[int]string
}

const stampFormat = "chaos-node-%03d"

// stamp is the version of the binary that runs as node n. It is in the
// User-Agent of every request, so the receiver knows which node sent it.
func stamp(n int) string { return fmt.Sprintf(stampFormat, n) }

// stamped is the binary under test with the version of node n: a copy in which
// that string is another.
func stamped(t *testing.T, n int) string {
	t.Helper()
	original := built.Path(t)
	copies.mu.Lock()
	defer copies.mu.Unlock()
	if path := copies.paths[n]; path != "" {
		return path
	}
	b, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(stamp(0))) {
		t.Fatal("the binary does not hold its version")
	}
	path := filepath.Join(built.Dir(), stamp(n))
	if err := os.WriteFile(path, bytes.ReplaceAll(b, []byte(stamp(0)), []byte(stamp(n))), 0o755); err != nil {
		t.Fatal(err)
	}
	if copies.paths == nil {
		copies.paths = map[int]string{}
	}
	copies.paths[n] = path
	return path
}

func TestMain(m *testing.M) { os.Exit(built.Main(m)) }

// trial is a server, or several nodes, under load.
type trial struct {
	t        *testing.T
	server   *server   // the first node
	nodes    []*server // all
	feeder   *feeder
	receiver *receiver
	paths    map[string]string // endpoint id → path
	faults   []*fault
	rng      *rand.Rand
	lag      time.Duration
	unsure   bool
	shared   *shared // the database of several nodes
	targets  []*target
	patience time.Duration // to drain
	seed     int64
	began    time.Time
}

// options of a trial.
type options struct {
	temper  temper
	timeout time.Duration // of the endpoints
	dir     string        // "" = a temporary one
	prepare func(start func() error) error
	// arm, if set, is called before the nodes start.
	arm func(*trial)
	// shared is the database that nodes share; nil = one node on the embedded
	// store.
	shared *shared
	// points has the first node run the binary with the points.
	points bool
}

// newTrial starts the nodes with an agent, an endpoint for each of two profiles,
// and the load.
func newTrial(t *testing.T, o options) *trial {
	t.Helper()
	from := random(t)
	tr := &trial{t: t, paths: map[string]string{}, rng: rand.New(rand.NewPCG(uint64(from), 0)), lag: settleLag,
		shared: o.shared, seed: from, began: time.Now(), patience: 6 * time.Minute}
	tr.targets = []*target{newTarget(t, "standard"), newTarget(t, "chatzuri")}
	tr.receiver = newReceiver(t, o.temper, uint64(from), tr.targets...)
	tr.receiver.timeout = o.timeout
	if o.shared != nil {
		tr.nodes = o.shared.nodes(t)
	} else {
		if o.dir == "" {
			o.dir = filepath.Join(t.TempDir(), "data")
		}
		tr.nodes = []*server{newServer(t, 1, "--data-dir", o.dir)}
	}
	tr.server = tr.nodes[0]
	if o.points {
		tr.server.binary = pointBinary(t)
	}
	if o.arm != nil {
		o.arm(tr)
	}
	for _, s := range tr.nodes { // several migrate at once
		s.prepare = o.prepare
		s.launch()
	}
	for _, s := range tr.nodes {
		s.ready()
	}
	agent := map[string]any{"id": agentID, "name": "Chaos"}
	if err := tr.server.call(t.Context(), http.MethodPost, "/v1/agents", agent, nil); err != nil {
		t.Fatal(err)
	}
	for _, x := range tr.targets {
		var made struct {
			ID string `json:"id"`
		}
		err := tr.server.call(t.Context(), http.MethodPost, "/v1/agents/"+agentID+"/endpoints", map[string]any{
			"url": tr.receiver.URL(x.path), "events": []string{"*"}, "profile": x.profile, "secret": x.secret,
			"timeout_seconds": int(o.timeout / time.Second),
			"retry":           map[string]any{"schedule_seconds": []int{1, 1, 2, 2, 3, 3, 5, 5, 5, 5, 5, 5}},
		}, &made)
		if err != nil {
			t.Fatal(err)
		}
		tr.paths[made.ID] = x.path
	}
	tr.awaitAgent()
	tr.feeder = startFeeder(t, tr.nodes)
	return tr
}

// random is the seed of a test's random moments.
func random(t *testing.T) int64 {
	t.Helper()
	from := *seed
	if from == 0 {
		from = rand.Int64()
	}
	t.Logf("seed %d", from)
	return from
}

// settleLag is how long after its answer, or the end of its time, the outcome of an
// attempt may take to become durable: some milliseconds, unless the machine is busy
// with other things.
const settleLag = 3 * time.Second

// Timeouts of endpoints whose receivers sometimes never answer, and of the others.
// On a busy machine a sender may read an answer a second and more after it came:
// what it then takes for a timeout comes again.
const (
	hangTimeout = 5 * time.Second
	calmTimeout = 10 * time.Second
)

// repeat tells how many cycles to run.
func repeat(standard int) int {
	if *cycles > 0 {
		return *cycles
	}
	return standard
}

// pause waits for a random time.
func (tr *trial) pause(least, most time.Duration) {
	tr.t.Helper()
	tr.pauseUntil(time.Now().Add(least + time.Duration(tr.rng.Int64N(int64(most-least)))))
}

// pauseUntil waits for a moment. No node that was started may have ended then.
func (tr *trial) pauseUntil(at time.Time) {
	tr.t.Helper()
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	<-timer.C
	for _, s := range tr.nodes {
		if s.cmd != nil && !s.running() {
			tr.t.Fatalf("node %d ended by itself: %v", s.number, s.cmd.ProcessState)
		}
	}
}

// during records a fault of the first node while it lasts.
func (tr *trial) during(kind faultKind, do func()) *fault { return tr.duringOf(tr.server, kind, do) }

// duringOf records a fault of a node, or of all if it is nil, while it lasts.
func (tr *trial) duringOf(s *server, kind faultKind, do func()) *fault {
	f := &fault{kind: kind, began: time.Now()}
	if s != nil {
		f.node = s.number
	}
	tr.faults = append(tr.faults, f)
	do()
	f.ended = time.Now()
	return f
}

// end stops the load, lets the nodes drain and judges.
func (tr *trial) end() *verdict {
	t := tr.t
	t.Helper()
	e := &evidence{paths: tr.paths, faults: tr.faults, lag: tr.lag, unsure: tr.unsure, timeout: tr.receiver.timeout, attempts: tr.attempts}
	var problems []string
	e.publishes, problems = tr.feeder.finish()
	// A delivery during which three processes died waits a minute and more, see
	// docs/delivery.md.
	ctx, cancel := context.WithTimeout(t.Context(), tr.patience)
	defer cancel()
	began := time.Now()
	if err := tr.server.drained(ctx); err != nil {
		var left []logged
		err = errors.Join(err, pages(t.Context(), tr.server, "deliveries", func(d logged) {
			if slices.Contains([]string{"pending", "retrying", "held"}, d.State) {
				left = append(left, d)
			}
		}))
		t.Fatalf("%v\n%d wait, such as %+v", err, len(left), left[:min(len(left), 20)])
	}
	drain := time.Since(began)
	if err := tr.receiver.WaitIdle(ctx, 1); err != nil {
		t.Fatal(err)
	}
	tr.read(e)
	var unlike []string
	e.hits, unlike = tr.receiver.take()
	v := judge(e)
	v.hits = e.hits
	v.complaints = slices.Concat(v.complaints, problems, unlike)
	slices.Sort(v.complaints)
	for i, c := range v.complaints {
		if i == 20 {
			t.Errorf("… and %d more", len(v.complaints)-i)
			break
		}
		t.Error(c)
	}
	c := tr.feeder.count()
	t.Logf("%d faults; %d events accepted, %d requests refused (503), %d connections refused, %d broken %v; %d events taken without a 202",
		len(tr.faults), v.accepted, c.busy, c.refused, c.broken, tr.feeder.breaks, v.silent)
	t.Logf("%d deliveries by %d requests; drained in %v", v.deliveries, v.requests, drain.Round(time.Millisecond))
	t.Logf("%d duplicates, first answered at most %v before the fault; by each fault: %v; %d after an answer that came too late",
		v.duplicates, v.oldest.Round(time.Millisecond), v.byFault, v.late)
	return v
}

// attempts are those of a delivery in the server's log.
func (tr *trial) attempts(delivery string) []tried {
	tr.t.Helper()
	var d struct {
		Log []tried `json:"attempt_log"`
	}
	if err := tr.server.read(tr.t.Context(), "/v1/agents/"+agentID+"/deliveries/"+delivery, &d); err != nil {
		tr.t.Fatal(err)
	}
	return d.Log
}

// read takes the ledger and the log of a drained store into the evidence.
func (tr *trial) read(e *evidence) {
	t := tr.t
	t.Helper()
	ctx := t.Context()
	var err error
	if e.ledger, err = tr.server.ledger(ctx); err != nil {
		t.Fatal(err)
	}
	err = pages(ctx, tr.server, "deliveries", func(d logged) { e.log = append(e.log, d) })
	if err != nil {
		t.Fatal(err)
	}
	err = pages(ctx, tr.server, "events", func(x struct{ ID string }) { e.events = append(e.events, x.ID) })
	if err != nil {
		t.Fatal(err)
	}
}

// spread describes durations.
func spread(all []time.Duration) string {
	slices.Sort(all)
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("median %v, most %v", round(all[len(all)/2]), round(all[len(all)-1]))
}

// TestKill kills the process at any moment, every fifth time while it starts.
// Nothing accepted is lost, and what comes twice is what the killed process had
// not made durable.
func TestKill(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, options{temper: temper{fail: 4, hang: 2, reset: 2}, timeout: hangTimeout})
	var ready []time.Duration
	for n := range repeat(8) {
		if n%5 == 4 {
			tr.during(killed, func() { tr.server.kill(); tr.server.launch() })
			tr.pause(0, 150*time.Millisecond)
		} else {
			tr.pause(200*time.Millisecond, 1500*time.Millisecond)
		}
		tr.during(killed, tr.server.kill)
		ready = append(ready, tr.server.start())
	}
	v := tr.end()
	if v.accepted == 0 || v.requests <= v.deliveries {
		t.Errorf("the load or the faults did not happen: %+v", v)
	}
	t.Logf("ready again: %s", spread(ready))
	tr.record("kill", repeat(8), v, times{"ready": ready}, nil)
}

// TestTerminate restarts in order, again and again. Receivers answer within the
// grace: nothing is lost, nothing comes twice, and no publish is taken without
// its answer.
func TestTerminate(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, options{temper: temper{fail: 4, reset: 2, slow: 10, slowness: 300 * time.Millisecond}, timeout: calmTimeout})
	var stopped, ready []time.Duration
	for range repeat(5) {
		tr.pause(200*time.Millisecond, 1200*time.Millisecond)
		tr.during(terminated, func() { stopped = append(stopped, tr.server.terminate()) })
		ready = append(ready, tr.server.start())
	}
	v := tr.end()
	if v.duplicates > 0 {
		t.Errorf("%d deliveries came twice", v.duplicates)
	}
	if v.silent > 0 {
		t.Errorf("%d publishes were taken and not answered", v.silent)
	}
	t.Logf("stopped: %s; ready again: %s", spread(stopped), spread(ready))
	tr.record("terminate", len(stopped), v, times{"stopped": stopped, "ready": ready}, nil)
}

// TestFreeze stops the process for longer than its attempts may take, and lets
// it go on. Only what was under way may come twice.
func TestFreeze(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, options{temper: temper{fail: 4, hang: 2, reset: 2}, timeout: hangTimeout})
	for range repeat(2) {
		tr.pause(300*time.Millisecond, 1000*time.Millisecond)
		tr.during(frozen, func() {
			tr.server.signal(syscall.SIGSTOP)
			tr.pause(hangTimeout, hangTimeout+2*time.Second)
			tr.server.signal(syscall.SIGCONT)
		})
	}
	v := tr.end()
	if limit := 2 * concurrency; slices.Max(v.byFault) > limit {
		t.Errorf("a freeze made %d duplicates; %d attempts may be under way", slices.Max(v.byFault), limit)
	}
	tr.record("freeze", len(tr.faults), v, nil, nil)
}

// concurrency is how many attempts an endpoint gets at once (the default of
// endpoint-concurrency).
const concurrency = 16
