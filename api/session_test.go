package api_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

// open makes a session and exchanges its key.
func (s *server) open(t *testing.T, request, body string, headers ...string) answer {
	t.Helper()
	a := s.call(t, request, body, headers...)
	if a.status != 201 {
		t.Fatalf("%s: %d %s", request, a.status, a.text)
	}
	a = s.call(t, "POST /v1/sessions", `{"key":"`+oneTimeKey(a)+`"}`, "Authorization: ")
	if a.status != 201 || !strings.HasPrefix(a.str("token"), "wbs_") {
		t.Fatalf("exchange: %d %s", a.status, a.text)
	}
	return a
}

func oneTimeKey(a answer) string {
	_, key, _ := strings.Cut(a.str("url"), "#key=")
	return key
}

// portal opens a portal session of a1 with capabilities, as a header.
func (s *server) portal(t *testing.T, capabilities string) string {
	t.Helper()
	return "Authorization: Bearer " + s.open(t, "POST /v1/agents/a1/portal-sessions", `{"capabilities":[`+capabilities+`]}`).str("token")
}

func TestPortalSession(t *testing.T) {
	t.Parallel()
	s := setup(t, func(_ *waybell.Config, c *api.Config) {
		c.BaseURL, c.PortalOrigins = "https://example.com/hooks/", []string{"https://app.example.com"}
	})
	const link = "POST /v1/agents/a1/portal-sessions"
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot","metadata":{"plan":"secret"}}`, nil, 201, "", ""},
		{"default", link, "", nil, 201,
			`{"url":"*","expires_at":"*","ttl_seconds":3600,"theme":"auto","capabilities":["view","view_secrets","manage_secrets","manage_endpoints","resend"]}`, ""},
		{"view is always there, each once", link, `{"capabilities":["resend","resend"],"theme":"dark","ttl_seconds":60}`, nil, 201,
			`{"ttl_seconds":60,"theme":"dark","capabilities":["view","resend"]}`, ""},
		{"null is the default", link, `{"capabilities":null,"theme":null,"ttl_seconds":null}`, nil, 201, `{"ttl_seconds":3600,"theme":"auto"}`, ""},
		{"none but view", link, `{"capabilities":[]}`, nil, 201, `{"capabilities":["view"]}`, ""},
		{"too short, no capability, no theme", link, `{"capabilities":["view","admin"],"ttl_seconds":59,"theme":"pink"}`, nil, 422,
			`{"errors":[{"location":"body.capabilities[1]"},{"location":"body.ttl_seconds"},{"location":"body.theme"}]}`, ""},
		{"too long", link, `{"ttl_seconds":3601}`, nil, 422, `{"errors":[{"location":"body.ttl_seconds"}]}`, ""},
		{"too many", link, `{"capabilities":["view"` + strings.Repeat(`,"view"`, 16) + `]}`, nil, 422, `{"errors":[{"location":"body.capabilities"}]}`, ""},
		{"no agent", "POST /v1/agents/a9/portal-sessions", "", nil, 404, `{"code":"agent_not_found"}`, ""},
	})
	a := s.call(t, link, `{"capabilities":["manage_endpoints"],"theme":"light"}`)
	if !strings.HasPrefix(a.str("url"), "https://example.com/hooks/portal/#key=wbo_") {
		t.Errorf("the link is %s", a.str("url"))
	}
	ends, err := time.Parse(time.RFC3339, a.str("expires_at"))
	if left := time.Until(ends); err != nil || left < 50*time.Second || left > time.Minute {
		t.Errorf("the link works until %v, %v", ends, err)
	}
	body := `{"key":"` + oneTimeKey(a) + `"}`
	a = s.call(t, "POST /v1/sessions", body, "Authorization: ")
	const view = `{"kind":"portal","agent_id":"a1","agent_name":"Bot","capabilities":["view","manage_endpoints"],"expires_at":"*",
		"scopes":["endpoints:read","deliveries:read","endpoints:write"],"theme":"light","origins":["https://app.example.com"],
		"branding":{"name":"Waybell","accent":null,"logo_url":null},"server":{"version":"test"}}`
	if a.status != 201 || !a.has(t, view) {
		t.Errorf("exchange: %d %s", a.status, a.text)
	}
	ends, err = time.Parse(time.RFC3339, a.str("expires_at"))
	if left := time.Until(ends); err != nil || left < 59*time.Minute || left > time.Hour {
		t.Errorf("the token works until %v, %v", ends, err)
	}
	mine := "Authorization: Bearer " + a.str("token")
	for _, used := range []string{body, `{"key":"wbo_` + strings.Repeat("A", 43) + `"}`, `{"key":"wbo_short"}`, `{"key":""}`, `{"key":"` + rootKey + `"}`} {
		again := s.call(t, "POST /v1/sessions", used, "Authorization: ")
		if again.status != 401 || again.str("code") != "session_key_invalid" || again.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", used, again.status, again.text)
		}
	}
	a = s.call(t, "GET /v1/session", "", mine)
	if a.status != 200 || !a.has(t, view) || strings.Contains(a.text, "wbs_") {
		t.Errorf("%d %s", a.status, a.text)
	}
	// What is the platform's own stays its own.
	for _, request := range []string{"GET /v1/agents/a1", "GET /v1/agents"} {
		if a := s.call(t, request, "", mine); a.status != 200 || strings.Contains(a.text, "plan") {
			t.Errorf("%s: %d %s", request, a.status, a.text)
		}
	}
	if a := s.call(t, "DELETE /v1/session", "", mine); a.status != 204 {
		t.Errorf("end: %d %s", a.status, a.text)
	}
	for _, request := range []string{"GET /v1/session", "DELETE /v1/session", "GET /v1/agents/a1"} {
		if a := s.call(t, request, "", mine); a.status != 401 || a.str("code") != "unauthorized" {
			t.Errorf("%s with an ended session: %d %s", request, a.status, a.text)
		}
	}
}

