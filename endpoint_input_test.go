package waybell_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

func TestEndpointDefaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		profile         string
		includeMessages bool
	}{{"standard", false}, {"chatzuri", false}, {"chatislav", true}} {
		t.Run(tc.profile, func(t *testing.T) {
			n := start(t)
			if _, err := n.CreateAgent(t.Context(), waybell.AgentInput{ID: "a", Name: waybell.Some("a"), Profile: waybell.Some(tc.profile)}); err != nil {
				t.Fatal(err)
			}
			r := mustEndpoint(t, n, waybell.EndpointInput{URL: waybell.Some("https://Hooks.Example.COM")})
			e := r.Endpoint
			if e.Profile != tc.profile || e.Format != tc.profile || e.Retry.Policy != tc.profile || e.IncludeMessages != tc.includeMessages {
				t.Errorf("the profile filled %+v", e)
			}
			if e.URL != "https://hooks.example.com/" || !strings.HasPrefix(e.ID, "ep_") || e.AgentID != "a" || e.Number == 0 || e.Version == 0 {
				t.Errorf("got %+v", e)
			}
			if !e.Enabled || e.State != waybell.EndpointActive || e.Method != "POST" || e.Timeout != 30*time.Second ||
				!e.StandardHeaders || e.RateLimit != 0 || e.Concurrency != 0 || e.Signed() || e.Retry.Schedule != nil || e.Retry.Window != 0 {
				t.Errorf("got %+v", e)
			}
			if !slices.Equal(r.Warnings, []waybell.Warning{waybell.WarningNoEvents}) || r.Secret != "" {
				t.Errorf("warnings %v, secret %v", r.Warnings, r.Secret)
			}
			eff := n.EffectiveRetry(&e)
			if eff.Policy != tc.profile || len(eff.Schedule) != 11 || eff.Window != 24*time.Hour {
				t.Errorf("effective retry %+v", eff)
			}
		})
	}
}

type endpointCase struct {
	name   string
	change func(*waybell.EndpointInput)
	code   waybell.Code // "" = accepted
	fields []string
}

func (tc endpointCase) run(t *testing.T, n *node) {
	t.Run(tc.name, func(t *testing.T) {
		in := endpointInput()
		tc.change(&in)
		r, err := n.CreateEndpoint(t.Context(), "a", in)
		if tc.code == "" {
			if err != nil {
				t.Fatal(err)
			}
			if err := n.DeleteEndpoint(t.Context(), "a", r.Endpoint.ID, 0); err != nil {
				t.Error(err)
			}
			return
		}
		wantCode(t, err, tc.code)
		wantFields(t, err, tc.fields...)
		if r.Endpoint.ID != "" {
			t.Error("there is an endpoint besides the error")
		}
	})
}

