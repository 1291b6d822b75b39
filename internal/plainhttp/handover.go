package plainhttp

import (
	"net"
	"sync"
)

// handover is the standard server's listener: what is not plain comes in at it.
type handover struct {
	net.Listener
	taken chan accepted
	came  chan struct{} // signalled with the first connection that is open
	done  chan struct{} // closed with the listener
	once  sync.Once
}

// accepted is what Accept returns.
type accepted struct {
	conn net.Conn
	err  error
}

// give waits until the standard server takes a; false once it takes nothing more.
func (h *handover) give(a accepted) bool {
	select {
	case h.taken <- a:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements [net.Listener].
func (h *handover) Accept() (net.Conn, error) {
	select {
	case a := <-h.taken:
		return a.conn, a.err
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return h.Listener.Close()
}

// begun is a connection of which something was read.
type begun struct {
	net.Conn
	read []byte
}

// Read returns what was read, first.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.read)
	if b.read = b.read[n:]; len(b.read) == 0 {
		b.read = nil
	}
	return n, nil
}

// CloseWrite lets the standard server half-close the connection, without which the end
// of an answer may be lost to who still sends.
func (b *begun) CloseWrite() error { return closeWrite(b.Conn) }

func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
