package sqlite

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/storetest"
)

// load is a load on a store of its own.
type load struct {
	*storetest.Load
	s *Store
}

func newLoad(tb testing.TB, cfg Config) *load {
	tb.Helper()
	if cfg.Dir == "" {
		cfg.Dir = tb.TempDir()
	}
	s, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return &load{storetest.NewLoad(tb, s), s}
}

func justLoad(tb testing.TB) *storetest.Load { return newLoad(tb, Config{}).Load }

func BenchmarkDelivery(b *testing.B)   { storetest.BenchDelivery(b, justLoad) }
func BenchmarkPublishers(b *testing.B) { storetest.BenchPublishers(b, justLoad) }

// fill stores settled events of many agents, one endpoint each.
func (l *load) fill(tb testing.TB, events, agents int) {
	for i := 0; i < events; i += 500 {
		list := make([]*waybell.NewEvent, 0, 500)
		for j := range 500 {
			agent := (i + j) % agents
			list = append(list, l.Events(1, waybell.AgentNumber(agent+1), waybell.EndpointNumber(agent+1))...)
		}
		l.Accept(tb, list)
		l.Settle(tb, list)
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
			before := l.Last()
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
					events := l.Events(1, 1, 7)
					began := time.Now()
					l.Accept(b, events)
					waits = append(waits, time.Since(began))
				}
			})
			if agents == 0 {
				<-time.After(5 * time.Second)
			}
			swept := 0
			for more := agents > 0; more; {
				n, again, err := l.s.Sweep(b.Context(), l.Lease, before, time.Second)
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
					events := l.Events(500, 1, 7)
					for _, e := range events {
						e.Targets[0].Aside = true
					}
					l.Accept(b, events)
				}
				want := waybell.ClaimWant{Endpoint: 7, Max: 16}
				if oldest {
					want.Oldest = l.Last()
				}
				now := l.Last().Time().Add(time.Hour)
				b.ResetTimer()
				for range b.N {
					got, err := l.s.Claim(b.Context(), l.Lease, now, []waybell.ClaimWant{want})
					if err != nil || len(got) != 16 {
						b.Fatal(len(got), err)
					}
					back := make([]waybell.Settlement, len(got))
					for i, w := range got {
						back[i] = waybell.Settlement{DeliveryRef: w.DeliveryRef, Agent: w.Agent, Kind: waybell.SettleRelease, NextAt: now.Add(time.Hour)}
					}
					if err := l.s.Settle(b.Context(), l.Lease, back); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
