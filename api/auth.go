package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/waybell/waybell"
)

// authorize finds the key of a request and checks that it has the scope, and
// that it may see the agent; "" is for routes without one. A key that is
// restricted to some agents is told that others do not exist. Such a key never
// has the scope admin, so what concerns all agents is closed to it.
func (s *Server) authorize(r *http.Request, scope waybell.Scope, agentID string) (*waybell.APIKey, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
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
	if !key.Allows(scope) {
		return nil, forbidden("this key lacks the scope "+string(scope), scope)
	}
	if agentID != "" && !key.AllowsAgent(agentID) {
		return nil, agentNotFound(agentID)
	}
	return key, nil
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
	requestID string
	body      []byte            // nil without one
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
