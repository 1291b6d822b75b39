package egress

import (
	"bufio"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"syscall"
	"time"
)

// directBytes is the longest request that is written before the answer is
// read. The system takes so much of a socket without the far end's help; a
// longer one is written beside the reading, since a receiver may answer before
// it has read all.
const directBytes = 8 << 10

// writeGrace is how long the rest of a request may take whose answer is in,
// for the connection to be used again.
const writeGrace = 50 * time.Millisecond

// keptOut is the largest request buffer that an idle connection keeps.
const keptOut = 16 << 10

var (
	errHeadersTooLarge = errors.New("the headers are too large")
	// errStale: an idle connection was closed by the far end, which then cannot have
	// got anything, or it spoke without having been asked.
	errStale = errors.New("the connection is of no use any more")
)

// origin is what connections are kept for.
type origin struct {
	https bool
	host  string
	port  uint16
}

// conn is a connection to a receiver. One call at a time uses it, or it is
// idle in the pool.
type conn struct {
	net.Conn
	to     origin
	in     *bufio.Reader
	out    []byte
	socket net.Conn              // below all TLS
	direct bool                  // a socket, with or without TLS
	raw    syscall.RawConn       // nil: not a socket
	step   func(fd uintptr) bool // postStep, or nil
	layers bool                  // of TLS, which may hold bytes back
	reused bool
	wire   *wire            // the socket where net/http makes the exchanges, else nil
	client *http.ClientConn // with wire
	before lastHead         // never set with wire
	watch  *watch           // of the caller's context, or nil

	// Of the exchange under way:
	budget   int64 // bytes that may yet be read
	posted   bool  // see post
	quiet    bool
	answered bool          // a byte of the answer was seen
	writing  chan struct{} // closed when the request was written, or nil
	written  int
	writeErr error

	since        time.Time // idle since
	older, newer *conn     // among all idle ones
}

func newConn(c net.Conn, to origin) *conn {
	cn := &conn{Conn: c, to: to, socket: socketOf(c)}
	cn.in = bufio.NewReader(cn)
	cn.layers = cn.socket != c
	_, cn.direct = cn.socket.(*net.TCPConn)
	cn.raw = rawOf(cn.socket)
	return cn
}

// socketOf is what lies below all TLS; a proxy reached over TLS makes it two
// layers.
func socketOf(c net.Conn) net.Conn {
	for {
		secured, ok := c.(*tls.Conn)
		if !ok {
			return c
		}
		c = secured.NetConn()
	}
}

// rawOf is how the system's socket is asked; nil where it is none.
func rawOf(socket net.Conn) syscall.RawConn {
	if tcp, ok := socket.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// Read reads within the budget; the buffered reader calls it.
func (c *conn) Read(b []byte) (int, error) {
	if c.budget <= 0 {
		return 0, errHeadersTooLarge
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.budget)])
	c.budget -= int64(n)
	c.answered = c.answered || n > 0
	return n, err
}

// exchange writes a request and reads the headers of the answer, of at most
// limit bytes. After an error the connection is closed, and written tells
// whether anything left: nothing with errStale.
func (c *conn) exchange(r *Request, limit int64) (*http.Response, error) {
	c.out = appendRequest(c.out[:0], r)
	c.budget, c.answered, c.writing, c.written, c.writeErr = limit, false, nil, 0, nil
	switch {
	case c.direct && len(c.out) <= directBytes && !c.layers:
		if !c.post() {
			c.abort()
			return nil, errStale
		}
	case c.reused && !c.alive():
		c.abort()
		return nil, errStale
	case c.direct && len(c.out) <= directBytes:
		c.write()
	default:
		c.writing = make(chan struct{})
		go func() { defer close(c.writing); c.write() }()
	}
	resp, err := c.head()
	if err == nil {
		c.budget = math.MaxInt64
		return resp, nil
	}
	c.abort() // ends the writing
	if c.writing != nil {
		<-c.writing
	}
	if c.writeErr != nil && isTimeout(err) { // see write
		err = c.writeErr
	}
	return nil, err
}

// Close closes an idle connection.
func (c *conn) Close() error {
	c.unwatch()
	return c.Conn.Close()
}

// abort closes the connection without the goodbye of TLS, which a receiver that
// takes nothing any more would delay beyond the time limit, by seconds.
func (c *conn) abort() {
	c.unwatch()
	_ = c.socket.Close()
	if c.client != nil {
		_ = c.client.Close() // ends its goroutines, whatever they wait for
	}
}

// write writes the request. Where that fails there may be an answer already,
// but none is waited for: the reading ends at once, or, if a part was sent,
// soon.
func (c *conn) write() {
	n, err := c.Conn.Write(c.out[c.written:])
	c.written, c.writeErr = c.written+n, err
	if c.writeErr == nil {
		return
	}
	until := time.Unix(1, 0)
	if c.written > 0 && !isTimeout(c.writeErr) {
		until = time.Now().Add(drainTime)
	}
	_ = c.Conn.SetReadDeadline(until) // fails only where reading fails too
}

// clean tells whether another request can follow: the whole request was
// written, and nothing lies behind the answer.
func (c *conn) clean() bool {
	if c.wire != nil {
		return c.client.Err() == nil // the rest is asked before it is used again
	}
	if c.writing != nil {
		timer := time.NewTimer(writeGrace)
		defer timer.Stop()
		select {
		case <-c.writing:
		case <-timer.C:
			return false
		}
	}
	return c.writeErr == nil && c.in.Buffered() == 0 && (!c.layers || c.drained())
}

// drained tells whether TLS holds nothing that was received. Asking it for a
// byte when the time for that is over brings forth only what it has already,
// without a look at the socket, and does it no harm.
func (c *conn) drained() bool {
	if c.Conn.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	_, err := c.in.Peek(1)
	return isTimeout(err)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
