package waybell

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/intake"
	"github.com/waybell/waybell/internal/jsjson"
)

// maxBatchValues is how many JSON values a batch may have; an event alone may have
// jsjson.DefaultMaxValues.
const maxBatchValues = 1 << 20

// acceptWait is how long events that have to be matched again wait for a place in
// the store's next transaction.
const acceptWait = 4 * time.Second

// PublishInput is an event to publish. Data and Messages are JSON as the
// caller has it; they are checked and brought into canonical form.
type PublishInput struct {
	Type           string    // canonical name or alias
	ID             string    // the caller's own id and webhook-id, or "" (1–128 of A-Za-z0-9_-)
	Timestamp      time.Time // zero = now
	Data           []byte    // a JSON object; nil = {}
	Messages       []byte    // a JSON array of messages, or nil
	ConversationID string    // shorthand for data.conversation_id
	IdempotencyKey string    // 1–255 printable ASCII characters, or ""
}

// PublishResult tells what was accepted.
type PublishResult struct {
	ID         string
	Type       string
	Timestamp  time.Time
	Deliveries int
	Duplicate  bool // published before; the result is the first one's
}

// BatchItem is the result for one item of a batch: either Result or Err.
type BatchItem struct {
	Result PublishResult
	Err    *Error
}

// BatchRequest is a batch as it came in.
type BatchRequest struct {
	Body           []byte
	NDJSON         bool   // one event per line instead of {"events":[…]}
	IdempotencyKey string // "" = none; item i uses key + "/" + i
	// Allowed tells which agents the caller may publish for; nil = all. Others
	// answer CodeAgentNotFound.
	Allowed func(agentID string) bool
}

// envelope is a publish request, read but not yet checked against the agent.
type envelope struct {
	intake.Event
	idempotencyKey string
	size           int    // of its JSON, about, in bytes
	agentIn        string // what of the request names the agent; "" = the path
	test           bool   // a test send or a preview: webhook.test is a type too
}

// pending is an event on its way to the store.
type pending struct {
	NewEvent
	entry   *agentEntry
	targets []*endpointEntry // beside NewEvent.Targets
	stamped bool             // its time is that of its key
}

// enter gives the event its key, and what is made of it.
func (p *pending) enter(key Key) {
	p.Key = key
	if !p.CustomID {
		p.ID = EventID(key)
	}
	if p.stamped {
		p.Timestamp = key.Time()
	}
}

// Publish accepts one event of an agent. When it returns nil the event and its
// deliveries are durable (fsync). Errors are *Error: CodeAgentNotFound,
// CodeInvalid, CodeUnknownEventType, CodeIdempotencyMismatch, CodeTooLarge,
// CodeMalformedJSON, CodeBusy, CodeUnavailable, CodeDraining.
func (s *Service) Publish(ctx context.Context, agentID string, in PublishInput) (PublishResult, error) {
	if n := len(in.Data) + len(in.Messages); n > s.cfg.Limits.EventBytes {
		return PublishResult{}, tooLarge("the event", n, s.cfg.Limits.EventBytes)
	}
	env := envelope{
		Event:          intake.Event{AgentID: agentID, Type: in.Type, ID: in.ID, Timestamp: in.Timestamp, Location: "event"},
		idempotencyKey: in.IdempotencyKey, size: len(in.Data) + 64,
	}
	if in.ConversationID != "" {
		env.ConversationID = jsjson.String(in.ConversationID)
	}
	if in.ID != "" {
		env.CheckID("id")
	}
	for _, part := range []struct {
		name string
		json []byte
		to   *jsjson.Value
		kind jsjson.Kind
	}{{"data", in.Data, &env.Data, jsjson.KindObject}, {"messages", in.Messages, &env.Messages, jsjson.KindArray}} {
		if part.json == nil {
			continue
		}
		v, err := jsjson.Parse(part.json, jsjson.Limits{})
		if err != nil {
			return PublishResult{}, jsonError(err, "event."+part.name)
		}
		env.Take(part.name, v, part.kind, part.to)
	}
	return s.publishOne(ctx, &env)
}

