package api

import (
	"context"
	"net/http"

	"github.com/waybell/waybell"
)

type ledgerView struct {
	Accepted  int64 `json:"accepted" doc:"Deliveries promised by accepted events: the sum of the others."`
	Pending   int64 `json:"pending"`
	Retrying  int64 `json:"retrying"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	Held      int64 `json:"held"`
	Canceled  int64 `json:"canceled"`
}

func viewLedger(l waybell.Ledger, err error) (*answer[ledgerView], error) {
	if err != nil {
		return nil, err
	}
	return &answer[ledgerView]{Body: ledgerView(l)}, nil
}

func (s *Server) registerLedgers() {
	add(s, route{
		id: "get-agent-ledger", method: http.MethodGet, path: "/v1/agents/{agent_id}/ledger", tag: tagDeliveries,
		summary: "Show an agent's ledger", scope: waybell.ScopeDeliveriesRead,
	}, func(ctx context.Context, p *AgentParams, _ *none) (*answer[ledgerView], error) {
		return viewLedger(s.svc.Ledger(ctx, p.AgentID, ""))
	})
	add(s, route{
		id: "get-endpoint-ledger", method: http.MethodGet, path: "/v1/agents/{agent_id}/endpoints/{endpoint_id}/ledger",
		tag: tagDeliveries, summary: "Show an endpoint's ledger", scope: waybell.ScopeDeliveriesRead,
		codes: []waybell.Code{waybell.CodeEndpointNotFound},
	}, func(ctx context.Context, p *EndpointParams, _ *none) (*answer[ledgerView], error) {
		return viewLedger(s.svc.Ledger(ctx, p.AgentID, p.EndpointID))
	})
}
