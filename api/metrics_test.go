package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/teststore"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	metrics := api.NewMetrics("1.2.3")
	s := setup(t, func(_ *waybell.Config, c *api.Config) { c.Metrics = metrics })
	metrics.Observe(s.svc)
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
		`waybell_queue_deliveries 0`,
		`waybell_attempts_in_flight 0`,
		`waybell_oldest_waiting_seconds 0`,
		`waybell_ledger_deliveries{state="accepted"} 0`,
		`waybell_store_info{driver="` + teststore.Driver(t) + `"} 1`,
		`waybell_http_requests_total{route="GET /v1/agents/{agent_id}",status="404"} 1`,
		`waybell_store_up 1`,
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
}

// TestMetricsWithoutStore asks a node whose store is closed.
func TestMetricsWithoutStore(t *testing.T) {
	t.Parallel()
	store := teststore.Open(t, slog.New(slog.DiscardHandler))
	svc, err := waybell.New(waybell.Config{Store: store, EncryptionKeys: encryptionKeys()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	metrics := api.NewMetrics("1.2.3")
	metrics.Observe(svc)
	w := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if text := w.Body.String(); w.Code != 200 || !strings.Contains(text, "\nwaybell_store_up 0\n") || strings.Contains(text, "waybell_ledger") ||
		!strings.Contains(text, "\nwaybell_queue_deliveries 0\n") {
		t.Errorf("%d %s", w.Code, text)
	}
}

// A client that goes before its answer is no failure of ours: neither the metrics
// nor the log have one.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	var log logBuffer
	metrics := api.NewMetrics("1")
	s := setup(t, func(_ *waybell.Config, c *api.Config) {
		c.Metrics, c.Logger = metrics, slog.New(slog.NewTextHandler(&log, nil))
	})
	s.call(t, "POST /v1/agents", `{"id":"a","name":"A"}`)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{"/v1/agents/a", "/v1/agents/a/endpoints", "/v1/agents/a/deliveries"} {
		r := httptest.NewRequestWithContext(gone, http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+rootKey)
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if text := log.String(); text != "" {
		t.Errorf("the log has %s", text)
	}
	if a := s.call(t, "GET /metrics", "", "Authorization: "); strings.Contains(a.text, `status="5`) || strings.Count(a.text, `status="499"} 1`) != 3 {
		t.Errorf("the metrics: %s", a.text)
	}
}
