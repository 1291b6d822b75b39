package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/reception"
	"github.com/waybell/waybell/internal/retry"
)

// profilesView is all that an endpoint can be given by name.
type profilesView struct {
	Profiles      []profileView     `json:"profiles" nullable:"false"`
	Formats       []formatView      `json:"formats" nullable:"false"`
	RetryPolicies []retryPolicyView `json:"retry_policies" nullable:"false"`
}

type profileView struct {
	Name            string `json:"name" example:"standard"`
	Format          string `json:"format" example:"standard"`
	RetryPolicy     string `json:"retry_policy" example:"standard"`
	IncludeMessages bool   `json:"include_messages"`
	StandardHeaders bool   `json:"standard_headers"`
}

type formatView struct {
	Name                    string            `json:"name" example:"standard"`
	ContentType             string            `json:"content_type" example:"application/json"`
	Signature               *signatureView    `json:"signature" doc:"The format's own signature header with a symmetric secret; null without one."`
	Ed25519                 bool              `json:"ed25519" doc:"A whsk_ key can sign it."`
	StandardHeadersOptional bool              `json:"standard_headers_optional"`
	EventNames              map[string]string `json:"event_names" doc:"What the format calls each canonical type."`
}

type signatureView struct {
	Header    string `json:"header" example:"webhook-signature"`
	Scheme    string `json:"scheme" doc:"The word that waybell verify knows, or the format's name." example:"standard"`
	Algorithm string `json:"algorithm" example:"hmac-sha256"`
	Key       string `json:"key" doc:"utf8 = the bytes of the secret as shown, whsec = base64-decoded after whsec_." example:"whsec"`
	Signed    string `json:"signed" enum:"body,id.timestamp.body"`
	Encoding  string `json:"encoding" enum:"hex,base64"`
	Prefix    string `json:"prefix" example:"v1,"`
}

// TransformSchema says that the whole may be null.
func (signatureView) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Nullable = true
	return s
}

type retryPolicyView struct {
	Name            string `json:"name" example:"standard"`
	ScheduleSeconds []int  `json:"schedule_seconds" nullable:"false" doc:"The wait after each attempt's end."`
	WindowSeconds   int    `json:"window_seconds" example:"86400"`
	Success         string `json:"success" example:"2xx"`
	Retries         string `json:"retries" doc:"What is tried again, in words." example:"3xx, 4xx except 410, 5xx, no answer"`
	SuspendsOnGone  bool   `json:"suspends_on_gone" doc:"410 suspends the endpoint."`
}

func (s *Server) registerProfiles() {
	add(s, route{
		id: "list-profiles", method: http.MethodGet, path: "/v1/profiles", tag: tagEndpoints,
		summary:     "List profiles, formats and retry policies",
		description: "The built-in ones and those of this server's configuration.",
		scope:       waybell.ScopeEndpointsRead,
	}, func(context.Context, *none, *none) (*answer[profilesView], error) {
		return &answer[profilesView]{Body: s.viewProfiles()}, nil
	})
}

func (s *Server) viewProfiles() profilesView {
	set := s.svc.Formats()
	var v profilesView
	for _, name := range set.ProfileNames() {
		p, _ := set.Profile(name)
		v.Profiles = append(v.Profiles, profileView{p.Name, p.Format, p.RetryPolicy, p.IncludeMessages, !p.OmitStandardHeaders})
	}
	for _, name := range set.FormatNames() {
		f, _ := set.Format(name)
		v.Formats = append(v.Formats, viewFormat(f))
	}
	for _, name := range set.PolicyNames() {
		p, _ := set.Policy(name)
		v.RetryPolicies = append(v.RetryPolicies, viewPolicy(p))
	}
	return v
}

func viewFormat(f *format.Format) formatView {
	v := formatView{
		Name: f.Name, ContentType: mediaJSON, StandardHeadersOptional: f.StandardHeadersOptional,
		Ed25519: len(f.Schemes(true, false)) > 0, EventNames: map[string]string{},
	}
	for _, t := range catalogue.All() {
		v.EventNames[t.Name] = f.EventName(t.Name)
	}
	for typ := range f.EventNames {
		v.EventNames[typ] = f.EventName(typ)
	}
	if own := f.Schemes(false, false); len(own) > 0 {
		v.Signature = &signatureView{
			Header: own[0].Header, Scheme: reception.SchemeWord(own[0], f.Name), Algorithm: own[0].Algorithm.String(),
			Key: own[0].KeyDerivation.String(), Signed: own[0].SignedContent.String(), Encoding: own[0].Encoding.String(), Prefix: own[0].Prefix,
		}
	}
	return v
}

func viewPolicy(p retry.Policy) retryPolicyView {
	v := retryPolicyView{
		Name: p.Name, WindowSeconds: int(p.Window / time.Second), ScheduleSeconds: seconds(p.Schedule),
		Success: p.Answers(retry.Success), Retries: p.Answers(retry.Retry), SuspendsOnGone: p.Classify(http.StatusGone) == retry.FailSuspend,
	}
	if v.Retries != "" {
		v.Retries += ", "
	}
	v.Retries += "no answer (connection, DNS and TLS errors, timeouts)"
	return v
}

func seconds(waits []time.Duration) []int {
	out := make([]int, len(waits))
	for i, wait := range waits {
		out[i] = int(wait / time.Second)
	}
	return out
}
