package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

const (
	deadAfter   = 12 * time.Second // without a heartbeat
	beatGap     = 5 * time.Second  // between two heartbeats, at most, for a node that may bury others
	adoptPiece  = 1000
	suspectStep = time.Minute
)

// node is a node that joined.
type node struct {
	waybell.Node
	epoch  int64
	gone   bool      // its process has ended
	steady time.Time // since when its heartbeats came without a gap
}

// fence refuses a lease that is lost. The lock is held.
func (d *data) fence(lease waybell.Lease) error {
	if d.flaws.NoFence || d.alive(lease) {
		return nil
	}
	return fmt.Errorf("node %d: %w", lease.Node, waybell.ErrFenced)
}

// alive tells whether a lease holds. The lock is held.
func (d *data) alive(lease waybell.Lease) bool {
	n := d.nodes[lease.Node]
	return n != nil && !n.Dead && n.epoch == lease.Epoch
}

// Alive tells whether a lease holds.
func (s *Store) Alive(lease waybell.Lease) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive(lease)
}

// bury ends a node's lease. The lock is held.
func (n *node) bury() {
	n.Dead = true
	n.epoch++
}

// Crash makes every node that joined count as dead, as the start of an embedded
// store's next process does.
func (s *Store) Crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		n.gone = true
	}
}

// Join implements [waybell.NodeStore].
func (s *Store) Join(ctx context.Context, info waybell.NodeInfo) (waybell.Lease, error) {
	return write(s, ctx, "Join", func() (waybell.Lease, error) {
		used := map[int]bool{}
		for _, n := range s.nodes {
			used[n.Slot] = used[n.Slot] || !n.Dead && !n.gone
		}
		slot := 0
		for used[slot] {
			slot++
		}
		if slot > waybell.MaxNodeSlot {
			return waybell.Lease{}, fmt.Errorf("%w: no slot is free", waybell.ErrUnavailable)
		}
		s.lastNode++
		now := time.Now()
		n := &node{epoch: 1, steady: now, Node: waybell.Node{
			NodeInfo: info, Number: s.lastNode, Slot: slot, JoinedAt: now.UTC(), SeenAt: now.UTC(),
		}}
		s.nodes[n.Number] = n
		return waybell.Lease{Node: n.Number, Epoch: n.epoch, Slot: slot, Shared: s.opts.Shared, LastKey: s.lastKeys[slot]}, nil
	})
}

// Heartbeat implements [waybell.NodeStore].
func (s *Store) Heartbeat(ctx context.Context, lease waybell.Lease, load waybell.NodeLoad) error {
	_, err := fenced(s, ctx, lease, "Heartbeat", func() (done, error) {
		n := s.nodes[lease.Node]
		if n == nil { // without a fence
			return done{}, nil
		}
		now := time.Now()
		if now.Sub(n.SeenAt) > beatGap {
			n.steady = now
		}
		n.NodeLoad, n.SeenAt = load, now.UTC()
		return done{}, nil
	})
	return err
}

// Leave implements [waybell.NodeStore].
func (s *Store) Leave(ctx context.Context, lease waybell.Lease) error {
	_, err := fenced(s, ctx, lease, "Leave", func() (done, error) {
		if n := s.nodes[lease.Node]; n != nil {
			n.bury()
		}
		return done{}, nil
	})
	return err
}

// buryDead ends the leases of the nodes that are dead. The lock is held.
func (s *Store) buryDead(lease waybell.Lease) {
	own := s.nodes[lease.Node]
	now := time.Now()
	watches := s.opts.Shared && own != nil && now.Sub(own.SeenAt) <= beatGap && now.Sub(own.steady) >= deadAfter
	for _, n := range s.nodes {
		if !n.Dead && (n.gone || watches && now.Sub(n.SeenAt) >= deadAfter) {
			n.bury()
		}
	}
}

// Adopt implements [waybell.NodeStore].
func (s *Store) Adopt(ctx context.Context, lease waybell.Lease, now time.Time) (int, bool, error) {
	type adopted struct {
		n    int
		more bool
	}
	a, err := fenced(s, ctx, lease, "Adopt", func() (a adopted, err error) {
		s.buryDead(lease)
		for _, ep := range sorted(s.waiting) {
			for _, r := range s.waiting[ep] {
				if r.owner == 0 || !s.dead(r.owner) {
					continue
				}
				if a.n == adoptPiece {
					a.more = true
					return a, nil
				}
				a.n++
				r.adopt(now)
			}
		}
		for number, n := range s.nodes {
			if n.Dead {
				delete(s.nodes, number)
			}
		}
		return a, nil
	})
	return a.n, a.more, err
}

// Begin implements [waybell.NodeStore].
func (s *Store) Begin(ctx context.Context, lease waybell.Lease, rows []waybell.Waiting) ([]bool, error) {
	return fenced(s, ctx, lease, "Begin", func() ([]bool, error) {
		marked := make([]bool, len(rows))
		for i, w := range rows {
			if r := s.find(w.Agent, w.DeliveryRef); r != nil && !r.settled && r.owner == lease.Node {
				r.Begun, marked[i] = true, true
			}
		}
		return marked, nil
	})
}

// dead tells whether a node's lease has ended. The lock is held.
func (d *data) dead(number int64) bool {
	n := d.nodes[number]
	return n == nil || n.Dead
}

// adopt releases a row of a dead node.
func (r *row) adopt(now time.Time) {
	if r.Adopted && r.Deaths == 0 && !r.Begun {
		r.Deaths = 1
	}
	r.owner, r.Adopted = 0, true
	if now = micro(now); r.Begun || r.NextAt.After(now) {
		r.NextAt = now
	}
	if r.Begun {
		r.Begun = false
		if r.Deaths++; r.Deaths >= waybell.SuspectDeaths {
			r.NextAt = now.Add(suspectStep << min(r.Deaths-waybell.SuspectDeaths, 20))
		}
	}
}

// Nodes implements [waybell.NodeStore].
func (s *Store) Nodes(ctx context.Context) ([]waybell.Node, error) {
	return read(s, ctx, "Nodes", func() (list []waybell.Node, err error) {
		for _, number := range sorted(s.nodes) {
			list = append(list, s.nodes[number].Node)
		}
		return list, nil
	})
}

// Changes implements [waybell.NodeStore].
func (s *Store) Changes() <-chan struct{} { return s.opts.Changes }