func TestEndpointRules(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	type in = waybell.EndpointInput
	ints := func(n, v int) []int { return slices.Repeat([]int{v}, n) }
	retry := func(r waybell.RetryInput) func(*in) { return func(e *in) { e.Retry = waybell.Some(r) } }
	for _, tc := range []endpointCase{
		{"least", func(*in) {}, "", nil},
		{"url absent", func(e *in) { e.URL = waybell.Optional[string]{} }, "invalid", []string{"body.url"}},
		{"url null", func(e *in) { e.URL = waybell.Null[string]() }, "invalid", []string{"body.url"}},
		{"url http", func(e *in) { e.URL = waybell.Some("http://example.com:8080/x?y=z") }, "", nil},
		{"url ftp", func(e *in) { e.URL = waybell.Some("ftp://example.com") }, "invalid_url", []string{"body.url"}},
		{"url private", func(e *in) { e.URL = waybell.Some("https://10.0.0.1/") }, "target_not_allowed", []string{"body.url"}},
		{"url localhost", func(e *in) { e.URL = waybell.Some("https://localhost/") }, "target_not_allowed", []string{"body.url"}},
		{"url with password", func(e *in) { e.URL = waybell.Some("https://u:p@example.com/") }, "target_not_allowed", []string{"body.url"}},
		{"description 500", func(e *in) { e.Description = waybell.Some(strings.Repeat("é\n", 250)) }, "", nil},
		{"description 501", func(e *in) { e.Description = waybell.Some(strings.Repeat("é", 501)) }, "invalid", []string{"body.description"}},
		{"description control", func(e *in) { e.Description = waybell.Some("a\x00") }, "invalid", []string{"body.description"}},
		{"events none", func(e *in) { e.Events = waybell.Some([]string{}) }, "", nil},
		{"events star and more", func(e *in) { e.Events = waybell.Some([]string{"lead.submit", "*"}) }, "invalid", []string{"body.events[1]"}},
		{"events unknown", func(e *in) { e.Events = waybell.Some([]string{"lead.submit", "x.y", "LEAD.submit"}) },
			"unknown_event_type", []string{"body.events[1]", "body.events[2]"}},
		{"events test type", func(e *in) { e.Events = waybell.Some([]string{"webhook.test"}) }, "unknown_event_type", []string{"body.events[0]"}},
		{"profile unknown", func(e *in) { e.Profile = waybell.Some("acme") }, "invalid", []string{"body.profile"}},
		{"format unknown", func(e *in) { e.Format = waybell.Some("acme") }, "invalid", []string{"body.format"}},
		{"method PUT", func(e *in) { e.Method = waybell.Some("PUT") }, "", nil},
		{"method put", func(e *in) { e.Method = waybell.Some("put") }, "invalid", []string{"body.method"}},
		{"method GET", func(e *in) { e.Method = waybell.Some("GET") }, "invalid", []string{"body.method"}},
		{"timeout 0", func(e *in) { e.TimeoutSeconds = waybell.Some(0) }, "invalid", []string{"body.timeout_seconds"}},
		{"timeout 1", func(e *in) { e.TimeoutSeconds = waybell.Some(1) }, "", nil},
		{"timeout 120", func(e *in) { e.TimeoutSeconds = waybell.Some(120) }, "", nil},
		{"timeout 121", func(e *in) { e.TimeoutSeconds = waybell.Some(121) }, "invalid", []string{"body.timeout_seconds"}},
		{"timeout huge", func(e *in) { e.TimeoutSeconds = waybell.Some(math.MaxInt) }, "invalid", []string{"body.timeout_seconds"}},
		{"rate 0", func(e *in) { e.RateLimit = waybell.Some(0.0) }, "invalid", []string{"body.rate_limit_per_second"}},
		{"rate small", func(e *in) { e.RateLimit = waybell.Some(0.01) }, "", nil},
		{"rate 10000", func(e *in) { e.RateLimit = waybell.Some(10000.0) }, "", nil},
		{"rate over", func(e *in) { e.RateLimit = waybell.Some(10000.5) }, "invalid", []string{"body.rate_limit_per_second"}},
		{"rate negative", func(e *in) { e.RateLimit = waybell.Some(-1.0) }, "invalid", []string{"body.rate_limit_per_second"}},
		{"rate NaN", func(e *in) { e.RateLimit = waybell.Some(math.NaN()) }, "invalid", []string{"body.rate_limit_per_second"}},
		{"rate null", func(e *in) { e.RateLimit = waybell.Null[float64]() }, "", nil},
		{"concurrency 0", func(e *in) { e.Concurrency = waybell.Some(0) }, "invalid", []string{"body.concurrency"}},
		{"concurrency 1", func(e *in) { e.Concurrency = waybell.Some(1) }, "", nil},
		{"concurrency 1000", func(e *in) { e.Concurrency = waybell.Some(1000) }, "", nil},
		{"concurrency 1001", func(e *in) { e.Concurrency = waybell.Some(1001) }, "invalid", []string{"body.concurrency"}},
		{"no standard headers", func(e *in) { e.StandardHeaders = waybell.Some(false) }, "invalid", []string{"body.standard_headers"}},
		{"no standard headers, chatzuri", func(e *in) {
			e.Format, e.StandardHeaders = waybell.Some("chatzuri"), waybell.Some(false)
		}, "", nil},
		{"policy unknown", retry(waybell.RetryInput{Policy: waybell.Some("acme")}), "invalid", []string{"body.retry.policy"}},
		{"schedule empty", retry(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{})}), "", nil},
		{"schedule 50", retry(waybell.RetryInput{ScheduleSeconds: waybell.Some(ints(50, 86400))}), "", nil},
		{"schedule 51", retry(waybell.RetryInput{ScheduleSeconds: waybell.Some(ints(51, 1))}), "invalid", []string{"body.retry.schedule_seconds"}},
		{"schedule waits", retry(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{1, 0, 86400, 86401})}),
			"invalid", []string{"body.retry.schedule_seconds[1]", "body.retry.schedule_seconds[3]"}},
		{"window 0", retry(waybell.RetryInput{WindowSeconds: waybell.Some(0)}), "invalid", []string{"body.retry.window_seconds"}},
		{"window 1", retry(waybell.RetryInput{WindowSeconds: waybell.Some(1)}), "", nil},
		{"window 604800", retry(waybell.RetryInput{WindowSeconds: waybell.Some(604800)}), "", nil},
		{"window 604801", retry(waybell.RetryInput{WindowSeconds: waybell.Some(604801)}), "invalid", []string{"body.retry.window_seconds"}},
		{"different codes", func(e *in) { e.URL, e.Method = waybell.Some("https://10.0.0.1"), waybell.Some("x") },
			"invalid", []string{"body.url", "body.method"}},
		{"everything wrong", func(e *in) {
			*e = in{
				Description: waybell.Some("\x01"), Events: waybell.Some([]string{"x"}), Profile: waybell.Some("x"), Format: waybell.Some("x"),
				Retry:  waybell.Some(waybell.RetryInput{Policy: waybell.Some("x"), WindowSeconds: waybell.Some(0)}),
				Method: waybell.Some("x"), TimeoutSeconds: waybell.Some(0), RateLimit: waybell.Some(0.0), Concurrency: waybell.Some(0),
				Headers: waybell.Some([]waybell.HeaderInput{{Name: "Host"}}), Secret: waybell.Some(waybell.Secret("short")),
			}
		}, "invalid", []string{"body.url", "body.description", "body.events[0]", "body.profile", "body.retry.policy", "body.format",
			"body.retry.window_seconds", "body.method", "body.timeout_seconds", "body.rate_limit_per_second", "body.concurrency",
			"body.headers[0].name", "body.secret"}},
	} {
		tc.run(t, n)
	}
}

