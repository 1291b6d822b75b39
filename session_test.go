package waybell_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
)

// sessionStore is a real store that counts and fails what sessions need.
type sessionStore struct {
	waybell.Store

	mu    sync.Mutex
	calls map[string]int
	fault error         // instead of each call
	gate  chan struct{} // when set, a look-up waits for it after it has read
}

func (s *sessionStore) call(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	return s.fault
}

func (s *sessionStore) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

func (s *sessionStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func (s *sessionStore) ExchangeSession(ctx context.Context, x waybell.SessionExchange) (waybell.Session, error) {
	if err := s.call("ExchangeSession"); err != nil {
		return waybell.Session{}, err
	}
	return s.Store.ExchangeSession(ctx, x)
}

func (s *sessionStore) SessionByToken(ctx context.Context, hash [32]byte, now time.Time) (waybell.Session, error) {
	if err := s.call("SessionByToken"); err != nil {
		return waybell.Session{}, err
	}
	v, err := s.Store.SessionByToken(ctx, hash, now)
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return v, err
}

func (s *sessionStore) Setting(ctx context.Context, name string) ([]byte, error) {
	if err := s.call("Setting"); err != nil {
		return nil, err
	}
	return s.Store.Setting(ctx, name)
}

func withSessions(s *sessionStore) func(*waybell.Config) {
	s.calls = map[string]int{}
	return func(c *waybell.Config) { s.Store, c.Store = c.Store, s }
}

// second is another node on the rig's store.
func (r *rig) second() *waybell.Service {
	r.t.Helper()
	n, err := waybell.New(waybell.Config{
		Store: r.store, EncryptionKeys: []waybell.Secret{testKey}, Logger: slog.New(slog.DiscardHandler), Resolver: public{},
	})
	if err == nil {
		err = n.Start(r.ctx)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := n.Stop(context.WithoutCancel(r.ctx)); err != nil {
			r.t.Error(err)
		}
	})
	return n
}

// portal makes and exchanges a session of the rig's agent.
func (r *rig) portal(by *waybell.APIKey, in waybell.PortalInput) (*waybell.APIKey, waybell.Secret) {
	r.t.Helper()
	_, key, err := r.svc.CreatePortalSession(r.ctx, by, "bot", in)
	if err != nil {
		r.t.Fatal(err)
	}
	caller, token, err := r.svc.ExchangeSession(r.ctx, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return caller, token
}

// works tells whether a token works on a node; any other error than that it
// does not is one.
func works(t *testing.T, n *waybell.Service, token waybell.Secret) bool {
	t.Helper()
	_, err := n.Authenticate(t.Context(), token.Reveal())
	if err != nil && waybell.ErrorCode(err) != waybell.CodeUnauthorized {
		t.Error(err)
	}
	return err == nil
}

// TestSessionEnds goes through everything that ends a session, with the time it
// takes on this node and on another.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end          func(r *rig, caller *waybell.APIKey, key waybell.APIKey) error
		here, others time.Duration
	}{
		"its time": {func(*rig, *waybell.APIKey, waybell.APIKey) error { time.Sleep(time.Minute); return nil }, 0, 0},
		"signed out": {func(r *rig, caller *waybell.APIKey, _ waybell.APIKey) error {
			return r.svc.EndSession(r.ctx, caller.ID)
		}, 0, 5 * time.Second},
		"its agent is deleted": {func(r *rig, _ *waybell.APIKey, _ waybell.APIKey) error {
			return r.svc.DeleteAgent(r.ctx, "bot", 0)
		}, 0, 0}, // after the other node's directory has it
		"its agent is another": {func(r *rig, _ *waybell.APIKey, _ waybell.APIKey) error {
			err := r.svc.DeleteAgent(r.ctx, "bot", 0)
			r.agent("standard")
			return err
		}, 0, 0},
		"its key is revoked": {func(r *rig, _ *waybell.APIKey, key waybell.APIKey) error {
			return r.svc.RevokeKey(r.ctx, key.ID)
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.agent("standard")
				key, _, err := r.svc.CreateKey(r.ctx, waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}})
				if err != nil {
					t.Fatal(err)
				}
				other := r.second()
				caller, token := r.portal(&key, waybell.PortalInput{TTLSeconds: waybell.Some(60)})
				if caller.Session == nil || caller.ID != caller.Session.ID || !slices.Equal(caller.AgentIDs, []string{"bot"}) {
					t.Fatalf("%+v", caller)
				}
				if !works(t, r.svc, token) || !works(t, other, token) {
					t.Fatal("a new session does not work")
				}
				if err := tt.end(r, caller, key); err != nil {
					t.Fatal(err)
				}
				if err := other.Refresh(r.ctx); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.here)
				if works(t, r.svc, token) {
					t.Error("it works on this node")
				}
				time.Sleep(tt.others - tt.here)
				if works(t, other, token) {
					t.Error("it works on another node")
				}
			})
		})
	}
}

