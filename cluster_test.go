package waybell_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// cluster is several nodes on one store and one receiver. The first is the
// rig's service.
type cluster struct {
	*rig
	nodes []*member

	mu    sync.Mutex
	seen  map[int64]time.Time // last heartbeats
	lease map[int64]waybell.Lease
	mute  bool // the store gives no hints
}

// member is a service with its own way to the store.
type member struct {
	*waybell.Service
	store *nodeStore
}

// newCluster starts n nodes; change is told which of them it changes.
func newCluster(t *testing.T, script receivertest.Script, n int, change ...func(i int, c *waybell.Config)) *cluster {
	t.Helper()
	c := &cluster{seen: map[int64]time.Time{}, lease: map[int64]waybell.Lease{}}
	first := newNodeStore(c)
	c.rig = newRig(t, script, func(cfg *waybell.Config) {
		first.Store, cfg.Store = cfg.Store, first
		for _, f := range change {
			f(0, cfg)
		}
	})
	c.nodes = []*member{{c.rig.svc, first}}
	for len(c.nodes) < n {
		c.add(change...)
	}
	<-time.After(3 * time.Second) // in the bubble's time: until all know of each other
	return c
}

// add starts one more node.
func (c *cluster) add(change ...func(i int, c *waybell.Config)) *member {
	c.t.Helper()
	store := newNodeStore(c)
	store.Store = c.rig.store
	cfg := waybell.Config{
		Store: store, EncryptionKeys: []waybell.Secret{testKey}, Node: "another",
		Resolver: public{}, Dial: c.receiver.DialContext, Logger: slog.New(slog.NewTextHandler(c.rig, nil)),
	}
	for _, f := range change {
		f(len(c.nodes), &cfg)
	}
	svc, err := waybell.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := svc.Start(c.ctx); err != nil {
		c.t.Fatal(err)
	}
	n := &member{svc, store}
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(func() {
		store.cut(nil, 0)
		c.stopNode(n, 30*time.Second)
	})
	return n
}

// stopNode stops a node and returns how long that took.
func (c *cluster) stopNode(n *member, grace time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), grace)
	defer cancel()
	began := time.Now()
	if err := n.Stop(ctx); err != nil {
		c.t.Logf("stop: %v", err)
	}
	return time.Since(began)
}

// publishTo publishes messages to a node.
func (c *cluster) publishTo(n *member, count int) {
	c.t.Helper()
	for range count {
		if err := publishOn(c.ctx, n); err != nil {
			c.t.Fatal(err)
		}
	}
}

func publishOn(ctx context.Context, n *member) error {
	_, err := n.Publish(ctx, "bot", waybell.PublishInput{Type: "message.received", Data: []byte(`{"text":"hi"}`)})
	return err
}

// hint tells all nodes but one that something changed.
func (c *cluster) hint(but *nodeStore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mute {
		return
	}
	for _, n := range c.nodes {
		if n.store != but {
			select {
			case n.store.changes <- struct{}{}:
			default:
			}
		}
	}
}

