package waybell_test

import (
	"context"
	"sync"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// faultStore is a real store that fails on demand in what the engine calls
// while it runs.
type faultStore struct {
	waybell.Store

	mu     sync.Mutex
	before map[string]error // method → instead of the call
	after  map[string]error // method → after the call was carried out
	calls  map[string]int
	hang   time.Duration // how long calls take that fail
	shared bool          // leases look like those of a store with several nodes
}

func (s *faultStore) failBefore(err error, methods ...string) { s.set(s.before, err, methods) }
func (s *faultStore) failAfter(err error, methods ...string)  { s.set(s.after, err, methods) }

func (s *faultStore) set(faults map[string]error, err error, methods []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range methods {
		if faults[m] = err; err == nil {
			delete(faults, m)
		}
	}
}

func (s *faultStore) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// fault counts a call and returns what it is to fail with.
func (s *faultStore) fault(method string) (before, after error) {
	s.mu.Lock()
	s.calls[method]++
	before, after, hang := s.before[method], s.after[method], s.hang
	s.mu.Unlock()
	if before != nil {
		<-time.After(hang)
	}
	return before, after
}

func faulty[T any](s *faultStore, method string, call func() (T, error)) (T, error) {
	var zero T
	before, after := s.fault(method)
	if before != nil {
		return zero, before
	}
	v, err := call()
	if err == nil && after != nil {
		return zero, after
	}
	return v, err
}

func (s *faultStore) Join(ctx context.Context, n waybell.NodeInfo) (waybell.Lease, error) {
	l, err := s.Store.Join(ctx, n)
	l.Shared = s.shared
	return l, err
}

func (s *faultStore) Heartbeat(ctx context.Context, l waybell.Lease, load waybell.NodeLoad) error {
	_, err := faulty(s, "Heartbeat", func() (struct{}, error) { return struct{}{}, s.Store.Heartbeat(ctx, l, load) })
	return err
}

func (s *faultStore) Adopt(ctx context.Context, l waybell.Lease, now time.Time) (n int, more bool, err error) {
	n, err = faulty(s, "Adopt", func() (n int, err error) { n, more, err = s.Store.Adopt(ctx, l, now); return n, err })
	return n, more, err
}

func (s *faultStore) Accept(ctx context.Context, l waybell.Lease, v int64, e []*waybell.NewEvent) ([]waybell.Accepted, error) {
	return faulty(s, "Accept", func() ([]waybell.Accepted, error) { return s.Store.Accept(ctx, l, v, e) })
}

func (s *faultStore) Due(ctx context.Context, until time.Time) ([]waybell.DueEndpoint, error) {
	return faulty(s, "Due", func() ([]waybell.DueEndpoint, error) { return s.Store.Due(ctx, until) })
}

func (s *faultStore) Claim(ctx context.Context, l waybell.Lease, now time.Time, w []waybell.ClaimWant) ([]waybell.Waiting, error) {
	return faulty(s, "Claim", func() ([]waybell.Waiting, error) { return s.Store.Claim(ctx, l, now, w) })
}

func (s *faultStore) ClaimSuspect(ctx context.Context, l waybell.Lease, now time.Time) (waybell.Waiting, error) {
	return faulty(s, "ClaimSuspect", func() (waybell.Waiting, error) { return s.Store.ClaimSuspect(ctx, l, now) })
}

func (s *faultStore) Begin(ctx context.Context, l waybell.Lease, rows []waybell.Waiting) ([]bool, error) {
	return faulty(s, "Begin", func() ([]bool, error) { return s.Store.Begin(ctx, l, rows) })
}

func (s *faultStore) CancelWaiting(ctx context.Context, l waybell.Lease, c waybell.CancelWaiting) (int, error) {
	return faulty(s, "CancelWaiting", func() (int, error) { return s.Store.CancelWaiting(ctx, l, c) })
}

func (s *faultStore) Settle(ctx context.Context, l waybell.Lease, o []waybell.Settlement) error {
	_, err := faulty(s, "Settle", func() (struct{}, error) { return struct{}{}, s.Store.Settle(ctx, l, o) })
	return err
}

func (s *faultStore) UpdateEndpoint(ctx context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	return faulty(s, "UpdateEndpoint", func() (waybell.Endpoint, error) { return s.Store.UpdateEndpoint(ctx, e) })
}

func (s *faultStore) EventsByKey(ctx context.Context, refs []waybell.EventRef) ([]waybell.Event, error) {
	return faulty(s, "EventsByKey", func() ([]waybell.Event, error) { return s.Store.EventsByKey(ctx, refs) })
}

func (s *faultStore) Event(ctx context.Context, a waybell.AgentNumber, k waybell.Key) (waybell.Event, error) {
	return faulty(s, "Event", func() (waybell.Event, error) { return s.Store.Event(ctx, a, k) })
}

func (s *faultStore) AddStatistics(ctx context.Context, l waybell.Lease, rows []waybell.StatisticsRow) error {
	_, err := faulty(s, "AddStatistics", func() (struct{}, error) { return struct{}{}, s.Store.AddStatistics(ctx, l, rows) })
	return err
}

// withFaults puts a fault store before a rig's store, each time it starts.
func withFaults(f *faultStore) func(*waybell.Config) {
	f.before, f.after, f.calls = map[string]error{}, map[string]error{}, map[string]int{}
	return func(c *waybell.Config) {
		f.Store, c.Store = c.Store, f
	}
}

// slowStore accepts nothing before its gate is open.
type slowStore struct {
	waybell.Store
	gate <-chan struct{}
}

func (s *slowStore) Accept(ctx context.Context, l waybell.Lease, v int64, e []*waybell.NewEvent) ([]waybell.Accepted, error) {
	<-s.gate
	return s.Store.Accept(ctx, l, v, e)
}

// scriptCanaries answers each path in its own bad way, with canaries in it.
func scriptCanaries(r *rig, canary string) {
	for path, step := range map[string]receivertest.Step{
		"/ok":      receivertest.Answer(200, canary, receivertest.Header("X-Answer", canary)),
		"/error":   receivertest.Answer(500, canary, receivertest.Header("X-Answer", canary)),
		"/hang":    receivertest.Hang(),
		"/garbage": receivertest.Garbage([]byte(canary + "\r\n\r\n")),
		"/gone":    receivertest.Answer(410, canary),
	} {
		r.receiver.Handle(path, receivertest.Always(step))
	}
}
