package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	slowAnswer    = 100 * time.Millisecond // of the receivers in N1 and N2
	nodeEndpoints = 32
	// nodeInFlight is the limit that N1 makes the bottleneck of a node: so many
	// attempts at once are 640 deliveries/s.
	nodeInFlight = 64
	nodeCount    = 3
)

// cluster is several nodes on one store.
type cluster struct {
	o       *Options
	servers []*server
}

// cluster starts so many nodes on a fresh store, and makes the bench's agent.
func (o *Options) cluster(ctx context.Context, r *receiver, nodes int, flags ...string) (*cluster, error) {
	c := &cluster{o: o}
	st, err := o.newStore(ctx)
	if err != nil {
		return nil, err
	}
	err = st.settle(ctx)
	for n := 0; n < nodes && err == nil; n++ {
		var s *server
		if s, err = o.on(ctx, st, flags...); err == nil {
			c.servers = append(c.servers, s)
		}
	}
	if err == nil {
		err = c.servers[0].nodeAgents(r)
	}
	if err != nil {
		c.end()
		return nil, errors.Join(err, st.discard(ctx))
	}
	slow := hook(func(_ http.ResponseWriter, req *http.Request) bool {
		wait := time.NewTimer(slowAnswer)
		defer wait.Stop()
		select {
		case <-wait.C:
			return true
		case <-req.Context().Done():
			return false
		}
	})
	r.hook.Store(&slow)
	time.Sleep(time.Second) // until every node knows the endpoints
	return c, nil
}

// nodeAgents are the agents of N1 and N2, each with one endpoint.
func nodeAgents() []string {
	ids := make([]string, nodeEndpoints)
	for i := range ids {
		ids[i] = fmt.Sprintf("bench-%02d", i)
	}
	return ids
}

func (s *server) nodeAgents(r *receiver) error {
	for i, id := range nodeAgents() {
		if err := s.call("POST", "/v1/agents", map[string]any{"id": id, "name": "Bench"}, nil); err != nil {
			return err
		}
		if _, err := s.endpointOf(id, fmt.Sprintf("http://%s/hooks/%d", r.addr, i)); err != nil {
			return err
		}
	}
	return nil
}

// begin is that of a run on all nodes.
func (c *cluster) begin(ctx context.Context, r *receiver) (*run, error) {
	var all []worker
	for _, s := range c.servers {
		all = append(all, s)
	}
	b, err := begin(ctx, r, all...)
	if err == nil {
		b.agents = nodeAgents()
	}
	return b, err
}

func (c *cluster) end() {
	for _, s := range c.servers {
		s.end()
	}
}

func (c *cluster) discard(ctx context.Context) {
	c.end()
	if err := c.servers[0].store.discard(ctx); err != nil {
		c.o.progress("the store is left: %v", err)
	}
}

