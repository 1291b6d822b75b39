// Package receivertest is a receiver of webhooks for tests: it answers as its
// script says, well or badly, records what came in, and wakes those who wait
// for that.
//
// It speaks HTTP/1.1 with code of its own, for three reasons: it sees the
// request as it was written (order and spelling of header fields), it can break
// off, drip or lie at any byte of an answer, and it costs little next to the
// sender that a benchmark is about. It is a strict judge: a request that breaks
// RFC 9112 fails the test.
//
// A receiver listens on loopback or, with [Options.Pipe], on in-memory pipes,
// which work in a bubble of testing/synctest.
package receivertest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options configure a receiver. The zero value answers 200 to everything on a
// loopback address and keeps every request.
type Options struct {
	// Pipe makes the receiver listen on in-memory pipes. It is then reached
	// through [Receiver.DialContext] only.
	Pipe bool
	// TLS, if set, makes the receiver speak TLS with this configuration.
	TLS *tls.Config
	// Script answers the requests for paths without a script of their own, see
	// [Receiver.Handle]; nil answers 200.
	Script Script
	// CountOnly keeps no requests, only counts them. A script then gets a
	// Recorded that is valid during its call only and has neither header nor
	// body, unless Verify is set.
	CountOnly bool
	// Keep is how many requests are kept, the latest; 0 keeps all.
	Keep int
	// MaxBody is how many bytes of each body are kept; 0 keeps all.
	MaxBody int
	// Verify, if set, judges each request before its script runs; body is what
	// MaxBody leaves of it. The result is [Recorded.VerifyErr] and counted in
	// [Stats]. It is called from many goroutines at once.
	Verify func(header http.Header, body []byte) error
}

// Receiver is a running receiver. Its methods may be called from any goroutine.
type Receiver struct {
	t        testing.TB
	opts     Options
	listener net.Listener
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	url      string

	closing chan struct{}
	conns   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[*conn]struct{}
	kept   []*Recorded
	number int64
	closed bool

	paths     sync.Map // string → *tally
	total     tally
	accepted  atomic.Int64
	openConns atomic.Int64
	written   atomic.Int64
	refused   atomic.Int64
	waits     waits
}

// Start starts a receiver. It is closed when the test ends.
func Start(t testing.TB, opts Options) *Receiver {
	t.Helper()
	r := &Receiver{
		t:       t,
		opts:    opts,
		closing: make(chan struct{}),
		open:    make(map[*conn]struct{}),
	}
	if r.opts.Script == nil {
		r.opts.Script = Always(Answer(http.StatusOK, ""))
	}
	r.waits.reset()
	if opts.Pipe {
		l := NewListener()
		r.listener, r.dial = l, l.DialContext
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("receivertest: %v", err)
		}
		var d net.Dialer
		addr := l.Addr().String()
		r.listener = l
		r.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	r.url = "http://" + r.listener.Addr().String()
	if opts.TLS != nil {
		r.listener = tls.NewListener(r.listener, opts.TLS)
		r.url = "https://" + r.listener.Addr().String()
	}
	r.conns.Go(r.accept)
	t.Cleanup(r.Close)
	return r
}

// URL returns the receiver's URL with this path, which starts with a slash.
func (r *Receiver) URL(path string) string { return r.url + path }

// Addr returns the host and port that [Receiver.URL] names.
func (r *Receiver) Addr() string { return r.listener.Addr().String() }

// DialContext connects to the receiver, whatever network and address are asked
// for. It has the form that [http.Transport] wants.
func (r *Receiver) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return r.dial(ctx, network, addr)
}

// Handle sets the script for a path (without query), replacing the one before.
func (r *Receiver) Handle(path string, s Script) { r.tally(path).script.Store(&s) }

// Close stops listening, cuts all connections and waits for their goroutines.
// It may be called more than once; the end of the test calls it.
func (r *Receiver) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
		r.listener.Close()
		for c := range r.open {
			c.raw.Close()
		}
	}
	r.mu.Unlock()
	r.conns.Wait()
}

// CutConnections closes all open connections, as the restart of a receiver
// does. Requests in flight get no answer; new connections are accepted.
func (r *Receiver) CutConnections() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.raw.Close()
	}
}

func (r *Receiver) accept() {
	for {
		raw, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		c := newConn(r, raw, r.accepted.Add(1))
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			raw.Close()
			return
		}
		r.open[c] = struct{}{}
		r.openConns.Add(1)
		r.conns.Go(c.serve)
		r.mu.Unlock()
		r.waits.ring(r.total.requests.Load())
	}
}

func (r *Receiver) release(c *conn) {
	c.raw.Close()
	r.mu.Lock()
	delete(r.open, c)
	r.mu.Unlock()
	r.openConns.Add(-1)
	r.waits.ring(r.total.requests.Load())
}

// tally returns the counters of a path.
func (r *Receiver) tally(path string) *tally {
	if v, ok := r.paths.Load(path); ok {
		return v.(*tally)
	}
	v, _ := r.paths.LoadOrStore(path, new(tally))
	return v.(*tally)
}

// script returns the script that answers a path.
func (r *Receiver) script(t *tally) Script {
	if s := t.script.Load(); s != nil {
		return *s
	}
	return r.opts.Script
}

// arrive takes in a request that has been read whole, and returns its number on
// its path.
func (r *Receiver) arrive(t *tally, rec *Recorded) int {
	rec.Arrived = time.Now()
	if r.opts.Verify != nil {
		rec.VerifyErr = r.opts.Verify(rec.Headers(), rec.Body)
		if rec.VerifyErr != nil {
			r.refused.Add(1)
		}
	}
	t.begin()
	r.total.begin()
	n := t.requests.Add(1)
	if !r.opts.CountOnly {
		r.keep(rec)
	}
	// Last, so that whoever sees the count finds the request.
	r.waits.ring(r.total.requests.Add(1))
	return int(n)
}

func (r *Receiver) keep(rec *Recorded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	rec.Number = r.number
	r.kept = append(r.kept, rec)
	if k := r.opts.Keep; k > 0 && len(r.kept) >= 2*k {
		r.kept = append(make([]*Recorded, 0, 2*k), r.kept[len(r.kept)-k:]...)
	}
}

// depart ends a request in flight.
func (r *Receiver) depart(t *tally) {
	t.inFlight.Add(-1)
	r.total.inFlight.Add(-1)
	r.waits.ring(r.total.requests.Load())
}