func TestHeaderRules(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	header := func(name, value string) func(*waybell.EndpointInput) {
		return func(e *waybell.EndpointInput) {
			e.Headers = waybell.Some([]waybell.HeaderInput{{Name: name, Value: waybell.Secret(value)}})
		}
	}
	for _, name := range []string{
		"Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Content-Encoding", "Connection", "Keep-Alive",
		"Proxy-Authorization", "Proxy-Connection", "Proxy-X", "TE", "Trailer", "Upgrade", "Expect", "User-Agent", "HTTP2-Settings",
		"webhook-id", "webhook-timestamp", "webhook-signature", "webhook-x", "X-Waybell-Event", "X-Waybell-Anything",
		"X-Chatzuri-Signature", "x-chatislav-signature",
		"Metadata", "Metadata-Flavor", "X-Google-Metadata-Request", "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds",
	} {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			endpointCase{"refused " + spelled, header(spelled, "x"), "invalid", []string{"body.headers[0].name"}}.run(t, n)
		}
	}
	for _, name := range []string{"", " ", "a b", "a:b", "ä", "a\r\nb", "a(b", "a/b", "x\x00", strings.Repeat("x", 257)} {
		endpointCase{fmt.Sprintf("no token %.10q", name), header(name, "x"), "invalid", []string{"body.headers[0].name"}}.run(t, n)
	}
	for _, name := range []string{"Authorization", "x", "!#$%&'*+-.^_`|~", "Hosts", "Proxy", "Webhook", "X-Waybell", "Cookie", "Metadata-X", strings.Repeat("x", 256)} {
		endpointCase{fmt.Sprintf("allowed %.20q", name), header(name, "x"), "", nil}.run(t, n)
	}
	for _, tc := range []struct {
		value string
		ok    bool
	}{
		{"", true}, {"Bearer x", true}, {"a\tb", true}, {"ümlaut ✓", true}, {strings.Repeat("x", 4096), true}, {"\u00a0x", true},
		{strings.Repeat("x", 4097), false}, {"a\nb", false}, {"a\rb", false}, {"a\x00b", false}, {"a\x7f", false}, {"a\u0085b", false},
		{"\tx", false}, {"x\t", false}, {" x", false}, {"x ", false}, {"a\xffb", false},
	} {
		c := endpointCase{fmt.Sprintf("value %.10q of %d", tc.value, len(tc.value)), header("X-A", tc.value), "", nil}
		if !tc.ok {
			c.code, c.fields = "invalid", []string{"body.headers[0].value"}
		}
		c.run(t, n)
	}
	set := func(n, size int) func(*waybell.EndpointInput) {
		return func(e *waybell.EndpointInput) {
			var headers []waybell.HeaderInput
			for i := range n {
				headers = append(headers, waybell.HeaderInput{Name: fmt.Sprintf("X-%02d", i), Value: waybell.Secret(strings.Repeat("v", size))})
			}
			e.Headers = waybell.Some(headers)
		}
	}
	for _, tc := range []endpointCase{
		{"50", set(50, 1), "", nil},
		{"51", set(51, 1), "invalid", []string{"body.headers"}},
		{"16 KiB", set(8, 2048-4), "", nil},
		{"over 16 KiB", set(8, 2048-3), "invalid", []string{"body.headers"}},
		{"twice", func(e *waybell.EndpointInput) {
			e.Headers = waybell.Some([]waybell.HeaderInput{{Name: "X-A"}, {Name: "x-a"}})
		}, "invalid", []string{"body.headers[1].name"}},
		{"mask of nothing", header("X-A", "••••"), "invalid", []string{"body.headers[0].value"}},
	} {
		tc.run(t, n)
	}
}

