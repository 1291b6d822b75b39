package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

// System is what of a process only the program around the API knows. The zero
// value is fine.
type System struct {
	Commit string // of the source; "" = unknown
	// Checks looks for what an operator should know; nil = nothing more than the
	// API itself sees. It is called for each request and must be quick.
	Checks func(ctx context.Context) []Check
}

// Check is one finding about a running server.
type Check struct {
	Name   string // a word for programs: public_url
	Status CheckStatus
	Text   string // a sentence or two for people: what it is, and what to do
}

// CheckStatus says how bad a finding is.
type CheckStatus string

// The closed set of statuses.
const (
	CheckOK      CheckStatus = "ok"
	CheckWarning CheckStatus = "warning" // it works, but somebody should look at it
	CheckError   CheckStatus = "error"   // something does not work
)

type systemView struct {
	Version   string             `json:"version"`
	Commit    *string            `json:"commit"`
	GoVersion string             `json:"go_version"`
	StartedAt *string            `json:"started_at" format:"date-time" doc:"Null while the service starts."`
	Node      string             `json:"node" doc:"The name of the process that answers."`
	BaseURL   string             `json:"base_url" doc:"What links to the screens begin with."`
	Store     storeView          `json:"store"`
	Load      loadView           `json:"load"`
	Settings  systemSettingsView `json:"settings"`
	Checks    []checkView        `json:"checks" nullable:"false"`
}

type storeView struct {
	Driver     string  `json:"driver" enum:"sqlite,postgres"`
	SizeBytes  int64   `json:"size_bytes"`
	LogBytes   int64   `json:"log_bytes" doc:"Of the write-ahead log."`
	EventsKept int64   `json:"events_kept"`
	Commits    int64   `json:"commits" doc:"Since the process opened the store."`
	CommitMS   float64 `json:"commit_ms" doc:"The mean of these."`
}

type loadView struct {
	InFlight        int     `json:"in_flight" doc:"Attempts that this process makes at this moment."`
	Queued          int     `json:"queued" doc:"Deliveries in its memory."`
	OutcomesWaiting int     `json:"outcomes_waiting" doc:"Outcomes not yet durable."`
	BreakersOpen    int     `json:"breakers_open" doc:"Endpoints that only probes go to."`
	OldestDueAt     *string `json:"oldest_due_at" format:"date-time" doc:"Since when the longest waiting due delivery waits in the store, or since its endpoint was resumed; null when none does. What is held is not due."`
}

type systemSettingsView struct {
	RetentionSeconds     *int64   `json:"retention_seconds" doc:"Null = for ever."`
	AllowTargets         []string `json:"allow_targets" nullable:"false"`
	PortalOrigins        []string `json:"portal_origins" nullable:"false"`
	CreateAgents         bool     `json:"create_agents"`
	SuspendAfterSeconds  *int64   `json:"suspend_after_seconds" doc:"Null = nobody is suspended for failures."`
	SuspendFailures      int      `json:"suspend_failures"`
	MaxInFlight          int      `json:"max_in_flight"`
	EndpointConcurrency  int      `json:"endpoint_concurrency"`
	MaxEventBytes        int      `json:"max_event_bytes"`
	MaxEndpointsPerAgent int      `json:"max_endpoints_per_agent"`
}

type checkView struct {
	Name   string      `json:"name"`
	Status CheckStatus `json:"status" enum:"ok,warning,error"`
	Text   string      `json:"text"`
}

// Schema says that it is one of three words.
func (CheckStatus) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{CheckOK, CheckWarning, CheckError}}
}

func (s *Server) registerSystem() {
	add(s, route{
		id: "get-system", method: http.MethodGet, path: "/v1/system", tag: tagHealth, summary: "Show the server",
		description: "Versions, settings, the store and the load of the process that answers, and checks in words.",
		scope:       waybell.ScopeAdmin,
	}, func(ctx context.Context, _ *none, _ *none) (*answer[systemView], error) {
		v, err := s.system(ctx)
		return &answer[systemView]{Body: v}, err
	})
}

func (s *Server) system(ctx context.Context) (systemView, error) {
	store, err := s.svc.StoreStats(ctx)
	if err != nil {
		return systemView{}, err
	}
	oldest, err := s.svc.OldestDue(ctx)
	if err != nil {
		return systemView{}, err
	}
	cfg, load := s.svc.Config(), s.svc.Load()
	v := systemView{
		Version: cfg.Version, Commit: orNull(s.cfg.System.Commit), GoVersion: runtime.Version(),
		StartedAt: timeOrNull(s.svc.StartedAt()), Node: cfg.Node,
		Store: storeView{
			Driver: store.Driver, SizeBytes: store.SizeBytes, LogBytes: store.LogBytes,
			EventsKept: store.EventsKept, Commits: store.Commits,
		},
		Load: loadView{
			InFlight: load.InFlight, Queued: load.Queued, OutcomesWaiting: load.Outcomes,
			BreakersOpen: load.BreakersOpen, OldestDueAt: timeOrNull(oldest),
		},
		Settings: systemSettingsView{
			RetentionSeconds: secondsOrNull(cfg.Retention), AllowTargets: orEmpty(cfg.AllowTargets),
			PortalOrigins: orEmpty(s.cfg.PortalOrigins), CreateAgents: cfg.CreateAgents,
			SuspendAfterSeconds: secondsOrNull(cfg.SuspendAfter), SuspendFailures: cfg.SuspendFailures,
			MaxInFlight: cfg.Limits.InFlight, EndpointConcurrency: cfg.Limits.Concurrency,
			MaxEventBytes: cfg.Limits.EventBytes, MaxEndpointsPerAgent: cfg.Limits.EndpointsPerAgent,
		},
		Checks: []checkView{},
	}
	if v.BaseURL, err = s.baseURL(ctx); err != nil {
		return systemView{}, err
	}
	if store.Commits > 0 {
		v.Store.CommitMS = milliseconds(store.CommitTime / time.Duration(store.Commits))
	}
	for _, c := range s.checks(ctx) {
		v.Checks = append(v.Checks, checkView(c))
	}
	return v, nil
}

// checks are what the API sees itself, then what the program around it sees.
func (s *Server) checks(ctx context.Context) []Check {
	publishing := Check{"publishing", CheckOK, "Publishing works: events are accepted and made durable."}
	if err := s.svc.Ready(); err != nil {
		publishing.Status, publishing.Text = CheckError, "Publishing does not work: "+problemOf(err).Detail+"."
	}
	list := []Check{publishing}
	if n, why := s.svc.Unready(); n > 0 {
		list = append(list, Check{"endpoints", CheckError, fmt.Sprintf("This node cannot send to %d webhooks and leaves them to others, for example %s. "+
			"Give all nodes the same formats, retry policies and encryption keys.", n, why)})
	}
	if s.cfg.System.Checks != nil {
		list = append(list, s.cfg.System.Checks(ctx)...)
	}
	return list
}

// secondsOrNull is null for what never ends.
func secondsOrNull(d time.Duration) *int64 {
	if d < 0 {
		return nil
	}
	n := int64(d / time.Second)
	return &n
}
