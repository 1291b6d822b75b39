package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/reception"
)

// inbox is an inbox of the agent a1.
type inbox struct{ id, url, path, where string }

// inbox makes one; path is what comes after the server's address.
func (s *server) inbox(t *testing.T, body string) inbox {
	t.Helper()
	a := s.call(t, "POST /v1/agents/a1/inboxes", body)
	if a.status != 201 {
		t.Fatalf("no inbox: %d %s", a.status, a.text)
	}
	in := inbox{id: a.str("id"), url: a.str("url"), where: "/v1/agents/a1/inboxes/" + a.str("id")}
	path, ok := strings.CutPrefix(in.url, s.URL)
	if !ok || len(path) != len("/in/")+26 || !strings.HasPrefix(path, "/in/") || a.header.Get("Location") != in.where {
		t.Fatalf("the inbox is at %s, %s", in.url, a.header.Get("Location"))
	}
	in.path = path
	return in
}

// post sends to an inbox as a stranger does, whatever the document says.
func (s *server) post(t *testing.T, in inbox, method, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, in.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Own", "plain")
	req.Header.Set("Content-Type", "text/plain")
	return s.send(t, req)
}

func TestInboxes(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Limits.InboxesPerAgent = 2 })
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	s.call(t, "PUT /v1/agents/a2", `{"name":"Bot"}`)
	in := s.inbox(t, "")
	s.run(t, []step{
		{"get", "GET " + in.where, "", nil, 200, `{"id":"` + in.id + `","agent_id":"a1","name":"","url":"` + in.url + `","respond_status":200,
			"created_at":"*","expires_at":"*","requests":0,"last_request_at":null,"endpoint_ids":[]}`, ""},
		{"patch", "PATCH " + in.where, `{"name":"Zoë","respond_status":503}`, []string{"Content-Type: application/merge-patch+json"}, 200,
			`{"name":"Zoë","respond_status":503}`, ""},
		{"patch back", "PATCH " + in.where, `{"name":null,"respond_status":null}`, nil, 200, `{"name":"","respond_status":200}`, ""},
		{"too low", "PATCH " + in.where, `{"respond_status":199}`, nil, 422, `{"errors":[{"location":"body.respond_status","value":199}]}`, ""},
		{"too high", "POST /v1/agents/a1/inboxes", `{"respond_status":600}`, nil, 422, `{"errors":[{"location":"body.respond_status"}]}`, ""},
		{"long name", "PATCH " + in.where, `{"name":"` + strings.Repeat("é", 201) + `"}`, nil, 422, `{"errors":[{"location":"body.name"}]}`, ""},
		{"second", "POST /v1/agents/a1/inboxes", `{"name":"Two","respond_status":599}`, nil, 201, `{"name":"Two","respond_status":599}`, "two=id"},
		{"third", "POST /v1/agents/a1/inboxes", `{}`, nil, 409, `{"code":"too_many_inboxes"}`, ""},
		{"list", "GET /v1/agents/a1/inboxes?limit=1", "", nil, 200, `{"data":[{"id":"{two}"}],"next_cursor":"*"}`, "next=next_cursor"},
		{"rest", "GET /v1/agents/a1/inboxes?cursor={next}", "", nil, 200, `{"data":[{"id":"` + in.id + `"}],"next_cursor":null}`, ""},
		{"foreign cursor", "GET /v1/agents/a1/inboxes?cursor=abc", "", nil, 422, `{"errors":[{"location":"query.cursor"}]}`, ""},
		{"other agent", "GET /v1/agents/a2/inboxes/" + in.id, "", nil, 404, `{"code":"inbox_not_found"}`, ""},
		{"other agent's requests", "GET /v1/agents/a2/inboxes/" + in.id + "/requests", "", nil, 404, `{"code":"inbox_not_found"}`, ""},
		{"no agent", "POST /v1/agents/a3/inboxes", `{}`, nil, 404, `{"code":"agent_not_found"}`, ""},
		{"delete", "DELETE " + in.where, "", nil, 204, "", ""},
		{"deleted", "GET " + in.where, "", nil, 404, `{"code":"inbox_not_found"}`, ""},
		{"deleted twice", "DELETE " + in.where, "", nil, 404, `{"code":"inbox_not_found"}`, ""},
		{"its requests", "DELETE " + in.where + "/requests", "", nil, 404, `{"code":"inbox_not_found"}`, ""},
		{"its URL", "POST " + in.path, `{}`, nil, 410, `{"code":"inbox_gone"}`, ""},
		{"room again", "POST /v1/agents/a1/inboxes", "", nil, 201, "", ""},
	})
}

