// Package lock has a lock that is waited for no longer than a context lasts:
// for what may be held while a database is slow to answer.
package lock

import (
	"context"
	"sync"
)

// RW is held by any number of readers or by one writer. A writer that waits
// lets no new reader in. The zero value is nobody's.
type RW struct {
	mu      sync.Mutex
	readers int
	writing bool
	writers int           // that wait
	changed chan struct{} // closed when those who wait may look again; nil while nobody does
}

// TryRLock takes the lock for reading if nobody has to be waited for.
func (l *RW) TryRLock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing || l.writers > 0 {
		return false
	}
	l.readers++
	return true
}

// RLock takes the lock for reading, or returns why ctx ended before.
func (l *RW) RLock(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing || l.writers > 0 {
		if err := l.wait(ctx); err != nil {
			return err
		}
	}
	l.readers++
	return nil
}

// RUnlock gives a reader's hold back.
func (l *RW) RUnlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers--; l.readers == 0 {
		l.wake()
	}
}

// Lock takes the lock for writing, or returns why ctx ended before.
func (l *RW) Lock(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writers++
	defer func() { l.writers-- }()
	for l.writing || l.readers > 0 {
		if err := l.wait(ctx); err != nil {
			l.wake() // readers need not wait for this one any more
			return err
		}
	}
	l.writing = true
	return nil
}

// Unlock gives the writer's hold back.
func (l *RW) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.wake()
}

// wait returns when something changed, or at the end of ctx. l.mu is held
// before and after.
func (l *RW) wait(ctx context.Context) error {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	changed := l.changed
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wake lets those who wait look again. l.mu is held.
func (l *RW) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
