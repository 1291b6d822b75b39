//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
	"github.com/waybell/waybell/signature"
)

// target is an endpoint of the server under test and its path at the receiver.
type target struct {
	profile  string
	path     string
	secret   string
	scheme   signature.Scheme
	older    []signature.Secret // those before it
	verifier atomic.Pointer[signature.Verifier]
}

// newTarget makes the endpoint of a profile, which is also a signature scheme.
func newTarget(t *testing.T, profile string) *target {
	t.Helper()
	secret := signature.GenerateSecret()
	scheme, ok := signature.Builtin(profile)
	if !ok {
		t.Fatalf("there is no scheme %q", profile)
	}
	x := &target{profile: profile, path: "/" + profile, scheme: scheme}
	x.expect(t, secret)
	return x
}

// expect makes a secret the target's own; those before it may go on to sign for
// the others.
func (x *target) expect(t *testing.T, secret signature.Secret, before ...signature.Secret) {
	t.Helper()
	v, err := signature.NewVerifier(x.scheme, append(before, secret)...)
	if err != nil {
		t.Fatal(err)
	}
	x.secret = secret.Reveal()
	x.verifier.Store(v)
}

// temper is how badly a receiver behaves: shares of its requests, in percent.
type temper struct {
	fail, hang, reset int
	// slow ones are answered late, after slowness or less.
	slow     int
	slowness time.Duration
}

// answer is what the receiver did with a request.
type answer int

const (
	answered answer = iota // 204
	failed                 // 500
	hung                   // no answer
	cut                    // connection reset
)

// hit is a request as the receiver saw it.
type hit struct {
	delivery string // X-Waybell-Delivery
	attempt  int
	at       time.Time
	answer   answer
	node     int       // that sent it, by the User-Agent; see stamp
	until    time.Time // when it is answered at the earliest, or its sender's patience ends
	begun    time.Time // when a 2xx was begun to be written
}

// deliveryKey names a delivery by what both sides know.
type deliveryKey struct{ event, path string }

// receiver answers by its temper and remembers every request.
type receiver struct {
	*receivertest.Receiver
	temper  temper
	timeout time.Duration // of its senders
	targets map[string]*target
	// verify, if set, holds a request's signature otherwise than against now.
	verify func(*target, *receivertest.Recorded) error

	mu       sync.Mutex
	tempers  map[int]temper // towards single nodes, instead of temper
	rng      *rand.Rand
	hits     map[deliveryKey][]hit
	last     map[int]time.Time // by node: its last request
	problems []string          // requests that are not what was published
}

func newReceiver(t *testing.T, m temper, seed uint64, targets ...*target) *receiver {
	r := &receiver{
		temper: m, targets: map[string]*target{}, rng: rand.New(rand.NewPCG(seed, 1)),
		tempers: map[int]temper{}, hits: map[deliveryKey][]hit{}, last: map[int]time.Time{},
	}
	for _, x := range targets {
		r.targets[x.path] = x
	}
	r.Receiver = receivertest.Start(t, receivertest.Options{Script: r.script, Keep: 1})
	return r
}

func (r *receiver) script(_ int, rec *receivertest.Recorded) receivertest.Step {
	problem := r.check(rec)
	r.mu.Lock()
	defer r.mu.Unlock()
	if problem != nil {
		r.problems = append(r.problems, problem.Error())
	}
	attempt, _ := strconv.Atoi(rec.Get("X-Waybell-Attempt")) // the judge refuses 0
	h := hit{delivery: rec.Get("X-Waybell-Delivery"), attempt: attempt, at: rec.Arrived}
	if _, err := fmt.Sscanf(rec.Get("User-Agent"), "Waybell/"+stampFormat, &h.node); err != nil {
		r.problems = append(r.problems, fmt.Sprintf("a request of %q came in", rec.Get("User-Agent")))
	}
	var step receivertest.Step
	var lasts time.Duration
	key := deliveryKey{rec.Get("webhook-id"), rec.Path}
	n := len(r.hits[key])
	h.answer, lasts, step = r.step(h.node, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hits[key][n].begun = time.Now()
	})
	h.until = h.at.Add(lasts)
	r.hits[key] = append(r.hits[key], h)
	r.last[h.node] = h.at
	return step
}

// step throws the dice, and tells for how long the request will be under way at
// least. A 2xx calls answering first. r.mu is held.
func (r *receiver) step(node int, answering func()) (answer, time.Duration, receivertest.Step) {
	m, n := r.temper, r.rng.IntN(100)
	if other, ok := r.tempers[node]; ok {
		m = other
	}
	switch {
	case n < m.fail:
		return failed, 0, receivertest.Answer(500, "")
	case n < m.fail+m.hang:
		// The sender's patience began when it dialled.
		return hung, max(0, r.timeout-readLate), receivertest.Hang()
	case n < m.fail+m.hang+m.reset:
		return cut, 0, receivertest.Reset()
	case n < m.fail+m.hang+m.reset+m.slow:
		d := rand.N(m.slowness)
		return answered, d, receivertest.After(d, receivertest.Calling(answering, receivertest.Answer(204, "")))
	}
	return answered, 0, receivertest.Calling(answering, receivertest.Answer(204, ""))
}

// check holds a request against what was published: its signature, and that
// body and webhook-id are of the same event.
func (r *receiver) check(rec *receivertest.Recorded) error {
	id := rec.Get("webhook-id")
	x := r.targets[rec.Path]
	if x == nil {
		return fmt.Errorf("a request for %q came in", rec.Path)
	}
	verify := r.verify
	if verify == nil {
		verify = func(x *target, rec *receivertest.Recorded) error {
			return x.verifier.Load().Verify(rec.Headers(), rec.Body, time.Now())
		}
	}
	if err := verify(x, rec); err != nil {
		return fmt.Errorf("event %s: signature: %w", id, err)
	}
	if !bytes.Contains(rec.Body, fmt.Appendf(nil, `"mark":%q`, id)) {
		return fmt.Errorf("event %s came with another one's body: %.200s", id, rec.Body)
	}
	return nil
}

// lastFrom is when the last request of a node came.
func (r *receiver) lastFrom(node int) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[node]
}

// behave changes the receiver's temper towards a node from now on.
func (r *receiver) behave(node int, m temper) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tempers[node] = m
}

// take returns what was recorded. No request may be on its way.
func (r *receiver) take() (map[deliveryKey][]hit, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hits, r.problems
}
