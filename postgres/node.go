package postgres

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// lease is what this process knows of a lease of its own, at one moment.
type lease struct {
	node, epoch int64
	// incarnation is raised by the node itself after a commit of unknown outcome:
	// whatever of it still reaches the server finds the lease changed.
	incarnation int64
	// raising is the largest incarnation that was asked for. While it is larger, the
	// database may have either: its answer was lost, or is still to come.
	raising    int64
	slot, seat int
	doubtful   bool        // a commit's outcome is unknown
	bound      waybell.Key // keys below it may be stored, see slots.last_key
}

// leases are those of this process by their node. Usually there is one.
type leases struct {
	mu     sync.Mutex
	byNode map[int64]*lease
}

// get returns the lease as it is now. One of another process is the database's to
// judge.
func (l *leases) get(of waybell.Lease) (*lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.byNode[of.Node]
	if own == nil {
		return &lease{node: of.Node, epoch: of.Epoch, slot: of.Slot, seat: -1}, nil
	}
	if own.epoch != of.Epoch {
		return nil, fmt.Errorf("%w: node %d", waybell.ErrFenced, of.Node)
	}
	now := *own
	return &now, nil
}

func (l *leases) put(own lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byNode == nil {
		l.byNode = make(map[int64]*lease)
	}
	l.byNode[own.node] = &own
}

func (l *leases) remove(node int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byNode, node)
}

func (l *leases) has(node int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byNode[node] != nil
}

// raised tells whether the incarnation has changed since used was got.
func (l *leases) raised(used *lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.byNode[used.node]
	return own != nil && own.incarnation != used.incarnation
}

// raise is the next incarnation to ask for: one that nothing under way carries,
// nor anything that only arrives later.
func (l *leases) raise(node int64) (to int64) {
	l.update(node, func(own *lease) {
		own.raising = max(own.raising, own.incarnation) + 1
		to = own.raising
	})
	return to
}

// unsure tells whether the database may have a larger incarnation than is known
// here.
func (l *leases) unsure(node int64) (unsure bool) {
	l.update(node, func(own *lease) { unsure = own.raising > own.incarnation })
	return unsure
}

// doubt notes that a commit's outcome is unknown.
func (l *leases) doubt(used *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.byNode[used.node]; own != nil {
		own.doubtful = true
	}
}

func (l *leases) update(node int64, f func(*lease)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.byNode[node]; own != nil {
		f(own)
	}
}

// Join implements [waybell.NodeStore]. The slot used longest ago is taken, so
// that keys of its last user lie behind.
func (s *Store) Join(ctx context.Context, n waybell.NodeInfo) (waybell.Lease, error) {
	var got waybell.Lease
	var own lease
	process := ""
	if !s.joined.Load() { // else it was fenced: who took it for ended may do so again
		process = processOf(os.Getpid())
	}
	err := s.transact(ctx, nil, func(t *tx) error {
		got, own = waybell.Lease{Epoch: 1, Shared: true}, lease{epoch: 1}
		t.queue("SELECT FROM config FOR NO KEY UPDATE") // one joins at a time
		free, err := t.one(`SELECT slot, last_key, (SELECT min(s) FROM generate_series(0, (SELECT count(*) FROM nodes)) s
				WHERE s NOT IN (SELECT seat FROM nodes))
			FROM slots WHERE slot NOT IN (SELECT slot FROM nodes) ORDER BY last_key, slot LIMIT 1`, nil,
			&got.Slot, &got.LastKey, &own.seat)
		if err != nil {
			return err
		}
		if !free {
			return fmt.Errorf("%w: all %d node slots are taken", waybell.ErrUnavailable, waybell.MaxNodeSlot+1)
		}
		_, err = t.one(`INSERT INTO nodes (name, version, role, slot, seat, epoch, incarnation, beats, in_flight, queued,
				dead, adopter, joined_at, seen_at)
			VALUES ($1, $2, $3, $4, $5, 1, 0, 0, 0, 0, false, 0, clock_timestamp(), clock_timestamp()) RETURNING node`,
			[]any{[]byte(n.Name), n.Version, int16(n.Role), got.Slot, own.seat}, &got.Node)
		if err != nil {
			return err
		}
		t.queue("DELETE FROM processes p WHERE NOT EXISTS (SELECT FROM nodes n WHERE n.node = p.node)")
		if process != "" {
			t.queue("INSERT INTO processes (node, process) VALUES ($1, $2)", got.Node, process)
		}
		return nil
	})
	if err != nil {
		return waybell.Lease{}, err
	}
	own.node, own.slot, own.bound = got.Node, got.Slot, got.LastKey
	s.joined.Store(true)
	s.leases.put(own)
	s.watch.join(got.Node)
	return got, nil
}

// Heartbeat implements [waybell.NodeStore]. A heartbeat need not be on disk: it
// says that the node lives now. A failover to a standby that was behind may have
// lost that the incarnation was raised: the node would live and could write
// nothing, so the row gets it back.
func (s *Store) Heartbeat(ctx context.Context, lease waybell.Lease, load waybell.NodeLoad) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	own, err := s.leases.get(lease)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var b pgx.Batch
	b.Queue("SELECT set_config('synchronous_commit', 'off', true)")
	beaten := false
	b.Queue(`UPDATE nodes SET beats = beats + 1, seen_at = clock_timestamp(), in_flight = $3, queued = $4,
			incarnation = greatest(incarnation, $5)
		WHERE node = $1 AND epoch = $2 AND NOT dead RETURNING node`, lease.Node, lease.Epoch, load.InFlight, load.Queued, own.incarnation).
		Query(func(rows pgx.Rows) error {
			for rows.Next() {
				beaten = true
			}
			return rows.Err()
		})
	if err := s.pool.SendBatch(within, &b).Close(); err != nil {
		s.note(s.pool, err)
		return s.patience(ctx, err)
	}
	if !beaten {
		return fmt.Errorf("%w: node %d", waybell.ErrFenced, lease.Node)
	}
	s.watch.beat(time.Now())
	return nil
}

