package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

// until asks until the answer has what is wanted. Outcomes become durable a
// moment after the receiver has answered; the asking is the waiting.
func (s *server) until(t *testing.T, request, want string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		a := s.call(t, request, "")
		if a.has(t, want) {
			return a
		}
		if ctx.Err() != nil {
			t.Fatalf("%s never became %s: %s", request, want, a.text)
		}
	}
}

// subscribe makes an agent a1 with one endpoint at a receiver that answers
// with step, and returns the endpoint's path.
func (s *server) subscribe(t *testing.T, does receivertest.Step) (*receivertest.Receiver, string) {
	t.Helper()
	r := receivertest.Start(t, receivertest.Options{Script: receivertest.Always(does)})
	kept := s.run(t, []step{
		{"agent", "PUT /v1/agents/a1", `{"name":"Bot"}`, nil, 201, "", ""},
		{"endpoint", "POST /v1/agents/a1/endpoints", fmt.Sprintf(`{"url":%q,"events":["*"],"generate_secret":true,"retry":{"schedule_seconds":[3600]},
			"headers":[{"name":"X-Api-Key","value":"canary-header"}]}`, r.URL("/hook?canary-query")), nil, 201, "", "where=Location"},
	})
	return r, kept["where"]
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.subscribe(t, receivertest.Answer(200, "thanks", receivertest.Header("X-Served-By", "r1")))
	published := s.call(t, "POST /v1/agents/a1/events",
		`{"event":"lead_collection","timestamp":"2026-04-26T10:30:14.5+02:00","data":{"name":"Sarah"},"messages":[{"role":"customer","text":"hi"}],"conversation_id":"conv_7"}`)
	if published.status != 202 || !published.has(t, `{"id":"*","event":"lead.submit","timestamp":"2026-04-26T08:30:14.500Z","deliveries":1,"duplicate":false}`) {
		t.Fatalf("%d %s", published.status, published.text)
	}
	list := s.until(t, "GET /v1/agents/a1/deliveries?state=delivered", `{"data":[{"state":"delivered"}],"next_cursor":null}`)
	row := list.json.(map[string]any)["data"].([]any)[0].(map[string]any)
	detail := s.call(t, "GET /v1/agents/a1/deliveries/"+row["id"].(string), "")
	if !detail.has(t, fmt.Sprintf(`{"id":"*","event_id":%q,"event":"lead.submit","endpoint_id":"*","state":"delivered","reason":"delivered",
		"attempts":1,"next_attempt_at":null,"last_status_code":200,"created_at":"*","finished_at":"*",
		"attempt_log":[{"number":1,"started_at":"*","duration_ms":"*","status_code":200,"reason":"delivered","error":null,
		"request":{"method":"POST","url":"*","headers":{"X-Api-Key":"••••"},"body":"*"},
		"response":{"headers":{"X-Served-By":"r1"},"body":"thanks","truncated":false},
		"timing_ms":{"dns":"*","connect":"*","tls":"*","wait":"*","read":"*"}}]}`, published.str("id"))) {
		t.Errorf("the delivery: %s", detail.text)
	}
	event := s.call(t, "GET /v1/agents/a1/events/"+published.str("id"), "")
	if !event.has(t, `{"id":"*","event":"lead.submit","timestamp":"2026-04-26T08:30:14.500Z","agent_id":"a1","deliveries":1,"test":false,"created_at":"*",
		"data":{"name":"Sarah","conversation_id":"conv_7"},"messages":[{"role":"customer","text":"hi"}],"delivery_log":[{"state":"delivered"}]}`) {
		t.Errorf("the event: %s", event.text)
	}
	s.run(t, []step{
		{"again", "POST /v1/agents/a1/deliveries/" + row["id"].(string) + "/retry", "", nil, 202, `{"id":"*"}`, ""},
		{"nothing", "GET /v1/agents/a1/deliveries/dlv_nothing", "", nil, 404, `{"code":"delivery_not_found"}`, ""},
		{"no event", "GET /v1/agents/a1/events/evt_nothing", "", nil, 404, `{"code":"event_not_found"}`, ""},
		{"events", "GET /v1/agents/a1/events?event=lead_collection&since=2020-01-01T00:00:00Z", "", nil, 200, `{"data":[{"event":"lead.submit"}],"next_cursor":null}`, ""},
		{"none before", "GET /v1/agents/a1/events?until=2020-01-01T00:00:00Z", "", nil, 200, `{"data":[],"next_cursor":null}`, ""},
		{"other filter", "GET /v1/agents/a1/deliveries?status_code=500", "", nil, 200, `{"data":[],"next_cursor":null}`, ""},
		{"bad cursor", "GET /v1/agents/a1/deliveries?cursor=x", "", nil, 422, `{"errors":[{"location":"query.cursor"}]}`, ""},
		{"no such type", "GET /v1/agents/a1/deliveries?event=no.such", "", nil, 200, `{"data":[]}`, ""},
	})
	s.until(t, "GET /v1/agents/a1/deliveries/"+row["id"].(string), `{"state":"delivered","attempts":2}`)
	s.run(t, []step{
		{"ledger", "GET /v1/agents/a1/ledger", "", nil, 200, `{"accepted":1,"pending":0,"retrying":0,"delivered":1,"failed":0,"held":0,"canceled":0}`, ""},
		{"of the endpoint", "GET /v1/agents/a1/endpoints/" + row["endpoint_id"].(string) + "/ledger", "", nil, 200, `{"accepted":1,"delivered":1}`, ""},
		{"of none", "GET /v1/agents/a1/endpoints/ep_nothing/ledger", "", nil, 404, `{"code":"endpoint_not_found"}`, ""},
	})
}

