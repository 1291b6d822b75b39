package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/receivertest"
	"github.com/waybell/waybell/internal/teststore"
)

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for request, want := range map[string]struct {
		status int
		allow  string
	}{
		"GET /":                                  {404, ""},
		"GET /v1":                                {404, ""},
		"GET /v1/agents/":                        {404, ""},
		"POST /v1/agents/a/b/c/d":                {404, ""},
		"GET /schemas/Agent.json":                {404, ""},
		"GET /openapi.yaml":                      {404, ""},
		"PATCH /v1/agents":                       {405, "GET, HEAD, POST"},
		"DELETE /v1/events":                      {405, "POST"},
		"GET /v1/events":                         {405, "POST"},
		"OPTIONS /v1/agents/a1":                  {405, "GET, HEAD, PUT, PATCH, DELETE"},
		"POST /v1/agents/a1/endpoints/e1/ledger": {405, "GET, HEAD"},
		"PUT /livez":                             {405, "GET, HEAD"},
		"GET /v1/agents/a1/endpoints/e1/secret/rotate": {405, "POST"},
		"GET /v1/sessions": {405, "POST"},
		"POST /v1/session": {405, "GET, HEAD, DELETE"},
		"BREW /v1/agents":  {405, "GET, HEAD, POST"},
	} {
		a := s.call(t, request, "", "Authorization: ")
		if a.status != want.status || a.header.Get("Allow") != want.allow {
			t.Errorf("%s: %d Allow %q", request, a.status, a.header.Get("Allow"))
		}
	}
}

// A path that is not clean is answered, never redirected: what is left of it may be
// something else, which a client that follows would delete.
func TestUncleanPaths(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"endpoint", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/"}`, nil, 201, "", "ep=id"},
		{"names the agent", "DELETE /v1/agents/a1/endpoints/..", "", nil, 404, `{"code":"not_found"}`, ""},
		{"names the endpoints", "DELETE /v1/agents/a1/endpoints/{ep}/secret/../../", "", nil, 404, `{"code":"not_found"}`, ""},
		{"names the endpoint", "DELETE /v1/agents/a1/endpoints/./{ep}", "", nil, 404, `{"code":"not_found"}`, ""},
		{"empty name", "GET /v1//agents", "", nil, 404, `{"code":"not_found"}`, ""},
		{"empty agent", "POST /v1/agents//events", `{"event":"message.sent"}`, nil, 404, `{"code":"not_found"}`, ""},
		{"two slashes", "GET //", "", nil, 404, `{"code":"not_found"}`, ""},
		{"slash at the end", "GET /v1/agents/a1/", "", nil, 404, `{"code":"not_found"}`, ""},
		{"encoded", "DELETE /v1/agents/a1/endpoints/%2e%2e", "", nil, 404, `{"code":"endpoint_not_found"}`, ""},
		{"still there", "GET /v1/agents/a1/endpoints/{ep}", "", nil, 200, "", ""},
	})
}

