package egress

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// listen opens a real socket for the time of the test.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestIdleSocketThatEndedIsNotUsed: over real sockets, an idle connection that
// the receiver has closed, or has spoken on unasked, costs no attempt.
func TestIdleSocketThatEndedIsNotUsed(t *testing.T) { eachWay(t, testIdleSocketThatEndedIsNotUsed) }

func testIdleSocketThatEndedIsNotUsed(t *testing.T, netHTTP bool) {
	t.Parallel()
	for name, end := range map[string]func(net.Conn) error{
		"closed": net.Conn.Close,
		"unasked": func(c net.Conn) error {
			_, err := io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n")
			return err
		},
		"aborted": func(c net.Conn) error { return c.(*net.TCPConn).SetLinger(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			c := mustNew(t, Config{NetHTTP: netHTTP, Allow: []string{"127.0.0.0/8"}})
			defer c.CloseIdle()
			for range 2 {
				served := make(chan net.Conn, 1)
				go func() {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
						_, _ = io.Copy(io.Discard, req.Body)
						_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
					}
					served <- conn
				}()
				checkResult(t, c.Do(t.Context(), post(t, c, "http://"+l.Addr().String()+"/")), 204, ClassNone, "")
				conn := <-served
				if err := end(conn); err != nil {
					t.Fatal(err)
				}
				if name == "aborted" {
					_ = conn.Close()
				}
				defer conn.Close()
			}
		})
	}
}

// TestLongRequestThatIsAnsweredEarly: the answer counts although the request
// is never read to its end, and the connection is not used again.
func TestLongRequestThatIsAnsweredEarly(t *testing.T) { eachWay(t, testLongRequestThatIsAnsweredEarly) }

func testLongRequestThatIsAnsweredEarly(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 16))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			hang(conn)
		}}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		for range 2 {
			request := post(t, c, "http://example.com/")
			request.Body = bytes.Repeat([]byte("x"), 64*kib)
			result := c.Do(t.Context(), request)
			checkResult(t, result, 413, ClassNone, "")
			grace := time.Duration(0)
			if netHTTP { // it gives the rest of the request that time first
				grace = writeGrace
			}
			if result.Timing.Total != grace {
				t.Errorf("took %v", result.Timing.Total)
			}
		}
		if n.dials() != 2 {
			t.Errorf("%d connections, want one for each", n.dials())
		}
	})
}

// TestOldestIdleConnectionGoes: beyond the bound in all, the connection that
// was idle for longest is closed, whatever its host.
func TestOldestIdleConnectionGoes(t *testing.T) { eachWay(t, testOldestIdleConnectionGoes) }

func testOldestIdleConnectionGoes(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: keptAlive(new(atomic.Int64), "HTTP/1.1 204 No Content\r\n\r\n")}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		c.idle.total = 2
		for _, host := range []string{"a", "b", "a", "c", "a", "b"} { // c takes the place of b
			checkResult(t, c.Do(t.Context(), post(t, c, "http://"+host+".example.com/")), 204, ClassNone, "")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n.dials() != 4 || n.open.Load() != 2 {
			t.Errorf("%d connections were made, want 4; %d are open, want 2", n.dials(), n.open.Load())
		}
	})
}

// TestOriginsAreForgotten: of receivers without idle connections no more are known
// than there may be connections, and none once all were closed.
func TestOriginsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: keptAlive(new(atomic.Int64), "HTTP/1.1 204 No Content\r\n\r\n")}
		c := setup(t, n, Config{})
		const total, hosts = 3, 21
		c.idle.total = total
		known := func() (origins, empty, conns int) {
			c.idle.mu.Lock()
			defer c.idle.mu.Unlock()
			return len(c.idle.idle), c.idle.empty, c.idle.n
		}
		for i := range hosts {
			checkResult(t, c.Do(t.Context(), post(t, c, fmt.Sprintf("http://h%d.example.com/", i))), 204, ClassNone, "")
			if origins, empty, _ := known(); origins > 2*total {
				t.Fatalf("after %d receivers %d are known, %d of them without idle connections", i+1, origins, empty)
			}
		}
		// Who is asked again at once finds its list, and is not counted twice.
		before := c.idle.idle[c.idle.newest.to]
		checkResult(t, c.Do(t.Context(), post(t, c, fmt.Sprintf("http://h%d.example.com/", hosts-1))), 204, ClassNone, "")
		if _, empty, _ := known(); c.idle.idle[c.idle.newest.to] != before || empty != (hosts-total)%(total+1) {
			t.Errorf("another list is kept, and %d are empty", empty)
		}
		if _, _, conns := known(); n.open.Load() != total || conns != total {
			t.Errorf("%d connections are open, %d idle, want %d", n.open.Load(), conns, total)
		}
		time.Sleep(idleTimeout)
		synctest.Wait()
		if origins, empty, _ := known(); n.open.Load() != 0 || origins != 0 || empty != 0 {
			t.Errorf("%d connections are open; %d receivers are known, %d without idle ones", n.open.Load(), origins, empty)
		}
	})
}

