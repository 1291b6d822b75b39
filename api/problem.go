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
	codeMisdirected          waybell.Code = "misdirected"
)

// kind is what all errors of one code have in common.
type kind struct {
	status int
	title  string
}

// kinds is the table code ↔ HTTP status.
var kinds = map[waybell.Code]kind{
	waybell.CodeInvalid:             {http.StatusUnprocessableEntity, "Invalid input"},
	waybell.CodeInvalidURL:          {http.StatusUnprocessableEntity, "Invalid URL"},
	waybell.CodeTargetNotAllowed:    {http.StatusUnprocessableEntity, "Target not allowed"},
	waybell.CodeEventNotAvailable:   {http.StatusUnprocessableEntity, "Event type not available to this agent"},
	waybell.CodeUnknownEventType:    {http.StatusUnprocessableEntity, "Unknown event type"},
	waybell.CodeEventTypeReadOnly:   {http.StatusConflict, "Event type is read-only"},
	waybell.CodeEventTypeInUse:      {http.StatusConflict, "Event type is in use"},
	waybell.CodeMalformedJSON:       {http.StatusBadRequest, "Malformed JSON"},
	waybell.CodeAgentNotFound:       {http.StatusNotFound, "Agent not found"},
	waybell.CodeEndpointNotFound:    {http.StatusNotFound, "Endpoint not found"},
	waybell.CodeEventNotFound:       {http.StatusNotFound, "Event not found"},
	waybell.CodeEventTypeNotFound:   {http.StatusNotFound, "Event type not found"},
	waybell.CodeDeliveryNotFound:    {http.StatusNotFound, "Delivery not found"},
	waybell.CodeKeyNotFound:         {http.StatusNotFound, "Key not found"},
	waybell.CodeSecretNotFound:      {http.StatusNotFound, "Endpoint has no secret"},
	waybell.CodeInboxNotFound:       {http.StatusNotFound, "Inbox not found"},
	waybell.CodeInboxGone:           {http.StatusGone, "Inbox is gone"},
	waybell.CodeInboxesOff:          {http.StatusConflict, "Inboxes are switched off"},
	waybell.CodeTooManyInboxes:      {http.StatusConflict, "Too many inboxes"},
	waybell.CodeRateLimited:         {http.StatusTooManyRequests, "Too many requests"},
	codeNotFound:                    {http.StatusNotFound, "Not found"},
	codeMethodNotAllowed:            {http.StatusMethodNotAllowed, "Method not allowed"},
	codeRequestTimeout:              {http.StatusRequestTimeout, "Request timeout"},
	codeMisdirected:                 {http.StatusMisdirectedRequest, "Misdirected request"},
	waybell.CodeAgentExists:         {http.StatusConflict, "Agent exists"},
	waybell.CodeIdempotencyMismatch: {http.StatusConflict, "Idempotency mismatch"},
	waybell.CodeDeliveryHeld:        {http.StatusConflict, "Delivery is held"},
	waybell.CodeDeliveryFinished:    {http.StatusConflict, "Delivery is finished"},
	waybell.CodeDeliveryInFlight:    {http.StatusConflict, "Delivery is in flight"},
	waybell.CodeEndpointDisabled:    {http.StatusConflict, "Endpoint is disabled"},
	waybell.CodeTooManyEndpoints:    {http.StatusConflict, "Too many endpoints"},
	waybell.CodeTooManySessions:     {http.StatusConflict, "Too many sessions"},
	waybell.CodeSessionKeyInvalid:   {http.StatusUnauthorized, "One-time key invalid"},
	waybell.CodePreconditionFailed:  {http.StatusPreconditionFailed, "Precondition failed"},
	waybell.CodeTooLarge:            {http.StatusRequestEntityTooLarge, "Body too large"},
	codeUnsupportedMediaType:        {http.StatusUnsupportedMediaType, "Unsupported media type"},
	waybell.CodeBusy:                {http.StatusServiceUnavailable, "Busy"},
	waybell.CodeUnavailable:         {http.StatusServiceUnavailable, "Unavailable"},
	waybell.CodeDraining:            {http.StatusServiceUnavailable, "Shutting down"},
	waybell.CodeUnauthorized:        {http.StatusUnauthorized, "Unauthorized"},
	waybell.CodeForbidden:           {http.StatusForbidden, "Forbidden"},
}

// kindOf finds a code in the table. One that is not in it is a mistake of ours
// and answered as internal; a test holds that all are.
func kindOf(code waybell.Code) kind {
	if k, ok := kinds[code]; ok {
		return k
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
	if e.Code == waybell.CodeAgentNotFound {
		p.Detail += "; POST /v1/agents makes one, or its first event where the server has create-agents"
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, fieldProblemView{f.Location, f.Message, f.Value})
	}
	if len(p.Errors) == 1 && p.Detail == p.Errors[0].Message && !isSentence(p.Detail) {
		p.Detail = summary(p.Errors)
	}
	if p.Status == http.StatusServiceUnavailable || e.RetryAfter > 0 {
		p.with("Retry-After", retryAfter(e.RetryAfter))
	}
	switch p.Status { // both must say how (RFC 9110, 11.6.1; RFC 6750, 3)
	case http.StatusUnauthorized:
		p.with("WWW-Authenticate", `Bearer realm="waybell"`)
	case http.StatusForbidden:
		p.with("WWW-Authenticate", `Bearer realm="waybell", error="insufficient_scope"`)
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
		message := strings.TrimPrefix(d.Message, "invalid value: ") // huma's words before ours
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
