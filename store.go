package waybell

import (
	"context"
	"time"
)

// Store is the whole contract between the engine and its database. Its rules
// are written at each method and are held by internal/storetest, which every
// store must pass.
//
// The model is promise, work, record. An event row is the promise: inserted
// once, with its payload. A waiting row is the work: one small row per
// unsettled delivery, the only queue. Delivery rows (settled, with the final
// state) and attempt rows are the record.
//
// All methods are safe for concurrent use. Errors wrap the Err… variables of
// this package; ErrUnavailable may come from any method. Every time a caller
// gives is a parameter: a store reads no clock for what it stores, except that
// node leases may go by the database's own time. Times are kept to the
// microsecond.
//
// A write has reached the disk (fsync) when its method returns nil. A store
// combines the writes of many callers into one transaction (group commit); the
// context of a caller never reaches a commit: it only ends the wait for a
// place in it, before anything is written. Where a combined transaction fails
// because of one caller's row, it is repeated in halves, so that only that
// caller gets the error.
type Store interface {
	NodeStore
	AgentStore
	EndpointStore
	EventTypeStore
	KeyStore
	SessionStore
	SettingStore
	ConfigStore
	PublishStore
	WorkStore
	DeliveryStore
	EventStore
	MaintenanceStore
	StatisticsStore
	InboxStore
}

// SuspectDeaths is how many Deaths make a delivery run only alone and after the
// others.
const SuspectDeaths = 3

// ConfigStore tells what changed. Each change of an agent, endpoint, event type
// or key raises the configuration version, in the same transaction, and
// carries the new version in its row.
type ConfigStore interface {
	// ConfigVersion is the version of the newest change.
	ConfigVersion(ctx context.Context) (int64, error)
	// ConfigSince returns every row changed after version, deleted and revoked
	// ones too, with the version it is complete up to.
	ConfigSince(ctx context.Context, version int64) (ConfigChange, error)
}

// ConfigChange is what ConfigSince returns.
type ConfigChange struct {
	Version    int64
	Agents     []Agent
	Endpoints  []Endpoint
	EventTypes []EventType
	Keys       []APIKey
}

// PageQuery asks for a page of a list of configuration rows, newest first.
type PageQuery struct {
	After int64 // exclusive: numbers below it; 0 = from the newest
	Limit int
}

// AgentStore keeps the agents. Ids are unique among the living.
type AgentStore interface {
	// CreateAgent inserts a and returns it with Number and Version;
	// ErrExists when its id is taken.
	CreateAgent(ctx context.Context, a Agent) (Agent, error)
	// UpdateAgent replaces the row; ErrConflict unless a.Version is the stored
	// one, ErrNotFound when it was deleted. It returns the new version.
	UpdateAgent(ctx context.Context, a Agent) (Agent, error)
	// DeleteAgent marks the agent and all its endpoints as deleted at a.DeletedAt,
	// with CancelUpTo on each endpoint; its inboxes expire then. Version as for UpdateAgent, 0 = any.
	DeleteAgent(ctx context.Context, a Agent, cancelUpTo Key) error
	// Agent finds a living agent by its id, or ErrNotFound.
	Agent(ctx context.Context, id string) (Agent, error)
	// Agents lists living agents by falling number.
	Agents(ctx context.Context, q PageQuery) ([]Agent, error)
}

// EndpointStore keeps the endpoints. Of the two forms of headers and secrets it
// writes only Sealed.
type EndpointStore interface {
	// CreateEndpoint inserts e and returns it with Number and Version. With
	// limit > 0 it is refused with ErrConflict when the agent already has that
	// many living endpoints.
	CreateEndpoint(ctx context.Context, e Endpoint, limit int) (Endpoint, error)
	// UpdateEndpoint replaces the row (also to mark it as deleted: State
	// EndpointDeleted and DeletedAt); ErrConflict unless e.Version is the stored
	// one, ErrNotFound when it was deleted.
	UpdateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error)
	// Endpoint finds a living endpoint of an agent by its id, or ErrNotFound.
	Endpoint(ctx context.Context, agent AgentNumber, id string) (Endpoint, error)
	// Endpoints lists an agent's living endpoints by falling number.
	Endpoints(ctx context.Context, agent AgentNumber, q PageQuery) ([]Endpoint, error)
	// Counters returns the ledger rows of an agent's endpoints, deleted ones
	// too, summed over all nodes.
	Counters(ctx context.Context, agent AgentNumber) ([]Counters, error)
	// AllCounters returns the ledger rows of all endpoints that ever had a
	// delivery, summed over all nodes: for metrics and the start of the engine.
	AllCounters(ctx context.Context) ([]Counters, error)
}

