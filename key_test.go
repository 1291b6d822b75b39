package waybell_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/waybell/waybell"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	all := []waybell.Scope{
		waybell.ScopeEventsWrite, waybell.ScopeEndpointsRead, waybell.ScopeEndpointsWrite,
		waybell.ScopeDeliveriesRead, waybell.ScopeDeliveriesWrite, waybell.ScopeSecretsRead, waybell.ScopeSecretsWrite, waybell.ScopeAdmin,
	}
	also := map[waybell.Scope][]waybell.Scope{
		waybell.ScopeEndpointsWrite:  {waybell.ScopeEndpointsRead, waybell.ScopeSecretsWrite},
		waybell.ScopeDeliveriesWrite: {waybell.ScopeDeliveriesRead},
		waybell.ScopeAdmin:           all,
	}
	for _, has := range all {
		k := waybell.APIKey{Scopes: []waybell.Scope{has}}
		for _, wants := range all {
			want := has == wants || slices.Contains(also[has], wants)
			if k.Allows(wants) != want {
				t.Errorf("a key with %s allows %s: %v, want %v", has, wants, !want, want)
			}
		}
	}
	for _, has := range all { // a session has the same, but for secrets
		k := waybell.APIKey{Scopes: []waybell.Scope{has}, Session: &waybell.Session{Agent: 1}}
		for _, wants := range all {
			want := has == wants || slices.Contains(also[has], wants) && (has == waybell.ScopeAdmin || wants != waybell.ScopeSecretsWrite)
			if k.Allows(wants) != want {
				t.Errorf("a session with %s allows %s: %v, want %v", has, wants, !want, want)
			}
		}
	}
	none := waybell.APIKey{}
	if none.Allows(waybell.ScopeEndpointsRead) || none.Allows("") {
		t.Error("a key without scopes allows something")
	}
}

func TestKeyAgents(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		agents []string
		id     string
		want   bool
	}{{nil, "a", true}, {[]string{"a", "b"}, "b", true}, {[]string{"a"}, "b", false}, {[]string{}, "a", false}, {[]string{"a"}, "A", false}} {
		k := waybell.APIKey{AgentIDs: tc.agents}
		if k.AllowsAgent(tc.id) != tc.want {
			t.Errorf("a key for %v allows %s: %v", tc.agents, tc.id, !tc.want)
		}
	}
}

func TestKeyLife(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	n, other := start(t, func(c *waybell.Config) { c.Store = shared }), start(t, func(c *waybell.Config) { c.Store = shared })
	ctx := t.Context()
	k, text, err := n.CreateKey(ctx, waybell.KeyInput{
		Name: "CI", AgentIDs: []string{"a", "a"}, Scopes: []waybell.Scope{waybell.ScopeEventsWrite, waybell.ScopeEventsWrite},
	})
	if err != nil || !strings.HasPrefix(k.ID, "key_") || k.Name != "CI" || k.Root || len(k.Scopes) != 1 || len(k.AgentIDs) != 1 {
		t.Fatalf("got %+v, %v", k, err)
	}
	if !regexp.MustCompile(`^wb_[A-Za-z0-9_-]{43}$`).MatchString(text.Reveal()) {
		t.Errorf("the key has %d characters", len(text))
	}
	got, err := n.Authenticate(ctx, text.Reveal())
	if err != nil || got.ID != k.ID || !got.Allows(waybell.ScopeEventsWrite) {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = other.Authenticate(ctx, text.Reveal())
	wantCode(t, err, waybell.CodeUnauthorized) // not yet
	if err := other.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err = other.Authenticate(ctx, text.Reveal()); err != nil {
		t.Errorf("the other node: %v", err)
	}
	for _, bad := range []string{"", "wb_", text.Reveal() + "x", text.Reveal()[1:], strings.ToUpper(text.Reveal()), strings.Repeat("x", 100_000), k.ID} {
		_, err := n.Authenticate(ctx, bad)
		wantCode(t, err, waybell.CodeUnauthorized)
		if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	if err := n.RevokeKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, n.RevokeKey(ctx, k.ID), waybell.CodeKeyNotFound)
	if err := other.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	for _, node := range []*node{n, other} {
		_, err = node.Authenticate(ctx, text.Reveal())
		wantCode(t, err, waybell.CodeUnauthorized)
	}
	for _, row := range shared.rows(t).Keys {
		if strings.Contains(string(row.Hash[:]), text.Reveal()) {
			t.Error("the key is stored")
		}
	}
}

// TestRevocationNeedsNoStore: a revoked key ends on this node even where the
// directory cannot be read again.
func TestRevocationNeedsNoStore(t *testing.T) {
	t.Parallel()
	n := start(t)
	k, text, err := n.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}})
	if err != nil {
		t.Fatal(err)
	}
	n.store.setFault(func(m string) error {
		if m == "ConfigSince" {
			return waybell.ErrUnavailable
		}
		return nil
	})
	if err := n.RevokeKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = n.Authenticate(t.Context(), text.Reveal())
	wantCode(t, err, waybell.CodeUnauthorized)
}

