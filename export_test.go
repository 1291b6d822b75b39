package waybell

import (
	"context"
	"net/http"
	"time"

	"github.com/waybell/waybell/signature"
)

// DirectoryEndpoint is the endpoint that the sender would read.
func (s *Service) DirectoryEndpoint(n EndpointNumber) *Endpoint { return s.dir.endpoint(n) }

// Sign sets the signature headers that the sender would.
func (s *Service) Sign(n EndpointNumber, h http.Header, m signature.Message) {
	s.dir.entry(n).signing.Sign(m, h.Set)
}

// Targets are the ids of an agent's endpoints that take a type.
func (s *Service) Targets(agentID, eventType string) []string {
	a, err := s.dir.agent(agentID)
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range a.endpoints {
		if e.takes(eventType) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// OnEndpoint sets the hook for changes of endpoints.
func (s *Service) OnEndpoint(f func(old, new *Endpoint)) { s.onEndpoint = f }

// Refresh is what a node does by itself every few seconds.
func (s *Service) Refresh(ctx context.Context) error { return s.refresh(ctx) }

// EnsureAgent is what publishing calls for an agent that it does not find.
func (s *Service) EnsureAgent(ctx context.Context, id string) error {
	if _, e := s.ensureAgent(ctx, id, "path.agent_id"); e != nil {
		return e
	}
	return nil
}

// ClockWentBack makes the service see its clock stepped back.
func ClockWentBack(s *Service, by time.Duration) {
	base := *s.clock.base.Load()
	base.shown = base.shown.Add(by)
	s.clock.base.Store(&base)
	s.clock.now()
}
