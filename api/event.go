package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/waybell/waybell"
)

type eventParams struct {
	AgentParams
	EventID string `path:"event_id" maxLength:"128" doc:"The event's id." example:"evt_0crw6n2v4k8pq"`
}

type eventList struct {
	AgentParams
	ListParams
	SpanParams
	Event string `query:"event" maxLength:"128" doc:"A type by name or alias."`
}

// EventView is an event in lists.
type EventView struct {
	ID         string `json:"id" doc:"Also the webhook-id of its requests." example:"evt_0crw6n2v4k8pq"`
	Event      string `json:"event" example:"lead.submit"`
	Timestamp  string `json:"timestamp" format:"date-time" doc:"When it happened, as published."`
	AgentID    string `json:"agent_id" example:"agent_42"`
	Deliveries int    `json:"deliveries" doc:"How many deliveries it was accepted with."`
	Test       bool   `json:"test" doc:"Made by a test send."`
	CreatedAt  string `json:"created_at" format:"date-time" doc:"When it was accepted."`
}

// eventDetailView is an event with its payload and its deliveries.
type eventDetailView struct {
	EventView
	Data        object         `json:"data"`
	Messages    messages       `json:"messages" nullable:"true" doc:"The transcript; null without one."`
	DeliveryLog []DeliveryView `json:"delivery_log" nullable:"false"`
}

// messages is a transcript as it was published.
type messages []json.RawMessage

func viewEvent(e waybell.EventView) EventView {
	return EventView{
		ID: e.ID, Event: e.Type, Timestamp: rfc3339(e.Timestamp), AgentID: e.AgentID,
		Deliveries: e.Event.Deliveries, Test: e.Test, CreatedAt: rfc3339(e.Key.Time()),
	}
}

func (s *Server) registerEvents() {
	add(s, route{
		id: "list-events", method: http.MethodGet, path: "/v1/agents/{agent_id}/events", tag: tagEvents, summary: "List events",
		description: "Without their data; see one event for that.",
		scope:       waybell.ScopeDeliveriesRead,
	}, s.listEvents)
	add(s, route{
		id: "get-event", method: http.MethodGet, path: "/v1/agents/{agent_id}/events/{event_id}", tag: tagEvents,
		summary: "Show an event with its deliveries", scope: waybell.ScopeDeliveriesRead,
		codes: []waybell.Code{waybell.CodeEventNotFound},
	}, s.getEvent)
	s.registerPublish()
}

func (s *Server) listEvents(ctx context.Context, p *eventList, _ *none) (*answer[list[EventView]], error) {
	page, err := s.svc.Events(ctx, p.AgentID, waybell.LogFilter{
		Type: p.Event, Since: p.Since.Time, Until: p.Until.Time, Cursor: p.Cursor, Limit: p.Limit,
	})
	return listed(page, err, viewEvent)
}

func (s *Server) getEvent(ctx context.Context, p *eventParams, _ *none) (*answer[eventDetailView], error) {
	e, err := s.svc.Event(ctx, p.AgentID, p.EventID)
	if err != nil {
		return nil, err
	}
	v := eventDetailView{EventView: viewEvent(e), Data: object(e.Data), DeliveryLog: make([]DeliveryView, len(e.Deliveries))}
	if e.Messages != nil {
		if err := json.Unmarshal(e.Messages, &v.Messages); err != nil {
			return nil, err
		}
	}
	for i, d := range e.Deliveries {
		v.DeliveryLog[i] = viewDelivery(d)
	}
	return &answer[eventDetailView]{Body: v}, nil
}
