package waybell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybell/waybell/internal/tokencache"
)

// SessionKind says which of the screens a session is for.
type SessionKind string

// The kinds of sessions.
const (
	SessionPortal  SessionKind = "portal"  // one agent's screens, for its owner
	SessionConsole SessionKind = "console" // all screens, for the operator
)

// Capability is what a portal session may do.
type Capability string

// The capabilities, each with its scope. CapabilityView is always there and has
// two: ScopeEndpointsRead and ScopeDeliveriesRead.
const (
	CapabilityView            Capability = "view"
	CapabilityViewSecrets     Capability = "view_secrets"     // ScopeSecretsRead
	CapabilityManageSecrets   Capability = "manage_secrets"   // ScopeSecretsWrite
	CapabilityManageEndpoints Capability = "manage_endpoints" // ScopeEndpointsWrite
	CapabilityResend          Capability = "resend"           // ScopeDeliveriesWrite
)

// Capabilities are all there are, in the order in which sessions list them.
func Capabilities() []Capability {
	return []Capability{CapabilityView, CapabilityViewSecrets, CapabilityManageSecrets, CapabilityManageEndpoints, CapabilityResend}
}

// Scopes are what the capability grants; none for an unknown one.
func (c Capability) Scopes() []Scope {
	switch c {
	case CapabilityView:
		return []Scope{ScopeEndpointsRead, ScopeDeliveriesRead}
	case CapabilityViewSecrets:
		return []Scope{ScopeSecretsRead}
	case CapabilityManageSecrets:
		return []Scope{ScopeSecretsWrite}
	case CapabilityManageEndpoints:
		return []Scope{ScopeEndpointsWrite}
	case CapabilityResend:
		return []Scope{ScopeDeliveriesWrite}
	}
	return nil
}

// Session is a person's way in through the screens. It begins as a one-time key
// in a link; exchanged within its time, once, the key becomes a token. Only the
// SHA-256 of either is stored. A session ends at EndsAt, when it is ended, when
// its agent is deleted, and when the API key it was made with is revoked.
type Session struct {
	ID           string
	Agent        AgentNumber  // 0 for the console
	AgentID      string       // "" for the console
	Capabilities []Capability // of a portal session; the console may do everything
	Theme        string       // auto, light or dark
	KeyID        string       // the API key it goes back to; "" = the server's own start
	KeyHash      [32]byte     // of the one-time key
	TokenHash    [32]byte     // zero until the key is exchanged
	// TTL is how long the token works after the exchange.
	TTL         time.Duration
	CreatedAt   time.Time
	ExchangedAt time.Time // zero until the key is exchanged
	// EndsAt is when the one-time key ends, and once that is exchanged the token.
	EndsAt time.Time
}

// Kind tells which screens the session is for.
func (s *Session) Kind() SessionKind {
	if s.Agent == 0 {
		return SessionConsole
	}
	return SessionPortal
}

// Scopes are exactly what the session may do.
func (s *Session) Scopes() []Scope {
	if s.Kind() == SessionConsole {
		return []Scope{ScopeAdmin}
	}
	var scopes []Scope
	for _, c := range s.Capabilities {
		scopes = append(scopes, c.Scopes()...)
	}
	return scopes
}

// caller is the session as whom Authenticate returns.
func (s *Session) caller() *APIKey {
	k := &APIKey{ID: s.ID, Name: string(s.Kind()) + " session", Scopes: s.Scopes(), CreatedAt: s.CreatedAt, Session: s}
	if s.Kind() == SessionPortal {
		k.AgentIDs = []string{s.AgentID}
	}
	return k
}

