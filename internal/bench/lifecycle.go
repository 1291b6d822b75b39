package bench

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// restart is S8: kill -9 with 100,000 pending.
func restart(ctx context.Context, o *Options) (*Result, error) {
	figures := map[string]float64{}
	res := &Result{Scenario: "S8", What: "kill -9 with 100,000 pending; the worst of the runs",
		Figures: figures}
	few := *o
	few.Pairs = min(o.Pairs, restarts)
	_, err := alternate(&few, res, func(r *receiver, _ float64) (*measured, error) {
		ready, first, m, err := restartOnce(ctx, o, r)
		if err == nil {
			figures["ready_s"] = max(figures["ready_s"], ready.Seconds())
			figures["first_s"] = max(figures["first_s"], first.Seconds())
			o.progress("S8: ready after %.2f s, first after %.2f s", ready.Seconds(), first.Seconds())
		}
		return m, err
	})
	if err != nil {
		return nil, err
	}
	res.Bars = []Bar{atMost("ready s", figures["ready_s"], 2), atMost("first re-send s", figures["first_s"], 2)}
	if like := o.ratio("S2"); like > 0 {
		res.Bars = append(res.Bars, atLeast("ratio, that of S2", res.Ratio, like))
	}
	return res, nil
}

// restarts are how many of S8 are enough: each has a backlog to publish first.
const restarts = 2

// stranded are the deliveries under way when the server was killed.
type stranded struct {
	mu    sync.Mutex
	ids   map[string]bool
	again time.Time // when the first of them came again
}

// hang takes requests and never answers.
func (s *stranded) hang(_ http.ResponseWriter, req *http.Request) bool {
	s.mu.Lock()
	s.ids[req.Header.Get("Webhook-Id")] = true
	s.mu.Unlock()
	<-req.Context().Done()
	return false
}

// answer lets requests through, and notes the first that had hung before.
func (s *stranded) answer(_ http.ResponseWriter, req *http.Request) bool {
	s.mu.Lock()
	if s.again.IsZero() && s.ids[req.Header.Get("Webhook-Id")] {
		s.again = time.Now()
	}
	s.mu.Unlock()
	return true
}

func restartOnce(ctx context.Context, o *Options, r *receiver) (ready, first time.Duration, m *measured, err error) {
	s, err := o.server(ctx)
	if err != nil {
		return 0, 0, nil, err
	}
	defer func() { o.discard(ctx, s) }()
	if _, err := s.agent(r, 1); err != nil {
		return 0, 0, nil, err
	}
	// Nothing is answered before the crash, so that all is pending then.
	left := &stranded{ids: map[string]bool{}}
	hang, answer := hook(left.hang), hook(left.answer)
	r.hook.Store(&hang)
	want, err := s.backlog(100_000)
	if err != nil {
		return 0, 0, nil, err
	}
	s.crash()
	r.reset()
	r.hook.Store(&answer)
	began := time.Now()
	again, err := o.on(ctx, s.store)
	if err != nil {
		return 0, 0, nil, err
	}
	s = again
	ready = time.Since(began)
	r.wait(1, 20*time.Second)
	b, err := begin(ctx, r, s)
	if err != nil {
		return 0, 0, nil, err
	}
	if m, err = b.end(ctx, want); err != nil {
		return 0, 0, nil, err
	}
	left.mu.Lock()
	defer left.mu.Unlock()
	if left.again.IsZero() {
		return 0, 0, nil, errors.New("nothing that was under way at the crash came again")
	}
	return ready, left.again.Sub(began), m, nil
}

// idle is S9: memory and CPU when fresh, during S1, and a minute after it.
func idle(ctx context.Context, o *Options) (*Result, error) {
	return withReceiver(func(r *receiver) (*Result, error) {
		s, err := o.server(ctx)
		if err != nil {
			return nil, err
		}
		defer o.discard(ctx, s)
		if _, err := s.agent(r, 1); err != nil {
			return nil, err
		}
		figures := map[string]float64{}
		time.Sleep(2 * time.Second)
		if err := s.rest("fresh", 10*time.Second, figures); err != nil {
			return nil, err
		}
		l, err := o.burst(s, r)
		if err != nil {
			return nil, err
		}
		busy, err := s.usage()
		if err != nil {
			return nil, err
		}
		figures["busy_rss_mib"] = mib(busy.peak)
		o.progress("S9: waiting a minute after the load")
		time.Sleep(50 * time.Second)
		if err := s.rest("after", 10*time.Second, figures); err != nil {
			return nil, err
		}
		n, dups := r.distinct()
		o.progress("S9: fresh %.1f MiB and %.2f %% of a core, %.1f MiB during S1, %.1f MiB a minute after", figures["fresh_rss_mib"],
			figures["fresh_cpu_percent"], figures["busy_rss_mib"], figures["after_rss_mib"])
		return &Result{Scenario: "S9", What: "memory and idling", Figures: figures, Missing: l.requests - int64(n), Dups: dups,
			Bars: []Bar{
				atMost("fresh MiB", figures["fresh_rss_mib"], 40), atMost("fresh % of a core", figures["fresh_cpu_percent"], 0.5),
				atMost("during S1 MiB", figures["busy_rss_mib"], 250), atMost("a minute after MiB", figures["after_rss_mib"], 100),
			}}, nil
	})
}

// burst is S1 for a while, beside no other load.
func (o *Options) burst(s *server, r *receiver) (load, error) {
	o.loading.Lock()
	defer o.loading.Unlock()
	began := time.Now()
	l, err := s.closedLoop(256, oneEvent(), func(int64) bool { return time.Since(began) >= 2*o.Duration })
	r.wait(int(l.requests), 20*time.Second)
	return l, err
}

// rest measures a server that is left alone for d.
func (s *server) rest(name string, d time.Duration, figures map[string]float64) error {
	before, err := s.usage()
	if err != nil {
		return err
	}
	time.Sleep(d)
	after, err := s.usage()
	figures[name+"_cpu_percent"] = 100 * (after.cpu - before.cpu).Seconds() / d.Seconds()
	figures[name+"_rss_mib"] = mib(after.rss)
	return err
}
