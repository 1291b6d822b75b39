package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/jsjson"
)

// EndpointParams names an endpoint.
type EndpointParams struct {
	AgentParams
	EndpointID string `path:"endpoint_id" maxLength:"64" doc:"The endpoint's id." example:"ep_068m2k4v8q1w5"`
}

// endpointChange names an endpoint to change.
type endpointChange struct {
	EndpointParams
	IfMatch string `header:"If-Match" doc:"Only change the version with this ETag."`
}

// endpointList asks for a page of an agent's endpoints.
type endpointList struct {
	AgentParams
	ListParams
}

type endpointView struct {
	ID              string       `json:"id" example:"ep_068m2k4v8q1w5"`
	AgentID         string       `json:"agent_id" example:"agent_42"`
	URL             string       `json:"url" format:"uri" example:"https://example.com/hooks"`
	Description     string       `json:"description" example:"CRM"`
	Enabled         bool         `json:"enabled"`
	Events          []string     `json:"events" nullable:"false" doc:"Canonical types; [\"*\"] = all, now and later." example:"[\"lead.submit\"]"`
	Profile         string       `json:"profile" example:"standard"`
	Method          string       `json:"method" enum:"POST,PUT"`
	TimeoutSeconds  int          `json:"timeout_seconds" minimum:"1" maximum:"120" doc:"For the whole request."`
	Headers         []headerView `json:"headers" nullable:"false" doc:"Custom headers; their values are masked."`
	Format          string       `json:"format" example:"standard" doc:"Body, headers and signature scheme."`
	Signed          bool         `json:"signed" doc:"There is a secret."`
	PreviousUntil   *string      `json:"previous_secret_until" format:"date-time" doc:"Until when the secret before signs too; null when none does."`
	IncludeMessages bool         `json:"include_messages" doc:"Transcripts are sent too."`
	StandardHeaders bool         `json:"standard_headers" doc:"The three webhook-* headers are sent."`
	Retry           retryView    `json:"retry"`
	RateLimit       *float64     `json:"rate_limit_per_second" doc:"Requests per second, at most; null = no limit."`
	Concurrency     *int         `json:"concurrency" doc:"Requests at once, at most; null = the server's default."`
	State           string       `json:"state" enum:"active,disabled,paused,suspended"`
	StateReason     *string      `json:"state_reason" doc:"Why the system suspended it."`
	StateSince      *string      `json:"state_since" format:"date-time" doc:"Since when it is in this state."`
	CreatedAt       string       `json:"created_at" format:"date-time"`
	UpdatedAt       string       `json:"updated_at" format:"date-time"`
	Warnings        []string     `json:"warnings" nullable:"false" enum:"no_events_selected,weak_secret,not_https"`
	Secret          string       `json:"secret,omitempty" doc:"The generated secret, shown this once."`
}

type headerView struct {
	Name  string `json:"name" example:"X-Api-Key"`
	Value string `json:"value" doc:"Always the mask." example:"••••"`
}

type retryView struct {
	Policy          string `json:"policy" example:"standard"`
	ScheduleSeconds []int  `json:"schedule_seconds" nullable:"false" doc:"The wait after each attempt's end." example:"[5,30,120]"`
	WindowSeconds   int    `json:"window_seconds" example:"86400"`
}

// viewEndpoint shows an endpoint; of its secrets, only the masks.
func (s *Server) viewEndpoint(e waybell.Endpoint) endpointView {
	v := endpointView{
		ID: e.ID, AgentID: e.AgentID, URL: e.URL, Description: e.Description, Enabled: e.Enabled,
		Events: orEmpty(e.Events), Profile: e.Profile, Method: e.Method, TimeoutSeconds: int(e.Timeout / time.Second),
		Headers: make([]headerView, len(e.Headers)), Format: e.Format, Signed: e.Signed() || len(e.Sealed) > 0, PreviousUntil: timeOrNull(e.PreviousUntil(time.Now())),
		IncludeMessages: e.IncludeMessages, StandardHeaders: e.StandardHeaders,
		Retry:     viewRetry(s.svc.EffectiveRetry(&e)),
		RateLimit: orNull(e.RateLimit), Concurrency: orNull(e.Concurrency),
		State: e.State.String(), StateReason: orNull(e.StateReason), StateSince: timeOrNull(e.StateSince),
		CreatedAt: rfc3339(e.CreatedAt), UpdatedAt: rfc3339(e.UpdatedAt), Warnings: viewWarnings(e.Warnings()),
	}
	for i, h := range e.Headers {
		v.Headers[i] = headerView{h.Name, h.Value.String()}
	}
	return v
}

func viewRetry(r waybell.RetrySettings) retryView {
	return retryView{Policy: r.Policy, ScheduleSeconds: seconds(r.Schedule), WindowSeconds: int(r.Window / time.Second)}
}

func viewWarnings(warnings []waybell.Warning) []string {
	v := make([]string, len(warnings))
	for i, w := range warnings {
		v[i] = string(w)
	}
	return v
}

