package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// Join implements [waybell.NodeStore].
func (s *Store) Join(ctx context.Context, n waybell.NodeInfo) (waybell.Lease, error) {
	var lease waybell.Lease
	err := s.write(ctx, 1, len(n.Name), func(t *tx) error {
		slot, err := s.freeSlot(t.joined)
		if err != nil {
			return err
		}
		lease = waybell.Lease{Epoch: 1, Slot: slot}
		_, err = t.row(func(r *rows) { lease.LastKey = waybell.Key(r.int()) },
			`SELECT max(coalesce((SELECT max(key) FROM events), 0), value) FROM meta WHERE name = 'last_key'`)
		if err != nil {
			return err
		}
		_, err = t.exec("INSERT INTO nodes (name, slot, epoch, dead) VALUES (?, ?, ?, 0)", n.Name, slot, lease.Epoch)
		if err != nil {
			return err
		}
		lease.Node, err = t.int("SELECT last_insert_rowid()")
		joined := livingNode{lease: lease, node: waybell.Node{NodeInfo: n, Number: lease.Node, Slot: slot, JoinedAt: time.Now().UTC()}}
		t.after = append(t.after, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.living[joined.lease.Node] = joined
		})
		t.joined = append(t.joined, lease)
		return err
	})
	return lease, err
}

// freeSlot is the lowest slot that no living node has. Every node of an earlier
// process is dead: this one holds the lock of the directory.
func (s *Store) freeSlot(joining []waybell.Lease) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := make(map[int]bool, len(s.living))
	for _, l := range s.living {
		used[l.lease.Slot] = true
	}
	for _, l := range joining {
		used[l.Slot] = true
	}
	for slot := 0; slot <= waybell.MaxNodeSlot; slot++ {
		if !used[slot] {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("%w: all %d node slots are taken", waybell.ErrUnavailable, waybell.MaxNodeSlot+1)
}

// Heartbeat implements [waybell.NodeStore]. The lock of the directory keeps the
// lease; nothing is written.
func (s *Store) Heartbeat(ctx context.Context, lease waybell.Lease, load waybell.NodeLoad) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fence(lease); err != nil {
		return err
	}
	l := s.living[lease.Node]
	l.node.NodeLoad = load
	s.living[lease.Node] = l
	return nil
}

// livingNode is a node that joined this process's store.
type livingNode struct {
	lease waybell.Lease
	node  waybell.Node
}

// Nodes implements [waybell.NodeStore]: those of this process, which are seen
// now.
func (s *Store) Nodes(ctx context.Context) ([]waybell.Node, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []waybell.Node
	for _, l := range s.living {
		l.node.SeenAt = now
		list = append(list, l.node)
	}
	slices.SortFunc(list, func(a, b waybell.Node) int { return cmp.Compare(a.Number, b.Number) })
	return list, nil
}

// Changes implements [waybell.NodeStore]: there are no other nodes.
func (s *Store) Changes() <-chan struct{} { return nil }

// Leave implements [waybell.NodeStore].
func (s *Store) Leave(ctx context.Context, lease waybell.Lease) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		_, err := t.exec("UPDATE nodes SET dead = 1, epoch = epoch + 1 WHERE node = ?", lease.Node)
		t.after = append(t.after, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.living, lease.Node)
		})
		return err
	})
}

// adoption is how far the search for rows of dead nodes has come: one pass over
// the waiting rows finds all rows of the nodes that were dead when it began,
// because dead nodes get no new ones.
type adoption struct {
	dead map[int64]bool // nil = no pass under way
	at   waitingPlace
	rest time.Duration // before the next read
}

// waitingPlace is a position in the primary key of waiting.
type waitingPlace struct {
	agent waybell.AgentNumber
	ref   waybell.DeliveryRef
}

const (
	adoptRows = 1000
	adoptScan = 4000                  // rows looked at in one read: some milliseconds
	adoptRest = 50 * time.Millisecond // after a read, at most
)

