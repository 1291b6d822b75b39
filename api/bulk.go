package api

import (
	"context"
	"net/http"

	"github.com/waybell/waybell"
)

// bulkBody chooses deliveries to send again.
type bulkBody struct {
	DeliveryIDs waybell.Optional[[]string]   `json:"delivery_ids,omitempty" nullable:"true" minItems:"1" maxItems:"250" doc:"These deliveries, or those of a filter."`
	Filter      waybell.Optional[filterBody] `json:"filter,omitempty" doc:"All deliveries that the list with these filters shows; at least one field."`
	DryRun      bool                         `json:"dry_run,omitempty" doc:"Count only: nothing is sent again."`
	Cursor      waybell.Optional[string]     `json:"cursor,omitempty" doc:"next_cursor of the call before, with the same filter."`
}

// filterBody is LogParams as a body.
type filterBody struct {
	EndpointID  waybell.Optional[string]   `json:"endpoint_id,omitempty" nullable:"true"`
	Event       waybell.Optional[string]   `json:"event,omitempty" nullable:"true" doc:"A type by name or alias."`
	EventID     waybell.Optional[string]   `json:"event_id,omitempty" nullable:"true"`
	State       waybell.Optional[string]   `json:"state,omitempty" nullable:"true" doc:"pending, retrying, held, delivered, failed or canceled." example:"failed"`
	StatusCode  waybell.Optional[int]      `json:"status_code,omitempty" nullable:"true" doc:"Of the last answer, 100 to 599."`
	StatusClass waybell.Optional[string]   `json:"status_class,omitempty" nullable:"true" doc:"Of the last answer: 2xx, 3xx, 4xx, 5xx or none."`
	Since       waybell.Optional[TimeBody] `json:"since,omitempty" nullable:"true" doc:"Accepted at or after."`
	Until       waybell.Optional[TimeBody] `json:"until,omitempty" nullable:"true" doc:"Accepted before."`
}

// bulkView is what was done, or with dry_run would be.
type bulkView struct {
	Matched      int           `json:"matched" minimum:"0" doc:"Deliveries found by the filter, or named."`
	Retried      int           `json:"retried" minimum:"0" doc:"Of these, made due now, or on their way already; 0 in a dry run."`
	Skipped      []skippedView `json:"skipped" nullable:"false" maxItems:"100" doc:"The first that cannot be sent again now."`
	SkippedCount int           `json:"skipped_count" minimum:"0" doc:"How many those are. In a dry run, matched less this would be sent again."`
	NextCursor   *string       `json:"next_cursor" doc:"There may be more: call again with it as cursor. Null at the end."`
}

type skippedView struct {
	DeliveryID string `json:"delivery_id" example:"dlv_0crw6n2v4k8pq00000001"`
	Code       string `json:"code" example:"delivery_held"`
	Detail     string `json:"detail" doc:"Why, in words."`
}

func (s *Server) registerBulkRetry() {
	add(s, route{
		id: "retry-deliveries", method: http.MethodPost, path: "/v1/agents/{agent_id}/deliveries/retry", tag: tagDeliveries,
		summary: "Send many deliveries again",
		description: "Each as `…/{delivery_id}/retry` does. One call sends at most 1,000 again, or with `dry_run` counts 10,000, " +
			"newest first; `next_cursor` goes on after them. Deliveries accepted meanwhile are not touched. " +
			"It is safe to repeat a call: what waits is due already.",
		scope: waybell.ScopeDeliveriesWrite, media: []string{mediaJSON},
	}, s.retryDeliveries)
}

func (s *Server) retryDeliveries(ctx context.Context, p *AgentParams, body *bulkBody) (*answer[bulkView], error) {
	in := waybell.BulkRetry{DryRun: body.DryRun, Cursor: body.Cursor.Value}
	if body.DeliveryIDs.Set && !body.DeliveryIDs.Null {
		in.DeliveryIDs = append([]string{}, body.DeliveryIDs.Value...)
	}
	var err error
	if in.Filter, err = body.Filter.Value.filter(); err != nil {
		return nil, err
	}
	r, err := s.svc.RetryMany(ctx, p.AgentID, in)
	if err != nil {
		return nil, err
	}
	v := bulkView{
		Matched: r.Matched, Retried: r.Retried, SkippedCount: r.SkippedCount,
		Skipped: make([]skippedView, len(r.Skipped)), NextCursor: orNull(r.Next),
	}
	for i, skipped := range r.Skipped {
		v.Skipped[i] = skippedView{skipped.ID, string(skipped.Code), skipped.Detail}
	}
	return &answer[bulkView]{Body: v}, nil
}

// filter refuses empty values: where a script forgot to fill one in, it must
// not send everything again. Null is a field left out.
func (b *filterBody) filter() (waybell.LogFilter, error) {
	f := waybell.LogFilter{Since: b.Since.Value.Time, Until: b.Until.Value.Time, StatusCode: b.StatusCode.Value}
	p := newProblem(waybell.CodeInvalid, "")
	text := func(name string, given waybell.Optional[string], into *string) {
		if *into = given.Value; given.Set && !given.Null && given.Value == "" {
			p.Errors = append(p.Errors, fieldProblemView{Location: "body.filter." + name, Message: "must not be empty"})
		}
	}
	text("endpoint_id", b.EndpointID, &f.EndpointID)
	text("event", b.Event, &f.Type)
	text("event_id", b.EventID, &f.EventID)
	text("state", b.State, &f.State)
	text("status_class", b.StatusClass, &f.StatusClass)
	if b.StatusCode.Set && !b.StatusCode.Null && b.StatusCode.Value == 0 {
		p.Errors = append(p.Errors, fieldProblemView{Location: "body.filter.status_code", Message: "must be a status from 100 to 599"})
	}
	if len(p.Errors) > 0 {
		p.Detail = summary(p.Errors)
		return f, p
	}
	return f, nil
}
