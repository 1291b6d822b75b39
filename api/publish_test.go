package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const path = "POST /v1/agents/a1/events"
	start := time.Now().Add(-time.Millisecond)
	s.run(t, []step{
		{"agent", "PUT /v1/agents/a1", `{"name":"Bot"}`, nil, 201, "", ""},
		{"nobody takes it", path, `{"event":"conversation.started"}`, nil, 202, `{"id":"*","event":"conversation.started","timestamp":"*","deliveries":0,"duplicate":false}`, "when=timestamp"},
		{"own id", path, `{"event":"message.sent","id":"my-id_1","data":{"text":"a"}}`, nil, 202, `{"id":"my-id_1","duplicate":false}`, ""},
		{"same id", path, `{"event":"message.sent","id":"my-id_1","data":{"text":"a"}}`, nil, 202, `{"id":"my-id_1","duplicate":true}`, ""},
		{"same id, other body", path, `{"event":"message.sent","id":"my-id_1","data":{"text":"b"}}`, nil, 409, `{"code":"idempotency_mismatch"}`, ""},
		{"key", path, `{"event":"message.sent","data":{"text":"c"}}`, []string{"Idempotency-Key: k 1"}, 202, `{"duplicate":false}`, "first=id"},
		{"same key", path, `{"event":"message.sent","data":{"text":"c"}}`, []string{"Idempotency-Key: k 1"}, 202, `{"id":"{first}","duplicate":true}`, ""},
		{"same key, other body", path, `{"event":"message.sent","data":{"text":"d"}}`, []string{"Idempotency-Key: k 1"}, 409, `{"code":"idempotency_mismatch"}`, ""},
		{"long key", path, `{"event":"message.sent"}`, []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, 422, `{"code":"invalid"}`, ""},
		{"no such agent", "POST /v1/agents/a9/events", `{"event":"message.sent"}`, nil, 404, `{"code":"agent_not_found"}`, ""},
		{"no such type", path, `{"event":"no.such"}`, nil, 422, `{"code":"unknown_event_type"}`, ""},
		{"no type", path, `{}`, nil, 422, `{"code":"invalid","errors":[{"location":"body.event"}]}`, ""},
		{"unknown field", path, `{"event":"message.sent","dta":{}}`, nil, 422, `{"errors":[{"location":"body.dta"}]}`, ""},
		{"schema", path, `{"event":"lead.submit","data":{"name":5}}`, nil, 422, `{"errors":[{"location":"body.data.name"}]}`, ""},
		{"empty lead", path, `{"event":"lead.submit","data":{}}`, nil, 422, `{"code":"invalid"}`, ""},
		{"summary", path, `{"event":"conversation_summary","summary":{"text":"short"}}`, nil, 202, `{"event":"conversation.summary"}`, ""},
		{"summary elsewhere", path, `{"event":"message.sent","summary":{"text":"short"}}`, nil, 422, `{"errors":[{"location":"body.summary"}]}`, ""},
		{"bad id", path, `{"event":"message.sent","id":"a b"}`, nil, 422, `{"errors":[{"location":"body.id"}]}`, ""},
		{"bad time", path, `{"event":"message.sent","timestamp":"yesterday"}`, nil, 422, `{"errors":[{"location":"body.timestamp"}]}`, ""},
		{"offset of a day", path, `{"event":"message.sent","timestamp":"2026-04-26T08:30:14+24:00"}`, nil, 422, `{"errors":[{"location":"body.timestamp"}]}`, ""},
		{"lower-case time", path, `{"event":"message.sent","timestamp":"2026-04-26t08:30:14z"}`, nil, 202, `{"timestamp":"2026-04-26T08:30:14.000Z"}`, ""},
		{"not finite", path, `{"event":"message.sent","data":{"n":1e999}}`, nil, 422, ``, ""},
		{"no body", path, ``, nil, 400, `{"code":"malformed_json"}`, ""},
	})
	a := s.call(t, path, `{"event":"message.sent"}`)
	when, err := time.Parse(time.RFC3339, a.str("timestamp"))
	if err != nil || when.Before(start.Truncate(time.Millisecond)) || when.After(time.Now()) {
		t.Errorf("the timestamp of now is %s", a.str("timestamp"))
	}
}

func TestPublishBatch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{
		{"a1", "PUT /v1/agents/a1", `{"name":"Bot"}`, nil, 201, "", ""},
		{"a2", "PUT /v1/agents/a2", `{"name":"Bot"}`, nil, 201, "", ""},
		{"key", "POST /v1/keys", `{"scopes":["events:write"],"agent_ids":["a2"]}`, nil, 201, "", "key=key"},
		{"mixed", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"message.sent","id":"x1"},{"agent_id":"a9","event":"message.sent"},{"agent_id":"a2","event":"no.such"},{"agent_id":"a2","event":"lead_collection","data":{"name":"S"}}]}`, nil, 200,
			`{"data":[{"status":202,"id":"x1","event":"message.sent","timestamp":"*","deliveries":0,"duplicate":false},
			{"status":404,"error":{"code":"agent_not_found","title":"*","detail":"*"}},{"status":422,"error":{"code":"unknown_event_type"}},
			{"status":202,"event":"lead.submit"}]}`, ""},
		{"repeated", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"message.sent","id":"x1"}]}`, nil, 200, `{"data":[{"status":202,"id":"x1","duplicate":true}]}`, ""},
		{"mismatch", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"message.received","id":"x1"}]}`, nil, 200, `{"data":[{"status":409,"error":{"code":"idempotency_mismatch"}}]}`, ""},
		{"lines", "POST /v1/events", "{\"agent_id\":\"a1\",\"event\":\"message.sent\"}\n{\"agent_id\":\n{\"agent_id\":\"a1\",\"event\":\"message.sent\"}\r\n", []string{"Content-Type: application/x-ndjson"}, 200,
			`{"data":[{"status":202},{"status":400,"error":{"code":"malformed_json"}},{"status":202}]}`, ""},
		{"restricted", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"message.sent"},{"agent_id":"a2","event":"message.sent"}]}`, []string{"Authorization: Bearer {key}"}, 200,
			`{"data":[{"status":404,"error":{"code":"agent_not_found"}},{"status":202}]}`, ""},
		{"keyed", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"message.sent"}]}`, []string{"Idempotency-Key: b1"}, 200, `{"data":[{"status":202,"duplicate":false}]}`, ""},
		{"keyed again", "POST /v1/events", `{"events":[{"agent_id":"a1","event":"message.sent"}]}`, []string{"Idempotency-Key: b1"}, 200, `{"data":[{"status":202,"duplicate":true}]}`, ""},
		{"no events", "POST /v1/events", `{}`, nil, 422, `{"errors":[{"location":"body.events"}]}`, ""},
		{"unknown field", "POST /v1/events", `{"events":[],"x":1}`, nil, 422, ``, ""},
	})
}

func TestBatchLimit(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Limits.BatchEvents = 3 })
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	batch := func(n int) string {
		item := `{"agent_id":"a1","event":"message.sent"}`
		return fmt.Sprintf(`{"events":[%s]}`, strings.TrimSuffix(strings.Repeat(item+",", n), ","))
	}
	if a := s.call(t, "POST /v1/events", batch(3)); a.status != 200 || len(itemsOf(t, a.text)) != 3 {
		t.Errorf("a batch at the limit: %d %s", a.status, a.text)
	}
	if a := s.call(t, "POST /v1/events", batch(4)); a.status != 413 || a.str("code") != "too_large" {
		t.Errorf("a batch over the limit: %d %s", a.status, a.text)
	}
}
