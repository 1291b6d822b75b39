package waybell

import "context"

// EndpointInput is what a caller says about an endpoint: all of a new one, or
// a merge patch of an existing one.
type EndpointInput struct {
	URL         Optional[string] // required for a new endpoint
	Description Optional[string] // at most 500 characters
	Enabled     Optional[bool]   // default true
	// Events are types by name or alias, or "*" alone; empty triggers nothing.
	Events  Optional[[]string]
	Profile Optional[string] // default: the agent's
	Method  Optional[string] // POST (default) or PUT
	// TimeoutSeconds is for the whole request: 1–120, default 30.
	TimeoutSeconds Optional[int]
	// Headers replace all custom headers. The mask as a value keeps the stored
	// value of the header with this name.
	Headers         Optional[[]HeaderInput]
	Format          Optional[string] // default: the profile's
	IncludeMessages Optional[bool]   // default: the profile's
	StandardHeaders Optional[bool]   // default true; false for legacy formats only
	Retry           Optional[RetryInput]
	RateLimit       Optional[float64] // requests per second, over 0 to 10,000; null = none
	Concurrency     Optional[int]     // attempts at once, 1–1,000; null = the default

	// Secret replaces the signing secret at once; null removes it.
	Secret Optional[Secret]
	// GenerateSecret makes a new secret of this kind instead; "" = none.
	GenerateSecret SecretKind
}

// HeaderInput is a custom header as the caller gives it.
type HeaderInput struct {
	Name  string
	Value Secret
}

// RetryInput overrides a retry policy in part.
type RetryInput struct {
	Policy          Optional[string] // null = the profile's
	ScheduleSeconds Optional[[]int]  // 0–50 waits of 1–86,400; null = the policy's
	WindowSeconds   Optional[int]    // 1–604,800; null = the policy's
}

// SecretKind is a kind of generated secret.
type SecretKind string

// The kinds of generated secrets.
const (
	SecretNone      SecretKind = ""
	SecretSymmetric SecretKind = "symmetric" // whsec_…, for every format
	SecretEd25519   SecretKind = "ed25519"   // whsk_…, for the standard format
)

// Warning is a word for something an endpoint's owner should know; nothing is
// refused because of it.
type Warning string

// The warnings.
const (
	WarningNoEvents   Warning = "no_events_selected"
	WarningWeakSecret Warning = "weak_secret" // below 24 bytes
	WarningNotHTTPS   Warning = "not_https"
)

// EndpointResult is an endpoint as it was stored.
type EndpointResult struct {
	Endpoint Endpoint
	Warnings []Warning
	// Secret is the generated secret, shown this once; "" when none was asked for.
	Secret Secret
}

// CreateEndpoint subscribes a URL to events of an agent. Errors: CodeInvalid,
// CodeInvalidURL, CodeTargetNotAllowed, CodeUnknownEventType,
// CodeEventNotAvailable, CodeAgentNotFound, CodeTooManyEndpoints.
func (s *Service) CreateEndpoint(ctx context.Context, agentID string, in EndpointInput) (EndpointResult, error) {
	panic("pending")
}

// UpdateEndpoint changes what is given in the patch. ifMatch is the version
// that must be changed, 0 = any. Enabled=false cancels what waits; true makes
// the endpoint active again. Errors: those of [Service.CreateEndpoint],
// CodeEndpointNotFound and CodePreconditionFailed.
func (s *Service) UpdateEndpoint(ctx context.Context, agentID, id string, patch EndpointInput, ifMatch int64) (EndpointResult, error) {
	panic("pending")
}
