package waybell

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/internal/record"
	"github.com/waybell/waybell/internal/retry"
	"github.com/waybell/waybell/signature"
)

// maxPanics is how many recovered panics of a delivery's attempts make it
// failed with ReasonBadResponse.
const maxPanics = 5

// attempt is the one path of every attempt: first ones, retries, re-sends and
// tests. It reads the endpoint as it is now, renders and signs the body, sends
// it, and decides what becomes of the delivery. A panic on the way is an
// outcome of this delivery alone.
func (s *Service) attempt(w *work) (o outcome) {
	started, began := s.clock.both()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in an attempt", "delivery", w.DeliveryRef, "panic", panicText(p), "stack", string(debug.Stack()))
			o = s.panicked(w, started, began)
		}
	}()
	if w.Deaths > 0 {
		if o, skip := s.begin(w); skip {
			return o
		}
		started, began = s.clock.both() // marking took its time
	}
	now := started
	e := s.dir.entry(w.Endpoint)
	if o, skip := s.withoutAttempt(w, e, now); skip {
		return o
	}
	p, err := s.payload(w)
	switch {
	case errors.Is(err, ErrNotFound): // retention took the event, and the row with it
		return canceled(w, now)
	case err != nil:
		s.log.Warn("delivery put back: its event cannot be read", "delivery", w.DeliveryRef, "error", err)
		return released(w, now.Add(time.Second))
	}
	w.eventID = p.ID
	body, err := p.body(e.format, e.IncludeMessages)
	if err != nil {
		panic(renderError{err})
	}
	if !s.mayStart() { // reading the event took its time
		return released(w, now)
	}
	m := &sent{w: w, e: e, p: p, body: body, started: started, began: began}
	m.header = s.header(m)
	result := s.egress.Do(s.sending, &egress.Request{
		Target: e.target, Method: e.Method, Header: m.header, Body: body.bytes, Timeout: e.Timeout,
	})
	if result.Err != nil && result.Err.Class == egress.ClassCanceled {
		return released(w, now) // shutting down: sent again by whoever comes next
	}
	m.result = &result
	return s.judge(m)
}

// renderError is the panic of an event that cannot be rendered. The errors of
// package format tell where, never what.
type renderError struct{ error }

// panicText shows a panic's value only where it is known to hold nothing of an
// event or an endpoint; of any other it names the type. The stack says where.
func panicText(v any) string {
	switch v := v.(type) {
	case runtime.Error:
		return v.Error()
	case renderError:
		return "render: " + v.Error()
	}
	return fmt.Sprintf("a value of type %T, which is not logged", v)
}

// withoutAttempt decides about deliveries that are not to be sent now.
func (s *Service) withoutAttempt(w *work, e *endpointEntry, now time.Time) (outcome, bool) {
	switch {
	case e == nil:
		return released(w, now.Add(time.Second)), true // its configuration is on its way
	case e.State == EndpointDeleted:
		return canceled(w, now), true
	case !s.mayStart():
		return released(w, now), true
	case e.unready != nil && (w.Test || !e.cancels(w.Entered)): // others send it
		return released(w, now.Add(time.Second)), true
	case w.Test:
		return outcome{}, false
	case e.State == EndpointDisabled || w.Entered <= e.CancelUpTo:
		return canceled(w, now), true
	case e.IsHeld():
		return released(w, w.NextAt), true
	}
	return outcome{}, false
}

// sent is an attempt that was made.
type sent struct {
	w       *work
	e       *endpointEntry
	p       *payload
	body    *renderedBody
	header  egress.Header
	started time.Time
	began   time.Time // the same moment by the monotonic clock, to tell how long it took
	result  *egress.Result
}

// payload is an event with the bodies rendered from it, shared by its
// deliveries.
type payload struct {
	Event
	size    int64
	holders int // works in hand that share it; guarded by dispatcher.mu

	mu     sync.Mutex
	bodies []renderedBody
}

// renderedBody is a body for one format and transcript choice.
type renderedBody struct {
	format     *format.Format
	transcript bool
	bytes      []byte
	sum        uint64
}