func TestKeyRules(t *testing.T) {
	t.Parallel()
	n := start(t)
	ids := func(n int) []string { return slices.Repeat([]string{"a"}, n) }
	read := []waybell.Scope{waybell.ScopeEndpointsRead}
	for _, tc := range []struct {
		name   string
		in     waybell.KeyInput
		fields []string
	}{
		{"least", waybell.KeyInput{Scopes: read}, nil},
		{"no scope", waybell.KeyInput{}, []string{"body.scopes"}},
		{"unknown scope", waybell.KeyInput{Scopes: []waybell.Scope{"admin", "events:read", "x"}}, []string{"body.scopes[1]", "body.scopes[2]"}},
		{"name of 200", waybell.KeyInput{Scopes: read, Name: strings.Repeat("é", 200)}, nil},
		{"name of 201", waybell.KeyInput{Scopes: read, Name: strings.Repeat("é", 201)}, []string{"body.name"}},
		{"name with line", waybell.KeyInput{Scopes: read, Name: "a\nb"}, []string{"body.name"}},
		{"no agents", waybell.KeyInput{Scopes: read, AgentIDs: []string{}}, []string{"body.agent_ids"}},
		{"bad agents", waybell.KeyInput{Scopes: read, AgentIDs: []string{"a", "/", ""}}, []string{"body.agent_ids[1]", "body.agent_ids[2]"}},
		{"250 agents", waybell.KeyInput{Scopes: read, AgentIDs: ids(250)}, nil},
		{"251 agents", waybell.KeyInput{Scopes: read, AgentIDs: ids(251)}, []string{"body.agent_ids"}},
		{"admin of some agents", waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}, AgentIDs: []string{"a"}}, []string{"body.agent_ids"}},
		{"everything", waybell.KeyInput{Name: "\x00", AgentIDs: []string{}}, []string{"body.name", "body.scopes", "body.agent_ids"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, text, err := n.CreateKey(t.Context(), tc.in)
			if len(tc.fields) == 0 {
				if err != nil || text == "" {
					t.Errorf("got %v, %v", text, err)
				}
				return
			}
			wantCode(t, err, waybell.CodeInvalid)
			wantFields(t, err, tc.fields...)
		})
	}
}

