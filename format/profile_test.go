package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/waybell/waybell/internal/retry"
)

func formatsConfig(t testing.TB, text string) Config {
	t.Helper()
	doc, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuiltInProfiles(t *testing.T) {
	t.Parallel()
	f, err := NewSet(Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"standard", "chatzuri", "chatislav"}
	for what, got := range map[string][]string{"formats": f.FormatNames(), "policies": f.PolicyNames(), "profiles": f.ProfileNames()} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for _, name := range want {
		p, ok := f.Profile(name)
		if want := (Profile{Name: name, Format: name, RetryPolicy: name, IncludeMessages: name == "chatislav"}); !ok || p != want {
			t.Errorf("profile %+v, want %+v", p, want)
		}
		if format, ok := f.Format(name); !ok || format.Name != name {
			t.Errorf("format %s: %v", name, ok)
		}
		if policy, ok := f.Policy(name); !ok || policy.Name != name {
			t.Errorf("policy %s: %v", name, ok)
		}
	}
	for _, name := range []string{"", "acme", "Standard"} {
		_, format := f.Format(name)
		_, policy := f.Policy(name)
		_, profile := f.Profile(name)
		if format || policy || profile {
			t.Errorf("there is a %q", name)
		}
	}
	if diff := cmp.Diff([]string{"webhook-signature", "x-chatislav-signature", "x-chatzuri-signature"}, f.SignatureHeaders()); diff != "" {
		t.Errorf("signature headers:\n%s", diff)
	}
}

func TestConfiguredProfiles(t *testing.T) {
	t.Parallel()
	c := formatsConfig(t, `
formats:
  - name: acme
    body: [{key: type, value: event_name}, {key: payload, value: data}]
    signatures: [{header: X-Acme-Signature, algorithm: hmac-sha256, key_derivation: utf8, encoding: hex, signed_content: body}]
    standard_headers_optional: true
retry_policies:
  - name: patient
    rules: [{from: 404, to: 404, verdict: fail}, {from: 410, to: 410, verdict: fail}]
    schedule_seconds: [60, 3600]
    window_seconds: 172800
    jitter: 0
  - {name: once, base: patient, schedule_seconds: []}
profiles:
  - {name: acme, format: acme, retry_policy: patient, include_messages: true, omit_standard_headers: true}
`)
	f, err := NewSet(c)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := f.Profile("acme"); !ok || p != c.Profiles[0] {
		t.Errorf("profile %+v, %v", p, ok)
	}
	patient, _ := f.Policy("patient")
	if diff := cmp.Diff([]time.Duration{time.Minute, time.Hour}, patient.Schedule); diff != "" {
		t.Error(diff)
	}
	if patient.Window != 48*time.Hour || patient.Jitter != 0 {
		t.Errorf("window %v, jitter %v", patient.Window, patient.Jitter)
	}
	for status, want := range map[int]retry.Verdict{200: retry.Success, 404: retry.Fail, 410: retry.Fail, 400: retry.Retry, 503: retry.Retry} {
		if got := patient.Classify(status); got != want {
			t.Errorf("%d is %v, want %v", status, got, want)
		}
	}
	once, _ := f.Policy("once")
	if len(once.Schedule) != 0 || once.Schedule == nil || once.Window != patient.Window || once.Classify(404) != retry.Fail {
		t.Errorf("once is %+v", once)
	}
	// What the caller does later changes nothing.
	c.Formats[0].Body[0].Key = "changed"
	if format, _ := f.Format("acme"); format.Body[0].Key != "type" {
		t.Error("the formats share memory with the configuration")
	}
	if f.SignatureHeaders()[1] != "x-acme-signature" {
		t.Errorf("signature headers %v", f.SignatureHeaders())
	}
}

func TestFormatsConfigProblems(t *testing.T) {
	t.Parallel()
	for text, location := range map[string]string{
		`formats: [{name: standard, body: [{key: d, value: data}]}]`:                                    "formats[0].name",
		`formats: [{name: a, body: [{key: d, value: data}]}, {name: a, body: [{key: d, value: data}]}]`: "formats[1].name",
		`formats: [{name: a, body: [{key: d, value: data}, {key: d, value: id}]}]`:                      "formats[0].body[1].key",
		`retry_policies: [{name: ""}]`:                                                                  "retry_policies[0].name",
		`retry_policies: [{name: chatzuri}]`:                                                            "retry_policies[0].name",
		`retry_policies: [{name: a, base: b}, {name: b}]`:                                               "retry_policies[0].base",
		`retry_policies: [{name: a, schedule_seconds: [5, 0]}]`:                                         "retry_policies[0].schedule_seconds[1]",
		`retry_policies: [{name: a, schedule_seconds: [9223372036854775807]}]`:                          "retry_policies[0].schedule_seconds[0]",
		`retry_policies: [{name: a, window_seconds: 604801}]`:                                           "retry_policies[0].window_seconds",
		`retry_policies: [{name: a, window_seconds: -1}]`:                                               "retry_policies[0].window_seconds",
		`retry_policies: [{name: a, jitter: 1.5}]`:                                                      "retry_policies[0].jitter",
		`retry_policies: [{name: a, rules: [{from: 500, to: 400, verdict: fail}]}]`:                     "retry_policies[0].rules[0]",
		`profiles: [{name: "A", format: standard, retry_policy: standard}]`:                             "profiles[0].name",
		`profiles: [{name: standard, format: standard, retry_policy: standard}]`:                        "profiles[0].name",
		`profiles: [{name: a, format: b, retry_policy: standard}]`:                                      "profiles[0].format",
		`profiles: [{name: a, format: standard, retry_policy: b}]`:                                      "profiles[0].retry_policy",
		`profiles: [{name: a, format: standard, retry_policy: standard, omit_standard_headers: true}]`:  "profiles[0].omit_standard_headers",
		`profiles: [{name: a, format: chatzuri, retry_policy: b, omit_standard_headers: true}]`:         "profiles[0].retry_policy",
	} {
		_, err := NewSet(formatsConfig(t, text))
		invalid, ok := errors.AsType[*Error](err)
		if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Location != location {
			t.Errorf("%s: got %v, want a problem at %s", text, err, location)
		}
	}
}
