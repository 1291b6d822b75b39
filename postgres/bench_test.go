package postgres

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// load makes and settles events through the Store's methods.
type load struct {
	s     *Store
	lease waybell.Lease
	mu    sync.Mutex
	last  waybell.Key
	data  []byte
	det   []byte
}

func newLoad(tb testing.TB, cfg Config) *load {
	if cfg.URL == "" {
		cfg.URL = pgtest.Start(tb, pgtest.Options{Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB"}}).Database(tb)
	}
	s, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	lease, err := s.Join(tb.Context(), waybell.NodeInfo{Name: "bench"})
	if err != nil {
		tb.Fatal(err)
	}
	return &load{s: s, lease: lease, last: waybell.KeyAt(time.Now()),
		data: make([]byte, 1000), det: make([]byte, 700)}
}

// events makes n new events of an agent for its endpoints.
func (l *load) events(n int, agent waybell.AgentNumber, endpoints ...waybell.EndpointNumber) []*waybell.NewEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*waybell.NewEvent, n)
	for i := range list {
		l.last += 1 << 10
		e := &waybell.NewEvent{Event: waybell.Event{Key: l.last, Agent: agent, AgentID: "agent", AgentName: "Agent",
			ID: waybell.EventID(l.last), Type: "lead.submit", Timestamp: l.last.Time(), Data: l.data}}
		for _, ep := range endpoints {
			e.Targets = append(e.Targets, waybell.NewTarget{Endpoint: ep, WindowEnd: l.last.Time().Add(24 * time.Hour)})
		}
		list[i] = e
	}
	return list
}

func (l *load) outcomes(events []*waybell.NewEvent) []waybell.Settlement {
	var list []waybell.Settlement
	for _, e := range events {
		for _, target := range e.Targets {
			ref := waybell.DeliveryRef{Event: e.Key, Endpoint: target.Endpoint}
			list = append(list, waybell.Settlement{DeliveryRef: ref, Agent: e.Agent, Type: e.Type, Kind: waybell.SettleFinal,
				State: waybell.DeliveryDelivered, Reason: waybell.ReasonDelivered, FinishedAt: e.Timestamp,
				Attempt: &waybell.Attempt{DeliveryRef: ref, Agent: e.Agent, Number: 1, StartedAt: e.Timestamp,
					Duration: time.Millisecond, StatusCode: 200, Reason: waybell.ReasonDelivered, Detail: l.det}})
		}
	}
	return list
}

func (l *load) accept(tb testing.TB, events []*waybell.NewEvent) {
	if _, err := l.s.Accept(tb.Context(), l.lease, 0, events); err != nil {
		tb.Error(err)
	}
}

func (l *load) settle(tb testing.TB, events []*waybell.NewEvent) {
	if err := l.s.Settle(tb.Context(), l.lease, l.outcomes(events)); err != nil {
		tb.Error(err)
	}
}

// BenchmarkDelivery accepts events and settles their deliveries in batches from
// one caller: the cost of a delivery without waiting for others.
func BenchmarkDelivery(b *testing.B) {
	for _, n := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			l := newLoad(b, Config{})
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				events := l.events(n, 1, 7)
				l.accept(b, events)
				l.settle(b, events)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkPublishers has many publishers with one event each, and outcomes
// settled in groups beside them: what the group commit makes of it.
func BenchmarkPublishers(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("publishers=%d", n), func(b *testing.B) {
			l := newLoad(b, Config{})
			b.ResetTimer()
			done := make(chan *waybell.NewEvent, 4096)
			var publishing, settling sync.WaitGroup
			settling.Go(func() {
				for e := range done {
					group := []*waybell.NewEvent{e}
					for len(group) < 256 && len(done) > 0 {
						group = append(group, <-done)
					}
					l.settle(b, group)
				}
			})
			for p := range n {
				publishing.Go(func() {
					for i := p; i < b.N; i += n {
						events := l.events(1, 1, 7)
						l.accept(b, events)
						done <- events[0]
					}
				})
			}
			publishing.Wait()
			close(done)
			settling.Wait()
			st, _ := l.s.Stats(b.Context())
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric(float64(b.N)/float64(st.Commits), "deliveries/commit")
		})
	}
}
