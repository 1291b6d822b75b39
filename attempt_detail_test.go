package waybell

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
)

const detailURL = "https://hooks.example.com/tenants/path-canary/in?token=query-canary"

// detailCase is a typical attempt: a legacy format with the standard headers,
// one custom header, and the answer of a common server.
func detailCase(t testing.TB) (*endpointEntry, *sent) {
	t.Helper()
	client, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := client.ParseTarget(detailURL)
	if err != nil {
		t.Fatal(err)
	}
	e := &endpointEntry{
		Endpoint: &Endpoint{
			Number: 7, ID: "ep_01", AgentID: "bot-1", URL: detailURL, Method: "POST", IncludeMessages: true,
			Headers: []Header{{Name: "authorization", Value: "Bearer header-canary"}},
		},
		target: target, format: format.Chatislav(),
	}
	h := http.Header{}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Waybell/1.0.0", "X-Waybell-Event": "lead.submit",
		"X-Waybell-Agent": "bot-1", "X-Waybell-Delivery": DeliveryRef{1 << 60, 7}.ID(), "X-Waybell-Attempt": "1",
		"Webhook-Id": EventID(1 << 60), "Webhook-Timestamp": "1767225600",
		"Webhook-Signature":     "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
		"X-Chatislav-Signature": strings.Repeat("0123456789abcdef", 4),
		"Authorization":         "Bearer header-canary",
	} {
		h.Set(name, value)
	}
	body := []byte(`{"event":"lead_collection"}`)
	return e, &sent{
		body: &renderedBody{bytes: body, sum: sha256.Sum256(body)}, header: h,
		result: &egress.Result{
			Status: 200, Body: []byte(`{"ok":true}`),
			Header: http.Header{
				"Content-Type": {"application/json"}, "Content-Length": {"11"}, "Server": {"nginx/1.27.3"},
				"Date": {"Thu, 01 Jan 2026 00:00:00 GMT"}, "Vary": {"Accept", "Origin"},
			},
			Timing: egress.Timing{DNS: 812 * time.Microsecond, Connect: 8 * time.Millisecond, TLS: 12 * time.Millisecond, Wait: 19 * time.Millisecond, Read: 40 * time.Microsecond},
		},
	}
}

func TestDetailOfTypicalAttempt(t *testing.T) {
	t.Parallel()
	e, m := detailCase(t)
	encoded := encodeDetail(e, m)
	got, err := decodeDetail(encoded)
	if err != nil {
		t.Fatal(err)
	}
	want := AttemptDetail{
		Method: "POST", URL: detailURL, Format: "chatislav", FormatVersion: e.format.Version(), IncludeMessages: true,
		RequestHeaders: map[string]string{
			"Content-Type": "application/json", "User-Agent": "Waybell/1.0.0", "X-Waybell-Event": "lead.submit",
			"X-Waybell-Agent": "bot-1", "X-Waybell-Delivery": DeliveryRef{1 << 60, 7}.ID(), "X-Waybell-Attempt": "1",
			"webhook-id": EventID(1 << 60), "webhook-timestamp": "1767225600",
			"webhook-signature":     "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
			"x-chatislav-signature": strings.Repeat("0123456789abcdef", 4),
			"Authorization":         mask,
		},
		BodySHA256: m.body.sum,
		ResponseHeaders: map[string]string{
			"Content-Type": "application/json", "Content-Length": "11", "Server": "nginx/1.27.3",
			"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Vary": "Accept, Origin",
		},
		ResponseBody: []byte(`{"ok":true}`),
		Timing:       Timing{812 * time.Microsecond, 8 * time.Millisecond, 12 * time.Millisecond, 19 * time.Millisecond, 40 * time.Microsecond},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n%+v\nwant\n%+v", got, want)
	}
	if !json.Valid(encoded) || len(encoded) > 1100 {
		t.Errorf("the encoding has %d bytes: %s", len(encoded), encoded)
	}
}

