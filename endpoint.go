package waybell

import (
	"context"
	"time"
)

// EndpointNumber is an endpoint's internal number, 1 to 2^32-1, given by the
// store and never used again.
type EndpointNumber uint32

// EndpointState says what happens to an endpoint's deliveries.
type EndpointState uint8

// The states of an endpoint.
const (
	EndpointActive    EndpointState = iota // deliveries are sent
	EndpointDisabled                       // enabled=false: no target of new events, waiting deliveries canceled
	EndpointPaused                         // by the owner: deliveries are held
	EndpointSuspended                      // by the system, with a reason: deliveries are held
	EndpointDeleted                        // gone; kept for the log until retention
)

// String is the word used in the API, the log and the screens.
func (s EndpointState) String() string {
	return [...]string{"active", "disabled", "paused", "suspended", "deleted"}[s]
}

// Header is a custom header of an endpoint. Its value is a secret.
type Header struct {
	Name  string
	Value Secret
}

// EndpointSecret is a signing secret: whsec_…, whsk_… or any text of 8–256
// characters.
type EndpointSecret struct {
	Value     Secret
	CreatedAt time.Time
	ExpiresAt time.Time // zero for the current one; an old one signs until then
}

// RetrySettings overrides a retry policy for one endpoint.
type RetrySettings struct {
	Policy   string          // standard, chatzuri, chatislav or configured
	Schedule []time.Duration // wait after each attempt's end; nil = the policy's, empty = one attempt
	Window   time.Duration   // 0 = the policy's
}

// Endpoint is a URL that an agent's owner subscribed.
type Endpoint struct {
	Number      EndpointNumber
	ID          string
	Agent       AgentNumber
	AgentID     string
	URL         string // canonical, as egress made it
	Description string
	Enabled     bool
	Events      []string // canonical types, or "*" alone for all, now and later
	Profile     string
	Method      string        // POST or PUT
	Timeout     time.Duration // whole request, 1 s to 120 s
	Headers     []Header      // stored only inside Sealed

	Format          string
	IncludeMessages bool
	StandardHeaders bool // the three webhook-* headers
	Retry           RetrySettings
	RateLimit       float64 // requests per second, 0 = none
	Concurrency     int     // attempts at once, 0 = the default

	Secrets []EndpointSecret // the current first; stored only inside Sealed
	Sealed  []byte           // Headers and Secrets, encrypted; the store writes this, never the plain ones

	State       EndpointState
	StateReason string    // why the system suspended it
	StateSince  time.Time // since when it is in State
	// Held is the time this endpoint was held in all, up to the last resume.
	// The window of a delivery stands still while its endpoint is held: windows
	// are kept in "unheld" time, see heldUntil.
	Held time.Duration
	// CancelUpTo cancels what waits: every waiting row entered at or before it
	// counts as canceled, at once; the rows follow in pieces.
	CancelUpTo Key
	// DrainUpTo is the resume mark: waiting rows entered at or before it are
	// sent oldest first.
	DrainUpTo Key

	Version   int64 // configuration version of the last change; the ETag
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt time.Time // zero while it exists
}

// IsHeld tells whether the endpoint's deliveries are held.
func (e *Endpoint) IsHeld() bool {
	return e.State == EndpointPaused || e.State == EndpointSuspended
}

// heldUntil is how long the endpoint was held in all up to now. A window that
// ends at E for a row entered at t is kept as E - heldUntil(t), and lies at
// kept + heldUntil(now) at any later time: no row changes on pause or resume.
func (e *Endpoint) heldUntil(now time.Time) time.Duration {
	if e.IsHeld() && now.After(e.StateSince) {
		return e.Held + now.Sub(e.StateSince)
	}
	return e.Held
}

// Signed tells whether the endpoint's requests carry a signature.
func (e *Endpoint) Signed() bool { return len(e.Secrets) > 0 }

// Warnings are computed from the endpoint as it is.
func (e *Endpoint) Warnings() []Warning { panic("pending") }

// Endpoint finds an endpoint of an agent. Errors: CodeAgentNotFound,
// CodeEndpointNotFound.
func (s *Service) Endpoint(ctx context.Context, agentID, id string) (Endpoint, error) {
	panic("pending")
}

// Endpoints lists an agent's endpoints, newest first. Errors:
// CodeAgentNotFound, CodeInvalid for a bad limit or cursor.
func (s *Service) Endpoints(ctx context.Context, agentID string, q ListQuery) (Page[Endpoint], error) {
	panic("pending")
}

// EffectiveRetry is an endpoint's retry settings with what it leaves to its
// policy filled in.
func (s *Service) EffectiveRetry(e *Endpoint) RetrySettings { panic("pending") }
