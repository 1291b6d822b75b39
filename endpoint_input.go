package waybell

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/signature"
)

// EndpointInput is what a caller says about an endpoint: all of a new one, or
// a merge patch of an existing one.
type EndpointInput struct {
	URL         Optional[string] // required for a new endpoint
	Description Optional[string] // at most 500 characters
	Enabled     Optional[bool]   // default true
	// Events are types by name or alias, or "*" alone; empty triggers nothing.
	Events Optional[[]string]
	// Profile is the agent's by default. Another profile brings its format,
	// retry policy, include_messages and standard_headers along, unless they are given
	// besides.
	Profile Optional[string]
	Method  Optional[string] // POST (default) or PUT
	// TimeoutSeconds is for the whole request: 1–120, default 30.
	TimeoutSeconds Optional[int]
	// Headers replace all custom headers. The mask as a value keeps the stored
	// value of the header with this name.
	Headers         Optional[[]HeaderInput]
	Format          Optional[string] // default: the profile's
	IncludeMessages Optional[bool]   // default: the profile's
	StandardHeaders Optional[bool]   // default: the profile's; false where the format may go without
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

// allEvents subscribes to every type, now and later.
const allEvents = "*"

// The bounds of an endpoint's fields.
const (
	maxEndpointDescription = 500
	defaultTimeout         = 30 * time.Second
	maxTimeout             = 120 // seconds
	maxRateLimit           = 10_000
	maxConcurrency         = 1_000
	maxWaits               = 50
	maxWaitSeconds         = 86_400
	maxWindow              = 604_800 // seconds
	maxHeaders             = 50
	maxHeaderBytes         = 16 << 10 // names and values together
)

// CreateEndpoint subscribes a URL to events of an agent. Errors: CodeInvalid,
// CodeInvalidURL, CodeTargetNotAllowed, CodeUnknownEventType,
// CodeEventNotAvailable, CodeAgentNotFound, CodeTooManyEndpoints.
func (s *Service) CreateEndpoint(ctx context.Context, agentID string, in EndpointInput) (EndpointResult, error) {
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return EndpointResult{}, err
	}
	e := newEndpoint(&a, s.moment())
	if err := s.setEndpoint(&a, &e, in); err != nil {
		return EndpointResult{}, err
	}
	if err := e.seal(s.dir.ring); err != nil {
		return EndpointResult{}, storeFailed("create endpoint", err)
	}
	limit := s.cfg.Limits.EndpointsPerAgent
	created, err := s.store.CreateEndpoint(ctx, e, limit)
	switch {
	case errors.Is(err, ErrConflict):
		return EndpointResult{}, tooManyEndpoints(limit)
	case errors.Is(err, ErrNotFound):
		return EndpointResult{}, noAgent(agentID)
	case err != nil:
		return EndpointResult{}, storeFailed("create endpoint", err)
	}
	s.changed(ctx)
	e.Number, e.Version = created.Number, created.Version
	return e.result(in), nil
}

func tooManyEndpoints(limit int) *Error {
	return errorf(CodeTooManyEndpoints, "the agent has %d endpoints; no more are allowed", limit)
}

// UpdateEndpoint changes what is given in the patch. ifMatch is the version
// that must be changed, 0 = any. Enabled=false cancels what waits; true makes
// a disabled endpoint active again. Errors: those of [Service.CreateEndpoint]
// but for CodeTooManyEndpoints, CodeEndpointNotFound and
// CodePreconditionFailed.
func (s *Service) UpdateEndpoint(ctx context.Context, agentID, id string, patch EndpointInput, ifMatch int64) (EndpointResult, error) {
	e, err := s.changeEndpoint(ctx, agentID, id, ifMatch, func(a Agent, e *Endpoint) error {
		return s.setEndpoint(&a, e, patch)
	})
	if err != nil {
		return EndpointResult{}, err
	}
	return e.result(patch), nil
}

func (e *Endpoint) result(in EndpointInput) EndpointResult {
	r := EndpointResult{Endpoint: e.clone(), Warnings: e.Warnings()}
	if in.GenerateSecret != SecretNone {
		r.Secret = e.Secrets[0].Value
	}
	return r
}

// newEndpoint is an endpoint of which nothing was said yet.
func newEndpoint(a *Agent, at time.Time) Endpoint {
	return Endpoint{
		ID: newID(endpointPrefix), Agent: a.Number, AgentID: a.ID,
		Enabled: true, State: EndpointActive, StateSince: at, CreatedAt: at, UpdatedAt: at,
		Method: "POST", Timeout: defaultTimeout, StandardHeaders: true,
	}
}

// setEndpoint brings an input into e, which is either new or as it was stored.
func (s *Service) setEndpoint(a *Agent, e *Endpoint, in EndpointInput) error {
	var p problems
	s.fillEndpoint(&p, a, e, in)
	if err := p.err("the endpoint"); err != nil {
		return err
	}
	return s.setEnabled(e, in.Enabled)
}