func orEmpty[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// viewResult shows an endpoint as it was just stored, with its new secret.
func (s *Server) viewResult(r waybell.EndpointResult) endpointView {
	v := s.viewEndpoint(r.Endpoint)
	v.Warnings, v.Secret = viewWarnings(r.Warnings), r.Secret.Reveal()
	return v
}

// endpointBody is an endpoint as the caller writes it, or a merge patch of one.
type endpointBody struct {
	URL             waybell.Optional[string]         `json:"url,omitempty" nullable:"false" doc:"http or https, publicly routable." example:"https://example.com/hooks"`
	Description     waybell.Optional[string]         `json:"description,omitempty" doc:"At most 500 characters."`
	Enabled         waybell.Optional[bool]           `json:"enabled,omitempty" doc:"Default true; false cancels what waits."`
	Events          waybell.Optional[[]string]       `json:"events,omitempty" doc:"Types by name or alias, or [\"*\"] for all; empty triggers nothing." example:"[\"lead.submit\"]"`
	Profile         waybell.Optional[string]         `json:"profile,omitempty" doc:"Default: the agent's. Fills format, retry policy, include_messages and standard_headers."`
	Method          waybell.Optional[string]         `json:"method,omitempty" doc:"POST (default) or PUT."`
	TimeoutSeconds  waybell.Optional[int]            `json:"timeout_seconds,omitempty" minimum:"1" maximum:"120" doc:"For the whole request; default 30."`
	Headers         waybell.Optional[[]headerBody]   `json:"headers,omitempty" doc:"Custom headers, all of them. The mask as a value keeps the stored one."`
	Format          waybell.Optional[string]         `json:"format,omitempty" doc:"Default: the profile's."`
	IncludeMessages waybell.Optional[bool]           `json:"include_messages,omitempty" doc:"Default: the profile's."`
	StandardHeaders waybell.Optional[bool]           `json:"standard_headers,omitempty" doc:"Default: the profile's; false where the format may go without."`
	Retry           waybell.Optional[retryBody]      `json:"retry,omitempty"`
	RateLimit       waybell.Optional[float64]        `json:"rate_limit_per_second,omitempty" exclusiveMinimum:"0" maximum:"10000" doc:"Null = no limit."`
	Concurrency     waybell.Optional[int]            `json:"concurrency,omitempty" minimum:"1" maximum:"1000" doc:"Requests at once; null = the server's default."`
	Secret          waybell.Optional[waybell.Secret] `json:"secret,omitempty" writeOnly:"true" doc:"8–256 characters; null removes it."`
	GenerateSecret  generateSecret                   `json:"generate_secret,omitempty" doc:"true, or \"ed25519\" for a key of the standard format."`
}

// newEndpointBody is an endpointBody in which the URL must be given.
type newEndpointBody endpointBody

// TransformSchema says what a new endpoint must have.
func (newEndpointBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = []string{"url"}
	return s
}

type headerBody struct {
	Name  string         `json:"name" example:"X-Api-Key"`
	Value waybell.Secret `json:"value" example:"••••"`
}

type retryBody struct {
	Policy          waybell.Optional[string] `json:"policy,omitempty" doc:"Null = the profile's."`
	ScheduleSeconds waybell.Optional[[]int]  `json:"schedule_seconds,omitempty" maxItems:"50" doc:"The wait after each attempt's end, 1–86,400 each; empty = one attempt, null = the policy's."`
	WindowSeconds   waybell.Optional[int]    `json:"window_seconds,omitempty" minimum:"1" maximum:"604800" doc:"Null = the policy's."`
}

// TransformSchema says that the whole may be null: back to the profile's.
func (retryBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Nullable = true
	return s
}

// generateSecret is true, false or "ed25519".
type generateSecret waybell.SecretKind

func (g *generateSecret) fromJSON(v jsjson.Value) string {
	switch {
	case v.Kind() == jsjson.KindBool && v.Bool():
		*g = generateSecret(waybell.SecretSymmetric)
	case v.Kind() == jsjson.KindBool:
		*g = generateSecret(waybell.SecretNone)
	case v.Kind() == jsjson.KindString && v.Str() == string(waybell.SecretEd25519):
		*g = generateSecret(waybell.SecretEd25519)
	default:
		return `expected true, false or "ed25519"`
	}
	return ""
}

// Schema says what it may be.
func (generateSecret) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeBoolean}, {Type: huma.TypeString, Enum: []any{string(waybell.SecretEd25519)}},
	}}
}

func (b endpointBody) input() waybell.EndpointInput {
	return waybell.EndpointInput{
		URL: b.URL, Description: b.Description, Enabled: b.Enabled, Events: b.Events, Profile: b.Profile,
		Method: b.Method, TimeoutSeconds: b.TimeoutSeconds, Format: b.Format,
		IncludeMessages: b.IncludeMessages, StandardHeaders: b.StandardHeaders,
		RateLimit: b.RateLimit, Concurrency: b.Concurrency,
		Secret: b.Secret, GenerateSecret: waybell.SecretKind(b.GenerateSecret),
		Headers: optionalAs(b.Headers, func(headers []headerBody) []waybell.HeaderInput {
			in := make([]waybell.HeaderInput, len(headers))
			for i, h := range headers {
				in[i] = waybell.HeaderInput(h)
			}
			return in
		}),
		Retry: optionalAs(b.Retry, func(r retryBody) waybell.RetryInput { return waybell.RetryInput(r) }),
	}
}

