package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

// The codes of errors that only exist over HTTP.
const (
	codeNotFound             waybell.Code = "not_found"
	codeMethodNotAllowed     waybell.Code = "method_not_allowed"
	codeUnsupportedMediaType waybell.Code = "unsupported_media_type"
	codeRequestTimeout       waybell.Code = "request_timeout"
)

// kind is what all errors of one code have in common.
type kind struct {
	status int
	title  string
}

// kindOf is the table code ↔ HTTP status. A code that is not in it is a
// mistake of ours and answered as internal; a test holds that all are.
func kindOf(code waybell.Code) kind {
	switch code {
	case waybell.CodeInvalid:
		return kind{http.StatusUnprocessableEntity, "Invalid input"}
	case waybell.CodeInvalidURL:
		return kind{http.StatusUnprocessableEntity, "Invalid URL"}
	case waybell.CodeTargetNotAllowed:
		return kind{http.StatusUnprocessableEntity, "Target not allowed"}
	case waybell.CodeEventNotAvailable:
		return kind{http.StatusUnprocessableEntity, "Event type not available to this agent"}
	case waybell.CodeUnknownEventType:
		return kind{http.StatusUnprocessableEntity, "Unknown event type"}
	case waybell.CodeEventTypeReadOnly:
		return kind{http.StatusConflict, "Event type is read-only"}
	case waybell.CodeEventTypeInUse:
		return kind{http.StatusConflict, "Event type is in use"}
	case waybell.CodeMalformedJSON:
		return kind{http.StatusBadRequest, "Malformed JSON"}
	case waybell.CodeAgentNotFound:
		return kind{http.StatusNotFound, "Agent not found"}
	case waybell.CodeEndpointNotFound:
		return kind{http.StatusNotFound, "Endpoint not found"}
	case waybell.CodeEventNotFound:
		return kind{http.StatusNotFound, "Event not found"}
	case waybell.CodeEventTypeNotFound:
		return kind{http.StatusNotFound, "Event type not found"}
	case waybell.CodeDeliveryNotFound:
		return kind{http.StatusNotFound, "Delivery not found"}
	case waybell.CodeKeyNotFound:
		return kind{http.StatusNotFound, "Key not found"}
	case waybell.CodeSecretNotFound:
		return kind{http.StatusNotFound, "Endpoint has no secret"}
	case codeNotFound:
		return kind{http.StatusNotFound, "Not found"}
	case codeMethodNotAllowed:
		return kind{http.StatusMethodNotAllowed, "Method not allowed"}
	case codeRequestTimeout:
		return kind{http.StatusRequestTimeout, "Request timeout"}
	case waybell.CodeAgentExists:
		return kind{http.StatusConflict, "Agent exists"}
	case waybell.CodeIdempotencyMismatch:
		return kind{http.StatusConflict, "Idempotency mismatch"}
	case waybell.CodeDeliveryHeld:
		return kind{http.StatusConflict, "Delivery is held"}
	case waybell.CodeDeliveryFinished:
		return kind{http.StatusConflict, "Delivery is finished"}
	case waybell.CodeEndpointDisabled:
		return kind{http.StatusConflict, "Endpoint is disabled"}
	case waybell.CodeTooManyEndpoints:
		return kind{http.StatusConflict, "Too many endpoints"}
	case waybell.CodePreconditionFailed:
		return kind{http.StatusPreconditionFailed, "Precondition failed"}
	case waybell.CodeTooLarge:
		return kind{http.StatusRequestEntityTooLarge, "Body too large"}
	case codeUnsupportedMediaType:
		return kind{http.StatusUnsupportedMediaType, "Unsupported media type"}
	case waybell.CodeBusy:
		return kind{http.StatusServiceUnavailable, "Busy"}
	case waybell.CodeUnavailable:
		return kind{http.StatusServiceUnavailable, "Unavailable"}
	case waybell.CodeDraining:
		return kind{http.StatusServiceUnavailable, "Shutting down"}
	case waybell.CodeUnauthorized:
		return kind{http.StatusUnauthorized, "Unauthorized"}
	case waybell.CodeForbidden:
		return kind{http.StatusForbidden, "Forbidden"}
	}
	return kind{http.StatusInternalServerError, "Internal error"}
}