// TestDetailRoundTrip holds that nothing but what is meant to is lost,
// whatever a receiver answers.
func TestDetailRoundTrip(t *testing.T) {
	t.Parallel()
	e, m := detailCase(t)
	e.Headers = nil
	rapid.Check(t, func(t *rapid.T) {
		e, m := *e, *m
		endpoint := *e.Endpoint
		e.Endpoint = &endpoint
		endpoint.URL = rapid.String().Draw(t, "url")
		endpoint.Method = rapid.SampledFrom([]string{"POST", "PUT"}).Draw(t, "method")
		endpoint.IncludeMessages = rapid.Bool().Draw(t, "messages")
		e.format = rapid.SampledFrom([]*format.Format{format.Standard(), format.Chatzuri(), format.Chatislav()}).Draw(t, "format")
		name := rapid.StringMatching(`X-[A-Z][a-z0-9]{0,20}`)
		m.header = http.Header(rapid.MapOf(name, rapid.SliceOfN(rapid.String(), 1, 3)).Draw(t, "header"))
		r := egress.Result{
			Header:    http.Header(rapid.MapOfN(name, rapid.SliceOfN(rapid.String(), 1, 3), 0, 20).Draw(t, "response header")),
			Body:      rapid.SliceOf(rapid.Byte()).Draw(t, "response body"),
			Truncated: rapid.Bool().Draw(t, "truncated"),
			Timing:    egress.Timing{Wait: time.Duration(rapid.Int64Range(0, 120_000_000).Draw(t, "wait")) * time.Microsecond},
		}
		if rapid.Bool().Draw(t, "failed") {
			r.Err = &egress.Error{Class: egress.ClassDNS, Text: rapid.String().Draw(t, "error")}
		}
		m.result = &r
		got, err := decodeDetail(encodeDetail(&e, &m))
		if err != nil {
			t.Fatal(err)
		}
		want := AttemptDetail{
			Method: endpoint.Method, URL: endpoint.URL, Format: e.format.Name, FormatVersion: e.format.Version(),
			IncludeMessages: endpoint.IncludeMessages, BodySHA256: m.body.sum, Truncated: r.Truncated,
			RequestHeaders: map[string]string{}, Timing: Timing{Wait: r.Timing.Wait},
		}
		for name, values := range m.header {
			want.RequestHeaders[name] = strings.Join(values, ", ")
		}
		if r.Err != nil {
			want.Error = r.Err.Text
		}
		if len(r.Body) > 0 {
			want.ResponseBody = r.Body
		}
		if len(r.Header) > 0 {
			want.ResponseHeaders = map[string]string{}
		}
		for name, values := range r.Header {
			want.ResponseHeaders[name] = strings.Join(values, ", ")
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("decoded\n%+v\nwant\n%+v", got, want)
		}
	})
}

func TestDetailHoldsNoSecret(t *testing.T) {
	t.Parallel()
	e, m := detailCase(t)
	e.Headers = append(e.Headers, Header{Name: "X-Api-Key", Value: "key-canary-7"}, Header{Name: "X-Env", Value: "eu"})
	m.header.Set("X-Api-Key", "key-canary-7")
	m.header.Set("X-Env", "eu")
	m.result.Header.Add("X-Echo", "Bearer header-canary")
	for name, echo := range map[string]string{
		"whole":    `{"headers":{"authorization":"Bearer header-canary"}}`,
		"token":    `your token header-canary is not known`,
		"twice":    "key-canary-7 and key-canary-7, in Europe",
		"no UTF-8": "key-canary-7\xff",
	} {
		m.result.Body = []byte(echo)
		encoded := encodeDetail(e, m)
		d, err := decodeDetail(encoded)
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%s %v %s", encoded, d, d.ResponseBody)
		for _, secret := range []string{"header-canary", "key-canary"} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s: %q is in the detail: %s", name, secret, shown)
			}
		}
		if d.RequestHeaders["X-Env"] != mask || d.RequestHeaders["X-Api-Key"] != mask || d.ResponseHeaders["X-Echo"] != mask {
			t.Errorf("%s: headers are not masked: %v %v", name, d.RequestHeaders, d.ResponseHeaders)
		}
		if name == "twice" && string(d.ResponseBody) != mask+" and "+mask+", in Europe" {
			t.Errorf("the body became %q", d.ResponseBody)
		}
		if string(m.result.Body) != echo {
			t.Error("the answer itself was changed")
		}
	}
}

func TestDetailBounds(t *testing.T) {
	t.Parallel()
	e, m := detailCase(t)
	e.Headers = nil
	for _, size := range []int{keptResponse, keptResponse + 1} {
		m.result.Body = bytes.Repeat([]byte("a"), size)
		m.result.Header = http.Header{"X-A": {strings.Repeat("v", size-3)}, "X-B": {"small"}}
		d, err := decodeDetail(encodeDetail(e, m))
		if err != nil {
			t.Fatal(err)
		}
		within := size == keptResponse
		if len(d.ResponseBody) != keptResponse || d.Truncated == within {
			t.Errorf("of a body of %d bytes %d are kept, truncated %v", size, len(d.ResponseBody), d.Truncated)
		}
		if _, kept := d.ResponseHeaders["X-A"]; kept != within {
			t.Errorf("a header of %d bytes: kept %v", size, kept)
		}
		if _, kept := d.ResponseHeaders["X-B"]; kept == within {
			t.Errorf("the header after one of %d bytes: kept %v", size, kept)
		}
	}
	m.result.Header = http.Header{"X-Latin": {"caf\xe9"}}
	d, err := decodeDetail(encodeDetail(e, m))
	if err != nil || d.ResponseHeaders["X-Latin"] != "caf\ufffd" {
		t.Errorf("a header that is no UTF-8 became %q, %v", d.ResponseHeaders, err)
	}
}

