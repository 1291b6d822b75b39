package waybell

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Scope is a right of an API key.
type Scope string

// The scopes. A write scope includes the read scope of the same noun, but for
// secrets, and admin includes everything. ScopeEndpointsWrite of an API key
// includes ScopeSecretsWrite; that of a portal session does not.
const (
	ScopeEventsWrite     Scope = "events:write"
	ScopeEndpointsRead   Scope = "endpoints:read"
	ScopeEndpointsWrite  Scope = "endpoints:write"
	ScopeDeliveriesRead  Scope = "deliveries:read"
	ScopeDeliveriesWrite Scope = "deliveries:write"
	ScopeSecretsRead     Scope = "secrets:read"  // reveal an endpoint's secret
	ScopeSecretsWrite    Scope = "secrets:write" // set, generate, rotate and remove it
	ScopeAdmin           Scope = "admin"
)

// APIKey is a key of the HTTP API. Only the SHA-256 of the key is stored.
type APIKey struct {
	ID        string
	Name      string
	Hash      [32]byte
	Scopes    []Scope
	AgentIDs  []string // only these agents; nil = all
	Root      bool     // the first key: made at the first start, or given by the configuration
	Version   int64
	CreatedAt time.Time
	RevokedAt time.Time // zero while it works
	// Session is what the caller really is where Authenticate was given the
	// token of a session: ID, Scopes and AgentIDs are the session's own. It is
	// nil for a key.
	Session *Session
}

// KeyInput is what a caller says about a new key.
type KeyInput struct {
	Name     string   // at most 200 characters
	Scopes   []Scope  // at least one
	AgentIDs []string // only these agents; nil = all
}

// Allows tells whether the key has a scope, or one that includes it.
func (k *APIKey) Allows(scope Scope) bool {
	for _, has := range k.Scopes {
		if has == scope || has == ScopeAdmin {
			return true
		}
		switch has {
		case ScopeEndpointsWrite:
			// Whoever may write an endpoint could always set its secret; the
			// capabilities of a portal session tell the two apart.
			if scope == ScopeSecretsWrite && k.Session == nil {
				return true
			}
		case ScopeSecretsWrite:
			continue // a new secret is no reason to show the present one
		}
		if noun, ok := strings.CutSuffix(string(has), ":write"); ok && string(scope) == noun+":read" {
			return true
		}
	}
	return false
}

// AllowsAgent tells whether the key may see the agent and what belongs to it.
func (k *APIKey) AllowsAgent(id string) bool {
	return k.AgentIDs == nil || slices.Contains(k.AgentIDs, id)
}

// valid tells whether s is one of the scopes.
func (s Scope) valid() bool {
	switch s {
	case ScopeEventsWrite, ScopeEndpointsRead, ScopeEndpointsWrite,
		ScopeDeliveriesRead, ScopeDeliveriesWrite, ScopeSecretsRead, ScopeSecretsWrite, ScopeAdmin:
		return true
	}
	return false
}

const (
	keyTextPrefix = "wb_"
	maxAPIKeyName = 200
	maxKeyAgents  = 250
	minRootKey    = 24
	maxKeyText    = 256
	newestKeys    = 2 * MaxNodeSlot
)

// newKeyText makes the text of a key or token: the prefix, for secret scanners,
// and 32 random bytes.
func newKeyText(prefix string) Secret {
	var raw [32]byte
	rand.Read(raw[:]) // never fails, see crypto/rand
	return Secret(prefix + base64.RawURLEncoding.EncodeToString(raw[:]))
}

// keyHash needs no salt and no slow hash: keys are random, or at least as long
// as the operator of the server made his own.
func keyHash(text string) [32]byte {
	var buf [maxKeyText]byte // spares each request an allocation
	return sha256.Sum256(append(buf[:0], text...))
}

