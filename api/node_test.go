package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

func TestNodes(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Node = "node-1" })
	a := s.call(t, "GET /v1/nodes", "")
	if a.status != 200 || !a.has(t, `{"data":[{"id":"*","name":"node-1","version":"test","role":"all","state":"living","this":true,
		"in_flight":0,"queued":0,"joined_at":"*","seen_at":"*"}]}`) {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := s.call(t, "GET /v1/nodes", "", "Authorization: "); a.status != 401 {
		t.Errorf("without a key: %d", a.status)
	}
}

// crowd is a store that several nodes share.
type crowd struct{ waybell.Store }

func (c crowd) Nodes(ctx context.Context) ([]waybell.Node, error) {
	nodes, err := c.Store.Nodes(ctx)
	at := time.Date(2026, 4, 26, 8, 30, 14, 0, time.UTC)
	for i, n := range []waybell.Node{
		{NodeInfo: waybell.NodeInfo{Name: "api-1", Version: "1.0", Role: waybell.RoleAPI}},
		{NodeInfo: waybell.NodeInfo{Name: "worker-1", Version: "1.1", Role: waybell.RoleWorker}, NodeLoad: waybell.NodeLoad{InFlight: 3, Queued: 70}},
		{NodeInfo: waybell.NodeInfo{Name: "worker-2", Version: "1.1", Role: waybell.RoleWorker}, Dead: true},
	} {
		n.Number, n.JoinedAt, n.SeenAt = int64(100+i), at, at.Add(time.Minute)
		nodes = append(nodes, n)
	}
	return nodes, err
}

