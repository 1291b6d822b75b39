//go:build linux

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// shared is a database that nodes share.
type shared struct {
	direct string   // its URL, past all that may break
	urls   []string // by node: what it is given
	roles  []string // by node
	// concurrency is how many attempts an endpoint gets from a node at once; 0
	// leaves the default, or more under more load.
	concurrency int
}

// newShared is a database for a node of each role, all given the same URL. direct
// is that of the database itself.
func newShared(direct, given string, roles ...string) *shared {
	return &shared{direct: direct, urls: slices.Repeat([]string{given}, len(roles)), roles: roles}
}

// nodes makes the servers; none is started.
func (d *shared) nodes(t *testing.T) (list []*server) {
	t.Helper()
	for i, role := range d.roles {
		s := newServer(t, i+1, "--database-url", d.urls[i], "--role", role, "--node-name", nodeName(i+1),
			"--endpoint-concurrency", strconv.Itoa(cmp.Or(d.concurrency, 16**load)))
		s.role = role
		list = append(list, s)
	}
	return list
}

func nodeName(n int) string { return fmt.Sprintf("node-%d", n) }

// takesPublishes tells whether the node serves the API.
func (s *server) takesPublishes() bool { return s.role != "worker" }

// ask runs a query on the database itself; each is called with each of its rows.
func (d *shared) ask(ctx context.Context, each func(pgx.CollectableRow) error, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.direct)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (struct{}, error) { return struct{}{}, each(r) })
	return err
}

// numbers are those under which the nodes have joined, by server number: each
// joining gives another one. Dead ones have none.
func (d *shared) numbers(t *testing.T) map[int]int64 {
	t.Helper()
	found := map[int]int64{}
	err := d.ask(t.Context(), func(r pgx.CollectableRow) error {
		var number int64
		var name []byte
		if err := r.Scan(&number, &name); err != nil {
			return err
		}
		for i := range d.roles {
			if string(name) == nodeName(i+1) {
				found[i+1] = max(found[i+1], number)
			}
		}
		return nil
	}, "SELECT node, name FROM nodes WHERE NOT dead ORDER BY node")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// stranded is what a node left behind, which the others take over.
type stranded struct {
	seen time.Time       // its last heartbeat; the server's clock is ours
	ids  map[string]bool // deliveries
	// suspects are those of them that wait longer, see waybell.SuspectDeaths.
	suspects map[string]bool
}

// strandedBy reads what a node owns that can do nothing more.
func (d *shared) strandedBy(t *testing.T, number int64) *stranded {
	t.Helper()
	s := &stranded{ids: map[string]bool{}, suspects: map[string]bool{}}
	err := d.ask(t.Context(), func(r pgx.CollectableRow) error { return r.Scan(&s.seen) },
		"SELECT seen_at FROM nodes WHERE node = $1", number)
	if err == nil && s.seen.IsZero() {
		err = fmt.Errorf("node %d is not listed", number)
	}
	if err == nil {
		err = d.ask(t.Context(), func(r pgx.CollectableRow) error {
			var ref waybell.DeliveryRef
			var deaths int
			if err := r.Scan(&ref.Event, &ref.Endpoint, &deaths); err != nil {
				return err
			}
			s.ids[ref.ID()] = true
			if deaths >= waybell.SuspectDeaths {
				s.suspects[ref.ID()] = true
			}
			return nil
		}, "SELECT event, endpoint, deaths + (begun OR adopted AND deaths = 0)::int FROM waiting WHERE owner = $1", number)
	}
	if err != nil {
		t.Fatalf("what node %d left behind: %v", number, err)
	}
	return s
}

// awaitNodes waits until something holds for the nodes that are listed.
func (tr *trial) awaitNodes(what string, holds func(listed map[int]int64) bool) {
	tr.t.Helper()
	tr.await(what, func() bool { return holds(tr.shared.numbers(tr.t)) })
}

// await looks for something until it has happened, a minute at most.
func (tr *trial) await(what string, holds func() bool) {
	tr.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-limit:
			tr.t.Fatalf("%s: has not happened in a minute", what)
		}
	}
}

// awaitAdopted waits until the others have taken over all that a node left.
func (tr *trial) awaitAdopted(number int64) {
	tr.t.Helper()
	tr.await(fmt.Sprintf("the end of node %d", number), func() bool {
		listed := true
		err := tr.shared.ask(tr.t.Context(), func(r pgx.CollectableRow) error { return r.Scan(&listed) },
			"SELECT EXISTS (SELECT FROM nodes WHERE node = $1)", number)
		if err != nil {
			tr.t.Fatal(err)
		}
		return !listed
	})
}

