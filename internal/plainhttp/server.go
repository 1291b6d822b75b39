// Package plainhttp answers plain HTTP/1.1 requests with a handler of net/http, at a
// fraction of what net/http's own server needs for one, and leaves every other request
// to that server.
//
// Plain is what can be read in one way only: a POST with a length, a small header of
// well-formed fields, and nothing in it that is about the message or the connection.
// A connection is handed over, with all that was read and not answered, at its first
// request that is not plain, and stays with net/http from then on. So there is nothing
// to refuse here, and no second opinion on what a request says: FuzzHead holds that
// net/http reads the same.
package plainhttp

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server puts plain requests before a server of net/http. The zero value of all but
// the two exported fields is ready; they must not change once it serves.
type Server struct {
	// Standard serves what is not plain. Its handler answers what is, too, and its
	// timeouts, which must all be set, hold for both; an idle connection may end a few
	// seconds early, and one that is handed over has ReadHeaderTimeout once more. Its
	// other hooks (ConnState, BaseContext, ConnContext) see only the connections that
	// were handed over.
	Standard *http.Server
	// Plain tells the paths whose requests may be answered here. Their handlers get a
	// request and a header that are used again after they return. Their answers are
	// whole in memory before they are sent, must have a Content-Type, and cannot be
	// flushed or hijacked. The context ends with the connection, and within two seconds
	// after the client went away.
	Plain func(path string) bool

	mu      sync.Mutex
	conns   map[*conn]struct{}
	open    sync.WaitGroup // conns; mu is held for Add
	closing atomic.Bool    // mu is held to set it
	date    atomic.Pointer[date]
}

// Serve answers what comes in at l until [Server.Shutdown] or [Server.Close], and
// returns [http.ErrServerClosed] then, or else why l broke.
func (s *Server) Serve(l net.Listener) error {
	h := &handover{Listener: l, taken: make(chan accepted), done: make(chan struct{}), came: make(chan struct{}, 1)}
	go s.accept(h)
	go s.watch(h)
	return s.Standard.Serve(h)
}

// accept takes connections in. An error is the standard server's: it knows the passing
// ones, and waits before it comes for more, a second at most. So does what is handed
// over meanwhile.
func (s *Server) accept(h *handover) {
	for {
		c, err := h.Listener.Accept()
		switch {
		case err == nil:
			s.start(s.newConn(c, h))
		case !h.give(accepted{err: err}):
			return
		}
	}
}

// start serves a connection, unless the server closes.
func (s *Server) start(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		c.Conn.Close() //nolint:errcheck // nothing was said on it
		return
	}
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	if len(s.conns) == 1 {
		select {
		case c.handover.came <- struct{}{}:
		default: // it looks already
		}
	}
	s.open.Go(func() {
		defer func() { // also where a handler ends its goroutine
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
		}()
		c.serve()
	})
}

// Shutdown closes what is idle, lets requests under way be answered, and returns when
// there are none, or ctx's error when that ends first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop((*conn).closeIdle)
	err := s.Standard.Shutdown(ctx)
	gone := make(chan struct{})
	go func() { s.open.Wait(); close(gone) }()
	select {
	case <-gone:
		return err
	case <-ctx.Done():
		return errors.Join(err, context.Cause(ctx))
	}
}

// Close closes all connections, also those with requests under way, whose contexts
// end.
func (s *Server) Close() error {
	s.stop(func(c *conn) {
		c.cancel()
		c.Conn.Close() //nolint:errcheck // what is under way on it is given up
	})
	return s.Standard.Close()
}

// stop takes nothing new in and ends connections.
func (s *Server) stop(end func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for c := range s.conns {
		end(c)
	}
}

func (s *Server) logf(format string, args ...any) {
	if l := s.Standard.ErrorLog; l != nil {
		l.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// date is the Date of the answers of one second.
type date struct {
	second int64 // since the Unix epoch
	text   string
}

func (s *Server) dateAt(now time.Time) string {
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
