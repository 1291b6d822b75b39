package api_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

const previewPath = "POST /v1/agents/a1/endpoints/preview"

func TestPreview(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot","profile":"chatislav"}`, nil, 201, "", ""},
		{"stored", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/x","events":["feedback.submitted"],"profile":"standard","generate_secret":true,"headers":[{"name":"X-Key","value":"canary-value"}]}`, nil, 201, "", "ep=id,secret=secret"},
		{"defaults", previewPath, `{"endpoint":{"url":"HTTPS://Example.COM:443/hooks","events":["lead.submit"]}}`, nil, 200,
			`{"valid":true,"errors":[],"warnings":[],"endpoint":{"url":"https://example.com/hooks","profile":"chatislav","format":"chatislav","method":"POST","timeout_seconds":30,
			"include_messages":true,"standard_headers":true,"retry":{"policy":"chatislav","schedule_seconds":[5,30,120,300,900,1800,3600,7200,14400,25200,32400],"window_seconds":86400}},
			"request":{"method":"POST","url":"https://example.com/hooks","headers":{"Content-Type":"application/json","User-Agent":"Waybell/test","X-Waybell-Event":"lead.submit","X-Waybell-Attempt":"1"},"body":"*"},
			"example_secret":null}`, ""},
		{"nothing yet", previewPath, `{"endpoint":{}}`, nil, 200,
			`{"valid":false,"errors":[{"location":"body.endpoint.url","message":"is required","code":"invalid"}],"warnings":["no_events_selected"],"endpoint":{"url":null},"request":{"url":null,"body":"*"}}`, ""},
		{"blocked", previewPath, `{"endpoint":{"url":"http://169.254.169.254/"}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.url","code":"target_not_allowed","message":"*"}],"request":{"url":null}}`, ""},
		{"no URL", previewPath, `{"endpoint":{"url":"nonsense"}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.url","code":"invalid_url","message":"*"}]}`, ""},
		{"much wrong", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","method":"GET","timeout_seconds":500,"profile":"nope","events":["nope.nope"],"retry":{"schedule_seconds":[0]},"headers":[{"name":"Host","value":"x"}]}}`, nil, 200,
			`{"valid":false,"errors":[{"location":"body.endpoint.events[0]","code":"unknown_event_type"},{"location":"body.endpoint.profile"},{"location":"body.endpoint.retry.schedule_seconds[0]"},
			{"location":"body.endpoint.method"},{"location":"body.endpoint.timeout_seconds"},{"location":"body.endpoint.headers[0].name"}],"endpoint":{"method":"POST"}}`, ""},
		{"unknown format", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","format":"nope"}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.format"}],"request":null}`, ""},
		{"signed", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","generate_secret":true}}`, nil, 200, `{"valid":true,"request":{"headers":{"x-chatislav-signature":"*","webhook-signature":"*"}},"example_secret":"*"}`, "example=example_secret"},
		{"own secret", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","secret":"canary-secret"}}`, nil, 200, `{"valid":true,"warnings":["no_events_selected","weak_secret"],"example_secret":"{example}"}`, ""},
		{"bad secret", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","secret":"canary"}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.secret"}],"example_secret":"{example}"}`, ""},
		{"ed25519", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","profile":"standard","generate_secret":"ed25519"}}`, nil, 200, `{"valid":true,"request":{"headers":{"webhook-signature":"*"}},"example_secret":"*"}`, ""},
		{"kind that does not fit", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","generate_secret":"ed25519"}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.generate_secret"}],"example_secret":null}`, ""},
		{"patch", previewPath, `{"endpoint_id":"{ep}","endpoint":{"method":"PUT"}}`, nil, 200,
			`{"valid":true,"endpoint":{"url":"https://8.8.8.8/x","profile":"standard","method":"PUT"},"request":{"method":"PUT","headers":{"X-Key":"••••","X-Waybell-Event":"feedback.submitted","webhook-signature":"*"}},"example_secret":"{example}"}`, ""},
		{"mask kept", previewPath, `{"endpoint_id":"{ep}","endpoint":{"headers":[{"name":"X-Key","value":"••••"},{"name":"X-Two","value":"canary-two"}]}}`, nil, 200, `{"valid":true,"request":{"headers":{"X-Key":"••••","X-Two":"••••"}}}`, ""},
		{"mask of nothing", previewPath, `{"endpoint":{"url":"https://8.8.8.8/","headers":[{"name":"X-Key","value":"••••"}]}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.headers[0].value"}]}`, ""},
		{"back to the agent's profile", previewPath, `{"endpoint_id":"{ep}","endpoint":{"profile":null}}`, nil, 200, `{"endpoint":{"profile":"chatislav","format":"chatislav"}}`, ""},
		{"no such endpoint", previewPath, `{"endpoint_id":"ep_x","endpoint":{}}`, nil, 404, `{"code":"endpoint_not_found"}`, ""},
		{"no such type", previewPath, `{"endpoint":{},"event":"nope.nope"}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.url"},{"location":"body.event","code":"unknown_event_type"}],"request":null}`, ""},
		{"bad data", previewPath, `{"endpoint":{},"event":"lead.submit","data":{"email":5}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint.url"},{"location":"body.data.email","code":"invalid"}],"request":null}`, ""},
		{"test event", previewPath, `{"endpoint":{"url":"https://8.8.8.8/"},"event":"webhook.test"}`, nil, 200, `{"valid":true,"request":{"headers":{"X-Waybell-Event":"webhook.test"}}}`, ""},
		{"nothing was saved", "GET /v1/agents/a1/endpoints", "", nil, 200, `{"data":[{"id":"{ep}","method":"POST","profile":"standard"}]}`, ""},
		{"no secret was made", "GET /v1/agents/a1/endpoints/{ep}/secret", "", nil, 200, `{"secret":"{secret}"}`, ""},
	})
}