// Adopt implements [waybell.NodeStore].
func (s *Store) Adopt(ctx context.Context, lease waybell.Lease, now time.Time) (int, bool, error) {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	a := &s.adoption
	if a.dead == nil {
		dead, err := s.buryNodes(ctx, lease)
		if err != nil || len(dead) == 0 {
			return 0, false, err
		}
		*a = adoption{dead: dead}
	}
	s.rest(ctx, a.rest)
	began := time.Now()
	found, end, last, err := s.findOrphans(ctx)
	if err != nil {
		return 0, false, err
	}
	a.rest = min(time.Since(began), adoptRest)
	if len(found) == 0 && !end {
		a.at = last
		return 0, true, nil
	}
	n := 0
	err = s.writeAt(ctx, behind, len(found)+1, 0, func(t *tx) error {
		n = 0
		if err := t.fence(lease); err != nil {
			return err
		}
		for _, p := range found {
			changed, err := t.exec(sqlAdopt, now, waybell.SuspectDeaths, p.agent, p.ref.Event, p.ref.Endpoint, p.owner)
			if err != nil {
				return err
			}
			n += changed
			t.touch(p.ref.Endpoint)
			t.moved(p.ref.Endpoint, min(p.nextAt, now.UnixMicro()))
		}
		if !end {
			return nil
		}
		for node := range a.dead {
			if _, err := t.exec("DELETE FROM nodes WHERE node = ? AND dead = 1", node); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	a.at = last
	if end {
		*a = adoption{}
		return n, s.moreDead(ctx), nil
	}
	return n, true, nil
}

// rest leaves the processor to others between two reads of a long search: it reads
// half of the time, so that what is published meanwhile is hardly slower.
func (s *Store) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closing:
	case <-ctx.Done():
	}
}

// sqlAdopt releases one row: see waybell.NodeStore.Adopt. The shift is bounded
// at twenty minutes' doublings, about two years.
const sqlAdopt = `UPDATE waiting SET owner = 0, adopted = 1, begun = 0, deaths = deaths + (begun OR adopted AND deaths = 0),
		next_at = iif(begun = 1, ?1 + iif(deaths + 1 >= ?2, 60000000 << min(deaths + 1 - ?2, 20), 0), min(next_at, ?1))
	WHERE agent = ?3 AND event = ?4 AND endpoint = ?5 AND owner = ?6`

const sqlBegin = `UPDATE waiting SET begun = 1 WHERE agent = ? AND event = ? AND endpoint = ? AND owner = ?`

// Begin implements [waybell.NodeStore]. It goes where the outcomes of these attempts
// will, see Settle.
func (s *Store) Begin(ctx context.Context, lease waybell.Lease, rows []waybell.Waiting) ([]bool, error) {
	marked, where := make([]bool, len(rows)), along
	for i := range rows {
		if rows[i].Attempts > 0 {
			where = behind
		}
	}
	err := s.writeAt(ctx, where, len(rows), 0, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		for i, w := range rows {
			n, err := t.exec(sqlBegin, w.Agent, w.Event, w.Endpoint, lease.Node)
			if err != nil {
				return err
			}
			marked[i] = n == 1
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return marked, nil
}

// buryNodes raises the epochs of all nodes that are not living, in a
// transaction of its own, and returns them.
func (s *Store) buryNodes(ctx context.Context, lease waybell.Lease) (map[int64]bool, error) {
	dead := make(map[int64]bool)
	err := s.write(ctx, 1, 0, func(t *tx) error {
		clear(dead)
		if err := t.fence(lease); err != nil {
			return err
		}
		var fresh []int64
		r := t.query("SELECT node, dead FROM nodes ORDER BY node")
		for r.next() {
			node, known := r.int(), r.bool()
			joins := func(l waybell.Lease) bool { return l.Node == node }
			if s.isLiving(node) || slices.ContainsFunc(t.joined, joins) {
				continue
			}
			dead[node] = true
			if !known {
				fresh = append(fresh, node)
			}
		}
		if err := r.close(); err != nil {
			return err
		}
		for _, node := range fresh {
			if _, err := t.exec("UPDATE nodes SET dead = 1, epoch = epoch + 1 WHERE node = ?", node); err != nil {
				return err
			}
		}
		return nil
	})
	return dead, err
}

func (s *Store) isLiving(node int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.living[node]
	return ok
}

func (s *Store) moreDead(ctx context.Context) bool {
	var nodes []int64
	err := s.read(ctx, func(c *conn) error {
		nodes = nodes[:0]
		r := c.query("SELECT node FROM nodes ORDER BY node")
		for r.next() {
			nodes = append(nodes, r.int())
		}
		return r.close()
	})
	for _, node := range nodes {
		if !s.isLiving(node) {
			return true
		}
	}
	return err != nil // ask again
}

type orphan struct {
	waitingPlace
	owner, nextAt int64
}

// findOrphans reads on from where the last piece ended: on a reading
// connection, so that the search costs publishers nothing.
func (s *Store) findOrphans(ctx context.Context) (found []orphan, end bool, last waitingPlace, err error) {
	a := &s.adoption
	last = a.at
	err = s.read(ctx, func(c *conn) error {
		r := c.query(`SELECT agent, event, endpoint, owner, next_at FROM waiting
			WHERE (agent, event, endpoint) > (?, ?, ?) ORDER BY agent, event, endpoint LIMIT ?`,
			a.at.agent, a.at.ref.Event, a.at.ref.Endpoint, adoptScan)
		seen := 0
		for len(found) < adoptRows && r.next() {
			seen++
			o := orphan{waitingPlace: readPlace(r), owner: r.int(), nextAt: r.int()}
			last = o.waitingPlace
			if a.dead[o.owner] {
				found = append(found, o)
			}
		}
		end = len(found) < adoptRows && seen < adoptScan
		return r.close()
	})
	return found, end, last, err
}

func readPlace(r *rows) waitingPlace {
	return waitingPlace{waybell.AgentNumber(r.int()),
		waybell.DeliveryRef{Event: waybell.Key(r.int()), Endpoint: waybell.EndpointNumber(r.int())}}
}