func TestConsoleSession(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const link = "POST /v1/console-sessions"
	s.run(t, []step{
		{"default", link, "", nil, 201, `{"url":"*","expires_at":"*","ttl_seconds":43200}`, ""},
		{"shorter", link, `{"ttl_seconds":60}`, nil, 201, `{"ttl_seconds":60}`, ""},
		{"too short", link, `{"ttl_seconds":59}`, nil, 422, `{"errors":[{"location":"body.ttl_seconds"}]}`, ""},
		{"too long", link, `{"ttl_seconds":43201}`, nil, 422, `{"errors":[{"location":"body.ttl_seconds"}]}`, ""},
		{"a key", "GET /v1/session", "", nil, 200, `{"kind":"key","agent_id":null,"agent_name":null,"expires_at":null,"capabilities":[],"scopes":["admin"],"theme":"auto","origins":[]}`, ""},
		{"a key cannot sign out", "DELETE /v1/session", "", nil, 403, `{"code":"forbidden"}`, ""},
	})
	if a := s.call(t, link, ""); !strings.HasPrefix(a.str("url"), s.URL+"/console/#key=wbo_") {
		t.Errorf("the link is %s", a.str("url"))
	}
	a := s.open(t, link, `{"ttl_seconds":60}`)
	if !a.has(t, `{"kind":"console","agent_id":null,"agent_name":null,"capabilities":[],"scopes":["admin"],"theme":"auto"}`) {
		t.Errorf("%s", a.text)
	}
	// The operator may do everything, also make keys and links.
	mine := "Authorization: Bearer " + a.str("token")
	for request, status := range map[string]int{
		"GET /v1/keys": 200, "POST /v1/console-sessions": 201, "POST /v1/agents": 201,
	} {
		body := ""
		if request == "POST /v1/agents" {
			body = `{"name":"Bot"}`
		}
		if a := s.call(t, request, body, mine); a.status != status {
			t.Errorf("%s: %d %s", request, a.status, a.text)
		}
	}
}

