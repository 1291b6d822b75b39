package bench

import (
	"context"
	"os"
	"time"
)

// measured is one run of a scenario.
type measured struct {
	rate, rss     float64
	cpu, all      float64 // seconds per 1,000: of the servers; with all other processes
	database      float64 // seconds per 1,000
	load, receive float64 // seconds per 1,000: of the load, of the rest of the bench
	memory        float64 // MiB of the database
	writes        writes
	missing, dups int64
	publish       *Percentiles
}

// alternate runs a scenario in turn with the raw ceiling, which has the first
// and the last word: what else the machine does meanwhile then weighs on both
// sides of each ratio. once gets an empty receiver and the last ceiling.
func alternate(o *Options, res *Result, once func(r *receiver, ceiling float64) (*measured, error)) (*Result, error) {
	before, err := o.ceiling()
	if err != nil {
		return nil, err
	}
	var rates, ceilings, cpus, cpuRatios, databases, loads, receives []float64
	var all []writes
	for range o.Pairs {
		m, err := withReceiver(func(r *receiver) (*measured, error) { return once(r, before.rate) })
		if err != nil {
			return nil, err
		}
		if m.writes.Sync == 0 { // not measured by the store itself
			m.writes.Sync = m.writes.Commits * o.fsync.Seconds() * 1000
		}
		after, err := o.ceiling()
		if err != nil {
			return nil, err
		}
		c := (before.rate + after.rate) / 2
		cpuRatio := (before.cpu + after.cpu) / 2 / m.all
		before = after
		rates, ceilings = append(rates, m.rate), append(ceilings, c)
		cpus, cpuRatios = append(cpus, m.cpu), append(cpuRatios, cpuRatio)
		databases, all = append(databases, m.database), append(all, m.writes)
		loads, receives = append(loads, m.load), append(receives, m.receive)
		res.Ratios = append(res.Ratios, m.rate/c)
		res.Missing, res.Dups = res.Missing+m.missing, res.Dups+m.dups
		res.RSS, res.DatabaseMemory, res.Publish = max(res.RSS, m.rss), max(res.DatabaseMemory, m.memory), m.publish
		o.progress("%s: %.0f deliveries/s, ceiling %.0f, ratio %.3f (by CPU %.3f), CPU per 1,000: server %.3f, database %.3f, load %.3f, receiver %.3f s; peak %.0f MiB, missing %d, duplicates %d",
			res.Scenario, m.rate, c, m.rate/c, cpuRatio, m.cpu, m.database, m.load, m.receive, m.rss, m.missing, m.dups)
	}
	res.Rate, res.Ceiling, res.Ratio = median(rates), median(ceilings), median(res.Ratios)
	res.CPU, res.CPURatio, res.DatabaseCPU = median(cpus), median(cpuRatios), median(databases)
	res.LoadCPU, res.ReceiverCPU = median(loads), median(receives)
	res.Writes = medianWrites(all)
	return res, nil
}

// ceilingMost is how long the raw ceiling runs at most: it has no buffers to
// fill and no backlog to drain.
const ceilingMost = time.Second

func (o *Options) ceiling() (raw, error) { return ceiling(min(o.Duration, ceilingMost)) }

func medianWrites(all []writes) *writes {
	of := func(get func(writes) float64) float64 {
		var list []float64
		for _, w := range all {
			list = append(list, get(w))
		}
		return median(list)
	}
	return &writes{
		Commits:    of(func(w writes) float64 { return w.Commits }),
		CommitTime: of(func(w writes) float64 { return w.CommitTime }),
		Sync:       of(func(w writes) float64 { return w.Sync }),
		WAL:        of(func(w writes) float64 { return w.WAL }),
		Disk:       of(func(w writes) float64 { return w.Disk }),
		Growth:     of(func(w writes) float64 { return w.Growth }),
	}
}

// run is the part of a scenario that counts.
type run struct {
	servers []worker // all on one store
	agents  []string
	r       *receiver
	began   time.Time
	before  cost
}

// cost is what all processes used so far.
type cost struct {
	server, self usage // server is the sum of them
	store        storeUsage
	commits      commits
}

// worker is a process that delivers.
type worker interface {
	usage() (usage, error)
	commits() (commits, error)
	// settled returns when an agent has nothing left to do.
	settled(agent string, limit time.Duration) error
	keeps() store
}

// commits are durable transactions that wrote, and how long they took in all.
type commits struct {
	n    int64
	took time.Duration
}

func begin(ctx context.Context, r *receiver, servers ...worker) (*run, error) {
	c, err := costOf(ctx, servers)
	return &run{servers, []string{"bench"}, r, time.Now(), c}, err
}

func costOf(ctx context.Context, servers []worker) (c cost, err error) {
	for _, s := range servers {
		u, err := s.usage()
		if err != nil {
			return c, err
		}
		n, err := s.commits()
		if err != nil {
			return c, err
		}
		c.commits.n, c.commits.took = c.commits.n+n.n, c.commits.took+n.took
		c.server.cpu, c.server.peak, c.server.written = c.server.cpu+u.cpu, max(c.server.peak, u.peak), c.server.written+u.written
	}
	if c.store, err = servers[0].keeps().usage(ctx); err != nil {
		return c, err
	}
	c.self, err = processUsage(os.Getpid())
	return c, err
}

