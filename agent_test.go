package waybell_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell"
)

func TestCreateAgent(t *testing.T) {
	t.Parallel()
	n := start(t)
	a, err := n.CreateAgent(t.Context(), waybell.AgentInput{Name: waybell.Some("Sarah's bot")})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.ID, "agt_") || a.Number == 0 || a.Version == 0 || a.Profile != "standard" ||
		a.AvailableEvents != nil || a.Metadata != nil || a.CreatedAt.IsZero() || a.UpdatedAt.Before(a.CreatedAt) {
		t.Errorf("got %+v", a)
	}
	if got, err := n.Agent(t.Context(), a.ID); err != nil || got.Name != a.Name {
		t.Errorf("read back %+v, %v", got, err)
	}
	_, err = n.CreateAgent(t.Context(), waybell.AgentInput{ID: a.ID, Name: waybell.Some("again")})
	wantCode(t, err, waybell.CodeAgentExists)
	_, err = n.Agent(t.Context(), "nobody")
	wantCode(t, err, waybell.CodeAgentNotFound)
}

func TestAgentRules(t *testing.T) {
	t.Parallel()
	n := start(t)
	object := func(size int) json.RawMessage {
		const frame = len(`{"k":""}`)
		return json.RawMessage(`{"k":"` + strings.Repeat("x", size-frame) + `"}`)
	}
	deep := func(levels int) json.RawMessage {
		return json.RawMessage(strings.Repeat(`{"k":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1))
	}
	many := make([]string, 501)
	for i := range many {
		many[i] = "lead.submit"
	}
	type in = waybell.AgentInput
	for _, tc := range []struct {
		name   string
		change func(*in)
		code   waybell.Code // "" = accepted
		fields []string
	}{
		{"id of 1", func(a *in) { a.ID = "x" }, "", nil},
		{"id of 128", func(a *in) { a.ID = strings.Repeat("x", 128) }, "", nil},
		{"id of 129", func(a *in) { a.ID = strings.Repeat("x", 129) }, "invalid", []string{"body.id"}},
		{"id of all characters", func(a *in) { a.ID = "AZaz09._:-" }, "", nil},
		{"id with slash", func(a *in) { a.ID = "a/b" }, "invalid", []string{"body.id"}},
		{"id of dots", func(a *in) { a.ID = ".." }, "invalid", []string{"body.id"}},
		{"id with dots", func(a *in) { a.ID = ".a." }, "", nil},
		{"id with blank", func(a *in) { a.ID = "a b" }, "invalid", []string{"body.id"}},
		{"id with umlaut", func(a *in) { a.ID = "ä" }, "invalid", []string{"body.id"}},
		{"name absent", func(a *in) { a.Name = waybell.Optional[string]{} }, "invalid", []string{"body.name"}},
		{"name null", func(a *in) { a.Name = waybell.Null[string]() }, "invalid", []string{"body.name"}},
		{"name empty", func(a *in) { a.Name = waybell.Some("") }, "invalid", []string{"body.name"}},
		{"name blank", func(a *in) { a.Name = waybell.Some("  ") }, "invalid", []string{"body.name"}},
		{"name of 200", func(a *in) { a.Name = waybell.Some(strings.Repeat("é", 200)) }, "", nil},
		{"name of 201", func(a *in) { a.Name = waybell.Some(strings.Repeat("é", 201)) }, "invalid", []string{"body.name"}},
		{"name with line", func(a *in) { a.Name = waybell.Some("a\nb") }, "invalid", []string{"body.name"}},
		{"name not UTF-8", func(a *in) { a.Name = waybell.Some("a\xff") }, "invalid", []string{"body.name"}},
		{"profile", func(a *in) { a.Profile = waybell.Some("chatislav") }, "", nil},
		{"profile null", func(a *in) { a.Profile = waybell.Null[string]() }, "", nil},
		{"profile unknown", func(a *in) { a.Profile = waybell.Some("acme") }, "invalid", []string{"body.profile"}},
		{"metadata", func(a *in) { a.Metadata = waybell.Some(json.RawMessage(`{"plan":"pro","n":12345678901234567890}`)) }, "", nil},
		{"metadata array", func(a *in) { a.Metadata = waybell.Some(json.RawMessage(`[]`)) }, "invalid", []string{"body.metadata"}},
		{"metadata no JSON", func(a *in) { a.Metadata = waybell.Some(json.RawMessage(`{`)) }, "invalid", []string{"body.metadata"}},
		{"metadata double key", func(a *in) { a.Metadata = waybell.Some(json.RawMessage(`{"a":1,"a":2}`)) }, "invalid", []string{"body.metadata"}},
		{"metadata of 16 KiB", func(a *in) { a.Metadata = waybell.Some(object(16 << 10)) }, "", nil},
		{"metadata of 16 KiB + 1", func(a *in) { a.Metadata = waybell.Some(object(16<<10 + 1)) }, "invalid", []string{"body.metadata"}},
		{"metadata of 1 MiB", func(a *in) { a.Metadata = waybell.Some(object(1 << 20)) }, "invalid", []string{"body.metadata"}},
		{"metadata 32 deep", func(a *in) { a.Metadata = waybell.Some(deep(32)) }, "", nil},
		{"metadata 33 deep", func(a *in) { a.Metadata = waybell.Some(deep(33)) }, "invalid", []string{"body.metadata"}},
		{"events", func(a *in) { a.AvailableEvents = waybell.Some([]string{"lead_collection", "lead.submit"}) }, "", nil},
		{"no events", func(a *in) { a.AvailableEvents = waybell.Some([]string{}) }, "", nil},
		{"unknown event", func(a *in) { a.AvailableEvents = waybell.Some([]string{"lead.submit", "x.y"}) },
			"unknown_event_type", []string{"body.available_events[1]"}},
		{"all events by star", func(a *in) { a.AvailableEvents = waybell.Some([]string{"*"}) },
			"unknown_event_type", []string{"body.available_events[0]"}},
		{"events of 500", func(a *in) { a.AvailableEvents = waybell.Some(many[:500]) }, "", nil},
		{"events of 501", func(a *in) { a.AvailableEvents = waybell.Some(many) }, "invalid", []string{"body.available_events"}},
		{"everything wrong", func(a *in) {
			*a = in{ID: "/", Profile: waybell.Some("x"), Metadata: waybell.Some(json.RawMessage(`1`)), AvailableEvents: waybell.Some([]string{"x"})}
		}, "invalid", []string{"body.id", "body.name", "body.profile", "body.metadata", "body.available_events[0]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			input := in{Name: waybell.Some("x")}
			tc.change(&input)
			a, err := n.CreateAgent(t.Context(), input)
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := n.Agent(t.Context(), a.ID); err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, tc.code)
			wantFields(t, err, tc.fields...)
		})
	}
}

func TestUpdateAgent(t *testing.T) {
	t.Parallel()
	n := start(t)
	ctx := t.Context()
	first, err := n.CreateAgent(ctx, waybell.AgentInput{
		ID: "a", Name: waybell.Some("one"), Profile: waybell.Some("chatzuri"),
		Metadata:        waybell.Some(json.RawMessage(`{"keep":1,"drop":{"x":1},"in":{"a":1,"b":[1]},"kind":"text"}`)),
		AvailableEvents: waybell.Some([]string{"lead_collection", "message.sent", "lead.submit"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.AvailableEvents, []string{"lead.submit", "message.sent"}) {
		t.Errorf("available events %v", first.AvailableEvents)
	}
	same, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{}, first.Version)
	if err != nil || same.Name != "one" || same.Profile != "chatzuri" || len(same.AvailableEvents) != 2 || same.Version <= first.Version {
		t.Errorf("an empty patch made %+v, %v", same, err)
	}
	merged, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{
		Metadata: waybell.Some(json.RawMessage(`{"drop":null,"gone":null,"in":{"b":[2],"c":{"d":null,"e":2}},"kind":{"now":"object"}}`)),
	}, 0)
	if want := `{"keep":1,"in":{"a":1,"b":[2],"c":{"e":2}},"kind":{"now":"object"}}`; err != nil || string(merged.Metadata) != want {
		t.Errorf("metadata %s, %v; want %s", merged.Metadata, err, want)
	}
	cleared, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{
		Metadata: waybell.Null[json.RawMessage](), AvailableEvents: waybell.Null[[]string](), Profile: waybell.Null[string](),
	}, 0)
	if err != nil || cleared.Metadata != nil || cleared.AvailableEvents != nil || cleared.Profile != "standard" {
		t.Errorf("nulls made %+v, %v", cleared, err)
	}
	if cleared.CreatedAt != first.CreatedAt || cleared.Number != first.Number {
		t.Errorf("an update changed what stays: %+v", cleared)
	}

	_, err = n.UpdateAgent(ctx, "a", waybell.AgentInput{}, first.Version)
	wantCode(t, err, waybell.CodePreconditionFailed)
	_, err = n.UpdateAgent(ctx, "a", waybell.AgentInput{ID: "b"}, 0)
	wantFields(t, err, "body.id")
	_, err = n.UpdateAgent(ctx, "a", waybell.AgentInput{Name: waybell.Null[string]()}, 0)
	wantFields(t, err, "body.name")
	_, err = n.UpdateAgent(ctx, "nobody", waybell.AgentInput{}, 0)
	wantCode(t, err, waybell.CodeAgentNotFound)
}

// TestMetadataPatchBound: a patch that takes away more than it adds is fine
// at the bound, and the bound is the merged object's.
func TestMetadataPatchBound(t *testing.T) {
	t.Parallel()
	n := start(t)
	big := func(key string, size int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{%q:%q}`, key, strings.Repeat("x", size)))
	}
	if _, err := n.CreateAgent(t.Context(), waybell.AgentInput{ID: "a", Name: waybell.Some("a"), Metadata: waybell.Some(big("k", 10<<10))}); err != nil {
		t.Fatal(err)
	}
	_, err := n.UpdateAgent(t.Context(), "a", waybell.AgentInput{Metadata: waybell.Some(big("l", 10<<10))}, 0)
	wantFields(t, err, "body.metadata")
	_, err = n.UpdateAgent(t.Context(), "a", waybell.AgentInput{
		Metadata: waybell.Some(json.RawMessage(`{"k":null,` + string(big("l", 10<<10))[1:])),
	}, 0)
	if err != nil {
		t.Error(err)
	}
}

func TestPutAgent(t *testing.T) {
	t.Parallel()
	n := start(t)
	ctx := t.Context()
	_, _, err := n.PutAgent(ctx, "a", waybell.AgentInput{Name: waybell.Some("x")}, 5)
	wantCode(t, err, waybell.CodePreconditionFailed)
	a, created, err := n.PutAgent(ctx, "a", waybell.AgentInput{
		Name: waybell.Some("one"), Profile: waybell.Some("chatzuri"), Metadata: waybell.Some(json.RawMessage(`{"k":null}`)),
	}, 0)
	if err != nil || !created || a.ID != "a" || string(a.Metadata) != `{"k":null}` {
		t.Fatalf("got %+v, %v, %v", a, created, err)
	}
	b, created, err := n.PutAgent(ctx, "a", waybell.AgentInput{ID: "a", Name: waybell.Some("two")}, a.Version)
	if err != nil || created || b.Number != a.Number || b.Name != "two" || b.Profile != "standard" || b.Metadata != nil || b.CreatedAt != a.CreatedAt {
		t.Errorf("got %+v, %v, %v; want all of it replaced", b, created, err)
	}
	_, _, err = n.PutAgent(ctx, "a", waybell.AgentInput{Name: waybell.Some("three")}, a.Version)
	wantCode(t, err, waybell.CodePreconditionFailed)
	_, _, err = n.PutAgent(ctx, "a", waybell.AgentInput{ID: "b", Name: waybell.Some("three")}, 0)
	wantFields(t, err, "body.id")
	_, _, err = n.PutAgent(ctx, "a", waybell.AgentInput{}, 0)
	wantFields(t, err, "body.name")
	_, _, err = n.PutAgent(ctx, "a/b", waybell.AgentInput{Name: waybell.Some("x")}, 0)
	wantFields(t, err, "path.agent_id")
}

// An agent that got an id of dots from an earlier version is changed as any other.
func TestAgentOfDots(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	if _, err := shared.CreateAgent(t.Context(), waybell.Agent{ID: "..", Name: "Dots", Profile: "standard"}); err != nil {
		t.Fatal(err)
	}
	n := start(t, func(c *waybell.Config) { c.Store = shared })
	if _, _, err := n.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeEventsWrite}, AgentIDs: []string{".."}}); err != nil {
		t.Errorf("a key for it: %v", err)
	}
	if a, err := n.UpdateAgent(t.Context(), "..", waybell.AgentInput{Name: waybell.Some("two")}, 0); err != nil || a.Name != "two" {
		t.Errorf("%+v, %v", a, err)
	}
	if a, created, err := n.PutAgent(t.Context(), "..", waybell.AgentInput{Name: waybell.Some("three")}, 0); err != nil || created || a.Name != "three" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestDeleteAgent(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	a, _ := n.Agent(ctx, "a")
	wantCode(t, n.DeleteAgent(ctx, "a", a.Version+100), waybell.CodePreconditionFailed)
	if err := n.DeleteAgent(ctx, "a", a.Version); err != nil {
		t.Fatal(err)
	}
	wantCode(t, n.DeleteAgent(ctx, "a", 0), waybell.CodeAgentNotFound)
	_, err := n.Endpoint(ctx, "a", e.ID)
	wantCode(t, err, waybell.CodeAgentNotFound)
	if got := n.DirectoryEndpoint(e.Number); got.State != waybell.EndpointDeleted || got.CancelUpTo == 0 {
		t.Errorf("the directory has %v, canceled up to %d", got.State, got.CancelUpTo)
	}

	again := mustAgent(t, n, "a")
	if again.Number == a.Number {
		t.Error("the number was used again")
	}
	if got := n.Targets("a", "lead.submit"); len(got) != 0 {
		t.Errorf("the new agent has the endpoints %v of the old one", got)
	}
	_, err = n.Endpoint(ctx, "a", e.ID)
	wantCode(t, err, waybell.CodeEndpointNotFound)
	if err := n.SuspendEndpoint(ctx, e.Number, "gone"); err != nil {
		t.Errorf("suspending what is gone: %v", err)
	}
}

func TestEnsureAgent(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	open := func(c *waybell.Config) { c.Store = shared }
	n, other := start(t, open), start(t, open)
	for _, node := range []*node{n, other, n} { // the second finds what the first made
		if err := node.EnsureAgent(t.Context(), "new"); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := n.Agent(t.Context(), "new"); err != nil || a.Name != "new" || a.Profile != "standard" {
		t.Errorf("got %+v, %v", a, err)
	}
	err := n.EnsureAgent(t.Context(), "not an id")
	wantCode(t, err, waybell.CodeInvalid)
	wantFields(t, err, "path.agent_id")
}
