package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/jsjson"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	var got endpointBody
	err := decode([]byte(`{"url":"https://a.example","enabled":false,"events":[],"timeout_seconds":5,"rate_limit_per_second":0.5,
		"headers":[{"name":"X-A","value":"s"}],"retry":{"schedule_seconds":[1,2],"policy":null},"description":null,"generate_secret":"ed25519"}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := endpointBody{
		URL: waybell.Some("https://a.example"), Enabled: waybell.Some(false), Events: waybell.Some([]string{}),
		TimeoutSeconds: waybell.Some(5), RateLimit: waybell.Some(0.5), Headers: waybell.Some([]headerBody{{"X-A", "s"}}),
		Retry:       waybell.Some(retryBody{ScheduleSeconds: waybell.Some([]int{1, 2}), Policy: waybell.Null[string]()}),
		Description: waybell.Null[string](), GenerateSecret: generateSecret(waybell.SecretEd25519),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"metadata":`, 65) + "1" + strings.Repeat("}", 65)
	tests := []struct {
		body   string
		status int
		errors string // "location: message", separated by "; "
	}{
		{`{"url":`, 400, "body.url: "},
		{``, 400, "body: "},
		{"\xef\xbb\xbf{}", 400, "body: "},
		{`{"url":"a","url":"b"}`, 400, "body.url: "},
		{"{\"url\":\"\xff\"}", 400, "body"},
		{`{} {}`, 400, "body: "},
		{deep, 400, "body.metadata.metadata"},
		{`{"timeout_seconds":1e999}`, 422, "body.timeout_seconds: "},
		{`[]`, 422, "body: expected an object"},
		{`null`, 422, "body: expected an object"},
		{`{"URL":"a"}`, 422, "body.URL: unknown field"},
		{`{"":1}`, 422, "body.: unknown field"},
		{`{"urll":"a","events":"x","zzz":{}}`, 422, "body.urll: unknown field; body.events: expected an array; body.zzz: unknown field"},
		{`{"url":1,"enabled":"yes","events":["a",2],"timeout_seconds":"5"}`, 422,
			"body.url: expected a string; body.enabled: expected true or false; body.events[1]: expected a string; body.timeout_seconds: expected a whole number"},
		{`{"timeout_seconds":1.5,"rate_limit_per_second":"1","headers":[{"name":"a","vlaue":"s"},3]}`, 422,
			"body.timeout_seconds: expected a whole number; body.rate_limit_per_second: expected a number; body.headers[0].vlaue: unknown field; body.headers[1]: expected an object"},
		{`{"retry":[],"generate_secret":"rsa"}`, 422, `body.retry: expected an object; body.generate_secret: expected true, false or "ed25519"`},
		{`{"timeout_seconds":99999999999999999999}`, 422, "body.timeout_seconds: expected a whole number"},
	}
	for _, tt := range tests {
		var b endpointBody
		p := problemOf(decode([]byte(tt.body), &b))
		var lines []string
		for _, f := range p.Errors {
			lines = append(lines, f.Location+": "+f.Message)
			if f.Value != nil {
				t.Errorf("%.60s: a value is echoed: %v", tt.body, f.Value)
			}
		}
		text := strings.Join(lines, "; ")
		if p.Status != tt.status || !strings.HasPrefix(text, tt.errors) || tt.status == 422 && !strings.HasPrefix(tt.errors, "body.timeout_seconds: ") && text != tt.errors {
			t.Errorf("%.60s: %d %s", tt.body, p.Status, text)
		}
		if tt.status == 400 && p.Code != "malformed_json" {
			t.Errorf("%.60s: code %s", tt.body, p.Code)
		}
	}
}

func requestBodies() []any {
	return []any{
		&agentBody{}, &newAgentBody{}, &endpointBody{}, &newEndpointBody{}, &rotateBody{}, &resumeBody{}, &testBody{},
		&eventTypeBody{}, &keyBody{},
	}
}

// TestBodiesDecode tries every type of body, so that no field has a type that
// the decoder does not know.
func TestBodiesDecode(t *testing.T) {
	t.Parallel()
	for _, body := range requestBodies() {
		typ := reflect.TypeOf(body).Elem()
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			for _, value := range []string{`null`, `true`, `"x"`, `1`, `1.5`, `[]`, `["x"]`, `[1]`, `[{}]`, `{}`} {
				text := fmt.Sprintf("{%q:%s}", name, value)
				if err := decode([]byte(text), reflect.New(typ).Interface()); err != nil && problemOf(err).Status != 422 {
					t.Errorf("%s %s: %v", typ, text, err)
				}
			}
		}
	}
}

// FuzzDecode gives a body to each type of body. The verdict is that of
// encoding/json and of the type, told without any value; what is taken decodes to
// the same in another spelling.
func FuzzDecode(f *testing.F) {
	for which := range requestBodies() {
		f.Add(uint8(which), []byte(`{"url":"https://a.example","headers":[{"name":"a","value":"b"}],"retry":{"schedule_seconds":[1]}}`))
		f.Add(uint8(which), []byte(`{"generate_secret":true,"secret":null,"name":"x","metadata":{"10":1,"9":"\ud800"},"scopes":["admin"],"timeout_seconds":1e1}`))
		f.Add(uint8(which), []byte(`{"held":"send","overlap_seconds":1.5,"event":"lead.submit","data":{},"schema":true,"example":null,"enabled":0}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		bodies := requestBodies()
		typ := reflect.TypeOf(bodies[int(which)%len(bodies)]).Elem()
		b := reflect.New(typ)
		if err := decode(body, b.Interface()); err != nil {
			p := problemOf(err)
			if p.Status != 400 && p.Status != 422 || p.Status == 422 && !json.Valid(body) || len(p.Errors) == 0 || len(p.Errors) > maxWrong {
				t.Fatalf("%s %q: %v", typ, body, err)
			}
			for _, wrong := range p.Errors {
				if !strings.HasPrefix(wrong.Location, "body") || wrong.Message == "" || wrong.Value != nil || !utf8.ValidString(wrong.Location+wrong.Message) {
					t.Fatalf("%s %q: %+v", typ, body, wrong)
				}
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("%s %q was taken", typ, body)
		}
		v, err := jsjson.Parse(body, jsjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, v.Append(nil), "", " "); err != nil {
			t.Fatal(err)
		}
		again := reflect.New(typ)
		if err := decode(spaced.Bytes(), again.Interface()); err != nil || !reflect.DeepEqual(again.Interface(), b.Interface()) {
			t.Fatalf("%s %q is %+v, in another spelling %+v, %v", typ, body, b.Elem(), again.Elem(), err)
		}
	})
}
