package api_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybell/waybell/internal/nodetest"
)

// document is a client's view of the OpenAPI document: it judges every request
// that a test makes.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
	seen    map[string]bool // "operationId status"
}

func readDocument(t *testing.T, text []byte) *document {
	t.Helper()
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{
		root: root.(map[string]any), compiler: jsonschema.NewCompiler(),
		schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{},
	}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", root); err != nil {
		t.Fatal(err)
	}
	return d
}

// operation finds the operation of a request, or nil, and its place.
func (d *document) operation(method, path string) (op map[string]any, at string) {
	given := strings.Split(path, "/")
	parts := len(given) + 1 // parameters of the best template so far: a literal wins, as it does in the mux
	for template, item := range d.root["paths"].(map[string]any) {
		names := strings.Split(template, "/")
		match := len(names) == len(given)
		for i := 0; match && i < len(names); i++ {
			match = names[i] == given[i] || strings.HasPrefix(names[i], "{") && given[i] != ""
		}
		found, ok := item.(map[string]any)[strings.ToLower(method)].(map[string]any)
		if n := strings.Count(template, "{"); match && ok && n < parts {
			op, at, parts = found, "/paths/"+pointerStep(template)+"/"+strings.ToLower(method), n
		}
	}
	return op, at
}

func pointerStep(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// schema compiles the schema at a place of the document.
func (d *document) schema(t *testing.T, at string) *jsonschema.Schema {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.schemas[at]; s != nil {
		return s
	}
	escaped := strings.NewReplacer("{", "%7B", "}", "%7D", "+", "%2B").Replace(at)
	s, err := d.compiler.Compile("openapi.json#" + escaped)
	if err != nil {
		t.Fatal(err)
	}
	d.schemas[at] = s
	return s
}

// judge holds a request and its answer to what is documented: the status, the
// media type, every field, and for accepted requests the body sent.
func (d *document) judge(t *testing.T, req *http.Request, sent string, a answer) {
	t.Helper()
	what := req.Method + " " + req.URL.Path + " " + strconv.Itoa(a.status)
	op, at := d.operation(req.Method, req.URL.Path)
	if op == nil {
		return
	}
	status := strconv.Itoa(a.status)
	response, ok := op["responses"].(map[string]any)[status].(map[string]any)
	if !ok {
		t.Errorf("%s: this status is not documented: %s", what, a.text)
		return
	}
	d.mu.Lock()
	d.seen[op["operationId"].(string)+" "+status] = true
	d.mu.Unlock()
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	content, documented := response["content"].(map[string]any)
	if _, ok := content[media]; documented != (a.text != "" || slices.Contains([]string{"application/x-ndjson", "text/event-stream"}, media)) || documented && !ok {
		t.Errorf("%s: answered as %q: %.200s", what, media, a.text)
		return
	}
	if documented && strings.HasSuffix(media, "json") && !strings.HasSuffix(media, "ndjson") {
		at := at + "/responses/" + status + "/content/" + pointerStep(media) + "/schema"
		if err := d.schema(t, at).Validate(parsed(t, a.text)); err != nil {
			t.Errorf("%s: %v\n%s", what, err, a.text)
		}
	}
	for name := range headersOf(response) {
		if len(a.header.Values(name)) == 0 {
			t.Errorf("%s: the header %s is missing", what, name)
		}
	}
	media, _, _ = strings.Cut(req.Header.Get("Content-Type"), ";")
	media = cmp.Or(media, "application/json")
	if a.status < 300 && sent != "" && media != "application/x-ndjson" {
		if err := d.schema(t, at+"/requestBody/content/"+pointerStep(media)+"/schema").Validate(parsed(t, sent)); err != nil {
			t.Errorf("%s: the body is accepted, but not as documented: %v\n%s", what, err, sent)
		}
	}
}

func headersOf(response map[string]any) map[string]any {
	h, _ := response["headers"].(map[string]any)
	return h
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestLint has an independent judge read the document.
func TestLint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, setup(t).api.OpenAPI(), 0o600); err != nil {
		t.Fatal(err)
	}
	cli := filepath.Join(nodetest.Dir(), "node_modules", "@redocly", "cli", "bin", "cli.js")
	cmd := exec.CommandContext(t.Context(), "node", cli, "lint", "--format=json", file)
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var report struct {
		Totals   struct{ Errors, Warnings int }
		Problems []struct{ RuleID, Message string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("the linter did not work; run \"make setup\": %v, %v\n%s%s", runErr, err, stdout.String(), stderr.String())
	}
	if runErr != nil || report.Totals.Errors+report.Totals.Warnings > 0 {
		t.Errorf("%v, %+v", runErr, report)
	}
}

// keylessV1 are the routes below /v1 that need no key.
var keylessV1 = []string{"POST /v1/sessions", "GET /v1/branding", "GET /v1/branding/logo"}

// TestDocumentIsWhole looks for what a reader of the document needs.
func TestDocumentIsWhole(t *testing.T) {
	t.Parallel()
	s := setup(t)
	if v := s.doc.root["openapi"]; v != "3.1.0" {
		t.Errorf("version %v", v)
	}
	documented := map[string]bool{}
	for path, item := range s.doc.root["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			op := op.(map[string]any)
			request := strings.ToUpper(method) + " " + path
			documented[request] = true
			for _, field := range []string{"operationId", "summary", "tags", "responses"} {
				if op[field] == nil {
					t.Errorf("%s has no %s", request, field)
				}
			}
			if keyless := len(op["security"].([]any)) == 0; keyless == (strings.HasPrefix(path, "/v1/") && !slices.Contains(keylessV1, request)) {
				t.Errorf("%s: security %v", request, op["security"])
			}
		}
	}
	names := strings.NewReplacer("/a1", "/{agent_id}", "/endpoints/ep", "/endpoints/{endpoint_id}", "/evt", "/{event_id}",
		"/dlv", "/{delivery_id}", "/keys/key", "/keys/{key_id}", "/inboxes/inb", "/inboxes/{inbox_id}", "/lead.submit", "/{name}", "/x.y", "/{name}")
	for request := range scopesOf {
		if request = names.Replace(request); !documented[request] {
			t.Errorf("%s is not documented", request)
		}
		delete(documented, request)
	}
	for _, request := range keylessV1 {
		if !documented[request] {
			t.Errorf("%s is not documented", request)
		}
		delete(documented, request)
	}
	rest := slices.Sorted(maps.Keys(documented))
	if want := []string{"DELETE /v1/session", "GET /livez", "GET /metrics", "GET /openapi.json", "GET /readyz", "GET /v1/session", "POST /in/{token}", "PUT /in/{token}"}; !slices.Equal(rest, want) {
		t.Errorf("besides the routes with scopes, these are documented: %v", rest)
	}
	webhooks := slices.Sorted(maps.Keys(s.doc.root["webhooks"].(map[string]any)))
	if len(webhooks) != 8 {
		t.Errorf("webhooks: %v", webhooks)
	}
	for _, name := range webhooks {
		at := "/webhooks/" + name + "/post/requestBody/content/application~1json"
		media := s.doc.at(at).(map[string]any)
		if err := s.doc.schema(t, at+"/schema").Validate(media["example"]); err != nil {
			t.Errorf("example of %s: %v", name, err)
		}
	}
	if text := string(s.api.OpenAPI()); strings.Contains(text, "ErrorModel") || strings.Contains(text, "$schema") {
		t.Error("the document holds things of huma's own")
	}
}

// at is the value at a JSON pointer.
func (d *document) at(pointer string) any {
	var v any = d.root
	for step := range strings.SplitSeq(pointer[1:], "/") {
		v = v.(map[string]any)[strings.ReplaceAll(step, "~1", "/")]
	}
	return v
}
