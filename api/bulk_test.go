package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybell/waybell/internal/receivertest"
)

const bulkPath = "POST /v1/agents/a1/deliveries/retry"

func TestBulkRetry(t *testing.T) {
	t.Parallel()
	s := setup(t)
	r, where := s.subscribe(t, receivertest.Answer(503, ""))
	s.run(t, []step{
		{"one attempt", "PATCH " + where, `{"retry":{"schedule_seconds":[]}}`, nil, 200, "", ""},
		{"one", "POST /v1/agents/a1/events", `{"event":"lead.submit","id":"e1","data":{"name":"Sarah"}}`, nil, 202, "", ""},
		{"two", "POST /v1/agents/a1/events", `{"event":"message.sent","id":"e2"}`, nil, 202, "", ""},
		{"three", "POST /v1/agents/a1/events", `{"event":"message.sent","id":"e3"}`, nil, 202, "", ""},
	})
	s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"failed"},{"state":"failed"},{"state":"failed"}]}`)
	id := func(event string) string {
		a := s.call(t, "GET /v1/agents/a1/deliveries?event_id="+event, "")
		return a.json.(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	}
	first := id("e1")
	s.run(t, []step{
		{"count", bulkPath, `{"filter":{"state":"failed","status_class":"5xx"},"dry_run":true}`, nil, 200,
			`{"matched":3,"retried":0,"skipped":[],"skipped_count":0,"next_cursor":null}`, ""},
		{"count some", bulkPath, `{"filter":{"event":"message.sent","status_code":503,"event_id":null,"since":"2020-01-01T00:00:00Z","until":"2999-01-01T00:00:00+02:00"},"dry_run":true}`, nil, 200,
			`{"matched":2}`, ""},
		{"count none", bulkPath, `{"filter":{"status_class":"none"},"dry_run":true}`, nil, 200, `{"matched":0,"next_cursor":null}`, ""},
		{"held", "POST " + where + "/pause", "", nil, 200, "", ""},
		{"count held", bulkPath, `{"filter":{"event_id":"e1"},"dry_run":true}`, nil, 200,
			`{"matched":1,"retried":0,"skipped":[{"delivery_id":"` + first + `","code":"delivery_held","detail":"the endpoint is paused: resume it first"}],"skipped_count":1}`, ""},
		{"by id", bulkPath, `{"delivery_ids":["` + first + `","dlv_nothing","` + first + `"]}`, nil, 200,
			`{"matched":2,"retried":0,"skipped":[{"delivery_id":"dlv_nothing","code":"delivery_not_found"},{"delivery_id":"` + first + `","code":"delivery_held"}],"skipped_count":2}`, ""},
		{"resume", "POST " + where + "/resume", "", nil, 200, "", ""},
	})
	r.Handle("/hook", receivertest.Always(receivertest.Answer(200, "")))
	s.run(t, []step{
		{"one by id", bulkPath, `{"delivery_ids":["` + first + `"]}`, nil, 200, `{"matched":1,"retried":1,"skipped_count":0}`, ""},
	})
	s.until(t, "GET /v1/agents/a1/deliveries/"+first, `{"state":"delivered","attempts":2}`)
	s.run(t, []step{
		{"the rest", bulkPath, `{"filter":{"state":"failed"}}`, nil, 200, `{"matched":2,"retried":2,"next_cursor":null}`, ""},
	})
	s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"delivered"},{"state":"delivered"},{"state":"delivered"}]}`)
	s.run(t, []step{
		{"again", bulkPath, `{"filter":{"state":"failed"}}`, nil, 200, `{"matched":0,"retried":0}`, ""},
		{"delete", "DELETE " + where, "", nil, 204, "", ""},
		{"deleted", bulkPath, `{"delivery_ids":["` + first + `"]}`, nil, 200, `{"matched":1,"retried":0,"skipped":[{"code":"endpoint_not_found"}]}`, ""},
	})
}

func TestBulkRetryInput(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	many := `"dlv_x"` + strings.Repeat(`,"dlv_x"`, 250)
	for body, location := range map[string]string{
		`{}`: "body", `{"filter":{}}`: "body", `{"filter":null,"dry_run":true}`: "body", `{"filter":{"state":null}}`: "body",
		`{"delivery_ids":["dlv_x"],"filter":{"state":"failed"}}`: "body",
		`{"delivery_ids":[]}`: "body.delivery_ids", `{"delivery_ids":[` + many + `]}`: "body.delivery_ids",
		`{"delivery_ids":["dlv_x"],"cursor":"x"}`: "body.cursor", `{"filter":{"state":"failed"},"cursor":"x"}`: "body.cursor",
		`{"filter":{"state":"lost"}}`: "body.filter.state", `{"filter":{"status_class":"9xx"}}`: "body.filter.status_class",
		`{"filter":{"status_code":0}}`: "body.filter.status_code", `{"filter":{"status_code":99}}`: "body.filter.status_code",
		`{"filter":{"status_code":"500"}}`: "body.filter.status_code", `{"filter":{"since":"yesterday"}}`: "body.filter.since",
		`{"filter":{"until":5}}`: "body.filter.until", `{"filter":{"endpoint_id":"ep_x"}}`: "body.filter.endpoint_id",
		`{"filter":{"endpoint_id":"","state":"failed"}}`: "body.filter.endpoint_id", `{"filter":{"event":"","state":"failed"}}`: "body.filter.event",
		`{"filter":{"limit":5}}`: "body.filter.limit", `{"filter":{"state":"failed"},"dryrun":true}`: "body.dryrun",
	} {
		a := s.call(t, bulkPath, body)
		if a.status != 422 || !a.has(t, fmt.Sprintf(`{"errors":[{"location":%q}]}`, location)) {
			t.Errorf("%.80s: %d %s", body, a.status, a.text)
		}
	}
	if a := s.call(t, "POST /v1/agents/a9/deliveries/retry", `{"filter":{"state":"failed"}}`); a.status != 404 {
		t.Errorf("no agent: %d", a.status)
	}
}
