package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// Load makes events and settles their deliveries through a store's methods, for
// benchmarks and for tests that need many. Its methods may be called by several
// goroutines at once.
type Load struct {
	Store waybell.Store
	Lease waybell.Lease
	// Data is the payload of each event, Detail that of each attempt.
	Data, Detail []byte

	mu   sync.Mutex
	last waybell.Key
}

// NewLoad joins the store as a node.
func NewLoad(tb testing.TB, s waybell.Store) *Load {
	tb.Helper()
	lease, err := s.Join(tb.Context(), waybell.NodeInfo{Name: "bench"})
	if err != nil {
		tb.Fatal(err)
	}
	return &Load{Store: s, Lease: lease, last: waybell.KeyAt(time.Now()), Data: make([]byte, 1000), Detail: make([]byte, 700)}
}

// Last is the key of the newest event.
func (l *Load) Last() waybell.Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Events makes n new events of an agent for its endpoints.
func (l *Load) Events(n int, agent waybell.AgentNumber, endpoints ...waybell.EndpointNumber) []*waybell.NewEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*waybell.NewEvent, n)
	for i := range list {
		l.last += 1 << 10
		e := &waybell.NewEvent{Event: waybell.Event{Key: l.last, Agent: agent, AgentID: "agent", AgentName: "Agent",
			ID: waybell.EventID(l.last), Type: "lead.submit", Timestamp: l.last.Time(), Data: l.Data}}
		for _, ep := range endpoints {
			e.Targets = append(e.Targets, waybell.NewTarget{Endpoint: ep, WindowEnd: l.last.Time().Add(24 * time.Hour)})
		}
		list[i] = e
	}
	return list
}

// Outcomes are those of first attempts that delivered the events.
func (l *Load) Outcomes(events []*waybell.NewEvent) []waybell.Settlement {
	var list []waybell.Settlement
	for _, e := range events {
		for _, target := range e.Targets {
			ref := waybell.DeliveryRef{Event: e.Key, Endpoint: target.Endpoint}
			list = append(list, waybell.Settlement{DeliveryRef: ref, Agent: e.Agent, Type: e.Type, Kind: waybell.SettleFinal,
				State: waybell.DeliveryDelivered, Reason: waybell.ReasonDelivered, FinishedAt: e.Timestamp,
				Attempt: &waybell.Attempt{DeliveryRef: ref, Agent: e.Agent, Number: 1, StartedAt: e.Timestamp,
					Duration: time.Millisecond, StatusCode: 200, Reason: waybell.ReasonDelivered, Detail: l.Detail}})
		}
	}
	return list
}

// Accept has the store accept the events.
func (l *Load) Accept(tb testing.TB, events []*waybell.NewEvent) {
	tb.Helper()
	if _, err := l.Store.Accept(tb.Context(), l.Lease, 0, events); err != nil {
		tb.Error(err)
	}
}

// Settle records that the events were delivered.
func (l *Load) Settle(tb testing.TB, events []*waybell.NewEvent) {
	tb.Helper()
	if err := l.Store.Settle(tb.Context(), l.Lease, l.Outcomes(events)); err != nil {
		tb.Error(err)
	}
}

// BenchDelivery accepts events and settles their deliveries in batches from one
// caller: the cost of a delivery without waiting for others.
func BenchDelivery(b *testing.B, load func(testing.TB) *Load) {
	for _, n := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			l := load(b)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				events := l.Events(n, 1, 7)
				l.Accept(b, events)
				l.Settle(b, events)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchPublishers has many publishers with one event each, and outcomes settled in
// groups beside them: what the group commit makes of it.
func BenchPublishers(b *testing.B, load func(testing.TB) *Load) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("publishers=%d", n), func(b *testing.B) {
			l := load(b)
			b.ResetTimer()
			done := make(chan *waybell.NewEvent, 4096)
			var publishing, settling sync.WaitGroup
			settling.Go(func() {
				for e := range done {
					group := []*waybell.NewEvent{e}
					for len(group) < 256 && len(done) > 0 {
						group = append(group, <-done)
					}
					l.Settle(b, group)
				}
			})
			for p := range n {
				publishing.Go(func() {
					for i := p; i < b.N; i += n {
						events := l.Events(1, 1, 7)
						l.Accept(b, events)
						done <- events[0]
					}
				})
			}
			publishing.Wait()
			close(done)
			settling.Wait()
			st, _ := l.Store.Stats(b.Context())
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric(float64(b.N)/float64(st.Commits), "deliveries/commit")
		})
	}
}
