// Package memstore is a store in memory that keeps the whole contract of
// [waybell.Store]: it passes internal/storetest. It is for tests that need many
// stores quickly, in a bubble of testing/synctest above all, and is not shipped.
//
// What it holds is durable in the sense of a test: it outlives the service that
// wrote it. Several ways lead to one store, see [Store.With]; each can be given
// faults, which makes it one node's way to a database that may be away, or be
// slow, or break off while it commits.
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

// Fault is asked before each call. It may wait, as a slow store does, until ctx
// ends at most. An error before is what the call answers, without having done
// anything; one after is what it answers although it was carried out, as a
// commit of unknown outcome does.
type Fault func(ctx context.Context, method string) (before, after error)

// Options make a way to a store.
type Options struct {
	// Shared makes leases those of a store that several nodes use at once: they
	// have to be confirmed by heartbeats, and a node without one for 12 s is dead.
	// Otherwise nodes die by [Store.Crash].
	Shared bool
	// Changes is the channel of the method of the same name.
	Changes <-chan struct{}
	Fault   Fault // nil = none
}

// Store is one way to what is stored.
type Store struct {
	*data
	opts Options
}

var _ waybell.Store = (*Store)(nil)

// data is what is stored. mu makes each call a transaction of its own.
type data struct {
	mu     sync.Mutex
	closed bool
	flaws  Flaws
	stats  waybell.StoreStats

	nodes    map[int64]*node
	lastNode int64
	lastKeys map[int]waybell.Key // by slot

	version    int64
	agents     []*waybell.Agent    // by number, from 1
	endpoints  []*waybell.Endpoint // by number, from 1
	eventTypes map[string]*waybell.EventType
	keys       []*waybell.APIKey // in order of their making
	settings   map[string][]byte
	sessions   map[string]*waybell.Session

	events     map[waybell.Key]*event
	byAgent    map[waybell.AgentNumber][]waybell.Key // rising
	repeats    map[repeatKey]repeat
	waiting    map[waybell.EndpointNumber][]*row // by rising Entered
	counters   map[waybell.EndpointNumber]*waybell.Counters
	statistics map[waybell.StatisticsKey]*waybell.Tally

	inboxes     []*waybell.Inbox // by number; nil where deleted
	requests    map[waybell.InboxNumber][]waybell.InboxRequest
	lastRequest int64
}

// Flaws spoil a store on purpose, so that a test can show that it would notice.
type Flaws struct {
	ForgetSettle int  // every so manieth outcome of a settlement is not written
	LoseWaiting  int  // every so manieth waiting row of a new event is not written
	NoFence      bool // writes of nodes that lost their lease go through
	DoubleClaim  int  // every so manieth claimed row stays unowned
	Miscount     int  // every so manieth settled delivery is not counted
	EarlyRetry   bool // retries are due at once
	Unordered    bool // the order of Entered is not kept
	Repeat       bool // ids may be used again
	SendHeld     bool // held endpoints are shown as active
	BeginClaimed bool // claimed rows count as begun, whether they are sent or not

	settled, accepted, claimed, counted int
}

// New makes an empty store.
func New(o Options) *Store {
	return &Store{opts: o, data: &data{
		nodes: map[int64]*node{}, lastKeys: map[int]waybell.Key{},
		eventTypes: map[string]*waybell.EventType{}, settings: map[string][]byte{}, sessions: map[string]*waybell.Session{},
		events: map[waybell.Key]*event{}, byAgent: map[waybell.AgentNumber][]waybell.Key{}, repeats: map[repeatKey]repeat{},
		waiting: map[waybell.EndpointNumber][]*row{}, counters: map[waybell.EndpointNumber]*waybell.Counters{},
		statistics: map[waybell.StatisticsKey]*waybell.Tally{}, requests: map[waybell.InboxNumber][]waybell.InboxRequest{},
		stats: waybell.StoreStats{Driver: "memory"},
	}}
}

// With is another way to the same store.
func (s *Store) With(o Options) *Store { return &Store{data: s.data, opts: o} }

// Spoil has the store do wrong from now on.
func (s *Store) Spoil(f Flaws) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flaws = f
}

// nth tells whether it is the turn of a flaw that strikes every so often.
func nth(count *int, every int) bool {
	if every == 0 {
		return false
	}
	*count++
	return *count%every == 0
}

// read carries a call out.
func read[T any](s *Store, ctx context.Context, method string, f func() (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, fmt.Errorf("memstore: %s: %w", method, err)
	}
	var after error
	if s.opts.Fault != nil {
		var before error
		if before, after = s.opts.Fault(ctx, method); before != nil {
			return zero, fmt.Errorf("memstore: %s: %w", method, before)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return zero, fmt.Errorf("memstore: %s: %w: the store is closed", method, waybell.ErrUnavailable)
	}
	v, err := f()
	switch {
	case err != nil:
		return zero, fmt.Errorf("memstore: %s: %w", method, err)
	case after != nil:
		return zero, fmt.Errorf("memstore: %s: %w", method, after)
	}
	return v, nil
}

// write carries a change out.
func write[T any](s *Store, ctx context.Context, method string, f func() (T, error)) (T, error) {
	return read(s, ctx, method, func() (T, error) {
		v, err := f()
		if err == nil {
			s.stats.Commits++
		}
		return v, err
	})
}

// fenced carries a change out that needs a lease.
func fenced[T any](s *Store, ctx context.Context, lease waybell.Lease, method string, f func() (T, error)) (T, error) {
	return write(s, ctx, method, func() (T, error) {
		if err := s.fence(lease); err != nil {
			var zero T
			return zero, err
		}
		return f()
	})
}

// done is the result of a change without one.
type done = struct{}

// Close implements [waybell.MaintenanceStore].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Stats implements [waybell.MaintenanceStore].
func (s *Store) Stats(ctx context.Context) (waybell.StoreStats, error) {
	return read(s, ctx, "Stats", func() (waybell.StoreStats, error) {
		st := s.stats
		st.EventsKept = int64(len(s.events))
		st.SizeBytes = 1 + st.EventsKept
		return st, nil
	})
}

// micro is t as it is stored.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// falling takes from rows by rising number those below after, the largest first,
// at most limit.
func falling[T any](rows []T, number func(T) int64, q waybell.PageQuery) []T {
	var list []T
	for _, r := range slices.Backward(rows) {
		if len(list) < q.Limit && (q.After == 0 || number(r) < q.After) {
			list = append(list, r)
		}
	}
	return list
}

// sorted are the keys of a map, rising: nothing depends on the order of a map.
func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	list := make([]K, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
