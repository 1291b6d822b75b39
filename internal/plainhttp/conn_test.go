package plainhttp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPanic: a panic ends its connection and no other, and what it was with, which may
// be a secret, is in no log.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setup(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Pattern = "POST /plain/{what}"
			switch r.URL.Path {
			case "/plain/abort":
				panic(http.ErrAbortHandler)
			case "/plain/panic":
				w.Write(body)
				panic("with " + string(body))
			case "/plain/exit":
				runtime.Goexit()
			}
			echo(w, r)
		})
		stays := s.dial(t)
		for _, tt := range []struct {
			do  string
			log bool
		}{{"abort", false}, {"exit", false}, {"panic", true}} {
			c := s.dial(t)
			c.ask(t, hello)
			io.WriteString(c, post(tt.do, "secret"))
			if _, err := c.in.ReadByte(); err != io.EOF {
				t.Errorf("%s: %v", tt.do, err)
			}
			synctest.Wait()
			if got := s.log.String(); (got != "") != tt.log || strings.Contains(got, "secret") {
				t.Errorf("%s: the log has %q", tt.do, got)
			}
		}
		if got := s.log.String(); !strings.Contains(got, "panic answering POST /plain/{what}\n") || !strings.Contains(got, "conn_test.go") {
			t.Errorf("the log tells neither the route nor the place: %q", got)
		}
		if got := stays.ask(t, hello); got != "200 " {
			t.Errorf("another connection: %q", got)
		}
		s.Plain = func(string) bool { panic("outside the handler") }
		io.WriteString(stays, hello)
		stays.ends(t)
	})
}

// TestReuse: on 64 connections at once, no request and no answer has anything of another
// one.
func TestReuse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Standard: &http.Server{Handler: http.HandlerFunc(mirror), ReadHeaderTimeout: headerTime, ReadTimeout: readTime,
			WriteTimeout: writeTime, IdleTimeout: idleTime},
		Plain: func(string) bool { return true },
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() { talkToMirror(t, l.Addr().String(), n) })
	}
	all.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-ended
}

// mirror answers with all that a handler sees, and leaves its own things everywhere.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fields := len(w.Header())
	w.Header().Set("Content-Type", "text/plain")
	for _, v := range r.Header["X-Own"] {
		w.Header().Add("X-Own-"+v, v)
	}
	fmt.Fprintf(w, "%s %q %s, form %v, trailer %v, pattern %q, id %q, answer %d",
		r.URL.Path, r.Header, body, r.Form, r.Trailer, r.Pattern, r.PathValue("id"), fields)
	r.Header["X-Left"] = append(r.Header["X-Own"], "left")
	r.Header.Set("X-Own", "left")
	r.Form, r.Trailer, r.Pattern, r.Host = map[string][]string{"a": {"left"}}, http.Header{"A": {"left"}}, "left", "left"
	r.URL.Path, r.URL.RawQuery, r.Method = "/left", "left", "LEFT"
	r.SetPathValue("id", "left")
	w.Header()["X-Left"] = nil
	clear(body)
}

// talkToMirror sends requests of different shapes, and checks each answer alone.
func talkToMirror(t *testing.T, addr string, n int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	c.SetDeadline(time.Now().Add(time.Minute)) // else a mistake would hang
	defer c.Close()
	in := bufio.NewReader(c)
	for i := range 30 {
		body := strings.Repeat(fmt.Sprintf("%d.%d ", n, i), (i*i*i)%2000)
		lines, seen := []string{}, map[string][]string{"Content-Length": {fmt.Sprint(len(body))}}
		for k := range i % 4 {
			v := fmt.Sprintf("%d-%d-%d", n, i, k)
			lines = append(lines, "X-Own: "+v)
			seen["X-Own"] = append(seen["X-Own"], v)
		}
		if _, err := io.WriteString(c, post(fmt.Sprint(n), body, lines...)); err != nil {
			t.Error(err)
			return
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Error(err)
			return
		}
		got, _ := io.ReadAll(r.Body)
		want := fmt.Sprintf("/plain/%d %q %s, form map[], trailer map[], pattern \"\", id \"\", answer 0", n, http.Header(seen), body)
		if string(got) != want || len(r.Header) != 3+len(seen["X-Own"]) {
			t.Errorf("%d.%d: got\n%.500s %v\nwant\n%.500s", n, i, got, r.Header, want)
			return
		}
	}
}

// endless is a connection that sends the same request again and again.
type endless struct {
	net.Conn
	request []byte
	left    int
	sent    bytes.Buffer
}

func (c *endless) Read(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, io.EOF
	}
	return copy(p, c.request), nil
}

func (c *endless) Write(p []byte) (int, error) {
	c.sent.Reset()
	return c.sent.Write(p)
}

// TestAllocations: a request costs the text of its head, and little else; with net/http's
// server it is some twenty.
func TestAllocations(t *testing.T) {
	media, text := []string{"application/json"}, []byte("{}\n")
	answered := 0
	s := &Server{
		Standard: &http.Server{ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var in [64]byte
				r.Body.Read(in[:])
				w.Header()["Content-Type"] = media
				w.WriteHeader(http.StatusAccepted)
				w.Write(text)
				answered++
			})},
		Plain: func(string) bool { return true },
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	const each = 1000
	perRun := testing.AllocsPerRun(5, func() {
		c := &endless{Conn: theirs, left: each, request: []byte(post("a", "hello", "Content-Type: application/json",
			"Authorization: Bearer key", "User-Agent: test", "Accept: */*", "Idempotency-Key: 1"))}
		s.newConn(c, nil).serve()
		if !strings.HasPrefix(c.sent.String(), "HTTP/1.1 202 ") {
			t.Fatalf("%q", c.sent.String())
		}
	})
	if got := perRun / each; got > 4 || answered != 6*each {
		t.Errorf("%.1f allocations for each of %d requests", got, answered)
	} else {
		t.Logf("%.2f allocations for each request", got)
	}
}

// TestIdleMemory: a connection keeps no large answer.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	s := &Server{
		Standard: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, 1<<20))
		}), ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime},
		Plain: func(string) bool { return true },
	}
	c := s.newConn(&endless{Conn: theirs, left: 1, request: []byte(hello)}, nil)
	c.serve()
	if n := cap(c.answer.body) + cap(c.answer.out); n > 2*keptBytes {
		t.Errorf("%d bytes are kept", n)
	}
}
