package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const publicIP = "93.184.216.34"

// network is an in-memory internet: every dial makes a pipe whose far end is
// given to serve. It counts what the client dials and reads.
type network struct {
	serve func(conn net.Conn)
	// wrap may change the client's end of the n-th connection, from 1.
	wrap func(n int, conn net.Conn) net.Conn

	mu     sync.Mutex
	dialed []string
	open   atomic.Int64
	read   atomic.Int64
}

func (n *network) dial(_ context.Context, _, addr string) (net.Conn, error) {
	near, far := net.Pipe()
	gone := make(chan struct{})
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	count := len(n.dialed)
	n.mu.Unlock()
	n.open.Add(1)
	go func() {
		defer far.Close()
		n.serve(&peer{far, gone})
	}()
	var conn net.Conn = &countedConn{Conn: near, network: n, gone: gone}
	if n.wrap != nil {
		conn = n.wrap(count, conn)
	}
	return conn, nil
}

func (n *network) dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.dialed)
}

type countedConn struct {
	net.Conn
	network *network
	gone    chan struct{}
	once    sync.Once
}

// peer is the receiver's end; gone is closed when the client closes its own.
type peer struct {
	net.Conn
	gone <-chan struct{}
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.network.read.Add(int64(n))
	return n, err
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.network.open.Add(-1); close(c.gone) })
	return c.Conn.Close()
}

// eachWay runs a test for both ways of sending: whatever a receiver does, they
// come to the same.
func eachWay(t *testing.T, test func(t *testing.T, netHTTP bool)) {
	t.Run("lean", func(t *testing.T) { test(t, false) })
	t.Run("net_http", func(t *testing.T) { test(t, true) })
}

// answers is a resolver that gives each lookup the next of its answers, the
// last one for good.
type answers struct {
	mu    sync.Mutex
	asked []string
	lists [][]string
	err   error
}

func (a *answers) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, host)
	if a.err != nil {
		return nil, a.err
	}
	var addrs []netip.Addr
	for _, text := range a.lists[0] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	if len(a.lists) > 1 {
		a.lists = a.lists[1:]
	}
	return addrs, nil
}

// setup returns a client on the network. It must run in a synctest bubble,
// whose end proves that no goroutine is left; that no connection is left open
// is checked here.
func setup(t *testing.T, n *network, config Config) *Client {
	t.Helper()
	config.Dial = n.dial
	if config.Resolver == nil {
		config.Resolver = &answers{lists: [][]string{{publicIP}}}
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.CloseIdle()
		synctest.Wait()
		if open := n.open.Load(); open != 0 {
			t.Errorf("%d connections are still open", open)
		}
	})
	return c
}

func post(t *testing.T, c *Client, raw string) *Request {
	t.Helper()
	return &Request{Target: mustParse(t, c, raw), Header: Header{{"User-Agent", "Waybell/test"}}, Body: []byte(`{"a":1}`)}
}

// afterRequest reads one request and then writes what script says.
func afterRequest(script func(conn net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		br := bufio.NewReader(conn)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		script(conn)
	}
}

func text(s string) func(net.Conn) {
	return afterRequest(func(conn net.Conn) { _, _ = io.WriteString(conn, s) })
}

// endless writes head, and then piece again and again until the client is
// gone, waiting pause before each.
func endless(head, piece string, pause time.Duration) func(net.Conn) {
	return afterRequest(func(conn net.Conn) {
		_, err := io.WriteString(conn, head)
		for err == nil {
			if pause > 0 {
				select {
				case <-time.After(pause):
				case <-conn.(*peer).gone:
					return
				}
			}
			_, err = io.WriteString(conn, piece)
		}
	})
}

const (
	kib    = 1 << 10
	okHead = "HTTP/1.1 200 OK\r\n"
)

