package bench

import (
	"context"
	"os"
	"time"
)

// Result is what one scenario measured.
type Result struct {
	Scenario string             `json:"scenario"`
	What     string             `json:"what"`
	Rate     float64            `json:"deliveries_per_second,omitempty"` // median of the runs
	Ceiling  float64            `json:"ceiling_per_second,omitempty"`    // median of the runs
	Ratio    float64            `json:"ratio,omitempty"`                 // median of the runs' ratios
	Ratios   []float64          `json:"ratios,omitempty"`
	CPURatio float64            `json:"cpu_ratio,omitempty"`            // CPU of the ceiling to CPU of everything, per delivery
	CPU      float64            `json:"cpu_seconds_per_1000,omitempty"` // of the server, until the last outcome is stored
	RSS      float64            `json:"peak_rss_mib,omitempty"`
	Missing  int64              `json:"missing"`
	Dups     int64              `json:"duplicates"`
	Publish  *percentiles       `json:"publish_latency,omitempty"`
	Latency  *percentiles       `json:"delivery_latency,omitempty"`
	Figures  map[string]float64 `json:"figures,omitempty"` // what else the scenario measures
	Bar      string             `json:"bar"`
}

// measured is one run of a scenario.
type measured struct {
	rate, rss     float64
	cpu, all      float64 // seconds per 1,000: of the server; with the load and the receiver
	missing, dups int64
	publish       *percentiles
}

// alternate runs a scenario in turn with the raw ceiling, which has the first
// and the last word: what else the machine does meanwhile then weighs on both
// sides of each ratio. once gets an empty receiver and the last ceiling.
func alternate(o *Options, res *Result, once func(r *receiver, ceiling float64) (*measured, error)) (*Result, error) {
	before, err := ceiling(o.Duration)
	if err != nil {
		return nil, err
	}
	var rates, ceilings, cpus, cpuRatios []float64
	for range o.Pairs {
		m, err := withReceiver(func(r *receiver) (*measured, error) { return once(r, before.rate) })
		if err != nil {
			return nil, err
		}
		after, err := ceiling(o.Duration)
		if err != nil {
			return nil, err
		}
		c := (before.rate + after.rate) / 2
		cpuRatio := (before.cpu + after.cpu) / 2 / m.all
		before = after
		rates, ceilings = append(rates, m.rate), append(ceilings, c)
		cpus, cpuRatios = append(cpus, m.cpu), append(cpuRatios, cpuRatio)
		res.Ratios = append(res.Ratios, m.rate/c)
		res.Missing, res.Dups = res.Missing+m.missing, res.Dups+m.dups
		res.RSS, res.Publish = max(res.RSS, m.rss), m.publish
		o.progress("%s: %.0f deliveries/s, ceiling %.0f, ratio %.3f (by CPU %.3f), CPU %.3f s per 1,000, peak %.0f MiB, missing %d, duplicates %d",
			res.Scenario, m.rate, c, m.rate/c, cpuRatio, m.cpu, m.rss, m.missing, m.dups)
	}
	res.Rate, res.Ceiling, res.Ratio = median(rates), median(ceilings), median(res.Ratios)
	res.CPU, res.CPURatio = median(cpus), median(cpuRatios)
	return res, nil
}

// run is the part of a scenario that counts.
type run struct {
	s            *server
	r            *receiver
	began        time.Time
	server, self usage
}

func begin(s *server, r *receiver) (*run, error) {
	server, err := s.usage()
	if err != nil {
		return nil, err
	}
	self, err := processUsage(os.Getpid())
	return &run{s, r, time.Now(), server, self}, err
}

// end waits for the deliveries, then for their outcomes to be stored, so that
// the CPU is that of the whole work.
func (b *run) end(want int) (*measured, error) {
	b.r.wait(want, 20*time.Second)
	n, dups := b.r.distinct()
	took := b.r.lastAt().Sub(b.began)
	if err := b.s.settled(10 * time.Second); err != nil {
		return nil, err
	}
	server, err := b.s.usage()
	if err != nil {
		return nil, err
	}
	self, err := processUsage(os.Getpid())
	if err != nil {
		return nil, err
	}
	cpu := server.cpu - b.server.cpu
	return &measured{
		rate: float64(n) / took.Seconds(), rss: mib(server.peak),
		cpu: per1000(cpu, float64(n)), all: per1000(cpu+self.cpu-b.self.cpu, float64(n)),
		missing: int64(want - n), dups: dups,
	}, nil
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
		{"S1", "one event per request, 1 endpoint, 256 connections", "ratio ≥ 0.30, CPU ≤ 0.15", 1, 1, 256},
		{"S2", "20 events per request, 1 endpoint", "ratio ≥ 0.50, CPU ≤ 0.15", 1, 20, 32},
		{"S3", "one event → 10 endpoints", "ratio ≥ 0.55, CPU ≤ 0.15", 10, 1, 64},
	}
}

func (t throughput) run(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: t.name, What: t.what, Bar: t.bar}
	return alternate(o, res, func(r *receiver, _ float64) (*measured, error) { return t.once(ctx, o, r) })
}

// once takes a fresh server through the scenario: publishing for Duration, and
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
	req := oneEvent()
	if t.batch > 1 {
		req = manyEvents(t.batch)
	}
	b, err := begin(s, r)
	if err != nil {
		return nil, err
	}
	l, err := s.closedLoop(t.conns, req, func(int64) bool { return time.Since(b.began) >= o.Duration })
	if err != nil {
		return nil, err
	}
	m, err := b.end(int(l.requests) * t.batch * t.endpoints)
	if err != nil {
		return nil, err
	}
	m.publish = &l.latency
	return m, nil
}

// drain is S2b: how fast a backlog goes. Events are published to a paused
// endpoint, which is then resumed; only what comes after counts.
func drain(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "S2b", What: "backlog drain: a paused endpoint is resumed", Bar: "ratio ≥ 0.50, CPU ≤ 0.15"}
	return alternate(o, res, func(r *receiver, ceiling float64) (*measured, error) {
		return drainOnce(ctx, o, r, int(ceiling*o.Duration.Seconds()/2))
	})
}

func drainOnce(ctx context.Context, o *Options, r *receiver, events int) (*measured, error) {
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	defer o.discard(s)
	ids, err := s.agent(r, 1)
	if err != nil {
		return nil, err
	}
	endpoint := "/v1/agents/bench/endpoints/" + ids[0]
	if err := s.call("POST", endpoint+"/pause", nil, nil); err != nil {
		return nil, err
	}
	want, err := s.backlog(events)
	if err != nil {
		return nil, err
	}
	b, err := begin(s, r)
	if err != nil {
		return nil, err
	}
	if err := s.call("POST", endpoint+"/resume", nil, nil); err != nil {
		return nil, err
	}
	return b.end(want)
}

// backlog publishes at least n events in batches and returns how many.
func (s *server) backlog(n int) (int, error) {
	const batch = 100
	requests := int64((n + batch - 1) / batch)
	l, err := s.closedLoop(4, manyEvents(batch), func(begun int64) bool { return begun > requests })
	return int(l.requests) * batch, err
}