// Counters is an endpoint's ledger as it is stored: changed in the same
// transaction as what it counts, never reduced by retention.
// Accepted = Pending + Retrying + Delivered + Failed + Canceled.
type Counters struct {
	Endpoint  EndpointNumber
	Accepted  int64 // deliveries promised by accepted events
	Pending   int64 // waiting rows without a finished attempt
	Retrying  int64 // waiting rows with one
	Delivered int64
	Failed    int64
	Canceled  int64
	// Health is the newest one written, see Settlement.
	Health Health
}

// Health is what an endpoint's last attempts say about it. It is written with
// the outcomes, so that a restart does not forget it.
type Health struct {
	LastSuccess  time.Time
	LastFailure  time.Time
	FailingSince time.Time // the first failure after the last success; zero while healthy
	Failures     int       // consecutive failures
	// Refusals counts the consecutive connect errors, timeouts and 5xx that
	// open the breaker, RefusedSince is when they began.
	Refusals     int
	RefusedSince time.Time
	Open         bool // the breaker is open: only probes go through
	// LastReason and LastStatus are those of the last attempt.
	LastReason Reason
	LastStatus int // 0 without an answer
}

// EventTypeStore keeps the registered types (built-in ones are not stored).
type EventTypeStore interface {
	// PutEventType inserts or replaces t and tells whether it was new.
	PutEventType(ctx context.Context, t EventType) (EventType, bool, error)
	// DeleteEventType; ErrNotFound when there is none.
	DeleteEventType(ctx context.Context, name string, now time.Time) error
}

// KeyStore keeps the API keys.
type KeyStore interface {
	// CreateKey inserts k. ErrExists when the hash is there already and works.
	CreateKey(ctx context.Context, k APIKey) (APIKey, error)
	// RevokeKey; ErrNotFound when there is no working key with this id.
	RevokeKey(ctx context.Context, id string, now time.Time) error
	// ReplaceRootKey makes k the only working root key: others are revoked in
	// the same transaction. Without effect when k.Hash is a working root key.
	ReplaceRootKey(ctx context.Context, k APIKey) error
	// Keys lists the working keys, newest first, all of them after the key with
	// the id after ("" = from the start; ErrNotFound when there never was one).
	Keys(ctx context.Context, after string, limit int) ([]APIKey, error)
}

// NewEvent is an event to be accepted with its deliveries.
type NewEvent struct {
	Event
	Targets []NewTarget
	// CustomID tells that ID was chosen by the caller: it is unique among the
	// agent's retained events. Otherwise ID is EventID(Key).
	CustomID bool
	// IdempotencyKey is unique per agent for 24 h after Key; "" = none.
	IdempotencyKey string
	// DueAt is when its deliveries were made, for where Key lies ahead of that:
	// see Due.
	DueAt time.Time
	// Hash is the SHA-256 of the request without defaults: a repetition with
	// another hash is a mismatch.
	Hash [32]byte
}

// Due is the first NextAt of the event's deliveries: the time of Key, or DueAt
// where that is given and a second earlier or more, because after a clock went
// back keys lie ahead of it.
func (e *NewEvent) Due() time.Time {
	at := e.Key.Time()
	if !e.DueAt.IsZero() && at.Sub(e.DueAt) > time.Second {
		return e.DueAt.UTC().Truncate(time.Microsecond)
	}
	return at
}

// NewTarget is one delivery of a new event.
type NewTarget struct {
	Endpoint  EndpointNumber
	WindowEnd time.Time // in unheld time, see Waiting
	// Aside leaves the row unowned and due at once: the node has no room for
	// it. Otherwise the node of the lease owns it and starts it from memory.
	Aside bool
}

// Accepted is the result for one event.
type Accepted struct {
	// Duplicate is the original, already durable, when CustomID or
	// IdempotencyKey were used before with the same hash; nothing was written.
	// Its fields Key, ID, Type, Timestamp and Deliveries are set.
	Duplicate *Event
	// Err is nil, or *Error with CodeIdempotencyMismatch (same id or key, other
	// hash; or id and key name different events).
	Err error
}

