// Package transfer is what one store hands to another when all its data moves:
// sqlite gives it and postgres takes it, so that neither knows the other. Keys
// and numbers stay as they are, and with them the ids of everything.
package transfer

import (
	"context"

	"github.com/waybell/waybell"
)

// Source is a store that nobody else uses while it is read, so that it does not
// change between the calls. Lists come in the order of their keys, from after
// what the caller had last; an empty one is the end.
type Source interface {
	// Configuration is all that is small.
	Configuration(ctx context.Context) (*Configuration, error)
	// Events are the next events with all that belongs to them.
	Events(ctx context.Context, after waybell.Key) (*Piece, error)
	// Promises are the next chosen ids and idempotency keys.
	Promises(ctx context.Context, after Promise) ([]Promise, error)
	// Tallies are the next statistics.
	Tallies(ctx context.Context, after TallyKey) ([]Tally, error)
	// Counts counts what is there.
	Counts(ctx context.Context) (Counts, error)
}

// Configuration is what does not grow with the number of events. Rows of what
// was deleted are among it: the log names them.
type Configuration struct {
	Version    int64 // of the newest change
	Agents     []waybell.Agent
	Endpoints  []waybell.Endpoint // sealed
	EventTypes []waybell.EventType
	Keys       []waybell.APIKey // oldest first
	Inboxes    []waybell.Inbox  // without what they received
	Settings   []Setting
	Counters   []Counters
	// LastKey is at least the largest key that the source ever gave.
	LastKey waybell.Key
}

// Setting is something that is set while the server runs.
type Setting struct {
	Name  string
	Value []byte
}

// Counters are an endpoint's ledger and health, with its agent.
type Counters struct {
	Agent waybell.AgentNumber
	waybell.Counters
}

// Piece is some events and all that belongs to them, waiting rows unowned.
type Piece struct {
	Events     []waybell.Event
	Waiting    []waybell.Waiting
	Deliveries []waybell.Delivery // settled
	Attempts   []waybell.Attempt
}

// Last is the key to go on after.
func (p *Piece) Last() waybell.Key { return p.Events[len(p.Events)-1].Key }

// Rows is how many rows of all tables the piece has.
func (p *Piece) Rows() int {
	return len(p.Events) + len(p.Waiting) + len(p.Deliveries) + len(p.Attempts)
}

// Promise is a chosen id (kind 0) or an idempotency key (kind 1) of an agent.
type Promise struct {
	Agent waybell.AgentNumber `json:"agent"`
	Kind  int                 `json:"kind"`
	Key   string              `json:"key"`
	Event waybell.Key         `json:"-"`
	Hash  []byte              `json:"-"`
}

// TallyKey is the key of a row of statistics: Step in seconds, At in
// microseconds since the Unix epoch.
type TallyKey struct {
	Agent    int64 `json:"agent"`
	Endpoint int64 `json:"endpoint"`
	Step     int64 `json:"step"`
	At       int64 `json:"at"`
}

// Tally is a row of statistics, as package internal/statistics encodes it.
type Tally struct {
	TallyKey
	Encoded []byte
}

// Counts is how much there is, to tell whether two stores hold the same.
type Counts struct {
	Agents     int64  `json:"agents"` // deleted ones too, as of all
	Endpoints  int64  `json:"endpoints"`
	EventTypes int64  `json:"event_types"`
	Keys       int64  `json:"keys"`
	Inboxes    int64  `json:"inboxes"`
	Events     int64  `json:"events"`
	Waiting    int64  `json:"waiting"`
	Deliveries int64  `json:"settled_deliveries"`
	Attempts   int64  `json:"attempts"`
	Promises   int64  `json:"idempotency_keys"`
	Tallies    int64  `json:"statistics_rows"`
	Ledger     Ledger `json:"ledger"`
}

// Ledger is the sum of the ledgers of all endpoints.
type Ledger struct {
	Accepted  int64 `json:"accepted"`
	Pending   int64 `json:"pending"`
	Retrying  int64 `json:"retrying"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	Canceled  int64 `json:"canceled"`
}
