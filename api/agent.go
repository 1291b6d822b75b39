package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

// AgentParams names an agent.
type AgentParams struct {
	AgentID string `path:"agent_id" maxLength:"128" doc:"The agent's id." example:"agent_42"`
}

// agentChange names an agent to change.
type agentChange struct {
	AgentParams
	IfMatch string `header:"If-Match" doc:"Only change the version with this ETag."`
}

type agentView struct {
	ID              string   `json:"id" example:"agent_42"`
	Name            string   `json:"name" example:"Support bot"`
	Profile         string   `json:"profile" doc:"The default of the agent's new endpoints." example:"standard"`
	Metadata        object   `json:"metadata" doc:"The platform's own; empty for portal sessions."`
	AvailableEvents []string `json:"available_events" nullable:"true" doc:"The types this agent's plan produces; null = all."`
	EndpointCount   int      `json:"endpoint_count" minimum:"0" doc:"How many endpoints it has."`
	CreatedAt       string   `json:"created_at" format:"date-time"`
	UpdatedAt       string   `json:"updated_at" format:"date-time"`
}

func (s *Server) viewAgent(a waybell.Agent) agentView {
	return agentView{
		ID: a.ID, Name: a.Name, Profile: a.Profile, Metadata: object(a.Metadata), AvailableEvents: a.AvailableEvents,
		EndpointCount: s.svc.EndpointCount(a.Number), CreatedAt: rfc3339(a.CreatedAt), UpdatedAt: rfc3339(a.UpdatedAt),
	}
}

// viewAgentFor leaves out what is the platform's own where an agent's owner
// reads it.
func (s *Server) viewAgentFor(key *waybell.APIKey, a waybell.Agent) agentView {
	if key.IsPortal() {
		a.Metadata = nil
	}
	return s.viewAgent(a)
}

// agentList asks for a page of agents.
type agentList struct {
	ListParams
	Search string `query:"search" maxLength:"200" doc:"A part of the id or the name, in any case."`
}

// agentBody is an agent as the caller writes it.
type agentBody struct {
	ID              givenText                  `json:"id,omitempty" minLength:"1" doc:"1–128 of A-Za-z0-9._:-, not dots alone; without it one is made. Elsewhere than at creation it must be the agent's own." example:"agent_42"`
	Name            waybell.Optional[string]   `json:"name,omitempty" nullable:"false" doc:"1–200 characters." example:"Support bot"`
	Profile         waybell.Optional[string]   `json:"profile,omitempty" doc:"standard (default), chatzuri, chatislav or a configured one."`
	Metadata        waybell.Optional[object]   `json:"metadata,omitempty" nullable:"true" doc:"An object of at most 16 KiB; PATCH merges it."`
	AvailableEvents waybell.Optional[[]string] `json:"available_events,omitempty" nullable:"true" doc:"Names or aliases; null = all."`
}

// newAgentBody is an agentBody in which the name must be given.
type newAgentBody agentBody

// TransformSchema says what a new agent must have.
func (newAgentBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Required = []string{"name"}
	return s
}

func (b agentBody) input() waybell.AgentInput {
	return waybell.AgentInput{
		ID: string(b.ID), Name: b.Name, Profile: b.Profile, AvailableEvents: b.AvailableEvents,
		Metadata: optionalAs(b.Metadata, func(o object) json.RawMessage { return json.RawMessage(o) }),
	}
}

