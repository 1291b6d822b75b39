package postgres

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

const (
	adoptRows = 1000
	// adoptMost is how many rows are looked up at once: more than a node has in
	// hand.
	adoptMost = 200_000
)

// adopting is how far the release of one dead node's rows has come.
type adopting struct {
	mu   sync.Mutex
	node int64 // 0 = none under way
	rows []orphan
	more bool // the dead node may own rows besides
}

// forget gives up where it has come to; the next call looks anew.
func (a *adopting) forget() { a.node, a.rows, a.more = 0, nil, false }

type orphan struct{ agent, event, endpoint int64 }

// Adopt implements [waybell.NodeStore]. A dead node is buried first: its row is
// locked against writes of its own that are under way, its epoch raised, and this
// committed. Only then, in new transactions, its rows are looked for and released.
func (s *Store) Adopt(ctx context.Context, lease waybell.Lease, now time.Time) (n int, more bool, err error) {
	a := &s.adopting
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.node == 0 {
		node, err := s.nextDead(ctx, lease)
		if err != nil || node == 0 {
			return 0, false, err
		}
		rows, err := s.orphans(ctx, node)
		if err != nil {
			return 0, false, err
		}
		a.node, a.rows, a.more = node, rows, len(rows) == adoptMost
	}
	piece := a.rows[:min(len(a.rows), adoptRows)]
	last := len(piece) == len(a.rows)
	err = s.write(ctx, lease, func(t *tx) error {
		n, t.rows = 0, len(piece)+1
		if err := t.adopt(a.node, piece, now, &n); err != nil {
			return err
		}
		if last && !a.more {
			t.queue("DELETE FROM nodes WHERE node = $1 AND dead", a.node)
		}
		return nil
	})
	if err != nil {
		a.forget()
		return 0, false, err
	}
	if a.rows = a.rows[len(piece):]; last {
		a.forget()
	}
	return n, true, nil
}

// sqlAdopt releases rows: see waybell.NodeStore.Adopt. The shift is bounded at
// twenty minutes' doublings, about two years.
const sqlAdopt = `UPDATE waiting w SET owner = 0, adopted = true, begun = false,
		deaths = w.deaths + (w.begun OR w.adopted AND w.deaths = 0)::int,
		next_at = CASE WHEN NOT w.begun THEN least(w.next_at, $1)
			WHEN w.deaths + 1 >= $2 THEN $1 + (60000000::bigint << least(w.deaths + 1 - $2, 20)) ELSE $1 END
	FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS o (agent, event, endpoint)
		CROSS JOIN LATERAL (
		SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
			AND x.owner = $6 OFFSET 0) p
	WHERE w.ctid = p.place
	RETURNING w.endpoint, w.next_at`

func (t *tx) adopt(node int64, rows []orphan, now time.Time, n *int) error {
	if len(rows) == 0 {
		return nil
	}
	var agents, events, endpoints []int64
	for _, r := range rows {
		agents, events, endpoints = append(agents, r.agent), append(events, r.event), append(endpoints, r.endpoint)
	}
	t.query(func(r pgx.CollectableRow) error {
		var e, at int64
		*n++
		err := r.Scan(&e, &at)
		t.touch(waybell.EndpointNumber(e))
		t.moved(waybell.EndpointNumber(e), moment(at))
		return err
	}, sqlAdopt, micros(now), waybell.SuspectDeaths, agents, events, endpoints, node)
	t.tell() // several nodes share the work
	return t.flush()
}

// sqlBegin looks rows up as sqlRelease does.
const sqlBegin = `UPDATE waiting w SET begun = true
	FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) AS o (ord, agent, event, endpoint)
		CROSS JOIN LATERAL (
		SELECT x.ctid AS place FROM waiting x WHERE x.agent = o.agent AND x.event = o.event AND x.endpoint = o.endpoint
			AND x.owner = $1 OFFSET 0) p
	WHERE w.ctid = p.place
	RETURNING o.ord`

