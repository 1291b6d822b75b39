package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/memstore"
)

const encryptionKey = waybell.Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")

// node is a process of the simulated installation.
type node struct {
	name  string
	world *world
	link  *link
	svc   *waybell.Service
	solo  bool // the only one, on an embedded store

	distance time.Duration // between it and the store

	mu       sync.Mutex
	leases   []held
	crashed  bool
	cutOff   bool // told to stop, and its grace is over: what it sends is broken off
	conns    map[net.Conn]bool
	trouble  time.Time     // until when it may not know what the others did
	frozen   chan struct{} // closed at the end of a freeze; nil = none
	froze    time.Time     // when it last did
	outage   time.Time     // until when its store is away
	unknown  time.Time     // until when commits may end with an unknown outcome
	lag      time.Duration // how long each call of the store takes
	laggedTo time.Time
}

// held is a lease with the time from which it was held.
type held struct {
	waybell.Lease
	from time.Time
}

// leaseAt is the lease that the node had at a time.
func (n *node) leaseAt(at time.Time) waybell.Lease {
	n.mu.Lock()
	defer n.mu.Unlock()
	var l waybell.Lease
	for _, h := range n.leases {
		if !h.from.After(at) {
			l = h.Lease
		}
	}
	return l
}

// newNode starts a process.
func (w *world) newNode(solo bool) *node {
	w.made++
	n := &node{name: fmt.Sprintf("n%d", w.made), world: w, solo: solo, conns: map[net.Conn]bool{},
		distance: time.Duration(w.made%64) * 10_007}
	n.link = &link{node: n, Store: w.store.With(memstore.Options{Shared: !solo, Fault: n.fault})}
	cfg := waybell.Config{
		Store: n.link, EncryptionKeys: []waybell.Secret{encryptionKey}, Node: n.name, Version: n.name,
		Logger: slog.New(&errorLog{node: n}), Resolver: hosts{}, Dial: n.dial, Random: w.jitter,
		OnAttempt: n.report, Formats: format.Config{RetryPolicies: ownPolicies()}, Limits: w.limits,
	}
	var err error
	if n.svc, err = waybell.New(cfg); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.byName[n.name] = n
	w.mu.Unlock()
	if solo {
		w.store.Crash() // whoever had the store before
	}
	if err := n.svc.Start(w.ctx); err != nil {
		w.violation("%s does not start: %v", n.name, err)
	}
	w.nodes = append(w.nodes, n)
	w.troubled(0)
	return n
}

// crash ends a process without a word: nothing that it does from now on reaches
// the store or a receiver. Its goroutines are ended behind the scene.
func (n *node) crash() {
	n.mu.Lock()
	n.crashed = true
	thaw := n.frozen
	n.frozen = nil
	conns := n.conns
	n.conns = map[net.Conn]bool{}
	n.mu.Unlock()
	n.world.broken(n)
	for c := range conns {
		c.Close()
	}
	if thaw != nil {
		close(thaw)
	}
	n.world.dying.Go(func() {
		ctx, cancel := context.WithCancel(n.world.ctx)
		cancel()
		_ = n.svc.Stop(ctx) // what it says is a dead process's
	})
	n.world.gone(n)
}

// stop ends a process as SIGTERM does.
func (n *node) stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(n.world.ctx, grace)
	defer cancel()
	context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.cutOff = true
		}
	})
	_ = n.svc.Stop(ctx) // an error is a store that is away
	n.world.gone(n)
	n.world.broken(n)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *node) dead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.crashed
}

