package waybell

import (
	"time"

	"github.com/waybell/waybell/format"
)

// Event is something that happened at an agent, as it is stored. Data and
// Messages are canonical JSON bytes (JavaScript-stable, see internal/jsjson):
// the formats copy them, they are never re-encoded.
type Event struct {
	Key       Key
	Agent     AgentNumber
	AgentID   string
	AgentName string // at the time of publishing, so that bodies stay a function of the event
	ID        string // the webhook-id: the caller's own, or EventID(Key)
	Type      string // canonical
	Timestamp time.Time
	Data      []byte // a JSON object
	Messages  []byte // a JSON array, or nil
	Test      bool   // made by a test send: X-Waybell-Test, never retried
	// Deliveries is how many deliveries the event was accepted with.
	Deliveries int
}

// content is what formats make a body of.
func (e *Event) content() *format.Event {
	return &format.Event{
		ID: e.ID, Type: e.Type, AgentID: e.AgentID, AgentName: e.AgentName,
		Timestamp: e.Timestamp, Data: e.Data, Messages: e.Messages,
	}
}

// CanonicalData is the event's data as the API shows it: of a lead both
// platforms' shapes, see [format.Event.CanonicalData].
func (e *Event) CanonicalData() ([]byte, error) { return e.content().CanonicalData() }