func (s *Server) registerAgents() {
	change := []waybell.Code{waybell.CodeUnknownEventType, waybell.CodePreconditionFailed}
	add(s, route{
		id: "create-agent", method: http.MethodPost, path: "/v1/agents", tag: tagAgents, summary: "Create an agent",
		scope: waybell.ScopeAdmin, status: http.StatusCreated, media: []string{mediaJSON},
		codes: []waybell.Code{waybell.CodeAgentExists, waybell.CodeUnknownEventType},
	}, s.createAgent)
	add(s, route{
		id: "list-agents", method: http.MethodGet, path: "/v1/agents", tag: tagAgents, summary: "List agents",
		scope: waybell.ScopeEndpointsRead,
	}, s.listAgents)
	add(s, route{
		id: "get-agent", method: http.MethodGet, path: "/v1/agents/{agent_id}", tag: tagAgents, summary: "Show an agent",
		scope: waybell.ScopeEndpointsRead,
	}, s.getAgent)
	put := route{
		id: "put-agent", method: http.MethodPut, path: "/v1/agents/{agent_id}", tag: tagAgents, summary: "Create or replace an agent",
		description: "Creating one needs the scope `admin`.",
		scope:       waybell.ScopeEndpointsWrite, platform: true, media: []string{mediaJSON}, codes: change,
	}
	add(s, put, s.putAgent)
	s.documentCreated(put)
	add(s, route{
		id: "update-agent", method: http.MethodPatch, path: "/v1/agents/{agent_id}", tag: tagAgents, summary: "Change an agent",
		scope: waybell.ScopeEndpointsWrite, platform: true, media: []string{mediaMergePatch, mediaJSON}, codes: change,
	}, s.updateAgent)
	add(s, route{
		id: "delete-agent", method: http.MethodDelete, path: "/v1/agents/{agent_id}", tag: tagAgents, summary: "Delete an agent",
		description: "Deletes its endpoints too; what waits is canceled. The id may be used again, for an agent that does not see the old log.",
		scope:       waybell.ScopeEndpointsWrite, platform: true, status: http.StatusNoContent,
		codes: []waybell.Code{waybell.CodePreconditionFailed},
	}, s.deleteAgent)
}

func (s *Server) createAgent(ctx context.Context, _ *none, body *newAgentBody) (*created[agentView], error) {
	a, err := s.svc.CreateAgent(ctx, agentBody(*body).input())
	if err != nil {
		return nil, err
	}
	return &created[agentView]{ETag: etag(a.Version), Location: "/v1/agents/" + a.ID, Body: s.viewAgent(a)}, nil
}

func (s *Server) listAgents(ctx context.Context, p *agentList, _ *none) (*answer[list[agentView]], error) {
	key := callOf(ctx).key
	q := p.query(key.AgentIDs)
	q.Search = p.Search
	page, err := s.svc.Agents(ctx, q)
	return listed(page, err, func(a waybell.Agent) agentView { return s.viewAgentFor(key, a) })
}

func (s *Server) getAgent(ctx context.Context, p *AgentParams, _ *none) (*tagged[agentView], error) {
	a, err := s.svc.Agent(ctx, p.AgentID)
	if err != nil {
		return nil, err
	}
	return &tagged[agentView]{ETag: etag(a.Version), Body: s.viewAgentFor(callOf(ctx).key, a)}, nil
}

// putAgent lets a key without admin replace an agent, but not create one.
func (s *Server) putAgent(ctx context.Context, p *agentChange, body *newAgentBody) (*taggedPut[agentView], error) {
	mayCreate := callOf(ctx).key.Allows(waybell.ScopeAdmin)
	if !mayCreate {
		if _, err := s.svc.Agent(ctx, p.AgentID); waybell.ErrorCode(err) == waybell.CodeAgentNotFound {
			return nil, forbidden("creating an agent needs the scope "+string(waybell.ScopeAdmin), waybell.ScopeAdmin)
		}
	}
	return matching(p.IfMatch, func(version int64) (*taggedPut[agentView], error) {
		if !mayCreate && version == 0 {
			version = waybell.AnyVersion // it may be deleted meanwhile
		}
		a, isNew, err := s.svc.PutAgent(ctx, p.AgentID, agentBody(*body).input(), version)
		out := &taggedPut[agentView]{Status: http.StatusOK, ETag: etag(a.Version), Body: s.viewAgent(a)}
		if isNew {
			out.Status = http.StatusCreated
		}
		return out, err
	})
}

func (s *Server) updateAgent(ctx context.Context, p *agentChange, body *agentBody) (*tagged[agentView], error) {
	return matching(p.IfMatch, func(version int64) (*tagged[agentView], error) {
		a, err := s.svc.UpdateAgent(ctx, p.AgentID, body.input(), version)
		return &tagged[agentView]{ETag: etag(a.Version), Body: s.viewAgent(a)}, err
	})
}

func (s *Server) deleteAgent(ctx context.Context, p *agentChange, _ *none) (*none, error) {
	return matching(p.IfMatch, func(version int64) (*none, error) {
		return &none{}, s.svc.DeleteAgent(ctx, p.AgentID, version)
	})
}