func TestRootKey(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	ctx := t.Context()
	ensure := func(configured waybell.Secret) (*node, waybell.Secret) {
		t.Helper()
		n := start(t, func(c *waybell.Config) { c.Store = shared })
		made, err := n.EnsureRootKey(ctx, configured)
		if err != nil {
			t.Fatal(err)
		}
		return n, made
	}
	works := func(n *node, key waybell.Secret, want bool) {
		t.Helper()
		k, err := n.Authenticate(ctx, key.Reveal())
		if (err == nil) != want || want && (!k.Root || !k.Allows(waybell.ScopeAdmin)) {
			t.Errorf("the key works: %v, want %v", err == nil, want)
		}
	}
	n, made := ensure("")
	works(n, made, true)
	n, again := ensure("")
	if again != "" {
		t.Error("a second start made another key")
	}
	works(n, made, true)

	const first, second = waybell.Secret("first-configured-root-key"), waybell.Secret("second configured root key")
	n, shown := ensure(first)
	if shown != "" {
		t.Error("the configured key was returned")
	}
	works(n, made, false)
	works(n, first, true)
	n, _ = ensure(first)
	works(n, first, true)
	if len(shared.rows(t).Keys) != 2 {
		t.Errorf("%d rows: the same key was stored again", len(shared.rows(t).Keys))
	}
	_, err := n.EnsureRootKey(ctx, second) // has blanks
	wantCode(t, err, waybell.CodeInvalid)
	n, _ = ensure("second-configured-root-key")
	works(n, first, false)
	n, _ = ensure("") // no longer configured: what works goes on to work
	works(n, "second-configured-root-key", true)

	page, err := n.Keys(ctx, waybell.ListQuery{})
	if err != nil || len(page.Data) != 1 {
		t.Fatalf("%d keys, %v", len(page.Data), err)
	}
	if err := n.RevokeKey(ctx, page.Data[0].ID); err != nil {
		t.Fatal(err)
	}
	n, made = ensure("") // nobody could use the API any more
	works(n, made, true)
}

// together lets the first look at the keys of all nodes find the same.
type together struct {
	waybell.Store
	first sync.Once
	all   *sync.WaitGroup
}

func (s *together) Keys(ctx context.Context, after string, limit int) ([]waybell.APIKey, error) {
	list, err := s.Store.Keys(ctx, after, limit)
	s.first.Do(func() {
		s.all.Done()
		s.all.Wait()
	})
	return list, err
}

// Of nodes that start at the same time one shows a key, and that one works.
func TestRootKeyOfManyNodes(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	const nodes = 5
	var looked, ended sync.WaitGroup
	looked.Add(nodes)
	made := make([]waybell.Secret, nodes)
	list := make([]*node, nodes)
	for i := range nodes {
		list[i] = start(t, func(c *waybell.Config) { c.Store = &configStore{Store: &together{Store: shared, all: &looked}} })
		ended.Go(func() {
			var err error
			if made[i], err = list[i].EnsureRootKey(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
	}
	ended.Wait()
	shown := 0
	for i, text := range made {
		if text == "" {
			continue
		}
		shown++
		if k, err := list[i].Authenticate(t.Context(), text.Reveal()); err != nil || !k.Root {
			t.Errorf("the key that was shown does not work: %v", err)
		}
	}
	if shown != 1 {
		t.Errorf("%d nodes showed a key", shown)
	}
	if working, err := shared.Keys(t.Context(), "", 10); err != nil || len(working) != 1 {
		t.Errorf("%d keys work, %v", len(working), err)
	}
}

func TestRootKeyRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key string
		ok  bool
	}{
		{strings.Repeat("x", 23), false}, {strings.Repeat("x", 24), true}, {strings.Repeat("~", 256), true}, {strings.Repeat("x", 257), false},
		{strings.Repeat("x", 24) + "\n", false}, {strings.Repeat("é", 24), false}, {strings.Repeat("x", 24) + "\x7f", false},
	} {
		n := start(t)
		_, err := n.EnsureRootKey(t.Context(), waybell.Secret(tc.key))
		if (err == nil) != tc.ok {
			t.Errorf("a key of %d bytes: %v", len(tc.key), err)
		}
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("the error %q shows the key", err)
		}
		if e, isOurs := errors.AsType[*waybell.Error](err); err != nil && (!isOurs || e.Code != waybell.CodeInvalid) {
			t.Errorf("got %v", err)
		}
	}
}
