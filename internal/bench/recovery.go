package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// recovery is S6: a backlog of retries, of which two endpoints' become due: one
// whose time came, and one whose breaker is open until a probe succeeds.
func recovery(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "S6", What: fmt.Sprintf("%d pending retries of %d endpoints; those of two become due beside %d other endpoints, %d events/s",
		o.Waiting, backlogEndpoints, healthyEndpoints, healthyPerSecond),
		Figures: map[string]float64{}, OverTime: map[string][]Span{}}
	return withReceiver(func(r *receiver) (*Result, error) {
		t := &recoveryTest{o: o, res: res, r: r}
		defer func() {
			if t.store == nil {
				return
			}
			if err := t.store.discard(ctx); err != nil {
				o.progress("the store is left: %v", err)
			}
		}()
		for _, step := range []func(context.Context) error{t.alone, t.fill, t.recover} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
		t.judge()
		return res, nil
	})
}

const (
	healthyEndpoints = 9
	healthyPerSecond = 30
	// restTime is how long the others' latency is measured beside a backlog that
	// rests. A breaker is probed at the start and ten seconds later.
	restTime = 8 * time.Second
	// dueAfter is when the rows of the one endpoint are due, seen from before the
	// server starts.
	dueAfter = 18 * time.Second
	// slowRecovery is what the receiver behind the breaker needs for an answer
	// once it is back: its backlog then lasts for some seconds.
	slowRecovery = 10 * time.Millisecond
	recoveryMost = 2 * time.Minute
)

// recoveryTest is one run of S6.
type recoveryTest struct {
	o       *Options
	res     *Result
	r       *receiver
	store   store
	backlog backlog
	ids     []string // of the backlog's endpoints
	empty   Percentiles
	rest    Percentiles
	drain   Percentiles
	comeback
}

// comeback is what the receiver saw of the two endpoints.
type comeback struct {
	mu         sync.Mutex
	back       bool      // the one behind the breaker answers again
	probed     time.Time // when its first answer was given
	afterProbe time.Time // when its second request came
	firstDue   time.Time // when the first of the other came
	last       time.Time // of either
	count      [2]int    // due, behind the breaker
}

const (
	duePath    = "/backlog/0"
	brokenPath = "/backlog/1"
)

// answer is the hook of the receiver.
func (c *comeback) answer(w http.ResponseWriter, req *http.Request) bool {
	now := time.Now()
	path, probe := req.URL.Path, false
	c.mu.Lock()
	switch {
	case path == duePath:
		if c.firstDue.IsZero() {
			c.firstDue = now
		}
		c.count[0]++
	case path == brokenPath && c.back:
		if probe = c.count[1] == 0; !probe && c.afterProbe.IsZero() {
			c.afterProbe = now
		}
		c.count[1]++
	}
	refuse := strings.HasPrefix(path, "/backlog/") && path != duePath && (path != brokenPath || !c.back)
	if strings.HasPrefix(path, "/backlog/") && !refuse {
		c.last = now
	}
	c.mu.Unlock()
	if refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	}
	if path == brokenPath {
		wait := time.NewTimer(slowRecovery)
		defer wait.Stop()
		<-wait.C
	}
	if probe {
		c.mu.Lock()
		c.probed = time.Now()
		c.mu.Unlock()
	}
	return true
}

// drained tells whether both backlogs of n are gone.
func (c *comeback) drained(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[0] >= n && c.count[1] >= n
}

// alone measures the healthy endpoints on an empty store.
func (t *recoveryTest) alone(ctx context.Context) error {
	s, err := t.o.server(ctx)
	if err != nil {
		return err
	}
	defer t.o.discard(ctx, s)
	if _, err := s.agent(t.r, healthyEndpoints); err != nil {
		return err
	}
	all, n, err := s.openLoop(t.r, pacing{perSecond: healthyPerSecond, duration: restTime})
	t.empty = t.note("empty store", all, n)
	return err
}

func (t *recoveryTest) note(name string, all timeline, events int) Percentiles {
	t.res.OverTime[name] = all.spans(spanCount)
	p := all.summary()
	t.res.Missing += int64(events*healthyEndpoints - p.N)
	t.o.progress("S6: %s: %v", name, p)
	return p
}

// fill makes the endpoints through the API and the rest out of one event, and
// measures claims from a small and from the whole backlog.
func (t *recoveryTest) fill(ctx context.Context) error {
	var err error
	if t.store, err = t.o.newStore(ctx); err != nil {
		return err
	}
	if err := t.configure(ctx); err != nil {
		return err
	}
	began := time.Now()
	for _, step := range []struct {
		name string
		rows int
	}{{"claim_p50_ms_of_10000", leastWaiting}, {"claim_p50_ms_of_all", t.o.Waiting}} {
		if err := t.backlog.extend(ctx, t.store, step.rows/backlogEndpoints); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
		p, err := t.claims(ctx)
		if err != nil {
			return err
		}
		t.res.Figures[step.name] = p.P50
	}
	u, err := t.store.usage(ctx)
	if err != nil {
		return err
	}
	t.res.Figures["stored_mib"] = mib(u.size)
	t.o.progress("S6: %d retries written in %.0f s, %.0f MiB", t.o.Waiting, time.Since(began).Seconds(), mib(u.size))
	return t.store.settle(ctx)
}

