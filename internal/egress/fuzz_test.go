package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
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
			MaxHeaderBytes: 8 * kib, MaxBodyBytes: kib,
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
