//go:build linux

package pgtest

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/waybell/waybell/internal/pgserver"
)

// Direction is a way through a [Proxy].
type Direction int

// The ways through a proxy.
const (
	ToServer Direction = 1 << iota // what clients send
	ToClient                       // what the server sends
	Both     = ToServer | ToClient
)

// Proxy is the network between clients and a server. It forwards bytes until
// it is told to break. Its methods may be called from any goroutine.
type Proxy struct {
	t    testing.TB
	addr string
	work sync.WaitGroup

	mu       sync.Mutex
	change   sync.Cond // of what follows
	server   string
	listener net.Listener
	conns    map[*proxied]bool
	silent   Direction
	closed   bool
}

// proxied is one client's way to the server.
type proxied struct {
	client, server *net.TCPConn // server is nil before it is dialled
	cut            bool
}

// StartProxy starts a network before the server at an address (host:port),
// which lasts until the test ends.
func StartProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, server: server, conns: map[*proxied]bool{}}
	p.change.L = &p.mu
	port, err := pgserver.FreePort()
	if err != nil {
		t.Fatalf("pgtest: proxy: %v", err)
	}
	p.addr = pgserver.Address(port)
	if err := p.listen(); err != nil {
		t.Fatalf("pgtest: proxy: %v", err)
	}
	t.Cleanup(p.close)
	return p
}

// Addr is where clients find the server through the proxy (host:port).
func (p *Proxy) Addr() string { return p.addr }

// URL is the URL of a database with the proxy in place of its server.
func (p *Proxy) URL(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		p.t.Errorf("pgtest: proxy: %v", err)
		return ""
	}
	u.Host = p.addr
	return u.String()
}

// To leads new connections to another server from now on, as an address does that
// moves.
func (p *Proxy) To(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// Cut resets all connections, on both sides. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.reset(c)
	}
}

// Refuse lets new connections be refused, and leaves those that are.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse()
}

// Silence holds back all that goes in a direction from now on, also the end of
// a connection, as a network does that loses every packet: nobody is told.
// New connections are taken, as they are from a frozen server, and hear nothing.
// What is held back arrives after [Proxy.Heal], as TCP would send it again.
func (p *Proxy) Silence(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = d
}

// Heal ends Refuse and Silence.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = 0
	p.change.Broadcast()
	if p.listener == nil && !p.closed {
		if err := p.listen(); err != nil {
			p.t.Errorf("pgtest: proxy: heal: %v", err)
		}
	}
}

// Conns is the number of connections that are open.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// listen takes connections; it is called with the lock, or before others can.
func (p *Proxy) listen() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed by refuse
			}
			p.serve(c.(*net.TCPConn))
		}
	})
	return nil
}

func (p *Proxy) refuse() {
	if p.listener != nil {
		_ = p.listener.Close() // it has nothing to flush
		p.listener = nil
	}
}

// serve starts to forward a client's connection.
func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &proxied{client: client}
	if p.closed {
		p.reset(c)
		return
	}
	p.conns[c] = true
	p.work.Go(func() {
		if !p.dial(c) {
			return
		}
		var ways sync.WaitGroup
		ways.Go(func() { p.forward(c, ToServer) })
		ways.Go(func() { p.forward(c, ToClient) })
		ways.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		_, _ = c.client.Close(), c.server.Close() // both ways have ended
		delete(p.conns, c)
	})
}

// dial reaches the server, once what a client sends gets through. It is false
// if the connection is no more.
func (p *Proxy) dial(c *proxied) bool {
	if !p.pass(c, ToServer) {
		return false
	}
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	conn, err := net.Dial("tcp", server)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.reset(c)
		return false
	}
	c.server = conn.(*net.TCPConn)
	if c.cut {
		p.reset(c)
		return false
	}
	return true
}

// forward copies one way until its end, which it forwards too; an error resets
// the connection.
func (p *Proxy) forward(c *proxied, d Direction) {
	from, to := c.client, c.server
	if d == ToClient {
		from, to = to, from
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !p.pass(c, d) {
			return
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite() // fails only if the other way is reset already
			return
		case err != nil:
			p.mu.Lock()
			p.reset(c)
			p.mu.Unlock()
			return
		}
	}
}

// pass waits while a direction is silent. It is false if the connection was cut.
func (p *Proxy) pass(c *proxied, d Direction) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.silent&d != 0 && !c.cut {
		p.change.Wait()
	}
	return !c.cut
}

// reset ends a connection by RST, so that both sides get ECONNRESET.
func (p *Proxy) reset(c *proxied) {
	c.cut = true
	for _, side := range []*net.TCPConn{c.client, c.server} {
		if side != nil {
			_, _ = side.SetLinger(0), side.Close() // a closed one needs no reset
		}
	}
	delete(p.conns, c)
	p.change.Broadcast()
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.refuse()
	for c := range p.conns {
		p.reset(c)
	}
	p.mu.Unlock()
	p.work.Wait()
}
