package api

import (
	"context"
	"net/http"

	"github.com/waybell/waybell"
)

type secretView struct {
	Secret        string   `json:"secret" doc:"whsec_…, whsk_… or the owner's own text."`
	PublicKey     string   `json:"public_key,omitempty" doc:"whpk_…, for an ed25519 key."`
	CreatedAt     string   `json:"created_at" format:"date-time"`
	PreviousUntil *string  `json:"previous_until" format:"date-time" doc:"Until when the secret before signs too."`
	Warnings      []string `json:"warnings" nullable:"false"`
}

func viewSecret(v waybell.SecretView, err error) (*answer[secretView], error) {
	if err != nil {
		return nil, err
	}
	return &answer[secretView]{Body: secretView{
		Secret: v.Secret.Reveal(), PublicKey: v.PublicKey, CreatedAt: rfc3339(v.CreatedAt),
		PreviousUntil: timeOrNull(v.PreviousUntil), Warnings: viewWarnings(v.Warnings),
	}}, nil
}

// rotateBody says how a secret is rotated.
type rotateBody struct {
	OverlapSeconds waybell.Optional[int]            `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" doc:"How long the old secret signs too (standard signature only); default 86,400."`
	Secret         waybell.Optional[waybell.Secret] `json:"secret,omitempty" writeOnly:"true" doc:"8–256 characters; default: a generated one."`
	GenerateSecret generateSecret                   `json:"generate_secret,omitempty" doc:"The kind to generate; default: the kind of the present one."`
}

func (s *Server) registerSecrets() {
	const path = "/v1/agents/{agent_id}/endpoints/{endpoint_id}/secret"
	missing := []waybell.Code{waybell.CodeEndpointNotFound, waybell.CodeSecretNotFound}
	add(s, route{
		id: "rotate-secret", method: http.MethodPost, path: path + "/rotate", tag: tagEndpoints, summary: "Rotate an endpoint's secret",
		scope: waybell.ScopeSecretsWrite, media: []string{mediaJSON}, optionalBody: true,
		codes: []waybell.Code{waybell.CodeEndpointNotFound, waybell.CodePreconditionFailed},
	}, s.rotateSecret)
	add(s, route{
		id: "get-secret", method: http.MethodGet, path: path, tag: tagEndpoints, summary: "Reveal an endpoint's secret",
		description: "Each call is written to the server's log.",
		scope:       waybell.ScopeSecretsRead, codes: missing,
	}, s.getSecret)
	add(s, route{
		id: "delete-secret", method: http.MethodDelete, path: path, tag: tagEndpoints, summary: "Remove an endpoint's secret",
		description: "Its requests are unsigned from then on.",
		scope:       waybell.ScopeSecretsWrite, status: http.StatusNoContent,
		codes: append(missing, waybell.CodePreconditionFailed),
	}, s.deleteSecret)
}

func (s *Server) rotateSecret(ctx context.Context, p *endpointChange, body *rotateBody) (*answer[secretView], error) {
	return viewSecret(matching(p.IfMatch, func(version int64) (waybell.SecretView, error) {
		return s.svc.RotateSecret(ctx, p.AgentID, p.EndpointID, waybell.RotateInput{
			OverlapSeconds: body.OverlapSeconds, Secret: body.Secret, GenerateSecret: waybell.SecretKind(body.GenerateSecret),
			IfMatch: version,
		})
	}))
}

// getSecret says who asked: the service's own line says what was shown.
func (s *Server) getSecret(ctx context.Context, p *EndpointParams, _ *none) (*answer[secretView], error) {
	out, err := viewSecret(s.svc.Secret(ctx, p.AgentID, p.EndpointID))
	if err == nil {
		c := callOf(ctx)
		who := "key_id"
		if c.key.Session != nil {
			who = "session_id"
		}
		s.log.Info("secret shown", "request_id", c.requestID, who, c.key.ID,
			"agent_id", p.AgentID, "endpoint_id", p.EndpointID)
	}
	return out, err
}

func (s *Server) deleteSecret(ctx context.Context, p *endpointChange, _ *none) (*none, error) {
	return matching(p.IfMatch, func(version int64) (*none, error) {
		return &none{}, s.svc.DeleteSecret(ctx, p.AgentID, p.EndpointID, version)
	})
}
