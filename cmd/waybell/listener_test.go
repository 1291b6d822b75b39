package main

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestConnectionsAreBounded: of more clients than may be connected, the next one is
// taken when one has gone.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 2
	s := &server{clients: most}
	made, err := s.listen("listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	l := made.(*boundListener)
	for range most + 2 { // the system connects them; they wait to be accepted
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	var taken []net.Conn
	accept := func() {
		t.Helper()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		taken = append(taken, c)
		if n := len(l.places); n > most || cap(l.places) != most {
			t.Fatalf("%d of %d places are taken, want at most %d", n, cap(l.places), most)
		}
	}
	for range most {
		accept()
	}
	taken[0].Close()
	taken[0].Close() // gives back one place, not two
	if n := len(l.places); n != most-1 {
		t.Fatalf("%d places are taken after one client has gone", n)
	}
	accept()
	if _, ok := taken[most].(interface{ CloseWrite() error }); !ok {
		t.Error("a connection cannot be closed half: answers to what was not read to its end are lost")
	}
	// There is one more client, but no place: what ends the wait is the listener's end.
	l.once.Do(func() { close(l.closed) })
	if c, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v was taken without a place, %v", c, err)
	}
}

// TestConnectionSettings: there is no server for nobody.
func TestConnectionSettings(t *testing.T) {
	t.Parallel()
	c := &configuration{settings: newSettings()}
	c.MaxConnections = 0
	if err := c.check(); err == nil || !strings.Contains(err.Error(), "max-connections: is 0; it must be at least 1") {
		t.Errorf("no connections at all: %v", err)
	}
}
