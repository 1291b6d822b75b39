package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// keptAlive answers every request of a connection with answer.
func keptAlive(requests *atomic.Int64, answer string) func(net.Conn) {
	return func(conn net.Conn) {
		br := bufio.NewReader(conn)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			requests.Add(1)
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}
}

func TestConnectionIsUsedAgain(t *testing.T) { eachWay(t, testConnectionIsUsedAgain) }

func testConnectionIsUsedAgain(t *testing.T, netHTTP bool) {
	t.Parallel()
	long := strings.Repeat("x", 48*kib)
	for _, tt := range []struct {
		name   string
		answer string
		dials  int
	}{
		{"no body", okHead + "Content-Length: 0\r\n\r\n", 1},
		{"small body", okHead + "Content-Length: 2\r\n\r\nok", 1},
		{"chunked body", okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 1},
		{"exactly the kept part", okHead + "Content-Length: 16384\r\n\r\n" + long[:16*kib], 1},
		{"a drained remainder", okHead + "Content-Length: 49152\r\n\r\n" + long, 1},
		{"the receiver closes", okHead + "Connection: close\r\nContent-Length: 0\r\n\r\n", 3},
		{"a long remainder", okHead + "Content-Length: 9999999\r\n\r\n" + long, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				n := &network{serve: keptAlive(&requests, tt.answer)}
				c := setup(t, n, Config{NetHTTP: netHTTP})
				for range 3 {
					result := c.Do(t.Context(), post(t, c, "http://example.com/"))
					if result.Err != nil {
						t.Fatal(result.Err)
					}
					wantTruncated := strings.HasSuffix(tt.answer, long)
					if result.Truncated != wantTruncated || wantTruncated && len(result.Body) != 16*kib {
						t.Errorf("%d bytes, truncated %v", len(result.Body), result.Truncated)
					}
					synctest.Wait()
				}
				if n.dials() != tt.dials || requests.Load() != 3 {
					t.Errorf("%d connections, want %d; %d requests", n.dials(), tt.dials, requests.Load())
				}
			})
		})
	}
}

func TestIdleConnectionEndsAfterItsTime(t *testing.T) { eachWay(t, testIdleConnectionEndsAfterItsTime) }

func testIdleConnectionEndsAfterItsTime(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		n := &network{serve: keptAlive(&requests, "HTTP/1.1 204 No Content\r\n\r\n")}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		c.Do(t.Context(), post(t, c, "http://example.com/"))
		time.Sleep(idleTimeout - time.Second)
		synctest.Wait()
		if n.open.Load() != 1 {
			t.Error("the idle connection ended early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n.open.Load() != 0 {
			t.Error("the idle connection did not end")
		}
	})
}

// deadWrites fails the writes of a connection from the n-th on, as a socket
// does whose far end was gone before we began: not a byte leaves.
type deadWrites struct {
	net.Conn
	left int
}

func (c *deadWrites) Write(b []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(b)
}

// TestDeadIdleConnectionCostsNoAttempt: where nothing was written the request
// goes out on a new connection, within the same attempt.
func TestDeadIdleConnectionCostsNoAttempt(t *testing.T) {
	eachWay(t, testDeadIdleConnectionCostsNoAttempt)
}

func testDeadIdleConnectionCostsNoAttempt(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		n := &network{serve: keptAlive(&requests, "HTTP/1.1 204 No Content\r\n\r\n")}
		n.wrap = func(count int, conn net.Conn) net.Conn {
			if count == 1 {
				return &deadWrites{conn, 1}
			}
			return conn
		}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		for range 2 {
			result := c.Do(t.Context(), post(t, c, "http://example.com/"))
			checkResult(t, result, 204, ClassNone, "")
			synctest.Wait()
		}
		if n.dials() != 2 || requests.Load() != 2 {
			t.Errorf("%d connections, %d requests", n.dials(), requests.Load())
		}
	})
}

// TestNothingIsSentTwice: a receiver that reads a request on a kept-alive
// connection and hangs up may have acted on it, whatever the request says of
// itself.
func TestNothingIsSentTwice(t *testing.T) { eachWay(t, testNothingIsSentTwice) }

