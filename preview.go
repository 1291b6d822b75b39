package waybell

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/jsjson"
)

// The secrets that previews are signed with. They are public: nobody else may
// use them.
const (
	exampleSecret  Secret = "whsec_V2F5YmVsbCdzIHB1YmxpYyBleGFtcGxlIHNlY3JldCE="
	exampleEd25519 Secret = "whsk_V2F5YmVsbCdzIHB1YmxpYyBleGFtcGxlIHNlY3JldCE="
)

// PreviewInput is a draft of an endpoint and what a request should show.
type PreviewInput struct {
	EndpointID string        // the draft is a patch of this endpoint; "" = a new one
	Endpoint   EndpointInput // as for creating or changing it
	Event      TestInput     // what happened; by default as for a test send
}

// Preview is what would be sent to an endpoint, were the draft saved.
type Preview struct {
	// Errors are those that saving the draft and publishing the event would give;
	// none where nothing is wrong.
	Errors   []PreviewError
	Warnings []Warning
	// Endpoint has what is right in the draft over what was there, or the
	// defaults. Its URL is "" unless it is valid; its secrets and header values
	// are no stored ones.
	Endpoint Endpoint
	// Request is nil where the draft's format is not known or the event is wrong.
	Request *PreviewRequest
	// ExampleSecret made the signature; "" where there is none.
	ExampleSecret Secret
}

// PreviewError is a wrong field of a draft.
type PreviewError struct {
	Code Code
	FieldError
}

// PreviewRequest is a request as a receiver would get it. Values of custom
// headers are masked; the signature is real.
type PreviewRequest struct {
	Method  string
	URL     string // "" unless it is valid
	Headers map[string]string
	Body    []byte
}

// Preview shows the request that an endpoint would be sent, by the code that
// saves and sends. It saves nothing, opens no connection and resolves no name.
// Errors: CodeAgentNotFound, CodeEndpointNotFound, CodeMalformedJSON and
// CodeTooLarge; what is wrong with the draft or the event is no error.
func (s *Service) Preview(ctx context.Context, agentID string, in PreviewInput) (Preview, error) {
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return Preview{}, err
	}
	e := newEndpoint(&a, s.moment())
	if in.EndpointID != "" {
		if a, e, err = s.findEndpoint(ctx, agentID, in.EndpointID); err != nil {
			return Preview{}, err
		}
		e.dropExpired(clock())
	}
	var p problems
	s.fillEndpoint(&p, &a, &e, in.Endpoint)
	if e.Profile == "" { // an unknown one, which p tells
		var told problems
		s.setProfile(&told, &e, EndpointInput{Profile: Some(a.Profile)})
	}
	if limit := s.cfg.Limits.EndpointsPerAgent; in.EndpointID == "" && s.EndpointCount(a.Number) >= limit {
		p.addCode(CodeTooManyEndpoints, "body", nil, tooManyEndpoints(limit).Message)
	}
	var out Preview
	for i, f := range p.fields {
		if f.Location == "body.url" {
			e.URL = ""
		}
		f.Location = "body.endpoint" + strings.TrimPrefix(f.Location, "body")
		out.Errors = append(out.Errors, PreviewError{p.codes[i], f})
	}
	out.Warnings = slices.DeleteFunc(e.Warnings(), func(w Warning) bool { return w == WarningNotHTTPS && e.URL == "" })
	kind := in.Endpoint.secretKind(&e)
	e.Headers = slices.DeleteFunc(slices.Clone(e.Headers), func(h Header) bool { return s.dir.headerNameFault(h.Name) != "" })
	for i := range e.Headers {
		e.Headers[i].Value = mask
	}
	e.Secrets, e.Sealed = nil, nil
	if e.Method != http.MethodPut { // told among the errors where it is another
		e.Method = http.MethodPost
	}
	switch kind {
	case SecretSymmetric:
		out.ExampleSecret = exampleSecret
	case SecretEd25519:
		out.ExampleSecret = exampleEd25519
	}
	out.Endpoint = e
	event, err := s.previewEvent(&a, &e, in.Event)
	if wrong := asError(err); err != nil && len(wrong.Fields) > 0 {
		for _, f := range wrong.Fields {
			out.Errors = append(out.Errors, PreviewError{wrong.Code, f})
		}
		return out, nil
	}
	if err != nil {
		return Preview{}, err
	}
	if f, ok := s.dir.formats.Format(e.Format); ok {
		if len(f.Schemes(kind == SecretEd25519, false)) == 0 {
			out.ExampleSecret = "" // the secret does not fit the format
		}
		out.Request, err = s.previewRequest(&out, f, event)
	}
	return out, err
}

// secretKind is the kind of secret that an endpoint would have.
func (in *EndpointInput) secretKind(e *Endpoint) SecretKind {
	switch {
	case in.GenerateSecret == SecretEd25519, e.Signed() && isEd25519(e.Secrets[0].Value):
		return SecretEd25519
	case e.Signed(), in.Secret.given(), in.GenerateSecret != SecretNone:
		return SecretSymmetric
	}
	return SecretNone
}

// previewEvent is the event that a preview shows, as publishing would store it.
// Its time is that of the present minute: what is shown stands still while
// somebody types, and its signature is still in time when it is checked.
func (s *Service) previewEvent(a *Agent, e *Endpoint, in TestInput) (Event, error) {
	env, err := s.exampleEvent(e, in)
	if err != nil {
		return Event{}, err
	}
	if len(env.Problems) > 0 {
		return Event{}, invalidEvent(fieldErrors(env.Problems))
	}
	env.Messages, err = jsjson.Parse(catalogue.Transcript(), jsjson.Limits{})
	if err != nil {
		return Event{}, err
	}
	if own, ok := env.Data.Get("messages"); ok && own.Kind() == jsjson.KindArray {
		env.Messages = jsjson.Null() // the data has a transcript of its own
	}
	name, data, messages, refused := s.check(&env)
	if refused != nil {
		return Event{}, refused
	}
	key := KeyAt(time.Now().Truncate(time.Minute))
	event := Event{
		Key: key, Agent: a.Number, AgentID: a.ID, AgentName: a.Name, ID: EventID(key),
		Type: name, Timestamp: key.Time(), Data: data.Append(nil),
	}
	if !messages.IsNull() {
		event.Messages = messages.Append(nil)
	}
	return event, nil
}

// previewRequest renders and signs as the sender does.
func (s *Service) previewRequest(p *Preview, f *format.Format, event Event) (*PreviewRequest, error) {
	e := p.Endpoint.clone()
	if p.ExampleSecret != "" {
		e.Secrets = []EndpointSecret{{Value: p.ExampleSecret}}
	}
	entry := &endpointEntry{Endpoint: &e, format: f}
	if err := entry.prepareSigning(); err != nil {
		return nil, storeFailed("preview", err)
	}
	payload := newPayload(event)
	body, err := payload.body(f, e.IncludeMessages)
	if err != nil {
		return nil, storeFailed("preview", err)
	}
	number := max(e.Number, 1)
	m := &sent{w: &work{Waiting: Waiting{DeliveryRef: DeliveryRef{event.Key, number}}}, e: entry, p: payload, body: body, started: event.Timestamp}
	r := &PreviewRequest{Method: e.Method, URL: e.URL, Headers: map[string]string{}, Body: body.bytes}
	for _, field := range s.header(m) {
		r.Headers[f.HeaderName(field.Name)] = field.Value
	}
	return r, nil
}