// PublishJSON is Publish for a body as written in the HTTP API:
// {"event","timestamp"?,"id"?,"data"?,"messages"?,"conversation_id"?}.
func (s *Service) PublishJSON(ctx context.Context, agentID string, body []byte, idempotencyKey string) (PublishResult, error) {
	if len(body) > s.cfg.Limits.EventBytes {
		return PublishResult{}, tooLarge("the event", len(body), s.cfg.Limits.EventBytes)
	}
	v, err := jsjson.Parse(body, jsjson.Limits{})
	if err != nil {
		return PublishResult{}, jsonError(err, "body")
	}
	env := envelope{Event: intake.Read(v, "body", false), idempotencyKey: idempotencyKey, size: len(body)}
	env.AgentID = agentID
	return s.publishOne(ctx, &env)
}

// PublishBatch accepts many events, each with its agent_id, in one
// transaction. Good items are kept when others fail. An error means that
// nothing was taken.
func (s *Service) PublishBatch(ctx context.Context, b BatchRequest) ([]BatchItem, error) {
	if len(b.Body) > s.cfg.Limits.BatchBytes {
		return nil, tooLarge("the batch", len(b.Body), s.cfg.Limits.BatchBytes)
	}
	if e := checkIdempotencyKey(b.IdempotencyKey); e != nil {
		return nil, e
	}
	envelopes, items, err := s.readBatch(b)
	if err != nil {
		return nil, err
	}
	var good []*pending
	var places []int
	for i := range envelopes {
		if items[i].Err != nil {
			continue
		}
		env := &envelopes[i]
		if b.IdempotencyKey != "" {
			env.idempotencyKey = b.IdempotencyKey + "/" + strconv.Itoa(i)
		}
		if b.Allowed != nil && env.AgentID != "" && !b.Allowed(env.AgentID) {
			items[i].Err = errorf(CodeAgentNotFound, "there is no agent %q", env.AgentID)
			continue
		}
		p, e := s.prepare(ctx, env)
		if e != nil && e.Code == CodeUnavailable { // so it is of all, and nothing was taken
			return nil, e
		}
		if e != nil {
			items[i].Err = e
			continue
		}
		good, places = append(good, p), append(places, i)
	}
	if len(good) == 0 {
		return items, nil
	}
	results, err := s.accept(ctx, good)
	if err != nil {
		return nil, err
	}
	for n, i := range places {
		items[i] = results[n]
	}
	return items, nil
}

// readBatch splits a batch into envelopes; an item that cannot be read has its
// error in items.
func (s *Service) readBatch(b BatchRequest) (envelopes []envelope, items []BatchItem, err error) {
	var values []jsjson.Value
	var errs []error
	location := "body"
	if b.NDJSON {
		n := 0
		for range intake.Lines(b.Body) {
			n++
		}
		if n > s.cfg.Limits.BatchEvents { // before they are parsed
			return nil, nil, s.tooManyEvents(n)
		}
		n = 0 // values
		for line := range intake.Lines(b.Body) {
			v, err := jsjson.Parse(line, jsjson.Limits{})
			if n += v.Count(); n > maxBatchValues {
				return nil, nil, tooManyValues("the batch", maxBatchValues)
			}
			values, errs = append(values, v), append(errs, err)
		}
	} else {
		v, err := jsjson.Parse(b.Body, jsjson.Limits{MaxValues: maxBatchValues})
		if err != nil {
			return nil, nil, jsonError(err, "body")
		}
		var problems []format.Problem
		if values, problems = intake.Events(v); len(problems) > 0 {
			return nil, nil, &Error{Code: CodeInvalid, Message: "the batch is not valid", Fields: fieldErrors(problems)}
		}
		errs = make([]error, len(values))
		location = "body.events"
	}
	if n := len(values); n > s.cfg.Limits.BatchEvents {
		return nil, nil, s.tooManyEvents(n)
	}
	envelopes, items = make([]envelope, len(values)), make([]BatchItem, len(values))
	for i, v := range values {
		where := location + "[" + strconv.Itoa(i) + "]"
		if len(b.Body) > 2*jsjson.DefaultMaxValues && v.Count() > jsjson.DefaultMaxValues { // two bytes each, at least
			items[i].Err = tooManyValues(where, jsjson.DefaultMaxValues)
			continue
		}
		if errs[i] != nil {
			items[i].Err = jsonError(errs[i], where)
			continue
		}
		envelopes[i] = envelope{Event: intake.Read(v, where, true), agentIn: where, size: len(b.Body) / len(values)}
		if len(b.Body) <= s.cfg.Limits.EventBytes {
			continue // so is each of its events
		}
		if size := len(v.Append(nil)); size > s.cfg.Limits.EventBytes {
			items[i].Err = tooLarge("the event", size, s.cfg.Limits.EventBytes)
		}
	}
	return envelopes, items, nil
}

