// Package tokencache keeps what tokens stand for, by the hash of the token, so
// that a token in use is not read from a store with each request; and it bounds
// how many tokens that nobody knows are looked up at once.
package tokencache

import (
	"context"
	"sync"
	"time"
)

// Config bounds a cache. All fields must be set.
type Config struct {
	// Fresh is how long a value counts without being read again: so late the
	// change of another process is noticed.
	Fresh time.Duration
	// Entries bounds the memory; of more tokens in use at once some are read for
	// each request.
	Entries int
	// Strangers is how many unknown tokens are looked up at once: made-up ones
	// must not keep all of a store's readers busy.
	Strangers int
}

// Cache keeps values by the hash of their token. It is safe for concurrent use.
type Cache[T any] struct {
	cfg    Config
	places chan struct{}

	mu      sync.RWMutex
	entries map[[32]byte]entry[T]
	dropped uint64 // how often values were dropped
}

type entry[T any] struct {
	value T
	read  time.Time
}

// New makes an empty cache.
func New[T any](cfg Config) *Cache[T] {
	return &Cache[T]{cfg: cfg, places: make(chan struct{}, cfg.Strangers), entries: map[[32]byte]entry[T]{}}
}

// Enter waits for a place of a stranger; false when it has gone meanwhile.
func (c *Cache[T]) Enter(ctx context.Context) bool {
	select {
	case c.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Leave gives the place of an Enter back.
func (c *Cache[T]) Leave() { <-c.places }

// Found is what a cache knows of a token.
type Found[T any] struct {
	Value T
	Fresh bool // Value is there, and need not be read again
	Known bool // it was read before: it is no stranger
	state uint64
}

// Find looks for a token's value.
func (c *Cache[T]) Find(hash [32]byte, now time.Time) (f Found[T]) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f.state = c.dropped
	var e entry[T]
	if e, f.Known = c.entries[hash]; f.Known && now.Sub(e.read) < c.cfg.Fresh {
		f.Value, f.Fresh = e.value, true
	}
	return f
}

// Put keeps a value that was read at a time after f was found, unless one was
// dropped since: it may be that one.
func (c *Cache[T]) Put(hash [32]byte, f Found[T], value T, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped != f.state {
		return
	}
	if _, known := c.entries[hash]; !known && len(c.entries) >= c.cfg.Entries {
		for h, e := range c.entries {
			if read.Sub(e.read) >= c.cfg.Fresh {
				delete(c.entries, h)
			}
		}
		if len(c.entries) >= c.cfg.Entries {
			return
		}
	}
	c.entries[hash] = entry[T]{value, read}
}

// Forget drops what is known of a token.
func (c *Cache[T]) Forget(hash [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, hash)
}

// Drop drops the values that are told, also those that are just being read.
func (c *Cache[T]) Drop(ended func(T) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped++
	for h, e := range c.entries {
		if ended(e.value) {
			delete(c.entries, h)
		}
	}
}