// Begin implements [waybell.NodeStore].
func (s *Store) Begin(ctx context.Context, lease waybell.Lease, rows []waybell.Waiting) ([]bool, error) {
	var ords []int32
	var agents, events, endpoints []int64
	for i := range rows {
		ords = append(ords, int32(i))
	}
	slices.SortFunc(ords, func(a, b int32) int { // as outcomes are: they may meet
		x, y := &rows[a], &rows[b]
		return cmp.Or(cmp.Compare(x.Agent, y.Agent), cmp.Compare(x.Event, y.Event), cmp.Compare(x.Endpoint, y.Endpoint))
	})
	for _, i := range ords {
		w := &rows[i]
		agents, events, endpoints = append(agents, int64(w.Agent)), append(events, int64(w.Event)), append(endpoints, int64(w.Endpoint))
	}
	var marked []bool
	err := s.writeAgain(ctx, lease, func(t *tx) error {
		marked, t.rows = make([]bool, len(rows)), len(rows)
		t.query(func(r pgx.CollectableRow) error {
			var ord int32
			err := r.Scan(&ord)
			marked[ord] = true
			return err
		}, sqlBegin, t.node, ords, agents, events, endpoints)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return marked, nil
}

// orphans finds the rows of a dead node: it gets no new ones. No index has the
// owner, because every delivery would pay for it.
func (s *Store) orphans(ctx context.Context, node int64) (list []orphan, err error) {
	err = s.readAllWaiting(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, "SELECT agent, event, endpoint FROM waiting WHERE owner = $1 LIMIT $2", node, adoptMost)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (o orphan, err error) {
			err = r.Scan(&o.agent, &o.event, &o.endpoint)
			return o, err
		})
		return err
	})
	return list, err
}

// nodeRow is what adoption looks at.
type nodeRow struct {
	node, epoch, beats, adopter int64
	dead                        bool
	process                     string
}

// nextDead returns a dead node whose rows are this one's to release, or 0.
func (s *Store) nextDead(ctx context.Context, lease waybell.Lease) (int64, error) {
	rows, err := s.nodeRows(ctx)
	if err != nil {
		return 0, err
	}
	living := make(map[int64]bool, len(rows))
	beats := make(map[int64]int64, len(rows))
	own := false
	var ended []int64
	here := processOf(os.Getpid())
	for _, r := range rows {
		living[r.node] = !r.dead
		own = own || r.node == lease.Node && r.epoch == lease.Epoch && !r.dead
		if r.dead || s.leases.has(r.node) {
			continue
		}
		if beats[r.node] = r.beats; hasEnded(r.process, here) {
			ended = append(ended, r.node)
		}
	}
	if !own {
		return 0, fmt.Errorf("%w: node %d", waybell.ErrFenced, lease.Node)
	}
	for i, node := range append(ended, s.watch.silent(time.Now(), beats)...) {
		buried, err := s.bury(ctx, lease, node, beats[node])
		if err != nil {
			return 0, err
		}
		if buried {
			cause := "its heartbeat stopped"
			if i < len(ended) {
				cause = "its process ended, on this machine"
			}
			s.cfg.Logger.Info("a node's deliveries are taken over", "node", node, "cause", cause)
			return node, nil
		}
	}
	for _, r := range rows {
		switch {
		case !r.dead:
		case r.adopter == lease.Node:
			return r.node, nil
		case r.adopter == 0 || !living[r.adopter]:
			taken, err := s.takeOver(ctx, lease, r)
			if err != nil || taken {
				return r.node, err
			}
		}
	}
	return 0, nil
}

func (s *Store) nodeRows(ctx context.Context) (list []nodeRow, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT n.node, n.epoch, n.beats, n.adopter, n.dead, coalesce(p.process, '')
			FROM nodes n LEFT JOIN processes p ON p.node = n.node ORDER BY n.node`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (n nodeRow, err error) {
			err = r.Scan(&n.node, &n.epoch, &n.beats, &n.adopter, &n.dead, &n.process)
			return n, err
		})
		return err
	})
	return list, err
}

// bury takes a silent node's lease away, unless it stirs. The lock waits for its
// transactions under way, whose rows are then its own, and keeps others from
// beginning.
func (s *Store) bury(ctx context.Context, lease waybell.Lease, node, beats int64) (buried bool, err error) {
	err = s.write(ctx, lease, func(t *tx) error {
		var one int
		var err error
		buried, err = t.one("SELECT 1 FROM nodes WHERE node = $1 AND beats = $2 AND NOT dead FOR UPDATE", []any{node, beats}, &one)
		if err != nil || !buried {
			return err
		}
		t.queue(sqlBury, node, lease.Node)
		return nil
	})
	return buried, err
}

// takeOver makes this node the one that releases a dead node's rows: exactly one
// of those who try succeeds.
func (s *Store) takeOver(ctx context.Context, lease waybell.Lease, r nodeRow) (taken bool, err error) {
	err = s.write(ctx, lease, func(t *tx) error {
		n, err := t.exec("UPDATE nodes SET adopter = $1 WHERE node = $2 AND adopter = $3 AND dead", lease.Node, r.node, r.adopter)
		taken = n == 1
		return err
	})
	return taken, err
}