func TestFailureDetail(t *testing.T) {
	t.Parallel()
	d, err := decodeDetail(encodeFailure(`it "broke"`))
	if want := (AttemptDetail{Error: `it "broke"`}); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("decoded %+v, %v", d, err)
	}
}

func TestDecodeDetailRefuses(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{
		"", "null", "{}", `{"v":2}`, `{"v":1`, `{"v":1,"url":7}`, `{"v":1,"sha256":"00"}`, `{"v":1,"sha256":"zz"}`,
		`{"v":1,"body_base64":"?"}`,
	} {
		if d, err := decodeDetail([]byte(encoded)); err == nil {
			t.Errorf("%q: decoded %+v", encoded, d)
		}
	}
	if _, err := decodeDetail([]byte(`{"v":1,"added_later":true}`)); err != nil {
		t.Errorf("a member added later: %v", err)
	}
}

// FuzzDecodeDetail reads anything, and takes the same bytes for what a
// receiver answered.
func FuzzDecodeDetail(f *testing.F) {
	e, m := detailCase(f)
	e.Headers = nil
	f.Add(encodeDetail(e, m))
	f.Add(encodeFailure("text"))
	f.Add([]byte(`{"v":1,"timing_us":[1,2,3,4,5,6],"body_base64":"/w=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := decodeDetail(b); err == nil && !utf8.ValidString(d.URL+d.Error) {
			t.Errorf("%q decoded to text that is no UTF-8: %+v", b, d)
		}
		m := *m
		m.result = &egress.Result{Status: 200, Body: b, Header: http.Header{"X-Answer": {string(b)}}}
		d, err := decodeDetail(encodeDetail(e, &m))
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if kept := b[:min(len(b), keptResponse)]; !bytes.Equal(d.ResponseBody, kept) || d.Truncated != (len(b) > keptResponse) {
			t.Errorf("%q came back as %q, truncated %v", b, d.ResponseBody, d.Truncated)
		}
	})
}

func BenchmarkEncodeDetail(b *testing.B) {
	e, m := detailCase(b)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = len(encodeDetail(e, m))
	}
	b.ReportMetric(float64(size), "bytes")
}

func TestAttemptLogLine(t *testing.T) {
	t.Parallel()
	e, _ := detailCase(t)
	next := time.Date(2026, 4, 26, 8, 30, 19, 0, time.UTC)
	ref := DeliveryRef{1 << 60, 7}
	for _, test := range []struct {
		name string
		work *work
		out  Settlement
		want string
	}{
		{"retry", &work{Waiting: Waiting{DeliveryRef: ref, Type: "lead.submit"}},
			Settlement{Kind: SettleRetry, State: DeliveryRetrying, Reason: ReasonHTTPStatus, NextAt: next,
				Attempt: &Attempt{Number: 2, StatusCode: 503, Reason: ReasonHTTPStatus, Duration: 41200 * time.Microsecond}},
			`delivery=` + ref.ID() + ` event=lead.submit event_id=own-1 agent=bot-1 endpoint=ep_01 host=hooks.example.com attempt=2 reason=http_status duration_ms=41.2 state=retrying status=503 next_at=2026-04-26T08:30:19.000Z`},
		{"expired", &work{Waiting: Waiting{DeliveryRef: ref, Type: "lead.submit"}},
			Settlement{State: DeliveryFailed, Reason: ReasonExpired, Attempt: &Attempt{Number: 12, Reason: ReasonTimeout, Duration: 30 * time.Second}},
			`delivery=` + ref.ID() + ` event=lead.submit event_id=own-1 agent=bot-1 endpoint=ep_01 host=hooks.example.com attempt=12 reason=timeout duration_ms=30000 state=failed delivery_reason=expired`},
		{"test", &work{Waiting: Waiting{DeliveryRef: ref, Type: "lead.submit", Test: true}},
			Settlement{State: DeliveryDelivered, Reason: ReasonDelivered, Attempt: &Attempt{Number: 1, StatusCode: 200, Reason: ReasonDelivered}},
			`delivery=` + ref.ID() + ` event=lead.submit event_id=own-1 agent=bot-1 endpoint=ep_01 host=hooks.example.com attempt=1 reason=delivered duration_ms=0 state=delivered status=200 test=true`},
	} {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
				return slog.Attr{}
			}
			return a
		}}))
		logger.LogAttrs(t.Context(), slog.LevelInfo, "attempt", attemptAttrs(&sent{w: test.work, e: e, p: newPayload(Event{ID: "own-1"})}, &outcome{Settlement: test.out})...)
		if got := strings.TrimSpace(out.String()); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestAttemptLogLevel(t *testing.T) {
	t.Parallel()
	for state, want := range map[DeliveryState]slog.Level{
		DeliveryDelivered: slog.LevelDebug, DeliveryRetrying: slog.LevelInfo, DeliveryFailed: slog.LevelWarn,
	} {
		if got := levelOf(state); got != want {
			t.Errorf("%s is logged as %v, want %v", state, got, want)
		}
	}
}
