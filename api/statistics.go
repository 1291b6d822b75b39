package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

// PeriodParams choose how far back statistics go.
type PeriodParams struct {
	Period string `query:"period" enum:"1h,24h,7d,30d" default:"24h" doc:"1h: 60 points of a minute, 24h: 96 of 15 minutes, 7d: 168 of an hour, 30d: 120 of 6 hours."`
}

type agentStatisticsParams struct {
	AgentParams
	PeriodParams
	EndpointID string `query:"endpoint_id" maxLength:"64" doc:"Only this endpoint; a deleted one keeps its statistics."`
}

type statisticsView struct {
	Period      string             `json:"period" enum:"1h,24h,7d,30d"`
	Since       string             `json:"since" format:"date-time" doc:"The start of the first point."`
	Until       string             `json:"until" format:"date-time" doc:"The end of the last point, which holds the present and still fills."`
	StepSeconds int                `json:"step_seconds" enum:"60,900,3600,21600" doc:"The length of a point."`
	Totals      totalsView         `json:"totals"`
	Reasons     []reasonView       `json:"reasons" nullable:"false" maxItems:"10" doc:"Why attempts failed, the most frequent first."`
	Points      []latencyPointView `json:"points" nullable:"false" doc:"In order of time, those without an attempt too."`
}

// CountsView is how many attempts there were.
type CountsView struct {
	Delivered uint64 `json:"delivered" doc:"Attempts that succeeded."`
	Failed    uint64 `json:"failed" doc:"Attempts that failed, also where a later one of the same delivery succeeded."`
}

type totalsView struct {
	CountsView
	ErrorRate *float64     `json:"error_rate" minimum:"0" maximum:"1" doc:"Failed attempts to all; null without any."`
	LatencyMS *latencyView `json:"latency_ms" doc:"Null without an attempt."`
}

type latencyView struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
}

// Schema says that it may be null, which huma cannot say of structs.
func (latencyView) Schema(huma.Registry) *huma.Schema {
	number := &huma.Schema{Type: huma.TypeNumber, Format: "double"}
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false, Required: []string{"p50", "p95"},
		Properties: map[string]*huma.Schema{"p50": number, "p95": number},
	}
}

type reasonView struct {
	Reason     string `json:"reason" enum:"http_status,timeout,dns,connect,tls,connection_lost,bad_response,blocked,gone"`
	StatusCode *int   `json:"status_code" doc:"Null without an answer, and for rare statuses where there are many."`
	Count      uint64 `json:"count"`
}

// PointView is one step of a chart.
type PointView struct {
	At string `json:"at" format:"date-time" doc:"Its start."`
	CountsView
}

type latencyPointView struct {
	PointView
	P50MS *float64 `json:"p50_ms" doc:"Null without an attempt."`
	P95MS *float64 `json:"p95_ms"`
}

type endpointStatisticsView struct {
	EndpointID string `json:"endpoint_id"`
	CountsView
	ErrorRate           *float64    `json:"error_rate" minimum:"0" maximum:"1" doc:"Failed attempts to all; null without any."`
	Points              []PointView `json:"points" nullable:"false" doc:"24 of an hour."`
	LastAttemptAt       *string     `json:"last_attempt_at" format:"date-time"`
	LastDeliveredAt     *string     `json:"last_delivered_at" format:"date-time"`
	LastFailedAt        *string     `json:"last_failed_at" format:"date-time" doc:"Failed tests are left out here: they say nothing of deliveries."`
	LastReason          *string     `json:"last_reason" doc:"How the last attempt ended."`
	LastStatusCode      *int        `json:"last_status_code"`
	FailingSince        *string     `json:"failing_since" format:"date-time" doc:"The first failure after the last success."`
	ConsecutiveFailures int         `json:"consecutive_failures"`
	Health              string      `json:"health" enum:"idle,ok,failing" doc:"idle: never attempted. failing: three failures in a row or more."`
}

type failingEndpointView struct {
	AgentID             string  `json:"agent_id"`
	AgentName           string  `json:"agent_name"`
	EndpointID          string  `json:"endpoint_id"`
	URL                 string  `json:"url"`
	State               string  `json:"state" enum:"active,paused,suspended"`
	StateReason         *string `json:"state_reason"`
	FailingSince        string  `json:"failing_since" format:"date-time" doc:"The first failure after the last success, or the suspension."`
	ConsecutiveFailures int     `json:"consecutive_failures"`
	LastReason          *string `json:"last_reason"`
	LastStatusCode      *int    `json:"last_status_code"`
	Waiting             int64   `json:"waiting" doc:"Deliveries that wait for it."`
}

// whole is a list that is never cut into pages.
type whole[T any] struct {
	Data []T `json:"data" nullable:"false"`
}

func viewWhole[T, V any](rows []T, err error, view func(*T) V) (*answer[whole[V]], error) {
	if err != nil {
		return nil, err
	}
	out := &answer[whole[V]]{Body: whole[V]{Data: make([]V, len(rows))}}
	for i := range rows {
		out.Body.Data[i] = view(&rows[i])
	}
	return out, nil
}

