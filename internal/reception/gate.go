// Package reception is what an inbox does with a request before it is kept: it
// admits it or not, and judges its signature in words.
package reception

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/waybell/waybell/internal/places"
)

// The rates of an inbox and of all inboxes of a node. What is received is
// written by the same commits as the deliveries of everybody: none of it may
// fill them.
const (
	PerSecond = 50  // requests of one inbox
	Burst     = 100 // of one inbox, at once

	// Together is how many requests of strangers one inbox reads at the same
	// time, togetherInAll all inboxes: each holds a body in memory until its
	// sender has sent the last byte of it, which may take long.
	Together      = 32
	togetherInAll = 256

	bytesPerSecond = 8 << 20 // of all inboxes
	bytesBurst     = 16 << 20
	rowBytes       = 4 << 10 // what a request costs besides its body

	// Explaining a wrong signature tries thousands of combinations, which takes
	// some hundred milliseconds even of a small body, and anybody may send.
	explainPerSecond = 0.2
	explainBurst     = 5
	explainBytes     = 8 << 10

	// maxDoors is how many inboxes are remembered before idle ones are dropped.
	maxDoors = 1024
)

// Gate bounds how much inboxes take in. It is safe for concurrent use.
type Gate struct {
	bytes   *rate.Limiter
	explain *rate.Limiter

	reading *places.Places // by inbox

	mu    sync.Mutex
	doors map[string]*rate.Limiter
}

// NewGate makes a gate for bodies of which at most maxBody bytes are kept.
func NewGate(maxBody int) *Gate {
	return &Gate{
		bytes:   rate.NewLimiter(bytesPerSecond, max(bytesBurst, maxBody+rowBytes)),
		explain: rate.NewLimiter(explainPerSecond, explainBurst),
		doors:   map[string]*rate.Limiter{},
		reading: places.New(Together, togetherInAll),
	}
}

// Enter takes a place for a request whose body is about to be read, and returns
// what gives it back, which may be called twice; nil when there is none.
func (g *Gate) Enter(inbox string) (leave func()) { return g.reading.Enter(inbox) }

// Admit tells whether the inbox may take one more request now.
func (g *Gate) Admit(inbox string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	door := g.doors[inbox]
	if door == nil {
		if len(g.doors) >= maxDoors {
			g.dropIdle(now)
		}
		door = rate.NewLimiter(PerSecond, Burst)
		g.doors[inbox] = door
	}
	return door.AllowN(now, 1)
}

// dropIdle forgets the doors that are as good as new.
func (g *Gate) dropIdle(now time.Time) {
	for inbox, door := range g.doors {
		if door.TokensAt(now) >= Burst {
			delete(g.doors, inbox)
		}
	}
}

// Keep tells whether a request of which so many bytes are kept may be written
// now.
func (g *Gate) Keep(bytes int, now time.Time) bool {
	return g.bytes.AllowN(now, bytes+rowBytes)
}

// Explain tells whether the wrong signature of a body may be explained now.
func (g *Gate) Explain(body []byte, now time.Time) bool {
	return len(body) <= explainBytes && g.explain.AllowN(now, 1)
}
