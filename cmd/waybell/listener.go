package main

import (
	"net"
	"sync"
)

// boundListener takes so many connections at once; others wait in the system's queue.
// The listener of golang.org/x/net/netutil does the same, but hides what a TCP
// connection can do: without its half-close the server's answer to headers too large
// ends as a reset, and files are copied through memory.
type boundListener struct {
	*net.TCPListener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newBoundListener(l *net.TCPListener, most int) *boundListener {
	return &boundListener{TCPListener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a place, then for a connection.
func (l *boundListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.AcceptTCP()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &boundConn{TCPConn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends the wait for a place too.
func (l *boundListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPListener.Close()
}

// boundConn gives its place back.
type boundConn struct {
	*net.TCPConn
	leave func()
}

func (c *boundConn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
