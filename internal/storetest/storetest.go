// Package storetest is the contract of [waybell.Store] as a test suite. Every
// store passes it unchanged; a change of the contract starts here.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/waybell/waybell"
)

// Harness is a store under test.
type Harness struct {
	// Store is a new, empty store.
	Store waybell.Store
	// Crash makes every node that joined count as dead, as if its process had
	// been killed, and returns the store as the next process finds it. The one
	// before may be closed.
	Crash func(t testing.TB) waybell.Store
}

// Open makes a new store for one test; it is closed by the cleanup of t.
type Open func(t testing.TB) Harness

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Node", nodeTests}, {"Config", configTests}, {"Publish", publishTests}, {"Claim", claimTests},
		{"Settle", settleTests}, {"Waiting", waitingTests}, {"Delivery", deliveryTests},
		{"Event", eventTests}, {"Session", sessionTests}, {"Maintenance", maintenanceTests},
		{"Statistics", statisticsTests}, {"Inbox", inboxTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range group.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newEnv(t, open))
				})
			}
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		runModel(newEnv(t, open))
	})
}

type test struct {
	name string
	run  func(*env)
}

// start is the time of the tests: a leap day would do as well, but microseconds
// must not be zero.
var start = time.Date(2026, 4, 26, 8, 30, 14, 123456000, time.UTC)

// env is a store with one joined node.
type env struct {
	testing.TB
	h     Harness
	s     waybell.Store
	lease waybell.Lease

	mu     sync.Mutex
	last   waybell.Key
	number int
}

func newEnv(t testing.TB, open Open) *env {
	t.Helper()
	h := open(t)
	e := &env{TB: t, h: h, s: h.Store, last: waybell.KeyAt(start)}
	e.lease = e.join("node")
	return e
}

func (e *env) ctx() context.Context { return e.Context() }

// key makes keys one microsecond apart.
func (e *env) key() waybell.Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last += 1 << 10
	return e.last | waybell.Key(e.lease.Slot)
}

// tomorrow has the next keys lie in the next day (UTC): a store may sweep whole
// days only.
func (e *env) tomorrow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = waybell.KeyAt(e.last.Time().Truncate(24 * time.Hour).Add(24 * time.Hour))
}

// unique makes a different word each time.
func (e *env) unique(word string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.number++
	return fmt.Sprintf("%s-%d", word, e.number)
}

func (e *env) join(name string) waybell.Lease {
	e.Helper()
	lease, err := e.s.Join(e.ctx(), waybell.NodeInfo{Name: name, Version: "v1"})
	e.ok(err)
	return lease
}

// crash goes on as the next process, joined.
func (e *env) crash() (old waybell.Lease) {
	e.Helper()
	old = e.lease
	e.s = e.h.Crash(e.TB)
	e.lease = e.join("next")
	return old
}

// adoptAll adopts to the end and returns how many rows that were.
func (e *env) adoptAll(now time.Time) int {
	e.Helper()
	total := 0
	for more := true; more; {
		n, again, err := e.s.Adopt(e.ctx(), e.lease, now)
		e.ok(err)
		total += n
		more = again
	}
	return total
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) is(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("error %v, want %v", err, want)
	}
}

// same compares; nil and empty slices differ, times are equal instants.
func (e *env) same(what string, got, want any, opts ...cmp.Option) {
	e.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		e.Fatalf("%s differs (-want +got):\n%s", what, d)
	}
}

var anyOrder = cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })

// agent makes an agent with endpoints.
func (e *env) agent(endpoints int) (waybell.Agent, []waybell.EndpointNumber) {
	e.Helper()
	a, err := e.s.CreateAgent(e.ctx(), waybell.Agent{ID: e.unique("agent"), Name: "Agent", CreatedAt: start, UpdatedAt: start})
	e.ok(err)
	var list []waybell.EndpointNumber
	for range endpoints {
		ep, err := e.s.CreateEndpoint(e.ctx(), waybell.Endpoint{ID: e.unique("ep"), Agent: a.Number, AgentID: a.ID,
			URL: "https://example.com/", Enabled: true, CreatedAt: start, UpdatedAt: start, StateSince: start}, 0)
		e.ok(err)
		list = append(list, ep.Number)
	}
	return a, list
}

// event makes an event for the endpoints, not yet accepted. Its window is open
// for a day.
func (e *env) event(a waybell.Agent, endpoints ...waybell.EndpointNumber) *waybell.NewEvent {
	k := e.key()
	n := &waybell.NewEvent{Event: waybell.Event{Key: k, Agent: a.Number, AgentID: a.ID, AgentName: a.Name,
		ID: waybell.EventID(k), Type: "lead.submit", Timestamp: k.Time(), Data: []byte(`{"name":"Zoë"}`)}}
	for _, ep := range endpoints {
		n.Targets = append(n.Targets, waybell.NewTarget{Endpoint: ep, WindowEnd: k.Time().Add(24 * time.Hour)})
	}
	n.Deliveries = len(n.Targets)
	return n
}

// aside makes the deliveries of an event unowned.
func aside(n *waybell.NewEvent) *waybell.NewEvent {
	for i := range n.Targets {
		n.Targets[i].Aside = true
	}
	return n
}

func (e *env) version() int64 {
	e.Helper()
	v, err := e.s.ConfigVersion(e.ctx())
	e.ok(err)
	return v
}

func (e *env) tryAccept(events ...*waybell.NewEvent) ([]waybell.Accepted, error) {
	e.Helper()
	return e.s.Accept(e.ctx(), e.lease, e.version(), events)
}

