package receivertest

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// raw sends one request on a connection of its own and returns all that comes
// back until the receiver closes.
func raw(t *testing.T, r *Receiver) (string, error) {
	t.Helper()
	c, err := r.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// What closing steps put on the wire, byte for byte.
func TestClosingSteps(t *testing.T) {
	t.Parallel()
	close := Header("Connection", "close")
	tests := []struct {
		name string
		step Step
		want string
	}{
		{"answer", Answer(200, "hello", Header("X-Second", "2"), Header("x-first", "1"), close),
			"HTTP/1.1 200 OK\r\nX-Second: 2\r\nx-first: 1\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"},
		{"no content", Answer(204, "", close), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"},
		{"unknown status", Answer(299, "", close), "HTTP/1.1 299 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{"own length", Answer(200, "abc", Header("content-length", "3"), close), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nConnection: close\r\n\r\nabc"},
		{"redirect", Answer(302, "", Header("Location", "http://127.0.0.1/"), close),
			"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{"truncated", Truncate(200, "hello", 2), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"},
		{"garbage", Garbage([]byte("\x00\xffSSH-2.0\r\n")), "\x00\xffSSH-2.0\r\n"},
		{"close", CloseUnanswered(), ""},
		{"delay before closing", After(time.Microsecond, CloseUnanswered()), ""},
		{"raw", Raw(func(c net.Conn, r *Recorded) error {
			io.WriteString(c, "you said "+string(r.Body))
			return io.EOF
		}), "you said hi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o Options) {
				o.Script = Always(tt.step)
				r := Start(t, o)
				got, err := raw(t, r)
				if err != nil || got != tt.want {
					t.Errorf("%q, %v; want %q", got, err, tt.want)
				}
				if n := r.Conns().Written; tt.name != "raw" && n != int64(len(tt.want)) {
					t.Errorf("%d bytes counted, want %d", n, len(tt.want))
				}
				if err := r.WaitIdle(t.Context(), 1); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o Options) {
		o.Script = Always(Reset())
		got, err := raw(t, Start(t, o))
		if want := !o.Pipe; errors.Is(err, syscall.ECONNRESET) != want || got != "" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestRetryAfterSteps(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 26, 10, 30, 14, 0, time.FixedZone("", 7200))
	r := Start(t, Options{Script: Sequence(RetryAfter(503, 90*time.Second), RetryAt(429, at))})
	c := client(t, r)
	for _, want := range []struct {
		status int
		value  string
	}{{503, "90"}, {429, "Sun, 26 Apr 2026 08:30:14 GMT"}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Retry-After"); res.StatusCode != want.status || got != want.value {
			t.Errorf("%d, Retry-After %q, want %d, %q", res.StatusCode, got, want.status, want.value)
		}
	}
}

// What a step calls has happened when its answer comes.
func TestCalling(t *testing.T) {
	t.Parallel()
	var called atomic.Int32
	r := Start(t, Options{Script: Always(Calling(func() { called.Add(1) }, Answer(201, "")))})
	for want := range int32(2) {
		res, err := client(t, r).Post(r.URL("/"), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := called.Load(); res.StatusCode != 201 || got != want+1 {
			t.Errorf("status %d, called %d times, want %d", res.StatusCode, got, want+1)
		}
	}
}

// Steps without end go on until the sender gives up, and end with it.
func TestEndlessSteps(t *testing.T) {
	t.Parallel()
	steps := map[string]Step{
		"hang":          Hang(),
		"gate":          Gate(nil, Answer(200, "")),
		"delay":         After(time.Hour, Answer(200, "")),
		"drip head":     DripHead(time.Millisecond),
		"drip body":     Drip(200, strings.Repeat("x", 1<<20), time.Millisecond),
		"endless body":  Endless(200),
		"informational": Informational(-1),
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, o Options) {
				o.Script = Always(step)
				r := Start(t, o)
				c, err := r.DialContext(t.Context(), "tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				switch name {
				case "hang", "gate", "delay":
					if err := r.Wait(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
				case "drip head", "drip body":
					if _, err := io.ReadFull(c, make([]byte, 60)); err != nil {
						t.Fatal(err)
					}
				default:
					if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
						t.Fatal(err)
					}
				}
				if got := r.Stats().InFlight; got != 1 {
					t.Errorf("%d in flight, want 1", got)
				}
				c.Close()
				err = r.WaitFor(t.Context(), func() bool { return r.Stats().InFlight == 0 && r.Conns().Open == 0 })
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestEndlessBodyIsABody(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{Script: Always(Endless(202))})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client(t, r).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.CopyN(io.Discard, res.Body, 10<<20); res.StatusCode != 202 || err != nil {
		t.Errorf("%d, %d bytes, %v", res.StatusCode, n, err)
	}
}

func TestDripTakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := Start(t, Options{Pipe: true, Script: Always(Drip(200, "abc", time.Second))})
		c := client(t, r)
		start := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL("/"), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("the head comes after %v", took)
		}
		b := make([]byte, 1)
		for i := range 3 {
			if _, err := io.ReadFull(res.Body, b); err != nil || b[0] != "abc"[i] || time.Since(start) != time.Duration(i+1)*time.Second {
				t.Errorf("byte %d is %q, %v, after %v", i, b, err, time.Since(start))
			}
		}
	})
}

// A sender that writes its next request ahead is answered in turn.
func TestPipelining(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := Start(t, Options{Script: Sequence(After(time.Millisecond, Answer(201, "")), Gate(release, Answer(202, "")), Answer(203, ""))})
	c, err := r.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Repeat("POST / HTTP/1.1\r\nHost: a\r\n\r\n", 3)); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	close(release)
	in := bufio.NewReader(c)
	for want := 201; want <= 203; want++ {
		if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != want {
			t.Fatalf("answer %v, %v; want %d", res, err, want)
		}
	}
}

