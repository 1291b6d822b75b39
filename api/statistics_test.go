package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

func TestStatistics(t *testing.T) {
	t.Parallel()
	s := setup(t)
	r := receivertest.Start(t, receivertest.Options{Script: func(_ int, req *receivertest.Recorded) receivertest.Step {
		if strings.HasPrefix(req.Path, "/bad") {
			return receivertest.Answer(503, "")
		}
		return receivertest.Answer(200, "")
	}})
	endpoint := func(path string) string {
		return fmt.Sprintf(`{"url":%q,"events":["*"],"retry":{"policy":"chatislav","schedule_seconds":[]}}`, r.URL(path))
	}
	kept := s.run(t, []step{
		{"agent", "PUT /v1/agents/a1", `{"name":"Bot"}`, nil, 201, "", ""},
		{"nothing yet", "GET /v1/agents/a1/statistics", "", nil, 200,
			`{"period":"24h","since":"*","until":"*","step_seconds":900,"totals":{"delivered":0,"failed":0,"error_rate":null,"latency_ms":null},"reasons":[]}`, ""},
		{"no endpoints", "GET /v1/agents/a1/statistics/endpoints", "", nil, 200, `{"data":[]}`, ""},
		{"nothing fails", "GET /v1/failing-endpoints", "", nil, 200, `{"data":[]}`, ""},
		{"good", "POST /v1/agents/a1/endpoints", endpoint("/good"), nil, 201, "", "good=id"},
		{"idle", "GET /v1/agents/a1/statistics/endpoints", "", nil, 200, `{"data":[{"endpoint_id":"{good}","delivered":0,"failed":0,"error_rate":null,
			"last_attempt_at":null,"last_delivered_at":null,"last_failed_at":null,"last_reason":null,"last_status_code":null,
			"failing_since":null,"consecutive_failures":0,"health":"idle"}]}`, ""},
		{"bad", "POST /v1/agents/a1/endpoints", endpoint("/bad?token=x"), nil, 201, "", "bad=id"},
	})
	for i := range 3 {
		s.call(t, "POST /v1/agents/a1/events", fmt.Sprintf(`{"event":"lead.submit","data":{"name":"Sarah %d"}}`, i))
	}
	const counted = `"totals":{"delivered":3,"failed":3,"error_rate":0.5,"latency_ms":{"p50":"*","p95":"*"}},
		"reasons":[{"reason":"http_status","status_code":503,"count":3}]`
	s.until(t, "GET /v1/statistics?period=1h", "{"+counted+"}")
	for period, want := range map[string]struct{ step, points int }{
		"1h": {60, 60}, "24h": {900, 96}, "7d": {3600, 168}, "30d": {21600, 120},
	} {
		for _, path := range []string{"/v1/statistics", "/v1/agents/a1/statistics"} {
			a := s.call(t, "GET "+path+"?period="+period, "")
			if a.status != 200 || !a.has(t, fmt.Sprintf(`{"period":%q,"step_seconds":%d,%s}`, period, want.step, counted)) {
				t.Errorf("%s of %s: %d %s", path, period, a.status, a.text)
			}
			points := a.json.(map[string]any)["points"].([]any)
			if len(points) != want.points {
				t.Errorf("%s has %d points", period, len(points))
			}
			first := points[0].(map[string]any)
			if first["at"] != a.str("since") || first["delivered"] != 0.0 || first["p50_ms"] != nil {
				t.Errorf("%s begins at %s with %v", period, a.str("since"), first)
			}
			since, err1 := time.Parse(time.RFC3339, a.str("since"))
			until, err2 := time.Parse(time.RFC3339, a.str("until"))
			if err1 != nil || err2 != nil || until.Sub(since) != time.Duration(want.step*want.points)*time.Second || until.Before(time.Now()) {
				t.Errorf("%s: %s to %s", period, a.str("since"), a.str("until"))
			}
		}
	}
	s.run(t, []step{
		{"one endpoint", "GET /v1/agents/a1/statistics?endpoint_id=" + kept["good"], "", nil, 200,
			`{"totals":{"delivered":3,"failed":0,"error_rate":0},"reasons":[]}`, ""},
		{"each endpoint", "GET /v1/agents/a1/statistics/endpoints", "", nil, 200, fmt.Sprintf(`{"data":[
			{"endpoint_id":%q,"delivered":0,"failed":3,"error_rate":1,"last_attempt_at":"*","last_delivered_at":null,"last_failed_at":"*",
			"last_reason":"http_status","last_status_code":503,"failing_since":"*","consecutive_failures":3,"health":"failing"},
			{"endpoint_id":%q,"delivered":3,"failed":0,"error_rate":0,"last_attempt_at":"*","last_delivered_at":"*","last_failed_at":null,
			"last_reason":"delivered","last_status_code":200,"failing_since":null,"consecutive_failures":0,"health":"ok"}]}`, kept["bad"], kept["good"]), ""},
		{"bad period", "GET /v1/statistics?period=2h", "", nil, 422, `{"errors":[{"location":"query.period"}]}`, ""},
		{"unknown endpoint", "GET /v1/agents/a1/statistics?endpoint_id=ep_x", "", nil, 422, `{"errors":[{"location":"query.endpoint_id"}]}`, ""},
		{"no endpoint over all", "GET /v1/statistics?endpoint_id=ep_x", "", nil, 422, `{"errors":[{"location":"query.endpoint_id"}]}`, ""},
		{"unknown agent", "GET /v1/agents/a9/statistics", "", nil, 404, `{"code":"agent_not_found"}`, ""},
		{"deleted", "DELETE /v1/agents/a1/endpoints/" + kept["good"], "", nil, 204, "", ""},
		{"still there", "GET /v1/agents/a1/statistics?endpoint_id=" + kept["good"], "", nil, 200, `{"totals":{"delivered":3}}`, ""},
	})
	// The health is stored with the outcomes, which follow the attempts.
	s.until(t, "GET /v1/failing-endpoints", fmt.Sprintf(`{"data":[{"agent_id":"a1","agent_name":"Bot","endpoint_id":%q,"url":%q,"state":"active",
		"state_reason":null,"failing_since":"*","consecutive_failures":3,"last_reason":"http_status","last_status_code":503,"waiting":0}]}`,
		kept["bad"], r.URL("/bad?token=x")))
}

// A receiver that is gone suspends its endpoint, which is in trouble with one
// failure.
func TestSuspendedIsFailing(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.subscribe(t, receivertest.Answer(410, ""))
	s.call(t, "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"name":"Sarah"}}`)
	s.until(t, "GET /v1/failing-endpoints", `{"data":[{"state":"suspended","state_reason":"*","failing_since":"*",
		"consecutive_failures":1,"last_reason":"gone","last_status_code":410,"waiting":0}]}`)
}