// TestOneTimeKeyEnds: 60 seconds, 15 minutes for the server's own, to the
// moment, and once.
func TestOneTimeKeyEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		atStart bool
		life    time.Duration
	}{{false, time.Minute}, {true, 15 * time.Minute}} {
		for _, early := range []time.Duration{time.Microsecond, 0} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				made, key, err := r.svc.CreateConsoleSession(r.ctx, nil, waybell.ConsoleInput{AtStart: tt.atStart})
				if err != nil || made.EndsAt.Sub(made.CreatedAt) != tt.life || made.Kind() != waybell.SessionConsole {
					t.Fatalf("%+v, %v", made, err)
				}
				time.Sleep(tt.life - early)
				caller, token, err := r.svc.ExchangeSession(r.ctx, key)
				if early == 0 {
					wantCode(t, err, waybell.CodeSessionKeyInvalid)
					return
				}
				if err != nil || !caller.Allows(waybell.ScopeAdmin) || caller.AgentIDs != nil || caller.Session.EndsAt.Sub(time.Now().UTC()) != 12*time.Hour {
					t.Fatalf("%+v, %v", caller, err)
				}
				_, _, err = r.svc.ExchangeSession(r.ctx, key)
				wantCode(t, err, waybell.CodeSessionKeyInvalid)
				time.Sleep(12*time.Hour - time.Microsecond)
				if !works(t, r.svc, token) {
					t.Error("it ended early")
				}
				time.Sleep(time.Microsecond)
				if works(t, r.svc, token) {
					t.Error("it ended late")
				}
			})
		}
	}
}

// TestExchangeRestsOnAgentAndKey: what a link rests on may be gone before it is
// opened.
func TestExchangeRestsOnAgentAndKey(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	admin, _, err := n.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeAdmin}})
	if err != nil {
		t.Fatal(err)
	}
	_, first, err := n.CreatePortalSession(t.Context(), &admin, "a", waybell.PortalInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := n.CreateConsoleSession(t.Context(), &admin, waybell.ConsoleInput{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.DeleteAgent(t.Context(), "a", 0), n.RevokeKey(t.Context(), admin.ID)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []waybell.Secret{first, second} {
		_, _, err := n.ExchangeSession(t.Context(), key)
		wantCode(t, err, waybell.CodeSessionKeyInvalid)
	}
}

// TestSessionReads: a session in use is read from the store every 5 s, one that
// has ended here is not kept by a look-up that began before.
func TestSessionReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &sessionStore{}
		r := newRig(t, nil, withSessions(store))
		r.agent("standard")
		caller, token := r.portal(nil, waybell.PortalInput{})
		for range 100 {
			if !works(t, r.svc, token) {
				t.Fatal("it does not work")
			}
		}
		if n := store.count("SessionByToken"); n != 1 {
			t.Errorf("%d look-ups within 5 s", n)
		}
		time.Sleep(5 * time.Second)
		works(t, r.svc, token)
		if n := store.count("SessionByToken"); n != 2 {
			t.Errorf("%d look-ups after 5 s", n)
		}
		// The store is down: who was read lately goes on, others are told so.
		store.fail(waybell.ErrUnavailable)
		if !works(t, r.svc, token) {
			t.Error("it needs the store")
		}
		time.Sleep(5 * time.Second)
		_, err := r.svc.Authenticate(r.ctx, token.Reveal())
		wantCode(t, err, waybell.CodeUnavailable)
		store.fail(nil)

		// A look-up that has read the session waits while it is ended.
		store.mu.Lock()
		store.gate = make(chan struct{})
		store.mu.Unlock()
		var late sync.WaitGroup
		late.Go(func() { works(t, r.svc, token) })
		synctest.Wait()
		if err := r.svc.EndSession(r.ctx, caller.ID); err != nil {
			t.Fatal(err)
		}
		close(store.gate)
		late.Wait()
		if works(t, r.svc, token) {
			t.Error("an ended session works on the node that ended it")
		}
		if err := r.svc.EndSession(r.ctx, caller.ID); err != nil {
			t.Error("ended twice:", err)
		}
	})
}

