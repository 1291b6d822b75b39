package waybell

import (
	"context"
	"strings"

	"github.com/waybell/waybell/signature"
)

// DirectoryEndpoint is the endpoint that the sender would read.
func (s *Service) DirectoryEndpoint(n EndpointNumber) *Endpoint { return s.dir.endpoint(n) }

// SigningSecrets is how many secrets of an endpoint would sign now.
func (s *Service) SigningSecrets(n EndpointNumber) int {
	e := s.dir.entry(n)
	if signers := e.signersAt(clock()); len(signers) > 0 {
		return 1 + strings.Count(signers[len(signers)-1].Sign(signature.Message{ID: "x", Timestamp: clock()}), " ")
	}
	return 0
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

// EnsureAgent is what publishing calls.
func (s *Service) EnsureAgent(ctx context.Context, id string) error {
	_, err := s.ensureAgent(ctx, id)
	return err
}
