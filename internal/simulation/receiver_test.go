package simulation_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// mode is how a receiver behaves.
type mode uint8

const (
	good    mode = iota // 2xx, soon
	slow                // 2xx, after seconds
	broken              // 500
	missing             // 404
	gone                // 410, some of the time
	busy                // 429 with Retry-After
	down                // 503 with Retry-After
	hangs
	resets
	refuses // connections
	moved   // 302
	flaps   // any of these
	modes
)

func (m mode) String() string {
	return [...]string{"good", "slow", "broken", "missing", "gone", "busy", "down", "hangs", "resets", "refuses", "moved", "flaps"}[m]
}

// plan is what a receiver does with a request.
type plan struct {
	status int // 0 = no answer
	after  time.Duration
	retry  time.Duration // Retry-After
	hangs  bool
}

// plan follows from the receiver's mode and the attempt alone.
func (w *world) plan(m mode, ref waybell.DeliveryRef, number int) plan {
	h := w.hash(uint64(ref.Event), uint64(ref.Endpoint), uint64(number))
	if m == flaps {
		m = mode(h >> 40 % uint64(flaps))
		if m == gone || m == refuses {
			m = good
		}
	}
	p := plan{after: time.Millisecond + time.Duration(h%40_000_000)}
	wait := time.Duration(1+h>>20%900) * time.Second
	switch m {
	case slow:
		p.status, p.after = 200, time.Duration(500+h%9_000)*time.Millisecond+p.after
	case broken:
		p.status = 500
	case missing:
		p.status = 404
	case gone:
		p.status = 200
		if h>>32%4 == 0 {
			p.status = 410
		}
	case busy:
		p.status, p.retry = 429, wait
	case down:
		p.status, p.retry = 503, wait
	case hangs:
		p.hangs = true
	case moved:
		p.status = 302
	case resets:
	default:
		p.status = 200 + int(h>>50%3)
	}
	return p
}

// refuses tells whether a receiver takes no connections.
func (w *world) refuses(number int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.endpoint(waybell.EndpointNumber(number))
	return e != nil && e.mode == refuses
}

// answer is the script of all receivers.
func (w *world) answer(_ int, r *receivertest.Recorded) receivertest.Step {
	ref, err := waybell.ParseDeliveryID(r.Get("X-Waybell-Delivery"))
	if err != nil {
		w.violation("a request for no delivery: %v", err)
		return receivertest.Answer(500, "")
	}
	var number int
	fmt.Sscan(r.Get("X-Waybell-Attempt"), &number)
	name := strings.TrimPrefix(r.Get("User-Agent"), "Waybell/")
	q := &request{ref: ref, number: number, test: r.Get("X-Waybell-Test") != "", at: time.Now(), arrived: true}

	w.mu.Lock()
	defer w.mu.Unlock()
	if q.node = w.byName[name]; q.node == nil || q.node.dead() {
		return receivertest.CloseUnanswered() // a dead process's last word is not heard
	}
	e := w.endpoint(ref.Endpoint)
	q.plan = w.plan(e.mode, ref, number)
	w.begin(q)
	p := q.plan
	switch {
	case p.hangs:
		return receivertest.Hang()
	case p.status == 0:
		return receivertest.After(p.after, receivertest.Reset())
	case p.retry > 0:
		return receivertest.After(p.after, receivertest.RetryAfter(p.status, p.retry))
	}
	return receivertest.After(p.after, receivertest.Answer(p.status, ""))
}

// begin takes note of an attempt's begin, and holds it against the promises. mu
// is held.
func (w *world) begin(q *request) {
	q.lease = q.node.leaseAt(q.at)
	d, e := w.delivery(q.ref), w.endpoint(q.ref.Endpoint)
	w.mayBegin(d, e, q)
	d.requests = append(d.requests, q)
	w.requests = append(w.requests, q)
	w.count("attempts", 1)
	if q.arrived {
		e.running++
	}
}

// report is what the engine tells of an attempt's end.
func (n *node) report(r waybell.AttemptReport) {
	w := n.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.dead() {
		return
	}
	var q *request
	d := w.delivery(r.Ref)
	for _, o := range d.requests {
		if o.node == n && o.number == r.Number && o.over.IsZero() {
			q = o
		}
	}
	if q == nil { // it did not get as far as the receiver
		q = &request{ref: r.Ref, number: r.Number, node: n, test: r.Test, at: time.Now().Add(-r.Duration)}
		w.begin(q)
	}
	q.report = &r
	w.finish(q)
	e := w.endpoint(r.Ref.Endpoint)
	if refused := r.Status >= 500 || r.Status == 0; !refused || r.State == waybell.DeliveryDelivered {
		e.refusals = 0
	} else if e.refusals++; e.refusals >= 20 {
		e.refused = q.over
	}
	w.judgePlan(d, e, q)
}
