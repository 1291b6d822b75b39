package simulation_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/memstore"
	"github.com/waybell/waybell/internal/receivertest"
)

// world is one seed's installation, its customers and its receivers, and what is
// known of them. The driver alone draws from rng; whatever else has to be chosen
// is a hash of the seed and of what it is chosen for, so that it does not depend
// on who came first.
type world struct {
	t      testing.TB
	ctx    context.Context
	seed   uint64
	rng    *rand.Rand
	begun  time.Time
	end    time.Time     // of the troubles
	span   time.Duration // from its beginning to its rest
	limits waybell.Limits

	store    *memstore.Store
	receiver *receivertest.Receiver
	nodes    []*node
	byName   map[string]*node // dead ones too
	made     int
	dying    sync.WaitGroup
	policies map[string]policy

	counting sync.Mutex
	counts   map[string]int64

	// Only the driver's.
	agents    []*agent
	endpoints []*endpoint // by number, from 1
	published []*published
	seen      map[waybell.DeliveryRef]waybell.Delivery // at the last check

	mu         sync.Mutex // guards what follows, and what of endpoints and deliveries says so
	deliveries map[waybell.DeliveryRef]*delivery
	requests   []*request
	troubles   []span
	version    int64 // of the configuration that was noted
	violations []string
	steps      []string
}

// span is a time; its end may lie ahead.
type span struct{ from, to time.Time }

type agent struct {
	id      string
	number  waybell.AgentNumber
	deleted bool
}

// endpoint is a customer's endpoint with its receiver.
type endpoint struct {
	agent  *agent
	id     string
	number waybell.EndpointNumber

	// guarded by world.mu
	mode      mode
	history   []change // as it was committed, oldest first
	running   int      // requests under way, tests included
	idleSince time.Time
	refusals  int       // in a row
	refused   time.Time // when there were last enough of them to open the breaker
	forward   time.Time // when plans were last brought forward
	sent      map[*node]waybell.Key
	sentAt    map[*node]time.Time
}

// change is an endpoint as it was from a time on.
type change struct {
	waybell.Endpoint
	at time.Time
	by *node
}

// published is an event that was taken.
type published struct {
	agent    *agent
	own      string // the id that was chosen, or ""
	id       string
	targets  int
	input    waybell.PublishInput
	answered bool // false: the answer was an error, it may be there or not
}

// delivery is what is known of one.
type delivery struct {
	requests []*request
	requeued time.Time // when it was last made due by hand
	canceled time.Time // when a cancel was answered
	asked    bool      // a cancel was asked for

	claimed waybell.Lease // who claimed it last
	deaths  int           // that it had by then
	marked  bool          // as begun, since then
	marks   int           // how often that was asked for
}

// request is an attempt as receivers and engine saw it.
type request struct {
	ref     waybell.DeliveryRef
	number  int
	node    *node
	lease   waybell.Lease
	test    bool
	at      time.Time
	arrived bool
	plan    plan
	over    time.Time // when it ended, zero while it is under way
	broken  bool      // its node died, or broke it off: there is no report
	report  *waybell.AttemptReport
}

// newWorld makes the installation of a seed; it runs in a bubble.
func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, ctx: t.Context(), seed: seed, rng: rand.New(rand.NewPCG(seed, 0x57a7)), begun: time.Now(),
		store: memstore.New(memstore.Options{}), policies: policies(), counts: map[string]int64{},
		byName: map[string]*node{}, deliveries: map[waybell.DeliveryRef]*delivery{}, seen: map[waybell.DeliveryRef]waybell.Delivery{},
	}
	w.end = w.begun.Add(24*time.Hour + time.Duration(w.rng.Int64N(int64(48*time.Hour))))
	if w.chance(4) { // little memory: most is put aside
		w.limits = waybell.Limits{Queued: 12, QueueLength: 4, QueueBytes: 512, InFlight: 6, Outcomes: 12}
	}
	w.receiver = receivertest.Start(t, receivertest.Options{Pipe: true, Script: w.answer, CountOnly: false, Keep: 1, MaxBody: 1})
	return w
}

// hash is a number that follows from the seed and the parts alone.
func (w *world) hash(parts ...uint64) uint64 {
	h := w.seed ^ 0x9e3779b97f4a7c15
	for _, p := range parts {
		h ^= p
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// jitter places a retry: by the time, which follows from the seed.
func (w *world) jitter() float64 {
	return float64(w.hash(uint64(time.Now().UnixNano()), 77)>>11) / (1 << 53)
}

// chance is true once in so many times.
func (w *world) chance(in int) bool { return w.rng.IntN(in) == 0 }

// between draws a duration to the nanosecond: hardly two things happen at once.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

// step writes a line of the trace.
func (w *world) step(format string, args ...any) {
	line := fmt.Sprintf("%s %s", stamp(time.Since(w.begun)), fmt.Sprintf(format, args...))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, line)
}

func stamp(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d:%02d.%09d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, int(d.Nanoseconds()%1e9))
}

// violation notes that a promise was broken.
func (w *world) violation(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violate(format, args...)
}

