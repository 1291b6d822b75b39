package egress

import (
	"maps"
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
	idle           map[origin]*idleConns
	empty          int // of the lists in idle; most are filled again soon
	n              int // idle connections
	oldest, newest *conn
	timer          *time.Timer // runs while anything is idle
}

// idleConns are the idle connections to one origin, oldest first.
type idleConns struct{ list []*conn }

// get returns an idle connection, or nil. It may be dead.
func (p *pool) get(to origin) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.idle[to]
	if of == nil || len(of.list) == 0 {
		return nil
	}
	return p.remove(of, len(of.list)-1)
}

// put takes a connection back that is idle since a moment ago, or closes it where
// enough are idle.
func (p *pool) put(c *conn, since time.Time) {
	if cap(c.out) > keptOut {
		c.out = nil
	}
	c.since = since
	if surplus := p.add(c); surplus != nil {
		_ = surplus.Close() // nothing is under way on it
	}
}

// add returns the connection that there is no place for, or nil.
func (p *pool) add(c *conn) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.idle[c.to]
	switch {
	case of == nil:
		of = new(idleConns)
		p.idle[c.to] = of
	case len(of.list) >= p.perHost:
		return c
	case len(of.list) == 0:
		p.empty--
	}
	of.list = append(of.list, c)
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
	return p.removeOldest()
}

// remove takes the idle connection out that is at a place of its origin's list. p.mu
// is held.
func (p *pool) remove(of *idleConns, at int) *conn {
	c := of.list[at]
	of.list = slices.Delete(of.list, at, at+1)
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
	if len(of.list) == 0 {
		if p.empty++; p.empty > p.total {
			p.tidy()
		}
	}
	return c
}

// removeOldest takes out what is idle longest of all, and so of its origin. p.mu is
// held.
func (p *pool) removeOldest() *conn { return p.remove(p.idle[p.oldest.to], 0) }

// tidy forgets the origins without idle connections. p.mu is held.
func (p *pool) tidy() {
	maps.DeleteFunc(p.idle, func(_ origin, of *idleConns) bool { return len(of.list) == 0 })
	p.empty = 0
}

// expire closes what was idle for too long.
func (p *pool) expire() { p.close(time.Now().Add(-p.timeout)) }

// close closes the connections that are idle since the given time or longer.
func (p *pool) close(since time.Time) {
	var ended []*conn
	p.mu.Lock()
	for c := p.oldest; c != nil && !c.since.After(since); c = p.oldest {
		ended = append(ended, p.removeOldest())
	}
	if p.n == 0 {
		p.tidy()
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