func (s *Service) tooManyEvents(n int) *Error {
	return errorf(CodeTooLarge, "the batch has %d events; the limit is %d", n, s.cfg.Limits.BatchEvents)
}

func tooManyValues(what string, limit int) *Error {
	return errorf(CodeTooLarge, "%s has too many values; the limit is %d", what, limit)
}

// publishOne prepares and accepts one event.
func (s *Service) publishOne(ctx context.Context, env *envelope) (PublishResult, error) {
	if e := checkIdempotencyKey(env.idempotencyKey); e != nil {
		return PublishResult{}, e
	}
	p, e := s.prepare(ctx, env)
	if e != nil {
		return PublishResult{}, e
	}
	items, err := s.accept(ctx, []*pending{p})
	if err != nil {
		return PublishResult{}, err
	}
	if items[0].Err != nil {
		return PublishResult{}, items[0].Err
	}
	return items[0].Result, nil
}

// prepare checks an event against its agent and type and brings it into the
// form that is stored.
func (s *Service) prepare(ctx context.Context, env *envelope) (*pending, *Error) {
	if env.AgentID == "" && len(env.Problems) > 0 { // a batch item that names none
		return nil, invalidEvent(fieldErrors(env.Problems))
	}
	agent, missing := s.findAgent(ctx, env.AgentID)
	if missing != nil && (missing.Code != CodeAgentNotFound || !s.cfg.CreateAgents) {
		return nil, missing
	}
	if len(env.Problems) > 0 {
		return nil, invalidEvent(fieldErrors(env.Problems))
	}
	name, data, messages, e := s.check(env)
	if e == nil && missing != nil { // made by an event that is valid only
		agent, e = s.ensureAgent(ctx, env.AgentID, cmp.Or(env.agentIn, "path")+".agent_id")
	}
	if e != nil {
		return nil, e
	}
	if made, ok := ParseEventID(env.ID); ok {
		switch known, err := s.store.EventByID(ctx, agent.Number, env.ID); {
		case err == nil && known.Key == made:
			return nil, errorf(CodeIdempotencyMismatch, "this id is that of an event which was published without one")
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, s.acceptError(err)
		}
	}
	p := &pending{entry: agent, stamped: env.Timestamp.IsZero()}
	p.Event = Event{
		Agent: agent.Number, AgentID: agent.ID, AgentName: agent.Name,
		ID: strings.Clone(env.ID), Type: name, Timestamp: env.Timestamp.UTC().Truncate(time.Microsecond),
	}
	p.CustomID, p.IdempotencyKey = env.ID != "", env.idempotencyKey
	if p.CustomID || p.IdempotencyKey != "" {
		p.Hash = env.Hash(name)
	}
	p.enter(s.keys.next())
	p.Data = fitting(data.Append(make([]byte, 0, env.size)))
	if !messages.IsNull() {
		p.Messages = messages.Append(nil)
	}
	return p, nil
}

// fitting returns b without much more room behind it than it has bytes: what waits
// in memory is counted by its length.
func fitting(b []byte) []byte {
	if cap(b)-len(b) > len(b)/4+256 {
		return bytes.Clone(b)
	}
	return b
}

// check finds the type of an event and holds its data against the schema. It
// returns the canonical type, data and transcript.
func (s *Service) check(env *envelope) (name string, data, messages jsjson.Value, e *Error) {
	name, ok := s.canonicalType(env.Type)
	t := s.dir.eventType(name)
	if env.test && name == catalogue.Test {
		t, ok = &typeEntry{EventType: &EventType{Name: catalogue.Test}}, true // any object
	}
	if !ok || t == nil {
		return "", data, messages, &Error{Code: CodeUnknownEventType, Message: "the event type is not known", Fields: []FieldError{{
			Location: env.Location + ".event", Value: env.Type,
			Message: "is no event type: GET /v1/event-types lists them, PUT /v1/event-types/{name} registers one",
		}}}
	}
	data, messages, refused := env.Normalize(name)
	var problems []FieldError
	for _, p := range refused {
		problems = append(problems, FieldError{Location: env.Location + strings.TrimPrefix(p.Location, "body"), Message: p.Message})
	}
	if len(problems) == 0 && t.schema != nil {
		for _, p := range t.schema.Validate(data) {
			problems = append(problems, FieldError{
				Location: env.Location + ".data" + fieldPath(p.Path), Message: p.Message,
			})
		}
	}
	if len(problems) > 0 {
		return "", data, messages, invalidEvent(problems)
	}
	return t.Name, data, messages, nil // not the caller's, which is a part of the whole document
}

