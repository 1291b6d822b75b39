package api

import (
	"context"
	"net/http"

	"github.com/waybell/waybell"
)

// resumeBody says what becomes of the held deliveries.
type resumeBody struct {
	Held string `json:"held,omitempty" enum:"send,cancel" doc:"send (default): oldest first."`
}

// testBody says what a test send sends.
type testBody struct {
	Event givenText                `json:"event,omitempty" minLength:"1" doc:"A type by name or alias, or webhook.test, which is any object. Default: the first subscribed type, else lead.submit." example:"lead.submit"`
	Data  waybell.Optional[object] `json:"data,omitempty" nullable:"true" doc:"Default: the type's example."`
}

func (s *Server) registerEndpointActions() {
	const path = "/v1/agents/{agent_id}/endpoints/{endpoint_id}/"
	codes := []waybell.Code{waybell.CodeEndpointNotFound, waybell.CodeEndpointDisabled, waybell.CodePreconditionFailed}
	add(s, route{
		id: "pause-endpoint", method: http.MethodPost, path: path + "pause", tag: tagEndpoints, summary: "Pause an endpoint",
		description: "Its deliveries are held until it is resumed.",
		scope:       waybell.ScopeEndpointsWrite, media: []string{mediaJSON}, optionalBody: true, codes: codes,
	}, s.pauseEndpoint)
	add(s, route{
		id: "resume-endpoint", method: http.MethodPost, path: path + "resume", tag: tagEndpoints, summary: "Resume an endpoint",
		description: "Ends a pause or a suspension.",
		scope:       waybell.ScopeEndpointsWrite, media: []string{mediaJSON}, optionalBody: true, codes: codes,
	}, s.resumeEndpoint)
	add(s, route{
		id: "test-endpoint", method: http.MethodPost, path: path + "test", tag: tagEndpoints, summary: "Send a test",
		description: "Sends a real signed request, waits for it and shows the delivery with its attempt. Never retried.",
		scope:       waybell.ScopeDeliveriesWrite, media: []string{mediaJSON}, optionalBody: true, event: true, waits: true,
		codes: []waybell.Code{waybell.CodeEndpointNotFound, waybell.CodeUnknownEventType, waybell.CodeBusy, waybell.CodeDraining},
	}, s.testEndpoint)
}

func (s *Server) pauseEndpoint(ctx context.Context, p *endpointChange, _ *emptyBody) (*tagged[endpointView], error) {
	return s.taggedEndpoint(matching(p.IfMatch, func(version int64) (waybell.Endpoint, error) {
		return s.svc.PauseEndpoint(ctx, p.AgentID, p.EndpointID, version)
	}))
}

func (s *Server) resumeEndpoint(ctx context.Context, p *endpointChange, body *resumeBody) (*tagged[endpointView], error) {
	return s.taggedEndpoint(matching(p.IfMatch, func(version int64) (waybell.Endpoint, error) {
		return s.svc.ResumeEndpoint(ctx, p.AgentID, p.EndpointID, waybell.HeldChoice(body.Held), version)
	}))
}

func (s *Server) testEndpoint(ctx context.Context, p *EndpointParams, body *testBody) (*answer[deliveryDetailView], error) {
	d, err := s.svc.Test(ctx, p.AgentID, p.EndpointID, waybell.TestInput{Type: string(body.Event), Data: body.Data.Value})
	return shownDelivery(d, err)
}
