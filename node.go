package waybell

import (
	"context"
	"fmt"
	"time"
)

// Role says which part of the work a node does. Nodes of all roles share one
// store; what one leaves undone another does.
type Role uint8

// The roles.
const (
	// RoleAll serves the API and delivers.
	RoleAll Role = iota
	// RoleAPI serves the API and the screens and sends nothing: what is published
	// to it is put aside for the nodes that deliver.
	RoleAPI
	// RoleWorker delivers, and serves health and metrics only.
	RoleWorker
)

// String is the word of settings and the API.
func (r Role) String() string { return [...]string{"all", "api", "worker"}[r] }

// Delivers tells whether nodes of the role send requests to endpoints.
func (r Role) Delivers() bool { return r != RoleAPI }

// ParseRole is the inverse of [Role.String].
func ParseRole(word string) (Role, error) {
	for _, r := range []Role{RoleAll, RoleAPI, RoleWorker} {
		if r.String() == word {
			return r, nil
		}
	}
	return 0, fmt.Errorf("role %q is none of all, api and worker", word)
}

// Lease is a node's right to write: every write of its engine carries it, and is
// refused with ErrFenced once the node's epoch was raised by another. What people
// change (configuration, sessions, settings, inboxes) needs none: it is the same
// whichever node writes it.
type Lease struct {
	Node  int64 // unique for each Join, never used again
	Epoch int64
	Slot  int // 0 to MaxNodeSlot, unique among living nodes: makes keys unique
	// Shared tells that other nodes may use the store: the lease has to be
	// confirmed by heartbeats, and their changes and their work to be looked
	// for. An embedded store is this process's own, and nothing polls.
	Shared bool
	// LastKey is at least the largest event key that any node with this slot
	// ever stored.
	LastKey Key
}

// NodeInfo is what a node says of itself when it joins.
type NodeInfo struct {
	Name    string
	Version string // of the program
	Role    Role
}

// NodeLoad is what a node has in hand.
type NodeLoad struct {
	InFlight int // attempts under way
	Queued   int // deliveries in memory that wait for one
}

// Node is a process that works with the store, or did and is not yet replaced.
type Node struct {
	NodeInfo
	NodeLoad
	Number   int64 // Lease.Node
	Slot     int
	JoinedAt time.Time // by the store's clock, as is SeenAt
	SeenAt   time.Time // the last heartbeat
	// Dead tells that its lease was taken away and its deliveries are being
	// released to the others.
	Dead bool
}

// NodeStore keeps the nodes' leases and moves the work of dead ones.
type NodeStore interface {
	// Join registers this process as a new node.
	Join(ctx context.Context, n NodeInfo) (Lease, error)
	// Heartbeat confirms the lease, ErrFenced when it was lost, and tells the
	// others the node's load.
	Heartbeat(ctx context.Context, lease Lease, load NodeLoad) error
	// Leave gives the lease back after its waiting rows were released. Rows it
	// still owns are adopted as if it had died.
	Leave(ctx context.Context, lease Lease) error
	// Adopt releases a bounded piece (about 1,000 rows) of the waiting rows that
	// dead nodes own, and tells how many there were, which may be none, and whether
	// there may be more. It may rest for some milliseconds, to spare others. The
	// epoch of a dead node is raised and committed before any of its rows is
	// touched. An embedded store holds the lock of its directory: every node of an
	// earlier process is dead. In a shared one a node is dead when its heartbeat has
	// not changed for 12 s in which this node could read it all the time, so that a
	// database that was away kills nobody, or when its process has certainly ended:
	// called about every second, Adopt looks. A released row is unowned, due as before,
	// but not after now, and marked Adopted; one that was Adopted before has one death
	// now, if it had none: two of its owners died, whatever they were doing. One that was
	// Begun is due at now, has its Deaths raised by one, loses Begun, and with Deaths >=
	// SuspectDeaths is due 2^(Deaths-SuspectDeaths) minutes after now.
	Adopt(ctx context.Context, lease Lease, now time.Time) (n int, more bool, err error)
	// Begin marks waiting rows as Begun: their node is about to send them, so if it
	// dies meanwhile, it may have died of them. It tells of each whether it is marked
	// now; one that the lease does not own (canceled meanwhile) is left alone. A row
	// loses the mark with its owner. Of rows only what names them and Attempts counts.
	Begin(ctx context.Context, lease Lease, rows []Waiting) ([]bool, error)
	// Nodes lists the living nodes and the dead ones not yet replaced, by Number.
	Nodes(ctx context.Context) ([]Node, error)
	// Changes has a value when other nodes may have changed the configuration, or
	// put work aside for this one. It is a hint that makes the others' doings seen
	// sooner: it may be missing or late, and polling goes on. It is nil where
	// there are no other nodes.
	Changes() <-chan struct{}
}

// nodeInfo is what this node joins as.
func (s *Service) nodeInfo() NodeInfo {
	return NodeInfo{Name: s.cfg.Node, Version: s.cfg.Version, Role: s.cfg.Role}
}

// load is what the dispatcher has in hand.
func (d *dispatcher) load() NodeLoad {
	d.mu.Lock()
	defer d.mu.Unlock()
	return NodeLoad{InFlight: d.inFlight, Queued: d.queued}
}