// accept makes events durable and their deliveries start.
func (s *Service) accept(ctx context.Context, events []*pending) ([]BatchItem, error) {
	items, err := s.makeDurable(ctx, events)
	if err != nil {
		return nil, err
	}
	if wait := s.dispatcher.crowded(events, items); wait > 0 {
		pause(ctx, wait)
	}
	return items, nil
}

// makeDurable is accept but for the wait for its answer. The caller's context does not
// reach the commit.
func (s *Service) makeDurable(ctx context.Context, events []*pending) ([]BatchItem, error) {
	var size int64
	for _, p := range events {
		size += int64(len(p.Data) + len(p.Messages) + 512)
	}
	defer s.publishing.Add(-size)
	// A batch beyond the limit goes through alone.
	if all := s.publishing.Add(size); all > s.cfg.Limits.PublishBytes && all > size {
		return nil, &Error{Code: CodeBusy, Message: "too many events wait to be stored; try again", RetryAfter: time.Second}
	}
	if e := s.takesNothing(); e != nil {
		return nil, e
	}
	rows := make([]*NewEvent, len(events))
	for i, p := range events {
		rows[i] = &p.NewEvent
	}
	items, err := s.matched(ctx, events, rows)
	if errors.Is(err, ErrConfigChanged) {
		ctx, cancel := context.WithTimeout(ctx, acceptWait) // the store answers, but that took its time
		defer cancel()
		for errors.Is(err, ErrConfigChanged) {
			if err = s.refresh(ctx); err == nil {
				items, err = s.matched(ctx, events, rows)
			}
		}
	}
	if err != nil {
		return nil, s.acceptError(err)
	}
	return items, nil
}

// matched matches events with the configuration as it is known and commits them.
func (s *Service) matched(ctx context.Context, events []*pending, rows []*NewEvent) ([]BatchItem, error) {
	version := s.dir.version.Load()
	for _, p := range events {
		s.match(p, s.clock.now())
	}
	s.enterAnew(events)
	items, err := s.commit(ctx, version, events, rows)
	if err != nil {
		for _, p := range events {
			s.dispatcher.unreserve(p.Targets)
		}
	}
	return items, err
}

// enterAnew gives events new keys where one of them was made before a cancellation that
// they are matched after: it is not what they are canceled by.
func (s *Service) enterAnew(events []*pending) {
	if slices.ContainsFunc(events, func(p *pending) bool {
		return slices.ContainsFunc(p.targets, func(e *endpointEntry) bool { return p.Key <= e.CancelUpTo })
	}) {
		for _, p := range events {
			p.enter(s.keys.next())
		}
	}
}

// commit makes events durable and takes their deliveries in hand.
func (s *Service) commit(ctx context.Context, version int64, events []*pending, rows []*NewEvent) ([]BatchItem, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.owning.RUnlock()
	results, err := s.store.Accept(ctx, *s.lease.Load(), version, rows)
	if err != nil {
		return nil, err
	}
	return s.accepted(events, results), nil
}

// match finds the endpoints that take an event and reserves places for their
// deliveries.
func (s *Service) match(p *pending, now time.Time) {
	p.targets, p.Targets, p.DueAt = p.targets[:0], p.Targets[:0], now
	agent := s.dir.agentByNumber(p.Agent)
	if agent == nil { // deleted meanwhile: stored with no delivery
		return
	}
	for _, e := range agent.endpoints {
		if e.takes(p.Type) {
			p.targets = append(p.targets, e)
			p.Targets = append(p.Targets, e.target1(now))
		}
	}
	p.Deliveries = len(p.Targets)
	s.dispatcher.reserve(p.targets, p.Targets)
}

// target1 is a delivery to this endpoint that enters now.
func (e *endpointEntry) target1(now time.Time) NewTarget {
	return NewTarget{Endpoint: e.Number, WindowEnd: now.Add(e.policy.Window - e.heldUntil(now))}
}