// SessionStore keeps the sessions of the screens. Rows of ended sessions may
// stay until they are swept: every method that reads goes by the time given.
type SessionStore interface {
	// CreateSession inserts s, whose key is not exchanged yet. ErrExists when its
	// id or the hash of its key is there already; ErrConflict when its agent (or
	// the console) has limit sessions that end after s.CreatedAt. The limit holds
	// for concurrent calls too, on all nodes.
	CreateSession(ctx context.Context, s Session, limit int) error
	// ExchangeSession gives the session with x.KeyHash the token x.TokenHash, sets
	// ExchangedAt to x.Now and EndsAt to x.Now + TTL, and returns it: one
	// conditional write, so that of any number of calls with the same key, on any
	// nodes, one succeeds. ErrNotFound when there is no such key, when it was
	// exchanged before, and from EndsAt on. Strangers call it with keys that they
	// made up: what is not there must not cost a write.
	ExchangeSession(ctx context.Context, x SessionExchange) (Session, error)
	// SessionByToken finds the session with this token that ends after now, or
	// ErrNotFound.
	SessionByToken(ctx context.Context, hash [32]byte, now time.Time) (Session, error)
	// EndSession removes a session, exchanged or not; ErrNotFound.
	EndSession(ctx context.Context, id string) error
	// SweepSessions removes sessions with EndsAt at or before the time given, at
	// most limit of them, and tells how many.
	SweepSessions(ctx context.Context, before time.Time, limit int) (int, error)
}

// SessionExchange is the argument of [SessionStore].ExchangeSession.
type SessionExchange struct {
	KeyHash   [32]byte
	TokenHash [32]byte
	Now       time.Time
}

// PortalInput is what a caller says about a new portal session.
type PortalInput struct {
	Capabilities Optional[[]Capability] // default: all; CapabilityView is always there
	TTLSeconds   Optional[int]          // 60–3,600, default 3,600
	Theme        Optional[string]       // auto (default), light or dark
}

// ConsoleInput is what a caller says about a new console session.
type ConsoleInput struct {
	TTLSeconds Optional[int] // 60–43,200, default 43,200
	// AtStart gives the one-time key 15 min instead of 60 s: nobody may be
	// looking when a server starts.
	AtStart bool
}

const (
	oneTimeTextPrefix = "wbo_"
	tokenTextPrefix   = "wbs_"
	oneTimeTextLength = len(oneTimeTextPrefix) + 43 // 32 bytes in base64

	oneTimeKeyTTL   = 60 * time.Second
	startKeyTTL     = 15 * time.Minute
	minSessionTTL   = 60 // seconds
	maxPortalTTL    = 60 * 60
	maxConsoleTTL   = 12 * 60 * 60
	maxCapabilities = 16 // in a list that may name some twice
)

// CreatePortalSession makes a portal session of an agent and returns it with its
// one-time key. by is who asks: it must hold every scope that it grants and see
// the agent, and must not be a portal session itself; nil is the program, which
// may do everything. Errors: CodeForbidden, CodeInvalid, CodeAgentNotFound,
// CodeTooManySessions.
func (s *Service) CreatePortalSession(ctx context.Context, by *APIKey, agentID string, in PortalInput) (Session, Secret, error) {
	if by.IsPortal() {
		return Session{}, "", errorf(CodeForbidden, "a portal session cannot make sessions")
	}
	if by != nil && !by.AllowsAgent(agentID) {
		return Session{}, "", errorf(CodeAgentNotFound, "there is no agent %.140q", agentID)
	}
	var p problems
	made := Session{Theme: "auto", Capabilities: in.capabilities(&p), TTL: ttl(&p, in.TTLSeconds, maxPortalTTL), KeyID: by.origin()}
	in.Theme.into(&made.Theme, made.Theme)
	if !slices.Contains([]string{"auto", "light", "dark"}, made.Theme) {
		p.addValue("body.theme", made.Theme, "must be auto, light or dark")
	}
	if err := p.err("the session"); err != nil {
		return Session{}, "", err
	}
	for _, scope := range made.portalScopes() {
		if by != nil && !by.Allows(scope) {
			return Session{}, "", errorf(CodeForbidden, "this key lacks the scope %s, which it would grant", scope)
		}
	}
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return Session{}, "", err
	}
	made.Agent, made.AgentID = a.Number, a.ID
	return s.createSession(ctx, by, made, oneTimeKeyTTL)
}

