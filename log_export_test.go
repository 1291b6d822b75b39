package waybell

import (
	"context"
	"net/http"
	"time"

	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/internal/record"
)

// LoadLog brings the directory up to the store, as starting would, so that the
// log can be read without an engine that changes it.
func (s *Service) LoadLog(ctx context.Context) error {
	now := time.Now()
	s.startedAt.Store(&now)
	return s.refresh(ctx)
}

// SentDetail is the detail of an attempt that sent an event to an endpoint as
// it is now, and got an empty answer.
func (s *Service) SentDetail(n EndpointNumber, event Event) ([]byte, error) {
	e := s.dir.entry(n)
	body, err := e.format.Render(nil, event.content(), e.IncludeMessages)
	if err != nil {
		return nil, err
	}
	return (&sent{
		e:      e,
		body:   &renderedBody{bytes: body, sum: record.Sum(body)},
		header: egress.Header{{Name: "Content-Type", Value: "application/json"}},
		result: &egress.Result{Status: http.StatusNoContent},
	}).detail(), nil
}
