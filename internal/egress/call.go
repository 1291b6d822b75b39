package egress

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// phase is what a call is doing; it is known so that a timeout can say where
// the time went.
type phase uint8

const (
	phaseDNS phase = iota + 1
	phaseConnect
	phaseTLS
	phaseExchange
)

// callKey finds the call in the context of a dial.
type callKey struct{}

// call is the state of one Do. Its dial may outlive it (the connection then
// serves another call), so what a dial writes is behind mu and ends at seal.
type call struct {
	caller   context.Context
	deadline time.Time
	start    time.Time
	url      url.URL
	body     bytes.Reader
	trace    httptrace.ClientTrace
	answered atomic.Bool // a byte of the answer was seen

	mu     sync.Mutex
	sealed bool
	phase  phase
	since  time.Time
	timing Timing
	conn   net.Conn // the connection that the call's own dial made
}

// enter ends the running phase of the dial and begins the next.
func (cl *call) enter(next phase) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.sealed {
		return
	}
	now := time.Now()
	cl.leaveLocked(now)
	cl.phase, cl.since = next, now
}

func (cl *call) leaveLocked(now time.Time) {
	spent := now.Sub(cl.since)
	switch cl.phase {
	case phaseDNS:
		cl.timing.DNS += spent
	case phaseConnect:
		cl.timing.Connect += spent
	case phaseTLS:
		cl.timing.TLS += spent
	}
}

// dialed ends the dial's last phase.
func (cl *call) dialed(conn net.Conn) {
	cl.enter(phaseExchange)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !cl.sealed {
		cl.conn = conn
	}
}

// gotConn is told the connection that will carry the request. Where it is not
// the one that this call's dial made, that dial's times are not this call's.
func (cl *call) gotConn(info httptrace.GotConnInfo) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.sealed {
		return
	}
	if info.Reused || info.Conn != cl.conn {
		cl.timing = Timing{}
	}
	cl.phase, cl.conn, cl.sealed = phaseExchange, nil, true
}

// headersIn closes the books on everything before the body: after it, no dial
// changes the timing.
func (cl *call) headersIn() (Timing, phase) {
	now := time.Now()
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !cl.sealed {
		cl.leaveLocked(now)
		cl.sealed, cl.conn = true, nil
	}
	t := cl.timing
	t.Total = now.Sub(cl.start)
	t.Wait = t.Total - t.DNS - t.Connect - t.TLS
	return t, cl.phase
}

// request builds what the transport sends. The transport repeats a request by
// itself only where a kept-alive connection turned out dead before a single
// byte was written: GetBody makes that possible, and hiding the idempotency
// headers from the transport (field names are case-insensitive on the wire)
// keeps it from repeating one that may have been received.
func (cl *call) request(ctx context.Context, r *Request) (*http.Request, error) {
	u, err := r.Target.url()
	if err != nil {
		return nil, err
	}
	cl.url = u
	cl.trace = httptrace.ClientTrace{
		GotConn:              cl.gotConn,
		GotFirstResponseByte: func() { cl.answered.Store(true) },
	}
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, callKey{}, cl), &cl.trace)
	method := r.Method
	if method == "" {
		method = http.MethodPost // net/http would read it as GET
	}
	req := (&http.Request{
		Method: method,
		URL:    &cl.url,
		Header: replayProof(r.Header),
		Host:   cl.url.Host,
	}).WithContext(ctx)
	if len(r.Body) > 0 {
		cl.body.Reset(r.Body)
		// net/http sends headers and body in one write only for the body
		// types that it knows.
		req.Body = io.NopCloser(&cl.body)
		req.ContentLength = int64(len(r.Body))
		body := r.Body
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(body)), nil
		}
	}
	return req, nil
}

// replayProof returns h, or a copy whose idempotency headers the transport
// does not see.
func replayProof(h http.Header) http.Header {
	names := [...]string{"Idempotency-Key", "X-Idempotency-Key"}
	if h == nil {
		return http.Header{}
	}
	if h[names[0]] == nil && h[names[1]] == nil {
		return h
	}
	h = h.Clone()
	for _, name := range names {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
	return h
}