func testNothingIsSentTwice(t *testing.T, netHTTP bool) {
	t.Parallel()
	for _, header := range []string{"X-Other", "Idempotency-Key", "X-Idempotency-Key"} {
		t.Run(header, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				var seen atomic.Value
				n := &network{serve: func(conn net.Conn) {
					br := bufio.NewReader(conn)
					for {
						req, err := http.ReadRequest(br)
						if err != nil {
							return
						}
						_, _ = io.Copy(io.Discard, req.Body)
						seen.Store(req.Header.Get(header))
						if requests.Add(1) == 2 {
							return
						}
						_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
					}
				}}
				c := setup(t, n, Config{NetHTTP: netHTTP})
				request := post(t, c, "http://example.com/")
				request.Header.Set(header, "one")
				checkResult(t, c.Do(t.Context(), request), 204, ClassNone, "")
				synctest.Wait()
				checkResult(t, c.Do(t.Context(), request), 0, ClassConnectionLost, textLost)
				if requests.Load() != 2 || seen.Load() != "one" || request.Header[1] != (Field{header, "one"}) {
					t.Errorf("%d requests, header %q, own header %v", requests.Load(), seen.Load(), request.Header)
				}
			})
		})
	}
}

func TestWhatIsSent(t *testing.T) { eachWay(t, testWhatIsSent) }

func testWhatIsSent(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		var raw strings.Builder
		n := &network{serve: func(conn net.Conn) {
			br := bufio.NewReader(io.TeeReader(conn, &raw))
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		}}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		request := post(t, c, "http://Example.com:8080/a%2fb//c?x={1}#frag")
		request.Header.Set("Content-Type", "application/json")
		checkResult(t, c.Do(t.Context(), request), 204, ClassNone, "")
		for _, own := range []string{"host", "Content-length", "Transfer-Encoding", "Trailer", "connection"} {
			request.Header.Set(own, "1") // not the caller's to say
		}
		// net/http has an order of its own.
		agent, length := "User-Agent: Waybell/test\r\n", "Content-Length: 7\r\n"
		if !netHTTP {
			agent, length = length, agent
		}
		want := "POST /a%2fb//c?x=%7B1%7D HTTP/1.1\r\nHost: example.com:8080\r\n" + agent + length +
			"Content-Type: application/json\r\n\r\n{\"a\":1}"
		if raw.String() != want {
			t.Errorf("sent %q, want %q", raw.String(), want)
		}
		raw.Reset()
		request.Method, request.Body = http.MethodPut, nil
		checkResult(t, c.Do(t.Context(), request), 204, ClassNone, "")
		if !strings.HasPrefix(raw.String(), "PUT ") || !strings.Contains(raw.String(), "Content-Length: 0\r\n") {
			t.Errorf("sent %q", raw.String())
		}
	})
}

func TestUnsendableRequests(t *testing.T) { eachWay(t, testUnsendableRequests) }

func testUnsendableRequests(t *testing.T, netHTTP bool) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: text("HTTP/1.1 204 No Content\r\n\r\n")}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		for name, change := range map[string]func(*Request){
			"method":       func(r *Request) { r.Method = "GET" },
			"header name":  func(r *Request) { r.Header.Set("a b", "x") },
			"header empty": func(r *Request) { r.Header.Set("", "x") },
			"header value": func(r *Request) { r.Header.Set("A", "x\r\nB: y") },
		} {
			request := post(t, c, "http://example.com/")
			change(request)
			result := c.Do(t.Context(), request)
			if result.Err == nil || result.Err.Class != ClassBlocked || result.Err.Text != textBadRequest {
				t.Errorf("%s: %+v", name, result)
			}
		}
		refused := post(t, c, "http://example.com/")
		refused.Target = Target{}
		checkResult(t, c.Do(t.Context(), refused), 0, ClassBlocked, blocked().Text)
		if n.dials() != 0 {
			t.Errorf("%d connections", n.dials())
		}
	})
}

func TestCanceled(t *testing.T) { eachWay(t, testCanceled) }

func testCanceled(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: hang}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(5*time.Second, cancel).Stop()
		start := time.Now()
		checkResult(t, c.Do(ctx, post(t, c, "http://example.com/")), 0, ClassCanceled, textCanceled)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestCanceledOnKeptConnection: whose context ends is whose exchange ends, on a
// connection that served others before, and with the same context.
func TestCanceledOnKeptConnection(t *testing.T) { eachWay(t, testCanceledOnKeptConnection) }