// thawed waits for the end of a freeze.
func (n *node) thawed(ctx context.Context) error {
	n.mu.Lock()
	thaw := n.frozen
	n.mu.Unlock()
	if thaw == nil {
		return nil
	}
	select {
	case <-thaw:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayBeUnknown are the calls whose commit may end with an unknown outcome.
const mayBeUnknown = " Accept Settle Claim ClaimSuspect Begin Requeue CancelDelivery CancelWaiting ExpireWaiting AddStatistics Adopt "

// fault is the node's way to the store: see [memstore.Fault].
func (n *node) fault(ctx context.Context, method string) (before, after error) {
	if err := n.thawed(ctx); err != nil {
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, err), nil
	}
	n.mu.Lock()
	now := time.Now()
	lag, away := n.lag, now.Before(n.outage)
	unknown := now.Before(n.unknown) && strings.Contains(mayBeUnknown, " "+method+" ")
	if now.After(n.laggedTo) {
		lag = 0
	}
	if method == "Claim" && !n.solo { // two that want the same at the same moment come one after the other
		lag += n.distance
	}
	n.mu.Unlock()
	if lag > 0 && pause(ctx, lag) != nil {
		return fmt.Errorf("%w: %w", waybell.ErrUnavailable, ctx.Err()), nil
	}
	if n.dead() { // also when it died while it waited
		return waybell.ErrUnavailable, nil
	}
	if away {
		return waybell.ErrUnavailable, nil
	}
	if unknown {
		switch n.world.hash(uint64(now.UnixNano()), uint64(len(method)), uint64(method[0])) % 6 {
		case 0:
			return waybell.ErrCommitUnknown, nil
		case 1, 2:
			return nil, waybell.ErrCommitUnknown
		}
	}
	return nil, nil
}

// link is a node's way to the store. It notes what was committed, and looks that
// nothing is that may not be.
type link struct {
	*memstore.Store
	node *node
}

// checked is a write under a lease: one that is lost may not get through.
func checked[T any](l *link, lease waybell.Lease, what string, call func() (T, error)) (T, error) {
	alive := l.Store.Alive(lease)
	v, err := call()
	if err == nil && !alive {
		l.node.world.violation("%s of %s went through though node %d had lost its lease", what, l.node.name, lease.Node)
	}
	return v, err
}

func (l *link) Join(ctx context.Context, info waybell.NodeInfo) (waybell.Lease, error) {
	lease, err := l.Store.Join(ctx, info)
	if err == nil {
		l.node.mu.Lock()
		l.node.leases = append(l.node.leases, held{lease, time.Now()})
		l.node.mu.Unlock()
		l.node.world.troubled(0)
	}
	return lease, err
}

func (l *link) Accept(ctx context.Context, lease waybell.Lease, v int64, e []*waybell.NewEvent) ([]waybell.Accepted, error) {
	return checked(l, lease, "an accept", func() ([]waybell.Accepted, error) { return l.Store.Accept(ctx, lease, v, e) })
}

func (l *link) Claim(ctx context.Context, lease waybell.Lease, now time.Time, wants []waybell.ClaimWant) ([]waybell.Waiting, error) {
	rows, err := checked(l, lease, "a claim", func() ([]waybell.Waiting, error) { return l.Store.Claim(ctx, lease, now, wants) })
	l.node.world.claimed(lease, rows)
	return rows, err
}

func (l *link) ClaimSuspect(ctx context.Context, lease waybell.Lease, now time.Time) (waybell.Waiting, error) {
	row, err := checked(l, lease, "a claim", func() (waybell.Waiting, error) { return l.Store.ClaimSuspect(ctx, lease, now) })
	if err == nil {
		l.node.world.claimed(lease, []waybell.Waiting{row})
	}
	return row, err
}

func (l *link) Begin(ctx context.Context, lease waybell.Lease, rows []waybell.Waiting) ([]bool, error) {
	marked, err := checked(l, lease, "a mark", func() ([]bool, error) { return l.Store.Begin(ctx, lease, rows) })
	l.node.world.marked(lease, rows, marked)
	return marked, err
}

func (l *link) Settle(ctx context.Context, lease waybell.Lease, outcomes []waybell.Settlement) error {
	_, err := checked(l, lease, "a settlement", func() (struct{}, error) {
		return struct{}{}, l.Store.Settle(ctx, lease, outcomes)
	})
	return err
}

// Requeue notes which deliveries began anew.
func (l *link) Requeue(ctx context.Context, lease waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	got, err := checked(l, lease, "a re-send", func() ([]waybell.Requeued, error) { return l.Store.Requeue(ctx, lease, list) })
	if err == nil || errors.Is(err, waybell.ErrCommitUnknown) {
		for i := range list {
			l.node.world.requeued(list[i].DeliveryRef)
		}
	}
	return got, err
}

// BringForward notes whose plans it changed.
func (l *link) BringForward(ctx context.Context, lease waybell.Lease, e waybell.EndpointNumber, latest time.Time, limit int) (int, error) {
	n, err := l.Store.BringForward(ctx, lease, e, latest, limit)
	if n > 0 {
		l.node.world.broughtForward(e)
	}
	return n, err
}

// What changes the configuration notes what it became.

func (l *link) CreateEndpoint(ctx context.Context, e waybell.Endpoint, limit int) (waybell.Endpoint, error) {
	defer l.node.world.noteConfig(l.node)
	return l.Store.CreateEndpoint(ctx, e, limit)
}

func (l *link) UpdateEndpoint(ctx context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	defer l.node.world.noteConfig(l.node)
	return l.Store.UpdateEndpoint(ctx, e)
}

func (l *link) DeleteAgent(ctx context.Context, a waybell.Agent, upTo waybell.Key) error {
	defer l.node.world.noteConfig(l.node)
	return l.Store.DeleteAgent(ctx, a, upTo)
}

// hosts resolves "e<number>.example" to an address of its own.
type hosts struct{}

func (hosts) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var number int
	if _, err := fmt.Sscanf(host, "e%d.", &number); err != nil {
		return nil, err
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{93, 184, byte(number >> 8), byte(number)})}, nil
}

// dial leads every address to the receiver, unless it refuses connections.
func (n *node) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := n.thawed(ctx); err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	ip := at.Addr().As4()
	number := int(ip[2])<<8 | int(ip[3])
	if n.dead() || n.world.refuses(number) {
		pause(ctx, time.Duration(1+n.world.hash(uint64(number), uint64(time.Now().UnixNano()))%5_000_000))
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	raw, err := n.world.receiver.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, node: n}
	n.mu.Lock()
	n.conns[c] = true
	n.mu.Unlock()
	return c, nil
}

// conn is a connection of a node that may freeze.
type conn struct {
	net.Conn
	node *node
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.node.thawed(c.node.world.ctx); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.node.mu.Lock()
	delete(c.node.conns, c)
	c.node.mu.Unlock()
	return c.Conn.Close()
}

// errorLog takes a node's log: a panic is a violation.
type errorLog struct{ node *node }

func (*errorLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (h *errorLog) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "panic") || strings.Contains(r.Message, "refuses it") {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
		h.node.world.violation("%s logs: %s", h.node.name, text)
	}
	return nil
}

func (h *errorLog) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *errorLog) WithGroup(string) slog.Handler      { return h }
