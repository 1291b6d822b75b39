package api

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
)

// InboxParams names an inbox.
type InboxParams struct {
	AgentParams
	InboxID string `path:"inbox_id" maxLength:"64" doc:"The inbox's id." example:"inb_068m2k4v8q1w5"`
}

// inboxList asks for a page of an agent's inboxes.
type inboxList struct {
	AgentParams
	ListParams
}

// receivedList asks for a page of what an inbox received.
type receivedList struct {
	InboxParams
	ListParams
}

type inboxView struct {
	ID            string   `json:"id" example:"inb_068m2k4v8q1w5"`
	AgentID       string   `json:"agent_id" example:"agent_42"`
	Name          string   `json:"name" example:"First try"`
	URL           string   `json:"url" format:"uri" doc:"Takes POST and PUT from anybody who knows it." example:"https://hooks.example.com/in/0cs9w2k4v8q1w5b7n3m6x0r2t4"`
	RespondStatus int      `json:"respond_status" minimum:"200" maximum:"599" doc:"What it answers."`
	CreatedAt     string   `json:"created_at" format:"date-time"`
	ExpiresAt     string   `json:"expires_at" format:"date-time" doc:"Later whenever it is changed, looked at or sent to."`
	Requests      int      `json:"requests" doc:"Kept ones."`
	LastRequestAt *string  `json:"last_request_at" format:"date-time"`
	EndpointIDs   []string `json:"endpoint_ids" nullable:"false" doc:"The agent's endpoints that lead to it."`
}

func viewInbox(in waybell.Inbox) inboxView {
	return inboxView{
		ID: in.ID, AgentID: in.AgentID, Name: in.Name, URL: in.URL, RespondStatus: in.RespondStatus,
		CreatedAt: rfc3339(in.CreatedAt), ExpiresAt: rfc3339(in.ExpiresAt), Requests: in.Requests,
		LastRequestAt: timeOrNull(in.LastRequestAt), EndpointIDs: orEmpty(in.EndpointIDs),
	}
}

// inboxBody is an inbox as the caller writes it, or a merge patch of one.
type inboxBody struct {
	Name          waybell.Optional[string] `json:"name,omitempty" doc:"At most 200 characters."`
	RespondStatus waybell.Optional[int]    `json:"respond_status,omitempty" minimum:"200" maximum:"599" doc:"What it answers; default 200."`
}

func (b inboxBody) input() waybell.InboxInput { return waybell.InboxInput(b) }

type receivedView struct {
	ID             string            `json:"id" example:"req_068m2k4v8q1w5"`
	ReceivedAt     string            `json:"received_at" format:"date-time"`
	Method         string            `json:"method" example:"POST"`
	Headers        map[string]string `json:"headers" doc:"Values of custom headers and credentials are masked."`
	Body           string            `json:"body" doc:"As far as it is kept; secrets in it are masked."`
	BodyTruncated  bool              `json:"body_truncated" doc:"It was longer."`
	AnsweredStatus int               `json:"answered_status" example:"200"`
	DeliveryID     *string           `json:"delivery_id" doc:"Null for what others than this server sent."`
	Event          *string           `json:"event" doc:"Null for what others than this server sent." example:"lead.submit"`
	Attempt        *int              `json:"attempt" doc:"Null for what others than this server sent."`
	Verdict        inboxVerdictView  `json:"verdict"`
}

type inboxVerdictView struct {
	Status string  `json:"status" enum:"verified,failed,unsigned,unknown" doc:"By the secrets, when it came, of the agent's endpoints that lead here: unsigned = no secret and no signature, unknown = nothing to check with."`
	Header *string `json:"header" doc:"The signature header that was checked." example:"webhook-signature"`
	Scheme *string `json:"scheme" doc:"Its scheme: standard, ed25519, chatzuri, chatislav or a configured format." example:"standard"`
	Text   string  `json:"text" doc:"The verdict in words: what is wrong, and what to do."`
}

