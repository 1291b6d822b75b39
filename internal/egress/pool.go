package egress

import (
	"slices"
	"sync"
	"time"
)

// pool keeps idle connections. The one used last is used next, so that a
// number that is no longer needed ages; beyond the bound in all the oldest
// goes.
type pool struct {
	perHost, total int
	timeout        time.Duration

	mu             sync.Mutex
	idle           map[origin][]*conn // oldest first
	n              int
	oldest, newest *conn
	timer          *time.Timer // runs while anything is idle
}

// get returns an idle connection, or nil. It may be dead.
func (p *pool) get(to origin) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[to]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	p.remove(c)
	return c
}

// put takes a connection back, or closes it where enough are idle.
func (p *pool) put(c *conn) {
	if cap(c.out) > keptOut {
		c.out = nil
	}
	c.since = time.Now()
	if surplus := p.add(c); surplus != nil {
		_ = surplus.Close() // nothing is under way on it
	}
}

// add returns the connection that there is no place for, or nil.
func (p *pool) add(c *conn) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle[c.to]) >= p.perHost {
		return c
	}
	p.idle[c.to] = append(p.idle[c.to], c)
	p.n++
	if c.older = p.newest; c.older != nil {
		c.older.newer = c
	} else {
		p.oldest = c
	}
	p.newest = c
	if p.timer == nil {
		p.timer = time.AfterFunc(p.timeout, p.expire)
	}
	if p.n <= p.total {
		return nil
	}
	last := p.oldest
	p.remove(last)
	return last
}

// remove takes an idle connection out. p.mu is held.
func (p *pool) remove(c *conn) {
	list := p.idle[c.to]
	if i := slices.Index(list, c); len(list) > 1 {
		p.idle[c.to] = slices.Delete(list, i, i+1)
	} else {
		delete(p.idle, c.to)
	}
	p.n--
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		p.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		p.newest = c.older
	}
	c.older, c.newer = nil, nil
}

// expire closes what was idle for too long.
func (p *pool) expire() { p.close(time.Now().Add(-p.timeout)) }

// close closes the connections that are idle since the given time or longer.
func (p *pool) close(since time.Time) {
	var ended []*conn
	p.mu.Lock()
	for c := p.oldest; c != nil && !c.since.After(since); c = p.oldest {
		p.remove(c)
		ended = append(ended, c)
	}
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.oldest != nil {
		p.timer = time.AfterFunc(max(0, p.timeout-time.Since(p.oldest.since)), p.expire)
	}
	p.mu.Unlock()
	for _, c := range ended {
		_ = c.Close() // nothing is under way on it
	}
}