func TestMaskedHeadersAreKept(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	in := endpointInput()
	in.Headers = waybell.Some([]waybell.HeaderInput{{"Authorization", "Bearer one"}, {"X-Two", "two"}, {"X-Three", "three"}})
	e := mustEndpoint(t, n, in).Endpoint
	r, err := n.UpdateEndpoint(t.Context(), "a", e.ID, waybell.EndpointInput{
		Headers: waybell.Some([]waybell.HeaderInput{{"X-Three", "••••"}, {"x-two", "new"}, {"authorization", "••••"}}),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []waybell.Header{{"X-Three", "three"}, {"x-two", "new"}, {"authorization", "Bearer one"}}
	for _, got := range [][]waybell.Header{r.Endpoint.Headers, n.DirectoryEndpoint(e.Number).Headers} {
		if !slices.Equal(got, want) {
			t.Errorf("headers are not kept by name: %d of them", len(got))
		}
	}
	_, err = n.UpdateEndpoint(t.Context(), "a", e.ID, waybell.EndpointInput{
		Headers: waybell.Some([]waybell.HeaderInput{{"X-Renamed", "••••"}}),
	}, 0)
	wantFields(t, err, "body.headers[0].value")
	r, err = n.UpdateEndpoint(t.Context(), "a", e.ID, waybell.EndpointInput{Headers: waybell.Null[[]waybell.HeaderInput]()}, 0)
	if err != nil || len(r.Endpoint.Headers) != 0 {
		t.Errorf("null left %d headers, %v", len(r.Endpoint.Headers), err)
	}
}

func TestProfileFills(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	in := endpointInput()
	in.Profile, in.Format = waybell.Some("chatislav"), waybell.Some("chatzuri")
	in.IncludeMessages, in.StandardHeaders = waybell.Some(false), waybell.Some(false)
	in.Retry = waybell.Some(waybell.RetryInput{Policy: waybell.Some("standard"), ScheduleSeconds: waybell.Some([]int{1, 2})})
	e := mustEndpoint(t, n, in).Endpoint
	if e.Profile != "chatislav" || e.Format != "chatzuri" || e.IncludeMessages || e.StandardHeaders || e.Retry.Policy != "standard" {
		t.Fatalf("given fields were not kept: %+v", e)
	}
	patch := func(in waybell.EndpointInput) waybell.Endpoint {
		t.Helper()
		r, err := n.UpdateEndpoint(ctx, "a", e.ID, in, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r.Endpoint
	}
	got := patch(waybell.EndpointInput{Profile: waybell.Some("chatislav")})
	if got.Format != "chatzuri" || got.IncludeMessages || got.Retry.Policy != "standard" {
		t.Errorf("the same profile again changed %+v", got)
	}
	got = patch(waybell.EndpointInput{Retry: waybell.Some(waybell.RetryInput{WindowSeconds: waybell.Some(60)})})
	if got.Retry.Policy != "standard" || len(got.Retry.Schedule) != 2 || got.Retry.Window != time.Minute {
		t.Errorf("retry in part made %+v", got.Retry)
	}
	if eff := n.EffectiveRetry(&got); !slices.Equal(eff.Schedule, []time.Duration{time.Second, 2 * time.Second}) || eff.Window != time.Minute {
		t.Errorf("effective retry %+v", eff)
	}
	got = patch(waybell.EndpointInput{Retry: waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{}), WindowSeconds: waybell.Null[int]()})})
	if got.Retry.Schedule == nil || len(n.EffectiveRetry(&got).Schedule) != 0 || n.EffectiveRetry(&got).Window != 24*time.Hour {
		t.Errorf("one attempt and the policy's window made %+v", n.EffectiveRetry(&got))
	}
	if kept, _ := n.Endpoint(ctx, "a", e.ID); kept.Retry.Schedule == nil {
		t.Error("the empty schedule was stored as the policy's")
	}
	got = patch(waybell.EndpointInput{IncludeMessages: waybell.Null[bool](), Format: waybell.Null[string](), Retry: waybell.Null[waybell.RetryInput]()})
	if !got.IncludeMessages || got.Format != "chatislav" || got.Retry.Policy != "chatislav" || got.Retry.Schedule != nil {
		t.Errorf("nulls made %+v, want the profile's", got)
	}
	got = patch(waybell.EndpointInput{Profile: waybell.Some("chatzuri"), IncludeMessages: waybell.Some(true)})
	if got.Format != "chatzuri" || got.Retry.Policy != "chatzuri" || !got.IncludeMessages || !got.StandardHeaders {
		t.Errorf("another profile made %+v", got)
	}
	if got = patch(waybell.EndpointInput{StandardHeaders: waybell.Some(false)}); got.StandardHeaders {
		t.Error("the standard headers cannot be left out")
	}
	got = patch(waybell.EndpointInput{Profile: waybell.Null[string]()})
	if got.Profile != "standard" || got.Format != "standard" || !got.StandardHeaders {
		t.Errorf("null made %+v, want the agent's profile and the headers it needs", got)
	}
}