const sqlBury = `UPDATE nodes SET dead = true, epoch = epoch + 1, adopter = $2 WHERE node = $1`

// Leave implements [waybell.NodeStore].
func (s *Store) Leave(ctx context.Context, lease waybell.Lease) error {
	err := s.write(ctx, lease, func(t *tx) error {
		t.queue("SELECT FROM nodes WHERE node = $1 FOR UPDATE", lease.Node)
		t.queue(sqlBury, lease.Node, int64(0))
		t.tell()
		return nil
	})
	if err == nil {
		s.leases.remove(lease.Node)
	}
	return err
}

// Nodes implements [waybell.NodeStore].
func (s *Store) Nodes(ctx context.Context) (list []waybell.Node, err error) {
	err = s.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT node, name, version, role, slot, in_flight, queued, dead, joined_at, seen_at
			FROM nodes ORDER BY node`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (n waybell.Node, err error) {
			var name []byte
			var role int16
			err = r.Scan(&n.Number, &name, &n.Version, &role, &n.Slot, &n.InFlight, &n.Queued, &n.Dead, &n.JoinedAt, &n.SeenAt)
			n.Name, n.Role = string(name), waybell.Role(role)
			n.JoinedAt, n.SeenAt = n.JoinedAt.UTC(), n.SeenAt.UTC()
			return n, err
		})
		return err
	})
	return list, err
}

// Changes implements [waybell.NodeStore].
func (s *Store) Changes() <-chan struct{} { return s.changes }

// sqlTell has the other nodes look at once. The payload is who told.
const sqlTell = "SELECT pg_notify('waybell', $1)"

// listenAgain is how long a broken connection that listens is left alone.
const listenAgain = time.Second

// listenURL is where notifications can be heard, or "".
func (s *Store) listenURL() string {
	if s.cfg.ListenURL != "" {
		return s.cfg.ListenURL
	}
	if s.pooled {
		return ""
	}
	return s.cfg.URL
}

// listen passes the other nodes' notifications on until the store closes. What is
// missed while the connection is broken is found by polling.
func (s *Store) listen(url string) {
	for s.ctx.Err() == nil {
		err := s.hear(url)
		if s.ctx.Err() != nil {
			return
		}
		s.cfg.Logger.Warn("changes of other nodes are looked for instead of heard", "error", translate(err))
		wait := time.NewTimer(listenAgain)
		select {
		case <-wait.C:
		case <-s.ctx.Done():
			wait.Stop()
		}
	}
}

func (s *Store) hear(url string) error {
	conn, err := dial(s.ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(s.ctx)) //nolint:errcheck // it only listened
	if _, err := conn.Exec(s.ctx, "LISTEN waybell"); err != nil {
		return err
	}
	s.listening.Store(true)
	defer s.listening.Store(false)
	for {
		n, err := conn.WaitForNotification(s.ctx)
		if err != nil {
			return err
		}
		if n.Payload == s.watch.self() {
			continue
		}
		s.due.stale()
		select {
		case s.changes <- struct{}{}:
		default:
		}
	}
}

// watch is what this process has seen of the others.
type watch struct {
	mu      sync.Mutex
	own     int64
	seen    map[int64]sighting
	sampled time.Time // monotonic, as is beaten
	beaten  time.Time // when a heartbeat of this node's was last confirmed
	// presume takes every node for dead that is not this process's: tests' way
	// to end a process.
	presume bool
	// deadAfter and gap are nodeDeadAfter and lookGap; tests have less time.
	deadAfter, gap time.Duration
}

// sighting is a node's heartbeat and since when it stands still.
type sighting struct {
	beats int64
	since time.Time
}

const (
	// nodeDeadAfter is how long a heartbeat must stand still, seen by a node that
	// could look all the time. It is longer than a cut-off node keeps sending
	// (8 s), by more than clocks differ over such a time.
	nodeDeadAfter = 12 * time.Second
	// lookGap is how long this node may not have looked: after more, nothing it saw
	// before counts. Nor does anything seen while its own heartbeats failed for twice
	// as long: a database that answers and takes no writes silences everybody.
	lookGap = 3 * time.Second
)

func (w *watch) join(node int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own, w.beaten = node, time.Now()
}

// beat notes a confirmed heartbeat of this node's.
func (w *watch) beat(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beaten = now
}

func (w *watch) self() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strconv.FormatInt(w.own, 10)
}

// silent takes a sample of the heartbeats and returns the nodes that have stood
// still for too long.
func (w *watch) silent(now time.Time, beats map[int64]int64) (dead []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.sampled) > w.gap || now.Sub(w.beaten) > 2*w.gap {
		w.seen = nil
	}
	w.sampled = now
	seen := make(map[int64]sighting, len(beats))
	for node, n := range beats {
		old, known := w.seen[node]
		if !known || old.beats != n {
			old = sighting{n, now}
		}
		seen[node] = old
		if w.presume || now.Sub(old.since) >= w.deadAfter {
			dead = append(dead, node)
		}
	}
	w.seen = seen
	return dead
}
