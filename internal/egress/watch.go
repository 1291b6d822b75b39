package egress

import (
	"context"
	"sync"
	"time"
)

// watch ends what happens on a connection when the caller's context does. It
// stays with the connection while the calls on it come from the same context,
// as those of one engine do: a registration for each exchange would cost more
// than the deadline it sets.
type watch struct {
	conn *conn
	done <-chan struct{} // of the context
	stop func() bool     // ends the registration

	mu    sync.Mutex
	busy  bool // an exchange is under way
	ended bool // the context has
}

// begin bounds an exchange by the deadline of its call and the caller's context.
func (c *conn) begin(cl *call) {
	_ = c.SetDeadline(cl.deadline) // fails only where reading and writing fail too
	done := cl.caller.Done()
	if c.watch == nil || c.watch.done != done {
		c.unwatch()
		if done == nil {
			return
		}
		w := &watch{conn: c, done: done}
		w.stop = context.AfterFunc(cl.caller, w.end)
		c.watch = w
	}
	w := c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = true
	if w.ended {
		w.expire()
	}
}

// release ends what begin began; false where the context ended first.
func (c *conn) release() bool {
	w := c.watch
	if w == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false
	return !w.ended
}

// unwatch lets go of the context.
func (c *conn) unwatch() {
	if c.watch != nil {
		c.watch.stop()
		c.watch = nil
	}
}

// end is called when the context has ended.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.busy {
		w.expire()
	}
}

// expire ends reads and writes under way, and those to come.
func (w *watch) expire() { _ = w.conn.SetDeadline(time.Unix(1, 0)) }