func newPayload(e Event) *payload {
	return &payload{Event: e, size: int64(len(e.Data) + len(e.Messages) + 256)}
}

// payload returns the event of w, reading it when it is not in memory.
func (s *Service) payload(w *work) (*payload, error) {
	if w.payload != nil {
		return w.payload, nil
	}
	e, err := s.store.Event(s.sending, w.Agent, w.Event)
	if err != nil {
		return nil, err
	}
	s.fillEvent(&e)
	return newPayload(e), nil
}

// body returns the rendered body, made once for all deliveries of the event
// that share format and transcript choice.
func (p *payload) body(f *format.Format, transcript bool) (*renderedBody, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.bodies {
		if b := &p.bodies[i]; b.format == f && b.transcript == transcript {
			return b, nil
		}
	}
	bytes, err := f.Render(make([]byte, 0, len(p.Data)+len(p.Messages)+256), p.content(), transcript)
	if err != nil {
		return nil, err
	}
	// A fresh slice each time: pointers handed out before stay valid.
	p.bodies = append(p.bodies[:len(p.bodies):len(p.bodies)],
		renderedBody{format: f, transcript: transcript, bytes: bytes, sum: record.Sum(bytes)})
	return &p.bodies[len(p.bodies)-1], nil
}

// header makes the headers of an attempt, signature included.
func (s *Service) header(m *sent) egress.Header {
	w, e, p := m.w, m.e, m.p
	stamp := time.Now() // receivers compare it with their clocks
	h := make(egress.Header, 0, 10+len(e.Headers))
	add := func(name, value string) { h = append(h, egress.Field{Name: name, Value: value}) }
	add("User-Agent", s.userAgent)
	add("Content-Type", "application/json")
	add("X-Waybell-Event", p.Type)
	add("X-Waybell-Agent", p.AgentID)
	add("X-Waybell-Delivery", w.DeliveryRef.ID())
	add("X-Waybell-Attempt", strconv.Itoa(w.Attempts+1))
	if e.StandardHeaders {
		add("Webhook-Id", p.ID)
		add("Webhook-Timestamp", strconv.FormatInt(stamp.Unix(), 10))
	}
	if w.Test {
		add("X-Waybell-Test", "true")
	}
	for _, c := range e.Headers {
		h.Set(http.CanonicalHeaderKey(c.Name), c.Value.Reveal())
	}
	e.signing.Sign(signature.Message{ID: p.ID, Timestamp: stamp, Body: m.body.bytes}, h.Set)
	return h
}

// judge turns the result of a request into the delivery's outcome.
func (s *Service) judge(m *sent) outcome {
	ended, local := s.clock.both()
	w, e, r := m.w, m.e, m.result
	reason, verdict := ReasonHTTPStatus, e.policy.Classify(r.Status)
	if r.Err != nil {
		reason, verdict = failureReason(r.Err.Class), e.policy.ClassifyFailure(r.Err.Class == egress.ClassBlocked)
	}
	switch verdict {
	case retry.Success:
		reason = ReasonDelivered
	case retry.FailSuspend:
		reason = ReasonGone
	}
	a := &Attempt{
		DeliveryRef: w.DeliveryRef, Agent: w.Agent, Number: w.Attempts + 1,
		StartedAt: m.started, Duration: local.Sub(m.began), StatusCode: r.Status, Reason: reason,
		Detail: m.detail(),
	}
	o := outcome{test: w.Test, refused: reason != ReasonBlocked && (r.Err != nil || r.Status >= 500)}
	o.Settlement = Settlement{DeliveryRef: w.DeliveryRef, Agent: w.Agent, Type: w.Type, Attempt: a, Reason: reason, Panics: w.Panics}
	switch verdict {
	case retry.Success:
		o.State, o.FinishedAt = DeliveryDelivered, ended
	case retry.Retry:
		s.planRetry(&o, m)
	default:
		o.State, o.FinishedAt = DeliveryFailed, ended
		if verdict == retry.FailSuspend {
			o.suspend = "410 Gone: the receiver asked for no more requests."
		}
	}
	s.report(m, &o)
	return o
}

