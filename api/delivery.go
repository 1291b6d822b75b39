package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

type deliveryParams struct {
	AgentParams
	DeliveryID string `path:"delivery_id" maxLength:"64" doc:"The delivery's id." example:"dlv_0crw6n2v4k8pq00000001"`
}

// deliveryList asks for a page of the delivery log.
type deliveryList struct {
	AgentParams
	ListParams
	LogParams
}

// LogParams filter the delivery log.
type LogParams struct {
	SpanParams
	EndpointID  string `query:"endpoint_id" maxLength:"64" doc:"A deleted endpoint keeps its log."`
	Event       string `query:"event" maxLength:"128" doc:"A type by name or alias."`
	EventID     string `query:"event_id" maxLength:"128" doc:"Of this event; its own id, if it was published with one."`
	State       string `query:"state" enum:"pending,retrying,held,delivered,failed,canceled"`
	StatusCode  int    `query:"status_code" minimum:"100" maximum:"599" doc:"Of the last answer."`
	StatusClass string `query:"status_class" enum:"2xx,3xx,4xx,5xx,none" doc:"Of the last answer; none = there was no answer, or not yet."`
}

func (p *LogParams) filter() waybell.LogFilter {
	return waybell.LogFilter{
		EndpointID: p.EndpointID, Type: p.Event, EventID: p.EventID, State: p.State,
		StatusCode: p.StatusCode, StatusClass: p.StatusClass, Since: p.Since.Time, Until: p.Until.Time,
	}
}

// SpanParams bound a list in time.
type SpanParams struct {
	Since TimeBody `query:"since" doc:"Accepted at or after."`
	Until TimeBody `query:"until" doc:"Accepted before."`
}

// DeliveryView is a delivery in lists. It is exported, like all embedded parts of
// bodies and parameters, because huma only sees those.
type DeliveryView struct {
	ID             string  `json:"id" example:"dlv_0crw6n2v4k8pq00000001"`
	EventID        string  `json:"event_id" example:"evt_0crw6n2v4k8pq"`
	Event          string  `json:"event" example:"lead.submit"`
	EndpointID     string  `json:"endpoint_id" example:"ep_068m2k4v8q1w5"`
	State          string  `json:"state" enum:"pending,retrying,held,delivered,failed,canceled"`
	Reason         *string `json:"reason" doc:"Why the last attempt or the delivery ended as it did: delivered, http_status, timeout, dns, connect, tls, connection_lost, bad_response, blocked, gone, expired or canceled; null before the first."`
	Attempts       int     `json:"attempts" doc:"Finished attempts."`
	NextAttemptAt  *string `json:"next_attempt_at" format:"date-time"`
	LastStatusCode *int    `json:"last_status_code"`
	CreatedAt      string  `json:"created_at" format:"date-time"`
	FinishedAt     *string `json:"finished_at" format:"date-time"`
}

// deliveryDetailView is a delivery with every attempt.
type deliveryDetailView struct {
	DeliveryView
	AttemptLog []attemptView `json:"attempt_log" nullable:"false" doc:"The newest 100."`
}

type attemptView struct {
	Number     int           `json:"number" minimum:"1"`
	StartedAt  string        `json:"started_at" format:"date-time"`
	DurationMS float64       `json:"duration_ms" example:"41.2"`
	StatusCode *int          `json:"status_code" doc:"Null without an answer."`
	Reason     string        `json:"reason" enum:"delivered,http_status,timeout,dns,connect,tls,connection_lost,bad_response,blocked,gone,expired,canceled"`
	Error      *string       `json:"error" doc:"What went wrong, in words."`
	Request    requestView   `json:"request"`
	Response   *responseView `json:"response" doc:"Null without an answer."`
	TimingMS   timingView    `json:"timing_ms"`
}

type requestView struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers" doc:"Values of custom headers are masked."`
	Body    *string           `json:"body" doc:"The bytes that were signed and sent; null when their event is gone, or its format was changed by the operator; of many large ones only the newest are shown."`
}

type responseView struct {
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body" doc:"At most 16 KiB."`
	Truncated bool              `json:"truncated" doc:"It was longer."`
}

type timingView struct {
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	TLS     float64 `json:"tls"`
	Wait    float64 `json:"wait"`
	Read    float64 `json:"read"`
}

// TransformSchema says that the whole may be null: there was no answer.
func (responseView) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Nullable = true
	return s
}

func viewDelivery(d waybell.DeliveryView) DeliveryView {
	return DeliveryView{
		ID: d.ID(), EventID: d.EventID, Event: d.Type, EndpointID: d.EndpointID, State: d.State.String(),
		Reason: orNull(d.Reason.String()), Attempts: d.Delivery.Attempts, NextAttemptAt: timeOrNull(d.NextAt),
		LastStatusCode: orNull(d.StatusCode), CreatedAt: rfc3339(d.CreatedAt), FinishedAt: timeOrNull(d.FinishedAt),
	}
}

