package plainhttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	errs   chan error
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.errs:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// server is a server under test, in a bubble.
type server struct {
	*Server
	listener *pipes
	ended    chan error // what Serve returned
	log      strings.Builder
}

const (
	headerTime = 10 * time.Second
	readTime   = time.Minute
	writeTime  = 3 * time.Minute
	idleTime   = 2 * time.Minute
)

// setup serves handler until the test ends. Plain are the paths below /plain/.
func setup(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{
		listener: &pipes{conns: make(chan net.Conn), errs: make(chan error), closed: make(chan struct{})},
		ended:    make(chan error, 1),
	}
	s.Server = &Server{
		Standard: &http.Server{
			Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
			ErrorLog: log.New(&s.log, "", 0),
		},
		Plain: func(path string) bool { return strings.HasPrefix(path, "/plain/") },
	}
	go func() { s.ended <- s.Serve(s.listener) }()
	t.Cleanup(func() {
		s.Close()
		<-time.After(2 * time.Second) // for who still drips; the bubble's end finds what is left running
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.conns) > 0 {
			t.Errorf("%d connections are left", len(s.conns))
		}
	})
	return s
}

// client is the other end of a connection.
type client struct {
	net.Conn
	in *bufio.Reader
}

func (s *server) dial(t *testing.T) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	select {
	case s.listener.conns <- theirs:
	case <-s.listener.closed:
		t.Fatal("the listener is closed")
	}
	t.Cleanup(func() { ours.Close() })
	return &client{ours, bufio.NewReader(ours)}
}

// ask sends a request and returns the answer's status, its Connection and its body.
func (c *client) ask(t *testing.T, request string) string {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c.answer(t)
}

func (c *client) answer(t *testing.T) string {
	t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	end := ""
	if r.Close {
		end = " close"
	}
	return fmt.Sprintf("%d%s %s", r.StatusCode, end, body)
}

// ends waits until the server closes the connection, and returns for how long.
func (c *client) ends(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		t.Fatalf("%q came, %v", rest, err)
	}
	return time.Since(start)
}

// drip sends byte after byte, each a second later, until the connection ends.
func (c *client) drip(text string) {
	for i := range len(text) {
		<-time.After(time.Second) // of a bubble
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
	}
}

// echo answers with the body. One that does not come is answered 408.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	if err != nil {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestTimeout)
	}
	w.Write(body[:min(len(body), 100)])
}

func handedOver(request string) string { return strings.Replace(request, "/plain/", "/other/", 1) }

// TestShutdown: what is idle ends at once, what is under way is answered and told that
// it is the last.
func TestShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setup(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "slow") {
				time.Sleep(3 * time.Second)
			}
			echo(w, r)
		})
		fresh, idle, idleStandard, busy, busyStandard := s.dial(t), s.dial(t), s.dial(t), s.dial(t), s.dial(t)
		idle.ask(t, hello)
		idleStandard.ask(t, handedOver(hello))
		io.WriteString(busy, post("slow", "a"))
		io.WriteString(busyStandard, handedOver(post("slow", "b")))
		synctest.Wait()
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		for _, c := range []*client{fresh, idle, idleStandard} {
			if after := c.ends(t); after > 0 {
				t.Errorf("an idle connection ended after %v", after)
			}
		}
		if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("Shutdown returned with requests under way: %v", err)
		case <-s.listener.closed:
		}
		if got := busy.answer(t); got != "200 close a" {
			t.Errorf("under way: %q", got)
		}
		if got := busyStandard.answer(t); got != "200 close b" {
			t.Errorf("under way with net/http: %q", got)
		}
		busy.ends(t)
		busyStandard.ends(t)
		if err := <-done; err != nil || time.Since(start) > 4*time.Second { // net/http looks every half a second
			t.Errorf("Shutdown: %v, after %v", err, time.Since(start))
		}
	})
}

// TestShutdownIsBounded: Shutdown waits no longer than its context; Close ends what is
// left, and its contexts.
func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	for _, request := range []string{post("stuck", ""), handedOver(post("stuck", ""))} {
		synctest.Test(t, func(t *testing.T) {
			given := make(chan error, 1)
			s := setup(t, func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				given <- r.Context().Err()
			})
			c := s.dial(t)
			io.WriteString(c, request)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			start := time.Now()
			if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
				t.Errorf("Shutdown: %v, after %v", err, time.Since(start))
			}
			if len(given) > 0 {
				t.Error("the context ended before Close")
			}
			s.Close()
			if err := <-given; !errors.Is(err, context.Canceled) {
				t.Errorf("the handler's context: %v", err)
			}
			c.SetReadDeadline(time.Now().Add(time.Hour))
			if _, err := c.in.ReadByte(); err != io.EOF {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// TestShutdownBetweenRequests: of requests that were sent together the one under way is
// answered, and the client knows that the others were not looked at.
func TestShutdownBetweenRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := setup(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			time.Sleep(time.Second)
			echo(w, r)
		})
		c := s.dial(t)
		io.WriteString(c, post("a", "a")+post("b", "b"))
		time.Sleep(time.Second / 2)
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		if got := c.answer(t); got != "200 close a" {
			t.Error(got)
		}
		c.ends(t)
		if err := <-done; err != nil || asked != 1 {
			t.Errorf("Shutdown: %v; %d requests were answered", err, asked)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setup(t, echo)
		all := []*client{s.dial(t), s.dial(t), s.dial(t), s.dial(t)}
		all[1].ask(t, hello)
		all[2].ask(t, handedOver(hello))
		io.WriteString(all[3], hello[:len(hello)-1])
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for i, c := range all {
			if _, err := c.in.ReadByte(); err != io.EOF {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		<-s.listener.closed
		// One that the listener had taken just before is not served.
		ours, theirs := net.Pipe()
		s.start(s.newConn(theirs, nil))
		if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a connection after Close: %v", err)
		}
	})
}

