package receivertest

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Field is one header field, spelled as it was or will be sent.
type Field struct{ Name, Value string }

// Header returns a field, for the arguments of [Answer].
func Header(name, value string) Field { return Field{Name: name, Value: value} }

// Recorded is a request as it arrived. It must not be changed.
type Recorded struct {
	// Number counts the requests of the receiver from 1, in order of arrival;
	// 0 if requests are only counted.
	Number int64
	// Conn is the number of the connection, from 1; OnConn counts the requests
	// on it from 1, so that 2 and more are on a kept connection.
	Conn   int64
	OnConn int
	// Arrived is when the whole request had been read.
	Arrived time.Time
	// Method, Target and Proto are the request line; Path is Target without
	// its query.
	Method, Target, Path, Proto string
	// Header has the fields in their order, Host included.
	Header []Field
	// Body is the body, or its beginning if it is longer than
	// [Options.MaxBody]; BodySize is the length of the whole.
	Body     []byte
	BodySize int64
	// VerifyErr is what [Options.Verify] said.
	VerifyErr error
}

// Get returns the value of the first field with this name, in any case of
// letters, or "".
func (r *Recorded) Get(name string) string {
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Headers returns the fields as net/http has them, Host included.
func (r *Recorded) Headers() http.Header {
	h := make(http.Header, len(r.Header))
	for _, f := range r.Header {
		h.Add(f.Name, f.Value)
	}
	return h
}

// Requests returns the requests kept, in order of arrival.
func (r *Receiver) Requests() []*Recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.kept
	if k := r.opts.Keep; k > 0 && len(kept) > k {
		kept = kept[len(kept)-k:]
	}
	return append([]*Recorded(nil), kept...)
}

// RequestsFor returns the requests kept for one path, in order of arrival.
func (r *Receiver) RequestsFor(path string) []*Recorded {
	var of []*Recorded
	for _, rec := range r.Requests() {
		if rec.Path == path {
			of = append(of, rec)
		}
	}
	return of
}

// Stats are the counters of a receiver or of one of its paths. A request is in
// flight from its arrival to the last byte of its answer; one whose sender has
// gone, until the receiver notices.
type Stats struct {
	Requests    int // arrived
	InFlight    int // now
	MaxInFlight int // most at any time
}

// Conns are the counters of a receiver's connections.
type Conns struct {
	Accepted int   // ever
	Open     int   // now
	Written  int64 // bytes written, whether or not the sender has read them
}

// Count returns how many requests have arrived.
func (r *Receiver) Count() int { return int(r.total.requests.Load()) }

// Stats returns the counters of all paths together.
func (r *Receiver) Stats() Stats { return r.total.stats() }

// StatsFor returns the counters of one path.
func (r *Receiver) StatsFor(path string) Stats { return r.tally(path).stats() }

// Conns returns the counters of the connections.
func (r *Receiver) Conns() Conns {
	return Conns{int(r.accepted.Load()), int(r.openConns.Load()), r.written.Load()}
}

// Unverified returns how many requests [Options.Verify] has refused.
func (r *Receiver) Unverified() int { return int(r.refused.Load()) }

// Wait returns when n requests or more have arrived, or with an error that says
// how many have when ctx ends first.
func (r *Receiver) Wait(ctx context.Context, n int) error {
	err := r.waits.wait(ctx, int64(n), func() bool { return r.Count() >= n })
	if err != nil {
		return fmt.Errorf("receivertest: %d of %d requests have arrived: %w", r.Count(), n, err)
	}
	return nil
}

// WaitFor returns when cond is true, or with an error when ctx ends first. cond
// is called at once and after each arrival, each end of an answer and each
// change of the connections, from the calling goroutine.
func (r *Receiver) WaitFor(ctx context.Context, cond func() bool) error {
	if err := r.waits.wait(ctx, 0, cond); err != nil {
		return fmt.Errorf("receivertest: what is waited for has not happened, %d requests have arrived: %w", r.Count(), err)
	}
	return nil
}

// WaitIdle returns when n requests or more have arrived and none is in flight.
func (r *Receiver) WaitIdle(ctx context.Context, n int) error {
	return r.WaitFor(ctx, func() bool { s := r.Stats(); return s.Requests >= n && s.InFlight == 0 })
}

// tally counts the requests of a path.
type tally struct {
	requests, inFlight, most atomic.Int64
	script                   atomic.Pointer[Script]
}

func (t *tally) begin() {
	n := t.inFlight.Add(1)
	for most := t.most.Load(); n > most; most = t.most.Load() {
		if t.most.CompareAndSwap(most, n) {
			return
		}
	}
}

func (t *tally) stats() Stats {
	return Stats{int(t.requests.Load()), int(t.inFlight.Load()), int(t.most.Load())}
}

// waits wakes those who wait for a count of requests or for any change, and
// costs one atomic load when there is nobody to wake.
type waits struct {
	// least is the lowest count that somebody waits for, 0 for any change.
	least atomic.Int64
	mu    sync.Mutex
	all   map[chan struct{}]int64
}

func (w *waits) reset() {
	w.all = make(map[chan struct{}]int64)
	w.least.Store(math.MaxInt64)
}

// ring tells of a change, after it was made; count is the number of requests.
func (w *waits) ring(count int64) {
	if count < w.least.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for bell, at := range w.all {
		if count >= at {
			select {
			case bell <- struct{}{}:
			default: // rung already
			}
		}
	}
}

func (w *waits) wait(ctx context.Context, at int64, cond func() bool) error {
	bell := make(chan struct{}, 1)
	w.set(func() { w.all[bell] = at })
	defer w.set(func() { delete(w.all, bell) })
	for !cond() { // only now: what happens after the check rings
		select {
		case <-bell:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (w *waits) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	least := int64(math.MaxInt64)
	for _, at := range w.all {
		least = min(least, at)
	}
	w.least.Store(least)
}
