package waybell

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/reception"
	"github.com/waybell/waybell/internal/record"
	"github.com/waybell/waybell/signature"
)

// InboxNumber is an inbox's internal number, given by the store and never used
// again.
type InboxNumber int64

// Inbox is a throw-away receiver on this server: a URL that takes requests and
// shows them. It belongs to an agent and lives for Config.InboxTTL after it was
// last changed, looked at or sent to.
type Inbox struct {
	Number        InboxNumber
	ID            string
	Agent         AgentNumber
	AgentID       string
	Name          string
	Token         string // the end of its URL; whoever knows it may send
	RespondStatus int    // what it answers, 200–599
	CreatedAt     time.Time
	ExpiresAt     time.Time
	Requests      int       // kept ones
	LastRequestAt time.Time // zero before the first

	// What the service adds to the stored row.
	URL         string
	EndpointIDs []string // of its agent's endpoints that lead to it
}

// InboxInput is what a caller says about an inbox, all of it optional.
type InboxInput struct {
	Name          Optional[string] // at most 200 characters
	RespondStatus Optional[int]    // 200–599, default 200
}

// InboxRequest is a request as an inbox keeps it.
type InboxRequest struct {
	Number     int64 // given by the store, rising
	ID         string
	Inbox      InboxNumber
	ReceivedAt time.Time
	Method     string
	Headers    map[string]string // values of custom headers and credentials masked
	Body       []byte            // at most Limits.InboxBodyBytes
	Truncated  bool              // the body was longer
	Status     int               // what was answered
	// DeliveryID, Event and Attempt are those of a delivery of this server; ""
	// and 0 for what others sent.
	DeliveryID string
	Event      string
	Attempt    int
	Verdict    InboxVerdict
}

// InboxVerdict says what a receiver that knows the secrets of the agent's
// endpoints with the inbox's URL would make of a request's signature, at the
// time it came.
type InboxVerdict struct {
	Status string // verified, failed, unsigned or unknown
	Header string // the signature header that was checked, or ""
	Scheme string // standard, ed25519, chatzuri, chatislav or a configured format; or ""
	Text   string // sentences for people
}

// InboxStore keeps the inboxes. They are no configuration: their changes do not
// raise the configuration version. An expired inbox is found until it is swept;
// the caller looks at ExpiresAt.
type InboxStore interface {
	InboxRequestStore
	// CreateInbox inserts in and returns it with Number. ErrConflict when the
	// agent has limit inboxes that expire after in.CreatedAt (the limit holds for
	// concurrent calls too, on all nodes), ErrNotFound when the agent was deleted.
	CreateInbox(ctx context.Context, in Inbox, limit int) (Inbox, error)
	// UpdateInbox replaces Name and RespondStatus and moves ExpiresAt as
	// TouchInbox does; ErrNotFound when it is gone.
	UpdateInbox(ctx context.Context, in Inbox) error
	// TouchInbox moves ExpiresAt to expires, never back; without effect when it
	// is gone.
	TouchInbox(ctx context.Context, n InboxNumber, expires time.Time) error
	// DeleteInbox removes an inbox of an agent with its requests, or ErrNotFound.
	DeleteInbox(ctx context.Context, agent AgentNumber, id string) error
	// Inbox finds an inbox of an agent by its id, or ErrNotFound.
	Inbox(ctx context.Context, agent AgentNumber, id string) (Inbox, error)
	// InboxByToken finds an inbox by its token, or ErrNotFound.
	InboxByToken(ctx context.Context, token string) (Inbox, error)
	// Inboxes lists an agent's inboxes that expire after now, by falling number.
	Inboxes(ctx context.Context, agent AgentNumber, now time.Time, q PageQuery) ([]Inbox, error)
}

// InboxRequestStore keeps what inboxes received.
type InboxRequestStore interface {
	// AddInboxRequest inserts r, sets LastRequestAt to its ReceivedAt, moves
	// ExpiresAt as TouchInbox does, and removes all but the newest keep requests
	// of its inbox, in one transaction; ErrNotFound when the inbox is gone.
	AddInboxRequest(ctx context.Context, r InboxRequest, keep int, expires time.Time) error
	// InboxRequests lists an inbox's requests by falling number.
	InboxRequests(ctx context.Context, n InboxNumber, q PageQuery) ([]InboxRequest, error)
	// ClearInbox removes all requests of an inbox.
	ClearInbox(ctx context.Context, n InboxNumber) error
	// SweepInboxes removes inboxes that expired at or before now, with their
	// requests, in short transactions until the budget is spent. It tells how
	// many inboxes went and whether there is more to do.
	SweepInboxes(ctx context.Context, lease Lease, now time.Time, budget time.Duration) (n int, more bool, err error)
}