// TestPreviewIsWhatIsSent verifies a preview as a receiver would, and holds it
// against a request that is really sent.
func TestPreviewIsWhatIsSent(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in := s.inbox(t, "")
	for _, profile := range []string{"standard", "chatzuri", "chatislav"} {
		draft := `{"url":"` + in.url + `","profile":"` + profile + `","events":["conversation.summary"],"include_messages":false,"generate_secret":true,"headers":[{"name":"X-Key","value":"canary-value"}]}`
		a := s.call(t, previewPath, `{"endpoint":`+draft+`,"data":{"summary":{"topic":"<b>"}}}`)
		headers, body, secret := sent(t, a.text)
		scheme, _ := signature.Builtin(profile)
		parsed, err := signature.ParseSecret(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, sc := range []signature.Scheme{scheme, signature.Standard()} {
			v, err := signature.NewVerifier(sc, parsed)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(headers, []byte(body), time.Now()); err != nil {
				t.Errorf("%s: %s: %v", profile, sc.Header, err)
			}
		}
		ep := s.call(t, "POST /v1/agents/a1/endpoints", draft).str("id")
		s.call(t, "POST /v1/agents/a1/endpoints/"+ep+"/test", `{"data":{"summary":{"topic":"<b>"}}}`)
		got := s.call(t, "GET "+in.where+"/requests?limit=1", "")
		var list struct {
			Data []struct {
				Headers map[string]string
				Body    string
			}
		}
		if err := json.Unmarshal([]byte(got.text), &list); err != nil || len(list.Data) != 1 {
			t.Fatalf("%v: %s", err, got.text)
		}
		real := list.Data[0]
		delete(real.Headers, "X-Waybell-Test")
		if names(real.Headers) != names(flat(headers)) {
			t.Errorf("%s: headers %s, previewed %s", profile, names(real.Headers), names(flat(headers)))
		}
		if shape(real.Body) != shape(body) {
			t.Errorf("%s: body %s, previewed %s", profile, real.Body, body)
		}
		s.call(t, "DELETE /v1/agents/a1/endpoints/"+ep, "")
	}
}

// TestPreviewShowsTheTranscript only where the endpoint asks for it.
func TestPreviewShowsTheTranscript(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	for draft, want := range map[string]bool{
		`{"profile":"standard"}`: false, `{"profile":"standard","include_messages":true}`: true,
		`{"profile":"chatislav"}`: true, `{"profile":"chatislav","include_messages":false}`: false,
	} {
		a := s.call(t, previewPath, `{"endpoint":`+draft+`,"event":"message.sent"}`)
		if got := strings.Contains(a.str("request.body"), `"role":"customer"`); got != want {
			t.Errorf("%s: transcript shown: %v in %s", draft, got, a.str("request.body"))
		}
	}
	a := s.call(t, previewPath, `{"endpoint":{"profile":"chatislav"},"event":"message.sent","data":{"text":"x","messages":[{"role":"own"}]}}`)
	if body := a.str("request.body"); !strings.Contains(body, `"messages":[{"role":"own"}]`) {
		t.Errorf("a transcript of one's own: %s", body)
	}
}

func TestPreviewHidesSecrets(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	stored := s.call(t, "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","secret":"canary-stored-secret","headers":[{"name":"X-Key","value":"canary-stored-value"}]}`)
	for _, body := range []string{
		`{"endpoint_id":"` + stored.str("id") + `","endpoint":{}}`,
		`{"endpoint_id":"` + stored.str("id") + `","endpoint":{"secret":"canary-new-secret","headers":[{"name":"X-Key","value":"canary-new-value"}]}}`,
		`{"endpoint":{"url":"https://8.8.8.8/","secret":"canary","headers":[{"name":"Host","value":"canary"},{"name":"X","value":"canary\n"}]}}`,
	} {
		if a := s.call(t, previewPath, body); a.status != 200 || strings.Contains(a.text, "canary") {
			t.Errorf("%s: %d %s", body, a.status, a.text)
		}
	}
	if strings.Contains(s.log.String(), "canary") {
		t.Error("the log holds a secret")
	}
}

func TestPreviewCountsEndpoints(t *testing.T) {
	t.Parallel()
	s := setup(t, withOneEndpoint)
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"room", previewPath, `{"endpoint":{"url":"https://8.8.8.8/"}}`, nil, 200, `{"valid":true}`, ""},
		{"first", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/"}`, nil, 201, "", "ep=id"},
		{"no room", previewPath, `{"endpoint":{"url":"https://8.8.8.8/"}}`, nil, 200, `{"valid":false,"errors":[{"location":"body.endpoint","code":"too_many_endpoints"}]}`, ""},
		{"patch", previewPath, `{"endpoint_id":"{ep}","endpoint":{}}`, nil, 200, `{"valid":true}`, ""},
	})
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{{"profiles", "GET /v1/profiles", "", nil, 200, `{
		"profiles":[{"name":"standard","format":"standard","retry_policy":"standard","include_messages":false,"standard_headers":true},
			{"name":"chatzuri","include_messages":false},{"name":"chatislav","format":"chatislav","include_messages":true}],
		"formats":[
			{"name":"standard","content_type":"application/json","ed25519":true,"standard_headers_optional":false,
			 "signature":{"header":"webhook-signature","scheme":"standard","algorithm":"hmac-sha256","key":"whsec","signed":"id.timestamp.body","encoding":"base64","prefix":"v1,"},
			 "event_names":{"lead.submit":"lead.submit","conversation.summary":"conversation.summary"}},
			{"name":"chatzuri","ed25519":false,"signature":{"header":"X-Chatzuri-Signature","scheme":"chatzuri","key":"utf8","signed":"body","encoding":"hex","prefix":"sha256="}},
			{"name":"chatislav","signature":{"header":"x-chatislav-signature","scheme":"chatislav","prefix":""},
			 "event_names":{"lead.submit":"lead_collection","conversation.summary":"conversation_summary","message.received":"message_received"}}],
		"retry_policies":[
			{"name":"standard","schedule_seconds":[5,30,120,300,900,1800,3600,7200,14400,25200,32400],"window_seconds":86400,"success":"2xx",
			 "retries":"3xx, 4xx except 410, 5xx, no answer (connection, DNS and TLS errors, timeouts)","suspends_on_gone":true},
			{"name":"chatzuri","suspends_on_gone":false},
			{"name":"chatislav","retries":"5xx, no answer (connection, DNS and TLS errors, timeouts)","suspends_on_gone":false}]}`, ""}})
}

