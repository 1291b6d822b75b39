// Package api is Waybell's HTTP interface: one file per noun, problem+json for
// every error, and the OpenAPI document made from the same code that answers.
//
// All routes but two go through huma, which reads parameters, writes answers
// and documents both. Publishing is the hot path: its two handlers are plain
// ones that hand the body's bytes to the service and append the answer by
// hand; they are described in the same document.
package api

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/semaphore"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/places"
)

// Off as a path in [Config] closes what would be served there.
const Off = "off"

// Config says how the API is served. The zero value is fine.
type Config struct {
	// Logger gets one line for each failure of ours, and at debug level one for
	// each request; default: the service's.
	Logger *slog.Logger
	// Metrics are served at MetricsPath; nil = none here. They also count the
	// requests.
	Metrics *Metrics
	// MetricsPath is where, default /metrics; Off = only by Metrics.Handler, for
	// a listener of its own.
	MetricsPath string
	// DocsPath is where the reference page is, default /docs; Off closes the
	// page and the OpenAPI document.
	DocsPath string
	// BaseURL is where browsers find the server, such as https://example.com/hooks:
	// links begin with it. "" = scheme and host of the request that asks for one.
	BaseURL string
	// PortalOrigins are the origins whose pages may embed the portal. Sessions
	// tell them, so that the portal talks to nobody else.
	PortalOrigins []string
	// System is what GET /v1/system tells besides what the service knows.
	System System
}

// Server answers the HTTP API. It is an [http.Handler], safe for concurrent use.
type Server struct {
	svc     *waybell.Service
	cfg     Config
	log     *slog.Logger
	limits  waybell.Limits
	room    *semaphore.Weighted // see makeRoom
	mux     *http.ServeMux
	huma    huma.API
	openAPI []byte
	aliases map[string]string // of built-in types
	worker  bool              // the role
	buffers sync.Pool         // of *buffer
	noStore []string
	noSniff []string
	jsonUTF []string

	sessions *places.Places // see ofSession
}

// New makes the API of a service. The service need not be started yet. The
// error is a mistake in cfg: two things on one path, or a path without a slash.
func New(svc *waybell.Service, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = svc.Config().Logger
	}
	if cfg.MetricsPath == "" {
		cfg.MetricsPath = "/metrics"
	}
	if cfg.DocsPath == "" {
		cfg.DocsPath = "/docs"
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		svc: svc, cfg: cfg, log: cfg.Logger, limits: svc.Config().Limits, mux: http.NewServeMux(),
		room: semaphore.NewWeighted(svc.Config().Limits.PublishBytes), sessions: places.New(sessionBodies, 0),
		aliases: typeAliases(), worker: svc.Config().Role == waybell.RoleWorker,
		noStore: []string{"no-store"}, noSniff: []string{"nosniff"}, jsonUTF: []string{mediaJSON},
	}
	s.huma = newHuma(s)
	s.registerAgents()
	s.registerEndpoints()
	s.registerSecrets()
	s.registerEndpointActions()
	s.registerPreview()
	s.registerProfiles()
	s.registerInboxes()
	s.registerLedgers()
	s.registerEvents()
	s.registerEventTypes()
	s.registerDeliveries()
	s.registerKeys()
	s.registerSessions()
	s.registerBranding()
	s.registerStreams()
	s.registerStatistics()
	s.registerNodes()
	s.registerSystem()
	s.registerHealth()
	if err := s.finishOpenAPI(); err != nil {
		return nil, err
	}
	s.registerDocs()
	s.mux.HandleFunc("/", s.unknown)
	return s, nil
}

func (c Config) validate() error {
	taken := map[string]bool{"/openapi.json": true, "/livez": true, "/readyz": true}
	for _, path := range []string{c.MetricsPath, c.DocsPath} {
		if path == Off {
			continue
		}
		if len(path) < 2 || path[0] != '/' || path[len(path)-1] == '/' {
			return errors.New("path " + strconv.Quote(path) + ` must begin with a slash and not end with one, or be "off"`)
		}
		if taken[path] || len(path) > 3 && path[:4] == "/v1/" {
			return errors.New("path " + path + " is taken")
		}
		taken[path] = true
	}
	return nil
}

// NewHTTPServer is an http.Server for handler whose timeouts keep slow clients
// from holding connections: 10 s for the headers, 60 s for a whole request,
// 16 KiB of headers, 2 minutes between requests. An answer has 3 minutes, since
// a test send waits for its receiver up to 2.
func NewHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      3 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rw := &response{ResponseWriter: w}
	h := w.Header()
	rw.id[0] = requestID(r)
	h["X-Request-Id"] = rw.id[:]
	h["Cache-Control"] = s.noStore
	h["X-Content-Type-Options"] = s.noSniff
	var start time.Time // of use for the log only
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		start = time.Now()
	}
	defer func() { s.finish(rw, r, start, recover()) }()
	if s.worker && !s.servedByWorkers(r.URL.Path) {
		r.Pattern = "/"
		s.fail(rw, r, newProblem(codeMisdirected, "this node delivers, and serves health and metrics only: ask a node with the role all or api"))
		return
	}
	if agentID := publishTo(r); agentID != "" {
		r.Pattern = publishPattern // as the mux sets it
		s.publish(rw, r, agentID)
		return
	}
	if !isClean(r.URL.EscapedPath()) {
		r.Pattern = "/"
		s.fail(rw, r, newProblem(codeNotFound, `there is nothing at this path: it has an empty name, "." or ".."`))
		return
	}
	s.mux.ServeHTTP(rw, r)
}