// PublishStore takes new events.
type PublishStore interface {
	// Accept writes events and their waiting rows in one transaction and counts
	// them as Accepted and Pending. Either all events of the call are written
	// (but for duplicates and mismatches, told per event), or none and an error
	// is returned: ErrConfigChanged when version is older than the store's
	// configuration version.
	Accept(ctx context.Context, lease Lease, version int64, events []*NewEvent) ([]Accepted, error)
}

// Waiting is an unsettled delivery: the work.
type Waiting struct {
	DeliveryRef
	Agent AgentNumber
	Type  string
	// Entered is a fresh key of the moment it began to wait: the event's own key
	// at first, a later one when it was re-opened. "Canceled up to" and "oldest
	// first" go by it.
	Entered Key
	// NextAt is when it is due; at first the time of the event's key.
	NextAt time.Time
	// WindowEnd is the end of its window less the time the endpoint was held in
	// all when it entered ("unheld time"): see Endpoint.Held.
	WindowEnd  time.Time
	Attempts   int    // finished attempts; their numbers go on after a re-open
	Cycle      int    // Attempts when the present schedule began
	StatusCode int    // of the last answer
	Reason     Reason // of the last attempt
	Owned      bool   // by some living or dead node; only that one may send it
	Adopted    bool   // an owner of it died
	Begun      bool   // see NodeStore.Begin
	Deaths     int    // see NodeStore.Adopt; with any it is marked as Begun before it is sent
	Panics     int    // recovered panics of its attempts
	Test       bool   // a test send: one attempt, and not held
}

// DueEndpoint is an endpoint with unowned waiting rows.
type DueEndpoint struct {
	Endpoint EndpointNumber
	NextAt   time.Time // the earliest NextAt of its unowned rows, suspects left out
}

// ClaimWant asks for due rows of one endpoint.
type ClaimWant struct {
	Endpoint EndpointNumber
	Max      int
	// Oldest, when not 0, asks for the due rows entered at or before it, by
	// rising Entered instead of rising NextAt.
	Oldest Key
	// Tests asks for the due test sends of all endpoints, by rising NextAt;
	// Endpoint and Oldest are 0. Other wants may return test sends, too.
	Tests bool
}

// SettleKind says what becomes of a waiting row.
type SettleKind uint8

// The kinds of settlement.
const (
	// SettleFinal deletes the waiting row and inserts the delivery row with
	// State, Reason and StatusCode.
	SettleFinal SettleKind = iota
	// SettleRetry keeps the row, unowned, with NextAt, Panics, and one more
	// finished attempt.
	SettleRetry
	// SettleRelease gives the row back without an attempt: unowned, with
	// NextAt; Begun is taken back.
	SettleRelease
)

// Settlement is the outcome of one delivery that the node owns.
type Settlement struct {
	DeliveryRef
	Agent AgentNumber
	Type  string // the event's; "" = as the waiting row says
	Kind  SettleKind
	// Attempt is the finished attempt, numbered one above the row's Attempts; nil
	// with SettleRelease, and with SettleFinal for a cancellation or an expiry
	// without an attempt.
	Attempt    *Attempt
	State      DeliveryState // SettleFinal: delivered, failed or canceled
	Reason     Reason
	NextAt     time.Time // SettleRetry, SettleRelease
	FinishedAt time.Time // SettleFinal
	Panics     int       // SettleRetry
	// Health, when not nil, becomes the endpoint's stored health.
	Health *Health
}