// awaitAgent waits until every node takes events of the agent, as each does within
// a second after another made it. It asks with an event that none takes: whose
// agent it is comes first.
func (tr *trial) awaitAgent() {
	tr.t.Helper()
	began := time.Now()
	for _, s := range tr.nodes {
		if s.takesPublishes() {
			tr.await(fmt.Sprintf("node %d knows the agent", s.number), func() bool {
				err := s.call(tr.t.Context(), http.MethodPost, "/v1/agents/"+agentID+"/events", map[string]any{"event": "no.such.type"}, nil)
				return err != nil && strings.Contains(err.Error(), "answered 422")
			})
		}
	}
	if took := time.Since(began); took > configBar+busyMachine {
		tr.t.Errorf("the nodes know of a new agent after %v, want within %v", took, configBar)
	}
}

// configBar is how long after a change of the configuration all nodes know it.
const configBar = time.Second

// awaitService waits until a node takes publishes and sends.
func (tr *trial) awaitService(s *server) {
	tr.t.Helper()
	since := time.Now()
	accepted := tr.feeder.acceptedBy(s)
	tr.await(fmt.Sprintf("node %d serves", s.number), func() bool {
		return (!s.takesPublishes() || tr.feeder.acceptedBy(s) > accepted) &&
			(s.role == "api" || tr.receiver.lastFrom(s.number).After(since))
	})
}

const (
	// takeoverBar is how long after a node's last heartbeat what it left is
	// attempted again; besideBar how long after its end, if its process was one of
	// the machine of another.
	takeoverBar = 15 * time.Second
	besideBar   = 2 * time.Second
	// leaseSpan is how long after its last confirmed heartbeat a node may start
	// attempts.
	leaseSpan = 8 * time.Second
	// busyMachine is what a machine with two cores and other things to do may
	// add to any of these times.
	busyMachine = 3 * time.Second
)

// takeover tells, for a fault whose node left deliveries behind, when the first
// and the last of them was attempted again after the node's last heartbeat, or after
// the others could know of its end, and how many were. Suspects wait on purpose.
func takeover(index map[string][]hit, f *fault) (first, last time.Duration, n int) {
	for id := range f.stranded.ids {
		if f.stranded.suspects[id] {
			continue
		}
		for _, h := range index[id] {
			after := h.at.Sub(f.stranded.seen)
			switch {
			case !f.beside.IsZero():
				if after = h.at.Sub(f.beside); after <= 0 {
					continue // its own, sent before it died
				}
			case !h.at.After(f.began) || h.node == f.node && after < leaseSpan+busyMachine:
				continue // the same
			}
			if n++; n == 1 || after < first {
				first = after
			}
			last = max(last, after)
			break
		}
	}
	return first, last, n
}

// byDelivery has the requests of each delivery in the order of their arrival.
func byDelivery(hits map[deliveryKey][]hit) map[string][]hit {
	index := make(map[string][]hit, len(hits))
	for _, list := range hits {
		for _, h := range list {
			index[h.delivery] = append(index[h.delivery], h)
		}
	}
	for _, list := range index {
		slices.SortFunc(list, func(a, b hit) int { return a.at.Compare(b.at) })
	}
	return index
}

