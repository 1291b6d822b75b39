package waybell

import "context"

// HeldChoice is what becomes of the deliveries that were held when an endpoint
// is resumed.
type HeldChoice string

// The choices of [Service.ResumeEndpoint].
const (
	HeldSend   HeldChoice = "send" // oldest first
	HeldCancel HeldChoice = "cancel"
)

// PauseEndpoint holds an endpoint's deliveries until it is resumed; it may be
// repeated. Errors: CodeEndpointNotFound; CodeEndpointDisabled for a disabled one.
func (s *Service) PauseEndpoint(ctx context.Context, agentID, id string) (Endpoint, error) {
	panic("pending")
}

// ResumeEndpoint ends a pause or a suspension; "" means [HeldSend]. It may be
// repeated. Errors: CodeInvalid, CodeEndpointNotFound; CodeConflict for a
// disabled one.
func (s *Service) ResumeEndpoint(ctx context.Context, agentID, id string, held HeldChoice) (Endpoint, error) {
	panic("pending")
}

// SuspendEndpoint holds an endpoint's deliveries because of how its receiver
// answers. It is for the engine; disabled, paused and deleted endpoints stay as
// they are.
func (s *Service) SuspendEndpoint(ctx context.Context, n EndpointNumber, reason string) error {
	panic("pending")
}

// DeleteEndpoint cancels what waits and forgets headers and secrets; the log
// stays until retention. ifMatch is the version that must be deleted, 0 = any.
// Errors: CodeEndpointNotFound, CodePreconditionFailed.
func (s *Service) DeleteEndpoint(ctx context.Context, agentID, id string, ifMatch int64) error {
	panic("pending")
}