// end waits for the deliveries, then for their outcomes to be stored, so that
// the CPU is that of the whole work.
func (b *run) end(ctx context.Context, want int) (*measured, error) {
	b.r.wait(want, 20*time.Second)
	n, dups := b.r.distinct()
	took := b.r.lastAt().Sub(b.began)
	for _, agent := range b.agents {
		if err := b.servers[0].settled(agent, 10*time.Second); err != nil {
			return nil, err
		}
	}
	after, err := costOf(ctx, b.servers)
	if err != nil {
		return nil, err
	}
	was, each := b.before, max(float64(n), 1)
	cpu, database, self := after.server.cpu-was.server.cpu, after.store.cpu-was.store.cpu, after.self.cpu-was.self.cpu
	return &measured{
		rate: float64(n) / took.Seconds(), rss: mib(after.server.peak), memory: mib(after.store.memory),
		cpu: per1000(cpu, each), database: per1000(database, each), all: per1000(cpu+database+self, each),
		receive: per1000(self, each),
		writes: writes{
			Commits:    float64(after.commits.n-was.commits.n) / each,
			CommitTime: per1000(after.commits.took-was.commits.took, each), Sync: per1000(after.store.synced-was.store.synced, each),
			WAL:    float64(after.store.wal-was.store.wal) / each,
			Disk:   float64(after.server.written-was.server.written+after.store.written-was.store.written) / each,
			Growth: float64(after.store.size-was.store.size) / each,
		},
		missing: int64(want - n), dups: dups,
	}, nil
}

// throughput describes a scenario that publishes as fast as it can.
type throughput struct {
	name, what string
	bar        float64 // the ratio that it should reach
	endpoints  int
	batch      int // events per request; 1 = a plain publish
	conns      int
}

// mostCPU is what the servers should use at most, in seconds for 1,000
// deliveries.
const mostCPU = 0.15

// busy tells that the ratio is far above what the CPU time tells: something else ran
// on the machine, and took more from the ceiling, which is one process, than from
// the scenario.
func (r *Result) busy() bool { return r.Ratio > 1.2*r.CPURatio }

// judge holds the ratio, or on a busy machine the one by CPU, against its bar.
func (r *Result) judge(bar float64) *Result {
	ratio := atLeast("ratio", r.Ratio, bar)
	if r.busy() {
		ratio = atLeast("ratio by CPU, as the machine was busy", r.CPURatio, bar)
	}
	r.Bars = append(r.Bars, ratio, atMost("CPU s per 1,000", r.CPU, mostCPU))
	return r
}

func throughputs() []throughput {
	return []throughput{
		{"S1", "one event per request, 1 endpoint, 256 connections", 0.40, 1, 1, 256},
		{"S2", "20 events per request, 1 endpoint", 0.65, 1, 20, 32},
		{"S3", "one event → 10 endpoints", 0.70, 10, 1, 64},
	}
}

func (t throughput) run(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: t.name, What: t.what}
	res, err := alternate(o, res, func(r *receiver, _ float64) (*measured, error) { return t.once(ctx, o, r) })
	if err != nil {
		return nil, err
	}
	return res.judge(t.bar), nil
}

// once takes a fresh server through the scenario: publishing for Duration, and
// then to the last delivery. What counts is deliveries per second over both.
func (t throughput) once(ctx context.Context, o *Options, r *receiver) (*measured, error) {
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	defer o.discard(ctx, s)
	if _, err := s.agent(r, t.endpoints); err != nil {
		return nil, err
	}
	return t.load(ctx, s, r, o.Duration)
}

// load is the part that counts.
func (t throughput) load(ctx context.Context, s *server, r *receiver, d time.Duration) (*measured, error) {
	req := oneEvent()
	if t.batch > 1 {
		req = manyEvents(t.batch)
	}
	b, err := begin(ctx, r, s)
	if err != nil {
		return nil, err
	}
	l, err := s.closedLoop(t.conns, req, func(int64) bool { return time.Since(b.began) >= d })
	if err != nil {
		return nil, err
	}
	want := int(l.requests) * t.batch * t.endpoints
	m, err := b.end(ctx, want)
	if err != nil {
		return nil, err
	}
	m.load = per1000(l.cpu, float64(want)-float64(m.missing))
	m.receive -= m.load
	m.publish = &l.latency
	return m, nil
}

// drain is S2b: how fast a backlog goes. Events are published to a paused
// endpoint, which is then resumed; only what comes after counts.
func drain(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "S2b", What: "backlog drain: a paused endpoint is resumed"}
	res, err := alternate(o, res, func(r *receiver, ceiling float64) (*measured, error) {
		return drainOnce(ctx, o, r, int(ceiling*o.Duration.Seconds()/2))
	})
	if err != nil {
		return nil, err
	}
	return res.judge(0.65), nil
}

func drainOnce(ctx context.Context, o *Options, r *receiver, events int) (*measured, error) {
	s, err := o.server(ctx)
	if err != nil {
		return nil, err
	}
	defer o.discard(ctx, s)
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
	b, err := begin(ctx, r, s)
	if err != nil {
		return nil, err
	}
	if err := s.call("POST", endpoint+"/resume", nil, nil); err != nil {
		return nil, err
	}
	return b.end(ctx, want)
}

// backlog publishes at least n events in batches and returns how many.
func (s *server) backlog(n int) (int, error) {
	const batch = 100
	requests := int64((n + batch - 1) / batch)
	l, err := s.closedLoop(4, manyEvents(batch), func(begun int64) bool { return begun > requests })
	return int(l.requests) * batch, err
}
