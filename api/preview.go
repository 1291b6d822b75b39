package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

// previewBody is a draft of an endpoint and the event that its request shows.
type previewBody struct {
	Endpoint   draftBody                `json:"endpoint,omitempty" doc:"As for creating or changing it."`
	EndpointID string                   `json:"endpoint_id,omitempty" doc:"The draft is a patch of this endpoint; without it, a new one."`
	Event      string                   `json:"event,omitempty" doc:"A type by name or alias, or webhook.test. Default: the first one of the draft, else lead.submit." example:"lead.submit"`
	Data       waybell.Optional[object] `json:"data,omitempty" nullable:"true" doc:"Default: the type's example."`
}

// draftBody is an endpointBody that may be wrong.
type draftBody endpointBody

// TransformSchema takes the bounds away: what is out of them is told.
func (draftBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, p := range s.Properties {
		p.Minimum, p.Maximum, p.ExclusiveMinimum = nil, nil, nil
	}
	return s
}

type previewView struct {
	Valid         bool                `json:"valid" doc:"Nothing is wrong: the draft could be saved, and the event published."`
	Errors        []previewErrorView  `json:"errors" nullable:"false" doc:"What saving the draft or publishing the event would refuse."`
	Warnings      []string            `json:"warnings" nullable:"false" enum:"no_events_selected,weak_secret,not_https"`
	Endpoint      previewEndpointView `json:"endpoint"`
	Request       *previewRequestView `json:"request" doc:"What a receiver would get; null where the format is not known or the event is wrong."`
	ExampleSecret *string             `json:"example_secret" doc:"The public secret that the shown signature was made with; null for an unsigned request. Never a stored one."`
}

type previewErrorView struct {
	Location string `json:"location" example:"body.endpoint.url"`
	Message  string `json:"message"`
	Code     string `json:"code" example:"target_not_allowed"`
}

// previewEndpointView is an endpoint with all that it leaves to its profile.
type previewEndpointView struct {
	URL             *string   `json:"url" doc:"In canonical form; null unless it is valid."`
	Profile         string    `json:"profile" example:"standard"`
	Format          string    `json:"format" example:"standard"`
	Method          string    `json:"method" enum:"POST,PUT"`
	TimeoutSeconds  int       `json:"timeout_seconds"`
	IncludeMessages bool      `json:"include_messages"`
	StandardHeaders bool      `json:"standard_headers"`
	Retry           retryView `json:"retry"`
}

type previewRequestView struct {
	Method  string            `json:"method" enum:"POST,PUT"`
	URL     *string           `json:"url" doc:"Null unless it is valid."`
	Headers map[string]string `json:"headers" doc:"Values of custom headers are masked."`
	Body    string            `json:"body"`
}

// TransformSchema says that the whole may be null.
func (previewRequestView) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Nullable = true
	return s
}

func (s *Server) registerPreview() {
	add(s, route{
		id: "preview-endpoint", method: http.MethodPost, path: "/v1/agents/{agent_id}/endpoints/preview", tag: tagEndpoints,
		summary:     "Check a draft and show its request",
		description: "Saves nothing and opens no connection. A wrong draft or event is no error of this call: see `errors`.",
		scope:       waybell.ScopeEndpointsRead, media: []string{mediaJSON}, event: true,
		codes: []waybell.Code{waybell.CodeEndpointNotFound},
	}, s.preview)
}

func (s *Server) preview(ctx context.Context, p *AgentParams, body *previewBody) (*answer[previewView], error) {
	draft, err := s.svc.Preview(ctx, p.AgentID, waybell.PreviewInput{
		EndpointID: body.EndpointID, Endpoint: endpointBody(body.Endpoint).input(),
		Event: waybell.TestInput{Type: body.Event, Data: body.Data.Value},
	})
	if err != nil {
		return nil, err
	}
	e := &draft.Endpoint
	v := previewView{
		Valid: len(draft.Errors) == 0, Errors: []previewErrorView{}, Warnings: viewWarnings(draft.Warnings),
		Endpoint: previewEndpointView{
			URL: orNull(e.URL), Profile: e.Profile, Format: e.Format, Method: e.Method, TimeoutSeconds: int(e.Timeout / time.Second),
			IncludeMessages: e.IncludeMessages, StandardHeaders: e.StandardHeaders, Retry: viewRetry(s.svc.EffectiveRetry(e)),
		},
		ExampleSecret: orNull(draft.ExampleSecret.Reveal()),
	}
	for _, wrong := range draft.Errors {
		v.Errors = append(v.Errors, previewErrorView{wrong.Location, wrong.Message, string(wrong.Code)})
	}
	if r := draft.Request; r != nil {
		v.Request = &previewRequestView{Method: r.Method, URL: orNull(r.URL), Headers: r.Headers, Body: string(r.Body)}
	}
	return &answer[previewView]{Body: v}, nil
}
