package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/waybell/waybell"
)

// authenticate finds the key or the session of a request.
func (s *Server) authenticate(r *http.Request) (*waybell.APIKey, error) {
	scheme, text, _ := strings.Cut(field(r, "Authorization"), " ")
	if text == "" || !strings.EqualFold(scheme, "Bearer") {
		return nil, newProblem(waybell.CodeUnauthorized, "send an API key as Authorization: Bearer").
			with("WWW-Authenticate", `Bearer realm="waybell"`)
	}
	key, err := s.svc.Authenticate(r.Context(), strings.TrimSpace(text))
	if err != nil {
		p := problemOf(err)
		if p.Status == http.StatusUnauthorized {
			p.with("WWW-Authenticate", `Bearer realm="waybell", error="invalid_token"`)
		}
		return nil, p
	}
	return key, nil
}

// authorize finds the key of a request and checks that it has the scope, and
// that it may see the agent; "" is for routes without one. A key that is
// restricted to some agents, as a portal session always is, is told that others
// do not exist. Such a key never has the scope admin, so what concerns all
// agents is closed to it.
func (s *Server) authorize(r *http.Request, scope waybell.Scope, agentID string) (*waybell.APIKey, error) {
	key, err := s.authenticate(r)
	if err != nil {
		return nil, err
	}
	if !key.Allows(scope) {
		return nil, lacks(key, scope)
	}
	if agentID != "" && !key.AllowsAgent(agentID) {
		return nil, agentNotFound(agentID)
	}
	return key, nil
}

// lacks says which scope a caller would need.
func lacks(key *waybell.APIKey, scope waybell.Scope) error {
	if key.Session != nil {
		return forbidden("this session lacks the scope "+string(scope), scope)
	}
	return forbidden("this key lacks the scope "+string(scope), scope)
}

// needs refuses a caller without a scope beyond that of the route.
func (c *call) needs(scope waybell.Scope) error {
	if !c.key.Allows(scope) {
		return lacks(c.key, scope)
	}
	return nil
}

func forbidden(detail string, scope waybell.Scope) error {
	return newProblem(waybell.CodeForbidden, detail).
		with("WWW-Authenticate", `Bearer realm="waybell", error="insufficient_scope", scope="`+string(scope)+`"`)
}

func agentNotFound(id string) error {
	return &waybell.Error{Code: waybell.CodeAgentNotFound, Message: "there is no agent " + quote(id)}
}

// quote shows a piece of the request in an error, cut short.
func quote(s string) string {
	if r := []rune(strings.ToValidUTF8(s, "\ufffd")); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return `"` + s + `"`
}

// callKey is the context key of the call a request makes.
type callKey struct{}

// call is what the handlers know of a request besides its parameters.
type call struct {
	key       *waybell.APIKey
	request   *http.Request
	requestID string
	body      []byte            // nil without one
	leave     func()            // gives the body's room back; see makeRoom
	report    func(error) error // what the caller may see of an error
	again     func() error      // whether it would still be admitted: a stream outlives its admission
}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// allowed tells for which agents the caller may publish; nil = all.
func allowed(key *waybell.APIKey) func(agentID string) bool {
	if key.AgentIDs == nil {
		return nil
	}
	return key.AllowsAgent
}