// problemView is the body of every error answer: RFC 9457 with a stable code.
type problemView struct {
	Type      string             `json:"type" format:"uri-reference" doc:"urn:waybell:problem: and the code." example:"urn:waybell:problem:invalid"`
	Title     string             `json:"title" doc:"What all errors with this code have in common."`
	Status    int                `json:"status" doc:"The HTTP status."`
	Detail    string             `json:"detail" doc:"What is wrong with this request."`
	Code      string             `json:"code" doc:"A stable word; scripts may depend on it."`
	RequestID string             `json:"request_id" doc:"Names the request in the server's log; also in the X-Request-Id header."`
	Errors    []fieldProblemView `json:"errors,omitempty" nullable:"false" doc:"The fields that are wrong."`

	header http.Header
}

// fieldProblemView says what is wrong with one field.
type fieldProblemView struct {
	Location string `json:"location" doc:"Where, e.g. body.headers[2].name or query.limit."`
	Message  string `json:"message" doc:"What is wrong."`
	Value    any    `json:"value,omitempty" doc:"The value given, unless it is or may be a secret."`
}

// Error makes a problem an error that a handler can return; huma writes it as
// it is.
func (p *problemView) Error() string { return p.Code + ": " + p.Detail }

// GetStatus tells huma the status.
func (p *problemView) GetStatus() int { return p.Status }

// ContentType tells huma the media type.
func (p *problemView) ContentType(string) string { return "application/problem+json" }

// GetHeaders tells huma the header fields of this problem.
func (p *problemView) GetHeaders() http.Header { return p.header }

func (p *problemView) with(name, value string) *problemView {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

func newProblem(code waybell.Code, detail string) *problemView {
	k := kindOf(code)
	return &problemView{
		Type: "urn:waybell:problem:" + string(code), Title: k.title,
		Status: k.status, Detail: detail, Code: string(code),
	}
}

// problemOf turns any error into what the caller may see of it.
func problemOf(err error) *problemView {
	if p, ok := errors.AsType[*problemView](err); ok {
		return p
	}
	e, ok := errors.AsType[*waybell.Error](err)
	if !ok || kindOf(e.Code).status == http.StatusInternalServerError {
		return newProblem(waybell.CodeInternal, "something went wrong on our side; the server's log has more under the request id")
	}
	p := newProblem(e.Code, e.Message)
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, fieldProblemView{f.Location, f.Message, f.Value})
	}
	if len(p.Errors) == 1 && p.Detail == p.Errors[0].Message && !isSentence(p.Detail) {
		p.Detail = summary(p.Errors)
	}
	if p.Status == http.StatusServiceUnavailable || e.RetryAfter > 0 {
		p.with("Retry-After", retryAfter(e.RetryAfter))
	}
	if e.Code == waybell.CodeDraining {
		// The listener closes soon: a connection that ends with its answer cannot
		// be closed under a request that is on its way (RFC 9112, 9.6).
		p.with("Connection", "close")
	}
	return p
}

// retryAfter is d in whole seconds, rounded up, and never 0: that would invite
// a busy loop.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// problemOfParams translates huma's own errors: with our handlers these are
// only wrong path, query and header values, whose values are no secrets.
func problemOfParams(m *huma.ErrorModel) *problemView {
	if m.Status != http.StatusUnprocessableEntity {
		return problemOf(fmt.Errorf("unexpected status %d", m.Status))
	}
	p := newProblem(waybell.CodeInvalid, "")
	for _, d := range m.Errors {
		message := d.Message
		if strings.HasPrefix(message, "invalid date/time") { // followed by the layout of a Go program
			message = wrongTime
		}
		p.Errors = append(p.Errors, fieldProblemView{d.Location, message, d.Value})
	}
	p.Detail = summary(p.Errors)
	return p
}

const wrongTime = "must be an RFC 3339 time such as 2026-04-26T08:30:14Z"

// isSentence tells whether a message says what it is about; "is required" does
// so only behind the field's name.
func isSentence(message string) bool {
	first, _ := utf8.DecodeRuneInString(message)
	return unicode.IsUpper(first)
}

// summary is a detail that names the first wrong field.
func summary(fields []fieldProblemView) string {
	if len(fields) == 0 {
		return "the request is invalid"
	}
	s := fields[0].Location + ": " + fields[0].Message
	if n := len(fields) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