func TestHugeHeaders(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	r := Start(t, Options{Script: Always(HugeHeaders(size))})
	c := client(t, r)
	tr := c.Transport.(*http.Transport)
	tr.MaxResponseHeaderBytes = size + 1<<10
	if status := mustPost(t, c, r.URL("/"), ""); status != 200 {
		t.Errorf("status %d", status)
	}
	strict := client(t, r)
	strict.Transport.(*http.Transport).MaxResponseHeaderBytes = 64 << 10
	if _, _, err := post(t.Context(), strict, r.URL("/"), ""); err == nil {
		t.Error("a client with a bound takes the headers")
	}
}

func TestInformational(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{Script: Always(Informational(3))})
	var hints int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == 103 && h.Get("Link") != "" {
				hints++
			}
			return nil
		},
	})
	if status, _, err := post(ctx, client(t, r), r.URL("/"), ""); status != 200 || err != nil || hints != 3 {
		t.Errorf("%d, %v after %d hints", status, err, hints)
	}
}

func TestGzipBomb(t *testing.T) {
	t.Parallel()
	const size = 20<<20 - 5
	r := Start(t, Options{Script: Always(GzipBomb(size))})
	status, body, err := post(t.Context(), client(t, r), r.URL("/"), "")
	if status != 200 || err != nil || len(body) > size/500 {
		t.Fatalf("%d, %v, %d bytes on the wire", status, err, len(body))
	}
	zr, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, zr); n != 20<<20 || err != nil {
		t.Errorf("inflates to %d, %v", n, err)
	}
}

// A sender that is gone stops a delay at once.
func TestDelayEndsWithTheSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := Start(t, Options{Pipe: true, Script: Always(After(time.Hour, Answer(200, "")))})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, _, err := post(ctx, client(t, r), r.URL("/"), ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("post gives %v", err)
		}
		if err := r.WaitIdle(t.Context(), 1); err != nil || time.Since(start) != time.Second {
			t.Errorf("idle after %v, %v", time.Since(start), err)
		}
	})
}