// TestStrangersWait: made-up tokens get few of the store's readers at once,
// however many come, and a session in use does not wait behind them.
func TestStrangersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &sessionStore{}
		r := newRig(t, nil, withSessions(store))
		r.agent("standard")
		_, token := r.portal(nil, waybell.PortalInput{})
		works(t, r.svc, token)
		time.Sleep(5 * time.Second) // it has to be read again
		gate := make(chan struct{})
		store.mu.Lock()
		store.gate = gate
		store.mu.Unlock()
		before := store.count("SessionByToken")
		ctx, gone := context.WithCancel(r.ctx)
		var strangers sync.WaitGroup
		for i := range 20 {
			strangers.Go(func() {
				_, err := r.svc.Authenticate(ctx, fmt.Sprintf("wbs_%043d", i))
				wantCode(t, err, waybell.CodeUnauthorized)
			})
		}
		synctest.Wait()
		if n := store.count("SessionByToken") - before; n != 2 {
			t.Errorf("%d strangers are looked up at once", n)
		}
		store.mu.Lock()
		store.gate = nil
		store.mu.Unlock()
		if !works(t, r.svc, token) {
			t.Error("it does not work")
		}
		gone() // they give up
		synctest.Wait()
		close(gate)
		strangers.Wait()
		for _, bad := range []waybell.Secret{"", "wbo_", "wbs_x", waybell.Secret("wbo_" + strings.Repeat("x", 100_000))} {
			_, _, err := r.svc.ExchangeSession(r.ctx, bad)
			wantCode(t, err, waybell.CodeSessionKeyInvalid)
		}
		if n := store.count("ExchangeSession"); n != 1 {
			t.Errorf("%d of them reached the store", n-1)
		}
	})
}

// TestSessionsSwept: what has ended goes by itself, and the limit counts only
// what lives.
func TestSessionsSwept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(c *waybell.Config) { c.Limits.SessionsPerAgent = 2 })
		r.agent("standard")
		var ids []string
		for range 3 {
			made, _, err := r.svc.CreatePortalSession(r.ctx, nil, "bot", waybell.PortalInput{})
			if len(ids) == 2 {
				wantCode(t, err, waybell.CodeTooManySessions)
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, made.ID)
		}
		time.Sleep(time.Minute)
		caller, _ := r.portal(nil, waybell.PortalInput{})
		time.Sleep(10 * time.Minute)
		for _, id := range ids {
			if err := r.store.EndSession(r.ctx, id); !errors.Is(err, waybell.ErrNotFound) {
				t.Errorf("%s is still there: %v", id, err)
			}
		}
		if err := r.store.EndSession(r.ctx, caller.ID); err != nil {
			t.Error("a living session was swept:", err)
		}
	})
}