// hostileAnswer is a receiver and what one request to it comes to. took is the
// exact virtual time, read the most bytes that may be taken from the wire.
type hostileAnswer struct {
	name      string
	serve     func(net.Conn)
	status    int
	class     Class
	text      string
	body      int
	truncated bool
	took      time.Duration
	read      int64
}

func hostileAnswers() []hostileAnswer {
	const header, buffer = 64 * kib, 8 * kib
	chunk := "4000\r\n" + strings.Repeat("x", 16*kib) + "\r\n"
	return []hostileAnswer{
		{name: "plain", serve: text(okHead + "Content-Length: 2\r\n\r\nok"), status: 200, body: 2, read: kib},
		{name: "until close", serve: text(okHead + "\r\nok"), status: 200, body: 2, read: kib},
		{name: "HTTP/1.0", serve: text("HTTP/1.0 201 Created\r\n\r\n"), status: 201, read: kib},
		{name: "no content", serve: text("HTTP/1.1 204 No Content\r\n\r\n"), status: 204, read: kib},
		{name: "redirect to an inner address", serve: text("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"), status: 302, read: kib},
		{name: "permanent redirect", serve: text("HTTP/1.1 308 Permanent Redirect\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"), status: 308, read: kib},
		{name: "gzip bomb", serve: endless(okHead+"Content-Encoding: gzip\r\nContent-Length: 9999999999\r\n\r\n", strings.Repeat("\x1f\x8b", 8*kib), 0), status: 200, body: 16 * kib, truncated: true, read: 16*kib + buffer},
		{name: "endless body", serve: endless(okHead+"Transfer-Encoding: chunked\r\n\r\n", chunk, 0), status: 200, body: 16 * kib, truncated: true, read: 16*kib + drainBytes + buffer},
		{name: "endless body until close", serve: endless(okHead+"\r\n", chunk, 0), status: 200, body: 16 * kib, truncated: true, read: 16*kib + drainBytes + buffer},
		{name: "endless chunk extension", serve: endless(okHead+"Transfer-Encoding: chunked\r\n\r\n1;", "extension", 0), status: 200, truncated: true, read: 16 * kib},
		{name: "endless trailer", serve: endless(okHead+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 0), status: 200, truncated: true, read: 16 * kib},
		{name: "slow drip of the body", serve: endless(okHead+"Content-Length: 1000\r\n\r\n", "x", 7*time.Second), status: 200, body: 4, truncated: true, took: 30 * time.Second, read: kib},
		{name: "slow drip behind the kept part", serve: endless(okHead+"\r\n"+strings.Repeat("x", 16*kib), "x", time.Second), status: 200, body: 16 * kib, truncated: true, took: drainTime, read: 16*kib + buffer},
		{name: "slow drip of the headers", serve: endless(okHead, "A: b\r\n", time.Second), class: ClassTimeout, text: textTimeoutExchange, took: 30 * time.Second, read: kib},
		{name: "slow informational flood", serve: endless("", "HTTP/1.1 103 Early Hints\r\n\r\n", time.Second), class: ClassTimeout, text: textTimeoutExchange, took: 30 * time.Second, read: kib},
		{name: "informational flood", serve: endless("", "HTTP/1.1 100 Continue\r\n\r\n", 0), class: ClassBadResponse, text: textBadResponse, read: header + buffer},
		{name: "a few informational answers", serve: text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), status: 200, read: kib},
		{name: "endless headers", serve: endless(okHead, "A: "+strings.Repeat("b", 100)+"\r\n", 0), class: ClassBadResponse, text: textBadResponse, read: header + buffer},
		{name: "endless header line", serve: endless(okHead+"A: ", strings.Repeat("b", kib), 0), class: ClassBadResponse, text: textBadResponse, read: header + buffer},
		{name: "endless status line", serve: endless("HTTP/1.1 200 ", strings.Repeat("b", kib), 0), class: ClassBadResponse, text: textBadResponse, read: header + buffer},
		{name: "large headers", serve: text(okHead + "A: " + strings.Repeat("b", 60*kib) + "\r\nContent-Length: 0\r\n\r\n"), status: 200, read: header},
		{name: "not HTTP", serve: text("SSH-2.0-OpenSSH_9.9\r\n"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "a TLS alert", serve: text("\x15\x03\x01\x00\x02\x02\x46"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "HTTP/0.9", serve: text("<html>hello</html>\r\n"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "HTTP/2 by surprise", serve: text("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), class: ClassBadResponse, text: textBadStatus, read: kib},
		{name: "switching protocols", serve: text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), class: ClassBadResponse, text: textBadStatus, read: kib},
		{name: "status 999", serve: text("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), class: ClassBadResponse, text: textBadStatus, read: kib},
		{name: "status 099", serve: text("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"), class: ClassBadResponse, text: textBadStatus, read: kib},
		{name: "status with a letter", serve: text("HTTP/1.1 2x0 Odd\r\n\r\n"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "two lengths", serve: text(okHead + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "negative length", serve: text(okHead + "Content-Length: -1\r\n\r\nab"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "unknown transfer encoding", serve: text(okHead + "Transfer-Encoding: gzip\r\n\r\nab"), class: ClassBadResponse, text: textBadResponse, read: kib},
		{name: "broken chunk", serve: text(okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n"), status: 200, body: 2, truncated: true, read: kib},
		{name: "shorter than its length", serve: text(okHead + "Content-Length: 10\r\n\r\nok"), status: 200, body: 2, truncated: true, read: kib},
		{name: "closed within the headers", serve: text(okHead + "Content-Length: 10\r\n"), class: ClassConnectionLost, text: textLost, read: kib},
		{name: "closed after the request", serve: text(""), class: ClassConnectionLost, text: textLost},
		{name: "closed after accept", serve: func(net.Conn) {}, class: ClassConnectionLost, text: textLost},
		{name: "hangs after accept", serve: hang, class: ClassTimeout, text: textTimeoutExchange, took: 30 * time.Second},
		{name: "hangs after the request", serve: afterRequest(hang), class: ClassTimeout, text: textTimeoutExchange, took: 30 * time.Second},
		{name: "answers before it has read", serve: func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 16))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			hang(conn)
		}, status: 413, read: kib},
	}
}

// TestHostileAnswers runs one request against each kind of receiver.
func TestHostileAnswers(t *testing.T) { eachWay(t, testHostileAnswers) }

func testHostileAnswers(t *testing.T, netHTTP bool) {
	t.Parallel()
	for _, tt := range hostileAnswers() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: tt.serve}
				c := setup(t, n, Config{NetHTTP: netHTTP})
				start := time.Now()
				result := c.Do(t.Context(), post(t, c, "http://example.com/hook"))
				took := time.Since(start)
				checkResult(t, result, tt.status, tt.class, tt.text)
				if len(result.Body) != tt.body || result.Truncated != tt.truncated {
					t.Errorf("body of %d bytes, truncated %v", len(result.Body), result.Truncated)
				}
				if took != tt.took || result.Timing.Total != took {
					t.Errorf("took %v (%v in all), want %v", took, result.Timing.Total, tt.took)
				}
				if read := n.read.Load(); read > tt.read {
					t.Errorf("%d bytes were read, the bound is %d", read, tt.read)
				}
				if n.dials() != 1 {
					t.Errorf("%d connections", n.dials())
				}
			})
		})
	}
}

// hang neither reads nor writes until the client is gone.
func hang(conn net.Conn) { <-conn.(*peer).gone }

func checkResult(t *testing.T, got Result, status int, class Class, text string) {
	t.Helper()
	var gotClass Class
	var gotText string
	if got.Err != nil {
		gotClass, gotText = got.Err.Class, got.Err.Text
	}
	if got.Status != status || gotClass != class || gotText != text {
		t.Errorf("got status %d, %v %q; want %d, %v %q", got.Status, gotClass, gotText, status, class, text)
	}
}
