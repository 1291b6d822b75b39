package waybell_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell"
)

func TestBuiltInTypes(t *testing.T) {
	t.Parallel()
	n := start(t)
	page, err := n.EventTypes(t.Context(), waybell.ListQuery{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"lead.submit", "message.received", "message.sent", "conversation.started", "conversation.ended",
		"conversation.summary", "feedback.submitted", "escalation.triggered"}
	if got := ids(page.Data, func(e waybell.EventType) string { return e.Name }); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, e := range page.Data {
		if !e.BuiltIn || e.Description == "" || len(e.Schema) == 0 || len(e.Example) == 0 {
			t.Errorf("%s lacks something", e.Name)
		}
	}
	for alias, name := range map[string]string{"lead_collection": "lead.submit", "conversation_summary": "conversation.summary", "message.sent": "message.sent"} {
		if got, err := n.EventType(t.Context(), alias); err != nil || got.Name != name {
			t.Errorf("%s is %s, %v", alias, got.Name, err)
		}
	}
	for _, name := range []string{"webhook.test", "x.y", ""} {
		_, err := n.EventType(t.Context(), name)
		wantCode(t, err, waybell.CodeEventTypeNotFound)
	}
	for _, name := range append(want, "lead_collection", "conversation_summary", "webhook.test") {
		_, _, err := n.PutEventType(t.Context(), name, waybell.EventTypeInput{})
		wantCode(t, err, waybell.CodeEventTypeReadOnly)
		wantCode(t, n.DeleteEventType(t.Context(), name), waybell.CodeEventTypeReadOnly)
	}
}

func TestEventTypeLife(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	in := waybell.EventTypeInput{
		Description: "An order was paid.",
		Schema:      json.RawMessage(`{ "type": "object", "required": ["total"], "properties": {"total": {"type": "number"}} }`),
		Example:     json.RawMessage(`{"total": 12.50}`),
	}
	subscribe := endpointInput()
	subscribe.Events = waybell.Some([]string{"order.paid"})
	_, err := n.CreateEndpoint(ctx, "a", subscribe)
	wantCode(t, err, waybell.CodeUnknownEventType)

	first, created, err := n.PutEventType(ctx, "order.paid", in)
	if err != nil || !created || first.BuiltIn || string(first.Example) != `{"total":12.5}` || strings.Contains(string(first.Schema), " ") {
		t.Fatalf("got %+v, %v, %v", first, created, err)
	}
	in.Description = "Changed."
	second, created, err := n.PutEventType(ctx, "order.paid", in)
	if err != nil || created || second.Description != "Changed." || second.CreatedAt != first.CreatedAt || second.Version <= first.Version {
		t.Errorf("got %+v, %v, %v", second, created, err)
	}
	if got, err := n.EventType(ctx, "order.paid"); err != nil || got.Description != "Changed." {
		t.Errorf("read back %+v, %v", got, err)
	}
	e := mustEndpoint(t, n, subscribe).Endpoint
	if got := n.Targets("a", "order.paid"); len(got) != 1 {
		t.Errorf("targets %v", got)
	}
	wantCode(t, n.DeleteEventType(ctx, "order.paid"), waybell.CodeEventTypeInUse)
	if err := n.DeleteEndpoint(ctx, "a", e.ID, 0); err != nil {
		t.Fatal(err)
	}
	mustEndpoint(t, n, endpointInput()) // all types: names none
	if err := n.DeleteEventType(ctx, "order.paid"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, n.DeleteEventType(ctx, "order.paid"), waybell.CodeEventTypeNotFound)
	_, err = n.EventType(ctx, "order.paid")
	wantCode(t, err, waybell.CodeEventTypeNotFound)
	if _, created, err := n.PutEventType(ctx, "order.paid", in); err != nil || !created {
		t.Errorf("registering it again: %v, %v", created, err)
	}
}

// TestTypesThatWereRemoved: an agent or endpoint that names a type which is
// gone can still be sent back as it is.
func TestTypesThatWereRemoved(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	if _, _, err := n.PutEventType(ctx, "order.paid", waybell.EventTypeInput{}); err != nil {
		t.Fatal(err)
	}
	events := waybell.Some([]string{"order.paid", "lead.submit"})
	if _, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{AvailableEvents: events}, 0); err != nil {
		t.Fatal(err)
	}
	if err := n.DeleteEventType(ctx, "order.paid"); err != nil {
		t.Fatal(err)
	}
	if a, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{AvailableEvents: events}, 0); err != nil || len(a.AvailableEvents) != 2 {
		t.Errorf("got %v, %v", a.AvailableEvents, err)
	}
	_, err := n.CreateAgent(ctx, waybell.AgentInput{Name: waybell.Some("b"), AvailableEvents: events})
	wantCode(t, err, waybell.CodeUnknownEventType)
}

