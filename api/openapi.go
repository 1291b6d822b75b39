package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/waybell/waybell"
)

// route is one operation of the API.
type route struct {
	id, method, path string
	tag              string
	summary          string
	description      string
	scope            waybell.Scope // "" = no key needed
	bearer           bool          // any key or session will do; without a scope
	platform         bool          // what is the platform's own: closed to portal sessions
	status           int           // of success; 0 = 200
	media            []string      // of the request body, the first is assumed; nil = no body
	optionalBody     bool
	bodyLimit        int            // bytes; 0 = configBytes
	event            bool           // the body holds an event, and has its limit
	waits            bool           // for a receiver: what was made of the body is small by then
	codes            []waybell.Code // of errors beyond those that such a route always has
}

// newHuma is huma with its own documents, schema links and error bodies
// switched off: the routes, the problems and the document are ours.
func newHuma(s *Server) huma.API {
	format := huma.Format{Marshal: writeAnswer, Unmarshal: json.Unmarshal}
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	for _, a := range optionalTypes() {
		registry.RegisterTypeAlias(a.optional, a.value)
	}
	return humago.New(s.mux, huma.Config{
		OpenAPI:                      newDocument(s.svc.Config().Version, registry),
		Formats:                      map[string]huma.Format{mediaJSON: format, "json": format},
		DefaultFormat:                mediaJSON,
		RejectUnknownQueryParameters: true,
		Transformers: []huma.Transformer{func(ctx huma.Context, _ string, v any) (any, error) {
			if m, ok := v.(*huma.ErrorModel); ok {
				r, w := humago.Unwrap(ctx)
				return s.report(w, r, problemOfParams(m)), nil
			}
			return v, nil
		}},
	})
}

// writeJSON writes v compact, with <, > and & as they are.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeAnswer is writeJSON for huma, which panics on any error: that the client
// is gone or too slow is none.
func writeAnswer(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := writeJSON(&b, v); err != nil {
		return err
	}
	w.Write(b.Bytes()) //nolint:errcheck // see above
	return nil
}

// schemaName names the schemas: agentView is Agent, agentBody is AgentInput.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	return strings.ReplaceAll(strings.ReplaceAll(name, "View", ""), "Body", "Input")
}

// add registers a route whose request has the parameters P and, if the route
// has media, the body B.
func add[P, B, O any](s *Server, rt route, handle func(ctx context.Context, params *P, body *B) (*O, error)) {
	op := rt.operation()
	op.Middlewares = huma.Middlewares{s.admit(rt)}
	huma.Register(s.huma, op, func(ctx context.Context, params *P) (*O, error) {
		body := new(B)
		if raw := callOf(ctx).body; raw != nil {
			if err := decode(raw, body); err != nil {
				return nil, callOf(ctx).report(err)
			}
			if rt.waits {
				callOf(ctx).leave()
			}
		}
		out, err := handle(ctx, params, body)
		callOf(ctx).leave()
		if err != nil {
			return nil, callOf(ctx).report(err)
		}
		return out, nil
	})
	if rt.media != nil {
		s.documentBody(rt, s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[B](), true, ""))
	}
}

// admit checks the key and reads the body before huma sees the request.
func (s *Server) admit(rt route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c := &call{request: r, leave: func() {}, requestID: w.Header().Get("X-Request-Id")}
		c.report = func(err error) error { return s.report(w, r, err) }
		if err := s.identify(c, r, rt); err != nil {
			s.fail(w, r, err)
			return
		}
		c.again = func() error { return s.identify(&call{}, r, rt) }
		if err := readQuery(r); err != nil {
			s.fail(w, r, err)
			return
		}
		if rt.media != nil {
			out := s.ofSession(c.key, r)
			if out == nil {
				s.fail(w, r, &waybell.Error{Code: waybell.CodeBusy, RetryAfter: time.Second,
					Message: fmt.Sprintf("a session sends at most %d large bodies at once", sessionBodies)})
				return
			}
			defer out()
			body, err := s.wholeBody(w, r, rt)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			leave, err := s.makeRoom(r.Context(), len(body))
			if err != nil {
				s.fail(w, r, err)
				return
			}
			c.body, c.leave = body, leave
			defer leave()
		}
		next(huma.WithValue(ctx, callKey{}, c))
	}
}