func viewReceived(r waybell.InboxRequest) receivedView {
	return receivedView{
		ID: r.ID, ReceivedAt: rfc3339(r.ReceivedAt), Method: r.Method, Headers: orNoHeaders(r.Headers),
		Body: strings.ToValidUTF8(string(r.Body), "\ufffd"), BodyTruncated: r.Truncated, AnsweredStatus: r.Status,
		DeliveryID: orNull(r.DeliveryID), Event: orNull(r.Event), Attempt: orNull(r.Attempt),
		Verdict: inboxVerdictView{r.Verdict.Status, orNull(r.Verdict.Header), orNull(r.Verdict.Scheme), r.Verdict.Text},
	}
}

func (s *Server) registerInboxes() {
	const all, one = "/v1/agents/{agent_id}/inboxes", "/v1/agents/{agent_id}/inboxes/{inbox_id}"
	missing := []waybell.Code{waybell.CodeInboxNotFound}
	add(s, route{
		id: "create-inbox", method: http.MethodPost, path: all, tag: tagInboxes, summary: "Make an inbox",
		description: "A throw-away receiver on this server, to try webhooks without one of your own. Give its URL to an endpoint.",
		scope:       waybell.ScopeEndpointsWrite, status: http.StatusCreated, media: []string{mediaJSON}, optionalBody: true,
		codes: []waybell.Code{waybell.CodeTooManyInboxes, waybell.CodeInboxesOff},
	}, s.createInbox)
	add(s, route{
		id: "list-inboxes", method: http.MethodGet, path: all, tag: tagInboxes, summary: "List an agent's inboxes",
		scope: waybell.ScopeEndpointsRead,
	}, func(ctx context.Context, p *inboxList, _ *none) (*answer[list[inboxView]], error) {
		page, err := s.svc.Inboxes(ctx, p.AgentID, p.query(nil))
		return listed(page, err, viewInbox)
	})
	add(s, route{
		id: "get-inbox", method: http.MethodGet, path: one, tag: tagInboxes, summary: "Show an inbox",
		scope: waybell.ScopeEndpointsRead, codes: missing,
	}, func(ctx context.Context, p *InboxParams, _ *none) (*answer[inboxView], error) {
		return shownInbox(s.svc.Inbox(ctx, p.AgentID, p.InboxID))
	})
	add(s, route{
		id: "update-inbox", method: http.MethodPatch, path: one, tag: tagInboxes, summary: "Change an inbox",
		scope: waybell.ScopeEndpointsWrite, media: []string{mediaMergePatch, mediaJSON}, codes: missing,
	}, func(ctx context.Context, p *InboxParams, body *inboxBody) (*answer[inboxView], error) {
		return shownInbox(s.svc.UpdateInbox(ctx, p.AgentID, p.InboxID, body.input()))
	})
	add(s, route{
		id: "delete-inbox", method: http.MethodDelete, path: one, tag: tagInboxes, summary: "Delete an inbox",
		description: "With what it received; its URL answers 410 from then on.",
		scope:       waybell.ScopeEndpointsWrite, status: http.StatusNoContent, codes: missing,
	}, func(ctx context.Context, p *InboxParams, _ *none) (*none, error) {
		return orError(&none{}, s.svc.DeleteInbox(ctx, p.AgentID, p.InboxID))
	})
	add(s, route{
		id: "list-inbox-requests", method: http.MethodGet, path: one + "/requests", tag: tagInboxes, summary: "List what an inbox received",
		description: "The newest ones are kept, each with a verdict on its signature.",
		scope:       waybell.ScopeEndpointsRead, codes: missing,
	}, func(ctx context.Context, p *receivedList, _ *none) (*answer[list[receivedView]], error) {
		page, err := s.svc.InboxRequests(ctx, p.AgentID, p.InboxID, p.query(nil))
		return listed(page, err, viewReceived)
	})
	add(s, route{
		id: "clear-inbox", method: http.MethodDelete, path: one + "/requests", tag: tagInboxes, summary: "Empty an inbox",
		scope: waybell.ScopeEndpointsWrite, status: http.StatusNoContent, codes: missing,
	}, func(ctx context.Context, p *InboxParams, _ *none) (*none, error) {
		return orError(&none{}, s.svc.ClearInbox(ctx, p.AgentID, p.InboxID))
	})
	s.mux.HandleFunc(inboxPath, s.receive)
	s.documentReceive(http.MethodPost)
	s.documentReceive(http.MethodPut)
}

