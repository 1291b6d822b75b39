package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

type healthView struct {
	Status string `json:"status" enum:"ok"`
}

// registerHealth adds the routes that need no key.
func (s *Server) registerHealth() {
	add(s, route{
		id: "live", method: http.MethodGet, path: "/livez", tag: tagHealth, summary: "Is the process alive?",
		codes: []waybell.Code{codeMethodNotAllowed},
	}, func(context.Context, *none, *none) (*answer[healthView], error) {
		return &answer[healthView]{healthView{"ok"}}, nil
	})
	add(s, route{
		id: "ready", method: http.MethodGet, path: "/readyz", tag: tagHealth, summary: "Does publishing work?",
		description: "503 until the service has started and while it drains.",
		codes:       []waybell.Code{codeMethodNotAllowed, waybell.CodeUnavailable, waybell.CodeDraining},
	}, func(context.Context, *none, *none) (*answer[healthView], error) {
		if err := s.svc.Ready(); err != nil {
			return nil, err
		}
		return &answer[healthView]{healthView{"ok"}}, nil
	})
	if s.cfg.Metrics != nil && s.cfg.MetricsPath != Off {
		s.mux.Handle("GET "+s.cfg.MetricsPath, s.cfg.Metrics.Handler())
		s.documentText(s.cfg.MetricsPath, "metrics", "Metrics in the Prometheus text format", "text/plain")
	}
	if s.cfg.DocsPath != Off {
		s.mux.HandleFunc("GET /openapi.json", s.serveOpenAPI)
		s.documentText("/openapi.json", "openapi", "This document", mediaJSON)
	}
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", mediaJSON)
	w.Write(s.openAPI) //nolint:errcheck // the client is gone
}

// OpenAPI is the API's OpenAPI 3.1 document, as JSON.
func (s *Server) OpenAPI() []byte { return s.openAPI }

// documentText describes a route with a plain handler and no parameters.
func (s *Server) documentText(path, id, summary, media string) {
	s.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tagHealth}, Summary: summary,
		Security: []map[string][]string{},
		Responses: map[string]*huma.Response{
			"200": {Description: summary, Content: map[string]*huma.MediaType{media: {Schema: textSchema(media)}}},
			"405": problemResponse([]waybell.Code{codeMethodNotAllowed}),
		},
	})
}

func textSchema(media string) *huma.Schema {
	if media == mediaJSON {
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	}
	return &huma.Schema{Type: huma.TypeString}
}
