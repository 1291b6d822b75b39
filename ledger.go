package waybell

import "context"

// Ledger is the conservation ledger of an endpoint or agent:
// Accepted = Pending + Retrying + Delivered + Failed + Held + Canceled, always.
type Ledger struct {
	Accepted, Pending, Retrying, Delivered, Failed, Held, Canceled int64
}

// Ledger returns the ledger of an agent, deleted endpoints included, or with an
// endpoint's id that of one endpoint. Retention takes nothing from it. Errors:
// CodeAgentNotFound, CodeEndpointNotFound, CodeUnavailable.
//
// What waits is counted as the endpoint's state makes it: held while it is
// paused or suspended, canceled once it is disabled or deleted. What a resume
// with cancel leaves behind is counted as it is stored, until its rows have
// followed: the counters do not tell which of the waiting ones they are.
func (s *Service) Ledger(ctx context.Context, agentID, endpointID string) (Ledger, error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return Ledger{}, e
	}
	counters, err := s.store.Counters(ctx, agent.Number)
	if err != nil {
		return Ledger{}, storeMissing("ledger", err, CodeAgentNotFound)
	}
	var sum Ledger
	found := endpointID == ""
	for _, c := range counters {
		endpoint := s.dir.endpoint(c.Endpoint)
		if endpointID != "" && (endpoint == nil || endpoint.ID != endpointID) {
			continue
		}
		found = true
		sum.add(c, endpoint)
	}
	for _, e := range agent.endpoints { // one without a delivery has no counters yet
		found = found || e.ID == endpointID
	}
	if !found {
		return Ledger{}, noEndpoint(endpointID)
	}
	return sum, nil
}

// add adds an endpoint's counters; the endpoint is nil when its configuration
// has not arrived yet, so it is new and active.
func (l *Ledger) add(c Counters, e *Endpoint) {
	l.Accepted += c.Accepted
	l.Delivered += c.Delivered
	l.Failed += c.Failed
	l.Canceled += c.Canceled
	switch waiting := c.Pending + c.Retrying; {
	case e != nil && e.cancelsAll():
		l.Canceled += waiting
	case e != nil && e.IsHeld():
		l.Held += waiting
	default:
		l.Pending += c.Pending
		l.Retrying += c.Retrying
	}
}