// configure makes both agents, and an event that is delivered to all endpoints
// of the one.
func (t *recoveryTest) configure(ctx context.Context) error {
	s, err := t.o.on(ctx, t.store, keepAll)
	if err != nil {
		return err
	}
	defer s.end()
	if _, err := s.agent(t.r, healthyEndpoints); err != nil {
		return err
	}
	if err := s.call("POST", "/v1/agents", map[string]any{"id": backlogAgent, "name": "Backlog"}, nil); err != nil {
		return err
	}
	for n := range backlogEndpoints {
		id, err := s.endpointOf(backlogAgent, fmt.Sprintf("http://%s/backlog/%d", t.r.addr, n))
		if err != nil {
			return err
		}
		t.ids = append(t.ids, id)
	}
	event := oneEvent()
	event.path = "/v1/agents/" + backlogAgent + "/events"
	status, answer, err := s.control.post(event.path, event.body)
	if err != nil || !accepted(status) {
		return fmt.Errorf("publish answered %d: %s %w", status, answer, err)
	}
	if err := s.settled(backlogAgent, 20*time.Second); err != nil {
		return err
	}
	s.stop()
	return nil
}

// Claims of so many rows each, as many retries as a server on an embedded store asks
// for at once.
const (
	claimRounds = 200
	claimRows   = 16
)

// claims measures the store by itself.
func (t *recoveryTest) claims(ctx context.Context) (_ Percentiles, err error) {
	dir, err := os.MkdirTemp(t.o.Dir, "waybell-bench-")
	if err != nil {
		return Percentiles{}, err
	}
	defer os.RemoveAll(dir)
	p, err := startPart(ctx, t.o, dir, t.store)
	if err != nil {
		return Percentiles{}, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	a, err := p.ask(PartRequest{Do: PartClaim, Rounds: claimRounds, Max: claimRows})
	if err == nil && a.N != claimRounds*claimRows {
		err = fmt.Errorf("%d rows were claimed, want %d", a.N, claimRounds*claimRows)
	}
	t.o.progress("S6: a claim of %d rows of %d: %v", claimRows, t.backlog.events*backlogEndpoints, a.Latency)
	return a.Latency, err
}

// recover starts the server with the backlog, which rests for a while. Then the
// receiver behind the breaker is back, and the rows of the other are due.
func (t *recoveryTest) recover(ctx context.Context) error {
	begin := time.Now()
	dueAt := begin.Add(dueAfter)
	if err := errors.Join(t.backlog.due(ctx, t.store, t.ids[0], dueAt), t.backlog.due(ctx, t.store, t.ids[1], begin.Add(-time.Minute)),
		t.backlog.refused(ctx, t.store, t.ids[1], begin)); err != nil {
		return err
	}
	if err := t.store.settle(ctx); err != nil {
		return err
	}
	t.r.reset()
	h := hook(t.answer)
	t.r.hook.Store(&h)
	started := time.Now()
	s, err := t.o.on(ctx, t.store, keepAll)
	if err != nil {
		return err
	}
	defer s.end()
	t.res.Figures["ready_s"] = time.Since(started).Seconds()
	if left := time.Until(dueAt); left < restTime {
		return fmt.Errorf("the rows are due %v after the start, before the others were measured beside them for %v", left, restTime)
	}
	rest, n, err := s.openLoop(t.r, pacing{perSecond: healthyPerSecond, duration: restTime})
	if err != nil {
		return err
	}
	t.rest = t.note("backlog at rest", rest, n)
	t.mu.Lock()
	t.back = true
	t.mu.Unlock()
	limit := time.Now().Add(recoveryMost)
	all, n, err := s.openLoop(t.r, pacing{perSecond: healthyPerSecond, duration: time.Until(dueAt) + time.Second,
		until: func() bool { return t.drained(t.backlog.events) || time.Now().After(limit) }})
	if err != nil {
		return err
	}
	t.note("draining", all, n)
	u, err := s.usage()
	if err != nil {
		return err
	}
	t.res.RSS = mib(u.peak)
	return t.summary(all, dueAt)
}

// summary takes the latency of what was sent while the backlogs went.
func (t *recoveryTest) summary(all timeline, dueAt time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.firstDue.IsZero() || t.afterProbe.IsZero() {
		return fmt.Errorf("after %v %d of one and %d of the other endpoint's retries were sent", recoveryMost, t.count[0], t.count[1])
	}
	t.res.Missing += int64(max(0, t.backlog.events-t.count[0]) + max(0, t.backlog.events-t.count[1]))
	_, t.res.Dups = t.r.distinct()
	from := t.probed
	if t.firstDue.Before(from) {
		from = t.firstDue
	}
	t.drain = all.between(from, t.last).summary()
	f := t.res.Figures
	f["first_after_due_s"], f["second_after_probe_s"] = t.firstDue.Sub(dueAt).Seconds(), t.afterProbe.Sub(t.probed).Seconds()
	f["others_p99_ms_empty"], f["others_p99_ms_at_rest"], f["others_p99_ms_draining"] = t.empty.P99, t.rest.P99, t.drain.P99
	t.res.Latency = &t.drain
	return nil
}

func (t *recoveryTest) judge() {
	f := t.res.Figures
	t.res.Bars = []Bar{
		atMost("peak MiB", t.res.RSS, 300),
		atMost("first re-send after due s", f["first_after_due_s"], 1), atMost("next re-send after the probe s", f["second_after_probe_s"], 1),
		atMost("others' p99 at rest, times empty", t.rest.P99/t.empty.P99, 2), atMost("others' p99 draining, times empty", t.drain.P99/t.empty.P99, 2),
		atMost("claim p50, times that of 10,000 rows", f["claim_p50_ms_of_all"]/f["claim_p50_ms_of_10000"], 1.5),
	}
}
