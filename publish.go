package waybell

import (
	"context"
	"time"
)

// PublishInput is an event to publish. Data and Messages are JSON as the
// caller has it; they are checked and brought into canonical form.
type PublishInput struct {
	Type           string    // canonical name or alias
	ID             string    // the caller's own id and webhook-id, or "" (1–128 of A-Za-z0-9_-)
	Timestamp      time.Time // zero = now
	Data           []byte    // a JSON object; nil = {}
	Messages       []byte    // a JSON array of messages, or nil
	ConversationID string    // shorthand for data.conversation_id
	IdempotencyKey string    // 1–255 printable characters, or ""
}

// PublishResult tells what was accepted.
type PublishResult struct {
	ID         string
	Type       string
	Timestamp  time.Time
	Deliveries int
	Duplicate  bool // published before; the result is the first one's
}

// BatchItem is the result for one item of a batch: either Result or Err.
type BatchItem struct {
	Result PublishResult
	Err    *Error
}

// Publish accepts one event of an agent. When it returns nil the event and its
// deliveries are durable (fsync). Errors are *Error: CodeAgentNotFound,
// CodeInvalid, CodeUnknownEventType, CodeEventNotAvailable,
// CodeIdempotencyMismatch, CodeBusy, CodeUnavailable, CodeDraining.
func (s *Service) Publish(ctx context.Context, agentID string, in PublishInput) (PublishResult, error) {
	panic("pending")
}

// PublishJSON is Publish for a body as written in the HTTP API:
// {"event","timestamp"?,"id"?,"data"?,"messages"?,"conversation_id"?}. Besides
// those of Publish its errors are CodeMalformedJSON and CodeTooLarge.
func (s *Service) PublishJSON(ctx context.Context, agentID string, body []byte, idempotencyKey string) (PublishResult, error) {
	panic("pending")
}

// BatchRequest is a batch as it came in.
type BatchRequest struct {
	Body           []byte
	NDJSON         bool   // one event per line instead of {"events":[…]}
	IdempotencyKey string // "" = none; item i uses key + "/" + i
	// Allowed tells which agents the caller may publish for; nil = all. Others
	// answer CodeAgentNotFound.
	Allowed func(agentID string) bool
}

// PublishBatch accepts many events, each with its agent_id, in one
// transaction. Good items are kept when others fail. An error means that
// nothing was taken.
func (s *Service) PublishBatch(ctx context.Context, b BatchRequest) ([]BatchItem, error) {
	panic("pending")
}
