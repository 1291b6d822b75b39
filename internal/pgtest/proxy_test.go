//go:build linux

package pgtest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/pgtest"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Errorf("send: %v", err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("heard %q, %v; want %q", got[:n], err, want)
	}
}

func hearNothing(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(soon))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("heard %d bytes, %v; want silence", n, err)
	}
}

func TestProxyCut(t *testing.T) {
	t.Parallel()
	p := pgtest.StartProxy(t, echo(t))
	old := dial(t, p.Addr())
	send(t, old, "a")
	hear(t, old, "a")
	p.Cut()
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a cut connection gives %v; want it reset", err)
	}
	c := dial(t, p.Addr())
	send(t, c, "b")
	hear(t, c, "b")

	// An orderly end is forwarded as one.
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the end arrives as %v", err)
	}
}

func TestProxyRefuse(t *testing.T) {
	t.Parallel()
	p := pgtest.StartProxy(t, echo(t))
	old := dial(t, p.Addr())
	send(t, old, "a")
	hear(t, old, "a")
	p.Refuse()
	if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling gives %v, %v; want it refused", c, err)
	}
	send(t, old, "b")
	hear(t, old, "b")
	p.Heal()
	c := dial(t, p.Addr())
	send(t, c, "c")
	hear(t, c, "c")
}

func TestProxySilence(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]pgtest.Direction{"to server": pgtest.ToServer, "to client": pgtest.ToClient, "both": pgtest.Both} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pgtest.StartProxy(t, echo(t))
			old := dial(t, p.Addr())
			send(t, old, "a")
			hear(t, old, "a")
			p.Silence(d)
			fresh := dial(t, p.Addr())
			send(t, old, "b")
			send(t, fresh, "c")
			hearNothing(t, old)
			hearNothing(t, fresh)
			p.Heal()
			hear(t, old, "b")
			hear(t, fresh, "c")

			// A silent connection can be cut.
			p.Silence(d)
			send(t, old, "d")
			p.Cut()
			if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a cut connection gives %v; want it reset", err)
			}
			if n := p.Conns(); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// What a server did whose answer was lost stays done.
func TestProxyBeforePostgreSQL(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	p := pgtest.StartProxy(t, pgtest.Server(t).Addr())
	direct, through := connect(t, url), connect(t, p.URL(url))
	exec(t, through, "CREATE TABLE mark (n int)")
	p.Silence(pgtest.ToClient)
	answer := make(chan error, 1)
	go func() {
		_, err := through.Exec(t.Context(), "INSERT INTO mark VALUES (1)")
		answer <- err
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	for get[int](t, direct, "SELECT count(*) FROM mark") == 0 {
		<-tick.C
	}
	p.Cut()
	if err := <-answer; err == nil {
		t.Error("the answer came through")
	}
}
