package egress

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// standard makes exchanges with net/http instead of the lean code in conn.go:
// all else, from the pool to the reading of bodies, is the same. Each
// connection has a client of its own, [http.ClientConn], which never repeats a
// request, follows a redirect, or looks for another connection.
type standard struct{ transport *http.Transport }

// dialKey is the context key of the connection to make.
type dialKey struct{}

// dialing is what DialContext is to make a connection for, and what it made.
type dialing struct {
	cl   *call
	to   Target
	wire *wire
}

func newStandard(d *dialer, maxHeader int64) *standard {
	return &standard{&http.Transport{
		// One address is like another here: the target comes with the context.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return ctx.Value(dialKey{}).(*dialing).dial(ctx, d)
		},
		Proxy:                  nil, // the dialer knows the operator's own; the environment is never asked
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        directBytes,
		Protocols:              http1(),
	}}
}

// http1 are the protocols that both ways of sending speak.
func http1() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	return p
}

// dial makes the connection: the dialer has checked it, and made it secure
// where that was asked for, when net/http sees it.
func (g *dialing) dial(ctx context.Context, d *dialer) (net.Conn, error) {
	made, err := d.dial(ctx, g.cl, g.to)
	if err != nil {
		return nil, err
	}
	g.wire, _ = socketOf(made).(*wire)
	return &untied{made, g.wire}, nil
}

// untied is a connection that is closed at its socket, see [conn.abort].
type untied struct {
	net.Conn
	wire *wire
}

// Close closes the socket.
func (c *untied) Close() error { return c.wire.Close() }

// connect makes a connection and its client.
func (s *standard) connect(ctx context.Context, cl *call, t Target, to origin) (*conn, error) {
	g := &dialing{cl: cl, to: t}
	// http also where TLS is spoken, which the dialer sees to.
	client, err := s.transport.NewClientConn(context.WithValue(ctx, dialKey{}, g), "http", "target:80")
	if err != nil {
		return nil, err
	}
	return &conn{Conn: g.wire, to: to, socket: g.wire, raw: rawOf(g.wire.Conn), wire: g.wire, client: client}, nil
}

// roundTrip is exchange with net/http. After an error the connection is closed,
// and written tells whether anything left.
func (c *conn) roundTrip(cl *call, r *Request) (*http.Response, error) {
	c.wire.begin()
	req := httpRequest(r).WithContext(context.WithoutCancel(cl.caller)) // the deadline of the socket ends it
	resp, err := c.client.RoundTrip(req)
	if err != nil {
		c.abort()
	}
	c.answered, c.written = c.wire.count()
	return resp, err
}

// httpRequest is the request as net/http takes it, see [Request].
func httpRequest(r *Request) *http.Request {
	t := &r.Target
	u := &url.URL{Scheme: "http", Host: t.authority, RawQuery: t.query, ForceQuery: t.hasQuery}
	if path, err := url.PathUnescape(t.path); err == nil { // always: the parser has looked
		u.Path, u.RawPath = path, t.path
	}
	h := r.Header.Map()
	for name := range h {
		if frames(name) {
			delete(h, name)
		}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = nil // none, instead of net/http's own
	}
	req := &http.Request{
		Method: cmp.Or(r.Method, http.MethodPost), URL: u, Host: t.authority, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(r.Body)),
	}
	if len(r.Body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
	}
	return req
}

// wire is the socket below everything of a connection that net/http uses. It
// knows what net/http does not tell: whether anything left, and whether all that
// came was taken. It is safe for the goroutines that net/http reads and writes
// with.
type wire struct {
	net.Conn

	writing sync.Mutex // held while a write is under way

	mu      sync.Mutex
	waits   bool          // for the far end: nothing that came lies in any layer above
	closed  bool          // no longer of use
	settled chan struct{} // closed when waits or closed becomes true; nil: nobody asks
	read    bool          // a byte, in this exchange
	written int           // bytes of this exchange
}

// begin begins an exchange.
func (w *wire) begin() {
	w.mu.Lock()
	w.read, w.written = false, 0
	w.mu.Unlock()
}

// count tells whether anything came and how much left in this exchange. On a
// closed wire that is final: no write is under way.
func (w *wire) count() (read bool, written int) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed {
		w.writing.Lock()
		defer w.writing.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read, w.written
}

// set changes the state under the lock and tells who waits.
func (w *wire) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	if w.settled != nil && (w.waits || w.closed) {
		close(w.settled)
		w.settled = nil
	}
}

// Read reads from the socket, which is done only when nothing is left to take
// from the layers above.
func (w *wire) Read(b []byte) (int, error) {
	w.set(func() { w.waits = true })
	n, err := w.Conn.Read(b)
	w.set(func() { w.waits, w.read = false, w.read || n > 0 })
	return n, err
}

// Write counts what leaves. Nothing does once the wire is closed.
func (w *wire) Write(b []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	n, err := w.Conn.Write(b)
	w.set(func() { w.written += n })
	return n, err
}

// Close closes the socket.
func (w *wire) Close() error {
	w.set(func() { w.closed = true })
	return w.Conn.Close()
}

// drained waits until net/http has taken all that came and waits for more, and
// tells whether it does. Otherwise it has closed the wire: what it finds behind
// an answer was not asked for.
func (w *wire) drained() bool {
	w.mu.Lock()
	if !w.waits && !w.closed {
		if w.settled == nil {
			w.settled = make(chan struct{})
		}
		settled := w.settled
		w.mu.Unlock()
		timer := time.NewTimer(2 * writeGrace) // net/http waits so long for the rest of a request, once
		defer timer.Stop()
		select {
		case <-settled:
		case <-timer.C:
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	return w.waits && !w.closed
}
