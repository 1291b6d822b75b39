package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/waybell/waybell"
)

// The answers of sessions that are no session of the screens.
const (
	kindKey      = "key"
	defaultTheme = "auto"
)

// exchangeLimit bounds what anybody may send without a key, in bytes.
const exchangeLimit = 1 << 10

// sessionView is who the caller is, and what the screens need to begin.
type sessionView struct {
	Token        string       `json:"token,omitempty" doc:"Send it as Authorization: Bearer. Shown this once."`
	ExpiresAt    *string      `json:"expires_at" format:"date-time" doc:"When the token ends; null for a key."`
	Kind         string       `json:"kind" enum:"portal,console,key"`
	AgentID      *string      `json:"agent_id" doc:"The one agent of a portal session, else null."`
	AgentName    *string      `json:"agent_name" doc:"Its name, else null."`
	Capabilities []string     `json:"capabilities" nullable:"false" enum:"view,view_secrets,manage_secrets,manage_endpoints,resend" doc:"Of a portal session."`
	Scopes       []string     `json:"scopes" nullable:"false" enum:"events:write,endpoints:read,endpoints:write,deliveries:read,deliveries:write,secrets:read,secrets:write,admin"`
	Theme        string       `json:"theme" enum:"auto,light,dark"`
	Origins      []string     `json:"origins" nullable:"false" doc:"Whose pages may embed the portal."`
	Branding     brandingView `json:"branding"`
	Server       serverView   `json:"server"`
}

type serverView struct {
	Version string `json:"version" example:"1.4.0"`
}

// viewSession shows a caller, without asking the store: a token that was just
// made must not be lost over it.
func (s *Server) viewSession(key *waybell.APIKey, b waybell.Branding) sessionView {
	v := sessionView{
		Kind: kindKey, Theme: defaultTheme, Capabilities: []string{}, Scopes: []string{},
		Origins: orEmpty(s.cfg.PortalOrigins), Branding: viewBranding(b), Server: serverView{s.svc.Config().Version},
	}
	for _, scope := range key.Scopes {
		v.Scopes = append(v.Scopes, string(scope))
	}
	if key.Session == nil {
		return v
	}
	v.Kind, v.Theme, v.ExpiresAt = string(key.Session.Kind()), key.Session.Theme, timeOrNull(key.Session.EndsAt)
	if key.IsPortal() {
		v.AgentID, v.AgentName = &key.Session.AgentID, orNull(s.svc.AgentName(key.Session))
	}
	for _, c := range key.Session.Capabilities {
		v.Capabilities = append(v.Capabilities, string(c))
	}
	return v
}

// LinkView is the answer to a new session: a link and how long all of it works.
type LinkView struct {
	URL        string `json:"url" format:"uri" doc:"Opens the screens; the one-time key in it works once, until expires_at." example:"https://hooks.example.com/console/#key=wbo_Zm9vYmFy"`
	ExpiresAt  string `json:"expires_at" format:"date-time" doc:"Until when the link works."`
	TTLSeconds int    `json:"ttl_seconds" doc:"How long the session lasts once the link was opened."`
}

type portalLinkView struct {
	LinkView
	Capabilities []string `json:"capabilities" nullable:"false" enum:"view,view_secrets,manage_secrets,manage_endpoints,resend"`
	Theme        string   `json:"theme" enum:"auto,light,dark"`
}

type portalSessionBody struct {
	Capabilities waybell.Optional[[]waybell.Capability] `json:"capabilities,omitempty" enum:"view,view_secrets,manage_secrets,manage_endpoints,resend" doc:"Default: all. view is always there. The caller must hold every scope that they grant."`
	TTLSeconds   waybell.Optional[int]                  `json:"ttl_seconds,omitempty" minimum:"60" maximum:"3600" doc:"How long the session lasts once the link was opened; default 3,600."`
	Theme        waybell.Optional[string]               `json:"theme,omitempty" doc:"auto (default), light or dark."`
}

type consoleSessionBody struct {
	TTLSeconds waybell.Optional[int] `json:"ttl_seconds,omitempty" minimum:"60" maximum:"43200" doc:"How long the session lasts once the link was opened; default 43,200."`
}

type exchangeBody struct {
	Key waybell.Secret `json:"key" writeOnly:"true" doc:"What follows #key= in the link." example:"wbo_Zm9vYmFy"`
}

