package waybell

import (
	"context"
	"time"
)

// Scope is a right of an API key.
type Scope string

// The scopes. A write scope includes the read scope of the same noun; admin
// includes everything.
const (
	ScopeEventsWrite     Scope = "events:write"
	ScopeEndpointsRead   Scope = "endpoints:read"
	ScopeEndpointsWrite  Scope = "endpoints:write"
	ScopeDeliveriesRead  Scope = "deliveries:read"
	ScopeDeliveriesWrite Scope = "deliveries:write"
	ScopeSecretsRead     Scope = "secrets:read"
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
}

// KeyInput is what a caller says about a new key.
type KeyInput struct {
	Name     string   // at most 200 characters
	Scopes   []Scope  // at least one
	AgentIDs []string // only these agents; nil = all
}

// Allows tells whether the key has a scope.
func (k *APIKey) Allows(scope Scope) bool { panic("pending") }

// AllowsAgent tells whether the key may see the agent and what belongs to it.
func (k *APIKey) AllowsAgent(id string) bool { panic("pending") }

// CreateKey makes a key and returns it with its text, shown this once: wb_ and
// 32 random bytes. Errors: CodeInvalid.
func (s *Service) CreateKey(ctx context.Context, in KeyInput) (APIKey, Secret, error) {
	panic("pending")
}

// Keys lists the working keys, newest first; CodeInvalid for a bad limit or
// cursor.
func (s *Service) Keys(ctx context.Context, q ListQuery) (Page[APIKey], error) { panic("pending") }

// RevokeKey ends a key, at once on this node and within 5 s on all others;
// CodeKeyNotFound.
func (s *Service) RevokeKey(ctx context.Context, id string) error { panic("pending") }

// Authenticate finds the working key with this text; CodeUnauthorized. The key
// returned is shared: it must not be changed.
func (s *Service) Authenticate(ctx context.Context, key string) (*APIKey, error) { panic("pending") }

// EnsureRootKey sees to it that somebody can use the API. A configured key of
// 24–256 printable ASCII characters becomes the only root key, and so replaces
// one of an earlier start. Without one, and where no key works, a root key is
// made and returned, once.
func (s *Service) EnsureRootKey(ctx context.Context, configured Secret) (made Secret, err error) {
	panic("pending")
}