// TestNothingIsKeptBehindTheAnswer: TLS hands over whole records, so an answer
// that was not asked for can lie in the layer above the socket, where neither
// the socket nor the reader of the first answer shows it. It is never taken
// for the answer to the next request.
func TestNothingIsKeptBehindTheAnswer(t *testing.T) { eachWay(t, testNothingIsKeptBehindTheAnswer) }

func testNothingIsKeptBehindTheAnswer(t *testing.T, netHTTP bool) {
	t.Parallel()
	const forged = "HTTP/1.1 299 Forged\r\nContent-Length: 0\r\n\r\n"
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 4055\r\n\r\n"
	full := head + strings.Repeat("x", 4096-len(head)) // the reader's buffer, to the byte
	trusted := newAuthority(t)
	config := &tls.Config{
		Certificates:                []tls.Certificate{trusted.sign(t, "example.com", bubbleEpoch().AddDate(1, 0, 0))},
		DynamicRecordSizingDisabled: true,
	}
	for name, written := range map[string][]string{
		"in one record":  {full + forged},
		"in two records": {full, forged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: buffered(func(conn net.Conn) {
					wire := &joined{Conn: conn}
					server := tls.Server(wire, config)
					defer server.Close()
					requests := bufio.NewReader(server)
					for range 2 {
						req, err := http.ReadRequest(requests)
						if err != nil {
							return
						}
						_, _ = io.Copy(io.Discard, req.Body)
						wire.hold = true
						for _, part := range written {
							_, _ = io.WriteString(server, part)
						}
						_ = wire.flush()
					}
				})}
				c := setup(t, n, Config{NetHTTP: netHTTP, TLS: &tls.Config{RootCAs: trusted.pool()}})
				for range 2 {
					checkResult(t, c.Do(t.Context(), post(t, c, "https://example.com/")), 200, ClassNone, "")
					synctest.Wait()
				}
				if n.dials() != 2 {
					t.Errorf("%d connections, want 2", n.dials())
				}
			})
		})
	}
}

// joined holds what is written until it is flushed, so that it arrives at once.
type joined struct {
	net.Conn
	held []byte
	hold bool
}

func (c *joined) Write(b []byte) (int, error) {
	if !c.hold {
		return c.Conn.Write(b)
	}
	c.held = append(c.held, b...)
	return len(b), nil
}

func (c *joined) flush() error {
	held := c.held
	c.held, c.hold = nil, false
	_, err := c.Conn.Write(held)
	return err
}

// TestSocketBelowTLS: whatever lies above it, the socket is known, so that it
// can be asked whether it is alive; a proxy reached over TLS makes two layers.
func TestSocketBelowTLS(t *testing.T) {
	t.Parallel()
	l := listen(t)
	for layers := range 3 {
		socket, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		over := socket
		for range layers {
			over = tls.Client(over, &tls.Config{ServerName: "example.com"})
		}
		c := newConn(over, origin{})
		if !c.direct || c.socket != socket || c.layers != (layers > 0) || !c.alive() {
			t.Errorf("%d layers: direct %v, layered %v, alive %v", layers, c.direct, c.layers, c.alive())
		}
		_ = far.Close()
		_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, socket); err != nil { // the end has arrived
			t.Fatal(err)
		}
		if c.alive() {
			t.Errorf("%d layers: alive although the far end is gone", layers)
		}
		c.abort()
	}
}

// badReads panics when it is read, as a bug in the parsing of an answer would.
type badReads struct{ net.Conn }

func (badReads) Read([]byte) (int, error) { panic("a bug") }

// TestPanicLeavesNoConnection: a panic is its caller's to recover; the
// connection is closed all the same.
func TestPanicLeavesNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: hang}
		n.wrap = func(_ int, conn net.Conn) net.Conn { return badReads{conn} }
		c := setup(t, n, Config{})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			c.Do(t.Context(), post(t, c, "http://example.com/"))
		}()
		synctest.Wait()
		if n.open.Load() != 0 {
			t.Error("the connection is open")
		}
	})
}
