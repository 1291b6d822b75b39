package waybell

import "time"

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
