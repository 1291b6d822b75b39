// Package stored is the JSON in which every store keeps what of a row is never
// searched for. It is written once for all stores, because a field that one of
// them forgot would be lost without a word. Fields are only added: rows of
// earlier versions are read for as long as their database lives.
package stored

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

type agent struct {
	Name            string   `json:"name"`
	Profile         string   `json:"profile"`
	Metadata        []byte   `json:"metadata,omitempty"` // as base64: its bytes stay as they are
	AvailableEvents []string `json:"available_events"`   // null = all, [] = none
}

// Agent is what is kept of an agent beside its columns.
func Agent(a *waybell.Agent) ([]byte, error) {
	return json.Marshal(agent{a.Name, a.Profile, a.Metadata, a.AvailableEvents})
}

// ReadAgent puts what [Agent] made into a, whose columns are set.
func ReadAgent(blob []byte, a *waybell.Agent) error {
	var v agent
	if err := json.Unmarshal(blob, &v); err != nil {
		return fmt.Errorf("settings of agent %d: %w", a.Number, err)
	}
	a.Name, a.Profile, a.Metadata, a.AvailableEvents = v.Name, v.Profile, v.Metadata, v.AvailableEvents
	return nil
}

// endpoint has neither headers nor secrets: their column holds them sealed.
type endpoint struct {
	URL             string                `json:"url"`
	Description     string                `json:"description,omitempty"`
	Enabled         bool                  `json:"enabled"`
	Events          []string              `json:"events"`
	Profile         string                `json:"profile"`
	Method          string                `json:"method"`
	Timeout         time.Duration         `json:"timeout"`
	Format          string                `json:"format"`
	IncludeMessages bool                  `json:"include_messages"`
	StandardHeaders bool                  `json:"standard_headers"`
	Retry           waybell.RetrySettings `json:"retry"`
	RateLimit       float64               `json:"rate_limit,omitempty"`
	Concurrency     int                   `json:"concurrency,omitempty"`
	StateReason     string                `json:"state_reason,omitempty"`
	Held            time.Duration         `json:"held,omitempty"`
	DrainUpTo       waybell.Key           `json:"drain_up_to,omitempty"`
}

// Endpoint is what is kept of an endpoint beside its columns.
func Endpoint(e *waybell.Endpoint) ([]byte, error) {
	return json.Marshal(endpoint{
		URL: e.URL, Description: e.Description, Enabled: e.Enabled, Events: e.Events, Profile: e.Profile,
		Method: e.Method, Timeout: e.Timeout, Format: e.Format, IncludeMessages: e.IncludeMessages,
		StandardHeaders: e.StandardHeaders, Retry: e.Retry, RateLimit: e.RateLimit,
		Concurrency: e.Concurrency, StateReason: e.StateReason, Held: e.Held, DrainUpTo: e.DrainUpTo,
	})
}

// ReadEndpoint puts what [Endpoint] made into e, whose columns are set.
func ReadEndpoint(blob []byte, e *waybell.Endpoint) error {
	var v endpoint
	if err := json.Unmarshal(blob, &v); err != nil {
		return fmt.Errorf("settings of endpoint %d: %w", e.Number, err)
	}
	e.URL, e.Description, e.Enabled, e.Events, e.Profile = v.URL, v.Description, v.Enabled, v.Events, v.Profile
	e.Method, e.Timeout, e.Format, e.IncludeMessages = v.Method, v.Timeout, v.Format, v.IncludeMessages
	e.StandardHeaders, e.Retry, e.RateLimit, e.Concurrency = v.StandardHeaders, v.Retry, v.RateLimit, v.Concurrency
	e.StateReason, e.Held, e.DrainUpTo = v.StateReason, v.Held, v.DrainUpTo
	return nil
}

type key struct {
	Name     string          `json:"name,omitempty"`
	Scopes   []waybell.Scope `json:"scopes"`
	AgentIDs []string        `json:"agent_ids"` // null = all, [] = none
}

// Key is what is kept of an API key beside its columns.
func Key(k *waybell.APIKey) ([]byte, error) {
	return json.Marshal(key{k.Name, k.Scopes, k.AgentIDs})
}

// ReadKey puts what [Key] made into k, whose columns are set.
func ReadKey(blob []byte, k *waybell.APIKey) error {
	var v key
	if err := json.Unmarshal(blob, &v); err != nil {
		return fmt.Errorf("settings of key %s: %w", k.ID, err)
	}
	k.Name, k.Scopes, k.AgentIDs = v.Name, v.Scopes, v.AgentIDs
	return nil
}

type session struct {
	AgentID      string               `json:"agent_id,omitempty"`
	KeyID        string               `json:"key_id,omitempty"`
	Capabilities []waybell.Capability `json:"capabilities"`
	Theme        string               `json:"theme"`
}

// Session is what is kept of a session beside its columns.
func Session(s *waybell.Session) ([]byte, error) {
	return json.Marshal(session{s.AgentID, s.KeyID, s.Capabilities, s.Theme})
}

// ReadSession puts what [Session] made into s, whose columns are set.
func ReadSession(blob []byte, s *waybell.Session) error {
	var v session
	if err := json.Unmarshal(blob, &v); err != nil {
		return fmt.Errorf("settings of session %s: %w", s.ID, err)
	}
	s.AgentID, s.KeyID, s.Capabilities, s.Theme = v.AgentID, v.KeyID, v.Capabilities, v.Theme
	return nil
}

type inboxRequest struct {
	Method     string            `json:"method"`
	Headers    map[string]string `json:"headers"`
	Truncated  bool              `json:"truncated,omitempty"`
	Status     int               `json:"status"`
	DeliveryID string            `json:"delivery_id,omitempty"`
	Event      string            `json:"event,omitempty"`
	Attempt    int               `json:"attempt,omitempty"`
	Verdict    inboxVerdict      `json:"verdict"`
}

type inboxVerdict struct {
	Status string `json:"status"`
	Header string `json:"header,omitempty"`
	Scheme string `json:"scheme,omitempty"`
	Text   string `json:"text"`
}

// InboxRequest is what is kept of a request that an inbox received beside its
// columns and its body.
func InboxRequest(q *waybell.InboxRequest) ([]byte, error) {
	return json.Marshal(inboxRequest{
		q.Method, q.Headers, q.Truncated, q.Status, q.DeliveryID, q.Event, q.Attempt, inboxVerdict(q.Verdict),
	})
}

// ReadInboxRequest puts what [InboxRequest] made into q, whose columns are set.
func ReadInboxRequest(blob []byte, q *waybell.InboxRequest) error {
	var v inboxRequest
	if err := json.Unmarshal(blob, &v); err != nil {
		return fmt.Errorf("detail of request %s: %w", q.ID, err)
	}
	q.Method, q.Headers, q.Truncated, q.Status = v.Method, v.Headers, v.Truncated, v.Status
	q.DeliveryID, q.Event, q.Attempt, q.Verdict = v.DeliveryID, v.Event, v.Attempt, waybell.InboxVerdict(v.Verdict)
	return nil
}
