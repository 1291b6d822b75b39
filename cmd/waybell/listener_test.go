package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestConnectionsAreBounded: of more clients than may be connected, the next one is
// taken when one has gone.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 2
	s := &server{clients: most}
	l, err := s.listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(taken)
				return
			}
			taken <- c
		}
	}()
	for range most + 1 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-taken
	defer (<-taken).Close()
	select {
	case <-taken:
		t.Fatalf("a client too many was taken")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	third := <-taken
	defer third.Close()
	if _, ok := third.(interface{ CloseWrite() error }); !ok {
		t.Error("a connection cannot be closed half: answers to what was not read to its end are lost")
	}
	l.Close() // while it waits for a place
	if _, more := <-taken; more {
		t.Error("a connection was taken by a closed listener")
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
