package receivertest

import (
	"context"
	"net"
	"sync"
)

// Listener is a [net.Listener] on in-memory pipes. It works in a bubble of
// testing/synctest, where a read from a socket would stop the clock.
//
// A pipe has no buffer: a write waits for its reader. A connection reset looks
// like a connection closed.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	close sync.Once
}

// NewListener returns a listener that is reached through its DialContext.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// DialContext returns a connection once the listener has accepted it, whatever
// network and address are asked for. After Close the connection is refused.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	err := net.ErrClosed
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-l.done:
	}
	client.Close()
	server.Close()
	return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr{}, Err: err}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "pipe", Addr: pipeAddr{}, Err: net.ErrClosed}
	}
}

// Close stops the listener; connections that it accepted stay open.
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.done) })
	return nil
}

// Addr returns an address that no resolver knows.
func (l *Listener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "receiver.test" }