// capabilityScopes is written down again here: what a portal session may do
// must not change by accident.
var capabilityScopes = map[string][]waybell.Scope{
	"":                   {waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead},
	`"view"`:             {waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead},
	`"view_secrets"`:     {waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead, waybell.ScopeSecretsRead},
	`"manage_secrets"`:   {waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead, waybell.ScopeSecretsWrite},
	`"manage_endpoints"`: {waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead, waybell.ScopeEndpointsWrite},
	`"resend"`:           {waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead, waybell.ScopeDeliveriesWrite},
	`"view","view_secrets","manage_secrets","manage_endpoints","resend"`: {
		waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead, waybell.ScopeSecretsRead, waybell.ScopeSecretsWrite,
		waybell.ScopeEndpointsWrite, waybell.ScopeDeliveriesWrite,
	},
}

// platformRoutes are closed to portal sessions whatever they may do.
var platformRoutes = []string{
	"PUT /v1/agents/a1", "PATCH /v1/agents/a1", "DELETE /v1/agents/a1", "POST /v1/agents/a1/portal-sessions",
}

// TestCapabilities asks every route with each capability, and with another
// agent's session.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	s.call(t, "POST /v1/agents", `{"id":"a2","name":"Bot"}`)
	elsewhere := "Authorization: Bearer " + s.open(t, "POST /v1/agents/a2/portal-sessions", "").str("token")
	tokens := map[string]string{}
	for capabilities := range capabilityScopes {
		tokens[capabilities] = s.portal(t, capabilities)
	}
	for request, scope := range scopesOf {
		for capabilities, scopes := range capabilityScopes {
			a := s.call(t, request, bodyFor(request), tokens[capabilities])
			platform := slices.Contains(platformRoutes, request)
			if want := slices.Contains(scopes, scope) && !platform; want == (a.status == 403) || a.status == 401 {
				t.Errorf("%s with [%s]: %d %s", request, capabilities, a.status, a.text)
			}
			if a.status == 403 && !platform && !strings.Contains(a.str("detail"), string(scope)) {
				t.Errorf("%s with [%s] does not name the scope: %s", request, capabilities, a.text)
			}
		}
		if strings.Contains(request, "/a1") {
			a := s.call(t, request, bodyFor(request), elsewhere)
			if want := 404; a.status != want && (a.status != 403 || slices.Contains(capabilityScopes[all5], scope)) {
				t.Errorf("%s with a session of another agent: %d %s", request, a.status, a.text)
			}
		}
	}
	// The list of agents shows its own alone.
	if a := s.call(t, "GET /v1/agents", "", elsewhere); !a.has(t, `{"data":[{"id":"a2"}],"next_cursor":null}`) {
		t.Errorf("%s", a.text)
	}
}

func bodyFor(request string) string {
	if strings.HasPrefix(request, "GET ") {
		return ""
	}
	return "{}"
}

const all5 = `"view","view_secrets","manage_secrets","manage_endpoints","resend"`

