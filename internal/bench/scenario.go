package bench

import (
	"context"
	"fmt"
	"time"
)

// Result is what one scenario measured.
type Result struct {
	Scenario string             `json:"scenario"`
	What     string             `json:"what"`
	Rate     float64            `json:"deliveries_per_second,omitempty"` // median of the pairs
	Ceiling  float64            `json:"ceiling_per_second,omitempty"`    // median of the pairs
	Ratio    float64            `json:"ratio,omitempty"`                 // median of the pairs' ratios
	Ratios   []float64          `json:"ratios,omitempty"`
	CPU      float64            `json:"cpu_seconds_per_1000,omitempty"`
	RSS      float64            `json:"rss_mib,omitempty"`
	Missing  int64              `json:"missing"`
	Dups     int64              `json:"duplicates"`
	Publish  *percentiles       `json:"publish_latency,omitempty"`
	Latency  *percentiles       `json:"delivery_latency,omitempty"`
	Figures  map[string]float64 `json:"figures,omitempty"` // what else the scenario measures
	Bar      string             `json:"bar"`
}

// throughput describes a scenario that publishes as fast as it can.
type throughput struct {
	name, what, bar string
	endpoints       int
	batch           int // events per request; 1 = a plain publish
	conns           int
}

func throughputs() []throughput {
	return []throughput{
		{"S1", "one event per request, 1 endpoint, 256 connections", "ratio ≥ 0.30", 1, 1, 256},
		{"S2", "20 events per request, 1 endpoint", "ratio ≥ 0.50", 1, 20, 32},
		{"S3", "one event → 10 endpoints", "ratio ≥ 0.55", 10, 1, 64},
	}
}

// run alternates the raw ceiling with the scenario, pairs times.
func (t throughput) run(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: t.name, What: t.what, Bar: t.bar, Figures: map[string]float64{}}
	var rates, ceilings, cpus []float64
	for range o.Pairs {
		r, err := newReceiver()
		if err != nil {
			return nil, err
		}
		c, err := ceiling(r, o.Duration)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("ceiling: %w", err)
		}
		r.reset()
		m, err := t.once(ctx, o, r)
		r.close()
		if err != nil {
			return nil, err
		}
		rates, ceilings, cpus = append(rates, m.rate), append(ceilings, c), append(cpus, m.cpu)
		res.Ratios = append(res.Ratios, m.rate/c)
		res.Missing, res.Dups = res.Missing+m.missing, res.Dups+m.dups
		res.RSS = max(res.RSS, m.rss)
		res.Publish = &m.load.latency
		o.progress("%s: %.0f deliveries/s, ceiling %.0f, ratio %.3f", t.name, m.rate, c, m.rate/c)
	}
	res.Rate, res.Ceiling, res.Ratio, res.CPU = median(rates), median(ceilings), median(res.Ratios), median(cpus)
	return res, nil
}

// measured is one run of a scenario.
type measured struct {
	rate, cpu, rss float64
	missing, dups  int64
	load           load
}

// once runs a fresh server through the scenario: publishing for Duration, and
// then to the last delivery. What counts is deliveries per second over both.
func (t throughput) once(ctx context.Context, o *Options, r *receiver) (*measured, error) {
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	defer o.discard(s)
	if _, err := s.agent(r, t.endpoints); err != nil {
		return nil, err
	}
	path, body := "/v1/agents/bench/events", eventBody()
	if t.batch > 1 {
		path, body = "/v1/events", batchBody(t.batch)
	}
	before, err := s.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	l, err := closedLoop(s, t.conns, path, func() []byte { return body }, func(int64) bool { return time.Since(began) >= o.Duration })
	if err != nil {
		return nil, err
	}
	want := l.requests * int64(t.batch) * int64(t.endpoints)
	r.wait(int(want), 20*time.Second)
	n, dups := r.distinct()
	took := time.Unix(0, r.last.Load()).Sub(began)
	after, err := s.usage()
	if err != nil {
		return nil, err
	}
	return &measured{
		rate: float64(n) / took.Seconds(), cpu: (after.cpu - before.cpu).Seconds() / float64(n) * 1000,
		rss: float64(after.rss) / (1 << 20), missing: want - int64(n), dups: dups, load: l,
	}, nil
}

// drain measures how fast a backlog goes: events are published to a paused
// endpoint, which is then resumed.
func drain(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "S2b", What: "backlog drain: a paused endpoint is resumed", Bar: "ratio ≥ 0.50"}
	var rates, ceilings, cpus []float64
	for range o.Pairs {
		rate, c, m, err := drainOnce(ctx, o)
		if err != nil {
			return nil, err
		}
		rates, ceilings, cpus = append(rates, rate), append(ceilings, c), append(cpus, m.cpu)
		res.Ratios = append(res.Ratios, rate/c)
		res.Missing, res.Dups, res.RSS = res.Missing+m.missing, res.Dups+m.dups, max(res.RSS, m.rss)
		o.progress("S2b: %.0f deliveries/s, ceiling %.0f, ratio %.3f", rate, c, rate/c)
	}
	res.Rate, res.Ceiling, res.Ratio, res.CPU = median(rates), median(ceilings), median(res.Ratios), median(cpus)
	return res, nil
}

func drainOnce(ctx context.Context, o *Options) (rate, raw float64, m *measured, err error) {
	r, err := newReceiver()
	if err != nil {
		return 0, 0, nil, err
	}
	defer r.close()
	if raw, err = ceiling(r, o.Duration); err != nil {
		return 0, 0, nil, err
	}
	r.reset()
	s, err := o.server(ctx)
	if err != nil {
		return 0, 0, nil, err
	}
	defer o.discard(s)
	ids, err := s.agent(r, 1)
	if err != nil {
		return 0, 0, nil, err
	}
	if err := s.call("POST", "/v1/agents/bench/endpoints/"+ids[0]+"/pause", nil, nil); err != nil {
		return 0, 0, nil, err
	}
	want, err := s.backlog(int(raw * o.Duration.Seconds() / 2))
	if err != nil {
		return 0, 0, nil, err
	}
	before, err := s.usage()
	if err != nil {
		return 0, 0, nil, err
	}
	began := time.Now()
	if err := s.call("POST", "/v1/agents/bench/endpoints/"+ids[0]+"/resume", nil, nil); err != nil {
		return 0, 0, nil, err
	}
	r.wait(want, 20*time.Second)
	n, dups := r.distinct()
	took := time.Unix(0, r.last.Load()).Sub(began)
	after, err := s.usage()
	if err != nil {
		return 0, 0, nil, err
	}
	return float64(n) / took.Seconds(), raw, &measured{
		cpu: (after.cpu - before.cpu).Seconds() / float64(max(n, 1)) * 1000, rss: float64(after.rss) / (1 << 20),
		missing: int64(want - n), dups: dups,
	}, nil
}

// backlog publishes at least n events in batches and returns how many.
func (s *server) backlog(n int) (int, error) {
	const batch = 100
	body := batchBody(batch)
	requests := int64((n + batch - 1) / batch)
	l, err := closedLoop(s, 4, "/v1/events", func() []byte { return body }, func(done int64) bool { return done > requests })
	return int(l.requests) * batch, err
}
