package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestErrorsAreBounded: however much of a request is wrong, the answer tells
// of 100 fields at most. Without a bound it was forty times as long as the
// request, and in memory several times over.
func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	many := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	numbered := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"f%d":1,`, i)
		}
		return b.String()
	}
	transcript := `{"agent_id":"a1","event":"message.sent","messages":[` + many("1", 1000) + `]}`
	for _, tt := range []struct {
		name, request, body string
		status, most        int
	}{
		{"transcript", "POST /v1/agents/a1/events", `{"event":"message.sent","messages":[` + many("1", 50_000) + `]}`, 422, 20_000},
		{"fields of an event", "POST /v1/agents/a1/events", `{` + numbered(20_000) + `"event":"message.sent"}`, 422, 20_000},
		{"form data", "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"form_data":[` + many("1", 50_000) + `]}}`, 422, 20_000},
		{"types of the elements", "POST /v1/agents/a1/endpoints", `{"url":"https://example.com","events":[` + many("1", 50_000) + `]}`, 422, 20_000},
		{"unknown fields", "POST /v1/agents/a1/endpoints", `{` + numbered(20_000) + `"url":"https://example.com"}`, 422, 20_000},
		{"values", "POST /v1/keys", `{"scopes":[` + many(`"x"`, 50_000) + `]}`, 422, 20_000},
		{"fields of a batch", "POST /v1/events", `{` + numbered(20_000) + `"events":[]}`, 422, 20_000},
		{"batch", "POST /v1/events", `{"events":[` + many(transcript, 50) + `]}`, 200, 50 * 20_000},
	} {
		a := s.call(t, tt.request, tt.body)
		if a.status != tt.status || len(a.text) > tt.most {
			t.Errorf("%s: sent %d bytes, got %d with %d bytes: %.100s", tt.name, len(tt.body), a.status, len(a.text), a.text)
		}
		if n := strings.Count(a.text, `"location"`); tt.status == 422 && (n == 0 || n > 100) {
			t.Errorf("%s: %d fields are told of", tt.name, n)
		}
	}
}
