package api

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/jsjson"
)

// EventBody documents an event to publish. It is never decoded into: the
// service reads the bytes.
type EventBody struct {
	Event          string   `json:"event" doc:"The type, by name or alias." example:"lead.submit"`
	Timestamp      string   `json:"timestamp,omitempty" format:"date-time" doc:"Default: now. An offset is converted to UTC."`
	ID             string   `json:"id,omitempty" pattern:"^[A-Za-z0-9_-]{1,128}$" doc:"Your own id; it becomes the event's id and the webhook-id, and makes publishing idempotent." example:"order-1138"`
	Data           object   `json:"data,omitempty" doc:"Checked against the type's schema."`
	Messages       messages `json:"messages,omitempty" nullable:"false" doc:"The transcript, sent to endpoints that include it."`
	Summary        object   `json:"summary,omitempty" doc:"Shorthand for data.summary, of conversation.summary only."`
	ConversationID string   `json:"conversation_id,omitempty" doc:"Shorthand for data.conversation_id." example:"conv_7"`
}

// batchEventBody is an event of a batch.
type batchEventBody struct {
	AgentID string `json:"agent_id" example:"agent_42"`
	EventBody
}

type batchBody struct {
	Events []batchEventBody `json:"events" nullable:"false"`
}

// publishedView is the answer to a published event.
type publishedView struct {
	ID         string `json:"id" example:"evt_0crw6n2v4k8pq"`
	Event      string `json:"event" example:"lead.submit"`
	Timestamp  string `json:"timestamp" format:"date-time"`
	Deliveries int    `json:"deliveries" doc:"To how many endpoints it goes."`
	Duplicate  bool   `json:"duplicate" doc:"Published before; this is the first result."`
}

// batchItemView is the result of one event of a batch: with status 202 the
// fields of a published event, else the error.
type batchItemView struct {
	Status     int             `json:"status" doc:"What this event alone would have been answered."`
	ID         string          `json:"id,omitempty"`
	Event      string          `json:"event,omitempty"`
	Timestamp  string          `json:"timestamp,omitempty" format:"date-time"`
	Deliveries *int            `json:"deliveries,omitempty"`
	Duplicate  *bool           `json:"duplicate,omitempty"`
	Error      *batchErrorView `json:"error,omitempty"`
}

// batchErrorView is a problem without what it shares with the whole answer.
type batchErrorView struct {
	Code   string             `json:"code"`
	Title  string             `json:"title"`
	Detail string             `json:"detail"`
	Errors []fieldProblemView `json:"errors,omitempty" nullable:"false"`
}

type batchView struct {
	Data []batchItemView `json:"data" nullable:"false" doc:"One item for each event, in order."`
}

