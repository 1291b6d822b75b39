package egress

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdleSocketThatEndedIsNotUsed: over real sockets, an idle connection that
// the receiver has closed, or has spoken on unasked, costs no attempt.
func TestIdleSocketThatEndedIsNotUsed(t *testing.T) {
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
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c := mustNew(t, Config{Allow: []string{"127.0.0.0/8"}})
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
func TestLongRequestThatIsAnsweredEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 16))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			hang(conn)
		}}
		c := setup(t, n, Config{})
		for range 2 {
			request := post(t, c, "http://example.com/")
			request.Body = bytes.Repeat([]byte("x"), 64*kib)
			result := c.Do(t.Context(), request)
			checkResult(t, result, 413, ClassNone, "")
			if result.Timing.Total != 0 {
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
func TestOldestIdleConnectionGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: keptAlive(new(atomic.Int64), "HTTP/1.1 204 No Content\r\n\r\n")}
		c := setup(t, n, Config{MaxIdle: 2})
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