// WorkStore moves the waiting rows.
type WorkStore interface {
	// Due returns the endpoints whose earliest unowned, non-suspect waiting row
	// is due at or before until. Its cost does not grow with the number of rows.
	Due(ctx context.Context, until time.Time) ([]DueEndpoint, error)
	// Claim gives each want at most Max unowned rows with NextAt <= now and
	// Deaths < SuspectDeaths, by rising NextAt (or Entered), and makes the lease
	// their owner in the same transaction. Two claims never return the same row
	// while its owner lives.
	Claim(ctx context.Context, lease Lease, now time.Time, wants []ClaimWant) ([]Waiting, error)
	// ClaimSuspect claims the one row with Deaths >= SuspectDeaths that is due
	// longest, or returns ErrNotFound.
	ClaimSuspect(ctx context.Context, lease Lease, now time.Time) (Waiting, error)
	// Settle writes outcomes in one transaction, counters included. Where the waiting row is gone (canceled meanwhile),
	// the settled delivery stays as it is, except that canceled becomes
	// delivered by a 2xx; a row that is no longer the lease's (canceled and sent
	// again) only counts the attempt, and one that another node has in hand is left
	// alone, without the attempt: its number is that of the other's. A repeated
	// attempt row (same delivery and number) is ignored: a batch may be written
	// again after ErrCommitUnknown.
	Settle(ctx context.Context, lease Lease, outcomes []Settlement) error
	// Owned returns the waiting rows that the lease owns, in (Agent, Event,
	// Endpoint) order after the given one (zero = from the start). It sees what
	// each commit before it left, also those that ended with ErrCommitUnknown.
	Owned(ctx context.Context, lease Lease, after Waiting, limit int) ([]Waiting, error)
	// ExpireWaiting settles unowned rows of an endpoint that have been attempted
	// in this cycle (Attempts > Cycle) and whose WindowEnd is at or before end,
	// as failed with ReasonExpired; at most limit rows, looked at in order of
	// Entered and ending at the first row whose window is still open. It
	// returns how many.
	ExpireWaiting(ctx context.Context, lease Lease, e ExpireWaiting) (int, error)
	// CancelWaiting settles unowned rows of an endpoint with Entered <= upTo as
	// canceled, oldest first, at most limit. It returns how many.
	CancelWaiting(ctx context.Context, lease Lease, c CancelWaiting) (int, error)
	// BringForward sets NextAt of an endpoint's unowned rows that lie after
	// latest to latest, at most limit of them (a clock stepped back strands
	// nothing). It returns how many.
	BringForward(ctx context.Context, lease Lease, endpoint EndpointNumber, latest time.Time, limit int) (int, error)
}

// ExpireWaiting is the argument of the method of the same name.
type ExpireWaiting struct {
	Endpoint EndpointNumber
	End      time.Time // in unheld time
	Now      time.Time // FinishedAt
	Limit    int
}

// CancelWaiting is the argument of the method of the same name.
type CancelWaiting struct {
	Endpoint EndpointNumber
	UpTo     Key
	Now      time.Time // FinishedAt
	Limit    int
}

// DeliveryQuery asks for a page of the delivery log, newest first: by falling
// (Event, Endpoint).
type DeliveryQuery struct {
	Agent AgentNumber
	// After is the cursor: only rows below it; zero = from the newest.
	After DeliveryRef
	Since Key // inclusive, 0 = no bound
	Until Key // exclusive, 0 = no bound
	// Endpoints, when not nil, are the only ones wanted.
	Endpoints []EndpointNumber
	// ExceptEndpoints are left out.
	ExceptEndpoints []EndpointNumber
	Type            string // "" = all
	// States wanted; nil = all. Held is not stored: callers ask for pending and
	// retrying of the endpoints that are held.
	States []DeliveryState
	Status *StatusRange // of the last answer; nil = all
	Limit  int
	Scan   int // rows looked at, at most
}

// StatusRange bounds a status, both ends included. A delivery without an answer
// has the status 0.
type StatusRange struct{ From, To int }

// Has tells whether a status lies in the range; all do in none.
func (r *StatusRange) Has(status int) bool { return r == nil || r.From <= status && status <= r.To }

// DeliveryPage is a page of the log. Next is the cursor for the rest: the last
// row looked at, or zero at the end of the list. A filtered page may hold fewer
// rows than Limit, even none, and still have a Next.
type DeliveryPage struct {
	Deliveries []Delivery
	Next       DeliveryRef
}