// IdempotencyParams document the header that both routes take.
type IdempotencyParams struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"1–255 printable characters: the same again answers the first result with duplicate: true. Kept for 24 h. In a batch, event i has this key with /i."`
}

type publishParams struct {
	AgentParams
	IdempotencyParams
}

// The routes of the hot path.
const (
	publishPath    = publishPrefix + "{agent_id}" + publishSuffix
	publishPrefix  = "/v1/agents/"
	publishSuffix  = "/events"
	publishPattern = http.MethodPost + " " + publishPath

	batchPath = "/v1/events"
)

// IsPublish tells the paths of the routes that publish, written as nearly all are.
// Their handlers keep nothing of a request after they return, and answer at once and
// in a few kilobytes.
func IsPublish(path string) bool { return path == batchPath || publishAgent(path) != "" }

// publishTo is the agent of a request to publishPath that is written as nearly
// all are; "" for any other. It spares them the mux, which takes those that are
// written otherwise to the same handler.
func publishTo(r *http.Request) string {
	if r.Method != http.MethodPost || r.URL.RawPath != "" {
		return ""
	}
	return publishAgent(r.URL.Path)
}

func publishAgent(path string) string {
	if len(path) <= len(publishPrefix)+len(publishSuffix) ||
		!strings.HasPrefix(path, publishPrefix) || !strings.HasSuffix(path, publishSuffix) {
		return ""
	}
	id := path[len(publishPrefix) : len(path)-len(publishSuffix)]
	if !sane(id) || id[0] == '.' { // "." and ".." are no names, to a path
		return ""
	}
	return id
}

func (s *Server) registerPublish() {
	one := route{
		id: "publish-event", method: http.MethodPost, path: publishPath, tag: tagEvents, summary: "Publish an event",
		description: "The 202 is sent when the event and its deliveries are on disk and synced.",
		scope:       waybell.ScopeEventsWrite, status: http.StatusAccepted, media: []string{mediaJSON},
		codes: []waybell.Code{
			waybell.CodeUnknownEventType, waybell.CodeIdempotencyMismatch,
			waybell.CodeBusy, waybell.CodeDraining,
		},
	}
	many := route{
		id: "publish-events", method: http.MethodPost, path: batchPath, tag: tagEvents, summary: "Publish many events",
		description: "Good events are kept when others fail. An error means that none was taken.",
		scope:       waybell.ScopeEventsWrite, media: []string{mediaJSON, mediaNDJSON},
		codes: []waybell.Code{waybell.CodeBusy, waybell.CodeDraining},
	}
	documentPlain[publishParams, EventBody, publishedView](s, one)
	documentPlain[IdempotencyParams, batchBody, batchView](s, many)
	s.operationOf(many).RequestBody.Content[mediaNDJSON].Schema = &huma.Schema{
		Type: huma.TypeString, Description: "One event per line, each with its agent_id. A broken line fails alone.",
	}
	s.mux.HandleFunc(publishPattern, func(w http.ResponseWriter, r *http.Request) { s.publish(w, r, r.PathValue("agent_id")) })
	s.mux.HandleFunc("POST "+many.path, s.publishBatch)
}

// documentPlain describes a route that has a plain handler. huma documents
// only what it also serves, so it registers where nobody asks.
func documentPlain[P, B, O any](s *Server, rt route) {
	doc := s.huma.OpenAPI()
	huma.Register(huma.NewAPI(huma.Config{OpenAPI: doc}, unserved{}), rt.operation(),
		func(context.Context, *P) (*answer[O], error) { return nil, nil })
	s.documentBody(rt, doc.Components.Schemas.Schema(reflect.TypeFor[B](), true, ""))
}

// unserved is an adapter that serves nothing.
type unserved struct{ http.Handler }

func (unserved) Handle(*huma.Operation, func(huma.Context)) {}

// publish answers publishPattern.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, agentID string) {
	if _, err := s.authorize(r, waybell.ScopeEventsWrite, agentID); err != nil {
		s.fail(w, r, err)
		return
	}
	if _, err := mediaType(r, mediaJSON); err != nil {
		s.fail(w, r, err)
		return
	}
	b := s.buffer()
	defer s.release(b)
	if err := readBody(w, r, &b.body, s.limits.EventBytes); err != nil {
		s.fail(w, r, err)
		return
	}
	leave, err := s.makeRoom(r.Context(), b.body.Len())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	result, err := s.svc.PublishJSON(r.Context(), agentID, b.body.Bytes(), field(r, "Idempotency-Key"))
	leave()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b.answer = append(appendResult(append(b.answer, '{'), &result), "}\n"...)
	w.Header()["Content-Type"] = s.jsonUTF
	w.WriteHeader(http.StatusAccepted)
	w.Write(b.answer) //nolint:errcheck // the client is gone; the event stays accepted
}

// appendResult appends the members of a publishedView.
func appendResult(dst []byte, r *waybell.PublishResult) []byte {
	dst = append(dst, `"id":`...)
	dst = jsjson.AppendString(dst, r.ID)
	dst = append(dst, `,"event":`...)
	dst = jsjson.AppendString(dst, r.Type)
	dst = append(dst, `,"timestamp":"`...)
	dst = appendTime(dst, r.Timestamp)
	dst = append(dst, `","deliveries":`...)
	dst = strconv.AppendInt(dst, int64(r.Deliveries), 10)
	dst = append(dst, `,"duplicate":`...)
	return strconv.AppendBool(dst, r.Duplicate)
}

// publishBatch answers POST /v1/events.
func (s *Server) publishBatch(w http.ResponseWriter, r *http.Request) {
	key, err := s.authorize(r, waybell.ScopeEventsWrite, "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	media, err := mediaType(r, mediaJSON, mediaNDJSON)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b := s.buffer()
	defer s.release(b)
	if err := readBody(w, r, &b.body, s.limits.BatchBytes); err != nil {
		s.fail(w, r, err)
		return
	}
	leave, err := s.makeRoom(r.Context(), b.body.Len())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	items, err := s.svc.PublishBatch(r.Context(), waybell.BatchRequest{
		Body: b.body.Bytes(), NDJSON: media == mediaNDJSON,
		IdempotencyKey: r.Header.Get("Idempotency-Key"), Allowed: allowed(key),
	})
	leave()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for i := range items {
		if e := items[i].Err; e != nil && kindOf(e.Code).status >= http.StatusInternalServerError {
			s.report(w, r, e)
		}
	}
	b.answer = appendItems(b.answer, items)
	w.Header()["Content-Type"] = s.jsonUTF
	w.Header().Set("Content-Length", strconv.Itoa(len(b.answer)))
	w.WriteHeader(http.StatusOK)
	w.Write(b.answer) //nolint:errcheck // the client is gone; the events stay accepted
}

// appendItems appends a batchView.
func appendItems(dst []byte, items []waybell.BatchItem) []byte {
	dst = append(dst, `{"data":[`...)
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if items[i].Err != nil {
			dst = appendItemError(dst, items[i].Err)
			continue
		}
		dst = append(dst, `{"status":202,`...)
		dst = append(appendResult(dst, &items[i].Result), '}')
	}
	return append(dst, "]}\n"...)
}

// appendItemError appends an item that failed. Failures are rare enough for
// encoding/json.
func appendItemError(dst []byte, err *waybell.Error) []byte {
	p := problemOf(err)
	w := bytes.NewBuffer(dst)
	writeJSON(w, batchItemView{ //nolint:errcheck // strings always encode
		Status: p.Status, Error: &batchErrorView{Code: p.Code, Title: p.Title, Detail: p.Detail, Errors: p.Errors},
	})
	return w.Bytes()[:w.Len()-1] // without the new line
}
