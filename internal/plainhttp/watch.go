package plainhttp

import (
	"errors"
	"os"
	"time"
)

// watchEvery is how often connections are looked at whose handler takes its time. One
// that took longer is watched from the second look on: most answer long before, and
// cost nothing.
const watchEvery = time.Second

// watch looks at the connections, while there are any, until the listener is closed.
func (s *Server) watch(h *handover) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-h.came:
			tick.Reset(watchEvery)
		case <-tick.C:
			if s.lookAtAll() {
				tick.Reset(watchEvery)
			}
		}
	}
}

// lookAtAll returns false where there is no connection.
func (s *Server) lookAtAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.look()
	}
	return len(s.conns) > 0
}

// look begins to watch a connection whose handler was at the same request at the look
// before. Server.mu is held.
func (c *conn) look() {
	begun := c.begun.Load()
	same := begun == c.seen
	c.seen = begun
	if !same || c.state.Load() != waiting {
		return
	}
	c.watching.Lock()
	defer c.watching.Unlock()
	ended := make(chan struct{})
	c.ended = ended
	if !c.state.CompareAndSwap(waiting, watched) {
		return
	}
	c.SetReadDeadline(time.Time{}) //nolint:errcheck // reading hears of it
	c.server.open.Go(func() {
		defer close(ended)
		c.readAhead()
	})
}

// readAhead waits for the end of what the client sends, which ends the context of its
// request as it does with net/http's server. What else comes is the next request's.
func (c *conn) readAhead() {
	if c.have == len(c.in) { // of a request that came already: then nobody can tell
		return
	}
	n, err := c.Conn.Read(c.in[c.have:])
	c.have += n
	if n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.gone = true
		c.cancel()
	}
}

// unwatch ends it, before the connection is used again.
func (c *conn) unwatch() {
	if c.state.CompareAndSwap(waiting, active) || c.state.Load() == active {
		return
	}
	c.watching.Lock() // look has done its part
	ended := c.ended
	c.watching.Unlock()
	c.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // then the reading ended
	<-ended
	c.readBy = time.Time{}
	c.state.Store(active)
}