func TestUpdateEndpoint(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	in := endpointInput()
	in.TimeoutSeconds, in.RateLimit, in.Concurrency = waybell.Some(7), waybell.Some(2.5), waybell.Some(3)
	in.Events = waybell.Some([]string{"lead_collection", "message.sent", "lead.submit"})
	e := mustEndpoint(t, n, in).Endpoint
	if !slices.Equal(e.Events, []string{"lead.submit", "message.sent"}) {
		t.Errorf("events %v", e.Events)
	}
	r, err := n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{}, e.Version)
	if got := r.Endpoint; err != nil || got.URL != e.URL || got.Timeout != 7*time.Second || got.RateLimit != 2.5 || got.Concurrency != 3 ||
		got.Version <= e.Version || got.CreatedAt != e.CreatedAt || got.Number != e.Number {
		t.Errorf("an empty patch made %+v, %v", got, err)
	}
	r, err = n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{
		TimeoutSeconds: waybell.Null[int](), RateLimit: waybell.Null[float64](), Concurrency: waybell.Null[int](),
		Events: waybell.Null[[]string](), Method: waybell.Some("PUT"), URL: waybell.Some("http://other.example.com"),
	}, 0)
	if got := r.Endpoint; err != nil || got.Timeout != 30*time.Second || got.RateLimit != 0 || got.Concurrency != 0 || len(got.Events) != 0 ||
		got.Method != "PUT" || got.URL != "http://other.example.com/" {
		t.Errorf("got %+v, %v", got, err)
	}
	if !slices.Equal(r.Warnings, []waybell.Warning{waybell.WarningNoEvents, waybell.WarningNotHTTPS}) {
		t.Errorf("warnings %v", r.Warnings)
	}
	if len(n.Targets("a", "lead.submit")) != 0 {
		t.Error("an endpoint without events is a target")
	}
	for _, tc := range []struct {
		agent, id string
		in        waybell.EndpointInput
		ifMatch   int64
		code      waybell.Code
	}{
		{"a", e.ID, waybell.EndpointInput{}, e.Version, waybell.CodePreconditionFailed},
		{"a", e.ID, waybell.EndpointInput{URL: waybell.Null[string]()}, 0, waybell.CodeInvalid},
		{"a", "ep_x", waybell.EndpointInput{}, 0, waybell.CodeEndpointNotFound},
		{"b", e.ID, waybell.EndpointInput{}, 0, waybell.CodeAgentNotFound},
	} {
		_, err := n.UpdateEndpoint(ctx, tc.agent, tc.id, tc.in, tc.ifMatch)
		wantCode(t, err, tc.code)
	}
	mustAgent(t, n, "b")
	_, err = n.UpdateEndpoint(ctx, "b", e.ID, waybell.EndpointInput{}, 0)
	wantCode(t, err, waybell.CodeEndpointNotFound) // another agent's
}

