package waybell

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybell/waybell/internal/intake"
)

// Code is a stable, documented word for what went wrong; scripts may depend on
// it. Package api maps each to one HTTP status.
type Code string

// The codes of errors that reach callers.
const (
	CodeInvalid             Code = "invalid"              // fields have wrong values; see Error.Fields
	CodeInvalidURL          Code = "invalid_url"          // no http or https URL at all
	CodeTargetNotAllowed    Code = "target_not_allowed"   // the URL does not lead to a public address
	CodeEventNotAvailable   Code = "event_not_available"  // the agent's plan does not produce this type
	CodeUnknownEventType    Code = "unknown_event_type"   // no such type is registered
	CodeEventTypeReadOnly   Code = "event_type_read_only" // a built-in type cannot be changed
	CodeEventTypeInUse      Code = "event_type_in_use"    // endpoints subscribe to the type by name
	CodeMalformedJSON       Code = "malformed_json"       // the body is not strict JSON
	CodeAgentNotFound       Code = "agent_not_found"      //
	CodeEndpointNotFound    Code = "endpoint_not_found"   //
	CodeEventNotFound       Code = "event_not_found"      //
	CodeEventTypeNotFound   Code = "event_type_not_found" //
	CodeDeliveryNotFound    Code = "delivery_not_found"   //
	CodeKeyNotFound         Code = "key_not_found"        //
	CodeSecretNotFound      Code = "secret_not_found"     // the endpoint has no secret
	CodeAgentExists         Code = "agent_exists"         //
	CodeIdempotencyMismatch Code = "idempotency_mismatch" // same id or key, other content
	CodeDeliveryHeld        Code = "delivery_held"        // resume the endpoint first
	CodeDeliveryFinished    Code = "delivery_finished"    // nothing left to cancel
	CodeDeliveryInFlight    Code = "delivery_in_flight"   // canceled, but its attempt on another node has not ended
	CodeEndpointDisabled    Code = "endpoint_disabled"    // enable the endpoint first
	CodeTooManyEndpoints    Code = "too_many_endpoints"   // the limit per agent is reached
	CodeTooManySessions     Code = "too_many_sessions"    // the limit per agent is reached
	CodeSessionKeyInvalid   Code = "session_key_invalid"  // a one-time key that is wrong, expired or used
	CodeInboxNotFound       Code = "inbox_not_found"      //
	CodeInboxGone           Code = "inbox_gone"           // no inbox at this URL any more
	CodeInboxesOff          Code = "inboxes_off"          // this server has none
	CodeTooManyInboxes      Code = "too_many_inboxes"     // the limit per agent is reached
	CodeRateLimited         Code = "rate_limited"         // try again after RetryAfter
	CodePreconditionFailed  Code = "precondition_failed"  // If-Match names another version
	CodeTooLarge            Code = "too_large"            // a body over its limit
	CodeBusy                Code = "busy"                 // back-pressure: try again after RetryAfter
	CodeUnavailable         Code = "unavailable"          // not durable now: try again after RetryAfter
	CodeDraining            Code = "draining"             // this process is shutting down
	CodeUnauthorized        Code = "unauthorized"         //
	CodeForbidden           Code = "forbidden"            // the key or session lacks a scope
	CodeInternal            Code = "internal"             // our fault; the log has more under the request id
)

// maxFieldErrors is how many wrong fields of one input are told, as of one event.
const maxFieldErrors = intake.MaxProblems

// FieldError says what is wrong with one field of the input.
type FieldError struct {
	Location string // e.g. "body.headers[2].name"
	Message  string // what to do about it
	Value    any    // the value given; nil where it is or may be a secret
}

// Error is an error for the caller: its text may be shown to anyone and never
// holds a secret, a header value or an inner address.
type Error struct {
	Code       Code
	Message    string
	Fields     []FieldError
	RetryAfter time.Duration // only with CodeBusy, CodeUnavailable, CodeDraining, CodeDeliveryInFlight and CodeRateLimited
	Err        error         // the cause, for the log only; may be nil
}

// Error is the message with its code and fields, without the cause.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", f.Location, f.Message)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode is the code of the [Error] in err's chain, or [CodeInternal].
func ErrorCode(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

func errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// The errors of a [Store]. A store wraps them; callers use errors.Is.
var (
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not found")
	// ErrExists: a row with this id exists already.
	ErrExists = errors.New("exists already")
	// ErrConflict: the row has another version than the one given.
	ErrConflict = errors.New("version conflict")
	// ErrConfigChanged: events were matched with an older configuration than
	// the store's; match again and repeat. Nothing was written.
	ErrConfigChanged = errors.New("configuration changed")
	// ErrFenced: the lease is no longer the node's own. Nothing was written,
	// and nothing may be sent until the node has joined again.
	ErrFenced = errors.New("lease lost")
	// ErrUnavailable: the store cannot write now (down, full, read-only,
	// closed). Nothing was written.
	ErrUnavailable = errors.New("store unavailable")
	// ErrCommitUnknown: the connection was lost during a commit; the rows may
	// be there or not. The node reads its owned rows back.
	ErrCommitUnknown = errors.New("commit outcome unknown")
)