// TestTestEvent sends the reserved type, which is no type of the catalogue.
func TestTestEvent(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in := s.inbox(t, "")
	for profile, want := range map[string]string{
		"standard": `"type":"webhook.test"`, "chatzuri": `"event":"webhook.test"`, "chatislav": `"event":"webhook_test"`,
	} {
		ep := s.call(t, "POST /v1/agents/a1/endpoints", `{"url":"`+in.url+`","profile":"`+profile+`"}`).str("id")
		for data, field := range map[string]string{`{"event":"webhook.test"}`: `"message":"This is a test`, `{"event":"webhook.test","data":{"any":[1]}}`: `"any":[1]`} {
			a := s.call(t, "POST /v1/agents/a1/endpoints/"+ep+"/test", data)
			if a.status != 200 || !a.has(t, `{"state":"delivered","event":"webhook.test","attempts":1}`) ||
				!strings.Contains(a.text, strings.ReplaceAll(field, `"`, `\"`)) || !strings.Contains(a.text, strings.ReplaceAll(want, `"`, `\"`)) {
				t.Errorf("%s %s: %d %s", profile, data, a.status, a.text)
			}
		}
	}
	s.run(t, []step{
		{"found", "GET /v1/agents/a1/deliveries?event=webhook.test&limit=1", "", nil, 200, `{"data":["*"],"next_cursor":"*"}`, ""},
		{"not published", "POST /v1/agents/a1/events", `{"event":"webhook.test"}`, nil, 422, `{"code":"unknown_event_type"}`, ""},
		{"not subscribed", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","events":["webhook.test"]}`, nil, 422, `{"code":"unknown_event_type"}`, ""},
	})
}

// sent reads the request of a preview, and its example secret.
func sent(t *testing.T, text string) (http.Header, string, string) {
	t.Helper()
	var v struct {
		Request struct {
			Headers map[string]string
			Body    string
		}
		Secret string `json:"example_secret"`
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for name, value := range v.Request.Headers {
		h.Set(name, value)
	}
	return h, v.Request.Body, v.Secret
}

func flat(h http.Header) map[string]string {
	out := map[string]string{}
	for name := range h {
		out[name] = h.Get(name)
	}
	return out
}

// names are the names of headers, in any case.
func names(h map[string]string) string {
	var list []string
	for name := range h {
		list = append(list, strings.ToLower(name))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// shape is a body without what differs from event to event: id and time.
func shape(body string) string {
	return regexp.MustCompile(`evt_[0-9a-z]{13}|"timestamp":"[^"]*"`).ReplaceAllString(body, "-")
}