const (
	inboxPrefix        = "inb_"
	inboxRequestPrefix = "req_"
	maxInboxName       = 200
	inboxTokenBytes    = 16
	// inboxTouch is how far an inbox's end may lag behind its last use: looking
	// at it writes at most once in this time.
	inboxTouch = time.Hour
	// inboxPatience bounds how long a request waits to be written.
	inboxPatience = 5 * time.Second
)

// inboxesOff is an error where this server has no inboxes.
func (s *Service) inboxesOff() error {
	if s.cfg.InboxTTL < 0 || s.cfg.OwnURL == "" {
		return errorf(CodeInboxesOff, "inboxes are switched off on this server")
	}
	return nil
}

// dress adds to a stored inbox what is not stored.
func (s *Service) dress(in *Inbox) {
	in.URL, in.EndpointIDs = s.egress.InboxURL(in.Token), []string{}
	for _, e := range s.inboxSenders(in) {
		in.EndpointIDs = append(in.EndpointIDs, e.ID)
	}
}

// inboxSenders are the living endpoints of the inbox's agent that lead to it.
func (s *Service) inboxSenders(in *Inbox) []*endpointEntry {
	var found []*endpointEntry
	if a := s.dir.agentByNumber(in.Agent); a != nil {
		for _, e := range a.endpoints {
			if url := s.egress.InboxURL(in.Token); url != "" && e.URL == url && e.unready == nil {
				found = append(found, e)
			}
		}
	}
	return found
}

func (in InboxInput) into(inbox *Inbox) error {
	var p problems
	in.Name.into(&inbox.Name, "")
	p.name(inbox.Name, 0, maxInboxName)
	in.RespondStatus.into(&inbox.RespondStatus, http.StatusOK)
	if n := inbox.RespondStatus; n < 200 || n > 599 {
		p.addValue("body.respond_status", n, "must be 200 to 599")
	}
	return p.err("the inbox")
}

// CreateInbox makes an inbox. Errors: CodeInvalid, CodeAgentNotFound,
// CodeTooManyInboxes, CodeInboxesOff.
func (s *Service) CreateInbox(ctx context.Context, agentID string, in InboxInput) (Inbox, error) {
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return Inbox{}, err
	}
	if err := s.inboxesOff(); err != nil {
		return Inbox{}, err
	}
	var token [inboxTokenBytes]byte
	rand.Read(token[:]) // never fails, see crypto/rand
	now := clock()
	inbox := Inbox{
		ID: newID(inboxPrefix), Agent: a.Number, AgentID: a.ID, Token: idEncoding.EncodeToString(token[:]),
		RespondStatus: http.StatusOK, CreatedAt: now, ExpiresAt: now.Add(s.cfg.InboxTTL),
	}
	if err := in.into(&inbox); err != nil {
		return Inbox{}, err
	}
	limit := s.cfg.Limits.InboxesPerAgent
	inbox, err = s.store.CreateInbox(ctx, inbox, limit)
	switch {
	case errors.Is(err, ErrConflict):
		return Inbox{}, errorf(CodeTooManyInboxes, "the agent has %d inboxes; no more are allowed", limit)
	case errors.Is(err, ErrNotFound):
		return Inbox{}, noAgent(agentID)
	case err != nil:
		return Inbox{}, storeFailed("create inbox", err)
	}
	s.dress(&inbox)
	return inbox, nil
}

// UpdateInbox changes what is given. Of two changes at once the last one
// stays. Errors: CodeInvalid, CodeAgentNotFound, CodeInboxNotFound.
func (s *Service) UpdateInbox(ctx context.Context, agentID, id string, in InboxInput) (Inbox, error) {
	inbox, err := s.findInbox(ctx, agentID, id)
	if err != nil {
		return Inbox{}, err
	}
	if err := in.into(&inbox); err != nil {
		return Inbox{}, err
	}
	inbox.ExpiresAt = s.inboxEnd(&inbox, clock())
	switch err := s.store.UpdateInbox(ctx, inbox); {
	case errors.Is(err, ErrNotFound):
		return Inbox{}, noInbox(id)
	case err != nil:
		return Inbox{}, storeFailed("update inbox", err)
	}
	return inbox, nil
}