// violate is violation for who holds mu.
func (w *world) violate(format string, args ...any) {
	if len(w.violations) < 20 {
		line := stamp(time.Since(w.begun)) + " VIOLATION " + fmt.Sprintf(format, args...)
		w.violations = append(w.violations, line)
		w.steps = append(w.steps, line)
	}
}

// count counts what a run was about.
func (w *world) count(what string, n int64) {
	w.counting.Lock()
	defer w.counting.Unlock()
	w.counts[what] += n
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.violations) > 0
}

// troubled notes that something goes wrong from now on for so long. For a while
// after it nobody is held to deadlines.
func (w *world) troubled(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.troubles = append(w.troubles, span{now, now.Add(d + 40*time.Second)})
}

// calm tells whether nothing went wrong in a time. mu is held.
func (w *world) calm(from, to time.Time) bool {
	return !slices.ContainsFunc(w.troubles, func(s span) bool { return s.from.Before(to) && s.to.After(from) })
}

// gone takes a process from the list.
func (w *world) gone(n *node) {
	w.nodes = slices.DeleteFunc(w.nodes, func(o *node) bool { return o == n })
	w.troubled(0)
}

// broken ends what a process had under way.
func (w *world) broken(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r.node == n && r.over.IsZero() {
			r.broken = true
			w.finish(r)
		}
	}
}

// finish notes the end of a request. mu is held.
func (w *world) finish(r *request) {
	r.over = time.Now()
	if e := w.endpoint(r.ref.Endpoint); r.arrived && e != nil {
		if e.running--; e.running == 0 {
			e.idleSince = r.over
		}
	}
}

// endpoint finds an endpoint by number.
func (w *world) endpoint(n waybell.EndpointNumber) *endpoint {
	if int(n) > len(w.endpoints) || n == 0 {
		return nil
	}
	return w.endpoints[n-1]
}

// noteConfig takes note of what was committed.
func (w *world) noteConfig(by *node) {
	c, err := w.store.ConfigSince(w.ctx, w.noted())
	if err != nil {
		w.violation("the configuration cannot be read: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version = max(w.version, c.Version)
	now := time.Now()
	for _, ep := range c.Endpoints {
		for int(ep.Number) > len(w.endpoints) {
			w.endpoints = append(w.endpoints, &endpoint{})
		}
		e := w.endpoints[ep.Number-1]
		e.number, e.id = ep.Number, ep.ID
		if n := len(e.history); n > 0 && e.history[n-1].Version >= ep.Version {
			continue
		}
		if n := len(e.history); n > 0 && ep.DrainUpTo > e.history[n-1].DrainUpTo {
			e.sent, e.sentAt = map[*node]waybell.Key{}, map[*node]time.Time{}
		}
		e.history = append(e.history, change{ep, now, by})
	}
}

func (w *world) noted() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version
}

// requeued notes that a delivery was made due by hand.
func (w *world) requeued(ref waybell.DeliveryRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivery(ref).requeued = time.Now()
}

func (w *world) broughtForward(n waybell.EndpointNumber) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.endpoint(n); e != nil {
		e.forward = time.Now()
	}
}

// delivery finds or makes what is known of one. mu is held.
func (w *world) delivery(ref waybell.DeliveryRef) *delivery {
	d := w.deliveries[ref]
	if d == nil {
		d = &delivery{}
		w.deliveries[ref] = d
	}
	return d
}

// trace is what happened, for people; sum is all of it in a number, requests and
// their outcomes to the nanosecond included.
func (w *world) trace() string { return strings.Join(w.steps, "\n") }

func (w *world) sum() uint64 {
	h := fnv.New64a()
	for _, l := range w.lines() {
		fmt.Fprintln(h, l)
	}
	return h.Sum64()
}

func (w *world) lines() []string {
	lines := slices.Clone(w.steps)
	for _, r := range w.requests {
		outcome := "broken"
		if r.report != nil {
			outcome = fmt.Sprint(r.report.Reason, r.report.State, r.report.Status, r.report.NextAt.UnixNano())
		}
		lines = append(lines, fmt.Sprintf("%s %v attempt %d by %s until %s: %s", stamp(r.at.Sub(w.begun)), r.ref, r.number,
			r.node.name, stamp(r.over.Sub(w.begun)), outcome))
	}
	slices.Sort(lines) // those of one instant come in any order
	return lines
}

// history tells what was done with a delivery. mu is held.
func (w *world) history(ref waybell.DeliveryRef) string {
	var b strings.Builder
	for _, r := range w.delivery(ref).requests {
		fmt.Fprintf(&b, "\n    attempt %d by %s (lease %d) from %s", r.number, r.node.name, r.lease.Node, stamp(r.at.Sub(w.begun)))
		switch {
		case r.over.IsZero():
			b.WriteString(", under way")
		case r.report != nil:
			fmt.Fprintf(&b, " to %s: %v %v, %d", stamp(r.over.Sub(w.begun)), r.report.State, r.report.Reason, r.report.Status)
			if !r.report.NextAt.IsZero() {
				fmt.Fprintf(&b, ", next at %s", stamp(r.report.NextAt.Sub(w.begun)))
			}
		default:
			fmt.Fprintf(&b, " to %s: broken off", stamp(r.over.Sub(w.begun)))
		}
	}
	return b.String()
}
