package waybell

import "context"

// Retry makes a delivery due now: a waiting one keeps its schedule, a settled
// one starts a fresh schedule and window. CodeDeliveryHeld while its endpoint
// is paused or suspended.
func (s *Service) Retry(ctx context.Context, agentID, deliveryID string) (DeliveryView, error) {
	panic("pending")
}

// Cancel settles a waiting delivery as canceled; CodeDeliveryFinished for a
// settled one.
func (s *Service) Cancel(ctx context.Context, agentID, deliveryID string) (DeliveryView, error) {
	panic("pending")
}

// TestInput is what a test send may choose.
type TestInput struct {
	Type string // "" = the endpoint's first type, else lead.submit
	Data []byte // nil = the catalogue's example
}

// Test sends a real signed request to an endpoint, waits for it and returns
// the delivery with its attempt. It is logged like any other, never retried,
// and goes through whatever state the endpoint is in.
func (s *Service) Test(ctx context.Context, agentID, endpointID string, in TestInput) (DeliveryView, error) {
	panic("pending")
}