// inboxEnd is when an inbox that is used now expires.
func (s *Service) inboxEnd(in *Inbox, now time.Time) time.Time {
	if end := now.Add(s.cfg.InboxTTL); end.After(in.ExpiresAt) {
		return end
	}
	return in.ExpiresAt
}

// Inbox finds an inbox of an agent; looking at it prolongs its life. Errors:
// CodeAgentNotFound, CodeInboxNotFound.
func (s *Service) Inbox(ctx context.Context, agentID, id string) (Inbox, error) {
	in, err := s.findInbox(ctx, agentID, id)
	if err != nil {
		return Inbox{}, err
	}
	s.touchInbox(ctx, &in)
	return in, nil
}

// touchInbox prolongs an inbox's life, seldom enough to cost nothing. That it
// cannot be written now is no reason to refuse the look.
func (s *Service) touchInbox(ctx context.Context, in *Inbox) {
	end := s.inboxEnd(in, clock())
	if end.Sub(in.ExpiresAt) < inboxTouch {
		return
	}
	if err := s.store.TouchInbox(ctx, in.Number, end); err != nil {
		s.log.Warn("the life of an inbox was not prolonged", "inbox", in.ID, "error", err)
		return
	}
	in.ExpiresAt = end
}

// findInbox finds a living inbox.
func (s *Service) findInbox(ctx context.Context, agentID, id string) (Inbox, error) {
	a, err := s.Agent(ctx, agentID)
	if err != nil {
		return Inbox{}, err
	}
	in, err := s.store.Inbox(ctx, a.Number, id)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && s.inboxGone(&in):
		return Inbox{}, noInbox(id)
	case err != nil:
		return Inbox{}, storeFailed("inbox", err)
	}
	s.dress(&in)
	return in, nil
}

func (s *Service) inboxGone(in *Inbox) bool {
	return s.inboxesOff() != nil || !time.Now().Before(in.ExpiresAt)
}

func noInbox(id string) error { return errorf(CodeInboxNotFound, "there is no inbox %.80q", id) }

// Inboxes lists an agent's inboxes, newest first; there are none where they are
// switched off. Errors: CodeAgentNotFound, CodeInvalid for a bad limit or
// cursor.
func (s *Service) Inboxes(ctx context.Context, agentID string, q ListQuery) (Page[Inbox], error) {
	limit, after, err := q.numbers("inboxes")
	if err != nil {
		return Page[Inbox]{}, err
	}
	a, err := s.Agent(ctx, agentID)
	if err != nil || s.inboxesOff() != nil {
		return Page[Inbox]{}, err
	}
	rows, err := s.store.Inboxes(ctx, a.Number, time.Now(), PageQuery{After: after, Limit: limit + 1})
	if err != nil {
		return Page[Inbox]{}, storeFailed("inboxes", err)
	}
	for i := range rows {
		s.dress(&rows[i])
	}
	return cutPage(rows, limit, func(in *Inbox) string {
		return listCursor("inboxes", strconv.FormatInt(int64(in.Number), 10))
	}), nil
}

// DeleteInbox removes an inbox with its requests: its URL answers 410 from then
// on. Errors: CodeAgentNotFound, CodeInboxNotFound.
func (s *Service) DeleteInbox(ctx context.Context, agentID, id string) error {
	in, err := s.findInbox(ctx, agentID, id)
	if err != nil {
		return err
	}
	switch err := s.store.DeleteInbox(ctx, in.Agent, id); {
	case errors.Is(err, ErrNotFound):
		return noInbox(id)
	case err != nil:
		return storeFailed("delete inbox", err)
	}
	return nil
}