func viewDeliveryDetail(d waybell.DeliveryView) deliveryDetailView {
	v := deliveryDetailView{DeliveryView: viewDelivery(d), AttemptLog: make([]attemptView, len(d.Attempts))}
	for i := range d.Attempts {
		v.AttemptLog[i] = viewAttempt(&d.Attempts[i])
	}
	return v
}

func viewAttempt(a *waybell.AttemptView) attemptView {
	v := attemptView{
		Number: a.Number, StartedAt: rfc3339(a.StartedAt), DurationMS: milliseconds(a.Duration),
		StatusCode: orNull(a.StatusCode), Reason: a.Reason.String(), Error: orNull(a.Error),
		Request: requestView{Method: a.Method, URL: a.URL, Headers: orNoHeaders(a.RequestHeaders)},
		TimingMS: timingView{
			DNS: milliseconds(a.Timing.DNS), Connect: milliseconds(a.Timing.Connect), TLS: milliseconds(a.Timing.TLS),
			Wait: milliseconds(a.Timing.Wait), Read: milliseconds(a.Timing.Read),
		},
	}
	if a.Body != nil {
		body := string(a.Body)
		v.Request.Body = &body
	}
	if a.StatusCode != 0 {
		v.Response = &responseView{
			Headers: orNoHeaders(a.ResponseHeaders), Truncated: a.Truncated,
			Body: strings.ToValidUTF8(string(a.ResponseBody), "\ufffd"),
		}
	}
	return v
}

func orNoHeaders(h map[string]string) map[string]string {
	if h == nil {
		return map[string]string{}
	}
	return h
}

// shownDelivery is a delivery with its attempts as an answer.
func shownDelivery(d waybell.DeliveryView, err error) (*answer[deliveryDetailView], error) {
	if err != nil {
		return nil, err
	}
	return &answer[deliveryDetailView]{Body: viewDeliveryDetail(d)}, nil
}

func (s *Server) registerDeliveries() {
	const all, one = "/v1/agents/{agent_id}/deliveries", "/v1/agents/{agent_id}/deliveries/{delivery_id}"
	missing := []waybell.Code{waybell.CodeDeliveryNotFound}
	add(s, route{
		id: "list-deliveries", method: http.MethodGet, path: all, tag: tagDeliveries, summary: "List deliveries",
		scope: waybell.ScopeDeliveriesRead,
	}, s.listDeliveries)
	add(s, route{
		id: "get-delivery", method: http.MethodGet, path: one, tag: tagDeliveries, summary: "Show a delivery with every attempt",
		scope: waybell.ScopeDeliveriesRead, codes: missing,
	}, func(ctx context.Context, p *deliveryParams, _ *none) (*answer[deliveryDetailView], error) {
		d, err := s.svc.Delivery(ctx, p.AgentID, p.DeliveryID)
		return shownDelivery(d, err)
	})
	add(s, route{
		id: "retry-delivery", method: http.MethodPost, path: one + "/retry", tag: tagDeliveries, summary: "Send a delivery again",
		description: "Due now, through the same path: a waiting one keeps its schedule, a finished one starts a fresh schedule and window. While an attempt runs it is coalesced.",
		scope:       waybell.ScopeDeliveriesWrite, media: []string{mediaJSON}, optionalBody: true, status: http.StatusAccepted,
		codes: []waybell.Code{waybell.CodeDeliveryNotFound, waybell.CodeDeliveryHeld, waybell.CodeDeliveryInFlight,
			waybell.CodeEndpointNotFound, waybell.CodeEndpointDisabled},
	}, func(ctx context.Context, p *deliveryParams, _ *emptyBody) (*answer[deliveryDetailView], error) {
		d, err := s.svc.Retry(ctx, p.AgentID, p.DeliveryID)
		return shownDelivery(d, err)
	})
	add(s, route{
		id: "cancel-delivery", method: http.MethodPost, path: one + "/cancel", tag: tagDeliveries, summary: "Cancel a delivery",
		scope: waybell.ScopeDeliveriesWrite, media: []string{mediaJSON}, optionalBody: true,
		codes: []waybell.Code{waybell.CodeDeliveryNotFound, waybell.CodeDeliveryFinished},
	}, func(ctx context.Context, p *deliveryParams, _ *emptyBody) (*answer[deliveryDetailView], error) {
		d, err := s.svc.Cancel(ctx, p.AgentID, p.DeliveryID)
		return shownDelivery(d, err)
	})
	s.registerBulkRetry()
	s.registerExport()
}

func (s *Server) listDeliveries(ctx context.Context, p *deliveryList, _ *none) (*answer[list[DeliveryView]], error) {
	f := p.filter()
	f.Cursor, f.Limit = p.Cursor, p.Limit
	page, err := s.svc.Deliveries(ctx, p.AgentID, f)
	return listed(page, err, viewDelivery)
}