// bury ends the leases of nodes without a heartbeat for 12 s, as a shared store
// does for whoever calls Adopt and had a heartbeat of its own within 6 s.
func (c *cluster) bury(ctx context.Context, by waybell.Lease) error {
	c.mu.Lock()
	if time.Since(c.seen[by.Node]) >= 6*time.Second {
		c.mu.Unlock()
		return nil
	}
	var dead []waybell.Lease
	for n, at := range c.seen {
		if time.Since(at) >= 12*time.Second {
			dead = append(dead, c.lease[n])
			delete(c.seen, n)
		}
	}
	c.mu.Unlock()
	for _, l := range dead {
		if err := c.rig.store.Leave(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) beat(l waybell.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[l.Node], c.lease[l.Node] = time.Now(), l
}

// nodeStore is one node's way to the shared store; it can be cut.
type nodeStore struct {
	*faultStore
	c       *cluster
	changes chan struct{}
	reading time.Duration // how long it takes to read a change of the configuration
}

func newNodeStore(c *cluster) *nodeStore {
	return &nodeStore{c: c, changes: make(chan struct{}, 1), faultStore: &faultStore{
		shared: true, before: map[string]error{}, after: map[string]error{}, calls: map[string]int{},
	}}
}

// cut makes every call fail, after a time; nil mends it.
func (s *nodeStore) cut(err error, hang time.Duration) {
	s.mu.Lock()
	s.hang = hang
	s.mu.Unlock()
	s.failBefore(err, "Join", "Heartbeat", "Leave", "Adopt", "Nodes", "ConfigVersion", "ConfigSince", "Accept", "Due", "Claim",
		"ClaimSuspect", "Begin", "CancelWaiting", "Settle", "Owned", "Requeue", "Delivery", "EventsByKey", "Event", "AddStatistics",
		"Statistics", "OpenBreakers", "CountersOf", "Setting", "UpdateEndpoint")
}

func (s *nodeStore) Changes() <-chan struct{} { return s.changes }

func (s *nodeStore) Join(ctx context.Context, n waybell.NodeInfo) (waybell.Lease, error) {
	l, err := faulty(s.faultStore, "Join", func() (waybell.Lease, error) { return s.faultStore.Join(ctx, n) })
	if err == nil {
		s.c.beat(l)
	}
	return l, err
}

func (s *nodeStore) Heartbeat(ctx context.Context, l waybell.Lease, load waybell.NodeLoad) error {
	err := s.faultStore.Heartbeat(ctx, l, load)
	if err == nil {
		s.c.beat(l)
	}
	return err
}

func (s *nodeStore) Leave(ctx context.Context, l waybell.Lease) error {
	_, err := faulty(s.faultStore, "Leave", func() (struct{}, error) { return struct{}{}, s.Store.Leave(ctx, l) })
	if err == nil {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		delete(s.c.seen, l.Node)
	}
	return err
}

func (s *nodeStore) Adopt(ctx context.Context, l waybell.Lease, now time.Time) (int, bool, error) {
	if before, _ := s.fault("Adopt"); before != nil {
		return 0, false, before
	}
	if err := s.c.bury(ctx, l); err != nil {
		return 0, false, err
	}
	n, more, err := s.Store.Adopt(ctx, l, now)
	if n > 0 {
		s.c.hint(s)
	}
	return n, more, err
}

func (s *nodeStore) Accept(ctx context.Context, l waybell.Lease, v int64, e []*waybell.NewEvent) ([]waybell.Accepted, error) {
	got, err := s.faultStore.Accept(ctx, l, v, e)
	for _, n := range e {
		for _, t := range n.Targets {
			if t.Aside && err == nil {
				s.c.hint(s)
			}
		}
	}
	return got, err
}

func (s *nodeStore) UpdateEndpoint(ctx context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	defer s.c.hint(s)
	return faulty(s.faultStore, "UpdateEndpoint", func() (waybell.Endpoint, error) { return s.Store.UpdateEndpoint(ctx, e) })
}

func (s *nodeStore) Nodes(ctx context.Context) ([]waybell.Node, error) {
	return faulty(s.faultStore, "Nodes", func() ([]waybell.Node, error) {
		list, err := s.Store.Nodes(ctx)
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		for i := range list {
			if at, ok := s.c.seen[list[i].Number]; ok {
				list[i].SeenAt = at
			}
		}
		return list, err
	})
}

func (s *nodeStore) ConfigVersion(ctx context.Context) (int64, error) {
	return faulty(s.faultStore, "ConfigVersion", func() (int64, error) { return s.Store.ConfigVersion(ctx) })
}

func (s *nodeStore) ConfigSince(ctx context.Context, v int64) (waybell.ConfigChange, error) {
	return faulty(s.faultStore, "ConfigSince", func() (waybell.ConfigChange, error) {
		s.mu.Lock()
		reading := s.reading
		s.mu.Unlock()
		select {
		case <-time.After(reading):
			return s.Store.ConfigSince(ctx, v)
		case <-ctx.Done():
			return waybell.ConfigChange{}, ctx.Err()
		}
	})
}

// takes has each reading of a change of the configuration take so long.
func (s *nodeStore) takes(reading time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = reading
}

func (s *nodeStore) Owned(ctx context.Context, l waybell.Lease, after waybell.Waiting, limit int) ([]waybell.Waiting, error) {
	return faulty(s.faultStore, "Owned", func() ([]waybell.Waiting, error) { return s.Store.Owned(ctx, l, after, limit) })
}

func (s *nodeStore) Requeue(ctx context.Context, l waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	defer s.c.hint(s)
	return faulty(s.faultStore, "Requeue", func() ([]waybell.Requeued, error) { return s.Store.Requeue(ctx, l, list) })
}

func (s *nodeStore) Delivery(ctx context.Context, a waybell.AgentNumber, ref waybell.DeliveryRef) (waybell.Delivery, error) {
	return faulty(s.faultStore, "Delivery", func() (waybell.Delivery, error) { return s.Store.Delivery(ctx, a, ref) })
}

func (s *nodeStore) Statistics(ctx context.Context, q waybell.StatisticsQuery) ([]waybell.StatisticsRow, error) {
	return faulty(s.faultStore, "Statistics", func() ([]waybell.StatisticsRow, error) { return s.Store.Statistics(ctx, q) })
}

func (s *nodeStore) OpenBreakers(ctx context.Context, limit int) ([]waybell.Counters, error) {
	return faulty(s.faultStore, "OpenBreakers", func() ([]waybell.Counters, error) { return s.Store.OpenBreakers(ctx, limit) })
}

func (s *nodeStore) CountersOf(ctx context.Context, list []waybell.EndpointNumber) ([]waybell.Counters, error) {
	return faulty(s.faultStore, "CountersOf", func() ([]waybell.Counters, error) { return s.Store.CountersOf(ctx, list) })
}

func (s *nodeStore) Setting(ctx context.Context, name string) ([]byte, error) {
	return faulty(s.faultStore, "Setting", func() ([]byte, error) { return s.Store.Setting(ctx, name) })
}
