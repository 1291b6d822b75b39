package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

const (
	// brandingLimit holds a logo of 64 KiB in base64 and the rest, in bytes.
	brandingLimit = 96 << 10
	logoPath      = "/v1/branding/logo"
	// logoCSP keeps an image from being anything else, whatever is in it.
	logoCSP = "default-src 'none'; sandbox"
)

// brandingView is how the screens present themselves.
type brandingView struct {
	Name    string  `json:"name" example:"Acme webhooks"`
	Accent  *string `json:"accent" doc:"#rrggbb; null = the screens' own." example:"#3e63dd"`
	LogoURL *string `json:"logo_url" doc:"Relative to where the server is; null without a logo. Another logo has another URL." example:"v1/branding/logo?v=5f2b1c9a0e8d7c64"`
}

func viewBranding(b waybell.Branding) brandingView {
	v := brandingView{Name: b.Name, Accent: orNull(b.Accent)}
	if b.Logo != nil {
		v.LogoURL = orNull(logoPath[1:] + "?v=" + b.Logo.Version())
	}
	return v
}

type brandingBody struct {
	Name   waybell.Optional[string]   `json:"name,omitempty" doc:"1–60 characters; null = Waybell."`
	Accent waybell.Optional[string]   `json:"accent,omitempty" doc:"#rrggbb; null = the screens' own." example:"#3e63dd"`
	Logo   waybell.Optional[logoBody] `json:"logo,omitempty" doc:"Null removes it."`
}

type logoBody struct {
	MediaType string `json:"media_type" enum:"image/png,image/webp,image/jpeg"`
	Data      string `json:"data" format:"byte" doc:"Base64, of at most 64 KiB."`
}

// TransformSchema says that the whole may be null: no logo.
func (logoBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Nullable = true
	return s
}

// logoParams document the query of the logo.
type logoParams struct {
	Version string `query:"v" maxLength:"64" doc:"Of logo_url: this very logo may be kept for ever."`
}

func (s *Server) registerBranding() {
	add(s, route{
		id: "get-branding", method: http.MethodGet, path: "/v1/branding", tag: tagSessions, summary: "How the screens present themselves",
		description: "Needs no key. A change on another node shows within 5 s.",
		codes:       []waybell.Code{waybell.CodeInvalid, waybell.CodeUnavailable},
	}, func(ctx context.Context, _ *none, _ *none) (*answer[brandingView], error) {
		b, err := s.svc.Branding(ctx)
		return orError(&answer[brandingView]{viewBranding(b)}, err)
	})
	add(s, route{
		id: "put-branding", method: http.MethodPut, path: "/v1/branding", tag: tagSessions, summary: "Change how the screens present themselves",
		description: "What is left out stays as it is.",
		scope:       waybell.ScopeAdmin, media: []string{mediaJSON}, bodyLimit: brandingLimit,
	}, func(ctx context.Context, _ *none, body *brandingBody) (*answer[brandingView], error) {
		b, err := s.svc.SetBranding(ctx, waybell.BrandingInput{
			Name: body.Name, Accent: body.Accent,
			Logo: optionalAs(body.Logo, func(l logoBody) waybell.LogoInput { return waybell.LogoInput(l) }),
		})
		return orError(&answer[brandingView]{viewBranding(b)}, err)
	})
	add(s, route{
		id: "get-logo", method: http.MethodGet, path: logoPath, tag: tagSessions, summary: "The logo of the screens",
		description: "Needs no key.", codes: []waybell.Code{codeNotFound, waybell.CodeUnavailable},
	}, s.logo)
	images := map[string]*huma.MediaType{}
	for _, media := range []string{"image/png", "image/webp", "image/jpeg"} {
		images[media] = &huma.MediaType{}
	}
	s.huma.OpenAPI().Paths[logoPath].Get.Responses["200"].Content = images
}

// image is an answer that is no JSON.
type image struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	CSP          string `header:"Content-Security-Policy"`
	Body         []byte
}

func (s *Server) logo(ctx context.Context, p *logoParams, _ *none) (*image, error) {
	b, err := s.svc.Branding(ctx)
	switch {
	case err != nil:
		return nil, err
	case b.Logo == nil:
		return nil, newProblem(codeNotFound, "there is no logo")
	}
	out := &image{ContentType: b.Logo.MediaType, CacheControl: "no-cache", CSP: logoCSP, Body: b.Logo.Data}
	if p.Version == b.Logo.Version() {
		out.CacheControl = "public, max-age=31536000, immutable"
	}
	return out, nil
}
