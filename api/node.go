package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/waybell/waybell"
)

type nodeView struct {
	ID       string `json:"id" example:"17" doc:"Never used again."`
	Name     string `json:"name" example:"web-1/4021" doc:"The setting node-name, or host name and process id."`
	Version  string `json:"version" doc:"Of the program that it runs."`
	Role     string `json:"role" enum:"all,api,worker" doc:"Nodes with the role api deliver nothing; those with the role worker serve no API."`
	State    string `json:"state" enum:"living,dead" doc:"Dead nodes are listed until the others have taken over all that was theirs."`
	This     bool   `json:"this" doc:"Whether it is the node that answers."`
	InFlight int    `json:"in_flight" doc:"Attempts under way."`
	Queued   int    `json:"queued" doc:"Deliveries in its memory that wait for one."`
	JoinedAt string `json:"joined_at" format:"date-time" doc:"By the clock of the store, as is seen_at."`
	SeenAt   string `json:"seen_at" format:"date-time" doc:"The last heartbeat."`
}

func viewNode(n waybell.NodeView) nodeView {
	return nodeView{
		ID: strconv.FormatInt(n.Number, 10), Name: n.Name, Version: n.Version, Role: n.Role.String(), State: nodeState(n.Dead),
		This: n.This, InFlight: n.InFlight, Queued: n.Queued, JoinedAt: rfc3339(n.JoinedAt), SeenAt: rfc3339(n.SeenAt),
	}
}

// nodeState is the word of the API and the metrics.
func nodeState(dead bool) string {
	if dead {
		return "dead"
	}
	return "living"
}

// nodeListView is no page: there are at most as many nodes as slots.
type nodeListView struct {
	Data []nodeView `json:"data" nullable:"false"`
}

func (s *Server) registerNodes() {
	add(s, route{
		id: "list-nodes", method: http.MethodGet, path: "/v1/nodes", tag: tagHealth, summary: "List the nodes",
		description: "The processes that work with the same store, oldest first, and what each has in hand: of this one at this moment, of the others at their last heartbeat.",
		scope:       waybell.ScopeAdmin, codes: []waybell.Code{waybell.CodeUnavailable},
	}, func(ctx context.Context, _ *none, _ *none) (*answer[nodeListView], error) {
		nodes, err := s.svc.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		v := nodeListView{Data: []nodeView{}}
		for _, n := range nodes {
			v.Data = append(v.Data, viewNode(n))
		}
		return &answer[nodeListView]{Body: v}, nil
	})
}