func testCanceledOnKeptConnection(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		slow := func(conn net.Conn) {
			keptAlive(&requests, "HTTP/1.1 204 No Content\r\n\r\n")(&slowWrites{conn, 10 * time.Second})
		}
		n := &network{serve: slow}
		c := setup(t, n, Config{NetHTTP: netHTTP})
		first, endFirst := context.WithCancel(t.Context())
		second, endSecond := context.WithCancel(t.Context())
		do := func(ctx context.Context, status int, class Class, text string, took time.Duration) {
			t.Helper()
			start := time.Now()
			checkResult(t, c.Do(ctx, post(t, c, "http://example.com/")), status, class, text)
			if got := time.Since(start); got != took {
				t.Errorf("took %v, want %v", got, took)
			}
		}
		for range 2 {
			do(first, 204, ClassNone, "", 10*time.Second)
		}
		time.AfterFunc(5*time.Second, endFirst) // no longer its connection
		do(second, 204, ClassNone, "", 10*time.Second)
		do(second, 204, ClassNone, "", 10*time.Second)
		time.AfterFunc(3*time.Second, endSecond)
		do(second, 0, ClassCanceled, textCanceled, 3*time.Second)
		do(t.Context(), 204, ClassNone, "", 10*time.Second)
		endWhileIdle(t, c)
		do(t.Context(), 204, ClassNone, "", 10*time.Second)
		if n.dials() != 2 {
			t.Errorf("%d connections, want 2", n.dials())
		}
	})
}

// endWhileIdle makes an exchange with a context that ends after it.
func endWhileIdle(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	checkResult(t, c.Do(ctx, post(t, c, "http://example.com/")), 204, ClassNone, "")
	cancel()
	synctest.Wait()
}

func TestTimeoutBounds(t *testing.T) { eachWay(t, testTimeoutBounds) }

func testTimeoutBounds(t *testing.T, netHTTP bool) {
	t.Parallel()
	for set, want := range map[time.Duration]time.Duration{
		0: DefaultTimeout, time.Nanosecond: MinTimeout, -time.Second: MinTimeout, 7 * time.Second: 7 * time.Second,
		MaxTimeout: MaxTimeout, time.Hour: MaxTimeout,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := setup(t, &network{serve: hang}, Config{NetHTTP: netHTTP})
			request := post(t, c, "http://example.com/")
			request.Timeout = set
			start := time.Now()
			checkResult(t, c.Do(t.Context(), request), 0, ClassTimeout, textTimeoutExchange)
			if took := time.Since(start); took != want {
				t.Errorf("timeout %v ended after %v", set, took)
			}
		})
	}
}

func TestTimingOfPhases(t *testing.T) { eachWay(t, testTimingOfPhases) }

func testTimingOfPhases(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context, d time.Duration) {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
		n := &network{serve: func(conn net.Conn) {
			br := bufio.NewReader(conn)
			for {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				time.Sleep(3 * time.Second)
				_, _ = io.WriteString(conn, okHead+"Content-Length: 2\r\n\r\n")
				time.Sleep(4 * time.Second)
				_, _ = io.WriteString(conn, "ok")
			}
		}}
		config := Config{NetHTTP: netHTTP, Resolver: resolverFunc(func(ctx context.Context, host string) ([]string, error) {
			wait(ctx, time.Second)
			return []string{publicIP}, nil
		})}
		c := setup(t, n, config)
		inner := c.dialer.raw
		c.dialer.raw = func(ctx context.Context, network, addr string) (net.Conn, error) {
			wait(ctx, 2*time.Second)
			return inner(ctx, network, addr)
		}
		const s = time.Second
		want := Timing{DNS: 1 * s, Connect: 2 * s, Wait: 3 * s, Read: 4 * s, Total: 10 * s}
		if got := c.Do(t.Context(), post(t, c, "http://example.com/")).Timing; got != want {
			t.Errorf("new connection: %+v", got)
		}
		want = Timing{Wait: 3 * s, Read: 4 * s, Total: 7 * s}
		if got := c.Do(t.Context(), post(t, c, "http://example.com/")).Timing; got != want {
			t.Errorf("kept-alive connection: %+v", got)
		}
	})
}

