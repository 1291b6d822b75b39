package api_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/teststore"
)

func TestSystem(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, a *api.Config) {
		c.Node, c.Retention, c.SuspendAfter = "node-1", 48*time.Hour, -1
		a.BaseURL, a.PortalOrigins = "https://hooks.example.com/waybell/", []string{"https://app.example.com"}
		a.System = api.System{
			Commit: "abc",
			Checks: func(context.Context) []api.Check {
				return []api.Check{{"public_url", api.CheckOK, "Fine."}, {"clock", api.CheckWarning, "It stepped."}}
			},
		}
	})
	a := s.call(t, "GET /v1/system", "")
	if a.status != 200 || !a.has(t, fmt.Sprintf(`{"version":"test","commit":"abc","go_version":%q,"started_at":"*","node":"node-1",
		"base_url":"https://hooks.example.com/waybell",
		"store":{"driver":%q,"size_bytes":"*","log_bytes":"*","events_kept":0,"commits":"*","commit_ms":"*"},
		"load":{"in_flight":0,"queued":0,"outcomes_waiting":0,"breakers_open":0,"oldest_due_at":null},
		"settings":{"retention_seconds":172800,"allow_targets":["127.0.0.0/8"],"portal_origins":["https://app.example.com"],
			"create_agents":false,"suspend_after_seconds":null,"suspend_failures":20,"max_in_flight":512,"endpoint_concurrency":16,
			"max_event_bytes":1048576,"max_endpoints_per_agent":100},
		"checks":[{"name":"publishing","status":"ok","text":"*"},{"name":"public_url","status":"ok","text":"Fine."},
			{"name":"clock","status":"warning","text":"It stepped."}]}`, runtime.Version(), teststore.Driver(t))) {
		t.Errorf("%d %s", a.status, a.text)
	}
	started, err := time.Parse(time.RFC3339, a.str("started_at"))
	if err != nil || time.Since(started) < 0 || time.Since(started) > time.Minute {
		t.Errorf("started at %s", a.str("started_at"))
	}
	s.svc.Drain()
	if a := s.call(t, "GET /v1/system", ""); !a.has(t, `{"checks":[{"name":"publishing","status":"error","text":"Publishing does not work: the server is shutting down."},
		{"name":"public_url"},{"name":"clock"}]}`) {
		t.Errorf("draining: %s", a.text)
	}
}

// Without a word from the program around it, the API says what it can.
func TestSystemAlone(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Retention, c.AllowTargets = -1, nil })
	a := s.call(t, "GET /v1/system", "")
	if !a.has(t, fmt.Sprintf(`{"commit":null,"base_url":%q,"settings":{"retention_seconds":null,"allow_targets":[],"portal_origins":[]},
		"checks":[{"name":"publishing","status":"ok"}]}`, s.URL)) {
		t.Errorf("%d %s", a.status, a.text)
	}
	store := a.json.(map[string]any)["store"].(map[string]any)
	if store["commits"].(float64) < 1 || store["commit_ms"].(float64) <= 0 || store["size_bytes"].(float64) <= 0 {
		t.Errorf("store %v", store)
	}
}

// deadStore answers no question about itself.
type deadStore struct{ waybell.Store }

func (deadStore) Stats(context.Context) (waybell.StoreStats, error) {
	return waybell.StoreStats{}, waybell.ErrUnavailable
}

func TestSystemOfASilentStore(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Store = deadStore{c.Store} })
	if a := s.call(t, "GET /v1/system", ""); a.status != 503 || a.str("code") != "unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.text)
	}
}
