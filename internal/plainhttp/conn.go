package plainhttp

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// The states of a connection.
const (
	idle    int32 = iota // between requests
	active               // what it sent is being read or answered
	waiting              // for the handler, which read the whole body
	watched              // that too, and who sent it may go away: see look
	closed
)

const (
	// deadlineStep is how much too early a deadline may be, so that it need not be set
	// anew for each request.
	deadlineStep = 5 * time.Second
	// lingerTime is how long a client that sent too slowly may take to read that it
	// did; net/http's server gives as much.
	lingerTime = 500 * time.Millisecond
)

// conn is a connection that had plain requests only so far.
type conn struct {
	net.Conn
	server   *Server
	handover *handover
	state    atomic.Int32
	cancel   context.CancelFunc // of the context of all its requests

	in      [headBytes]byte
	have    int       // bytes of in that were read and not answered
	lines   int       // bytes of empty lines that may come before the next request
	readBy  time.Time // the deadlines that were set
	writeBy time.Time

	begun    atomic.Uint32 // requests
	seen     uint32        // what begun was at the last look; Server.mu is held for it
	watching sync.Mutex    // held while the watch of a request begins
	ended    chan struct{} // closed at its end
	gone     bool          // the client; once that is closed

	// One request after the other uses these.
	head     head
	template *http.Request
	request  http.Request
	url      url.URL
	header   http.Header
	body     body
	answer   answer
}

// newConn is a connection that was accepted at h. The contexts of its requests begin
// here, as those of net/http's server do there.
func (s *Server) newConn(c net.Conn, h *handover) *conn {
	r := &http.Request{Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	ctx := context.WithValue(r.Context(), http.ServerContextKey, s.Standard)
	ctx, cancel := context.WithCancel(context.WithValue(ctx, http.LocalAddrContextKey, c.LocalAddr()))
	return &conn{
		Conn: c, server: s, handover: h, template: r.WithContext(ctx), cancel: cancel,
		header: http.Header{}, answer: answer{header: http.Header{}},
	}
}

// serve answers requests until there are no more, or one is not plain. A handler that
// panics ends the connection; http.ErrAbortHandler does so in silence, as it is
// documented.
func (c *conn) serve() {
	open := true
	defer func() {
		// What it panicked with may hold a piece of the request.
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			c.server.logf("plainhttp: panic answering %s\n%s", c.request.Pattern, debug.Stack())
		}
		if open {
			c.Conn.Close() //nolint:errcheck // all that had to be sent was, or cannot be
		}
		c.cancel()
	}()
	c.template.RemoteAddr = c.RemoteAddr().String()
	std := c.server.Standard
	for timeout := std.ReadHeaderTimeout; c.await(timeout); timeout = std.IdleTimeout {
		if !c.state.CompareAndSwap(idle, active) {
			return
		}
		if !c.head.parse(c.in[:c.have]) || !c.server.Plain(c.head.path) {
			open = !c.leave()
			return
		}
		c.begun.Add(1)
		if !c.respond() {
			return
		}
		c.state.Store(idle)
		if c.server.closing.Load() { // closeIdle may have come too early
			return
		}
	}
}

// closeIdle closes the connection if it has no request.
func (c *conn) closeIdle() {
	if c.state.CompareAndSwap(idle, closed) {
		c.Conn.Close() //nolint:errcheck // nothing is under way on it
	}
}

// await returns once there is something of a request, or false.
func (c *conn) await(timeout time.Duration) bool {
	for c.skipLines(); c.have == 0; c.skipLines() {
		c.readWithin(timeout)
		n, err := c.Conn.Read(c.in[:])
		if err != nil {
			return false
		}
		c.have = n
	}
	return true
}

// skipLines leaves out two empty lines after a body, as net/http does after a POST
// (RFC 9112, section 2.2).
func (c *conn) skipLines() {
	n := 0
	for n < min(c.lines, c.have) && (c.in[n] == '\r' || c.in[n] == '\n') {
		n++
	}
	if n > 0 {
		c.lines -= n
		c.have = copy(c.in[:], c.in[n:c.have])
	}
}