// TestKeysNeedNoStore: finding an API key, as for each publish, allocates
// nothing and asks nobody.
func TestKeysNeedNoStore(t *testing.T) {
	n := start(t) // not parallel: it counts allocations
	ctx := t.Context()
	_, text, err := n.CreateKey(ctx, waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeEventsWrite}})
	if err != nil {
		t.Fatal(err)
	}
	const like = "wbs_-an-api-key-that-looks-like-a-token"
	if _, err := n.EnsureRootKey(ctx, like); err != nil {
		t.Fatal(err)
	}
	n.store.setFault(func(method string) error { return fmt.Errorf("%s was called", method) })
	for _, key := range []string{text.Reveal(), like} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := n.Authenticate(ctx, key); err != nil {
				t.Error(err)
			}
		})
		if allocs > 0 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

// TestSessionMakers: who may make what, also for programs that use the library.
func TestSessionMakers(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	mustAgent(t, n, "b")
	reader := &waybell.APIKey{ID: "key_r", Scopes: []waybell.Scope{waybell.ScopeEndpointsRead, waybell.ScopeDeliveriesRead}, AgentIDs: []string{"a"}}
	portal := &waybell.APIKey{ID: "ses_p", Scopes: []waybell.Scope{waybell.ScopeAdmin}, Session: &waybell.Session{Agent: 1}}
	view := waybell.PortalInput{Capabilities: waybell.Some([]waybell.Capability{})}
	for name, tt := range map[string]struct {
		by    *waybell.APIKey
		agent string
		in    waybell.PortalInput
		code  waybell.Code
	}{
		"the program":                   {nil, "b", waybell.PortalInput{}, ""},
		"a key":                         {reader, "a", view, ""},
		"more than it has":              {reader, "a", waybell.PortalInput{}, waybell.CodeForbidden},
		"an agent it does not see":      {reader, "b", view, waybell.CodeAgentNotFound},
		"no agent":                      {nil, "c", view, waybell.CodeAgentNotFound},
		"a portal session, whatever it": {portal, "a", view, waybell.CodeForbidden},
	} {
		_, _, err := n.CreatePortalSession(ctx, tt.by, tt.agent, tt.in)
		if tt.code != "" {
			wantCode(t, err, tt.code)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := n.CreateConsoleSession(ctx, reader, waybell.ConsoleInput{})
	wantCode(t, err, waybell.CodeForbidden)
}

// TestBrandingIsCached: anybody may ask for it, the store is read every 5 s and
// not needed for the last one known.
func TestBrandingIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &sessionStore{}
		r := newRig(t, nil, withSessions(store))
		other := r.second()
		name := func(n *waybell.Service) string {
			b, err := n.Branding(r.ctx)
			if err != nil {
				t.Error(err)
			}
			return b.Name
		}
		for range 100 {
			name(r.svc)
		}
		if n := store.count("Setting"); n != 1 {
			t.Errorf("%d reads within 5 s", n)
		}
		name(other)
		if _, err := other.SetBranding(r.ctx, waybell.BrandingInput{Name: waybell.Some("Acme")}); err != nil {
			t.Fatal(err)
		}
		if name(other) != "Acme" {
			t.Error("the node that changed it does not show it")
		}
		time.Sleep(5 * time.Second)
		if name(r.svc) != "Acme" {
			t.Error("another node does not show it after 5 s")
		}
		store.fail(waybell.ErrUnavailable)
		time.Sleep(time.Minute)
		before := store.count("Setting")
		for range 100 {
			if name(r.svc) != "Acme" {
				t.Error("without the store it is forgotten")
			}
		}
		if n := store.count("Setting") - before; n != 1 {
			t.Errorf("a store that is away was asked %d times", n)
		}
		_, err := r.svc.SetBranding(r.ctx, waybell.BrandingInput{})
		wantCode(t, err, waybell.CodeUnavailable)
	})
}
