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
	began    time.Time
	mu       sync.Mutex
	sent     map[string]time.Time // by event id
	arrivals []arrival
	err      error // the first of a publish
}

type arrival struct {
	event string
	at    time.Time
}

// pacing is a load that does not wait for what became of it.
type pacing struct {
	perSecond int
	duration  time.Duration
	until     func() bool // asked after duration, nil = it ends then
}

// openLoop publishes events at their times, whatever becomes of the ones
// before, and returns how many. One that finds all connections busy counts as
// sent when it was due.
func (s *server) openLoop(r *receiver, load pacing) (timeline, int, error) {
	l := &latencies{sent: map[string]time.Time{}}
	r.onArrival(l.arrived)
	defer r.onArrival(nil)
	// As many connections as four seconds need: a server closes one that sends
	// nothing for ten.
	idle := make(chan *publisher, min(64, 4*load.perSecond))
	for range cap(idle) {
		p, err := dialPublisher(s.addr, s.key)
		if err != nil {
			return nil, 0, err
		}
		defer p.close()
		idle <- p
	}
	event := oneEvent()
	var wg sync.WaitGroup
	l.began = time.Now()
	n := 0
	for ; ; n++ {
		after := time.Duration(n) * time.Second / time.Duration(load.perSecond)
		if after >= load.duration && (load.until == nil || load.until()) {
			break
		}
		time.Sleep(time.Until(l.began.Add(after)))
		due := time.Now()
		wg.Go(func() {
			p := <-idle
			l.publish(p, event, due)
			idle <- p
		})
	}
	wg.Wait()
	time.Sleep(time.Second) // the last ones arrive
	return l.timeline(), n, l.err
}

func (l *latencies) arrived(req *http.Request) {
	a := arrival{req.Header.Get("Webhook-Id"), time.Now()}
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

func (l *latencies) timeline() timeline {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all timeline
	for _, a := range l.arrivals {
		if at, ok := l.sent[a.event]; ok {
			all = append(all, sample{at, a.at.Sub(at)})
		}
	}
	return all
}

// sample is how long what was sent at a time took.
type sample struct {
	at   time.Time
	took time.Duration
}

// timeline are samples in any order.
type timeline []sample

func (t timeline) summary() Percentiles {
	all := make([]time.Duration, len(t))
	for i, s := range t {
		all[i] = s.took
	}
	return Summarise(all)
}

// between are those that were sent at or after from and before to.
func (t timeline) between(from, to time.Time) timeline {
	var part timeline
	for _, s := range t {
		if !s.at.Before(from) && s.at.Before(to) {
			part = append(part, s)
		}
	}
	return part
}

// Span is the latency of what was sent within a part of a run.
type Span struct {
	At float64 `json:"at_s"` // its middle, since the begin of the run
	Percentiles
}

// spans cuts a timeline into n parts of equal length; parts without a sample
// are left out.
func (t timeline) spans(n int) []Span {
	if len(t) == 0 {
		return nil
	}
	first, last := t[0].at, t[0].at
	for _, s := range t {
		if s.at.Before(first) {
			first = s.at
		}
		if s.at.After(last) {
			last = s.at
		}
	}
	parts := make([]timeline, n)
	width := last.Sub(first)/time.Duration(n) + 1
	for _, s := range t {
		i := int(s.at.Sub(first) / width)
		parts[i] = append(parts[i], s)
	}
	var list []Span
	for i, p := range parts {
		if len(p) > 0 {
			list = append(list, Span{((time.Duration(i) * width) + width/2).Seconds(), p.summary()})
		}
	}
	return list
}

// spanCount is how many parts the plots of latency over time have.
const spanCount = 40

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
		t, n, err := s.openLoop(r, pacing{perSecond: 100, duration: 3 * o.Duration})
		if err != nil {
			return nil, err
		}
		p, fsync := t.summary(), milliseconds(sync)
		o.progress("S4: p50 %.2f ms, p99 %.2f ms, fsync %.2f ms", p.P50, p.P99, fsync)
		return &Result{
			Scenario: "S4", What: "100 events/s, idle machine: publish sent → receiver has it",
			Latency: &p, Missing: int64(n - p.N), Figures: map[string]float64{"fsync_p50_ms": fsync},
			OverTime: map[string][]Span{"publish sent → received": t.spans(spanCount)},
			Bars:     []Bar{atMost("p50 ms", p.P50, 2+fsync), atMost("p99 ms", p.P99, 10)},
		}, nil
	})
}
