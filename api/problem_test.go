package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// TestEveryCodeHasAStatus reads the codes out of the root package's source, so
// that a new one cannot be forgotten here.
func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		internal := kindOf(waybell.Code(word)).status == http.StatusInternalServerError
		if internal != (word == string(waybell.CodeInternal)) {
			t.Errorf("code %s has status %d", word, kindOf(waybell.Code(word)).status)
		}
		return true
	})
	if found < 28 {
		t.Errorf("found only %d codes in error.go", found)
	}
}

func TestProblemOf(t *testing.T) {
	t.Parallel()
	const secret = "canary-4711"
	tests := map[string]struct {
		err        error
		status     int
		code       string
		retryAfter string
	}{
		"field":       {&waybell.Error{Code: waybell.CodeInvalid, Message: "x", Fields: []waybell.FieldError{{Location: "body.a", Message: "b", Value: 3}}}, 422, "invalid", ""},
		"busy":        {&waybell.Error{Code: waybell.CodeBusy, RetryAfter: 1500 * time.Millisecond, Err: errors.New(secret)}, 503, "busy", "2"},
		"unavailable": {&waybell.Error{Code: waybell.CodeUnavailable, Err: errors.New(secret)}, 503, "unavailable", "1"},
		"draining":    {&waybell.Error{Code: waybell.CodeDraining, RetryAfter: 5 * time.Second}, 503, "draining", "5"},
		"foreign":     {errors.New(secret), 500, "internal", ""},
		"internal":    {&waybell.Error{Code: waybell.CodeInternal, Message: secret}, 500, "internal", ""},
		"unknown":     {&waybell.Error{Code: "new_word", Message: secret}, 500, "internal", ""},
		"session key": {&waybell.Error{Code: waybell.CodeSessionKeyInvalid}, 401, "session_key_invalid", ""},
		"wrapped":     {errors.Join(errors.New(secret), &waybell.Error{Code: waybell.CodeAgentNotFound}), 404, "agent_not_found", ""},
	}
	for name, tt := range tests {
		p := problemOf(tt.err)
		if p.Status != tt.status || p.Code != tt.code || p.header.Get("Retry-After") != tt.retryAfter {
			t.Errorf("%s: %d %s Retry-After %q", name, p.Status, p.Code, p.header.Get("Retry-After"))
		}
		if p.Type != "urn:waybell:problem:"+p.Code || p.Title == "" {
			t.Errorf("%s: type %q, title %q", name, p.Type, p.Title)
		}
		if text := p.Error() + p.Detail; strings.Contains(text, secret) {
			t.Errorf("%s: the cause shows: %s", name, text)
		}
	}
}

func TestDetailNamesTheField(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ message, field, want string }{
		"fragment":   {"is required", "is required", "body.name: is required"},
		"sentence":   {"The URL has no host.", "The URL has no host.", "The URL has no host."},
		"of its own": {"the event is not valid", "is required", "the event is not valid"},
	}
	for name, tt := range tests {
		err := &waybell.Error{Code: waybell.CodeInvalid, Message: tt.message,
			Fields: []waybell.FieldError{{Location: "body.name", Message: tt.field}}}
		if got := problemOf(err).Detail; got != tt.want {
			t.Errorf("%s: detail %q, want %q", name, got, tt.want)
		}
	}
}

func TestMatching(t *testing.T) {
	t.Parallel()
	const current = 7
	change := func(version int64) (int64, error) {
		if version > 0 && version != current {
			return 0, &waybell.Error{Code: waybell.CodePreconditionFailed}
		}
		return version, nil
	}
	many := strings.Repeat(`"1", `, maxTags)
	const none = -2
	for header, want := range map[string]int64{
		"": 0, "*": waybell.AnyVersion, " * ": waybell.AnyVersion, `"7"`: 7, `"3", "7"`: 7, `"x","7"`: 7,
		`"8"`: none, `7`: none, `W/"7"`: none, `"07"`: none, `"+7"`: none, `"0"`: none, `"-7"`: none, `"-1"`: none, `"7`: none, `"x"`: none,
		many + `"7"`: none,
	} {
		got, err := matching(header, change)
		if want == none && waybell.ErrorCode(err) != waybell.CodePreconditionFailed || want != none && (err != nil || got != want) {
			t.Errorf("If-Match %s: %d, %v", header, got, err)
		}
	}
	gone := &waybell.Error{Code: waybell.CodeAgentNotFound}
	if _, err := matching(`"7"`, func(int64) (int64, error) { return 0, gone }); err != gone {
		t.Errorf("another error became %v", err)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	for id, kept := range map[string]bool{
		"abc-1": true, "A.b_c:9": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\nb": false, "ä": false, "a/b": false, "<script>": false,
	} {
		r := &http.Request{Header: http.Header{"X-Request-Id": {id}}}
		if got := requestID(r); (got == id) != kept || !sane(got) {
			t.Errorf("request id %q became %q", id, got)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		seen[requestID(&http.Request{})] = true
	}
	if len(seen) != 1000 {
		t.Errorf("only %d of 1000 request ids differ", len(seen))
	}
}

// TestAppendItems holds the hand-written answers to their documented types.
func TestAppendItems(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 26, 10, 30, 14, 123456789, time.FixedZone("", 7200))
	ok := waybell.PublishResult{ID: "evt_1", Type: `a"b<`, Timestamp: at, Deliveries: 2, Duplicate: true}
	wrong := &waybell.Error{Code: waybell.CodeInvalid, Message: "no <b>", Fields: []waybell.FieldError{{Location: "body.events[1].event", Message: "m"}}}
	text := appendItems(nil, []waybell.BatchItem{{Result: ok}, {Err: wrong}, {Result: waybell.PublishResult{ID: "x", Timestamp: at}}})
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var got batchView
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	two, yes, zero, no := 2, true, 0, false
	const when = "2026-04-26T08:30:14.123Z"
	want := batchView{Data: []batchItemView{
		{Status: 202, ID: "evt_1", Event: `a"b<`, Timestamp: when, Deliveries: &two, Duplicate: &yes},
		{Status: 422, Error: &batchErrorView{Code: "invalid", Title: "Invalid input", Detail: "no <b>",
			Errors: []fieldProblemView{{Location: "body.events[1].event", Message: "m"}}}},
		{Status: 202, ID: "x", Timestamp: when, Deliveries: &zero, Duplicate: &no},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s", text)
	}
	if string(appendItems(nil, nil)) != "{\"data\":[]}\n" {
		t.Errorf("no items: %s", appendItems(nil, nil))
	}
}

// goneWriter is a client that has gone.
type goneWriter struct{ h http.Header }

func (w goneWriter) Header() http.Header       { return w.h }
func (w goneWriter) WriteHeader(int)           {}
func (w goneWriter) Write([]byte) (int, error) { return 0, errors.New("gone") }

// TestClientGone holds that a client that goes before its answer is no failure
// of ours: no panic, nothing in the log.
func TestClientGone(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	svc, err := waybell.New(waybell.Config{Store: struct{ waybell.Store }{}, EncryptionKeys: []waybell.Secret{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(svc, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/livez", "/openapi.json", "/docs", "/docs/scalar.js", "/nothing", "/v1/agents"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.ServeHTTP(goneWriter{http.Header{}}, r)
	}
	if log.Len() > 0 {
		t.Errorf("the log has %s", log.String())
	}
}