// judgeTakeovers holds each fault against what the node had in hand and against
// the time in which the others must have it, unless another node was away too.
// It returns the figures for a result.
func (tr *trial) judgeTakeovers(v *verdict) (times, map[string]int64) {
	t := tr.t
	t.Helper()
	index := byDelivery(v.hits)
	var firsts, lasts, beside, soon []time.Duration
	left, again := 0, 0
	over := make([]time.Time, len(tr.faults)) // when each was over
	for i, f := range tr.faults {
		if f.stranded == nil {
			over[i] = f.ended.Add(besideBar)
			continue
		}
		_, last, _ := takeover(index, f)
		over[i] = f.stranded.seen.Add(last)
		if !f.beside.IsZero() {
			over[i] = f.beside.Add(last)
		}
		if over[i].Before(f.ended) {
			over[i] = f.ended
		}
	}
	for i, f := range tr.faults {
		if f.stranded == nil {
			continue
		}
		first, last, n := takeover(index, f)
		left, again = left+len(f.stranded.ids), again+n
		if v.byFault[i] > len(f.stranded.ids) {
			t.Errorf("fault %d made %d duplicates of %d deliveries that node %d had", i, v.byFault[i], len(f.stranded.ids), f.node)
		}
		alone := true
		for j, g := range tr.faults {
			alone = alone && (j == i || g.began.After(over[i]) || over[j].Before(f.began))
		}
		switch {
		case n == 0:
		case !alone:
			beside = append(beside, last)
		case !f.beside.IsZero():
			if soon = append(soon, last); last > besideBar+busyMachine {
				t.Errorf("what node %d left by fault %d was sent again %v to %v after its end, which the others could see, want within %v",
					f.node, i, first, last, besideBar)
			}
		default:
			firsts, lasts = append(firsts, first), append(lasts, last)
			if last > takeoverBar+busyMachine {
				t.Errorf("what node %d left by fault %d was sent again %v to %v after its last heartbeat, want within %v",
					f.node, i, first, last, takeoverBar)
			}
		}
	}
	t.Logf("nodes left %d deliveries, at most %d at once; %d of them were sent again by others; duplicates %d",
		left, mostStranded(tr.faults), again, v.duplicates)
	if len(firsts) > 0 {
		t.Logf("taken over after the last heartbeat, first: %s; last: %s", spread(firsts), spread(lasts))
	}
	if len(soon) > 0 {
		t.Logf("taken over after the end of a process on the same machine, last: %s", spread(soon))
	}
	if len(beside) > 0 {
		t.Logf("taken over while another node was away too, last: %s", spread(beside))
	}
	return times{"taken_over": lasts, "taken_over_beside": beside, "taken_over_soon": soon},
		map[string]int64{"in_hand": int64(left), "in_hand_at_once": int64(mostStranded(tr.faults)), "sent_by_others": int64(again)}
}

func mostStranded(faults []*fault) (most int) {
	for _, f := range faults {
		if f.stranded != nil {
			most = max(most, len(f.stranded.ids))
		}
	}
	return most
}

// seen is what the others can know of the end of a node.
type seen int

const (
	apart  seen = iota // it seems to be of another machine: its heartbeat has to stand still for long
	beside             // the same, until it was read what it left
	atOnce             // its process was of their machine: what it left is taken over before anybody can read it
)

// killNode kills a node, notes what it had, and starts it again. It returns the
// node's number.
func (tr *trial) killNode(s *server, how seen) int64 {
	tr.t.Helper()
	number := tr.shared.numbers(tr.t)[s.number]
	process := ""
	if how != atOnce {
		process = tr.shared.moveAway(tr.t, number)
	}
	f := tr.duringOf(s, killed, s.kill)
	if how != atOnce {
		f.stranded = tr.shared.strandedBy(tr.t, number)
	}
	if how == beside {
		f.beside = time.Now()
		tr.shared.moveTo(tr.t, number, process)
	}
	s.start()
	return number
}

// moveAway makes a node one of another machine, as far as the others can know, and
// returns which process it is.
func (d *shared) moveAway(t *testing.T, number int64) (process string) {
	t.Helper()
	err := d.ask(t.Context(), func(r pgx.CollectableRow) error { return r.Scan(&process) },
		"SELECT process FROM processes WHERE node = $1", number)
	if err != nil || process == "" {
		t.Fatalf("the process of node %d is %q: %v", number, process, err)
	}
	d.moveTo(t, number, "")
	return process
}

func (d *shared) moveTo(t *testing.T, number int64, process string) {
	t.Helper()
	err := d.ask(t.Context(), func(pgx.CollectableRow) error { return nil }, "UPDATE processes SET process = $2 WHERE node = $1", number, process)
	if err != nil {
		t.Fatal(err)
	}
}

// memory is where short runs have their database: an fsync costs nothing there,
// and the faults of processes are as real.
func memory() string {
	if *long {
		return ""
	}
	return pgtest.Memory()
}

// lasts is how long a fault lasts, in short and in full.
func lasts(short, full time.Duration) time.Duration {
	if *long {
		return full
	}
	return short
}

