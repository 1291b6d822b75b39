package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// openLoop publishes perSecond events for d, each at its planned time, and
// returns the time from that to the receiver having it, for each event and each
// path of the receiver.
func openLoop(s *server, r *receiver, perSecond int, d time.Duration) (map[string]*[]time.Duration, int, error) {
	var mu sync.Mutex
	planned := map[string]time.Time{}
	latency := map[string]*[]time.Duration{}
	type arrival struct {
		id, path string
		at       time.Time
	}
	var arrivals []arrival
	note := func(_ http.ResponseWriter, req *http.Request) bool {
		a := arrival{req.Header.Get("webhook-id"), req.URL.Path, time.Now()}
		mu.Lock()
		arrivals = append(arrivals, a)
		mu.Unlock()
		return true
	}
	chain := r.handle.Load()
	both := func(w http.ResponseWriter, req *http.Request) bool {
		return (chain == nil || (*chain)(w, req)) && note(w, req)
	}
	r.handle.Store(&both)
	var wg sync.WaitGroup
	errs := make(chan error, 1)
	slots := make(chan *publisher, 64)
	for range cap(slots) {
		p, err := dialPublisher(s.addr, s.key)
		if err != nil {
			return nil, 0, err
		}
		defer p.close()
		slots <- p
	}
	body := eventBody()
	n := int(d.Seconds() * float64(perSecond))
	began := time.Now()
	for i := range n {
		at := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		time.Sleep(time.Until(at))
		wg.Go(func() {
			p := <-slots
			defer func() { slots <- p }()
			status, answer, err := p.post("/v1/agents/bench/events", body)
			var res struct{ ID string }
			if err == nil && status != 202 {
				err = fmt.Errorf("publish answered %d: %s", status, answer)
			}
			if err == nil {
				err = json.Unmarshal(answer, &res)
			}
			if err != nil {
				select {
				case errs <- err:
				default:
				}
				return
			}
			mu.Lock()
			planned[res.ID] = at
			mu.Unlock()
		})
	}
	wg.Wait()
	time.Sleep(500 * time.Millisecond) // the last ones arrive
	mu.Lock()
	defer mu.Unlock()
	for _, a := range arrivals {
		at, ok := planned[a.id]
		if !ok {
			continue
		}
		if latency[a.path] == nil {
			latency[a.path] = &[]time.Duration{}
		}
		*latency[a.path] = append(*latency[a.path], a.at.Sub(at))
	}
	select {
	case err := <-errs:
		return nil, 0, err
	default:
		return latency, n, nil
	}
}

func pooled(latency map[string]*[]time.Duration, except string) percentiles {
	var all []time.Duration
	for path, l := range latency {
		if path != except {
			all = append(all, *l...)
		}
	}
	return summarise(all)
}

// idleLatency is S4.
func idleLatency(ctx context.Context, o *Options) (*Result, error) {
	r, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	defer o.discard(s)
	if _, err := s.agent(r, 1); err != nil {
		return nil, err
	}
	sync, err := fsyncTime(s.dir)
	if err != nil {
		return nil, err
	}
	l, n, err := openLoop(s, r, 100, 2*o.Duration)
	if err != nil {
		return nil, err
	}
	p := pooled(l, "")
	fsync := float64(sync.Microseconds()) / 1000
	o.progress("S4: p50 %.2f ms, p99 %.2f ms, fsync %.2f ms", p.P50, p.P99, fsync)
	return &Result{
		Scenario: "S4", What: "100 events/s, idle machine: publish sent → receiver has it",
		Bar: "p50 ≤ 3 × (fsync p50 + 1 ms), p99 ≤ 25 ms", Latency: &p, Missing: int64(n - p.N),
		Figures: map[string]float64{"fsync_p50_ms": fsync, "p50_bar_ms": 3 * (fsync + 1)},
	}, nil
}

// hanging is S5: nine healthy endpoints and one that hangs to its timeout,
// beside the nine alone.
func hanging(ctx context.Context, o *Options) (*Result, error) {
	measure := func(endpoints int, hang bool) (percentiles, error) {
		r, err := newReceiver()
		if err != nil {
			return percentiles{}, err
		}
		defer r.close()
		release := make(chan struct{})
		defer close(release)
		s, err := o.server(ctx)
		if err != nil {
			return percentiles{}, err
		}
		defer o.discard(s)
		if _, err := s.agent(r, endpoints); err != nil {
			return percentiles{}, err
		}
		stuck := fmt.Sprintf("/hooks/%d", endpoints-1)
		f := func(_ http.ResponseWriter, req *http.Request) bool {
			if hang && req.URL.Path == stuck {
				select {
				case <-req.Context().Done():
				case <-release:
				}
				return false
			}
			return true
		}
		r.handle.Store(&f)
		l, _, err := openLoop(s, r, 30, 4*o.Duration)
		if !hang {
			stuck = ""
		}
		return pooled(l, stuck), err
	}
	alone, err := measure(9, false)
	if err != nil {
		return nil, err
	}
	beside, err := measure(10, true)
	if err != nil {
		return nil, err
	}
	ratio := beside.P99 / alone.P99
	o.progress("S5: healthy p99 %.2f ms beside a hanging one, %.2f ms alone, ratio %.2f", beside.P99, alone.P99, ratio)
	return &Result{
		Scenario: "S5", What: "nine healthy endpoints beside one that hangs, 30 events/s", Latency: &beside,
		Bar: "healthy p99 ≤ 1.5 × alone", Figures: map[string]float64{
			"alone_p50_ms": alone.P50, "alone_p99_ms": alone.P99, "p99_ratio": ratio,
		},
	}, nil
}