// readQuery refuses a query that package url cannot read, or in which a name is
// there twice or has no value, and writes any other anew. huma reads it with two
// readers of its own that skip what they do not understand, each something else: a
// filter that is silently left out shows more than was asked for.
func readQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return wrongQuery("query", "is not percent-encoded, or has a semicolon")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		location := "query." + strings.ToValidUTF8(name, "\ufffd")
		if len(values[name]) > 1 {
			return wrongQuery(location, "is there twice")
		}
		if values[name][0] == "" && name != "cursor" { // of the first page there is none
			return wrongQuery(location, "must not be empty")
		}
	}
	r.URL.RawQuery = values.Encode()
	return nil
}

func wrongQuery(location, message string) error {
	p := newProblem(waybell.CodeInvalid, location+": "+message)
	p.Errors = []fieldProblemView{{Location: location, Message: message}}
	return p
}

// identify finds who makes a call, and whether he may.
func (s *Server) identify(c *call, r *http.Request, rt route) (err error) {
	switch {
	case rt.bearer:
		c.key, err = s.authenticate(r)
	case rt.scope != "":
		c.key, err = s.authorize(r, rt.scope, r.PathValue("agent_id"))
	}
	if err == nil && rt.platform && c.key.IsPortal() {
		return forbidden("a portal session may not do this", waybell.ScopeAdmin)
	}
	return err
}

// wholeBody reads the body of a route; nil when it has none and needs none.
func (s *Server) wholeBody(w http.ResponseWriter, r *http.Request, rt route) ([]byte, error) {
	if rt.optionalBody && (r.Body == nil || r.Body == http.NoBody) {
		return nil, nil
	}
	var buf bytes.Buffer
	calm := func() {}
	if rt.scope == "" && !rt.bearer {
		calm = hurry(w)
	}
	limit := cmp.Or(rt.bodyLimit, configBytes)
	if rt.event {
		limit = s.limits.EventBytes
	}
	if err := readBody(w, r, &buf, limit); err != nil {
		return nil, err
	}
	calm()
	if rt.optionalBody && buf.Len() == 0 {
		return nil, nil
	}
	if _, err := mediaType(r, rt.media...); err != nil {
		return nil, err
	}
	if buf.Len() == 0 {
		return nil, newProblem(waybell.CodeMalformedJSON, "a body is needed")
	}
	return buf.Bytes(), nil
}

// operation describes the route but for parameters, body and success, which
// huma finds in the handler's types.
func (rt route) operation() huma.Operation {
	op := huma.Operation{
		OperationID: rt.id, Method: rt.method, Path: rt.path, Tags: []string{rt.tag},
		Summary: rt.summary, Description: rt.description, DefaultStatus: rt.status,
		Responses: map[string]*huma.Response{}, SkipValidateBody: true,
	}
	codes := append(slices.Clone(rt.codes), waybell.CodeInternal)
	op.Security = []map[string][]string{}
	switch {
	case rt.bearer:
		op.Security = append(op.Security, map[string][]string{securityScheme: {}})
		op.Description = strings.TrimSpace(op.Description + "\n\nFor every key and session.")
		codes = append(codes, waybell.CodeUnauthorized, waybell.CodeUnavailable)
	case rt.scope != "":
		op.Security = append(op.Security, map[string][]string{securityScheme: {string(rt.scope)}})
		op.Description = strings.TrimSpace(op.Description + "\n\nNeeds the scope `" + string(rt.scope) + "`.")
		codes = append(codes, waybell.CodeUnauthorized, waybell.CodeForbidden, waybell.CodeUnavailable)
	}
	if rt.platform {
		op.Description += " Not for portal sessions."
	}
	if rt.media != nil {
		codes = append(codes, waybell.CodeMalformedJSON, waybell.CodeTooLarge, codeUnsupportedMediaType,
			codeRequestTimeout, waybell.CodeInvalid, waybell.CodeBusy)
	}
	if strings.Contains(rt.path, "{agent_id}") {
		codes = append(codes, waybell.CodeAgentNotFound)
	}
	for status, of := range byStatus(codes) {
		op.Responses[strconv.Itoa(status)] = problemResponse(of)
	}
	return op
}

