package sqlite

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
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
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
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

// fill stores settled events of many agents, one endpoint each.
func (l *load) fill(tb testing.TB, events, agents int) {
	for i := 0; i < events; i += 500 {
		list := make([]*waybell.NewEvent, 0, 500)
		for j := range 500 {
			agent := (i + j) % agents
			list = append(list, l.events(1, waybell.AgentNumber(agent+1), waybell.EndpointNumber(agent+1))...)
		}
		l.accept(tb, list)
		l.settle(tb, list)
	}
}

// BenchmarkSweep publishes single events while older ones are removed: how long
// publishers wait, beside the same without a sweep, and how many events go in a
// second.
func BenchmarkSweep(b *testing.B) {
	for _, agents := range []int{0, 1, 1000} { // 0: nothing is swept
		b.Run(fmt.Sprintf("agents=%d", agents), func(b *testing.B) {
			l := newLoad(b, Config{})
			l.fill(b, b.N, max(agents, 1))
			before := l.last
			stop := make(chan struct{})
			var publishers sync.WaitGroup
			var waits []time.Duration
			b.ResetTimer()
			publishers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					events := l.events(1, 1, 7)
					began := time.Now()
					l.accept(b, events)
					waits = append(waits, time.Since(began))
				}
			})
			if agents == 0 {
				<-time.After(5 * time.Second)
			}
			swept := 0
			for more := agents > 0; more; {
				n, again, err := l.s.Sweep(b.Context(), l.lease, before, time.Second)
				if err != nil {
					b.Fatal(err)
				}
				swept, more = swept+n, again
			}
			b.StopTimer()
			close(stop)
			publishers.Wait()
			slices.Sort(waits)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(waits[len(waits)/2]), "p50-ms")
			b.ReportMetric(ms(waits[len(waits)*99/100]), "p99-ms")
			b.ReportMetric(ms(waits[len(waits)-1]), "slowest-ms")
			b.ReportMetric(float64(swept)/b.Elapsed().Seconds(), "swept/s")
		})
	}
}

// BenchmarkList reads pages of a long log: one that is full at once, one whose
// filter finds nothing within its scan, one of events.
func BenchmarkList(b *testing.B) {
	l := newLoad(b, Config{})
	l.fill(b, 60_000, 4)
	for name, q := range map[string]waybell.DeliveryQuery{
		"page":     {Agent: 1, Limit: 250, Scan: 10_000},
		"filtered": {Agent: 1, Limit: 50, Scan: 10_000, Status: &waybell.StatusRange{From: 503, To: 503}},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if _, err := l.s.Deliveries(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("events", func(b *testing.B) {
		for range b.N {
			q := waybell.EventQuery{Agent: 1, Limit: 250, Scan: 10_000}
			if _, err := l.s.ListEvents(b.Context(), q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkClaim claims and gives back 16 rows of an endpoint with many due
// ones: flat in their number.
func BenchmarkClaim(b *testing.B) {
	for _, rows := range []int{10_000, 200_000} {
		for _, oldest := range []bool{false, true} {
			b.Run(fmt.Sprintf("rows=%d/oldest=%v", rows, oldest), func(b *testing.B) {
				l := newLoad(b, Config{})
				for i := 0; i < rows; i += 500 {
					events := l.events(500, 1, 7)
					for _, e := range events {
						e.Targets[0].Aside = true
					}
					l.accept(b, events)
				}
				want := waybell.ClaimWant{Endpoint: 7, Max: 16}
				if oldest {
					want.Oldest = l.last
				}
				now := l.last.Time().Add(time.Hour)
				b.ResetTimer()
				for range b.N {
					got, err := l.s.Claim(b.Context(), l.lease, now, []waybell.ClaimWant{want})
					if err != nil || len(got) != 16 {
						b.Fatal(len(got), err)
					}
					back := make([]waybell.Settlement, len(got))
					for i, w := range got {
						back[i] = waybell.Settlement{DeliveryRef: w.DeliveryRef, Agent: w.Agent, Kind: waybell.SettleRelease, NextAt: now.Add(time.Hour)}
					}
					if err := l.s.Settle(b.Context(), l.lease, back); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
