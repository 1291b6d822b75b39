package api_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	var broken error
	metrics := api.NewMetrics("1.2.3")
	metrics.Observe(func(context.Context) (api.Snapshot, error) {
		return api.Snapshot{
			Queued: 3, InFlight: 2, OldestWaiting: 1500 * time.Millisecond,
			Ledger: waybell.Ledger{Accepted: 21, Pending: 1, Retrying: 2, Delivered: 3, Failed: 4, Held: 5, Canceled: 6},
			Store:  waybell.StoreStats{Driver: "sqlite", Commits: 10, CommitTime: 2 * time.Second, CommitRows: 70, SizeBytes: 4096, LogBytes: 512, EventsKept: 9},
		}, broken
	})
	s := setup(t, func(_ *waybell.Config, c *api.Config) { c.Metrics = metrics })
	report := waybell.AttemptReport{
		AgentID: "canary-agent", EventID: "canary-event", Type: "canary.type", Endpoint: &waybell.Endpoint{URL: "https://canary.example/?canary"},
		Number: 1, State: waybell.DeliveryRetrying, Reason: waybell.ReasonTimeout, Duration: 300 * time.Millisecond, SincePublish: 2 * time.Millisecond,
	}
	metrics.OnAttempt(report)
	report.Number, report.State, report.Reason = 2, waybell.DeliveryDelivered, waybell.ReasonDelivered
	metrics.OnAttempt(report)
	report.Number, report.Test = 1, true
	metrics.OnAttempt(report)
	s.call(t, "GET /v1/agents/canary-agent", "")
	a := s.call(t, "GET /metrics", "", "Authorization: ")
	lines := strings.Split(a.text, "\n")
	for _, want := range []string{
		`waybell_attempts_total{outcome="retrying",reason="timeout"} 1`,
		`waybell_attempts_total{outcome="delivered",reason="delivered"} 2`,
		`waybell_attempt_duration_seconds_count 3`,
		`waybell_publish_to_first_attempt_seconds_count 1`,
		`waybell_publish_to_first_attempt_seconds_sum 0.002`,
		`waybell_queue_deliveries 3`,
		`waybell_attempts_in_flight 2`,
		`waybell_oldest_waiting_seconds 1.5`,
		`waybell_ledger_deliveries{state="accepted"} 21`,
		`waybell_ledger_deliveries{state="held"} 5`,
		`waybell_store_commit_seconds_sum 2`,
		`waybell_store_commit_seconds_count 10`,
		`waybell_store_rows_total 70`,
		`waybell_store_info{driver="sqlite"} 1`,
		`waybell_http_requests_total{route="GET /v1/agents/{agent_id}",status="404"} 1`,
		`waybell_snapshot_up 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if !strings.Contains(a.text, `waybell_build_info{`) || !strings.Contains(a.text, `version="1.2.3"`) {
		t.Error("the build info is missing")
	}
	if found := regexp.MustCompile(`.*canary.*`).FindString(a.text); found != "" {
		t.Errorf("a label has no bound: %s", found)
	}
	if t.Failed() {
		t.Log(a.text)
	}
	broken = errors.New("down")
	a = s.call(t, "GET /metrics", "", "Authorization: ")
	if a.status != 200 || !strings.Contains(a.text, "waybell_snapshot_up 0") || strings.Contains(a.text, "waybell_ledger") || !strings.Contains(a.text, "waybell_attempts_total") {
		t.Errorf("metrics of a node whose store is down: %d", a.status)
	}
}
