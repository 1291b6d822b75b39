//go:build unix

package egress

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestPostWaitsForWhatComes: over real sockets the answer is taken whenever it comes,
// also before the request, and so is the end, for which nobody waits in vain.
func TestPostWaitsForWhatComes(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
	read := func(c net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
		}
	}
	for name, tc := range map[string]struct {
		serve  func(net.Conn)
		status int
		class  Class
		text   string
	}{
		"at once": {func(c net.Conn) { read(c); _, _ = io.WriteString(c, answer) }, 204, ClassNone, ""},
		"later": {func(c net.Conn) {
			read(c)
			<-time.After(20 * time.Millisecond)
			_, _ = io.WriteString(c, answer)
		}, 204, ClassNone, ""},
		"byte for byte": {func(c net.Conn) {
			read(c)
			for i := range answer {
				_, _ = io.WriteString(c, answer[i:i+1])
			}
		}, 204, ClassNone, ""},
		"before the request": {func(c net.Conn) { _, _ = io.WriteString(c, answer); read(c) }, 204, ClassNone, ""},
		"the end":            {read, 0, ClassConnectionLost, textLost},
		"half of the end": {func(c net.Conn) {
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}, 0, ClassConnectionLost, textLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() { defer conn.Close(); tc.serve(conn) }()
				}
			}()
			c := mustNew(t, Config{Allow: []string{"127.0.0.0/8"}})
			defer c.CloseIdle()
			for range 20 {
				began := time.Now()
				result := c.Do(t.Context(), post(t, c, "http://"+l.Addr().String()+"/"))
				checkResult(t, result, tc.status, tc.class, tc.text)
				if took := time.Since(began); took > DefaultTimeout/2 {
					t.Fatalf("took %v", took)
				}
			}
		})
	}
}

// TestPostOfMoreThanTheSystemTakes: a request of which the system takes a part at first
// is written to its end, or to its deadline where the far end reads nothing.
func TestPostOfMoreThanTheSystemTakes(t *testing.T) {
	t.Parallel()
	small := func(option int) func(string, string, syscall.RawConn) error {
		return func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) {
				if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 1); err != nil {
					t.Error(err)
				}
			})
		}
	}
	config := net.ListenConfig{Control: small(syscall.SO_RCVBUF)}
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// A connection with a request for it, and its far end.
	connect := func() (*conn, net.Conn) {
		dialer := net.Dialer{Control: small(syscall.SO_SNDBUF)}
		near, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { near.Close(); far.Close() })
		c := newConn(near, origin{})
		for i := range 4 * directBytes {
			c.out = append(c.out, byte(i%251))
		}
		return c, far
	}

	c, far := connect()
	c.quiet = true
	if done := c.raw.Control(func(fd uintptr) {
		if !c.postStep(fd) {
			t.Error("an answer is waited for")
		}
	}); done != nil || c.written == 0 || c.written == len(c.out) {
		t.Fatalf("the system takes %d bytes of %d, %v: this shows nothing", c.written, len(c.out), done)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if c.write(); !isTimeout(c.writeErr) || c.written == len(c.out) {
		t.Errorf("%d bytes were written, %v", c.written, c.writeErr)
	}
	got := make([]byte, c.written)
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, c.out[:c.written]) {
		t.Errorf("other bytes came than the %d that were written, %v", c.written, err)
	}

	c, far = connect()
	came := make(chan []byte)
	go func() {
		<-time.After(20 * time.Millisecond)
		b := make([]byte, len(c.out))
		n, _ := io.ReadFull(far, b)
		came <- b[:n]
	}()
	if ok := c.post(); !ok || c.written != len(c.out) || c.writeErr != nil {
		t.Errorf("%d bytes of %d were written, %v", c.written, len(c.out), c.writeErr)
	}
	if !bytes.Equal(<-came, c.out) {
		t.Error("other bytes came")
	}
}
