package waybell_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/keyring"
	"github.com/waybell/waybell/sqlite"
)

const publicURL = "https://hooks.example.com/in"

// node is a started service with what a test wants to look at.
type node struct {
	*waybell.Service
	store *configStore
	logs  *bytes.Buffer
}

func start(t testing.TB, change ...func(*waybell.Config)) *node {
	t.Helper()
	n := &node{logs: &bytes.Buffer{}}
	cfg := waybell.Config{
		EncryptionKeys: []waybell.Secret{waybell.Secret(keyring.Generate())},
		Logger:         slog.New(slog.NewTextHandler(n.logs, nil)),
	}
	for _, f := range change {
		f(&cfg)
	}
	if cfg.Store == nil {
		cfg.Store = openConfigStore(t)
	}
	n.store = cfg.Store.(*configStore)
	var err error
	if n.Service, err = waybell.New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.store.setFault(nil)
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// startWithAgent has an agent "a" too.
func startWithAgent(t testing.TB, change ...func(*waybell.Config)) *node {
	t.Helper()
	n := start(t, change...)
	mustAgent(t, n, "a")
	return n
}

func mustAgent(t testing.TB, n *node, id string) waybell.Agent {
	t.Helper()
	a, err := n.CreateAgent(t.Context(), waybell.AgentInput{ID: id, Name: waybell.Some("Agent " + id)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// endpointInput is the least that a useful endpoint needs.
func endpointInput() waybell.EndpointInput {
	return waybell.EndpointInput{URL: waybell.Some(publicURL), Events: waybell.Some([]string{"*"})}
}

func mustEndpoint(t *testing.T, n *node, in waybell.EndpointInput) waybell.EndpointResult {
	t.Helper()
	r, err := n.CreateEndpoint(t.Context(), "a", in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantCode checks an error's code, and that it is one for callers at all.
func wantCode(t *testing.T, err error, code waybell.Code) {
	t.Helper()
	e, ok := errors.AsType[*waybell.Error](err)
	if !ok || e.Code != code {
		t.Errorf("got error %v, want code %s", err, code)
	}
}

// wantFields checks the locations of the fields that an error names.
func wantFields(t *testing.T, err error, locations ...string) {
	t.Helper()
	var got []string
	if e, ok := errors.AsType[*waybell.Error](err); ok {
		for _, f := range e.Fields {
			got = append(got, f.Location)
			if f.Message == "" {
				t.Errorf("%s has no message", f.Location)
			}
		}
	}
	if !slices.Equal(got, locations) {
		t.Errorf("got fields %q of %v, want %q", got, err, locations)
	}
}

func TestOptionalJSON(t *testing.T) {
	t.Parallel()
	var in struct {
		A, B, C waybell.Optional[int]
		D       waybell.Optional[[]string]
	}
	if err := json.Unmarshal([]byte(`{"A":null,"B":7,"D":[]}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.A != waybell.Null[int]() || in.B != waybell.Some(7) || in.C.Set || !in.D.Set || in.D.Null || in.D.Value == nil {
		t.Errorf("got %+v", in)
	}
	if err := json.Unmarshal([]byte(`{"A":"x"}`), &in); err == nil {
		t.Error("a wrong type was taken")
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	for i := range 7 {
		mustAgent(t, n, fmt.Sprintf("agent-%d", i))
		mustEndpoint(t, n, endpointInput())
		if _, _, err := n.CreateKey(ctx, waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name string
		want int
		page func(waybell.ListQuery) (ids []string, next string, err error)
	}{
		{"agents", 8, func(q waybell.ListQuery) ([]string, string, error) {
			p, err := n.Agents(ctx, q)
			return ids(p.Data, func(a waybell.Agent) string { return a.ID }), p.Next, err
		}},
		{"some agents", 2, func(q waybell.ListQuery) ([]string, string, error) {
			q.AgentIDs = []string{"agent-1", "agent-5", "agent-1", "gone"}
			p, err := n.Agents(ctx, q)
			return ids(p.Data, func(a waybell.Agent) string { return a.ID }), p.Next, err
		}},
		{"endpoints", 7, func(q waybell.ListQuery) ([]string, string, error) {
			p, err := n.Endpoints(ctx, "a", q)
			return ids(p.Data, func(e waybell.Endpoint) string { return e.ID }), p.Next, err
		}},
		{"keys", 7, func(q waybell.ListQuery) ([]string, string, error) {
			p, err := n.Keys(ctx, q)
			return ids(p.Data, func(k waybell.APIKey) string { return k.ID }), p.Next, err
		}},
		{"types", 8, func(q waybell.ListQuery) ([]string, string, error) {
			p, err := n.EventTypes(ctx, q)
			return ids(p.Data, func(e waybell.EventType) string { return e.Name }), p.Next, err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all, next, err := tc.page(waybell.ListQuery{})
			if err != nil || next != "" || len(all) != tc.want {
				t.Fatalf("got %d rows, next %q, %v; want %d", len(all), next, err, tc.want)
			}
			for _, limit := range []int{1, 3, tc.want - 1, tc.want, 250} {
				var got []string
				cursor := ""
				for {
					page, next, err := tc.page(waybell.ListQuery{Limit: limit, Cursor: cursor})
					if err != nil || len(page) > limit || len(page) == 0 {
						t.Fatalf("limit %d: %d rows, %v", limit, len(page), err)
					}
					got = append(got, page...)
					if cursor = next; cursor == "" {
						break
					}
				}
				if !slices.Equal(got, all) {
					t.Errorf("limit %d: got %v, want %v", limit, got, all)
				}
			}
			for _, bad := range []waybell.ListQuery{{Limit: -1}, {Limit: 251}} {
				_, _, err := tc.page(bad)
				wantCode(t, err, waybell.CodeInvalid)
				wantFields(t, err, "query.limit")
			}
			for _, cursor := range []string{"x", "!", "b3RoZXI6MQ", strings.Repeat("A", 2000)} {
				_, _, err := tc.page(waybell.ListQuery{Cursor: cursor})
				wantCode(t, err, waybell.CodeInvalid)
				wantFields(t, err, "query.cursor")
			}
		})
	}
}

func ids[T any](rows []T, id func(T) string) []string {
	var out []string
	for _, r := range rows {
		out = append(out, id(r))
	}
	return out
}

// TestStoreFailures: what a caller gets when the store fails is a code that
// tells whether to try again, never the store's own text.
func TestStoreFailures(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	ctx := t.Context()
	for _, tc := range []struct {
		method string
		call   func() error
	}{
		{"CreateAgent", func() error {
			_, err := n.CreateAgent(ctx, waybell.AgentInput{Name: waybell.Some("x")})
			return err
		}},
		{"UpdateAgent", func() error { _, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{}, 0); return err }},
		{"DeleteAgent", func() error { return n.DeleteAgent(ctx, "a", 0) }},
		{"Agents", func() error { _, err := n.Agents(ctx, waybell.ListQuery{}); return err }},
		{"Agent", func() error { _, err := n.CreateEndpoint(ctx, "a", endpointInput()); return err }},
		{"CreateEndpoint", func() error { _, err := n.CreateEndpoint(ctx, "a", endpointInput()); return err }},
		{"UpdateEndpoint", func() error { _, err := n.PauseEndpoint(ctx, "a", e.ID, 0); return err }},
		{"Endpoint", func() error { return n.DeleteEndpoint(ctx, "a", e.ID, 0) }},
		{"Endpoints", func() error { _, err := n.Endpoints(ctx, "a", waybell.ListQuery{}); return err }},
		{"PutEventType", func() error {
			_, _, err := n.PutEventType(ctx, "x.y", waybell.EventTypeInput{})
			return err
		}},
		{"DeleteEventType", func() error { return n.DeleteEventType(ctx, "x.y") }},
		{"CreateKey", func() error {
			_, _, err := n.CreateKey(ctx, waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}})
			return err
		}},
		{"RevokeKey", func() error { return n.RevokeKey(ctx, "key_x") }},
		{"Keys", func() error { _, err := n.EnsureRootKey(ctx, ""); return err }},
		{"ReplaceRootKey", func() error {
			_, err := n.EnsureRootKey(ctx, "a-key-of-more-than-24-characters")
			return err
		}},
	} {
		for _, fault := range []struct {
			err  error
			code waybell.Code
		}{
			{waybell.ErrUnavailable, waybell.CodeUnavailable},
			{waybell.ErrCommitUnknown, waybell.CodeUnavailable},
			{errors.New("canary-dsn"), waybell.CodeInternal},
		} {
			n.store.setFault(func(method string) error {
				if method == tc.method {
					return fmt.Errorf("canary-driver: %w", fault.err)
				}
				return nil
			})
			err := tc.call()
			n.store.setFault(nil)
			if waybell.ErrorCode(err) != fault.code || err == nil {
				t.Errorf("%s with %v: got %v, want %s", tc.method, fault.err, err, fault.code)
				continue
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: the error %q shows the cause", tc.method, err)
			}
			if e, _ := errors.AsType[*waybell.Error](err); e == nil || fault.code == waybell.CodeUnavailable && e.RetryAfter == 0 {
				t.Errorf("%s: %#v tells no time to wait", tc.method, err)
			}
			if !errors.Is(err, fault.err) {
				t.Errorf("%s: the cause is lost for the log", tc.method)
			}
		}
	}
}

// TestConflictsAreRepeated: without If-Match a change that another one
// overtook is made again on top of it; with If-Match it is refused.
func TestConflictsAreRepeated(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	overtake := func(method string, change func()) {
		var once bool
		n.store.setFault(func(m string) error {
			if m == method && !once {
				once = true
				n.store.setFault(nil)
				change()
			}
			return nil
		})
	}
	describe := func(text string) func() {
		return func() {
			if _, err := n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Description: waybell.Some(text)}, 0); err != nil {
				t.Error(err)
			}
		}
	}
	overtake("UpdateEndpoint", describe("one"))
	got, err := n.PauseEndpoint(ctx, "a", e.ID, 0)
	if err != nil || got.Description != "one" || got.State != waybell.EndpointPaused {
		t.Errorf("got %q, %v, %v; want both changes", got.Description, got.State, err)
	}
	overtake("UpdateEndpoint", describe("two"))
	_, err = n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Description: waybell.Some("three")}, got.Version)
	wantCode(t, err, waybell.CodePreconditionFailed)
	if now, _ := n.Endpoint(ctx, "a", e.ID); now.Description != "two" {
		t.Errorf("description %q, want two", now.Description)
	}

	rename := func(name string) func() {
		return func() {
			if _, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{Name: waybell.Some(name)}, 0); err != nil {
				t.Error(err)
			}
		}
	}
	overtake("UpdateAgent", rename("one"))
	a, err := n.UpdateAgent(ctx, "a", waybell.AgentInput{Profile: waybell.Some("chatzuri")}, 0)
	if err != nil || a.Name != "one" || a.Profile != "chatzuri" {
		t.Errorf("got %+v, %v; want both changes", a, err)
	}
	overtake("UpdateAgent", rename("two"))
	_, err = n.UpdateAgent(ctx, "a", waybell.AgentInput{Name: waybell.Some("three")}, a.Version)
	wantCode(t, err, waybell.CodePreconditionFailed)
	overtake("DeleteAgent", rename("four"))
	if err := n.DeleteAgent(ctx, "a", 0); err != nil {
		t.Errorf("delete after a change: %v", err)
	}

	// A store that never stops to conflict is one that cannot be written to.
	mustAgent(t, n, "b")
	n.store.setFault(func(m string) error {
		if m == "UpdateAgent" {
			return waybell.ErrConflict
		}
		return nil
	})
	_, err = n.UpdateAgent(ctx, "b", waybell.AgentInput{}, 0)
	wantCode(t, err, waybell.CodeUnavailable)
}

// TestStaleDirectory: a change that is stored is answered as such even when
// the directory cannot be read again, and comes with the next reading.
func TestStaleDirectory(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	n.store.setFault(func(m string) error {
		if m == "ConfigSince" {
			return waybell.ErrUnavailable
		}
		return nil
	})
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	if got := n.Targets("a", "lead.submit"); len(got) != 0 {
		t.Fatalf("the directory knows %v", got)
	}
	if !strings.Contains(n.logs.String(), "configuration is stale") {
		t.Error("the failure was not logged")
	}
	n.store.setFault(nil)
	if err := n.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.Targets("a", "lead.submit"); !slices.Equal(got, []string{e.ID}) {
		t.Errorf("targets %v, want %s", got, e.ID)
	}
}

// TestCallerLeaves: a caller that goes away after its change was stored does
// not keep the directory from it.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx, cancel := context.WithCancel(t.Context())
	n.store.setFault(func(m string) error {
		if m == "CreateEndpoint done" {
			cancel()
		}
		return nil
	})
	if _, err := n.CreateEndpoint(ctx, "a", endpointInput()); err != nil {
		t.Fatal(err)
	}
	if got := n.Targets("a", "lead.submit"); len(got) != 1 {
		t.Errorf("targets %v, want one", got)
	}
}

// TestRestart: everything is there after the process began anew, also what an
// encoding may lose: none against all, and an empty schedule.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	keys := []waybell.Secret{waybell.Secret(keyring.Generate())}
	open := func() (*node, func()) {
		s, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		n := start(t, func(c *waybell.Config) { c.Store, c.EncryptionKeys = &configStore{Store: s}, keys })
		return n, func() {
			if err := errors.Join(n.Stop(ctx), s.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	n, end := open()
	mustAgent(t, n, "a")
	none, err := n.CreateAgent(ctx, waybell.AgentInput{ID: "none", Name: waybell.Some("x"), AvailableEvents: waybell.Some([]string{}),
		Metadata: waybell.Some(json.RawMessage(`{"k":[1]}`))})
	if err != nil {
		t.Fatal(err)
	}
	in := endpointInput()
	in.GenerateSecret, in.RateLimit, in.Concurrency = waybell.SecretEd25519, waybell.Some(0.5), waybell.Some(7)
	in.Headers = waybell.Some([]waybell.HeaderInput{{"X-A", "value"}})
	in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{})})
	r := mustEndpoint(t, n, in)
	policies := mustEndpoint(t, n, endpointInput()).Endpoint
	paused, err := n.PauseEndpoint(ctx, "a", policies.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.PutEventType(ctx, "order.paid", waybell.EventTypeInput{Schema: json.RawMessage(`{"required":["total"]}`)}); err != nil {
		t.Fatal(err)
	}
	_, key, err := n.CreateKey(ctx, waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeEndpointsRead}})
	if err != nil {
		t.Fatal(err)
	}
	end()

	n, end = open()
	defer end()
	if a, err := n.Agent(ctx, "a"); err != nil || a.AvailableEvents != nil || a.Metadata != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	if a, err := n.Agent(ctx, "none"); err != nil || a.AvailableEvents == nil || len(a.AvailableEvents) != 0 || !bytes.Equal(a.Metadata, none.Metadata) {
		t.Errorf("got %+v, %v", a, err)
	}
	want := r.Endpoint
	for how, got := range map[string]waybell.Endpoint{"directory": *n.DirectoryEndpoint(want.Number), "store": mustRead(t, n, want.ID)} {
		if !cmp.Equal(got, want) {
			t.Errorf("%s: %s", how, cmp.Diff(want, got))
		}
	}
	if got := n.DirectoryEndpoint(paused.Number); got.State != waybell.EndpointPaused || !got.StateSince.Equal(paused.StateSince) || got.Retry.Schedule != nil {
		t.Errorf("got %+v, want %+v", got, paused)
	}
	if _, err := n.Authenticate(ctx, key.Reveal()); err != nil {
		t.Error(err)
	}
	if e, err := n.EventType(ctx, "order.paid"); err != nil || len(e.Schema) == 0 {
		t.Errorf("got %+v, %v", e, err)
	}
}

func mustRead(t *testing.T, n *node, id string) waybell.Endpoint {
	t.Helper()
	e, err := n.Endpoint(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestForgedCursors: what only looks like a cursor of the list is refused.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	forge := func(text string) waybell.ListQuery {
		return waybell.ListQuery{Cursor: base64.RawURLEncoding.EncodeToString([]byte(text))}
	}
	for _, text := range []string{"agents:x", "agents:0", "agents:-1", "agents:99999999999999999999", "agents:", "endpoints:1"} {
		_, err := n.Agents(ctx, forge(text))
		wantFields(t, err, "query.cursor")
	}
	_, err := n.Endpoints(ctx, "a", forge("agents:1"))
	wantFields(t, err, "query.cursor")
	_, err = n.Keys(ctx, forge("keys:key_unknown"))
	wantFields(t, err, "query.cursor")
}