// InboxRequests lists what an inbox received and keeps, newest first. Errors:
// CodeAgentNotFound, CodeInboxNotFound, CodeInvalid for a bad limit or cursor.
func (s *Service) InboxRequests(ctx context.Context, agentID, id string, q ListQuery) (Page[InboxRequest], error) {
	limit, after, err := q.numbers("inbox requests")
	if err != nil {
		return Page[InboxRequest]{}, err
	}
	in, err := s.Inbox(ctx, agentID, id)
	if err != nil {
		return Page[InboxRequest]{}, err
	}
	rows, err := s.store.InboxRequests(ctx, in.Number, PageQuery{After: after, Limit: limit + 1})
	if err != nil {
		return Page[InboxRequest]{}, storeFailed("inbox requests", err)
	}
	return cutPage(rows, limit, func(r *InboxRequest) string {
		return listCursor("inbox requests", strconv.FormatInt(r.Number, 10))
	}), nil
}

// ClearInbox removes what an inbox received. Errors: CodeAgentNotFound,
// CodeInboxNotFound.
func (s *Service) ClearInbox(ctx context.Context, agentID, id string) error {
	in, err := s.findInbox(ctx, agentID, id)
	if err != nil {
		return err
	}
	if err := s.store.ClearInbox(ctx, in.Number); err != nil {
		return storeFailed("clear inbox", err)
	}
	return nil
}

// InboxArrival is a request on its way into an inbox.
type InboxArrival struct {
	Method string
	Header http.Header // not changed; Host is among them where it is known
	Body   []byte
	ours   bool // made by this server's own sender
}

// AdmitToInbox finds the inbox of a token for somebody who sends to it, and
// tells whether it takes a request now, before anybody reads the body. leave
// must be called when the request has ended; without an error it is never nil.
// Errors: CodeInboxGone, CodeRateLimited, CodeUnavailable.
func (s *Service) AdmitToInbox(ctx context.Context, token string) (in Inbox, leave func(), err error) {
	if !s.sessions.Enter(ctx) { // tokens are made up, too
		return Inbox{}, nil, inboxGone() // nobody is there to read it
	}
	in, err = s.admitToInbox(ctx, token)
	s.sessions.Leave()
	if err != nil {
		return Inbox{}, nil, err
	}
	if leave = s.gate.Enter(token); leave == nil {
		return Inbox{}, nil, tooFast()
	}
	return in, leave, nil
}

func inboxGone() error {
	return errorf(CodeInboxGone, "there is no inbox at this URL: it was deleted, or it expired because nobody used it. Make a new one, and give its URL to the webhook")
}

func (s *Service) admitToInbox(ctx context.Context, token string) (Inbox, error) {
	if s.inboxesOff() != nil || len(token) != idEncoding.EncodedLen(inboxTokenBytes) {
		return Inbox{}, inboxGone()
	}
	in, err := s.store.InboxByToken(ctx, token)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && (s.inboxGone(&in) || s.dir.agentByNumber(in.Agent) == nil):
		return Inbox{}, inboxGone()
	case err != nil:
		return Inbox{}, storeFailed("inbox", err)
	case !s.gate.Admit(token, time.Now()):
		return Inbox{}, tooFast()
	}
	return in, nil
}

func tooFast() error {
	e := errorf(CodeRateLimited, "an inbox takes %d requests a second and %d at the same time; send more slowly", reception.PerSecond, reception.Together)
	e.RetryAfter = time.Second
	return e
}

// ReceiveInInbox keeps a request that was admitted. Its signature is judged as
// it came; what is kept has secrets and custom header values masked. Errors:
// CodeInboxGone, CodeRateLimited, CodeUnavailable.
func (s *Service) ReceiveInInbox(ctx context.Context, in Inbox, a InboxArrival) error {
	now := clock()
	limit := s.cfg.Limits.InboxBodyBytes
	if !s.gate.Keep(min(len(a.Body), limit), now) {
		return tooFast()
	}
	senders := s.inboxSenders(&in)
	r := InboxRequest{
		ID: newID(inboxRequestPrefix), Inbox: in.Number, ReceivedAt: now, Method: a.Method, Status: in.RespondStatus,
	}
	var hidden *record.Hidden
	if agent := s.dir.agentByNumber(in.Agent); agent != nil {
		hidden = agent.hidden()
	}
	var sender *endpointEntry
	if a.ours {
		r.DeliveryID, r.Event = a.Header.Get("X-Waybell-Delivery"), a.Header.Get("X-Waybell-Event")
		r.Attempt, _ = strconv.Atoi(a.Header.Get("X-Waybell-Attempt"))
		if ref, err := ParseDeliveryID(r.DeliveryID); err == nil {
			sender = s.dir.entry(ref.Endpoint)
		}
		if at := slices.Index(senders, sender); at > 0 { // its own secret decides first
			senders = slices.Concat(senders[at:at+1], senders[:at], senders[at+1:])
		} else if at < 0 && sender != nil { // of another agent, whose values are not for this one
			hidden = sender.hidden.And(hidden)
		}
	}
	r.Verdict = s.inboxVerdict(senders, a, now)
	var spell func(string) string
	if sender != nil && sender.format != nil {
		spell = sender.format.HeaderName
	}
	r.Headers = record.Headers(a.Header, hidden, spell)
	r.Body, r.Truncated = hidden.In(a.Body, limit, false)
	within, cancel := context.WithTimeout(ctx, inboxPatience)
	defer cancel()
	switch err := s.store.AddInboxRequest(within, r, s.cfg.Limits.InboxRequests, s.inboxEnd(&in, now)); {
	case errors.Is(err, ErrNotFound):
		return errorf(CodeInboxGone, "the inbox was deleted")
	case err != nil:
		return storeFailed("inbox", err)
	}
	return nil
}