// accepted starts the deliveries of durable events and makes the answers.
func (s *Service) accepted(events []*pending, results []Accepted) []BatchItem {
	items := make([]BatchItem, len(events))
	var works []*work
	aside := false
	for i, p := range events {
		switch r := results[i]; {
		case r.Err != nil:
			s.dispatcher.unreserve(p.Targets)
			items[i].Err = asError(r.Err)
		case r.Duplicate != nil:
			s.dispatcher.unreserve(p.Targets)
			d := r.Duplicate
			items[i].Result = PublishResult{d.ID, d.Type, d.Timestamp, d.Deliveries, true}
		default:
			items[i].Result = PublishResult{p.ID, p.Type, p.Timestamp, len(p.Targets), false}
			s.tellAccepted(p)
			works, aside = p.works(works, aside)
		}
	}
	s.dispatcher.enqueue(works)
	if aside {
		s.claimer.dueAt(s.clock.now())
	}
	return items
}

// works appends the deliveries that start from memory.
func (p *pending) works(works []*work, aside bool) ([]*work, bool) {
	var body *payload
	for _, t := range p.Targets {
		if t.Aside {
			aside = true
			continue
		}
		if body == nil {
			body = newPayload(p.Event)
		}
		works = append(works, &work{payload: body, Waiting: Waiting{
			DeliveryRef: DeliveryRef{p.Key, t.Endpoint}, Agent: p.Agent, Type: p.Type,
			Entered: p.Key, NextAt: p.Due(), WindowEnd: t.WindowEnd, Owned: true, Test: p.Test,
		}})
	}
	return works, aside
}

// acceptError translates a store's error for the publisher.
func (s *Service) acceptError(err error) *Error {
	if errors.Is(err, ErrCommitUnknown) {
		s.claimer.readBack()
	}
	s.fencedBy(err)
	if !errors.Is(err, context.Canceled) {
		s.log.Warn("publish: the store cannot write", "error", err)
	}
	return &Error{Code: CodeUnavailable, Message: "events cannot be stored durably now; try again", RetryAfter: 5 * time.Second, Err: err}
}

func fieldErrors(problems []format.Problem) []FieldError {
	fields := make([]FieldError, len(problems))
	for i, p := range problems {
		fields[i] = FieldError{Location: p.Location, Message: p.Message}
	}
	return fields
}

func invalidEvent(problems []FieldError) *Error {
	return &Error{Code: CodeInvalid, Message: "the event is not valid", Fields: problems}
}

// takesNothing tells why this node takes no events; nil where it does.
func (s *Service) takesNothing() *Error {
	switch {
	case s.draining.Load():
		return drainingError()
	case s.cfg.Role == RoleWorker:
		return &Error{Code: CodeUnavailable, Message: "this node only delivers; publish to another", RetryAfter: time.Second}
	}
	return nil
}

func drainingError() *Error {
	return &Error{Code: CodeDraining, Message: "this server is shutting down; try another or try again", RetryAfter: time.Second}
}

func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Message: "internal error", Err: err}
}

func tooLarge(what string, n, limit int) *Error {
	return errorf(CodeTooLarge, "%s has %d bytes; the limit is %d", what, n, limit)
}

// checkIdempotencyKey holds the bound of the Idempotency-Key header.
func checkIdempotencyKey(key string) *Error {
	printable := strings.IndexFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
	if len(key) <= 255 && printable {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "the Idempotency-Key is not valid", Fields: []FieldError{
		{Location: "header.Idempotency-Key", Message: "must be 1 to 255 printable ASCII characters"}}}
}

// jsonError translates what the strict reader found: a value that no
// JavaScript engine can hold is a wrong value, all else is no JSON.
func jsonError(err error, location string) *Error {
	je, ok := errors.AsType[*jsjson.Error](err)
	if !ok {
		return errorf(CodeMalformedJSON, "%s is not JSON", location)
	}
	if je.Kind == jsjson.NonFiniteNumber {
		return &Error{Code: CodeInvalid, Message: "the event is not valid", Fields: []FieldError{
			{Location: location + fieldPath(je.Path), Message: "is a number too large for JSON receivers"}}}
	}
	if je.Kind == jsjson.TooManyValues {
		return errorf(CodeTooLarge, "%s: %s, at byte %d", location, je.Message, je.Offset)
	}
	return errorf(CodeMalformedJSON, "%s: %s, at byte %d", location, je.Message, je.Offset)
}