// closedLoop is that of a server, with the publishers spread over the nodes.
func (c *cluster) closedLoop(conns int, r request, stop func(begun int64) bool) (load, error) {
	var mu sync.Mutex
	var all load
	var begun atomic.Int64
	var errs []error
	var wg sync.WaitGroup
	for i, s := range c.servers {
		n := conns / len(c.servers)
		if i < conns%len(c.servers) {
			n++
		}
		wg.Go(func() {
			l, err := s.closedLoop(n, r, func(int64) bool { return stop(begun.Add(1)) })
			mu.Lock()
			defer mu.Unlock()
			all.requests += l.requests
			if l.latency.P99 > all.latency.P99 {
				all.latency = l.latency // of the slowest node
			}
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// nodes is N1: the per-node limit of attempts at once is the bottleneck, so that
// more nodes should deliver more.
func nodes(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "N1", What: fmt.Sprintf("receivers answer after %v, %d attempts at once per node: %d nodes and one", slowAnswer, nodeInFlight, nodeCount),
		Figures: map[string]float64{}}
	var ratios, rates []float64
	for range o.Pairs {
		one, err := nodesOnce(ctx, o, 1)
		if err != nil {
			return nil, err
		}
		all, err := nodesOnce(ctx, o, nodeCount)
		if err != nil {
			return nil, err
		}
		res.Missing, res.Dups = res.Missing+one.missing+all.missing, res.Dups+one.dups+all.dups
		res.Figures["one_node_per_s"], res.Figures["one_node_database_cpu_s_per_1000"] = one.rate, one.database
		ratios, rates = append(ratios, all.rate/one.rate), append(rates, all.rate)
		res.CPU, res.DatabaseCPU, res.DatabaseMemory, res.RSS = all.cpu, all.database, all.memory, all.rss
		res.Writes = &all.writes
		o.progress("N1: %d nodes %.0f deliveries/s, one %.0f, ratio %.2f", nodeCount, all.rate, one.rate, all.rate/one.rate)
	}
	res.Rate = median(rates)
	res.Bars = []Bar{atLeast("three nodes, times one", median(ratios), 2.5)}
	return res, nil
}

// nodesOnce publishes as much as the nodes can deliver in a load's time, as fast
// as it goes, each node the same, and measures until the last delivery.
func nodesOnce(ctx context.Context, o *Options, n int) (*measured, error) {
	return withReceiver(func(r *receiver) (*measured, error) {
		c, err := o.cluster(ctx, r, n, fmt.Sprintf("--max-in-flight=%d", nodeInFlight))
		if err != nil {
			return nil, err
		}
		defer c.discard(ctx)
		perSecond := float64(nodeInFlight*n) / slowAnswer.Seconds()
		requests := max(int64(perSecond*o.Duration.Seconds())/nodeEndpoints, int64(n))
		b, err := c.begin(ctx, r)
		if err != nil {
			return nil, err
		}
		l, err := c.closedLoop(n, eventsOf(nodeAgents()), func(begun int64) bool { return begun > requests })
		if err != nil {
			return nil, err
		}
		return b.end(ctx, int(l.requests)*nodeEndpoints)
	})
}

// limit is N2: three nodes without a bottleneck of their own, at a rising load,
// and what the database's processes did and waited for meanwhile.
func limit(ctx context.Context, o *Options) (*Result, error) {
	res := &Result{Scenario: "N2", What: fmt.Sprintf("%d nodes, receivers answer after %v, %d events per request, a rising number of publishers", nodeCount, slowAnswer, nodeEndpoints),
		Figures: map[string]float64{}}
	for _, conns := range []int{1, 3, 12, 48} {
		m, seen, err := limitOnce(ctx, o, conns)
		if err != nil {
			return nil, err
		}
		res.Missing, res.Dups = res.Missing+m.missing, res.Dups+m.dups
		name := func(what string) string { return fmt.Sprintf("publishers_%02d_%s", conns, what) }
		res.Figures[name("per_s")] = m.rate
		res.Figures[name("publish_p99_ms")] = m.publish.P99
		res.Figures[name("cores_waybell")] = m.cpu * m.rate / 1000
		res.Figures[name("cores_postgres")] = m.database * m.rate / 1000
		res.Figures[name("cores_load_and_receivers")] = (m.all - m.cpu - m.database) * m.rate / 1000
		for what, share := range seen.shares() {
			res.Figures[name("sessions_"+what)] = share
		}
		if m.rate > res.Rate {
			res.Rate, res.CPU, res.DatabaseCPU, res.RSS, res.DatabaseMemory = m.rate, m.cpu, m.database, m.rss, m.memory
			res.Writes, res.Publish = &m.writes, m.publish
		}
		o.progress("N2: %d publishers: %.0f deliveries/s, cores: Waybell %.2f, PostgreSQL %.2f; sessions: %v", conns, m.rate,
			m.cpu*m.rate/1000, m.database*m.rate/1000, seen)
	}
	return res, nil
}

func limitOnce(ctx context.Context, o *Options, conns int) (*measured, *sessions, error) {
	seen := newSessions()
	m, err := withReceiver(func(r *receiver) (*measured, error) {
		c, err := o.cluster(ctx, r, nodeCount, "--max-in-flight=2048", "--endpoint-concurrency=64")
		if err != nil {
			return nil, err
		}
		defer c.discard(ctx)
		b, err := c.begin(ctx, r)
		if err != nil {
			return nil, err
		}
		stop := seen.watch(ctx, o.database.pool)
		l, err := c.closedLoop(conns, eventsOf(nodeAgents()), func(int64) bool { return time.Since(b.began) >= o.Duration })
		if err := errors.Join(err, stop()); err != nil {
			return nil, err
		}
		m, err := b.end(ctx, int(l.requests)*nodeEndpoints)
		if err == nil {
			m.publish = &l.latency
		}
		return m, err
	})
	return m, seen, err
}