func TestEventNotAvailable(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	both := endpointInput()
	both.Events = waybell.Some([]string{"lead.submit", "message.sent"})
	e := mustEndpoint(t, n, both).Endpoint
	if _, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{AvailableEvents: waybell.Some([]string{"message.sent"})}, 0); err != nil {
		t.Fatal(err)
	}
	_, err := n.CreateEndpoint(ctx, "a", both)
	wantCode(t, err, waybell.CodeEventNotAvailable)
	wantFields(t, err, "body.events[0]")
	if _, err := n.CreateEndpoint(ctx, "a", endpointInput()); err != nil {
		t.Errorf("all events: %v", err)
	}
	// What was subscribed before stays: sending the endpoint back is no change.
	if _, err := n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Events: both.Events}, 0); err != nil {
		t.Errorf("the stored events again: %v", err)
	}
	_, err = n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Events: waybell.Some([]string{"conversation.ended"})}, 0)
	wantCode(t, err, waybell.CodeEventNotAvailable)
}

func TestEndpointLimit(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t, func(c *waybell.Config) { c.Limits.EndpointsPerAgent = 2 })
	first := mustEndpoint(t, n, endpointInput()).Endpoint
	mustEndpoint(t, n, endpointInput())
	_, err := n.CreateEndpoint(t.Context(), "a", endpointInput())
	wantCode(t, err, waybell.CodeTooManyEndpoints)
	if err := n.DeleteEndpoint(t.Context(), "a", first.ID, 0); err != nil {
		t.Fatal(err)
	}
	mustEndpoint(t, n, endpointInput())
}

// TestReturnedEndpointsAreTheCallersOwn: whatever a caller does with an
// endpoint, the directory's stays as it is.
func TestReturnedEndpointsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	in := endpointInput()
	in.Headers = waybell.Some([]waybell.HeaderInput{{"X-A", "x"}})
	in.GenerateSecret = waybell.SecretSymmetric
	in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{1})})
	e := mustEndpoint(t, n, in).Endpoint
	e.Events[0], e.Headers[0].Name, e.Secrets[0].Value, e.Retry.Schedule[0] = "x", "x", "x", 0
	kept := n.DirectoryEndpoint(e.Number)
	if kept.Events[0] != "*" || kept.Headers[0].Name != "X-A" || kept.Secrets[0].Value == "x" || kept.Retry.Schedule[0] != time.Second {
		t.Errorf("the directory changed: %+v", kept)
	}
}