// judgedBytes bounds what is hashed for a verdict, for each secret of an endpoint:
// anybody may send, and a hundred endpoints may lead to one inbox.
const judgedBytes = 1 << 20

// inboxVerdict judges a request with the secrets of endpoints, of the first ones
// where there are many and the body is large.
func (s *Service) inboxVerdict(endpoints []*endpointEntry, a InboxArrival, now time.Time) InboxVerdict {
	endpoints = endpoints[:min(len(endpoints), max(1, judgedBytes/max(1, len(a.Body))))]
	senders := make([]reception.Sender, len(endpoints))
	for i, e := range endpoints {
		senders[i] = reception.Sender{Format: e.Format, Schemes: e.format.Schemes(false, e.StandardHeaders)}
		for _, scheme := range e.format.Schemes(true, e.StandardHeaders) {
			if !slices.Contains(senders[i].Schemes, scheme) {
				senders[i].Schemes = append(senders[i].Schemes, scheme)
			}
		}
		for _, secret := range e.Secrets {
			if parsed, err := signature.ParseSecret(secret.Value.Reveal()); err == nil && (secret.ExpiresAt.IsZero() || now.Before(secret.ExpiresAt)) {
				senders[i].Secrets = append(senders[i].Secrets, parsed)
			}
		}
	}
	v := reception.Judge(reception.Request{
		Header: a.Header, Body: a.Body, Now: now, Explain: func() bool { return s.gate.Explain(a.Body, now) },
	}, senders)
	return InboxVerdict{Status: string(v.Status), Header: v.Header, Scheme: v.Scheme, Text: v.Text}
}

// receiveOwn takes a delivery to one of this server's inboxes, as egress hands
// it over, and answers as the HTTP API does to everybody else.
func (s *Service) receiveOwn(ctx context.Context, token string, r *egress.Request) (answer egress.Answer) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in an inbox", "panic", panicText(p), "stack", string(debug.Stack()))
			answer = egress.Answer{Status: http.StatusInternalServerError}
		}
	}()
	in, err := s.admitToInbox(ctx, token)
	if err == nil {
		err = s.ReceiveInInbox(ctx, in, InboxArrival{Method: r.Method, Header: r.Header.Map(), Body: r.Body, ours: true})
	}
	if ctx.Err() != nil {
		return egress.Answer{} // nobody waits for it any more
	}
	h := http.Header{"Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"}}
	if err == nil {
		answer = egress.Answer{Status: in.RespondStatus, Header: h}
		if in.RespondStatus != http.StatusNoContent && in.RespondStatus != http.StatusNotModified {
			answer.Body = []byte(InboxReceived)
		}
		return answer
	}
	e := asError(err)
	status := http.StatusServiceUnavailable
	switch e.Code {
	case CodeInboxGone:
		status = http.StatusGone
	case CodeRateLimited:
		status = http.StatusTooManyRequests
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(e.RetryAfter/time.Second)))
	}
	body := jsjson.AppendString([]byte(`{"received":false,"detail":`), e.Message)
	return egress.Answer{Status: status, Header: h, Body: append(body, '}')}
}

// InboxReceived is the body of an inbox's answer to a request that it kept.
const InboxReceived = `{"received":true}`
