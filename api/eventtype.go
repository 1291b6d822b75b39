package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/catalogue"
)

type typeParams struct {
	Name string `path:"name" maxLength:"128" doc:"The type's name or alias." example:"lead.submit"`
}

type typeList struct {
	ListParams
	AgentID string `query:"agent_id" maxLength:"128" doc:"Tell what is available to this agent."`
}

type eventTypeView struct {
	Name        string     `json:"name" example:"lead.submit"`
	Alias       *string    `json:"alias" doc:"Another name that is accepted wherever a type is written."`
	Description string     `json:"description" example:"A lead form was captured."`
	Schema      schemaJSON `json:"schema" doc:"JSON Schema 2020-12 of the data object; null = any object."`
	Example     object     `json:"example" doc:"A data object."`
	BuiltIn     bool       `json:"built_in" doc:"Built-in types are read-only."`
	Available   bool       `json:"available" doc:"Whether the plan of the agent asked for produces it; true when none was."`
	CreatedAt   *string    `json:"created_at" format:"date-time" doc:"Null for built-in ones."`
	UpdatedAt   *string    `json:"updated_at" format:"date-time" doc:"Null for built-in ones."`
}

func (s *Server) viewEventType(t waybell.EventType) eventTypeView {
	return eventTypeView{
		Name: t.Name, Alias: orNull(s.aliases[t.Name]), Description: t.Description,
		Schema: schemaJSON(t.Schema), Example: object(t.Example), BuiltIn: t.BuiltIn, Available: true,
		CreatedAt: timeOrNull(t.CreatedAt), UpdatedAt: timeOrNull(t.UpdatedAt),
	}
}

// typeAliases are the other names of the built-in types, by their own.
func typeAliases() map[string]string {
	aliases := map[string]string{}
	for _, t := range catalogue.All() {
		aliases[t.Name] = t.Alias
	}
	return aliases
}

type eventTypeBody struct {
	Description string     `json:"description,omitempty" maxLength:"500" doc:"One sentence."`
	Schema      schemaJSON `json:"schema,omitempty" doc:"JSON Schema 2020-12 of the data object; it may not refer outside itself."`
	Example     object     `json:"example,omitempty" doc:"A data object that the schema accepts."`
}

func (s *Server) registerEventTypes() {
	const all, one = "/v1/event-types", "/v1/event-types/{name}"
	add(s, route{
		id: "list-event-types", method: http.MethodGet, path: all, tag: tagTypes, summary: "List event types",
		description: "The built-in ones in a fixed order, then the registered ones by name.",
		scope:       waybell.ScopeEndpointsRead, codes: []waybell.Code{waybell.CodeAgentNotFound},
	}, s.listEventTypes)
	add(s, route{
		id: "get-event-type", method: http.MethodGet, path: one, tag: tagTypes, summary: "Show an event type",
		scope: waybell.ScopeEndpointsRead, codes: []waybell.Code{waybell.CodeEventTypeNotFound},
	}, s.getEventType)
	put := route{
		id: "put-event-type", method: http.MethodPut, path: one, tag: tagTypes, summary: "Register or replace an event type",
		scope: waybell.ScopeAdmin, media: []string{mediaJSON}, codes: []waybell.Code{waybell.CodeEventTypeReadOnly},
	}
	add(s, put, s.putEventType)
	s.documentCreated(put)
	add(s, route{
		id: "delete-event-type", method: http.MethodDelete, path: one, tag: tagTypes, summary: "Remove an event type",
		scope: waybell.ScopeAdmin, status: http.StatusNoContent,
		codes: []waybell.Code{waybell.CodeEventTypeNotFound, waybell.CodeEventTypeReadOnly, waybell.CodeEventTypeInUse},
	}, s.deleteEventType)
}

func (s *Server) listEventTypes(ctx context.Context, p *typeList, _ *none) (*answer[list[eventTypeView]], error) {
	view := s.viewEventType
	if p.AgentID != "" {
		if !callOf(ctx).key.AllowsAgent(p.AgentID) {
			return nil, agentNotFound(p.AgentID)
		}
		a, err := s.svc.Agent(ctx, p.AgentID)
		if err != nil {
			return nil, err
		}
		view = func(t waybell.EventType) eventTypeView {
			v := s.viewEventType(t)
			v.Available = a.AvailableEvents == nil || slices.Contains(a.AvailableEvents, t.Name)
			return v
		}
	}
	page, err := s.svc.EventTypes(ctx, p.query(nil))
	return listed(page, err, view)
}

func (s *Server) getEventType(ctx context.Context, p *typeParams, _ *none) (*answer[eventTypeView], error) {
	t, err := s.svc.EventType(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	return &answer[eventTypeView]{Body: s.viewEventType(t)}, nil
}

func (s *Server) putEventType(ctx context.Context, p *typeParams, body *eventTypeBody) (*put[eventTypeView], error) {
	t, isNew, err := s.svc.PutEventType(ctx, p.Name, waybell.EventTypeInput{
		Description: body.Description, Schema: json.RawMessage(body.Schema), Example: json.RawMessage(body.Example),
	})
	if err != nil {
		return nil, err
	}
	out := &put[eventTypeView]{Status: http.StatusOK, Body: s.viewEventType(t)}
	if isNew {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (s *Server) deleteEventType(ctx context.Context, p *typeParams, _ *none) (*none, error) {
	return orError(&none{}, s.svc.DeleteEventType(ctx, p.Name))
}