func TestEventTypeRules(t *testing.T) {
	t.Parallel()
	n := start(t)
	object := func(s string) waybell.EventTypeInput { return waybell.EventTypeInput{Schema: json.RawMessage(s)} }
	example := func(schema, s string) waybell.EventTypeInput {
		return waybell.EventTypeInput{Schema: json.RawMessage(schema), Example: json.RawMessage(s)}
	}
	fill := func(size int) string {
		const frame = len(`{"k":""}`)
		return `{"k":"` + strings.Repeat("x", size-frame) + `"}`
	}
	for i, tc := range []struct {
		name   string
		in     waybell.EventTypeInput
		fields []string
	}{
		{"a", waybell.EventTypeInput{}, nil},
		{"a.b_c.1", waybell.EventTypeInput{}, nil},
		{strings.Repeat("x", 128), waybell.EventTypeInput{}, nil},
		{strings.Repeat("x", 129), waybell.EventTypeInput{}, []string{"path.name"}},
		{"", waybell.EventTypeInput{}, []string{"path.name"}},
		{"*", waybell.EventTypeInput{}, []string{"path.name"}},
		{"A.b", waybell.EventTypeInput{}, []string{"path.name"}},
		{"a..b", waybell.EventTypeInput{}, []string{"path.name"}},
		{".a", waybell.EventTypeInput{}, []string{"path.name"}},
		{"a.", waybell.EventTypeInput{}, []string{"path.name"}},
		{"a-b", waybell.EventTypeInput{}, []string{"path.name"}},
		{"d", waybell.EventTypeInput{Description: strings.Repeat("é", 500)}, nil},
		{"d", waybell.EventTypeInput{Description: strings.Repeat("é", 501)}, []string{"body.description"}},
		{"s", object(`null`), nil},
		{"s", object(`{}`), nil},
		{"s", object(`{`), []string{"body.schema"}},
		{"s", object(`[]`), []string{"body.schema"}},
		{"s", object(`{"a":1,"a":2}`), []string{"body.schema"}},
		{"s", object(`{"$ref":"file:///etc/passwd"}`), []string{"body.schema.$ref"}},
		{"s", object(`{"$ref":"https://example.com/schema"}`), []string{"body.schema.$ref"}},
		{"s", object(`{"type":"nothing"}`), []string{"body.schema.type"}},
		{"s", object(`{"description":"` + strings.Repeat("x", 64<<10) + `"}`), []string{"body.schema"}},
		{"s", object(`{"description":"` + strings.Repeat("x", 1<<20) + `"}`), []string{"body.schema"}},
		{"e", example(``, fill(64<<10)), nil},
		{"e", example(``, fill(64<<10+1)), []string{"body.example"}},
		{"e", example(``, `[]`), []string{"body.example"}},
		{"e", example(``, `{`), []string{"body.example"}},
		{"e", example(`{"properties":{"list":{"items":{"type":"string"}}},"required":["a/b"]}`, `{"list":["x",1]}`), []string{"body.example.a/b", "body.example.list[1]"}},
		{"E", waybell.EventTypeInput{Description: "\x00", Schema: json.RawMessage(`1`), Example: json.RawMessage(`1`)},
			[]string{"body.description", "path.name", "body.schema", "body.example"}},
	} {
		t.Run(fmt.Sprintf("%d %.10s", i, tc.name), func(t *testing.T) {
			_, _, err := n.PutEventType(t.Context(), tc.name, tc.in)
			if before := tc.in.Validate(tc.name); fmt.Sprint(before) != fmt.Sprint(err) {
				t.Errorf("Validate says %v, PutEventType %v", before, err)
			}
			if len(tc.fields) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, waybell.CodeInvalid)
			wantFields(t, err, tc.fields...)
		})
	}
}

func TestTooManyEventTypes(t *testing.T) {
	t.Parallel()
	n := start(t)
	for i := range 1000 {
		if _, _, err := n.store.PutEventType(t.Context(), waybell.EventType{Name: fmt.Sprintf("t.%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err := n.PutEventType(t.Context(), "one.more", waybell.EventTypeInput{})
	wantFields(t, err, "path.name")
	if _, created, err := n.PutEventType(t.Context(), "t.7", waybell.EventTypeInput{}); err != nil || created {
		t.Errorf("replacing one at the bound: %v, %v", created, err)
	}
}