// restart is S8: kill -9 with 100,000 pending.
func restart(ctx context.Context, o *Options) (*Result, error) {
	r, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer r.close()
	raw, err := ceiling(r, o.Duration)
	if err != nil {
		return nil, err
	}
	r.reset()
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.agent(r, 1); err != nil {
		s.kill()
		return nil, err
	}
	// The receiver hangs, so that nothing is delivered before the crash.
	crash := make(chan struct{})
	f := func(_ http.ResponseWriter, req *http.Request) bool {
		select {
		case <-crash:
			return true
		case <-req.Context().Done():
			return false
		}
	}
	r.handle.Store(&f)
	want, err := s.backlog(100_000)
	s.kill()
	if err != nil {
		return nil, err
	}
	r.reset()
	close(crash)
	began := time.Now()
	s, err = o.again(ctx, s)
	if err != nil {
		return nil, err
	}
	defer o.discard(s)
	ready := time.Since(began)
	r.wait(1, 20*time.Second)
	first := time.Since(began)
	r.wait(want, 20*time.Second)
	n, dups := r.distinct()
	took := time.Unix(0, r.last.Load()).Sub(began.Add(first))
	rate := float64(n) / took.Seconds()
	u, err := s.usage()
	if err != nil {
		return nil, err
	}
	o.progress("S8: ready after %.2f s, first after %.2f s, then %.0f/s, ratio %.3f", ready.Seconds(), first.Seconds(), rate, rate/raw)
	return &Result{
		Scenario: "S8", What: "kill -9 with 100,000 pending", Bar: "ready ≤ 2 s, first ≤ 2 s, then the rate of S2",
		Rate: rate, Ceiling: raw, Ratio: rate / raw, Ratios: []float64{rate / raw}, Missing: int64(want - n), Dups: dups,
		RSS: float64(u.rss) / (1 << 20), Figures: map[string]float64{"ready_s": ready.Seconds(), "first_s": first.Seconds()},
	}, nil
}

// idle is S9: memory and CPU when fresh, during S1, and a minute after it.
func idle(ctx context.Context, o *Options) (*Result, error) {
	r, err := newReceiver()
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	defer o.discard(s)
	if _, err := s.agent(r, 1); err != nil {
		return nil, err
	}
	figures := map[string]float64{}
	settle := func(name string, d time.Duration) error {
		before, err := s.usage()
		if err != nil {
			return err
		}
		time.Sleep(d)
		after, err := s.usage()
		figures[name+"_cpu_percent"] = 100 * (after.cpu - before.cpu).Seconds() / d.Seconds()
		figures[name+"_rss_mib"] = float64(after.rss) / (1 << 20)
		return err
	}
	time.Sleep(2 * time.Second)
	if err := settle("fresh", 10*time.Second); err != nil {
		return nil, err
	}
	began, most := time.Now(), int64(0)
	body := eventBody()
	watch := time.NewTicker(100 * time.Millisecond)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range watch.C {
			u, err := s.usage()
			if err != nil || time.Since(began) > 2*o.Duration+time.Second {
				return
			}
			most = max(most, u.rss)
		}
	}()
	l, err := closedLoop(s, 256, "/v1/agents/bench/events", func() []byte { return body },
		func(int64) bool { return time.Since(began) >= 2*o.Duration })
	<-done
	watch.Stop()
	if err != nil {
		return nil, err
	}
	r.wait(int(l.requests), 20*time.Second)
	figures["busy_rss_mib"] = float64(most) / (1 << 20)
	o.progress("S9: waiting a minute after the load")
	time.Sleep(50 * time.Second)
	if err := settle("after", 10*time.Second); err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, k := range []string{"fresh_rss_mib", "fresh_cpu_percent", "busy_rss_mib", "after_rss_mib"} {
		fmt.Fprintf(&b, " %s=%.1f", k, figures[k])
	}
	o.progress("S9:%s", b.String())
	return &Result{Scenario: "S9", What: "memory and idling", Figures: figures,
		Bar: "fresh ≤ 40 MiB and < 0.5 %, during S1 ≤ 250 MiB, a minute after ≤ 100 MiB"}, nil
}
