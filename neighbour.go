package waybell

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/waybell/waybell/internal/share"
)

const (
	// nodeFresh is how long a node that sends no heartbeat is counted among those
	// that share limits: what it has is taken over then, see NodeStore.Adopt.
	nodeFresh = 12 * time.Second
	// mostBreakers is how many open breakers a node learns of at once. Where there
	// are more, each node finds out the rest by itself.
	mostBreakers = 1000
	// probeStagger is how much later each further node probes a receiver, should
	// the one that does come to its end.
	probeStagger = 2 * time.Second
	// followEvery is how often the ledgers of the agents that somebody listens to
	// are looked at for what other nodes did; followMost is of how many agents.
	followEvery = time.Second
	followMost  = 100
)

// lookAround learns what the other nodes are and what they know: how many share
// the endpoints' limits, and which breakers they opened or closed.
func (s *Service) lookAround(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatWait)
	defer cancel()
	confirmed := s.confirmed.Load()
	nodes, err := s.store.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	for i := range nodes {
		// What the store's clock showed at the heartbeat that was confirmed last,
		// unless another has come since.
		if nodes[i].Number == s.lease.Load().Node && confirmed != nil && confirmed == s.confirmed.Load() {
			s.clock.follow(nodes[i].SeenAt, *confirmed)
		}
	}
	s.dispatcher.divide(shareAmong(nodes, s.lease.Load().Node))
	s.others.Store(len(nodes) > 1)
	open, err := s.store.OpenBreakers(ctx, mostBreakers)
	if err != nil {
		return fmt.Errorf("open breakers: %w", err)
	}
	maybe := s.dispatcher.learnOpen(open, s.clock.now())
	if len(maybe) == 0 {
		return nil
	}
	counters, err := s.store.CountersOf(ctx, maybe)
	if err != nil {
		return fmt.Errorf("closed breakers: %w", err)
	}
	s.dispatcher.learnClosed(counters)
	return nil
}

// shareAmong is a node's place among the living ones that deliver. It counts
// itself though the list does not have it yet.
func shareAmong(nodes []Node, self int64) share.Share {
	var newest time.Time
	for i := range nodes {
		if at := nodes[i].SeenAt; at.After(newest) {
			newest = at
		}
	}
	sh := share.Share{Nodes: 1}
	for i := range nodes {
		n := &nodes[i]
		if n.Number == self || n.Dead || !n.Role.Delivers() || newest.Sub(n.SeenAt) >= nodeFresh {
			continue
		}
		if sh.Nodes++; n.Number < self {
			sh.Rank++
		}
	}
	return sh
}

// divide takes this node's new share of what endpoints allow. What it may no
// longer send is given back.
func (d *dispatcher) divide(sh share.Share) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sh == d.share {
		return
	}
	d.share = sh
	for n, q := range d.queues {
		if q.items.Len() == 0 {
			continue
		}
		if d.limit(d.svc.dir.entry(n)) == 0 {
			d.sift(q, release)
		}
		d.list(q)
	}
	d.pump(d.svc.clock.now())
	signal(d.room)
}

// learnOpen opens the breakers that other nodes opened, and returns those that
// are open here though nobody else has them so.
func (d *dispatcher) learnOpen(open []Counters, now time.Time) (maybeClosed []EndpointNumber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	told := make(map[EndpointNumber]bool, len(open))
	stagger := time.Duration(d.share.Rank) * probeStagger
	for i := range open {
		n, h := open[i].Endpoint, open[i].Health
		told[n] = true
		e := d.svc.dir.endpoint(n)
		if e == nil || e.State != EndpointActive || e.StateSince.After(h.LastFailure) {
			continue // nothing is sent, or it began anew since
		}
		q := d.queue(n)
		if q.pace.learnOpen(h, now.Add(stagger)) {
			d.open[n] = q
			d.sift(q, release)
		}
	}
	for n, q := range d.open {
		switch {
		case !q.pace.health.Open:
			delete(d.open, n)
		case !told[n]:
			maybeClosed = append(maybeClosed, n)
		}
	}
	return maybeClosed
}

// learnClosed closes the breakers of receivers that answered another node.
func (d *dispatcher) learnClosed(counters []Counters) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range counters {
		if q := d.queue(counters[i].Endpoint); q.pace.learnClosed(counters[i].Health) {
			delete(d.open, q.number)
			signal(d.room)
		}
	}
}

// learnOpen takes over that another node opened the breaker, or that its probe
// failed: then this one's can wait, so that one node at a time probes. It tells
// whether the breaker was closed before.
func (p *pace) learnOpen(h Health, now time.Time) (opened bool) {
	if !h.LastFailure.After(p.health.answered()) || p.health.Open && !h.LastFailure.After(p.health.LastFailure) {
		return false
	}
	opened = !p.health.Open
	p.health = h
	p.probeWait, p.nextProbe = probeLongest, now.Add(probeLongest)
	return opened
}

// learnClosed takes over that the receiver answered another node since its last
// refusal here: it recovers from one attempt at a time.
func (p *pace) learnClosed(h Health) bool {
	if h.Open || !p.health.Open || !h.answered().After(p.health.LastFailure) {
		return false
	}
	p.health, p.ramp = h, 1
	return true
}

// answered is when the receiver last gave an answer that does not count towards
// the breaker; zero where none is known.
func (h *Health) answered() time.Time {
	if h.Refusals == 0 {
		return h.LastAttempt()
	}
	return h.LastSuccess
}

// ledgers are those of the endpoints of each agent.
type ledgers map[AgentNumber]map[EndpointNumber]Counters

// tellOthers tells who listens of each endpoint whose ledger or health changed
// since the last call: its deliveries are to be read anew. That it may have been
// this node, which told its rows before, costs a list that is read once more.
func (s *Service) tellOthers(ctx context.Context, known ledgers) {
	if !s.stream.Active() || !s.others.Load() {
		clear(known)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, heartbeatWait)
	defer cancel()
	agents := s.stream.Keys() // in no order: with more than followMost each has its turn
	maps.DeleteFunc(known, func(a AgentNumber, _ map[EndpointNumber]Counters) bool { return !slices.Contains(agents, a) })
	for _, agent := range agents[:min(len(agents), followMost)] {
		counters, err := s.store.Counters(ctx, agent)
		if err != nil {
			return // the watch of the configuration says that the store is away
		}
		before, again := known[agent]
		known[agent] = make(map[EndpointNumber]Counters, len(counters))
		for _, c := range counters {
			known[agent][c.Endpoint] = c
			if e := s.dir.endpoint(c.Endpoint); again && e != nil && before[c.Endpoint] != c {
				s.tellEndpoint(e)
			}
		}
	}
}

// NodeView is a node as a list shows it.
type NodeView struct {
	Node
	This bool // the one that answers
}

// Nodes lists the nodes that use the store, by Number: the living, and the dead
// whose deliveries are being taken over. Errors: CodeUnavailable.
func (s *Service) Nodes(ctx context.Context) ([]NodeView, error) {
	nodes, err := s.store.Nodes(ctx)
	if err != nil {
		return nil, storeFailed("nodes", err)
	}
	list := make([]NodeView, len(nodes))
	own := s.lease.Load() // nil before the start
	for i, n := range nodes {
		list[i] = NodeView{Node: n, This: own != nil && n.Number == own.Node}
		if list[i].This {
			list[i].NodeLoad = s.dispatcher.load() // newer than the last heartbeat
		}
	}
	return list, nil
}
