package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/teststore"
)

// rootKey may do everything.
const rootKey = "test-key-with-24-characters"

// server is an API under test, with its log.
type server struct {
	*httptest.Server
	api *api.Server
	svc *waybell.Service
	log *logBuffer
	doc *document
}

func encryptionKeys() []waybell.Secret {
	return []waybell.Secret{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
}

// logBuffer takes all levels of the log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// setup starts a service on a fresh store behind a real HTTP server.
func setup(t *testing.T, change ...func(*waybell.Config, *api.Config)) *server {
	t.Helper()
	s := &server{log: &logBuffer{}, Server: httptest.NewUnstartedServer(nil)}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg := waybell.Config{
		Store: teststore.Open(t, log), Logger: log, Version: "test",
		EncryptionKeys: encryptionKeys(),
		AllowTargets:   []string{"127.0.0.0/8"},
		OwnURL:         "http://" + s.Listener.Addr().String(),
	}
	metrics := api.NewMetrics("test")
	cfg.OnAttempt = metrics.OnAttempt
	apiCfg := api.Config{Metrics: metrics}
	for _, f := range change {
		f(&cfg, &apiCfg)
	}
	var err error
	if s.svc, err = waybell.New(cfg); err != nil {
		t.Fatal(err)
	}
	metrics.Observe(s.svc)
	if err := s.svc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.svc.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.svc.EnsureRootKey(t.Context(), rootKey); err != nil {
		t.Fatal(err)
	}
	if s.api, err = api.New(s.svc, apiCfg); err != nil {
		t.Fatal(err)
	}
	s.doc = readDocument(t, s.api.OpenAPI())
	s.Config = api.NewHTTPServer(s.api, log)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	json   any
	closed bool // the server ends the connection
}

// call makes a request with the root key. Headers are "Name: value" and replace
// what would be sent; an empty value sends none.
func (s *server) call(t *testing.T, request, body string, headers ...string) answer {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+rootKey)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Del(name)
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	a := s.send(t, req)
	s.doc.judge(t, req, body, a)
	return a
}

func (s *server) send(t *testing.T, req *http.Request) answer {
	t.Helper()
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer res.Body.Close()
	var text []byte
	if res.Header.Get("Content-Type") != "text/event-stream" { // that does not end; watch reads it
		if text, err = io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(text), closed: res.Close}
	if strings.HasSuffix(res.Header.Get("Content-Type"), "json") && !strings.HasSuffix(res.Header.Get("Content-Type"), "ndjson") && req.Method != http.MethodHead {
		if err := json.Unmarshal(text, &a.json); err != nil {
			t.Errorf("%s %s: %v in %s", req.Method, req.URL.Path, err, text)
		}
	}
	if a.status >= 400 {
		a.checkProblem(t, req)
	}
	return a
}

// checkProblem holds what is true of every error.
func (a answer) checkProblem(t *testing.T, req *http.Request) {
	t.Helper()
	p, _ := a.json.(map[string]any)
	if a.header.Get("Content-Type") != "application/problem+json" || p["status"] != float64(a.status) ||
		p["type"] != "urn:waybell:problem:"+a.str("code") || a.str("title") == "" || a.str("detail") == "" ||
		a.str("request_id") == "" || a.str("request_id") != a.header.Get("X-Request-Id") {
		t.Errorf("%s %s: no proper problem: %d %v %s", req.Method, req.URL.Path, a.status, a.header, a.text)
	}
}

// str is a member of the answer, by dotted names, as a string.
func (a answer) str(path string) string {
	v := a.json
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// has tells whether the answer has all that want has, which is JSON. "*" stands
// for any value but null.
func (a answer) has(t *testing.T, want string) bool {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v in %s", err, want)
	}
	return covers(a.json, w)
}

func covers(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for name, v := range w {
			if member, there := g[name]; !there || !covers(member, v) {
				return false
			}
		}
		return ok
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !covers(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return want == "*" && got != nil || reflect.DeepEqual(got, want)
}

// step is a request and what must come back.
type step struct {
	name    string
	request string // "METHOD /path"; {x} is replaced by what save kept as x
	body    string
	headers []string
	status  int
	want    string // JSON that the answer must cover; "" = no matter
	save    string // "x=member": keep a member of the answer, or a header
}

// run makes the steps one after the other.
func (s *server) run(t *testing.T, steps []step) map[string]string {
	t.Helper()
	kept := map[string]string{}
	fill := func(text string) string {
		for name, value := range kept {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
		return text
	}
	for _, st := range steps {
		var headers []string
		for _, h := range st.headers {
			headers = append(headers, fill(h))
		}
		a := s.call(t, fill(st.request), fill(st.body), headers...)
		if a.status != st.status || st.want != "" && !a.has(t, fill(st.want)) {
			t.Errorf("%s: %s %s\n  got %d %s\n want %d %s", st.name, fill(st.request), st.body, a.status, a.text, st.status, fill(st.want))
		}
		for pair := range strings.SplitSeq(st.save, ",") {
			if name, member, ok := strings.Cut(pair, "="); ok {
				if kept[name] = a.str(member); kept[name] == "" {
					kept[name] = a.header.Get(member)
				}
			}
		}
	}
	return kept
}