// fillEndpoint is setEndpoint but for the state: what is wrong goes to p, and e
// has all that is right. A preview ends here.
func (s *Service) fillEndpoint(p *problems, a *Agent, e *Endpoint, in EndpointInput) {
	if e.Profile == "" && !in.Profile.given() || in.Profile.Null {
		in.Profile = Some(a.Profile)
	}
	if in.URL.Set || e.URL == "" {
		s.setURL(p, e, in.URL.Value)
	}
	in.Description.into(&e.Description, "")
	p.description(e.Description, maxEndpointDescription)
	if in.Events.Set {
		e.Events = s.eventNames(p, eventList{location: "body.events", names: in.Events.Value, keep: e.Events, agent: a, all: true})
	}
	s.setProfile(p, e, in)
	setRetry(p, e, in.Retry.Value)
	in.Method.into(&e.Method, "POST")
	if e.Method != "POST" && e.Method != "PUT" {
		p.addValue("body.method", e.Method, "must be POST or PUT")
	}
	setNumbers(p, e, in)
	if in.Headers.Set {
		e.Headers = s.readHeaders(p, in.Headers.Value, e.Headers)
	}
	s.setSecret(p, e, in)
}

func (s *Service) setURL(p *problems, e *Endpoint, raw string) {
	if raw == "" {
		p.add("body.url", "is required")
		return
	}
	target, err := s.dir.targets.ParseTarget(raw)
	if err != nil {
		code, why := CodeInvalidURL, "is not an http or https URL"
		if refused, ok := errors.AsType[*egress.TargetError](err); ok {
			code, why = Code(refused.Code), refused.Why
		}
		p.addCode(code, "body.url", nil, why) // a URL may hold a password or a token
		return
	}
	e.URL = target.String()
}

// setEnabled goes through the states. Saying again what is so changes nothing:
// a paused endpoint that is sent back whole stays paused.
func (s *Service) setEnabled(e *Endpoint, in Optional[bool]) error {
	if !in.Set {
		return nil
	}
	m := moveEnable
	if in.given() && !in.Value {
		m = moveDisable
	}
	if err := e.move(m, e.UpdatedAt, s.keys.next()); !errors.Is(err, errUnchanged) {
		return err
	}
	return nil
}

// setProfile sets the profile and what another one fills: format, retry
// policy, include_messages and standard_headers.
func (s *Service) setProfile(p *problems, e *Endpoint, in EndpointInput) {
	formats := s.dir.formats
	name := e.Profile
	in.Profile.into(&name, e.Profile)
	profile, ok := formats.Profile(name)
	switch {
	case !ok && in.Profile.Set:
		p.addValue("body.profile", name, "is no profile; there are %s", strings.Join(formats.ProfileNames(), ", "))
	case ok && name != e.Profile:
		e.Profile, e.Format, e.Retry.Policy = name, profile.Format, profile.RetryPolicy
		e.IncludeMessages, e.StandardHeaders = profile.IncludeMessages, !profile.OmitStandardHeaders
	}
	if !ok { // no longer configured: the endpoint has all it needs of it
		profile = format.Profile{Format: e.Format, RetryPolicy: e.Retry.Policy, IncludeMessages: e.IncludeMessages}
	}
	in.Format.into(&e.Format, profile.Format)
	in.IncludeMessages.into(&e.IncludeMessages, profile.IncludeMessages)
	if in.Retry.Null {
		e.Retry = RetrySettings{Policy: profile.RetryPolicy}
	}
	in.Retry.Value.Policy.into(&e.Retry.Policy, profile.RetryPolicy)
	if _, ok := formats.Policy(e.Retry.Policy); !ok && in.Retry.Value.Policy.Set {
		p.addValue("body.retry.policy", e.Retry.Policy, "is no retry policy; there are %s", strings.Join(formats.PolicyNames(), ", "))
	}
	in.StandardHeaders.into(&e.StandardHeaders, !profile.OmitStandardHeaders)
	f, ok := formats.Format(e.Format)
	switch {
	case !ok && in.Format.Set:
		p.addValue("body.format", e.Format, "is no format; there are %s", strings.Join(formats.FormatNames(), ", "))
	case ok && !f.StandardHeadersOptional:
		if in.StandardHeaders.given() && !in.StandardHeaders.Value {
			p.addValue("body.standard_headers", false, "must be true with the format %s, which needs them", e.Format)
		}
		e.StandardHeaders = true
	}
}

func setRetry(p *problems, e *Endpoint, in RetryInput) {
	if in.ScheduleSeconds.Null {
		e.Retry.Schedule = nil
	} else if in.ScheduleSeconds.Set {
		waits := in.ScheduleSeconds.Value
		if len(waits) > maxWaits {
			p.add("body.retry.schedule_seconds", "has %d waits; at most %d are allowed", len(waits), maxWaits)
			waits = nil
		}
		e.Retry.Schedule = make([]time.Duration, len(waits)) // never nil: empty means one attempt
		for i, seconds := range waits {
			if seconds < 1 || seconds > maxWaitSeconds {
				p.addValue(fmt.Sprintf("body.retry.schedule_seconds[%d]", i), seconds, "must be 1 to %d", maxWaitSeconds)
			}
			e.Retry.Schedule[i] = time.Duration(seconds) * time.Second
		}
	}
	if in.WindowSeconds.Null {
		e.Retry.Window = 0
	} else if in.WindowSeconds.Set {
		if n := in.WindowSeconds.Value; n < 1 || n > maxWindow {
			p.addValue("body.retry.window_seconds", n, "must be 1 to %d", maxWindow)
		}
		e.Retry.Window = time.Duration(in.WindowSeconds.Value) * time.Second
	}
}