// CreateKey makes a key and returns it with its text, shown this once: wb_ and
// 32 random bytes. Errors: CodeInvalid.
func (s *Service) CreateKey(ctx context.Context, in KeyInput) (APIKey, Secret, error) {
	if err := in.check(); err != nil {
		return APIKey{}, "", err
	}
	text := newKeyText(keyTextPrefix)
	k, err := s.store.CreateKey(ctx, APIKey{
		ID: newID(keyPrefix), Name: in.Name, Hash: keyHash(text.Reveal()),
		Scopes: uniq(in.Scopes), AgentIDs: uniq(in.AgentIDs), CreatedAt: clock(),
	})
	if err != nil {
		return APIKey{}, "", storeFailed("create key", err)
	}
	s.changed(ctx)
	return k, text, nil
}

// uniq is a copy with each value once, in order; nil stays nil.
func uniq[T comparable](in []T) []T {
	if in == nil {
		return nil
	}
	out := make([]T, 0, len(in))
	for _, v := range in {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (in KeyInput) check() error {
	var p problems
	p.name(in.Name, 0, maxAPIKeyName)
	if len(in.Scopes) == 0 {
		p.add("body.scopes", "is required: at least one")
	}
	for i, scope := range in.Scopes {
		if !scope.valid() {
			p.addValue(fmt.Sprintf("body.scopes[%d]", i), string(scope), "is no scope")
		}
	}
	switch {
	case in.AgentIDs != nil && len(in.AgentIDs) == 0:
		p.add("body.agent_ids", "must name at least one agent, or be left out for all")
	case len(in.AgentIDs) > maxKeyAgents:
		p.add("body.agent_ids", "has %d agents; at most %d are allowed", len(in.AgentIDs), maxKeyAgents)
	case len(in.AgentIDs) > 0 && slices.Contains(in.Scopes, ScopeAdmin):
		// Such a key could make itself one for all agents.
		p.add("body.agent_ids", "must be left out with the scope admin, which is for all agents")
	default:
		for i, id := range in.AgentIDs {
			if !validAgentID(id) {
				p.addValue(fmt.Sprintf("body.agent_ids[%d]", i), id, "is no agent id")
			}
		}
	}
	return p.err("the key")
}

// Keys lists the working keys, newest first; CodeInvalid for a bad limit or
// cursor.
func (s *Service) Keys(ctx context.Context, q ListQuery) (Page[APIKey], error) {
	limit, after, err := q.check("keys")
	if err != nil {
		return Page[APIKey]{}, err
	}
	rows, err := s.store.Keys(ctx, after, limit+1)
	switch {
	case errors.Is(err, ErrNotFound):
		return Page[APIKey]{}, badCursor()
	case err != nil:
		return Page[APIKey]{}, storeFailed("keys", err)
	}
	return cutPage(rows, limit, func(k *APIKey) string { return listCursor("keys", k.ID) }), nil
}

// RevokeKey ends a key and the sessions made with it, at once on this node and
// within 5 s on all others; CodeKeyNotFound.
func (s *Service) RevokeKey(ctx context.Context, id string) error {
	err := s.store.RevokeKey(ctx, id, clock())
	switch {
	case errors.Is(err, ErrNotFound):
		return errorf(CodeKeyNotFound, "there is no key %.80q", id)
	case err != nil:
		return storeFailed("revoke key", err)
	}
	// Before the store is asked what changed: that may fail.
	s.dir.dropKey(id)
	s.changed(ctx)
	return nil
}

func (d *directory) dropKey(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.keys, func(_ [32]byte, k *APIKey) bool { return k.ID == id })
	delete(d.keyIDs, id)
}

// Authenticate finds the working key with this text, or the session with this
// token; CodeUnauthorized, and CodeUnavailable where the store would have to tell
// and does not answer. Keys are compared by
// their hash, so that the time taken tells nothing about a key, and found
// without the store. What is returned is shared: it must not be changed.
func (s *Service) Authenticate(ctx context.Context, key string) (*APIKey, error) {
	if key != "" && len(key) <= maxKeyText {
		hash := keyHash(key)
		s.dir.mu.RLock()
		k := s.dir.keys[hash]
		s.dir.mu.RUnlock()
		if k != nil && subtle.ConstantTimeCompare(k.Hash[:], hash[:]) == 1 {
			if !s.knowsKeys() { // another node may have revoked it
				return nil, &Error{Code: CodeUnavailable, Message: "the store does not answer; try again", RetryAfter: 5 * time.Second}
			}
			return k, nil
		}
		if strings.HasPrefix(key, tokenTextPrefix) {
			return s.authenticateSession(ctx, hash)
		}
	}
	return nil, unauthorized()
}

func unauthorized() *Error {
	return errorf(CodeUnauthorized, "no key was given, or it does not work")
}

// EnsureRootKey sees to it that somebody can use the API. A configured key
// ([ValidRootKey]) becomes the only root key, and so replaces one of an earlier
// start. Without one, and where no key works, a root key is made and returned,
// once: of any number of nodes that start at the same time one gets it.
func (s *Service) EnsureRootKey(ctx context.Context, configured Secret) (made Secret, err error) {
	if configured == "" {
		made, err = s.makeRootKey(ctx)
	} else if !ValidRootKey(configured) {
		return "", errorf(CodeInvalid, "the API key must have %d to %d printable characters without blanks", minRootKey, maxKeyText)
	} else {
		err = s.store.ReplaceRootKey(ctx, rootKey(configured))
	}
	switch {
	case errors.Is(err, ErrExists):
		return "", errorf(CodeInvalid, "the API key works already as another key than the root key")
	case err != nil:
		return "", storeFailed("root key", err)
	}
	if err := s.refresh(ctx); err != nil {
		return "", storeFailed("root key", err)
	}
	return made, nil
}

func rootKey(text Secret) APIKey {
	return APIKey{
		ID: newID(keyPrefix), Name: "root", Hash: keyHash(text.Reveal()),
		Scopes: []Scope{ScopeAdmin}, Root: true, CreatedAt: clock(),
	}
}

// makeRootKey makes a root key where no key works. Nodes that find none at the
// same time make one each, and keep the one with the lowest version: versions
// rise in the order of the commits, so whoever looks after its own commit sees
// every lower one.
func (s *Service) makeRootKey(ctx context.Context) (Secret, error) {
	switch working, err := s.store.Keys(ctx, "", 1); {
	case err != nil:
		return "", err
	case len(working) > 0:
		return "", nil
	}
	text := newKeyText(keyTextPrefix)
	own, err := s.store.CreateKey(ctx, rootKey(text))
	if err != nil {
		return "", err
	}
	first, err := s.firstRootKey(ctx)
	if err == nil && first == own.ID {
		return text, nil
	}
	// Another node's key is shown, or this one cannot be: nobody knows it.
	if revoked := s.store.RevokeKey(ctx, own.ID, clock()); !errors.Is(revoked, ErrNotFound) {
		err = errors.Join(err, revoked)
	}
	return "", err
}

// firstRootKey is the id of the working root key with the lowest version, or "":
// of the newest keys, among which those are that nodes make at the same time.
func (s *Service) firstRootKey(ctx context.Context) (string, error) {
	newest, err := s.store.Keys(ctx, "", newestKeys)
	first := APIKey{}
	for _, k := range newest {
		if k.Root && (first.ID == "" || k.Version < first.Version) {
			first = k
		}
	}
	return first.ID, err
}

// ValidRootKey tells whether a text can be a root key: 24–256 printable ASCII
// characters, which can be sent as a bearer token without quoting.
func ValidRootKey(key Secret) bool {
	return len(key) >= minRootKey && len(key) <= maxKeyText &&
		!strings.ContainsFunc(key.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' })
}
