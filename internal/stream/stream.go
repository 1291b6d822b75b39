// Package stream carries messages from whoever makes them to whoever listens,
// inside one process, and never lets a listener hold up a maker.
//
// Each message has a key. A listener hears one key, or all; what it does not
// want is left out before anything is kept for it. A listener that is too slow
// loses its oldest messages and is told how many. One that comes back soon goes
// on where it was: the last messages are kept in a ring while somebody listens,
// and for a while after.
//
// While nobody listens a message costs one atomic load.
package stream

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config bounds a hub. All fields must be set.
type Config struct {
	Ring   int           // messages kept for listeners that come back
	Buffer int           // messages that wait for one listener
	Keep   time.Duration // how long the ring is kept once nobody listens
	Max    int           // listeners at once
	Share  int           // listeners of one key at once
}

// The errors of [Hub.Listen].
var (
	ErrFull   = errors.New("stream: too many listeners")
	ErrClosed = errors.New("stream: closed")
)

// Message is a value with its place in the hub's sequence.
type Message[T any] struct {
	Seq   uint64
	Value T
}

// Hub connects makers and listeners. It is safe for concurrent use.
type Hub[K comparable, T any] struct {
	cfg    Config
	boot   string // names this hub's sequence among those of other processes
	active atomic.Bool
	done   chan struct{}

	mu     sync.Mutex
	closed bool
	seq    uint64
	base   uint64 // after it no message went unseen
	ring   queue[keyed[K, T]]
	keys   map[K][]*Listener[K, T]
	all    []*Listener[K, T]
	count  int
	idle   *time.Timer // forgets the ring; nil while somebody listens or nothing is kept
}

type keyed[K comparable, T any] struct {
	key K
	Message[T]
}

// NewHub makes a hub with a sequence of its own.
func NewHub[K comparable, T any](cfg Config) *Hub[K, T] {
	var boot [6]byte
	rand.Read(boot[:]) // never fails, see crypto/rand
	return &Hub[K, T]{
		cfg: cfg, boot: hex.EncodeToString(boot[:]), done: make(chan struct{}),
		keys: map[K][]*Listener[K, T]{},
	}
}

// Active tells whether a message would be heard or kept. Makers ask before they
// take pains to make one.
func (h *Hub[K, T]) Active() bool { return h.active.Load() }

// Keys are those that somebody listens to, in no order. Who listens to all of
// them adds none.
func (h *Hub[K, T]) Keys() []K {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.keys))
}

// Publish gives v to the listeners of key and of all keys. It never blocks.
func (h *Hub[K, T]) Publish(key K, v T) {
	if !h.active.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.active.Load() { // the last listener's time ended meanwhile
		return
	}
	h.seq++
	m := keyed[K, T]{key, Message[T]{h.seq, v}}
	h.ring.push(m)
	for _, l := range h.keys[key] {
		l.offer(m.Message)
	}
	for _, l := range h.all {
		l.offer(m.Message)
	}
}

// Close ends all listeners and takes no new ones. It may be called twice.
func (h *Hub[K, T]) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	h.forget()
	close(h.done)
}

// forget ends the recording and drops what was kept. h.mu is held.
func (h *Hub[K, T]) forget() {
	h.active.Store(false)
	h.ring = queue[keyed[K, T]]{}
	if h.idle != nil {
		h.idle.Stop()
		h.idle = nil
	}
}

// Options say what to listen to.
type Options[K comparable, T any] struct {
	Key   K
	All   bool         // messages of all keys, whatever Key is
	Wants func(T) bool // nil: all of them
	// After is the position of the last message had, see [Listener.Position]; ""
	// or one that is not known here begins with the next message.
	After string
}

// Listen makes a listener; it must be closed. Errors: ErrFull, ErrClosed.
func (h *Hub[K, T]) Listen(o Options[K, T]) (*Listener[K, T], error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case h.count >= h.cfg.Max, !o.All && len(h.keys[o.Key]) >= h.cfg.Share:
		return nil, ErrFull
	}
	if h.idle != nil {
		h.idle.Stop()
		h.idle = nil
	}
	if !h.active.Load() {
		h.seq++ // whatever was not heard lies before it
		h.base = h.seq
		h.ring = queue[keyed[K, T]]{limit: h.cfg.Ring}
		h.active.Store(true)
	}
	l := &Listener[K, T]{hub: h, Options: o, ready: make(chan struct{}, 1), queue: queue[Message[T]]{limit: h.cfg.Buffer}}
	l.resume()
	h.count++
	if o.All {
		h.all = append(h.all, l)
	} else {
		h.keys[o.Key] = append(h.keys[o.Key], l)
	}
	return l, nil
}