func TestManyNodes(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Store = crowd{c.Store} })
	const times = `"joined_at":"2026-04-26T08:30:14.000Z","seen_at":"2026-04-26T08:31:14.000Z"`
	a := s.call(t, "GET /v1/nodes", "")
	if !a.has(t, fmt.Sprintf(`{"data":[{"this":true},
		{"id":"100","name":"api-1","version":"1.0","role":"api","state":"living","this":false,"in_flight":0,"queued":0,%s},
		{"id":"101","name":"worker-1","version":"1.1","role":"worker","state":"living","this":false,"in_flight":3,"queued":70,%s},
		{"id":"102","name":"worker-2","version":"1.1","role":"worker","state":"dead","this":false,"in_flight":0,"queued":0,%s}]}`, times, times, times)) {
		t.Errorf("%d %s", a.status, a.text)
	}
	metrics := s.call(t, "GET /metrics", "").text
	for _, line := range []string{
		`waybell_nodes{role="all",state="living"} 1`, `waybell_nodes{role="api",state="living"} 1`,
		`waybell_nodes{role="worker",state="living"} 1`, `waybell_nodes{role="worker",state="dead"} 1`,
		`waybell_nodes{role="all",state="dead"} 0`, `waybell_node_info{role="all"} 1`, `waybell_ready 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no metric %s", line)
		}
	}
	s.svc.Drain()
	if metrics := s.call(t, "GET /metrics", "").text; !strings.Contains(metrics, "waybell_ready 0\n") {
		t.Error("a draining node says that it is ready")
	}
}

// lonely is a store that from some time on cannot tell its nodes.
type lonely struct {
	waybell.Store
	silent *atomic.Bool
}

func (l lonely) Nodes(ctx context.Context) ([]waybell.Node, error) {
	if l.silent.Load() {
		return nil, waybell.ErrUnavailable
	}
	return l.Store.Nodes(ctx)
}

func TestNodesOfASilentStore(t *testing.T) {
	t.Parallel()
	var silent atomic.Bool
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Store = lonely{c.Store, &silent} })
	silent.Store(true)
	if a := s.call(t, "GET /v1/nodes", ""); a.status != 503 || a.str("code") != "unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if metrics := s.call(t, "GET /metrics", "").text; !strings.Contains(metrics, "waybell_store_up 0\n") || strings.Contains(metrics, "waybell_nodes") {
		t.Error("the metrics tell nodes of a store that is down")
	}
}

// shared is a store that other nodes may use, as far as this one knows.
type shared struct{ waybell.Store }

func (s shared) Join(ctx context.Context, n waybell.NodeInfo) (waybell.Lease, error) {
	lease, err := s.Store.Join(ctx, n)
	lease.Shared = true
	return lease, err
}

// A worker serves health and metrics, and says of all else who does.
func TestWorker(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Role, c.Store = waybell.RoleWorker, shared{c.Store} })
	for request, status := range map[string]int{
		"GET /livez": 200, "GET /readyz": 200, "GET /metrics": 200, "POST /readyz": 405,
		"GET /v1/nodes": 421, "POST /v1/agents/a1/events": 421, "GET /docs": 421, "GET /openapi.json": 421, "GET /nowhere": 421, "POST /in/x": 421,
	} {
		// The document, which a worker does not serve either, knows no 421.
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		if w.Code != status || status == 421 && (!strings.Contains(w.Body.String(), `"code":"misdirected"`) ||
			w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("X-Request-Id") == "") {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
	}
}

// foreign is a store whose endpoints are changed by a node with another key.
type foreign struct{ waybell.Store }

func (f foreign) CreateEndpoint(ctx context.Context, e waybell.Endpoint, limit int) (waybell.Endpoint, error) {
	if len(e.Sealed) > 0 {
		e.Sealed = make([]byte, len(e.Sealed))
	}
	return f.Store.CreateEndpoint(ctx, e, limit)
}

// An endpoint that this node cannot decrypt is an error of its own only, and told to
// the operator.
func TestForeignEndpoint(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Store = foreign{c.Store} })
	s.call(t, "PUT /v1/agents/bot", `{"name":"Bot"}`)
	plain := s.call(t, "POST /v1/agents/bot/endpoints", `{"url":"https://8.8.8.8/a","events":["*"]}`).str("id")
	sealed := s.call(t, "POST /v1/agents/bot/endpoints", `{"url":"https://8.8.8.8/b","events":["*"],"generate_secret":true}`).str("id")
	for request, want := range map[string]struct {
		status int
		has    string
	}{
		"GET /v1/agents/bot/endpoints":                       {200, fmt.Sprintf(`{"data":[{"id":%q,"signed":true,"headers":[]},{"id":%q,"signed":false}]}`, sealed, plain)},
		"GET /v1/agents/bot/endpoints/" + plain:              {200, ``},
		"GET /v1/agents/bot/endpoints/" + sealed:             {503, `{"code":"unavailable"}`},
		"PATCH /v1/agents/bot/endpoints/" + sealed:           {503, `{"code":"unavailable"}`},
		"GET /v1/agents/bot/endpoints/" + sealed + "/secret": {503, `{"code":"unavailable"}`},
		"GET /v1/agents/bot/ledger":                          {200, `{"accepted":0}`},
		"GET /v1/agents/bot/endpoints/" + sealed + "/ledger": {200, `{"accepted":0}`},
	} {
		body := ""
		if strings.HasPrefix(request, "PATCH") {
			body = `{"description":"new"}`
		}
		a := s.call(t, request, body)
		if a.status != want.status || want.has != "" && !a.has(t, want.has) {
			t.Errorf("%s: %d %s", request, a.status, a.text)
		}
	}
	if a := s.call(t, "GET /readyz", ""); a.status != 200 {
		t.Errorf("ready: %d %s", a.status, a.text)
	}
	a := s.call(t, "GET /v1/system", "")
	if !a.has(t, `{"checks":[{"name":"publishing","status":"ok"},{"name":"endpoints","status":"error"}]}`) || !strings.Contains(a.text, sealed) {
		t.Errorf("the system: %s", a.text)
	}
	if metrics := s.call(t, "GET /metrics", "").text; !strings.Contains(metrics, "waybell_endpoints_unready 1\n") {
		t.Error("no metric tells it")
	}
}