// DeliveryStore reads and repairs the log.
type DeliveryStore interface {
	// Delivery finds one delivery of an agent, waiting or settled; ErrNotFound.
	Delivery(ctx context.Context, agent AgentNumber, ref DeliveryRef) (Delivery, error)
	// Deliveries lists waiting and settled deliveries together. Its cost is
	// bounded by Scan, not by the size of the log.
	Deliveries(ctx context.Context, q DeliveryQuery) (DeliveryPage, error)
	// EventDeliveries lists all deliveries of one event, by Endpoint.
	EventDeliveries(ctx context.Context, agent AgentNumber, event Key) ([]Delivery, error)
	// Attempts lists so many of the newest attempts of a delivery, by Number.
	Attempts(ctx context.Context, agent AgentNumber, ref DeliveryRef, newest int) ([]Attempt, error)
	// Requeue makes deliveries due now, all in one transaction, and tells of
	// each, in order, what became of it. A waiting one that is unowned becomes
	// due at Now and keeps its cycle; an owned one is left as it is (its attempt
	// is under way); a settled one waits again: unowned, due at Now, Entered and
	// WindowEnd as given, Cycle = Attempts. A waiting one, owned or not, that
	// entered at or before CanceledUpTo is settled as canceled first, and then
	// waits again like any settled one. Attempts never overlap: a delivery that
	// was canceled, or is so now, while another living node owned it is refused
	// with ErrConflict, and left as it is, until that node has settled it in any
	// way (its attempt, a release) or is dead. Of what the lease's own node has in
	// hand the caller knows.
	Requeue(ctx context.Context, lease Lease, list []Requeue) ([]Requeued, error)
	// CancelDelivery settles a waiting delivery as canceled, owned or not; a
	// settled one is ErrConflict, none ErrNotFound.
	CancelDelivery(ctx context.Context, lease Lease, agent AgentNumber, ref DeliveryRef, now time.Time) error
}

// Requeue is one delivery for the method of the same name.
type Requeue struct {
	DeliveryRef
	Agent        AgentNumber
	Now          time.Time
	Entered      Key
	WindowEnd    time.Time // in unheld time
	CanceledUpTo Key       // 0 = nothing waits that counts as canceled
}

// Requeued is what became of a [Requeue]: the row as it waits, ErrNotFound where
// there is no such delivery or its event is gone, or ErrConflict while another
// node's attempt of it is under way; the others are requeued nevertheless.
type Requeued struct {
	Waiting
	Err error
}

// EventQuery asks for a page of an agent's events, newest first.
type EventQuery struct {
	Agent AgentNumber
	After Key // exclusive: keys below it; 0 = from the newest
	Since Key // inclusive, 0 = no bound
	Until Key // exclusive, 0 = no bound
	Type  string
	Limit int
	Scan  int
}

// EventPage is a page of events with the cursor for the rest, 0 at the end.
type EventPage struct {
	Events []Event
	Next   Key
}

// EventStore reads events.
type EventStore interface {
	// Event finds an event of an agent by its key; ErrNotFound.
	Event(ctx context.Context, agent AgentNumber, key Key) (Event, error)
	// EventByID finds an event by its webhook-id: chosen ids first, then ids
	// made by EventID; ErrNotFound.
	EventByID(ctx context.Context, agent AgentNumber, id string) (Event, error)
	// EventsByKey returns the events with the given keys that are there, in any
	// order, payloads included: what the sender needs for claimed deliveries.
	EventsByKey(ctx context.Context, refs []EventRef) ([]Event, error)
	// ListEvents lists an agent's events; its cost is bounded by Scan.
	ListEvents(ctx context.Context, q EventQuery) (EventPage, error)
}

// EventRef names an event with its agent, so that a store spread by agent
// knows where to look.
type EventRef struct {
	Agent AgentNumber
	Key   Key
}

// MaintenanceStore keeps the store small and sound.
type MaintenanceStore interface {
	// Sweep removes events older than before with all that belongs to them, in
	// key order, in short transactions, for about budget at most; waiting rows
	// among them are first settled as canceled (the ledger keeps them). It
	// returns how many events went and whether there may be more. It never
	// keeps a publisher waiting for more than 50 ms. A store may keep events up
	// to the end of the day (UTC) that the key's time lies in, and remove whole
	// days.
	Sweep(ctx context.Context, lease Lease, before Key, budget time.Duration) (n int, more bool, err error)
	// SweepIdempotency removes Idempotency-Keys of events before the key, in
	// the same manner.
	SweepIdempotency(ctx context.Context, lease Lease, before Key, budget time.Duration) (n int, more bool, err error)
	// Stats are figures for metrics and the bench.
	Stats(ctx context.Context) (StoreStats, error)
	// Close ends the store. Writes under way are finished first.
	Close() error
}

// StoreStats are a store's own figures since it was opened.
type StoreStats struct {
	Driver     string // "sqlite" or "postgres"
	Commits    int64
	CommitTime time.Duration // in all
	CommitRows int64
	SizeBytes  int64
	LogBytes   int64 // of the write-ahead log
	EventsKept int64 // an estimate
}