func TestQueries(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	for query, location := range map[string]string{
		"agents?limit=0": "query.limit", "agents?limit=251": "query.limit", "agents?limit=-1": "query.limit",
		"agents?limit=ten": "query.limit", "agents?limit=1e2": "query.limit", "agents?cursor=***": "query.cursor",
		"agents?limt=5": "query.limt", "agents/a1/deliveries?state=lost": "query.state",
		"agents/a1/deliveries?status_code=99": "query.status_code", "agents/a1/deliveries?since=yesterday": "query.since",
		"agents/a1/deliveries?since=2026-04-26T08:30:14%2B24:00": "query.since", "agents/a1/events?since=2026-04-26T8:30:14Z": "query.since",
		"agents/a1/events?until=2026-04-26": "query.until", "agents/a1/events?limit=9999999999999999999": "query.limit",
		"keys?limit=1000": "query.limit", "event-types?limit=300": "query.limit",
		"agents/a1/deliveries?state=%zz": "query", "agents/a1/deliveries?state=held;limit=1": "query", "agents?limit=1&limit=2": "query.limit",
		"agents/a1/deliveries?state&state=held": "query.state",
		"agents?limit=":                         "query.limit", "agents/a1/deliveries?state": "query.state",
		"agents/a1/deliveries?since=&state=held": "query.since", "agents/a1/deliveries/export?endpoint_id=": "query.endpoint_id",
		"agents/a1/events?event=": "query.event", "event-types?agent_id=": "query.agent_id",
	} {
		a := s.call(t, "GET /v1/"+query, "")
		if strings.Contains(a.text, "2006-01-02") { // the layout of a Go program
			t.Errorf("%s: %s", query, a.text)
		}
		if a.status != 422 || !a.has(t, fmt.Sprintf(`{"code":"invalid","errors":[{"location":%q,"message":"*"}]}`, location)) {
			t.Errorf("%s: %d %s", query, a.status, a.text)
		}
	}
	// Whoever walks over pages has none before the first.
	if a := s.call(t, "GET /v1/agents?cursor=", ""); a.status != 200 {
		t.Errorf("an empty cursor: %d %s", a.status, a.text)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	routes := []string{"POST /v1/agents", "PATCH /v1/agents/a1", "POST /v1/agents/a1/events", "POST /v1/events"}
	for _, request := range routes {
		for body, code := range map[string]string{
			`{"name":`:              "malformed_json",
			`{"event":"a"}}`:        "malformed_json",
			`{"id":"a","id":"b"}`:   "malformed_json",
			"{\"name\":\"\xff\"}":   "malformed_json",
			`{"data":` + deep + "}": "malformed_json",
			`{'name':1}`:            "malformed_json",
		} {
			if a := s.call(t, request, body); a.status != 400 || a.str("code") != code {
				t.Errorf("%s %.40q: %d %s", request, body, a.status, a.text)
			}
		}
		for _, header := range []string{
			"Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=x",
			"Content-Type: application/json; charset=utf-16", "Content-Type: ;;", "Content-Encoding: gzip",
		} {
			if a := s.call(t, request, `{}`, header); a.status != 415 || a.str("code") != "unsupported_media_type" {
				t.Errorf("%s %s: %d %s", request, header, a.status, a.text)
			}
		}
	}
	for _, header := range []string{"Content-Type: application/json; charset=UTF-8", "Content-Type: ", "Content-Encoding: identity"} {
		if a := s.call(t, "PATCH /v1/agents/a1", `{"name":"B"}`, header); a.status != 200 {
			t.Errorf("%s: %d %s", header, a.status, a.text)
		}
	}
	if a := s.call(t, "POST /v1/agents", `{"name":"B"}`, "Content-Type: application/merge-patch+json"); a.status != 415 {
		t.Errorf("a merge patch creates: %d", a.status)
	}
}

// An action that needs no body takes none, or one that says nothing; any other is as
// wrong as it is elsewhere, and nothing is done.
func TestBodiesOfActions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	kept := s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"endpoint", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","events":["*"]}`, nil, 201, "", "where=Location"},
	})
	for _, action := range []string{
		kept["where"] + "/pause", kept["where"] + "/resume", kept["where"] + "/test", kept["where"] + "/secret/rotate",
		"/v1/agents/a1/deliveries/dlv_x/retry", "/v1/agents/a1/deliveries/dlv_x/cancel",
	} {
		s.run(t, []step{
			{"media type", "POST " + action, `{}`, []string{"Content-Type: text/plain"}, 415, `{"code":"unsupported_media_type"}`, ""},
			{"no JSON", "POST " + action, `{`, nil, 400, `{"code":"malformed_json"}`, ""},
			{"unknown field", "POST " + action, `{"hold":true}`, nil, 422, `{"errors":[{"location":"body.hold","message":"unknown field"}]}`, ""},
			{"no object", "POST " + action, `[]`, nil, 422, `{"errors":[{"location":"body"}]}`, ""},
		})
	}
	s.run(t, []step{
		{"nothing was done", "GET " + kept["where"], "", nil, 200, `{"state":"active","signed":false}`, ""},
		{"an empty object", "POST " + kept["where"] + "/pause", `{}`, nil, 200, `{"state":"paused"}`, ""},
		{"publish", "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"name":"S"}}`, nil, 202, "", ""},
	})
	a := s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"held"}]}`)
	delivery := "/v1/agents/a1/deliveries/" + a.json.(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	s.run(t, []step{
		{"retry", "POST " + delivery + "/retry", `{}`, nil, 409, `{"code":"delivery_held"}`, ""},
		{"cancel", "POST " + delivery + "/cancel", `{}`, nil, 200, `{"state":"canceled"}`, ""},
	})
}

// TestBodyLimit sends bodies of the limit and one byte more, with and without a
// length, and counts what the server took of an endless one.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	const limit = 2048
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Limits.EventBytes, c.Limits.BatchBytes = limit, limit })
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	body := func(n int) string {
		const text = `{"name":"Bot"}`
		return text + strings.Repeat(" ", n-len(text))
	}
	const configLimit = 256 << 10 // of all that holds no event
	if a := s.call(t, "PUT /v1/agents/a1", body(configLimit)); a.status != 200 {
		t.Errorf("a body at the limit: %d %s", a.status, a.text)
	}
	for request, limit := range map[string]int{"PUT /v1/agents/a1": configLimit, "POST /v1/agents/a1/endpoints": configLimit,
		"POST /v1/agents/a1/endpoints/preview": limit, "POST /v1/agents/a1/events": limit, "POST /v1/events": limit} {
		if a := s.call(t, request, body(limit+1)); a.status != 413 || a.str("code") != "too_large" || !strings.Contains(a.str("detail"), strconv.Itoa(limit)) {
			t.Errorf("%s: %d %s", request, a.status, a.text)
		}
		method, path, _ := strings.Cut(request, " ")
		endless := &countingReader{r: strings.NewReader(body(64 << 20))}
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, io.NopCloser(endless))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+rootKey)
		if a := s.send(t, req); a.status != 413 {
			t.Errorf("%s without a length: %d %s", request, a.status, a.text)
		}
		if n := endless.n.Load(); n > 8<<20 {
			t.Errorf("%s: %d bytes of an endless body were taken", request, n)
		}
	}
}

// impatient serves the same API with 50 ms for a request to come in.
func (s *server) impatient(t *testing.T) (addr string) {
	t.Helper()
	srv := api.NewHTTPServer(s.api, s.svc.Config().Logger)
	srv.ReadTimeout = 50 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// TestSlowTest sends a test to a receiver that answers after the time for
// requests to come in is over.
func TestSlowTest(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.After(300*time.Millisecond, receivertest.Answer(200, "")))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.impatient(t)+where+"/test", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootKey)
	req.Header.Set("Content-Type", "application/json")
	if a := s.send(t, req); a.status != 200 || !a.has(t, `{"state":"delivered"}`) {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// TestSlowBody lets a client stop in the middle of its body.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := setup(t)
	addr := s.impatient(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", rootKey)
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(text, []byte("HTTP/1.1 408 ")) || !bytes.Contains(text, []byte("request_timeout")) {
		t.Errorf("a slow client got %s", text)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if a := s.call(t, "GET /v1/agents/none", "", "X-Request-Id: mine-1"); a.str("request_id") != "mine-1" {
		t.Errorf("own id: %s", a.text)
	}
	if a := s.call(t, "GET /v1/agents", ""); !strings.HasPrefix(a.header.Get("X-Request-Id"), "req_") {
		t.Errorf("no id: %v", a.header)
	}
	if log := s.log.String(); !strings.Contains(log, "request_id=mine-1") || !strings.Contains(log, `route="GET /v1/agents/{agent_id}"`) {
		t.Errorf("the log lacks the request: %s", log)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ask := func(request string) answer { return s.call(t, request, "", "Authorization: ") }
	if a := ask("GET /readyz"); a.status != 200 || a.str("status") != "ok" {
		t.Errorf("ready: %d %s", a.status, a.text)
	}
	if a := ask("HEAD /livez"); a.status != 200 || a.text != "" {
		t.Errorf("HEAD: %d %q", a.status, a.text)
	}
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	s.svc.Drain()
	for _, a := range []answer{
		ask("GET /readyz"),
		s.call(t, "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"name":"Sarah"}}`),
		s.call(t, "POST /v1/events", `{"events":[{"agent_id":"a1","event":"lead.submit","data":{"name":"Sarah"}}]}`),
	} {
		if a.status != 503 || a.str("code") != "draining" || a.header.Get("Retry-After") == "" || !a.closed {
			t.Errorf("draining: %d %v %s", a.status, a.header, a.text)
		}
	}
	if a := ask("GET /livez"); a.status != 200 || a.closed {
		t.Errorf("live: %d", a.status)
	}
}