func (s *Server) registerStatistics() {
	add(s, route{
		id: "get-agent-statistics", method: http.MethodGet, path: "/v1/agents/{agent_id}/statistics", tag: tagStatistics,
		summary:     "Show an agent's attempts over time",
		description: statisticsText, scope: waybell.ScopeDeliveriesRead,
	}, func(ctx context.Context, p *agentStatisticsParams, _ *none) (*answer[statisticsView], error) {
		return s.statistics(ctx, p.AgentID, p.EndpointID, p.Period)
	})
	add(s, route{
		id: "list-endpoint-statistics", method: http.MethodGet, path: "/v1/agents/{agent_id}/statistics/endpoints", tag: tagStatistics,
		summary:     "Show the last 24 hours of each endpoint",
		description: "All of the agent's endpoints, newest first, with their health.", scope: waybell.ScopeDeliveriesRead,
	}, func(ctx context.Context, p *AgentParams, _ *none) (*answer[whole[endpointStatisticsView]], error) {
		list, err := s.svc.EndpointStatistics(ctx, p.AgentID)
		return viewWhole(list, err, viewEndpointStatistics)
	})
	add(s, route{
		id: "get-statistics", method: http.MethodGet, path: "/v1/statistics", tag: tagStatistics,
		summary:     "Show all attempts over time",
		description: statisticsText, scope: waybell.ScopeAdmin,
	}, func(ctx context.Context, p *PeriodParams, _ *none) (*answer[statisticsView], error) {
		return s.statistics(ctx, "", "", p.Period)
	})
	add(s, route{
		id: "list-failing-endpoints", method: http.MethodGet, path: "/v1/failing-endpoints", tag: tagStatistics,
		summary:     "List the endpoints in trouble",
		description: "Endpoints that failed three times in a row or more, and suspended ones, in trouble for longest first; at most 100.",
		scope:       waybell.ScopeAdmin,
	}, func(ctx context.Context, _ *none, _ *none) (*answer[whole[failingEndpointView]], error) {
		list, err := s.svc.FailingEndpoints(ctx)
		return viewWhole(list, err, viewFailingEndpoint)
	})
}

const statisticsText = "Attempts are counted, not deliveries, by the time they ended; tests count too. " +
	"A crash may lose the last ten seconds of them, never the log or the ledger."

func (s *Server) statistics(ctx context.Context, agentID, endpointID, period string) (*answer[statisticsView], error) {
	st, err := s.svc.Statistics(ctx, agentID, endpointID, waybell.StatisticsPeriod(period))
	if err != nil {
		return nil, err
	}
	v := statisticsView{
		Period: period, Since: rfc3339(st.Since), Until: rfc3339(st.Until), StepSeconds: int(st.Step.Seconds()),
		Totals:  totalsView{CountsView: viewCounts(&st.Total), ErrorRate: errorRate(&st.Total)},
		Reasons: []reasonView{}, Points: make([]latencyPointView, len(st.Points)),
	}
	if st.Total.Attempts() > 0 {
		v.Totals.LatencyMS = &latencyView{*quantile(&st.Total, p50), *quantile(&st.Total, p95)}
	}
	for _, c := range st.Total.Top(10) {
		v.Reasons = append(v.Reasons, reasonView{waybell.Reason(c.Reason).String(), orNull(int(c.Status)), c.Count})
	}
	for i := range st.Points {
		p := &st.Points[i]
		v.Points[i] = latencyPointView{viewPoint(p), quantile(&p.Tally, p50), quantile(&p.Tally, p95)}
	}
	return &answer[statisticsView]{Body: v}, nil
}

const p50, p95 = 0.5, 0.95

// quantile is a latency in ms; null without an attempt.
func quantile(t *waybell.Tally, q float64) *float64 {
	if t.Attempts() == 0 {
		return nil
	}
	ms := milliseconds(t.Latency.Quantile(q))
	return &ms
}

func viewCounts(t *waybell.Tally) CountsView { return CountsView{t.Delivered, t.Failed} }

func errorRate(t *waybell.Tally) *float64 {
	if t.Attempts() == 0 {
		return nil
	}
	rate := float64(t.Failed) / float64(t.Attempts())
	return &rate
}

func viewPoint(p *waybell.StatisticsPoint) PointView {
	return PointView{rfc3339(p.At), viewCounts(&p.Tally)}
}

func viewEndpointStatistics(e *waybell.EndpointStatistics) endpointStatisticsView {
	h := &e.Health
	v := endpointStatisticsView{
		EndpointID: e.Endpoint.ID, CountsView: viewCounts(&e.Total), ErrorRate: errorRate(&e.Total),
		Points: make([]PointView, len(e.Points)), LastAttemptAt: timeOrNull(h.LastAttempt()),
		LastDeliveredAt: timeOrNull(h.LastSuccess), LastFailedAt: timeOrNull(h.LastFailure),
		LastReason: orNull(h.LastReason.String()), LastStatusCode: orNull(h.LastStatus),
		FailingSince: timeOrNull(h.FailingSince), ConsecutiveFailures: h.Failures, Health: h.Word().String(),
	}
	for i := range e.Points {
		v.Points[i] = viewPoint(&e.Points[i])
	}
	return v
}

func viewFailingEndpoint(f *waybell.FailingEndpoint) failingEndpointView {
	e, h := &f.Endpoint, &f.Health
	return failingEndpointView{
		AgentID: e.AgentID, AgentName: f.AgentName, EndpointID: e.ID, URL: e.URL, State: e.State.String(),
		StateReason: orNull(e.StateReason), FailingSince: rfc3339(f.Since), ConsecutiveFailures: h.Failures,
		LastReason: orNull(h.LastReason.String()), LastStatusCode: orNull(h.LastStatus), Waiting: f.Waiting,
	}
}