func TestClassWords(t *testing.T) {
	t.Parallel()
	var words []string
	for class := ClassNone; class <= ClassCanceled+1; class++ {
		words = append(words, class.String())
	}
	want := []string{"none", "timeout", "dns", "connect", "tls", "connection_lost", "bad_response", "blocked", "canceled", "unknown"}
	if !slices.Equal(words, want) {
		t.Errorf("%v", words)
	}
	if err := error(failure(ClassDNS, textDNSFailed)); err.Error() != "dns: "+textDNSFailed {
		t.Error(err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{MaxIdlePerHost: -1}); err == nil {
		t.Error("a negative bound is accepted")
	}
}

// slowWrites waits before each write.
type slowWrites struct {
	net.Conn
	pause time.Duration
}

func (c *slowWrites) Write(b []byte) (int, error) {
	<-time.After(c.pause) // virtual: its tests run in bubbles
	return c.Conn.Write(b)
}

// TestDialEndsWithItsCaller: the caller's context ends a dial, and so does the
// time limit.
func TestDialEndsWithItsCaller(t *testing.T) { eachWay(t, testDialEndsWithItsCaller) }

func testDialEndsWithItsCaller(t *testing.T, netHTTP bool) {
	t.Parallel()
	for _, cancelAfter := range []time.Duration{5 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := setup(t, &network{}, Config{NetHTTP: netHTTP})
			start := time.Now()
			ended := make(chan time.Duration, 1)
			c.dialer.raw = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				ended <- time.Since(start)
				return nil, ctx.Err()
			}
			ctx, cancel := context.WithTimeout(t.Context(), cancelAfter)
			defer cancel()
			result := c.Do(ctx, post(t, c, "http://example.com/"))
			want := min(cancelAfter, DefaultTimeout)
			if got := <-ended; got != want || result.Timing.Total != want {
				t.Errorf("the dial ended after %v, the call after %v", got, result.Timing.Total)
			}
			if cancelAfter < DefaultTimeout {
				checkResult(t, result, 0, ClassCanceled, textCanceled)
			} else {
				checkResult(t, result, 0, ClassTimeout, textTimeoutConnect)
			}
		})
	}
}

// TestRealSockets runs over the loopback interface, with and without the
// operator's exception.
func TestRealSockets(t *testing.T) { eachWay(t, testRealSockets) }

func testRealSockets(t *testing.T, netHTTP bool) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	allowed := mustNew(t, Config{NetHTTP: netHTTP, Allow: []string{"127.0.0.0/8", "receiver.internal"}, Resolver: &answers{lists: [][]string{{"127.0.0.1"}}}})
	byName := strings.Replace(server.URL, "127.0.0.1", "receiver.internal", 1)
	for _, raw := range []string{server.URL, byName} {
		result := allowed.Do(t.Context(), post(t, allowed, raw))
		checkResult(t, result, http.StatusAccepted, ClassNone, "")
		if string(result.Body) != `{"a":1}` || result.Truncated {
			t.Errorf("%s: body %q", raw, result.Body)
		}
	}
	strict := mustNew(t, Config{NetHTTP: netHTTP})
	checkResult(t, strict.Do(t.Context(), post(t, allowed, server.URL)), 0, ClassBlocked, blocked().Text)
	if requests.Load() != 2 {
		t.Errorf("%d requests arrived", requests.Load())
	}
	server.Close()
	allowed.CloseIdle()
	checkResult(t, allowed.Do(t.Context(), post(t, allowed, server.URL)), 0, ClassConnect, textConnect)
}

func TestIdleConnectionsAreBounded(t *testing.T) { eachWay(t, testIdleConnectionsAreBounded) }

func testIdleConnectionsAreBounded(t *testing.T, netHTTP bool) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config Config
		total  int
		open   int64
	}{
		{"default", Config{NetHTTP: netHTTP}, maxIdle, 20},
		{"per host", Config{NetHTTP: netHTTP, MaxIdlePerHost: 3}, maxIdle, 6},
		{"in all", Config{NetHTTP: netHTTP}, 4, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int64
			n := &network{serve: keptAlive(&requests, "HTTP/1.1 204 No Content\r\n\r\n")}
			n.wrap = func(_ int, conn net.Conn) net.Conn { return &slowWrites{conn, time.Second} }
			c := setup(t, n, tt.config)
			c.idle.total = tt.total
			var calls sync.WaitGroup
			for i := range 20 {
				raw := []string{"http://example.com/", "http://example.org/"}[i%2]
				calls.Go(func() { checkResult(t, c.Do(t.Context(), post(t, c, raw)), 204, ClassNone, "") })
			}
			calls.Wait()
			synctest.Wait()
			if open := n.open.Load(); open != tt.open || n.dials() != 20 {
				t.Errorf("%s: %d connections are kept of %d, want %d", tt.name, open, n.dials(), tt.open)
			}
			c.CloseIdle()
			synctest.Wait()
			if open := n.open.Load(); open != 0 {
				t.Errorf("%s: %d connections are open after CloseIdle", tt.name, open)
			}
		})
	}
}