// TestNotStarted asks before the service has started.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	svc, err := waybell.New(waybell.Config{Store: teststore.Open(t, slog.New(slog.DiscardHandler)), EncryptionKeys: encryptionKeys(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(svc, api.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{"/readyz": 503, "/livez": 200, "/v1/agents": 401} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Authorization", "Bearer "+rootKey)
		handler.ServeHTTP(w, req)
		if w.Code != status {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// faultyStore panics with a secret in hand, or is down.
type faultyStore struct {
	waybell.Store
	down atomic.Bool
}

const panicCanary = "canary-of-a-panic"

func (s *faultyStore) Agents(context.Context, waybell.PageQuery) ([]waybell.Agent, error) {
	panic(panicCanary)
}

func (s *faultyStore) Keys(ctx context.Context, after string, limit int) ([]waybell.APIKey, error) {
	if s.down.Load() {
		return nil, fmt.Errorf("%w: %s", waybell.ErrUnavailable, panicCanary)
	}
	return s.Store.Keys(ctx, after, limit)
}

func TestPanicsAndFailures(t *testing.T) {
	t.Parallel()
	store := &faultyStore{}
	s := setup(t, func(c *waybell.Config, _ *api.Config) {
		store.Store = c.Store
		c.Store = store
	})
	a := s.call(t, "GET /v1/agents", "")
	if a.status != 500 || a.str("code") != "internal" || strings.Contains(a.text, panicCanary) {
		t.Errorf("%d %s", a.status, a.text)
	}
	log := s.log.String()
	if strings.Contains(log, panicCanary) || strings.Count(log, "request panicked") != 1 || !strings.Contains(log, a.str("request_id")) {
		t.Errorf("the panic is not logged once under its request id, without its value: %s", log)
	}
	store.down.Store(true)
	a = s.call(t, "GET /v1/keys", "")
	if a.status != 503 || a.str("code") != "unavailable" || a.header.Get("Retry-After") == "" || strings.Contains(a.text, panicCanary) {
		t.Errorf("store down: %d %v %s", a.status, a.header, a.text)
	}
	if log := s.log.String(); strings.Count(log, "request failed") != 1 || !strings.Contains(log, a.str("request_id")) {
		t.Errorf("the failure is not logged once: %s", log)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	s := setup(t, func(_ *waybell.Config, c *api.Config) { c.DocsPath, c.MetricsPath = "/reference", api.Off })
	for request, status := range map[string]int{
		"GET /reference": 200, "GET /reference/scalar.js": 200, "GET /docs": 404, "GET /metrics": 404, "GET /openapi.json": 200,
	} {
		if a := s.call(t, request, "", "Authorization: "); a.status != status {
			t.Errorf("%s: %d", request, a.status)
		}
	}
	closed := setup(t, func(_ *waybell.Config, c *api.Config) { c.DocsPath = api.Off })
	for _, request := range []string{"GET /docs", "GET /openapi.json", "GET /docs/start.js"} {
		if a := closed.call(t, request, "", "Authorization: "); a.status != 404 {
			t.Errorf("%s although closed: %d", request, a.status)
		}
	}
	for _, bad := range []api.Config{
		{DocsPath: "docs"}, {DocsPath: "/"}, {DocsPath: "/x/"}, {DocsPath: "/livez"}, {DocsPath: "/v1/agents"}, {MetricsPath: "/docs"},
	} {
		if _, err := api.New(s.svc, bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// countingReader counts what was read of it.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