func setNumbers(p *problems, e *Endpoint, in EndpointInput) {
	if in.TimeoutSeconds.given() {
		if n := in.TimeoutSeconds.Value; n < 1 || n > maxTimeout {
			p.addValue("body.timeout_seconds", n, "must be 1 to %d", maxTimeout)
		}
		e.Timeout = time.Duration(in.TimeoutSeconds.Value) * time.Second
	} else if in.TimeoutSeconds.Null {
		e.Timeout = defaultTimeout
	}
	in.RateLimit.into(&e.RateLimit, 0)
	// Written so that NaN is refused.
	if r := in.RateLimit.Value; in.RateLimit.given() && !(r > 0 && r <= maxRateLimit) {
		var shown any
		if !math.IsNaN(r) && !math.IsInf(r, 0) {
			shown = r
		}
		p.addValue("body.rate_limit_per_second", shown, "must be over 0 and at most %d, or null", maxRateLimit)
	}
	in.Concurrency.into(&e.Concurrency, 0)
	if n := in.Concurrency.Value; in.Concurrency.given() && (n < 1 || n > maxConcurrency) {
		p.addValue("body.concurrency", n, "must be 1 to %d, or null", maxConcurrency)
	}
}

// setSecret also holds that a key which was there before fits a new format.
func (s *Service) setSecret(p *problems, e *Endpoint, in EndpointInput) {
	secret := newSecret(p, in.Secret, in.GenerateSecret)
	switch {
	case in.Secret.Null && in.GenerateSecret == SecretNone:
		e.Secrets = nil
	case secret == "":
		if e.Signed() {
			s.checkSecretFits(p, e, e.Secrets[0].Value, "body.format")
		}
	default:
		location := "body.secret"
		if in.GenerateSecret != SecretNone {
			location = "body.generate_secret"
		}
		s.checkSecretFits(p, e, secret, location)
		if !e.Signed() || e.Secrets[0].Value != secret {
			e.Secrets = []EndpointSecret{{Value: secret, CreatedAt: e.UpdatedAt}}
		}
	}
}

// checkSecretFits: ed25519 is an option of the standard signature; the legacy
// ones are HMACs.
func (s *Service) checkSecretFits(p *problems, e *Endpoint, secret Secret, location string) {
	f, ok := s.dir.formats.Format(e.Format)
	if ok && secret != "" && len(f.Schemes(isEd25519(secret), false)) == 0 {
		p.add(location, "the format %s cannot be signed with this kind of secret", e.Format)
	}
}

// secretFault is the reason that package signature gives, which never holds
// anything of the secret.
func secretFault(err error) string {
	return strings.TrimPrefix(err.Error(), signature.ErrInvalidSecret.Error()+": ")
}

// readHeaders checks custom headers. stored are those whose values a mask keeps.
func (s *Service) readHeaders(p *problems, in []HeaderInput, stored []Header) []Header {
	if len(in) > maxHeaders {
		p.add("body.headers", "has %d headers; at most %d are allowed", len(in), maxHeaders)
		return nil
	}
	headers := make([]Header, 0, len(in))
	seen := map[string]bool{}
	total := 0
	for i, h := range in {
		location := fmt.Sprintf("body.headers[%d]", i)
		if why := s.dir.headerNameFault(h.Name); why != "" {
			p.add(location+".name", "%s", why)
		}
		if lower := strings.ToLower(h.Name); seen[lower] {
			p.add(location+".name", "is there twice")
		} else {
			seen[lower] = true
		}
		if h.Value == mask {
			n := slices.IndexFunc(stored, func(old Header) bool { return strings.EqualFold(old.Name, h.Name) })
			if n < 0 {
				p.add(location+".value", "is the mask, but no value is stored for this name")
				continue
			}
			h.Value = stored[n].Value
		}
		if why := egress.HeaderValueFault(h.Value.Reveal()); why != "" {
			p.add(location+".value", "%s", why)
		}
		total += len(h.Name) + len(h.Value)
		headers = append(headers, Header(h))
	}
	if total > maxHeaderBytes {
		p.add("body.headers", "has %d bytes; at most %d are allowed", total, maxHeaderBytes)
	}
	return headers
}

// headerNameFault is why a custom header must not have a name, or "".
func (d *directory) headerNameFault(name string) string {
	if why := egress.HeaderNameFault(name); why != "" {
		return why
	}
	if d.reserved[strings.ToLower(name)] {
		return "is the signature header of a format"
	}
	return ""
}