// isClean tells whether a path has no empty names, "." and "..". The mux redirects
// any other to what is left without them: a DELETE of the endpoint ".." would be
// one of its agent, for a client that follows.
func isClean(p string) bool {
	clean := path.Clean("/" + p)
	return p == clean || p == clean+"/" && clean != "/"
}

// servedByWorkers tells what load balancers and monitoring look at: all that a
// node with the role worker serves. 421 tells clients (RFC 9110, section
// 15.5.20) that it is not the request that is wrong.
func (s *Server) servedByWorkers(path string) bool {
	return path == "/livez" || path == "/readyz" || s.cfg.Metrics != nil && path == s.cfg.MetricsPath
}

// finish turns a panic into a 500 and writes the request's line of the log. The
// log has the route, never the path: anything may be in that.
func (s *Server) finish(w *response, r *http.Request, start time.Time, panicked any) {
	if panicked == http.ErrAbortHandler {
		panic(panicked)
	}
	if panicked != nil {
		s.log.Error("request panicked", "request_id", w.requestID(), "route", r.Pattern,
			"panic", panicText(panicked), "stack", string(debug.Stack()))
		if w.status != 0 {
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
		s.write(w, newProblem(waybell.CodeInternal, "something went wrong on our side; the server's log has more under the request id"))
	}
	if s.cfg.Metrics != nil {
		s.cfg.Metrics.countRequest(r.Pattern, w.status)
	}
	if !start.IsZero() {
		s.log.Debug("request", "request_id", w.requestID(), "method", r.Method, "route", r.Pattern,
			"status", w.status, "duration", time.Since(start))
	}
}

// panicText shows a panic's value only where the runtime made it: any other may
// hold a piece of the request.
func panicText(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return "a value that is not logged"
}

// fail answers an error, and logs it if it is ours.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.write(w, s.report(w, r, err))
}

// statusClientGone is what the metrics count for a request that was given up because
// its client went away: it failed for no fault of ours. It is nginx's, which has no
// standard one.
const statusClientGone = 499

// report turns an error into a problem with the request's id, and logs those
// that are not the caller's.
func (s *Server) report(w http.ResponseWriter, r *http.Request, err error) *problemView {
	p := problemOf(err)
	p.RequestID = w.Header().Get("X-Request-Id")
	if p.Status < http.StatusInternalServerError {
		return p
	}
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		if w, ok := w.(*response); ok {
			w.status = statusClientGone
		}
		s.log.Debug("request given up", "request_id", p.RequestID, "route", r.Pattern, "error", err)
		return p
	}
	level, cause := slog.LevelError, err
	if p.Status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	if e, ok := errors.AsType[*waybell.Error](err); ok && e.Err != nil {
		cause = e.Err
	}
	s.log.Log(r.Context(), level, "request failed", "request_id", p.RequestID, "route", r.Pattern,
		"code", p.Code, "error", cause)
	return p
}

// write writes a problem as the answer.
func (s *Server) write(w http.ResponseWriter, p *problemView) {
	h := w.Header()
	p.RequestID = h.Get("X-Request-Id")
	for name, values := range p.header {
		h[name] = values
	}
	h.Set("Content-Type", p.ContentType(""))
	h.Del("Content-Encoding")
	h.Del("ETag")
	w.WriteHeader(p.Status)
	writeJSON(w, p) //nolint:errcheck // the client is gone
}

// unknown answers what no route matches: 405 where another method would, else
// 404.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	allow := ""
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := r.WithContext(r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			allow += ", " + method
		}
	}
	if allow == "" {
		s.fail(w, r, newProblem(codeNotFound, "there is nothing at this path"))
		return
	}
	allow = allow[len(", "):]
	s.fail(w, r, newProblem(codeMethodNotAllowed, "this path takes "+allow).with("Allow", allow))
}

// response remembers the status of an answer.
type response struct {
	http.ResponseWriter
	status int
	id     [1]string // value of X-Request-Id
}

// WriteHeader remembers the status.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is an answer of 200 unless another was given.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) requestID() string { return w.Header().Get("X-Request-Id") }

// requestID is the caller's X-Request-Id if it is sane, else a new one.
func requestID(r *http.Request) string {
	if id := field(r, "X-Request-Id"); sane(id) {
		return id
	}
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	b := [24]byte{'r', 'e', 'q', '_'}
	for i := 4; i < len(b); i += 10 {
		for n, j := rand.Uint64(), 0; j < 10; j++ {
			b[i+j] = digits[n&31]
			n >>= 5
		}
	}
	return string(b[:])
}

// sane tells whether a request id is short and harmless in logs and headers.
func sane(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':') {
			return false
		}
	}
	return true
}