// portalScopes are those of a session that has no agent yet.
func (s *Session) portalScopes() []Scope {
	p := Session{Agent: 1, Capabilities: s.Capabilities}
	return p.Scopes()
}

// CreateConsoleSession makes a console session and returns it with its one-time
// key. by must have the scope admin; nil is the program itself. Errors:
// CodeForbidden, CodeInvalid, CodeTooManySessions.
func (s *Service) CreateConsoleSession(ctx context.Context, by *APIKey, in ConsoleInput) (Session, Secret, error) {
	if by != nil && !by.Allows(ScopeAdmin) {
		return Session{}, "", errorf(CodeForbidden, "this key lacks the scope %s", ScopeAdmin)
	}
	var p problems
	made := Session{Theme: "auto", TTL: ttl(&p, in.TTLSeconds, maxConsoleTTL), KeyID: by.origin()}
	if err := p.err("the session"); err != nil {
		return Session{}, "", err
	}
	if in.AtStart {
		return s.createSession(ctx, by, made, startKeyTTL)
	}
	return s.createSession(ctx, by, made, oneTimeKeyTTL)
}

func (in PortalInput) capabilities(p *problems) []Capability {
	if !in.Capabilities.given() {
		return Capabilities()
	}
	given := in.Capabilities.Value
	if len(given) > maxCapabilities {
		p.add("body.capabilities", "has %d values; at most %d are allowed", len(given), maxCapabilities)
		return nil
	}
	for i, c := range given {
		if c.Scopes() == nil {
			p.addValue(fmt.Sprintf("body.capabilities[%d]", i), string(c), "is no capability")
		}
	}
	return slices.DeleteFunc(Capabilities(), func(c Capability) bool {
		return c != CapabilityView && !slices.Contains(given, c)
	})
}

func ttl(p *problems, given Optional[int], most int) time.Duration {
	seconds := most
	given.into(&seconds, most)
	if seconds < minSessionTTL || seconds > most {
		p.addValue("body.ttl_seconds", seconds, "must be %d to %d", minSessionTTL, most)
	}
	return time.Duration(seconds) * time.Second
}

// IsPortal tells whether the caller is a portal session. What belongs to the
// platform is closed to it whatever its scopes.
func (k *APIKey) IsPortal() bool {
	return k != nil && k.Session != nil && k.Session.Kind() == SessionPortal
}

// origin is the id of the API key that a caller goes back to; "" = none.
func (k *APIKey) origin() string {
	switch {
	case k == nil:
		return ""
	case k.Session != nil:
		return k.Session.KeyID
	}
	return k.ID
}

func (s *Service) createSession(ctx context.Context, by *APIKey, made Session, keyTTL time.Duration) (Session, Secret, error) {
	text := newKeyText(oneTimeTextPrefix)
	made.ID, made.KeyHash, made.CreatedAt = newID(sessionPrefix), keyHash(text.Reveal()), clock()
	made.EndsAt = made.CreatedAt.Add(keyTTL)
	err := s.store.CreateSession(ctx, made, s.cfg.Limits.SessionsPerAgent)
	switch {
	case errors.Is(err, ErrConflict):
		return Session{}, "", errorf(CodeTooManySessions, "there are %d living sessions already; wait until some have ended", s.cfg.Limits.SessionsPerAgent)
	case err != nil:
		return Session{}, "", storeFailed("create session", err)
	}
	line := s.log.With("session_id", made.ID, "kind", made.Kind(), "agent_id", made.AgentID, "key_id", made.KeyID)
	if by != nil && by.Session != nil {
		line = line.With("by_session_id", by.ID)
	}
	line.InfoContext(ctx, "session made", "capabilities", made.Capabilities)
	return made, text, nil
}

