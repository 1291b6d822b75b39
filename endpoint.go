package waybell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybell/waybell/internal/keyring"
	"github.com/waybell/waybell/internal/retry"
	"github.com/waybell/waybell/signature"
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
	EndpointDeleted                        // gone; its row stays, as the log names it
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
	RateLimit       float64 // requests per second over all nodes, 0 = none
	Concurrency     int     // attempts at once over all nodes, 0 = the default, of each node

	Secrets []EndpointSecret // the current first; stored only inside Sealed
	// Sealed has Headers and Secrets, encrypted: the store writes this, never the plain
	// ones. Who lists endpoints sees it only of those that this node cannot decrypt.
	Sealed []byte

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
func (e *Endpoint) Warnings() []Warning {
	var w []Warning
	if len(e.Events) == 0 {
		w = append(w, WarningNoEvents)
	}
	if len(e.Secrets) > 0 {
		if secret, err := signature.ParseSecret(e.Secrets[0].Value.Reveal()); err == nil && secret.Weak() {
			w = append(w, WarningWeakSecret)
		}
	}
	if !strings.HasPrefix(e.URL, "https:") {
		w = append(w, WarningNotHTTPS)
	}
	return w
}

// clone shares nothing with e, so that a caller may do with it what he likes.
func (e *Endpoint) clone() Endpoint {
	c := *e
	c.Events = slices.Clone(e.Events)
	c.Headers = slices.Clone(e.Headers)
	c.Secrets = slices.Clone(e.Secrets)
	c.Retry.Schedule = slices.Clone(e.Retry.Schedule)
	c.Sealed = nil
	return c
}

// over is a policy with these settings in place of its own.
func (r RetrySettings) over(p retry.Policy) retry.Policy {
	if r.Schedule != nil {
		p.Schedule = r.Schedule
	}
	if r.Window != 0 {
		p.Window = r.Window
	}
	return p
}

// EffectiveRetry is an endpoint's retry settings with what it leaves to its
// policy filled in.
func (s *Service) EffectiveRetry(e *Endpoint) RetrySettings {
	p, _ := s.dir.formats.Policy(e.Retry.Policy)
	p = e.Retry.over(p)
	return RetrySettings{Policy: e.Retry.Policy, Schedule: slices.Clone(p.Schedule), Window: p.Window}
}

// sealedEndpoint is what Endpoint.Sealed holds, as JSON.
type sealedEndpoint struct {
	Headers []sealedHeader `json:"headers,omitempty"`
	Secrets []sealedSecret `json:"secrets,omitempty"`
}

type sealedHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type sealedSecret struct {
	Value     string    `json:"value"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// place binds what is sealed to the row. The id serves, as the number is not
// known before the row is written; ids are never used again either.
func (e *Endpoint) place() keyring.Place {
	return keyring.Place{Table: "endpoints", Row: e.ID, Column: "sealed"}
}

// seal makes Sealed from Headers and Secrets, nothing from nothing.
func (e *Endpoint) seal(ring *keyring.Ring) error {
	e.Sealed = nil
	if len(e.Headers) == 0 && len(e.Secrets) == 0 {
		return nil
	}
	var doc sealedEndpoint
	for _, h := range e.Headers {
		doc.Headers = append(doc.Headers, sealedHeader{h.Name, h.Value.Reveal()})
	}
	for _, secret := range e.Secrets {
		doc.Secrets = append(doc.Secrets, sealedSecret{secret.Value.Reveal(), secret.CreatedAt, secret.ExpiresAt})
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	e.Sealed = ring.Seal(plain, e.place())
	return nil
}

// open makes Headers and Secrets from Sealed.
func (e *Endpoint) open(ring *keyring.Ring) error {
	e.Headers, e.Secrets = nil, nil
	if len(e.Sealed) == 0 {
		return nil
	}
	plain, err := ring.Open(e.Sealed, e.place())
	if err != nil {
		return fmt.Errorf("its secrets: %w", err)
	}
	var doc sealedEndpoint
	if err := json.Unmarshal(plain, &doc); err != nil {
		// The cause would quote the secrets.
		return errors.New("its secrets: the decrypted document is malformed")
	}
	for _, h := range doc.Headers {
		e.Headers = append(e.Headers, Header{h.Name, Secret(h.Value)})
	}
	for _, secret := range doc.Secrets {
		e.Secrets = append(e.Secrets, EndpointSecret{Secret(secret.Value), secret.CreatedAt, secret.ExpiresAt})
	}
	return nil
}

// Endpoint finds an endpoint of an agent. Errors: CodeAgentNotFound,
// CodeEndpointNotFound, CodeUnavailable where this node lacks its encryption key.
func (s *Service) Endpoint(ctx context.Context, agentID, id string) (Endpoint, error) {
	_, e, err := s.findEndpoint(ctx, agentID, id)
	if err != nil {
		return Endpoint{}, err
	}
	return e.clone(), nil
}

// Endpoints lists an agent's endpoints, newest first; those that this node cannot
// decrypt without headers and secrets, but with what is Sealed. Errors:
// CodeAgentNotFound, CodeInvalid for a bad limit or cursor.
func (s *Service) Endpoints(ctx context.Context, agentID string, q ListQuery) (Page[Endpoint], error) {
	limit, after, err := q.numbers("endpoints")
	if err != nil {
		return Page[Endpoint]{}, err
	}
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return Page[Endpoint]{}, err
	}
	rows, err := s.store.Endpoints(ctx, a.Number, PageQuery{After: after, Limit: limit + 1})
	if err != nil {
		return Page[Endpoint]{}, storeFailed("endpoints", err)
	}
	for i := range rows {
		if rows[i].open(s.dir.ring) == nil { // else the list is without its headers and secrets
			rows[i].Sealed = nil
		}
	}
	return cutPage(rows, limit, func(e *Endpoint) string {
		return listCursor("endpoints", strconv.FormatUint(uint64(e.Number), 10))
	}), nil
}

// findEndpoint reads an endpoint and its agent as they are stored, secrets
// opened.
func (s *Service) findEndpoint(ctx context.Context, agentID, id string) (Agent, Endpoint, error) {
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return Agent{}, Endpoint{}, err
	}
	e, err := s.store.Endpoint(ctx, a.Number, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Agent{}, Endpoint{}, noEndpoint(id)
	case err != nil:
		return Agent{}, Endpoint{}, storeFailed("endpoint", err)
	}
	if err := e.open(s.dir.ring); errors.Is(err, keyring.ErrUnknownKey) {
		return Agent{}, Endpoint{}, &Error{Code: CodeUnavailable, RetryAfter: 5 * time.Second, Err: fmt.Errorf("endpoint %s: %w", id, err),
			Message: "this node lacks the encryption key of this endpoint: its headers and secrets cannot be decrypted"}
	} else if err != nil {
		return Agent{}, Endpoint{}, storeFailed("endpoint "+id, err)
	}
	return a, e, nil
}

// errUnchanged is what a change returns to leave the endpoint as it is.
var errUnchanged = errors.New("unchanged")

// changeEndpoint is the one way in which endpoints change: read, change,
// replace if nothing came between. It returns the endpoint as it is then.
func (s *Service) changeEndpoint(ctx context.Context, agentID, id string, ifMatch int64,
	change func(Agent, *Endpoint) error) (Endpoint, error) {
	for range configTries {
		a, e, err := s.findEndpoint(ctx, agentID, id)
		if err != nil {
			return Endpoint{}, err
		}
		if ifMatch > 0 && e.Version != ifMatch {
			return Endpoint{}, versionMismatch()
		}
		next := e.clone()
		next.UpdatedAt = s.moment()
		next.dropExpired(next.UpdatedAt)
		switch err := change(a, &next); {
		case errors.Is(err, errUnchanged):
			if e.Version > s.dir.version.Load() { // a change that was told as not stored
				s.changed(ctx)
			}
			return e.clone(), nil
		case err != nil:
			return Endpoint{}, err
		}
		if err := next.seal(s.dir.ring); err != nil {
			return Endpoint{}, storeFailed("update endpoint", err)
		}
		updated, err := s.store.UpdateEndpoint(ctx, next)
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case errors.Is(err, ErrNotFound):
			return Endpoint{}, noEndpoint(id)
		case err != nil:
			return Endpoint{}, storeFailed("update endpoint", err)
		}
		s.changed(ctx)
		next.Version = updated.Version
		return next.clone(), nil
	}
	return Endpoint{}, storeFailed("update endpoint", ErrConflict)
}

func noEndpoint(id string) error {
	return errorf(CodeEndpointNotFound, "there is no endpoint %.80q", id)
}
