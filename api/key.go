package api

import (
	"context"
	"net/http"

	"github.com/waybell/waybell"
)

type keyView struct {
	ID        string   `json:"id" example:"key_068m2k4v8q1w5"`
	Key       string   `json:"key,omitempty" doc:"The key itself, shown this once."`
	Name      string   `json:"name" example:"billing"`
	Scopes    []string `json:"scopes" nullable:"false" enum:"events:write,endpoints:read,endpoints:write,deliveries:read,deliveries:write,secrets:read,secrets:write,admin"`
	AgentIDs  []string `json:"agent_ids" nullable:"true" doc:"Only agents with these ids, now and later; null = all."`
	Root      bool     `json:"root" doc:"The first key: made at the first start, or given by the configuration."`
	CreatedAt string   `json:"created_at" format:"date-time"`
}

func viewKey(k waybell.APIKey) keyView {
	v := keyView{ID: k.ID, Name: k.Name, AgentIDs: k.AgentIDs, Root: k.Root, CreatedAt: rfc3339(k.CreatedAt), Scopes: []string{}}
	for _, scope := range k.Scopes {
		v.Scopes = append(v.Scopes, string(scope))
	}
	return v
}

type keyBody struct {
	Name     string                     `json:"name,omitempty" maxLength:"200"`
	Scopes   []waybell.Scope            `json:"scopes" nullable:"false" minItems:"1" enum:"events:write,endpoints:read,endpoints:write,deliveries:read,deliveries:write,secrets:read,secrets:write,admin"`
	AgentIDs waybell.Optional[[]string] `json:"agent_ids,omitempty" doc:"Only agents with these ids, now and later; null = all."`
}

type keyParams struct {
	ID string `path:"key_id" maxLength:"64" doc:"The key's id."`
}

func (s *Server) registerKeys() {
	add(s, route{
		id: "create-key", method: http.MethodPost, path: "/v1/keys", tag: tagKeys, summary: "Create a key",
		scope: waybell.ScopeAdmin, status: http.StatusCreated, media: []string{mediaJSON},
	}, s.createKey)
	add(s, route{
		id: "list-keys", method: http.MethodGet, path: "/v1/keys", tag: tagKeys, summary: "List keys", scope: waybell.ScopeAdmin,
	}, func(ctx context.Context, p *ListParams, _ *none) (*answer[list[keyView]], error) {
		page, err := s.svc.Keys(ctx, p.query(nil))
		return listed(page, err, viewKey)
	})
	add(s, route{
		id: "revoke-key", method: http.MethodDelete, path: "/v1/keys/{key_id}", tag: tagKeys, summary: "Revoke a key",
		description: "At once on this node, within 5 s on all others. Sessions made with it end too.",
		scope:       waybell.ScopeAdmin, status: http.StatusNoContent, codes: []waybell.Code{waybell.CodeKeyNotFound},
	}, func(ctx context.Context, p *keyParams, _ *none) (*none, error) {
		return orError(&none{}, s.svc.RevokeKey(ctx, p.ID))
	})
}

func (s *Server) createKey(ctx context.Context, _ *none, body *keyBody) (*answer[keyView], error) {
	k, secret, err := s.svc.CreateKey(ctx, waybell.KeyInput{Name: body.Name, Scopes: body.Scopes, AgentIDs: body.AgentIDs.Value})
	if err != nil {
		return nil, err
	}
	v := viewKey(k)
	v.Key = secret.Reveal()
	return &answer[keyView]{Body: v}, nil
}