// TestSecretsInBodies: managing endpoints does not reach their secrets.
func TestSecretsInBodies(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	endpoints, both := s.portal(t, `"manage_endpoints"`), s.portal(t, `"manage_endpoints","manage_secrets"`)
	_, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeEndpointsWrite}})
	if err != nil {
		t.Fatal(err)
	}
	key := "Authorization: Bearer " + text.Reveal()
	made := s.call(t, "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","generate_secret":false}`, endpoints)
	if made.status != 201 {
		t.Fatalf("%d %s", made.status, made.text)
	}
	one := "/v1/agents/a1/endpoints/" + made.str("id")
	for _, member := range []string{`"secret":"0123456789abcdef"`, `"secret":null`, `"generate_secret":true`, `"generate_secret":"ed25519"`} {
		for request, body := range map[string]string{
			"POST /v1/agents/a1/endpoints": `{"url":"https://8.8.8.8/",` + member + `}`, "PATCH " + one: `{` + member + `}`,
		} {
			a := s.call(t, request, body, endpoints)
			if a.status != 403 || !strings.Contains(a.str("detail"), "secrets:write") || !strings.Contains(a.header.Get("WWW-Authenticate"), "secrets:write") {
				t.Errorf("%s %s without the capability: %d %s", request, body, a.status, a.text)
			}
			for who, header := range map[string]string{"a session with both": both, "a key": key} {
				if a := s.call(t, request, body, header); a.status/100 != 2 {
					t.Errorf("%s %s as %s: %d %s", request, body, who, a.status, a.text)
				}
			}
		}
	}
	// A key with endpoints:write could always rotate and remove, never read.
	for _, st := range []struct {
		request string
		status  int
	}{{"POST " + one + "/secret/rotate", 200}, {"GET " + one + "/secret", 403}, {"DELETE " + one + "/secret", 204}} {
		if a := s.call(t, st.request, "", key); a.status != st.status {
			t.Errorf("%s with a key: %d %s", st.request, a.status, a.text)
		}
	}
}

// TestGrants: nobody gives more than he has.
func TestGrants(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	for i, tt := range []struct {
		scopes       []waybell.Scope
		agents       []string
		capabilities string
		status       int
	}{
		{[]waybell.Scope{waybell.ScopeEndpointsRead}, nil, "", 403},
		{[]waybell.Scope{waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead}, nil, "", 201},
		{[]waybell.Scope{waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead}, []string{"a2"}, "", 404},
		{[]waybell.Scope{waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead}, nil, `"view_secrets"`, 403},
		{[]waybell.Scope{waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead}, nil, `"resend"`, 403},
		{[]waybell.Scope{waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead}, nil, `"manage_secrets"`, 403},
		{[]waybell.Scope{waybell.ScopeEndpointsWrite, waybell.ScopeDeliveriesRead}, nil, `"manage_endpoints","manage_secrets"`, 201},
		{[]waybell.Scope{waybell.ScopeEndpointsWrite, waybell.ScopeDeliveriesWrite}, nil, all5, 403},
		{[]waybell.Scope{waybell.ScopeEndpointsWrite, waybell.ScopeDeliveriesWrite, waybell.ScopeSecretsRead}, []string{"a1"}, all5, 201},
		{[]waybell.Scope{waybell.ScopeAdmin}, nil, all5, 201},
	} {
		_, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{Scopes: tt.scopes, AgentIDs: tt.agents})
		if err != nil {
			t.Fatal(err)
		}
		a := s.call(t, "POST /v1/agents/a1/portal-sessions", `{"capabilities":[`+tt.capabilities+`]}`, "Authorization: Bearer "+text.Reveal())
		if a.status != tt.status {
			t.Errorf("%d: %v grants [%s]: %d %s", i, tt.scopes, tt.capabilities, a.status, a.text)
		}
	}
}

func TestTooManySessions(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Limits.SessionsPerAgent = 1 })
	s.run(t, []step{
		{"a1", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"first", "POST /v1/agents/a1/portal-sessions", "", nil, 201, "", ""},
		{"second", "POST /v1/agents/a1/portal-sessions", "", nil, 409, `{"code":"too_many_sessions"}`, ""},
		{"the console has its own", "POST /v1/console-sessions", "", nil, 201, "", ""},
		{"second of the console", "POST /v1/console-sessions", "", nil, 409, `{"code":"too_many_sessions"}`, ""},
	})
}

// TestExchangeIsBounded: anybody may send to this route.
func TestExchangeIsBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	body := func(n int) string { return `{"key":"` + strings.Repeat("x", n-len(`{"key":""}`)) + `"}` }
	for n, status := range map[int]int{1024: 401, 1025: 413} {
		if a := s.call(t, "POST /v1/sessions", body(n), "Authorization: "); a.status != status {
			t.Errorf("%d bytes: %d %s", n, a.status, a.text)
		}
	}
	commits := func() int64 {
		stats, err := s.svc.StoreStats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.Commits
	}
	// The node writes now and then, strangers would each time.
	wrote := int64(0)
	for round := range 5 {
		before := commits()
		var running sync.WaitGroup
		for i := range 50 {
			running.Go(func() {
				key := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%032d", 50*round+i))
				if a := s.call(t, "POST /v1/sessions", `{"key":"wbo_`+key+`"}`, "Authorization: "); a.status != 401 {
					t.Errorf("a key that was made up: %d %s", a.status, a.text)
				}
				if a := s.call(t, "GET /v1/session", "", "Authorization: Bearer wbs_"+key); a.status != 401 {
					t.Errorf("a token that was made up: %d %s", a.status, a.text)
				}
			})
		}
		running.Wait()
		if wrote = commits() - before; wrote == 0 {
			return
		}
	}
	t.Errorf("strangers made the store write: %d commits", wrote)
}

// TestSessionLogs: the log tells who did what, and never with what.
func TestSessionLogs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	ep := s.call(t, "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","generate_secret":true}`).str("id")
	root := s.call(t, "GET /v1/keys", "").json.(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	console := "Authorization: Bearer " + s.open(t, "POST /v1/console-sessions", "").str("token")
	portal := "Authorization: Bearer " + s.open(t, "POST /v1/agents/a1/portal-sessions", "", console).str("token")
	if a := s.call(t, "GET /v1/agents/a1/endpoints/"+ep+"/secret", "", portal); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	s.call(t, "DELETE /v1/session", "", portal)
	lines := map[string][]string{} // message → lines
	for line := range strings.Lines(s.log.String()) {
		for _, message := range []string{"session made", "session began", "secret shown", "session ended"} {
			if strings.Contains(line, `msg="`+message+`"`) {
				lines[message] = append(lines[message], line)
			}
		}
	}
	if len(lines["session made"]) != 2 || len(lines["session began"]) != 2 || len(lines["secret shown"]) != 1 || len(lines["session ended"]) != 1 {
		t.Fatalf("%v", slices.Sorted(maps.Keys(lines)))
	}
	field := func(line, name string) string {
		_, rest, _ := strings.Cut(line, " "+name+"=")
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		return value
	}
	made, began := lines["session made"], lines["session began"]
	consoleID, portalID := field(made[0], "session_id"), field(made[1], "session_id")
	for what, got := range map[string][2]string{
		"who made the console's":     {field(made[0], "key_id"), root},
		"who made the portal's":      {field(made[1], "by_session_id"), consoleID},
		"where the portal's goes to": {field(made[1], "key_id"), root},
		"whose agent":                {field(made[1], "agent_id"), "a1"},
		"which console began":        {field(began[0], "session_id"), consoleID},
		"which portal began":         {field(began[1], "session_id"), portalID},
		"who saw the secret":         {field(lines["secret shown"][0], "session_id"), portalID},
		"which ended":                {field(lines["session ended"][0], "session_id"), portalID},
	} {
		if got[0] != got[1] || !strings.Contains(got[0], "_") && got[0] != "a1" {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
}

// TestLinksWithoutPublicURL: the host is the request's own and must be one.
func TestLinksWithoutPublicURL(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for host, want := range map[string]string{
		"hooks.example.com": "http://hooks.example.com/console/#key=wbo_", "[::1]:8080": "http://[::1]:8080/console/#key=wbo_",
		"": "", "evil.example/x": "", "user@evil.example": "", `a"b`: "",
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/console-sessions", nil)
		r.Host = host
		r.Header.Set("Authorization", "Bearer "+rootKey)
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "https")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		ok := w.Code == 201 && strings.Contains(w.Body.String(), `"url":"`+want)
		if want == "" {
			ok = w.Code == 422
		}
		if !ok || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("host %q: %d %s", host, w.Code, w.Body)
		}
	}
}

// TestExchangeSlowBody: who has no key has five seconds for a body.
func TestExchangeSlowBody(t *testing.T) {
	t.Parallel()
	s := setup(t)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(c, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestTimeout || !res.Close {
		t.Errorf("half a body was answered %d", res.StatusCode)
	}
}