// TestInboxTakesFromAnybody sends without a key, as a person with curl does.
func TestInboxTakesFromAnybody(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Limits.InboxBodyBytes, c.Limits.InboxRequests = 100, 3 })
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in := s.inbox(t, `{"respond_status":200}`)
	for i, body := range []string{`{"first":1}`, "not json \xff", strings.Repeat("x", 100), strings.Repeat("y", 200)} {
		method := []string{"POST", "PUT"}[i%2]
		a := s.post(t, in, method, body)
		if a.status != 200 || a.text != `{"received":true}` || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", method, a.status, a.header, a.text)
		}
	}
	a := s.call(t, "GET "+in.where+"/requests", "")
	if !a.has(t, fmt.Sprintf(`{"next_cursor":null,"data":[
		{"id":"*","received_at":"*","method":"PUT","body":%q,"body_truncated":true,"answered_status":200,"delivery_id":null,"event":null,"attempt":null,
		 "headers":{"X-Own":"plain","Host":"*"},"verdict":{"status":"unknown","header":null,"scheme":null,"text":"*"}},
		{"method":"POST","body":%q,"body_truncated":false},
		{"method":"PUT","body":"not json \ufffd"}]}`, strings.Repeat("y", 100), strings.Repeat("x", 100))) {
		t.Errorf("requests: %s", a.text)
	}
	if a := s.post(t, in, "POST", strings.Repeat("x", 201)); a.status != 413 || a.str("code") != "too_large" {
		t.Errorf("too long: %d %s", a.status, a.text)
	}
	s.run(t, []step{
		{"page", "GET " + in.where + "/requests?limit=2", "", nil, 200, `{"data":["*","*"],"next_cursor":"*"}`, "next=next_cursor"},
		{"rest", "GET " + in.where + "/requests?limit=2&cursor={next}", "", nil, 200, `{"data":["*"],"next_cursor":null}`, ""},
		{"counted", "GET " + in.where, "", nil, 200, `{"requests":3,"last_request_at":"*"}`, ""},
		{"key hidden", "POST " + in.path, `{}`, []string{"Cookie: canary-cookie", "X-Own: plain"}, 200, "", ""},
		{"so", "GET " + in.where + "/requests?limit=1", "", nil, 200, `{"data":[{"headers":{"Authorization":"••••","Cookie":"••••","X-Own":"plain"}}]}`, ""},
		{"empty it", "DELETE " + in.where + "/requests", "", nil, 204, "", ""},
		{"empty", "GET " + in.where + "/requests", "", nil, 200, `{"data":[],"next_cursor":null}`, ""},
		{"unknown", "POST /in/0123456789abcdefghjkmnpqrs", `{}`, nil, 410, `{"code":"inbox_gone","detail":"*"}`, ""},
		{"no token", "POST /in/x", `{}`, nil, 410, `{"code":"inbox_gone"}`, ""},
		{"below", "POST " + in.path + "/x", `{}`, nil, 404, `{"code":"not_found"}`, ""},
	})
}

func TestInboxMethods(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in := s.inbox(t, "")
	for _, method := range []string{"GET", "DELETE", "PATCH", "BREW"} {
		a := s.call(t, method+" "+in.path, "", "Authorization: ", "Origin: https://evil.example.com")
		if a.status != 405 || a.header.Get("Allow") != "POST, PUT" || !strings.Contains(a.str("detail"), "inbox") {
			t.Errorf("%s: %d %v %s", method, a.status, a.header, a.text)
		}
	}
	a := s.call(t, "OPTIONS "+in.path, "", "Authorization: ", "Origin: https://evil.example.com", "Access-Control-Request-Method: POST")
	if a.status != 200 || a.header.Get("Allow") != "OPTIONS, POST, PUT" || !strings.Contains(a.text, "inbox") {
		t.Errorf("OPTIONS: %d %v %s", a.status, a.header, a.text)
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("OPTIONS answers %s", name)
		}
	}
	if a := s.call(t, "GET "+in.where, ""); !a.has(t, `{"requests":0}`) {
		t.Errorf("something was kept: %s", a.text)
	}
}

func TestInboxAnswersAsTold(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in := s.inbox(t, "")
	for _, status := range []int{201, 204, 304, 302, 410, 429, 503, 599} {
		s.call(t, "PATCH "+in.where, fmt.Sprintf(`{"respond_status":%d}`, status))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("answered %d, want %d", res.StatusCode, status)
		}
		if a := s.call(t, "GET "+in.where+"/requests?limit=1", ""); !a.has(t, fmt.Sprintf(`{"data":[{"answered_status":%d}]}`, status)) {
			t.Errorf("%d: %s", status, a.text)
		}
	}
}