func (s *Server) registerSessions() {
	add(s, route{
		id: "create-portal-session", method: http.MethodPost, path: "/v1/agents/{agent_id}/portal-sessions", tag: tagSessions,
		summary:     "Make a link to an agent's portal",
		description: "The link works once, for 60 s. The caller must hold every scope that the session gets: with all capabilities these are `endpoints:write`, `deliveries:write` and `secrets:read`.",
		scope:       waybell.ScopeEndpointsRead, platform: true, status: http.StatusCreated, media: []string{mediaJSON}, optionalBody: true,
		codes: []waybell.Code{waybell.CodeTooManySessions},
	}, s.createPortalSession)
	add(s, route{
		id: "create-console-session", method: http.MethodPost, path: "/v1/console-sessions", tag: tagSessions,
		summary: "Make a link to the console", description: "The link works once, for 60 s.",
		scope: waybell.ScopeAdmin, status: http.StatusCreated, media: []string{mediaJSON}, optionalBody: true,
		codes: []waybell.Code{waybell.CodeTooManySessions},
	}, s.createConsoleSession)
	add(s, route{
		id: "exchange-session-key", method: http.MethodPost, path: "/v1/sessions", tag: tagSessions,
		summary:     "Exchange a one-time key for a token",
		description: "Needs no key. A one-time key that is wrong, has expired or was used before gets the same answer. The body has at most 1 KiB.",
		status:      http.StatusCreated, media: []string{mediaJSON}, bodyLimit: exchangeLimit,
		codes: []waybell.Code{waybell.CodeSessionKeyInvalid, waybell.CodeUnavailable},
	}, s.exchangeSession)
	add(s, route{
		id: "get-session", method: http.MethodGet, path: "/v1/session", tag: tagSessions, summary: "Who am I?", bearer: true,
		codes: []waybell.Code{waybell.CodeInvalid},
	}, func(ctx context.Context, _ *none, _ *none) (*answer[sessionView], error) {
		b, err := s.svc.Branding(ctx)
		return orError(&answer[sessionView]{s.viewSession(callOf(ctx).key, b)}, err)
	})
	add(s, route{
		id: "end-session", method: http.MethodDelete, path: "/v1/session", tag: tagSessions, summary: "Sign out",
		description: "Ends the session whose token is sent: at once on this node, within 5 s on all others. Not for API keys.",
		bearer:      true, status: http.StatusNoContent, codes: []waybell.Code{waybell.CodeForbidden, waybell.CodeInvalid},
	}, s.endSession)
}

func (s *Server) createPortalSession(ctx context.Context, p *AgentParams, body *portalSessionBody) (*answer[portalLinkView], error) {
	base, err := s.baseURL(ctx)
	if err != nil {
		return nil, err
	}
	made, key, err := s.svc.CreatePortalSession(ctx, callOf(ctx).key, p.AgentID, waybell.PortalInput(*body))
	if err != nil {
		return nil, err
	}
	v := portalLinkView{LinkView: viewLink(made, base+"/portal/", key), Theme: made.Theme}
	for _, c := range made.Capabilities {
		v.Capabilities = append(v.Capabilities, string(c))
	}
	return &answer[portalLinkView]{v}, nil
}

func (s *Server) createConsoleSession(ctx context.Context, _ *none, body *consoleSessionBody) (*answer[LinkView], error) {
	base, err := s.baseURL(ctx)
	if err != nil {
		return nil, err
	}
	made, key, err := s.svc.CreateConsoleSession(ctx, callOf(ctx).key, waybell.ConsoleInput{TTLSeconds: body.TTLSeconds})
	if err != nil {
		return nil, err
	}
	return &answer[LinkView]{viewLink(made, base+"/console/", key)}, nil
}

// viewLink shows a new session. The key is in the fragment, which browsers keep
// to themselves: no server and no proxy logs it.
func viewLink(made waybell.Session, page string, key waybell.Secret) LinkView {
	return LinkView{
		URL: page + "#key=" + key.Reveal(), ExpiresAt: rfc3339(made.EndsAt), TTLSeconds: int(made.TTL.Seconds()),
	}
}

// baseURL is what links begin with, without a slash at the end. Headers that
// proxies add are not believed: anybody can send them.
func (s *Server) baseURL(ctx context.Context) (string, error) {
	if s.cfg.BaseURL != "" {
		return strings.TrimRight(s.cfg.BaseURL, "/"), nil
	}
	origin := originOf(callOf(ctx).request)
	if origin == "" {
		return "", newProblem(waybell.CodeInvalid, "no link can be made: the server has no public-url, and the request no Host")
	}
	return origin, nil
}

// originOf is scheme and host of a request; "" without a sound host.
func originOf(r *http.Request) string {
	if r.Host == "" || strings.ContainsAny(r.Host, "/\\?#@ \"<>") {
		return ""
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (s *Server) exchangeSession(ctx context.Context, _ *none, body *exchangeBody) (*answer[sessionView], error) {
	b, err := s.svc.Branding(ctx) // first: a key that was exchanged is gone
	if err != nil {
		return nil, err
	}
	key, token, err := s.svc.ExchangeSession(ctx, body.Key)
	if err != nil {
		return nil, err
	}
	v := s.viewSession(key, b)
	v.Token = token.Reveal()
	return &answer[sessionView]{v}, nil
}

func (s *Server) endSession(ctx context.Context, _ *none, _ *none) (*none, error) {
	key := callOf(ctx).key
	if key.Session == nil {
		return nil, newProblem(waybell.CodeForbidden, "this is an API key, no session: revoke it under /v1/keys").
			with("WWW-Authenticate", `Bearer realm="waybell"`)
	}
	return orError(&none{}, s.svc.EndSession(ctx, key.ID))
}
