// Package places bounds how much is under way at the same time: for each name, and
// in all.
package places

import "sync"

// Places are taken and given back. They are safe for concurrent use.
type Places struct {
	each, all int

	mu    sync.Mutex
	taken map[string]int // by name; none are left out
	sum   int
}

// New makes so many places for each name, and in all; 0 in all is no further bound.
func New(each, all int) *Places {
	return &Places{each: each, all: all, taken: map[string]int{}}
}

// Enter takes a place under a name, and returns what gives it back, which may be
// called twice; nil when there is none.
func (p *Places) Enter(name string) (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[name] >= p.each || p.all > 0 && p.sum >= p.all {
		return nil
	}
	p.taken[name]++
	p.sum++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sum--
		if p.taken[name]--; p.taken[name] == 0 {
			delete(p.taken, name)
		}
	})
}