// TestInboxAsEndpoint is the first webhook of somebody without a receiver, on a
// server whose network is closed to itself.
func TestInboxAsEndpoint(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.AllowTargets = nil })
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot","profile":"chatzuri"}`)
	in := s.inbox(t, "")
	s.run(t, []step{
		{"its own address is closed", "POST /v1/agents/a1/endpoints", `{"url":"` + s.URL + `/v1/agents","events":["*"]}`, nil, 422, `{"code":"target_not_allowed"}`, ""},
		{"with a query", "POST /v1/agents/a1/endpoints", `{"url":"` + in.url + `?a=b","events":["*"]}`, nil, 422, `{"code":"target_not_allowed"}`, ""},
		{"create", "POST /v1/agents/a1/endpoints", `{"url":"` + in.url + `","events":["*"],"generate_secret":true,"headers":[{"name":"X-Api-Key","value":"canary-value"}]}`,
			nil, 201, `{"url":"` + in.url + `"}`, "ep=id,secret=secret"},
		{"test", "POST /v1/agents/a1/endpoints/{ep}/test", `{"event":"webhook.test"}`, nil, 200,
			`{"state":"delivered","event":"webhook.test","attempt_log":[{"status_code":200,"response":{"body":"{\"received\":true}"},"timing_ms":{"dns":0,"connect":0,"tls":0,"read":0}}]}`, "dlv=id"},
		{"seen", "GET " + in.where + "/requests", "", nil, 200, `{"data":[{"method":"POST","delivery_id":"{dlv}","event":"webhook.test","attempt":1,"answered_status":200,
			"headers":{"X-Chatzuri-Signature":"*","webhook-signature":"*","X-Api-Key":"••••","X-Waybell-Test":"true"},
			"verdict":{"status":"verified","header":"X-Chatzuri-Signature","scheme":"chatzuri","text":"The signatures in X-Chatzuri-Signature and webhook-signature are valid."}}]}`, ""},
		{"knows it", "GET " + in.where, "", nil, 200, `{"requests":1,"endpoint_ids":["{ep}"]}`, ""},
		{"answer badly", "PATCH " + in.where, `{"respond_status":500}`, nil, 200, "", ""},
		{"failed", "POST /v1/agents/a1/endpoints/{ep}/test", "", nil, 200, `{"state":"failed","attempt_log":[{"status_code":500}]}`, ""},
		{"gone", "DELETE " + in.where, "", nil, 204, "", ""},
		{"410", "POST /v1/agents/a1/endpoints/{ep}/test", "", nil, 200, `{"state":"failed","attempt_log":[{"status_code":410}]}`, ""},
	})
	if log := s.log.String(); strings.Contains(log, in.path) || strings.Contains(log, "canary") {
		t.Error("the log holds the inbox's URL, or a header's value")
	}
}

func TestInboxRate(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in, other := s.inbox(t, ""), s.inbox(t, "")
	deadline := time.Now().Add(20 * time.Second)
	for n := 0; ; n++ {
		a := s.call(t, "POST "+in.path, "{}")
		if a.status == 429 {
			if a.str("code") != "rate_limited" || a.header.Get("Retry-After") != "1" || n < 100 {
				t.Errorf("after %d: %v %s", n, a.header, a.text)
			}
			break
		}
		if time.Now().After(deadline) { // a very slow machine never gets there
			break
		}
	}
	if a := s.call(t, "POST "+other.path, "{}"); a.status != 200 {
		t.Errorf("another inbox: %d %s", a.status, a.text)
	}
}

// TestInboxSlowBodies: who sends the first bytes of a body and no more holds a
// place and memory for some seconds at most, and few at a time. Deliveries of
// this server come without a connection and need no place.
func TestInboxSlowBodies(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	in, other := s.inbox(t, ""), s.inbox(t, "")
	made := s.call(t, "POST /v1/agents/a1/endpoints", `{"url":"`+in.url+`"}`)
	var slow []*bufio.Reader
	for range reception.Together {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n", in.path)
		answers := bufio.NewReader(c)
		// Told to go on, it has its place.
		if line, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "hello")
		slow = append(slow, answers)
	}
	if a := s.post(t, in, "POST", "hello"); a.status != 429 || a.str("code") != "rate_limited" || a.header.Get("Retry-After") != "1" {
		t.Errorf("with %d slow senders: %d %s", len(slow), a.status, a.text)
	}
	if a := s.post(t, other, "POST", "hello"); a.status != 200 {
		t.Errorf("another inbox: %d %s", a.status, a.text)
	}
	if a := s.call(t, "POST /v1/agents/a1/endpoints/"+made.str("id")+"/test", ""); a.str("state") != "delivered" {
		t.Errorf("a delivery: %s", a.text)
	}
	for _, answers := range slow {
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 408 || !res.Close {
			t.Errorf("a slow sender got %d", res.StatusCode)
		}
	}
	if a := s.post(t, in, "POST", "hello"); a.status != 200 {
		t.Errorf("after they have gone: %d %s", a.status, a.text)
	}
}

func TestInboxesSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*waybell.Config, *api.Config){
		"by the setting": func(c *waybell.Config, _ *api.Config) { c.InboxTTL = -1 },
		"without a URL":  func(c *waybell.Config, _ *api.Config) { c.OwnURL = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, change)
			s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
			s.run(t, []step{
				{"create", "POST /v1/agents/a1/inboxes", `{}`, nil, 409, `{"code":"inboxes_off"}`, ""},
				{"list", "GET /v1/agents/a1/inboxes", "", nil, 200, `{"data":[],"next_cursor":null}`, ""},
				{"get", "GET /v1/agents/a1/inboxes/inb", "", nil, 404, `{"code":"inbox_not_found"}`, ""},
				{"send", "POST /in/0123456789abcdefghjkmnpqrs", `{}`, nil, 410, `{"code":"inbox_gone"}`, ""},
			})
		})
	}
}
