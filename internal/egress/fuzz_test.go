package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzResponse lets an in-memory receiver answer with any bytes and then hang
// up. Whatever they are: no panic, an answer from the closed set, bounded.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "HTTP/1.0 200 OK\n\nx",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00", "HTTP/1.1 999 X\r\n\r\n", "\x15\x03\x01\x00\x02\x02F",
		"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nffffffffffffffff\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		c, err := New(Config{
			Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					req, err := http.ReadRequest(bufio.NewReader(far))
					if err == nil {
						_, _ = io.Copy(io.Discard, req.Body)
						_, _ = far.Write(answer)
					}
				}()
				return near, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseIdle()
		c.maxHeader, c.maxBody = 8*kib, kib
		request := post(t, c, "http://"+publicIP+"/")
		request.Timeout = MinTimeout
		start := time.Now()
		result := c.Do(t.Context(), request)
		switch {
		case len(result.Body) > kib || time.Since(start) > 10*time.Second:
			t.Fatalf("%q: unbounded: %d bytes, %v", answer, len(result.Body), time.Since(start))
		case result.Err == nil && (result.Status < 200 || result.Status > 599):
			t.Fatalf("%q: status %d", answer, result.Status)
		case result.Err != nil && (result.Status != 0 || result.Body != nil || result.Header != nil):
			t.Fatalf("%q: %+v beside %v", answer, result, result.Err)
		case result.Err != nil && result.Err.Class != ClassBadResponse && result.Err.Class != ClassConnectionLost:
			t.Fatalf("%q: %v", answer, result.Err)
		}
	})
}

// FuzzRepeated gives three answers on one connection, as far as it lasts. Whatever came
// before, the second and a third one come to what they come to on a fresh connection.
func FuzzRepeated(f *testing.F) {
	const two = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\r\n"
	for _, seed := range [][2]string{
		{two + "ab", two + "cd"}, {two + "ab", two + "c"}, {two + "ab", two[:30]}, {"HTTP/1.1 204 N\r\n\r\n", "HTTP/1.1 204 N\r\n\r\nx"},
		{"HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n"},
		{"HTTP/1.1 100 C\r\n\r\n" + two + "ab", "HTTP/1.1 100 C\r\n\r\n" + two + "cd"},
		{"HTTP/1.1 200 OK\nContent-Length: 4\n\n\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 4\n\n\r\n\r\n"},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), false)
		f.Add([]byte(seed[0]), []byte(seed[1]), true)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, ends bool) {
		if len(first) >= 4*kib || len(second) >= 4*kib || len(first) == 0 || len(second) == 0 {
			return // a pipe holds nothing back behind what was read, as a socket would
		}
		synctest.Test(t, func(t *testing.T) {
			ask := func(answers ...[]string) (all []Result) {
				c := setup(t, &network{serve: inTurn(answers...)}, Config{})
				c.maxHeader, c.maxBody = 8*kib, kib
				for range answers {
					r := c.Do(t.Context(), post(t, c, "http://example.com/"))
					r.Timing = Timing{}
					all = append(all, r)
				}
				return all
			}
			one, other := []string{string(first)}, []string{string(second)}
			if ends {
				other = append(other, hangUp)
			}
			third := []string{two + "zz"}
			got, want := ask(one, other, third)[1:], append(ask(other), ask(third)...)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q after %q: %+v (%v, %v), want %+v (%v, %v)", second, first, got, got[0].Err, got[1].Err, want, want[0].Err, want[1].Err)
			}
		})
	})
}