// TestNodesKill kills one of three nodes at any moment, some as processes of the
// others' machine and some as of another one, and every fourth time one more while
// what the first had is still waiting. What a node had in hand is sent by the others, or by its next
// process, nothing else comes twice, and nothing is lost.
func TestNodesKill(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t, pgtest.Options{Dir: memory()}).Database(t)
	tr := newTrial(t, options{temper: temper{fail: 4, hang: 2, reset: 2, slow: 50, slowness: 400 * time.Millisecond},
		timeout: hangTimeout, shared: newShared(url, url, "all", "all", "all")})
	var gone []int64
	kinds := [...]seen{atOnce, apart, apart, atOnce, beside, apart, apart, atOnce}
	for n := range repeat(2) {
		tr.pause(200*time.Millisecond, 1500*time.Millisecond)
		how := kinds[n%len(kinds)]
		gone = append(gone, tr.killNode(tr.nodes[tr.rng.IntN(len(tr.nodes))], how))
		if n%4 != 2 {
			for _, number := range gone {
				tr.awaitAdopted(number)
			}
			gone = nil
			tr.pause(besideBar, besideBar+time.Second) // until all is sent
		}
		if n%10 == 9 {
			c := tr.feeder.count()
			t.Logf("%s: %d cycles, %d events accepted", time.Now().Format(clock), n+1, c.accepted)
		}
	}
	v := tr.end()
	if v.accepted == 0 || v.requests <= v.deliveries {
		t.Errorf("the load or the faults did not happen: %d of %d", v.requests, v.deliveries)
	}
	took, counts := tr.judgeTakeovers(v)
	tr.record("nodes:kill", len(tr.faults), v, took, counts)
}

// TestNodesFreeze stops one of three nodes behind a PgBouncer for so long that
// the others take over, and lets it go on. It overwrites nothing, joins anew and
// serves again.
func TestNodesFreeze(t *testing.T) {
	t.Parallel()
	direct := pgtest.Start(t, pgtest.Options{Dir: memory()}).Database(t)
	bouncer := pgtest.StartBouncer(t, direct, nil)
	tr := newTrial(t, options{temper: temper{fail: 4, hang: 2, reset: 2, slow: 50, slowness: 400 * time.Millisecond},
		timeout: hangTimeout, shared: newShared(direct, bouncer.URL(databaseOf(t, direct)), "all", "all", "all")})
	var joined []time.Duration
	for range repeat(1) {
		tr.pause(300*time.Millisecond, 1500*time.Millisecond)
		s := tr.nodes[tr.rng.IntN(len(tr.nodes))]
		number := tr.shared.numbers(t)[s.number]
		f := tr.duringOf(s, frozen, func() {
			s.signal(syscall.SIGSTOP)
			tr.pause(8*time.Second, 9*time.Second) // its transactions have ended, see tx.go
			tr.faults[len(tr.faults)-1].stranded = tr.shared.strandedBy(t, number)
			tr.pauseUntil(tr.faults[len(tr.faults)-1].began.Add(lasts(16*time.Second, time.Minute)))
			s.signal(syscall.SIGCONT)
		})
		tr.awaitNodes("the node joins anew", func(listed map[int]int64) bool { return listed[s.number] > number })
		joined = append(joined, time.Since(f.ended))
		tr.awaitService(s)
	}
	v := tr.end()
	took, counts := tr.judgeTakeovers(v)
	took["joined_again"] = joined
	t.Logf("joined anew after the freeze: %s", spread(joined))
	tr.record("nodes:freeze", len(tr.faults), v, took, counts)
}

// TestNodesTerminate restarts one node after the other in order, two that serve
// the API and two that deliver. Receivers answer within the grace: nothing is
// lost, nothing comes twice, and no publish is taken without its answer.
func TestNodesTerminate(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t, pgtest.Options{Dir: memory()}).Database(t)
	tr := newTrial(t, options{temper: temper{fail: 4, reset: 2, slow: 50, slowness: 400 * time.Millisecond},
		timeout: calmTimeout, shared: newShared(url, url, "api", "api", "worker", "worker")})
	var stopped, ready []time.Duration
	for range repeat(1) {
		for _, s := range tr.nodes {
			tr.pause(200*time.Millisecond, 1200*time.Millisecond)
			tr.duringOf(s, terminated, func() { stopped = append(stopped, s.terminate()) })
			ready = append(ready, s.start())
		}
	}
	v := tr.end()
	if v.duplicates > 0 {
		t.Errorf("%d deliveries came twice", v.duplicates)
	}
	if v.silent > 0 {
		t.Errorf("%d publishes were taken and not answered", v.silent)
	}
	if listed := tr.shared.numbers(t); len(listed) != len(tr.nodes) {
		t.Errorf("listed are %v", slices.Sorted(maps.Keys(listed)))
	}
	t.Logf("stopped: %s; ready again: %s", spread(stopped), spread(ready))
	tr.record("nodes:terminate", repeat(1), v, times{"stopped": stopped, "ready": ready}, nil)
}

// databaseOf is the name of the database of a URL.
func databaseOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}