func (s *Server) createInbox(ctx context.Context, p *AgentParams, body *inboxBody) (*createdUntagged[inboxView], error) {
	in, err := s.svc.CreateInbox(ctx, p.AgentID, body.input())
	if err != nil {
		return nil, err
	}
	return &createdUntagged[inboxView]{Location: "/v1/agents/" + in.AgentID + "/inboxes/" + in.ID, Body: viewInbox(in)}, nil
}

// createdUntagged is a 201 of something without a version.
type createdUntagged[T any] struct {
	Location string `header:"Location" doc:"Where it is."`
	Body     T
}

func shownInbox(in waybell.Inbox, err error) (*answer[inboxView], error) {
	if err != nil {
		return nil, err
	}
	return &answer[inboxView]{Body: viewInbox(in)}, nil
}

// inboxPath is where anybody sends to an inbox. No answer there lets a page of
// another origin read it, and none is taken for anything but JSON.
const inboxPath = "/in/{token}"

const inboxMethods = "POST, PUT"

// receive takes a request into an inbox. A delivery of this server does not
// come here: see waybell.Service.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost, http.MethodPut:
	case http.MethodOptions:
		h := w.Header()
		h.Set("Allow", "OPTIONS, "+inboxMethods)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("This is an inbox of Waybell: send it a webhook with POST or PUT. Pages of other origins cannot.\n")) //nolint:errcheck // the client is gone
		return
	default:
		s.fail(w, r, newProblem(codeMethodNotAllowed,
			"this is an inbox: it takes webhooks with POST and PUT, and what it received is shown in the screens of this server").
			with("Allow", inboxMethods))
		return
	}
	in, leave, err := s.svc.AdmitToInbox(r.Context(), r.PathValue("token"))
	if err != nil {
		w.Header().Set("Connection", "close") // the body is not read
		s.fail(w, r, err)
		return
	}
	defer leave()
	// Its place is one of few: who sends slowly must not keep it.
	calm := hurry(w)
	var body bytes.Buffer
	if err := readBody(w, r, &body, 2*s.limits.InboxBodyBytes); err != nil {
		s.fail(w, r, err)
		return
	}
	calm()
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	if err := s.svc.ReceiveInInbox(r.Context(), in, waybell.InboxArrival{Method: r.Method, Header: header, Body: body.Bytes()}); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header()["Content-Type"] = s.jsonUTF
	w.WriteHeader(in.RespondStatus)
	w.Write([]byte(waybell.InboxReceived)) //nolint:errcheck // the client is gone, or the status has no body
}

// documentReceive describes the one path of this API that is for anybody.
func (s *Server) documentReceive(method string) {
	op := &huma.Operation{
		OperationID: "receive-" + strings.ToLower(method), Method: method, Path: inboxPath, Tags: []string{tagInboxes},
		Summary: "Send to an inbox with " + method,
		Description: "The URL of an inbox, for anybody who knows it; no key is needed. " +
			"Answers with the inbox's `respond_status`, here shown as 200. At most 50 requests a second, and 32 at the same time.",
		Security: []map[string][]string{},
		Parameters: []*huma.Param{{
			Name: "token", In: "path", Required: true, Description: "The end of the inbox's URL.",
			Schema: &huma.Schema{Type: huma.TypeString}, Example: "0cs9w2k4v8q1w5b7n3m6x0r2t4",
		}},
		RequestBody: &huma.RequestBody{Description: "Anything, of at most twice what is kept.",
			Content: map[string]*huma.MediaType{mediaJSON: {Schema: &huma.Schema{}}, "*/*": {Schema: &huma.Schema{}}}},
		Responses: map[string]*huma.Response{"200": {
			Description: "Received, and shown in the inbox.",
			Content: map[string]*huma.MediaType{mediaJSON: {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"received"},
				Properties: map[string]*huma.Schema{"received": {Type: huma.TypeBoolean}},
			}}},
		}},
	}
	for _, code := range []waybell.Code{waybell.CodeMalformedJSON, codeRequestTimeout, waybell.CodeInboxGone, waybell.CodeTooLarge,
		waybell.CodeRateLimited, waybell.CodeInternal, waybell.CodeUnavailable} {
		for status, of := range byStatus([]waybell.Code{code}) {
			op.Responses[strconv.Itoa(status)] = problemResponse(of)
		}
	}
	s.huma.OpenAPI().AddOperation(op)
}
