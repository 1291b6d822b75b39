package format

import "time"

// Event is what a body is made of. Data and Messages are canonical JSON bytes
// (see [Content.Normalize]): they are copied into bodies, never re-encoded.
type Event struct {
	ID        string // the webhook-id
	Type      string // canonical
	AgentID   string
	AgentName string
	Timestamp time.Time
	Data      []byte // a JSON object
	Messages  []byte // a JSON array, or nil
}