// leave hands the connection over, with what was read of it.
func (c *conn) leave() bool {
	c.SetDeadline(time.Time{}) //nolint:errcheck // who reads or writes hears of it
	return c.handover.give(accepted{conn: &begun{Conn: c.Conn, read: bytes.Clone(c.in[:c.have])}})
}

func (c *conn) readWithin(timeout time.Duration)  { within(timeout, &c.readBy, c.SetReadDeadline) }
func (c *conn) writeWithin(timeout time.Duration) { within(timeout, &c.writeBy, c.SetWriteDeadline) }

// within sets a deadline, unless the one that is set ends at most deadlineStep earlier.
func within(timeout time.Duration, by *time.Time, set func(time.Time) error) {
	at := time.Now().Add(timeout)
	if early := at.Sub(*by); early < 0 || early > deadlineStep {
		*by = at
		set(at) //nolint:errcheck // who reads or writes hears of it
	}
}

// respond answers the request whose head was read, and tells whether another one may
// follow.
func (c *conn) respond() bool {
	w := &c.answer
	w.reset()
	c.server.Standard.Handler.ServeHTTP(w, c.prepare())
	// As net/http does: a client that is to go on has to have sent all, before it is
	// answered; one that is not need not.
	last := w.closes()
	whole := c.body.left == 0 || !last && c.body.discard()
	c.unwatch()
	last = last || !whole || c.gone || c.server.closing.Load()
	c.writeWithin(c.server.Standard.WriteTimeout)
	if w.send(c.Conn, c.server.dateAt(time.Now()), last) != nil {
		return false
	}
	if !whole {
		c.linger()
		return false
	}
	c.have, c.lines = copy(c.in[:], c.in[c.body.at:c.have]), len("\r\n\r\n")
	return !last
}

// prepare makes the request of the head that was read.
func (c *conn) prepare() *http.Request {
	h := &c.head
	clear(c.header)
	for i, name := range h.names {
		if before := c.header[name]; before != nil {
			c.header[name] = append(before, h.values[i])
		} else {
			c.header[name] = h.values[i : i+1 : i+1]
		}
	}
	c.url = url.URL{Path: h.path}
	c.body = body{conn: c, left: h.length, at: h.size}
	c.request = *c.template
	r := &c.request
	r.URL, r.RequestURI, r.Host, r.Header = &c.url, h.path, h.host, c.header
	r.ContentLength, r.Body = int64(h.length), &c.body
	if h.length == 0 {
		r.Body = http.NoBody
		c.state.Store(waiting)
	}
	return r
}

// linger lets the client read the answer while it still sends: a connection that is
// closed with bytes unread is reset, and what was sent on it may be lost. Whoever did not
// send in time gets a little more.
func (c *conn) linger() {
	closeWrite(c.Conn) //nolint:errcheck // reading hears of it
	if c.body.timed && time.Until(c.readBy) < lingerTime {
		c.SetReadDeadline(time.Now().Add(lingerTime)) //nolint:errcheck // reading hears of it
	}
	c.body.discard()
}

// body is that of a request. It must not be read once its request was answered.
type body struct {
	conn  *conn
	left  int // bytes not read yet
	at    int // of conn.in that are the head's or were read
	timed bool
}

// Read implements [io.Reader]; the last byte comes with the end.
func (b *body) Read(p []byte) (n int, err error) {
	c := b.conn
	p = p[:min(len(p), b.left)]
	switch {
	case b.left == 0:
		return 0, io.EOF
	case b.at < c.have:
		n = copy(p, c.in[b.at:c.have])
		b.at += n
	default:
		if !b.timed { // for all of it: whoever sends a byte at a time gets no more
			b.timed = true
			c.readWithin(c.server.Standard.ReadTimeout)
		}
		if n, err = c.Conn.Read(p); err == io.EOF && n < b.left {
			err = io.ErrUnexpectedEOF
		}
	}
	if b.left -= n; b.left == 0 {
		c.state.CompareAndSwap(active, waiting)
		err = cmp.Or(err, io.EOF)
	}
	return n, err
}

// Close implements [io.Closer]. What is left is read before the answer.
func (b *body) Close() error { return nil }

// discard reads what the handler left, and tells whether all came.
func (b *body) discard() bool {
	_, err := io.Copy(io.Discard, b)
	return err == nil
}