// accept stores new events, none of them a repetition.
func (e *env) accept(events ...*waybell.NewEvent) {
	e.Helper()
	res, err := e.tryAccept(events...)
	e.ok(err)
	for _, r := range res {
		if r.Duplicate != nil || r.Err != nil {
			e.Fatalf("not accepted as new: %+v", r)
		}
	}
}

func ref(n *waybell.NewEvent, ep waybell.EndpointNumber) waybell.DeliveryRef {
	return waybell.DeliveryRef{Event: n.Key, Endpoint: ep}
}

// attempt is a finished attempt of a delivery.
func attempt(a waybell.AgentNumber, r waybell.DeliveryRef, number, status int) *waybell.Attempt {
	reason := waybell.ReasonHTTPStatus
	if status/100 == 2 {
		reason = waybell.ReasonDelivered
	}
	return &waybell.Attempt{DeliveryRef: r, Agent: a, Number: number, StartedAt: start.Add(time.Duration(number) * time.Minute),
		Duration: 41234 * time.Microsecond, StatusCode: status, Reason: reason, Detail: fmt.Appendf(nil, "attempt %d: Zoë", number)}
}

func final(at *waybell.Attempt, state waybell.DeliveryState) waybell.Settlement {
	return waybell.Settlement{DeliveryRef: at.DeliveryRef, Agent: at.Agent, Kind: waybell.SettleFinal, Attempt: at,
		State: state, Reason: at.Reason, FinishedAt: at.StartedAt.Add(at.Duration)}
}

func retry(at *waybell.Attempt, next time.Time) waybell.Settlement {
	return waybell.Settlement{DeliveryRef: at.DeliveryRef, Agent: at.Agent, Kind: waybell.SettleRetry, Attempt: at,
		Reason: at.Reason, NextAt: next}
}

func release(a waybell.AgentNumber, r waybell.DeliveryRef, next time.Time) waybell.Settlement {
	return waybell.Settlement{DeliveryRef: r, Agent: a, Kind: waybell.SettleRelease, NextAt: next}
}

func (e *env) settle(list ...waybell.Settlement) {
	e.Helper()
	e.ok(e.s.Settle(e.ctx(), e.lease, list))
}

func (e *env) claim(now time.Time, wants ...waybell.ClaimWant) []waybell.Waiting {
	e.Helper()
	list, err := e.s.Claim(e.ctx(), e.lease, now, wants)
	e.ok(err)
	return list
}

// begin marks rows that the node owns as begun.
func (e *env) begin(rows ...waybell.Waiting) {
	e.Helper()
	marked, err := e.s.Begin(e.ctx(), e.lease, rows)
	e.ok(err)
	if len(marked) != len(rows) || slices.Contains(marked, false) {
		e.Fatalf("of %d rows %v are marked", len(rows), marked)
	}
}

func (e *env) delivery(a waybell.Agent, r waybell.DeliveryRef) waybell.Delivery {
	e.Helper()
	d, err := e.s.Delivery(e.ctx(), a.Number, r)
	e.ok(err)
	return d
}

func (e *env) attempts(a waybell.Agent, r waybell.DeliveryRef) []waybell.Attempt {
	e.Helper()
	list, err := e.s.Attempts(e.ctx(), a.Number, r, 1000)
	e.ok(err)
	return list
}

// due is the endpoint's earliest due time, or false.
func (e *env) due(ep waybell.EndpointNumber) (time.Time, bool) {
	e.Helper()
	list, err := e.s.Due(e.ctx(), start.AddDate(100, 0, 0))
	e.ok(err)
	for _, d := range list {
		if d.Endpoint == ep {
			return d.NextAt, true
		}
	}
	return time.Time{}, false
}

// all lists every delivery of an agent, page by page.
func (e *env) all(agent waybell.AgentNumber) []waybell.Delivery {
	e.Helper()
	var list []waybell.Delivery
	for q := (waybell.DeliveryQuery{Agent: agent, Limit: 7, Scan: 5}); ; {
		page, err := e.s.Deliveries(e.ctx(), q)
		e.ok(err)
		list = append(list, page.Deliveries...)
		if page.Next == (waybell.DeliveryRef{}) {
			return list
		}
		q.After = page.Next
	}
}

// ledger checks that the stored counters are those of the rows, and returns
// them by endpoint. It holds while retention has removed nothing.
func (e *env) ledger(a waybell.Agent) map[waybell.EndpointNumber]waybell.Counters {
	e.Helper()
	want := make(map[waybell.EndpointNumber]waybell.Counters)
	for _, d := range e.all(a.Number) {
		c := want[d.Endpoint]
		c.Endpoint = d.Endpoint
		c.Accepted++
		*bucket(&c, d.State)++
		want[d.Endpoint] = c
	}
	list, err := e.s.Counters(e.ctx(), a.Number)
	e.ok(err)
	got := make(map[waybell.EndpointNumber]waybell.Counters)
	for _, c := range list {
		if c.Accepted > 0 {
			got[c.Endpoint] = c
		}
	}
	e.same("ledger and rows", got, want, cmpopts.IgnoreFields(waybell.Counters{}, "Health"))
	return got
}

func bucket(c *waybell.Counters, s waybell.DeliveryState) *int64 {
	switch s {
	case waybell.DeliveryPending:
		return &c.Pending
	case waybell.DeliveryRetrying:
		return &c.Retrying
	case waybell.DeliveryDelivered:
		return &c.Delivered
	case waybell.DeliveryFailed:
		return &c.Failed
	default:
		return &c.Canceled
	}
}
