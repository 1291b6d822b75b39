package waybell

import (
	"context"
	"encoding/json"
)

// EventTypeInput is what an operator says about an event type.
type EventTypeInput struct {
	Description string          // at most 500 characters
	Schema      json.RawMessage // JSON Schema 2020-12 of the data object; nil = any object
	Example     json.RawMessage // a data object that the schema accepts; nil = none
}

// EventTypes lists the built-in types, then the registered ones by name.
// CodeInvalid for a bad limit or cursor.
func (s *Service) EventTypes(ctx context.Context, q ListQuery) (Page[EventType], error) {
	panic("pending")
}

// EventType finds a type by its name or alias; CodeEventTypeNotFound.
func (s *Service) EventType(ctx context.Context, name string) (EventType, error) { panic("pending") }

// PutEventType registers a type or replaces it, and tells whether it is new.
// Errors: CodeInvalid, CodeEventTypeReadOnly.
func (s *Service) PutEventType(ctx context.Context, name string, in EventTypeInput) (t EventType, created bool, err error) {
	panic("pending")
}

// DeleteEventType removes a registered type. Errors: CodeEventTypeNotFound,
// CodeEventTypeReadOnly, CodeEventTypeInUse.
func (s *Service) DeleteEventType(ctx context.Context, name string) error { panic("pending") }