// maySave refuses a secret from a caller who may write endpoints, but not their
// secrets.
func (b endpointBody) maySave(ctx context.Context) error {
	if !b.Secret.Set && waybell.SecretKind(b.GenerateSecret) == waybell.SecretNone {
		return nil
	}
	return callOf(ctx).needs(waybell.ScopeSecretsWrite)
}

// saveCodes are the errors of saving an endpoint.
func saveCodes(more ...waybell.Code) []waybell.Code {
	return append(more, waybell.CodeInvalidURL, waybell.CodeTargetNotAllowed,
		waybell.CodeUnknownEventType, waybell.CodeEventNotAvailable)
}

func (s *Server) registerEndpoints() {
	const all, one = "/v1/agents/{agent_id}/endpoints", "/v1/agents/{agent_id}/endpoints/{endpoint_id}"
	add(s, route{
		id: "create-endpoint", method: http.MethodPost, path: all, tag: tagEndpoints, summary: "Subscribe a URL",
		scope: waybell.ScopeEndpointsWrite, status: http.StatusCreated, media: []string{mediaJSON},
		codes: saveCodes(waybell.CodeTooManyEndpoints),
	}, s.createEndpoint)
	add(s, route{
		id: "list-endpoints", method: http.MethodGet, path: all, tag: tagEndpoints, summary: "List an agent's endpoints",
		scope: waybell.ScopeEndpointsRead,
	}, s.listEndpoints)
	add(s, route{
		id: "get-endpoint", method: http.MethodGet, path: one, tag: tagEndpoints, summary: "Show an endpoint",
		scope: waybell.ScopeEndpointsRead, codes: []waybell.Code{waybell.CodeEndpointNotFound},
	}, s.getEndpoint)
	add(s, route{
		id: "update-endpoint", method: http.MethodPatch, path: one, tag: tagEndpoints, summary: "Change an endpoint",
		scope: waybell.ScopeEndpointsWrite, media: []string{mediaMergePatch, mediaJSON},
		codes: saveCodes(waybell.CodeEndpointNotFound, waybell.CodePreconditionFailed),
	}, s.updateEndpoint)
	add(s, route{
		id: "delete-endpoint", method: http.MethodDelete, path: one, tag: tagEndpoints, summary: "Delete an endpoint",
		description: "What waits is canceled; the log stays until retention.",
		scope:       waybell.ScopeEndpointsWrite, status: http.StatusNoContent,
		codes: []waybell.Code{waybell.CodeEndpointNotFound, waybell.CodePreconditionFailed},
	}, s.deleteEndpoint)
}

func (s *Server) createEndpoint(ctx context.Context, p *AgentParams, body *newEndpointBody) (*created[endpointView], error) {
	if err := endpointBody(*body).maySave(ctx); err != nil {
		return nil, err
	}
	r, err := s.svc.CreateEndpoint(ctx, p.AgentID, endpointBody(*body).input())
	if err != nil {
		return nil, err
	}
	return &created[endpointView]{
		ETag:     etag(r.Endpoint.Version),
		Location: "/v1/agents/" + r.Endpoint.AgentID + "/endpoints/" + r.Endpoint.ID,
		Body:     s.viewResult(r),
	}, nil
}

func (s *Server) listEndpoints(ctx context.Context, p *endpointList, _ *none) (*answer[list[endpointView]], error) {
	page, err := s.svc.Endpoints(ctx, p.AgentID, p.query(nil))
	return listed(page, err, s.viewEndpoint)
}

func (s *Server) getEndpoint(ctx context.Context, p *EndpointParams, _ *none) (*tagged[endpointView], error) {
	e, err := s.svc.Endpoint(ctx, p.AgentID, p.EndpointID)
	return s.taggedEndpoint(e, err)
}

func (s *Server) taggedEndpoint(e waybell.Endpoint, err error) (*tagged[endpointView], error) {
	if err != nil {
		return nil, err
	}
	return &tagged[endpointView]{ETag: etag(e.Version), Body: s.viewEndpoint(e)}, nil
}

func (s *Server) updateEndpoint(ctx context.Context, p *endpointChange, body *endpointBody) (*tagged[endpointView], error) {
	if err := body.maySave(ctx); err != nil {
		return nil, err
	}
	return matching(p.IfMatch, func(version int64) (*tagged[endpointView], error) {
		r, err := s.svc.UpdateEndpoint(ctx, p.AgentID, p.EndpointID, body.input(), version)
		if err != nil {
			return nil, err
		}
		return &tagged[endpointView]{ETag: etag(r.Endpoint.Version), Body: s.viewResult(r)}, nil
	})
}

func (s *Server) deleteEndpoint(ctx context.Context, p *endpointChange, _ *none) (*none, error) {
	return matching(p.IfMatch, func(version int64) (*none, error) {
		return &none{}, s.svc.DeleteEndpoint(ctx, p.AgentID, p.EndpointID, version)
	})
}
