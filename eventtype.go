package waybell

import (
	"encoding/json"
	"time"
)

// EventType describes a kind of event.
type EventType struct {
	Name        string          // canonical: dotted [a-z0-9_] segments
	Description string          // one sentence
	Schema      json.RawMessage // JSON Schema 2020-12 of the data object; nil = any object
	Example     json.RawMessage // a realistic data object, or nil
	BuiltIn     bool            // read-only, not stored
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	DeletedAt   time.Time
}