// passing is an error that net/http takes for a passing one.
type passing struct{}

func (passing) Error() string   { return "passing" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// TestListenerErrors: both kinds are net/http's.
func TestListenerErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setup(t, echo)
		for range 3 {
			s.listener.errs <- passing{}
		}
		if got := s.dial(t).ask(t, hello); got != "200 hello" {
			t.Errorf("after passing errors: %q", got)
		}
		synctest.Wait()
		if n := strings.Count(s.log.String(), "Accept error: passing; retrying"); n != 3 {
			t.Errorf("the log has %d lines of the passing errors: %s", n, s.log.String())
		}
		stays := s.dial(t)
		final := errors.New("final")
		s.listener.errs <- final
		if err := <-s.ended; err != final {
			t.Errorf("Serve: %v", err)
		}
		<-s.listener.closed
		if got := stays.ask(t, hello); got != "200 hello" {
			t.Errorf("a connection after the listener broke: %q", got)
		}
		io.WriteString(stays, handedOver(hello)) // nobody takes it
		stays.ends(t)
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	bubble := func(name string, f func(t *testing.T, s *server, c *client)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := setup(t, func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/plain/close":
						w.Header().Set("Connection", "close")
						fallthrough
					case "/plain/ignore":
						w.WriteHeader(http.StatusAccepted)
					case "/plain/large":
						w.Write(make([]byte, 1<<20))
					default:
						echo(w, r)
					}
				})
				f(t, s, s.dial(t))
			})
		})
	}
	within := func(t *testing.T, got, least, most time.Duration) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("it took %v, want %v to %v", got, least, most)
		}
	}
	bubble("nothing is sent", func(t *testing.T, _ *server, c *client) {
		within(t, c.ends(t), headerTime, headerTime)
	})
	bubble("idle", func(t *testing.T, _ *server, c *client) {
		for range 40 { // also where a deadline was not set anew
			if got := c.ask(t, hello); got != "200 hello" {
				t.Fatal(got)
			}
			time.Sleep(3 * time.Second)
		}
		c.ask(t, hello)
		within(t, c.ends(t), idleTime-deadlineStep, idleTime)
		c.Close()
	})
	bubble("idle after a body that came later", func(t *testing.T, _ *server, c *client) {
		io.WriteString(c, hello[:len(hello)-1])
		time.Sleep(readTime - time.Second)
		if got := c.ask(t, hello[len(hello)-1:]); got != "200 hello" {
			t.Error(got)
		}
		within(t, c.ends(t), idleTime-deadlineStep, idleTime)
	})
	bubble("a head byte by byte", func(t *testing.T, _ *server, c *client) {
		start := time.Now()
		go c.drip(hello)
		io.Copy(io.Discard, c.in) // net/http says nothing
		within(t, time.Since(start), headerTime, headerTime+time.Second)
	})
	bubble("a body byte by byte", func(t *testing.T, _ *server, c *client) {
		for range 3 {
			c.ask(t, hello)
		}
		start := time.Now()
		go c.drip(post("echo", strings.Repeat("a", 1000)))
		io.Copy(io.Discard, c.in)
		within(t, time.Since(start), 0, headerTime+readTime)
	})
	for do, want := range map[string]string{"echo": "408 close a", "ignore": "202 close "} {
		bubble("a body byte by byte after its head, "+do, func(t *testing.T, _ *server, c *client) {
			c.ask(t, hello)
			text := post(do, strings.Repeat("a", 1000))
			io.WriteString(c, text[:len(text)-1000])
			start := time.Now()
			go c.drip(text[len(text)-1000:])
			got := c.answer(t)
			if more, ok := strings.CutPrefix(got, want); !ok || do == "ignore" && more != "" {
				t.Error(got)
			}
			within(t, time.Since(start), readTime-deadlineStep, readTime)
			within(t, c.ends(t), 0, lingerTime)
		})
	}
	bubble("a body byte by byte behind an answer", func(t *testing.T, _ *server, c *client) {
		text := post("close", strings.Repeat("a", 1000))
		io.WriteString(c, text[:len(text)-1000])
		start := time.Now()
		if got := c.answer(t); got != "202 close " || time.Since(start) > 0 {
			t.Error(got, time.Since(start))
		}
		c.drip(text[len(text)-1000 : len(text)-970]) // it may still be sent
		within(t, time.Since(start), 30*time.Second, 30*time.Second)
		c.drip(text[len(text)-970:])
		within(t, time.Since(start), readTime, readTime+time.Second)
	})
	bubble("an answer that is not read", func(t *testing.T, _ *server, c *client) {
		c.ask(t, hello)
		io.WriteString(c, post("large", ""))
		start := time.Now()
		if _, err := io.WriteString(c, "a"); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		within(t, time.Since(start), writeTime-deadlineStep, writeTime)
	})
	bubble("an answer that is read byte by byte", func(t *testing.T, _ *server, c *client) {
		io.WriteString(c, post("large", ""))
		start := time.Now()
		for {
			time.Sleep(time.Second)
			if _, err := c.Read(make([]byte, 1)); err != nil {
				break
			}
		}
		within(t, time.Since(start), writeTime, writeTime+time.Second)
	})
}