// ExchangeSession turns a one-time key into a session and its token, once, and
// returns the session as Authenticate does. Whoever has the key is who was
// meant: no other proof is asked for. A key that is wrong, expired or used
// before is CodeSessionKeyInvalid.
func (s *Service) ExchangeSession(ctx context.Context, key Secret) (*APIKey, Secret, error) {
	text := key.Reveal()
	if len(text) != oneTimeTextLength || !strings.HasPrefix(text, oneTimeTextPrefix) {
		return nil, "", sessionKeyInvalid()
	}
	if !s.sessions.Enter(ctx) {
		return nil, "", sessionKeyInvalid() // nobody is there to read it
	}
	defer s.sessions.Leave()
	token := newKeyText(tokenTextPrefix)
	got, err := s.store.ExchangeSession(ctx, SessionExchange{
		KeyHash: keyHash(text), TokenHash: keyHash(token.Reveal()), Now: clock(),
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, "", sessionKeyInvalid()
	case err != nil:
		return nil, "", storeFailed("exchange session", err)
	case !s.dir.upholds(&got):
		s.changed(ctx) // another node may just have made what it rests on
		if !s.dir.upholds(&got) {
			return nil, "", sessionKeyInvalid()
		}
	}
	s.log.InfoContext(ctx, "session began", "session_id", got.ID, "kind", got.Kind(), "agent_id", got.AgentID, "key_id", got.KeyID)
	return got.caller(), token, nil
}

func sessionKeyInvalid() *Error {
	return errorf(CodeSessionKeyInvalid, "the one-time key is wrong, has expired or was used before: ask for a new link")
}

// AgentName is the present name of a session's agent; "" for the console, and
// where the agent is gone.
func (s *Service) AgentName(of *Session) string {
	if a := s.dir.agentByNumber(of.Agent); a != nil {
		return a.Name
	}
	return ""
}

// EndSession ends a session, at once on this node and within 5 s on all others.
// Without effect when it has ended already.
func (s *Service) EndSession(ctx context.Context, id string) error {
	err := s.store.EndSession(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return storeFailed("end session", err)
	}
	s.sessions.Drop(func(k *APIKey) bool { return k.ID == id })
	s.log.InfoContext(ctx, "session ended", "session_id", id)
	return nil
}

// upholds tells whether what a session rests on is still there: its agent, and
// the API key it was made with.
func (d *directory) upholds(s *Session) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if s.Agent != 0 && d.numbers[s.Agent] == nil {
		return false
	}
	_, works := d.keyIDs[s.KeyID]
	return works || s.KeyID == ""
}

// authenticateSession finds the session with a token: in memory if it was read
// within the last seconds, else in the store.
func (s *Service) authenticateSession(ctx context.Context, hash [32]byte) (*APIKey, error) {
	now := time.Now()
	f := s.sessions.Find(hash, now)
	k := f.Value
	if !f.Fresh {
		if !f.Known { // it may be made up
			if !s.sessions.Enter(ctx) {
				return nil, unauthorized() // nobody is there to read it
			}
			defer s.sessions.Leave()
		}
		found, err := s.store.SessionByToken(ctx, hash, now)
		switch {
		case errors.Is(err, ErrNotFound):
			s.sessions.Forget(hash)
			return nil, unauthorized()
		case ctx.Err() != nil:
			return nil, unauthorized() // see above: strangers must not fill the log
		case err != nil:
			return nil, storeFailed("session", err)
		}
		k = found.caller()
		s.sessions.Put(hash, f, k, now)
	}
	if !now.Before(k.Session.EndsAt) || !s.dir.upholds(k.Session) {
		return nil, unauthorized()
	}
	return k, nil
}

// newSessionCache keeps the sessions in use. So late as a value is read again
// may another node honour a session's end.
func newSessionCache() *tokencache.Cache[*APIKey] {
	return tokencache.New[*APIKey](tokencache.Config{Fresh: 5 * time.Second, Entries: 4096, Strangers: 2})
}
