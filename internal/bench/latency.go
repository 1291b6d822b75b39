package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// latencies collects how long events took from being sent to the receiver
// having them.
type latencies struct {
	mu       sync.Mutex
	sent     map[string]time.Time // by event id
	arrivals []arrival
	err      error // the first of a publish
}

type arrival struct {
	event, path string
	at          time.Time
}

// pacing is a load that does not wait for what became of it.
type pacing struct {
	perSecond int
	duration  time.Duration
}

// openLoop publishes events at their times, whatever becomes of the ones
// before, and returns how many. One that finds all connections busy counts as
// sent when it was due.
func (s *server) openLoop(r *receiver, load pacing) (percentiles, int, error) {
	l := &latencies{sent: map[string]time.Time{}}
	note := hook(func(req *http.Request) bool {
		l.arrived(req)
		return true
	})
	r.hook.Store(&note)
	// As many connections as four seconds need: a server closes one that sends
	// nothing for ten.
	idle := make(chan *publisher, min(64, 4*load.perSecond))
	for range cap(idle) {
		p, err := dialPublisher(s.addr, s.key)
		if err != nil {
			return percentiles{}, 0, err
		}
		defer p.close()
		idle <- p
	}
	event := oneEvent()
	n := int(load.duration.Seconds() * float64(load.perSecond))
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(load.perSecond))))
		due := time.Now()
		wg.Go(func() {
			p := <-idle
			l.publish(p, event, due)
			idle <- p
		})
	}
	wg.Wait()
	time.Sleep(time.Second) // the last ones arrive
	return l.summary(), n, l.err
}

func (l *latencies) arrived(req *http.Request) {
	a := arrival{req.Header.Get("Webhook-Id"), req.URL.Path, time.Now()}
	l.mu.Lock()
	l.arrivals = append(l.arrivals, a)
	l.mu.Unlock()
}

func (l *latencies) publish(p *publisher, event request, due time.Time) {
	status, answer, err := p.post(event.path, event.body)
	var res struct{ ID string }
	if err == nil && status != http.StatusAccepted {
		err = fmt.Errorf("publish answered %d: %s", status, answer)
	}
	if err == nil {
		err = json.Unmarshal(answer, &res)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.err == nil {
		l.err = err
	}
	l.sent[res.ID] = due
}

func (l *latencies) summary() percentiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, a := range l.arrivals {
		if at, ok := l.sent[a.event]; ok {
			all = append(all, a.at.Sub(at))
		}
	}
	return summarise(all)
}

// idleLatency is S4.
func idleLatency(ctx context.Context, o *Options) (*Result, error) {
	return withReceiver(func(r *receiver) (*Result, error) {
		s, err := o.server(ctx)
		if err != nil {
			return nil, err
		}
		defer o.discard(ctx, s)
		if _, err := s.agent(r, 1); err != nil {
			return nil, err
		}
		sync, err := fsyncTime(s.dir)
		if err != nil {
			return nil, err
		}
		p, n, err := s.openLoop(r, pacing{100, 2 * o.Duration})
		if err != nil {
			return nil, err
		}
		fsync := milliseconds(sync)
		o.progress("S4: p50 %.2f ms, p99 %.2f ms, fsync %.2f ms", p.P50, p.P99, fsync)
		return &Result{
			Scenario: "S4", What: "100 events/s, idle machine: publish sent → receiver has it",
			Bar: "p50 ≤ 3 × (fsync p50 + 1 ms), p99 ≤ 25 ms", Latency: &p, Missing: int64(n - p.N),
			Figures: map[string]float64{"fsync_p50_ms": fsync, "p50_bar_ms": 3 * (fsync + 1)},
		}, nil
	})
}
