package waybell

import (
	"context"
	"time"
)

// LogFilter chooses what a list of deliveries or events shows. Zero fields do
// not filter.
type LogFilter struct {
	EndpointID string    // deliveries only
	Type       string    // canonical name or alias
	State      string    // deliveries only
	StatusCode int       // deliveries only: of the last answer
	Since      time.Time // inclusive
	Until      time.Time // exclusive
	Cursor     string    // next_cursor of the page before
	Limit      int       // 1–250, 0 = 50
}

// DeliveryView is a delivery with what the API shows around it.
type DeliveryView struct {
	Delivery
	EndpointID string
	Attempts   []AttemptView // nil in lists
}

// AttemptView is an attempt with its decoded detail and the body that was
// sent, rendered again from the event.
type AttemptView struct {
	Attempt
	AttemptDetail
	// Body is the request's body; nil when its event is gone or it no longer
	// has the recorded SHA-256 (the format was changed by the operator since).
	Body []byte
}

// EventView is an event with its deliveries.
type EventView struct {
	Event
	Deliveries []DeliveryView // nil in lists
}

// Page is one page of a list; Next is the cursor for the rest, "" at the end.
type Page[T any] struct {
	Data []T
	Next string
}

// Ledger is the conservation ledger of an endpoint or agent:
// Accepted = Pending + Retrying + Delivered + Failed + Held + Canceled, always.
type Ledger struct {
	Accepted, Pending, Retrying, Delivered, Failed, Held, Canceled int64
}

// Deliveries lists an agent's deliveries, newest first.
func (s *Service) Deliveries(ctx context.Context, agentID string, f LogFilter) (Page[DeliveryView], error) {
	panic("pending")
}

// Delivery shows one delivery with all its attempts.
func (s *Service) Delivery(ctx context.Context, agentID, id string) (DeliveryView, error) {
	panic("pending")
}

// Events lists an agent's events, newest first.
func (s *Service) Events(ctx context.Context, agentID string, f LogFilter) (Page[EventView], error) {
	panic("pending")
}

// Event shows one event with its deliveries.
func (s *Service) Event(ctx context.Context, agentID, id string) (EventView, error) {
	panic("pending")
}

// Ledger returns the ledger of an agent, or of one of its endpoints.
func (s *Service) Ledger(ctx context.Context, agentID, endpointID string) (Ledger, error) {
	panic("pending")
}
