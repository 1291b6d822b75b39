package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestParseAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, raw, body string
		status          int
	}{
		{"no body", "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", "", 204},
		{"length", "HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\nA: b\r\n\r\nhello", "hello", 202},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", 200},
		{"a chunk like the last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", 200},
	} {
		for n := range tt.raw { // whatever part of it came
			if a, err := parseAnswer([]byte(tt.raw[:n])); a.whole || err != nil {
				t.Fatalf("%s: the first %d bytes: %+v, %v", tt.name, n, a, err)
			}
		}
		a, err := parseAnswer([]byte(tt.raw))
		if err != nil || !a.whole || a.status != tt.status || string(a.body) != tt.body {
			t.Errorf("%s: %+v, %v", tt.name, a, err)
		}
	}
	for _, raw := range []string{
		"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 2\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n",
	} {
		if a, err := parseAnswer([]byte(raw)); err == nil {
			t.Errorf("%q: %+v", raw, a)
		}
	}
}

// TestClosedLoop: every request counts once, also where the server answers in
// pieces, asks to wait, or takes a body that no socket buffer holds.
func TestClosedLoop(t *testing.T) {
	t.Parallel()
	const requests, refused = 12, 3
	for name, size := range map[string]int{"small": 10, "large": 5 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen, answers atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				n, _ := io.Copy(io.Discard, req.Body)
				if req.Method != "POST" || req.URL.Path != "/x" || req.Header.Get("Authorization") != "Bearer key" || n != int64(size) {
					t.Errorf("%s %s with %d bytes, %v", req.Method, req.URL, n, req.Header)
				}
				if seen.Add(1) <= refused {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				answers.Add(1)
				w.WriteHeader(http.StatusAccepted)
				io.WriteString(w, strings.Repeat("x", 3000))
				w.(http.Flusher).Flush()
				io.WriteString(w, strings.Repeat("y", 3000))
			}))
			defer server.Close()
			l, err := closedLoop(target{server.Listener.Addr().String(), "key"}, 8, request{"/x", make([]byte, size)},
				func(begun int64) bool { return begun > requests })
			if err != nil || answers.Load() != l.requests || l.requests != requests-refused || l.latency.N != requests-refused {
				t.Errorf("%+v, %d answers, %v", l, answers.Load(), err)
			}
		})
	}
}

func TestClosedLoopTellsWhatFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/gone" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintln(w, "no such key")
	}))
	defer server.Close()
	for path, want := range map[string]string{"/denied": "publish answered 401: no such key", "/gone": "closed"} {
		_, err := closedLoop(target{server.Listener.Addr().String(), "key"}, 2, request{path, nil}, func(int64) bool { return false })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := closedLoop(target{"127.0.0.1:1", "key"}, 1, request{}, func(int64) bool { return false }); err == nil {
		t.Error("nobody listens, and there is no error")
	}
}