// byStatus groups codes by their HTTP status.
func byStatus(codes []waybell.Code) map[int][]waybell.Code {
	slices.Sort(codes)
	m := map[int][]waybell.Code{}
	for _, code := range slices.Compact(codes) {
		status := kindOf(code).status
		m[status] = append(m[status], code)
	}
	return m
}

// problemResponse describes the error answers of one status.
func problemResponse(codes []waybell.Code) *huma.Response {
	var lines []string
	for _, code := range codes {
		lines = append(lines, fmt.Sprintf("`%s`: %s.", code, kindOf(code).title))
	}
	example := newProblem(codes[0], kindOf(codes[0]).title)
	example.RequestID = "req_7f3k9x2m4q8w1v5t6z0c"
	response := &huma.Response{
		Description: strings.Join(lines, "\n\n"),
		Content: map[string]*huma.MediaType{"application/problem+json": {
			Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}, Example: example,
		}},
	}
	header := func(name, text string) {
		response.Headers = map[string]*huma.Param{name: {Description: text, Schema: &huma.Schema{Type: "string"}}}
	}
	switch kindOf(codes[0]).status {
	case http.StatusUnauthorized, http.StatusForbidden:
		header("WWW-Authenticate", "What a key must be or have.")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		header("Retry-After", "Seconds after which to try again.")
	}
	return response
}

// documentBody describes the body of a route.
func (s *Server) documentBody(rt route, schema *huma.Schema) {
	body := &huma.RequestBody{Required: !rt.optionalBody, Content: map[string]*huma.MediaType{}}
	for _, media := range rt.media {
		body.Content[media] = &huma.MediaType{Schema: schema}
	}
	s.operationOf(rt).RequestBody = body
}

// documentCreated describes the 201 of a PUT beside its 200.
func (s *Server) documentCreated(rt route) {
	op := s.operationOf(rt)
	created := *op.Responses["200"]
	created.Description = http.StatusText(http.StatusCreated)
	created.Headers = maps.Clone(created.Headers)
	op.Responses["201"] = &created
}

// operationOf finds the documented operation of a route.
func (s *Server) operationOf(rt route) *huma.Operation {
	item := s.huma.OpenAPI().Paths[rt.path]
	switch rt.method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	}
	return item.Delete
}

// finishOpenAPI adds what no handler's type tells and writes the document.
func (s *Server) finishOpenAPI() error {
	doc := s.huma.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	doc.Components.Schemas.Schema(reflect.TypeFor[problemView](), true, "")
	// huma's own error model is never written.
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for _, path := range doc.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if op != nil {
				s.finishOperation(op)
			}
		}
	}
	if err := s.documentWebhooks(doc); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := writeJSON(&b, doc); err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	s.openAPI = b.Bytes()
	if bytes.Contains(s.openAPI, []byte(`"$ref":"#/components/schemas/ErrorModel"`)) {
		return errors.New("the OpenAPI document names huma's error model")
	}
	return nil
}

// finishOperation documents the 422 of parameters and the header that every
// answer has.
func (s *Server) finishOperation(op *huma.Operation) {
	delete(op.Responses, "default")
	if len(op.Parameters) > 0 && op.Responses["422"] == nil {
		op.Responses["422"] = problemResponse([]waybell.Code{waybell.CodeInvalid})
	}
	for _, response := range op.Responses {
		if response.Headers == nil {
			response.Headers = map[string]*huma.Param{}
		}
		response.Headers["X-Request-Id"] = &huma.Param{Ref: "#/components/headers/X-Request-Id"}
	}
}