// planRetry decides between another attempt and failed, expired.
func (s *Service) planRetry(o *outcome, m *sent) {
	w, e := m.w, m.e
	now, clock := s.clock.read() // a step since the attempt ended is known to both
	st := retry.State{Now: now, Attempts: w.Attempts + 1 - w.Cycle, Random: s.cfg.Random()}
	_, st.WindowEnd = e.policy.Clamp(now, w.WindowEnd.Add(e.heldUntil(now)+clock.skipped(w.Entered)), now)
	if m.result != nil && e.policy.HonoursRetryAfter(m.result.Status) {
		st.RetryAfter, _ = retry.ParseRetryAfter(m.result.Header.Get("Retry-After"), time.Now())
	}
	at, ok := e.policy.Next(st)
	if ok && !w.Test {
		o.Kind, o.NextAt, o.State = SettleRetry, at, DeliveryRetrying
		return
	}
	o.State, o.FinishedAt = DeliveryFailed, now
	if !w.Test {
		o.Reason = ReasonExpired
	}
}

// panicked is the outcome of a recovered panic: a failed attempt, tried again,
// and at the fifth the end of this delivery.
func (s *Service) panicked(w *work, started, began time.Time) outcome {
	now := s.clock.now()
	a := &Attempt{
		DeliveryRef: w.DeliveryRef, Agent: w.Agent, Number: w.Attempts + 1,
		StartedAt: started, Duration: time.Since(began), Reason: ReasonBadResponse,
		Detail: record.EncodeFailure("Waybell could not make this attempt because of an internal error."),
	}
	o := outcome{test: w.Test}
	o.Settlement = Settlement{DeliveryRef: w.DeliveryRef, Agent: w.Agent, Type: w.Type, Attempt: a, Reason: ReasonBadResponse, Panics: w.Panics + 1}
	e := s.dir.entry(w.Endpoint)
	if o.Panics < maxPanics && e != nil {
		s.planRetry(&o, &sent{w: w, e: e})
		return o
	}
	o.State, o.FinishedAt = DeliveryFailed, now
	return o
}

// canceled settles a delivery without an attempt.
func canceled(w *work, now time.Time) outcome {
	return outcome{Settlement: Settlement{
		DeliveryRef: w.DeliveryRef, Agent: w.Agent, Type: w.Type, Kind: SettleFinal,
		State: DeliveryCanceled, Reason: ReasonCanceled, FinishedAt: now,
	}}
}

func failureReason(c egress.Class) Reason {
	switch c {
	case egress.ClassTimeout:
		return ReasonTimeout
	case egress.ClassDNS:
		return ReasonDNS
	case egress.ClassConnect:
		return ReasonConnect
	case egress.ClassTLS:
		return ReasonTLS
	case egress.ClassConnectionLost:
		return ReasonConnectionLost
	case egress.ClassBlocked:
		return ReasonBlocked
	default:
		return ReasonBadResponse
	}
}

// report logs an attempt, one line each, and tells Config.OnAttempt. Whatever
// these do, the attempt was made and its outcome stands.
func (s *Service) report(m *sent, o *outcome) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in OnAttempt", "panic", panicText(p), "stack", string(debug.Stack()))
		}
	}()
	w, e := m.w, m.e
	level := levelOf(o.State)
	if s.log.Enabled(s.sending, level) {
		s.log.LogAttrs(s.sending, level, "attempt", attemptAttrs(m, o)...)
	}
	if s.cfg.OnAttempt != nil {
		s.cfg.OnAttempt(AttemptReport{
			Ref: w.DeliveryRef, AgentID: e.AgentID, Endpoint: e.Endpoint, EventID: m.p.ID, Type: m.p.Type,
			Number: o.Attempt.Number, Reason: o.Attempt.Reason, State: o.State, Status: o.Attempt.StatusCode,
			Duration: o.Attempt.Duration, SincePublish: m.started.Sub(w.Event.Time()), NextAt: o.NextAt, Test: w.Test,
		})
	}
}