func TestRetriedHeldAndCanceled(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(503, ""))
	publish := step{"publish", "POST /v1/agents/a1/events", `{"event":"message.sent","data":{}}`, nil, 202, `{"deliveries":1}`, ""}
	s.run(t, []step{publish})
	a := s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"retrying","reason":"http_status","attempts":1,"last_status_code":503,"next_attempt_at":"*","finished_at":null}]}`)
	delivery := "/v1/agents/a1/deliveries/" + a.json.(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	s.run(t, []step{
		{"pause", "POST " + where + "/pause", "", nil, 200, "", ""},
		{"held", "GET " + delivery, "", nil, 200, `{"state":"held"}`, ""},
		{"retry held", "POST " + delivery + "/retry", "", nil, 409, `{"code":"delivery_held"}`, ""},
		{"resume", "POST " + where + "/resume", `{"held":"send"}`, nil, 200, "", ""},
		{"cancel", "POST " + delivery + "/cancel", "", nil, 200, `{"state":"canceled","reason":"canceled","finished_at":"*"}`, ""},
		{"cancel twice", "POST " + delivery + "/cancel", "", nil, 409, `{"code":"delivery_finished"}`, ""},
		{"cancel nothing", "POST /v1/agents/a1/deliveries/dlv_x/cancel", "", nil, 404, `{"code":"delivery_not_found"}`, ""},
	})
}

func TestTestSend(t *testing.T) {
	t.Parallel()
	s := setup(t)
	r, where := s.subscribe(t, receivertest.Answer(204, ""))
	s.run(t, []step{
		{"default", "POST " + where + "/test", "", nil, 200, `{"event":"lead.submit","state":"delivered","attempt_log":[{"status_code":204}]}`, "event=event_id"},
		{"chosen", "POST " + where + "/test", `{"event":"feedback.submitted","data":{"rating":"up"}}`, nil, 200, `{"event":"feedback.submitted"}`, ""},
		{"its event", "GET /v1/agents/a1/events/{event}", "", nil, 200, `{"test":true,"deliveries":1}`, ""},
		{"unknown", "POST " + where + "/test", `{"event":"no.such"}`, nil, 422, `{"code":"unknown_event_type"}`, ""},
		{"empty", "POST " + where + "/test", `{"event":""}`, nil, 422, `{"errors":[{"location":"body.event","message":"must not be empty"}]}`, ""},
		{"bad body", "POST " + where + "/test", `{"evnt":"x"}`, nil, 422, `{"errors":[{"location":"body.evnt"}]}`, ""},
		{"no endpoint", "POST /v1/agents/a1/endpoints/ep_x/test", "", nil, 404, `{"code":"endpoint_not_found"}`, ""},
	})
	if got := r.Requests()[0].Get("X-Waybell-Test"); got != "true" {
		t.Errorf("X-Waybell-Test is %q", got)
	}
}

// An attempt without an answer is shown as documented: its response is null.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.CloseUnanswered())
	s.run(t, []step{
		{"test", "POST " + where + "/test", "", nil, 200, `{"state":"failed","attempt_log":[{"status_code":null,"reason":"connection_lost","response":null}]}`, ""},
	})
}

// TestWebhooksAsDocumented holds what a receiver gets to the document.
func TestWebhooksAsDocumented(t *testing.T) {
	t.Parallel()
	s := setup(t)
	r, where := s.subscribe(t, receivertest.Answer(200, ""))
	names := slices.Sorted(maps.Keys(s.doc.root["webhooks"].(map[string]any)))
	for _, name := range names {
		if a := s.call(t, "POST "+where+"/test", fmt.Sprintf(`{"event":%q}`, name)); a.status != 200 {
			t.Fatalf("%s: %s", name, a.text)
		}
	}
	for i, rec := range r.Requests() {
		at := "/webhooks/" + names[i] + "/post/"
		if err := s.doc.schema(t, at+"requestBody/content/application~1json/schema").Validate(parsed(t, string(rec.Body))); err != nil {
			t.Errorf("%s: %v\n%s", names[i], err, rec.Body)
		}
		for _, p := range s.doc.at(at + "parameters").([]any) {
			if h := p.(map[string]any); rec.Get(h["name"].(string)) == "" {
				t.Errorf("%s: the header %s is missing", names[i], h["name"])
			}
		}
	}
}

// TestCanaries plants secrets wherever a caller can put one, and looks for them
// in every log line, error and metric.
func TestCanaries(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(500, ""))
	const c = "canary"
	for request, bodies := range map[string][]string{
		"POST /v1/agents/a1/endpoints": {
			`{"url":"https://user:canary-pass@8.8.8.8/?token=canary-query"}`, `{"url":"gopher://canary-host/"}`,
			`{"url":"http://10.0.0.1/canary-path?canary-query"}`,
			`{"url":"https://8.8.8.8/","secret":5,"secrte":"canary-secret"}`, `{"url":"https://8.8.8.8/","secret":"canary"}`,
			`{"url":"https://8.8.8.8/","secret":"whsec_canary-not-base64!!"}`, `{"url":"https://8.8.8.8/","secret":" canary-blank "}`,
			`{"url":"https://8.8.8.8/","headers":"Authorization: canary-header"}`,
			`{"url":"https://8.8.8.8/","headers":[{"name":"Host","value":"canary-header"},{"name":"X","value":"canary-header\n"}]}`,
			`{"url":"https://8.8.8.8/","headers":{"Authorization":"canary-header"}}`, `{"url":"https://8.8.8.8/","secret":"canary-secret"`,
		},
		"PATCH " + where:                   {`{"secret":["canary-secret"]}`, `{"headers":[{"name":"New","value":"••••"}],"secret":"canary"}`},
		"POST " + where + "/secret/rotate": {`{"secret":"canary"}`, `{"secret":{"v":"canary"}}`},
		"POST /v1/agents/a1/events":        {`{"event":"lead.submit","data":{"email":{"x":"canary-body"}}}`, `{"event":"lead.submit","data":"canary-body"}`, `{"event":"lead.submit","canary`},
		"POST /v1/events":                  {`{"events":[{"agent_id":"a1","event":"lead.submit","data":{"email":["canary-body"]}}]}`},
	} {
		for _, body := range bodies {
			a := s.call(t, request, body, "Cookie: canary-cookie", "X-Other: canary-header")
			if a.status == 200 && !strings.Contains(a.text, `"error"`) || a.status != 200 && a.status/100 != 4 {
				t.Errorf("%s %s: %d", request, body, a.status)
			}
			if strings.Contains(strings.ReplaceAll(a.text, "body.canary", ""), c) {
				t.Errorf("%s %s: the answer repeats it: %s", request, body, a.text)
			}
		}
	}
	for _, header := range []string{"Authorization: Bearer canary-key", "Authorization: Basic canary-key", "X-Request-Id: canary key"} {
		if a := s.call(t, "GET /v1/agents?canary=canary-query", "", header); strings.Contains(strings.ReplaceAll(a.text, "query.canary", ""), c) {
			t.Errorf("%s: %s", header, a.text)
		}
	}
	s.call(t, "GET /canary-path?canary-query", "")
	for _, body := range []string{`{"key":"wbo_canary"}`, `{"key":"wbo_canary-0123456789-0123456789-0123456789-012"}`, `{"kye":"wbo_canary"}`, `{"key":["wbo_canary"]}`, `{"key":"wbo_canary`} {
		if a := s.call(t, "POST /v1/sessions", body, "Authorization: "); a.status/100 != 4 || strings.Contains(a.text, c) {
			t.Errorf("%s: %d %s", body, a.status, a.text)
		}
	}
	s.call(t, "GET /v1/session", "", "Authorization: Bearer wbs_canary-0123456789-0123456789-0123456789-012")
	for _, request := range []string{"POST /v1/console-sessions", "POST /v1/agents/a1/portal-sessions"} {
		opened := s.open(t, request, "")
		token := "Authorization: Bearer " + opened.str("token")
		s.call(t, "GET "+where+"/secret", "", token)
		s.call(t, "GET /v1/session?token="+opened.str("token"), "", token)
		s.call(t, "DELETE /v1/session", "", token)
		s.call(t, "GET /v1/session", "", token)
	}
	s.call(t, "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"name":"canary-body"},"messages":[{"text":"canary-body"}]}`)
	a := s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"retrying"}]}`)
	if strings.Contains(a.text, c) {
		t.Errorf("the list of deliveries: %s", a.text)
	}
	if text := s.call(t, "GET "+where, "").text; strings.Contains(text, "canary-header") {
		t.Errorf("the endpoint: %s", text)
	}
	metrics := s.call(t, "GET /metrics", "")
	for what, text := range map[string]string{"log": s.log.String(), "metrics": metrics.text} {
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Contains(line, c) || strings.Contains(line, "whsec_") || strings.Contains(line, "wbo_") || strings.Contains(line, "wbs_") || strings.Contains(line, rootKey) {
				t.Errorf("%s: %s", what, line)
			}
		}
	}
}

// TestDocumentIsServed checks that every documented operation succeeds as
// documented: each call is held to the document, here all are made.
func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	s.call(t, "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"name":"Sarah"}}`)
	list := s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"delivered"}]}`)
	row := list.json.(map[string]any)["data"].([]any)[0].(map[string]any)
	delivery := "/v1/agents/a1/deliveries/" + row["id"].(string)
	s.run(t, []step{
		{"replace", "PUT /v1/agents/a1", `{"name":"Bot"}`, nil, 200, "", ""},
		{"", "POST /v1/agents", `{"name":"Bot"}`, nil, 201, "", "id=id"},
		{"", "PATCH /v1/agents/{id}", `{"name":"Bot"}`, nil, 200, "", ""},
		{"", "GET /v1/agents/{id}", "", nil, 200, "", ""},
		{"", "GET /v1/agents", "", nil, 200, "", ""},
		{"", "DELETE /v1/agents/{id}", "", nil, 204, "", ""},
		{"", "GET /v1/agents/a1/endpoints", "", nil, 200, "", ""},
		{"", "GET " + where, "", nil, 200, "", ""},
		{"", "PATCH " + where, `{"description":"x"}`, nil, 200, "", ""},
		{"", "POST " + where + "/test", "", nil, 200, "", ""},
		{"", "POST " + where + "/pause", "", nil, 200, "", ""},
		{"", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"lead.submit","data":{"name":"Sarah"}},{"agent_id":"a9","event":"lead.submit"}]}`, nil, 200, "", ""},
		{"", "POST " + where + "/resume", "", nil, 200, "", ""},
		{"", "POST " + delivery + "/retry", "", nil, 202, "", ""},
		{"", "GET " + delivery, "", nil, 200, "", ""},
		{"", "POST /v1/agents/a1/deliveries/retry", `{"filter":{"state":"failed"},"dry_run":true}`, nil, 200, "", ""},
		{"", "GET /v1/agents/a1/deliveries/export", "", nil, 200, "", ""},
		{"", "GET /v1/agents/a1/events", "", nil, 200, "", ""},
		{"", "GET /v1/agents/a1/events/" + row["event_id"].(string), "", nil, 200, "", ""},
		{"", "GET /v1/agents/a1/ledger", "", nil, 200, "", ""},
		{"", "GET " + where + "/ledger", "", nil, 200, "", ""},
		{"", "GET " + where + "/secret", "", nil, 200, "", ""},
		{"", "POST " + where + "/secret/rotate", "", nil, 200, "", ""},
		{"", "DELETE " + where + "/secret", "", nil, 204, "", ""},
		{"", "PUT /v1/event-types/a.b", `{"description":"x"}`, nil, 201, "", ""},
		{"", "PUT /v1/event-types/a.b", `{"description":"x"}`, nil, 200, "", ""},
		{"", "GET /v1/event-types/a.b", "", nil, 200, "", ""},
		{"", "GET /v1/event-types", "", nil, 200, "", ""},
		{"", "DELETE /v1/event-types/a.b", "", nil, 204, "", ""},
		{"", "GET /v1/agents/a1/statistics", "", nil, 200, "", ""},
		{"", "GET /v1/agents/a1/statistics/endpoints", "", nil, 200, "", ""},
		{"", "GET /v1/statistics", "", nil, 200, "", ""},
		{"", "GET /v1/failing-endpoints", "", nil, 200, "", ""},
		{"", "GET /v1/system", "", nil, 200, "", ""},
		{"", "GET /v1/nodes", "", nil, 200, "", ""},
		{"", "POST /v1/keys", `{"scopes":["admin"]}`, nil, 201, "", "key=id"},
		{"", "GET /v1/keys", "", nil, 200, "", ""},
		{"", "DELETE /v1/keys/{key}", "", nil, 204, "", ""},
		{"", "POST /v1/agents/a1/portal-sessions", "", nil, 201, "", ""},
		{"", "POST /v1/console-sessions", "", nil, 201, "", ""},
		{"", "PUT /v1/branding", pngBranding, nil, 200, "", ""},
		{"", "GET /v1/branding", "", nil, 200, "", ""},
		{"", "GET /v1/branding/logo", "", nil, 200, "", ""},
		{"", "GET /livez", "", nil, 200, "", ""},
		{"", "GET /readyz", "", nil, 200, "", ""},
		{"", "GET /metrics", "", nil, 200, "", ""},
		{"", "GET /openapi.json", "", nil, 200, "", ""},
	})
	token := "Authorization: Bearer " + s.open(t, "POST /v1/console-sessions", "").str("token")
	s.call(t, "GET /v1/session", "", token)
	s.call(t, "DELETE /v1/session", "", token)
	s.watch(t, "/v1/stream")
	s.watch(t, "/v1/agents/a1/stream")
	inbox := s.inbox(t, `{"name":"Try"}`)
	s.run(t, []step{
		{"", "POST " + inbox.path, `{}`, nil, 200, "", ""},
		{"", "PUT " + inbox.path, `{}`, nil, 200, "", ""},
		{"", "GET /v1/agents/a1/inboxes", "", nil, 200, "", ""},
		{"", "GET " + inbox.where, "", nil, 200, "", ""},
		{"", "PATCH " + inbox.where, `{"name":"Again"}`, nil, 200, "", ""},
		{"", "GET " + inbox.where + "/requests", "", nil, 200, "", ""},
		{"", "DELETE " + inbox.where + "/requests", "", nil, 204, "", ""},
		{"", "DELETE " + inbox.where, "", nil, 204, "", ""},
		{"", "POST /v1/agents/a1/endpoints/preview", `{"endpoint":{"url":"https://8.8.8.8/"}}`, nil, 200, "", ""},
		{"", "GET /v1/profiles", "", nil, 200, "", ""},
	})
	s.call(t, "POST "+where+"/pause", "")
	s.call(t, "POST /v1/agents/a1/events", `{"event":"message.sent"}`)
	list = s.until(t, "GET /v1/agents/a1/deliveries?state=held", `{"data":[{"state":"held"}]}`)
	row = list.json.(map[string]any)["data"].([]any)[0].(map[string]any)
	s.run(t, []step{
		{"", "POST /v1/agents/a1/deliveries/" + row["id"].(string) + "/cancel", "", nil, 200, "", ""},
		{"", "DELETE " + where, "", nil, 204, "", ""},
	})
	for _, item := range s.doc.root["paths"].(map[string]any) {
		for _, op := range item.(map[string]any) {
			op := op.(map[string]any)
			for status := range op["responses"].(map[string]any) {
				if id := op["operationId"].(string) + " " + status; status[0] == '2' && !s.doc.seen[id] {
					t.Errorf("%s was documented and never seen", id)
				}
			}
		}
	}
}

func itemsOf(t *testing.T, text string) []json.RawMessage {
	t.Helper()
	var v struct{ Data []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v.Data
}