// Listener is one who listens. Its methods are for one goroutine, but for
// Close.
type Listener[K comparable, T any] struct {
	Options[K, T]
	hub     *Hub[K, T]
	ready   chan struct{}
	start   uint64
	resumed bool

	// Guarded by hub.mu.
	replay  []Message[T] // from the ring, before what is in queue
	queue   queue[Message[T]]
	dropped int
	closed  bool
}

// resume takes what came after the position asked for, if all of it is still
// there. hub.mu is held.
func (l *Listener[K, T]) resume() {
	h := l.hub
	l.start = h.seq
	after, ok := h.parse(l.After)
	oldest := h.base
	if first, any := h.ring.First(); any {
		oldest = max(oldest, first.Seq-1)
	}
	if !ok || after < oldest || after > h.seq {
		return
	}
	l.start, l.resumed = after, true
	for m := range h.ring.All {
		if m.Seq > after && (l.All || m.key == l.Key) && l.wants(m.Value) {
			l.replay = append(l.replay, m.Message)
		}
	}
	if len(l.replay) > 0 {
		l.signal()
	}
}

func (l *Listener[K, T]) wants(v T) bool { return l.Wants == nil || l.Wants(v) }

// offer keeps a message for the listener. hub.mu is held.
func (l *Listener[K, T]) offer(m Message[T]) {
	if !l.wants(m.Value) {
		return
	}
	if l.queue.push(m) {
		l.dropped++
	}
	l.signal()
}

func (l *Listener[K, T]) signal() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Resumed tells whether the listener goes on after Options.After with nothing
// left out.
func (l *Listener[K, T]) Resumed() bool { return l.resumed }

// Start is the position before the first message.
func (l *Listener[K, T]) Start() string { return l.Position(l.start) }

// Position names a place in the sequence, for Options.After.
func (l *Listener[K, T]) Position(seq uint64) string {
	return l.hub.boot + "." + strconv.FormatUint(seq, 10)
}

// parse is the inverse of Position, for a position of this hub.
func (h *Hub[K, T]) parse(position string) (uint64, bool) {
	digits, ok := strings.CutPrefix(position, h.boot+".")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil
}

// Ready has a value when there may be something to take.
func (l *Listener[K, T]) Ready() <-chan struct{} { return l.ready }

// Done is closed when the hub is.
func (l *Listener[K, T]) Done() <-chan struct{} { return l.hub.done }

// Take returns what has come, oldest first, appended to into, and how many
// messages were dropped before them because nobody took them in time.
func (l *Listener[K, T]) Take(into []Message[T]) (messages []Message[T], dropped int) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if l.replay != nil { // what it lost, it lost behind these
		into, l.replay = append(into, l.replay...), nil
		if l.dropped > 0 {
			l.signal()
			return into, 0
		}
	}
	for m := range l.queue.All {
		into = append(into, m)
	}
	l.queue.clear()
	dropped, l.dropped = l.dropped, 0
	return into, dropped
}

// Close ends the listening. It may be called twice.
func (l *Listener[K, T]) Close() {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	h.count--
	without := func(list []*Listener[K, T]) []*Listener[K, T] {
		return slices.DeleteFunc(list, func(other *Listener[K, T]) bool { return other == l })
	}
	if l.All {
		h.all = without(h.all)
	} else if h.keys[l.Key] = without(h.keys[l.Key]); len(h.keys[l.Key]) == 0 {
		delete(h.keys, l.Key)
	}
	if h.count == 0 && !h.closed {
		var timer *time.Timer
		timer = time.AfterFunc(h.cfg.Keep, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.idle == timer { // nobody came back
				h.forget()
			}
		})
		h.idle = timer
	}
}
