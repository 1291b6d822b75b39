package waybell

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/record"
)

// LogFilter chooses what a list of deliveries or events shows. Zero fields do
// not filter.
type LogFilter struct {
	EndpointID string // deliveries only; a deleted one keeps its log
	Type       string // canonical name or alias
	State      string // deliveries only
	StatusCode int    // deliveries only: of the last answer
	// StatusClass is 2xx, 3xx, 4xx, 5xx, or none for deliveries without an
	// answer so far. Deliveries only.
	StatusClass string
	EventID     string    // deliveries only: of this event, made or chosen
	Since       time.Time // accepted then or later
	Until       time.Time // accepted before
	Cursor      string    // next_cursor of the page before
	Limit       int       // 1–250, 0 = 50
}

// DeliveryView is a delivery with what the API shows around it. Its state is
// the public one: held and canceled as the endpoint's state makes them.
type DeliveryView struct {
	Delivery
	EndpointID string
	Attempts   []AttemptView // nil in lists
}

// AttemptView is an attempt with its decoded detail and the body that was
// sent, rendered again from the event.
type AttemptView struct {
	Attempt
	AttemptDetail
	// Body is the request's body; nil when its event is gone or it no longer
	// has the recorded sum (the format was changed by the operator since).
	// Attempts that sent the same bytes share them.
	Body []byte
}

// EventView is an event with its deliveries.
type EventView struct {
	Event
	Deliveries []DeliveryView // nil in lists
}

// Page is one page of a list; Next is the cursor for the rest, "" at the end.
type Page[T any] struct {
	Data []T
	Next string
}

// logScan is how many rows one page looks at, at most, however few it finds.
const logScan = 10_000

// Deliveries lists an agent's deliveries, newest first. A filtered page may
// hold fewer rows than the limit, even none, and have a Next. Errors:
// CodeAgentNotFound, CodeInvalid for a bad filter, CodeUnavailable.
func (s *Service) Deliveries(ctx context.Context, agentID string, f LogFilter) (Page[DeliveryView], error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return Page[DeliveryView]{}, e
	}
	q, err := s.deliveryQuery(ctx, agent, f)
	if err != nil {
		return Page[DeliveryView]{}, err
	}
	var page Page[DeliveryView]
	if q.none {
		return page, nil
	}
	rows, next, err := s.searchDeliveries(ctx, q)
	if err != nil {
		return page, storeMissing("log", err, CodeAgentNotFound)
	}
	page.Data = rows
	if next != (DeliveryRef{}) {
		page.Next = deliveryCursor(next)
	}
	return page, nil
}

// searchDeliveries reads until the page is full, the list ends, or enough rows
// were looked at. Where the public state was asked for, the store cannot tell
// it of every row: such rows are sorted out here, and more are read in larger
// pieces.
func (s *Service) searchDeliveries(ctx context.Context, q logQuery) (rows []DeliveryView, next DeliveryRef, err error) {
	const refill = 1000
	limit := q.Limit
	for {
		p, err := s.store.Deliveries(ctx, q.DeliveryQuery)
		if err != nil {
			return nil, DeliveryRef{}, err
		}
		views := s.views(ctx, p.Deliveries)
		for i := range views {
			if q.state != nil && views[i].State != *q.state {
				continue
			}
			if rows = append(rows, views[i]); len(rows) < limit {
				continue
			}
			if i < len(views)-1 {
				return rows, views[i].DeliveryRef, nil
			}
			return rows, p.Next, nil
		}
		short := len(views) < q.Limit // the list ended, or the store looked at enough
		q.Scan -= len(views)
		if p.Next == (DeliveryRef{}) || short || q.Scan <= 0 {
			return rows, p.Next, nil
		}
		q.After, q.Limit = p.Next, min(refill, q.Scan)
	}
}

// views derives what the API shows from rows of the store.
func (s *Service) views(ctx context.Context, rows []Delivery) []DeliveryView {
	views := make([]DeliveryView, len(rows))
	refreshed := false
	for i := range rows {
		views[i].Delivery = rows[i]
		e := s.dir.endpoint(rows[i].Endpoint)
		if e == nil && !refreshed { // another node created it just now
			refreshed = true
			if err := s.refresh(ctx); err != nil {
				s.log.Warn("configuration changes cannot be read", "error", err)
			}
			e = s.dir.endpoint(rows[i].Endpoint)
		}
		if e != nil {
			views[i].EndpointID = e.ID
			views[i].derive(e)
		}
	}
	return views
}

// derive turns the stored state of a waiting delivery into the public one.
func (d *Delivery) derive(e *Endpoint) {
	switch {
	case d.State.Settled():
	case e.cancels(d.Entered):
		d.State, d.Reason, d.NextAt = DeliveryCanceled, ReasonCanceled, time.Time{}
		if d.FinishedAt = e.StateSince; d.Entered <= e.CancelUpTo {
			d.FinishedAt = e.CancelUpTo.Time()
		}
	case e.IsHeld():
		d.State, d.NextAt = DeliveryHeld, time.Time{} // nothing is planned while it is held
	}
}

// cancels tells whether a waiting delivery of the endpoint counts as canceled,
// though its row may still wait.
func (e *Endpoint) cancels(entered Key) bool {
	return e.cancelsAll() || entered <= e.CancelUpTo
}

// cancelsAll tells whether every waiting delivery counts as canceled.
func (e *Endpoint) cancelsAll() bool {
	return e.State == EndpointDeleted || e.State == EndpointDisabled
}

// What is shown of a delivery at once: a re-send may be asked for again and again.
const (
	attemptsShown = 100     // the newest
	bodiesShown   = 2 << 20 // bytes of what was sent, the newest attempt's besides
)

// Delivery shows one delivery with its newest 100 attempts. Errors:
// CodeAgentNotFound, CodeDeliveryNotFound, CodeUnavailable.
func (s *Service) Delivery(ctx context.Context, agentID, id string) (DeliveryView, error) {
	agent, d, err := s.findDelivery(ctx, agentID, id)
	if err != nil {
		return DeliveryView{}, err
	}
	attempts, err := s.store.Attempts(ctx, agent.Number, d.DeliveryRef, attemptsShown)
	if err != nil {
		return DeliveryView{}, storeMissing("log", err, CodeDeliveryNotFound)
	}
	event, err := s.store.Event(ctx, agent.Number, d.Event)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return DeliveryView{}, storeMissing("log", err, CodeDeliveryNotFound)
	}
	view := s.views(ctx, []Delivery{d})[0]
	view.Attempts = make([]AttemptView, len(attempts))
	var bodies sentBodies
	if err == nil {
		s.fillEvent(&event)
		bodies = sentBodies{svc: s, event: &event, known: map[string][]byte{}}
	}
	room := bodiesShown
	for i, a := range slices.Backward(attempts) {
		v := &view.Attempts[i]
		v.Attempt = a
		if v.AttemptDetail, err = record.Decode(a.Detail); err != nil {
			s.log.Error("an attempt's detail cannot be read", "delivery", d.DeliveryRef, "attempt", a.Number, "error", err)
			continue
		}
		if body := bodies.of(&v.AttemptDetail); len(body) <= room || i == len(attempts)-1 {
			v.Body = body
			room -= len(body)
		}
	}
	return view, nil
}

// sentBodies makes the bodies of a delivery's attempts again; without an event
// there are none.
type sentBodies struct {
	svc   *Service
	event *Event
	known map[string][]byte // by BodySum
}

func (b *sentBodies) of(d *AttemptDetail) []byte {
	if b.event == nil || d.BodySum == "" {
		return nil
	}
	if body, ok := b.known[d.BodySum]; ok {
		return body
	}
	f, ok := b.svc.dir.formats.Format(d.Format)
	if !ok {
		return nil
	}
	body, err := f.Render(nil, b.event.content(), d.IncludeMessages)
	if err != nil || !d.Sent(body) {
		return nil
	}
	b.known[d.BodySum] = body
	return body
}

// Events lists an agent's events, newest first. Of the filter it uses Type,
// Since, Until, Cursor and Limit. Errors: as for [Service.Deliveries].
func (s *Service) Events(ctx context.Context, agentID string, f LogFilter) (Page[EventView], error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return Page[EventView]{}, e
	}
	var p problems
	q := EventQuery{Agent: agent.Number, Scan: logScan}
	q.Type = f.canonicalType(&p)
	q.Limit = f.limit(&p)
	q.Since, q.Until = f.bounds()
	if f.Cursor != "" {
		var ok bool
		if q.After, ok = parseEventCursor(f.Cursor); !ok {
			p.add("query.cursor", "is not the next_cursor of a list of events")
		}
	}
	if err := p.err("the query"); err != nil {
		return Page[EventView]{}, err
	}
	rows, err := s.store.ListEvents(ctx, q)
	if err != nil {
		return Page[EventView]{}, storeMissing("log", err, CodeAgentNotFound)
	}
	page := Page[EventView]{Data: make([]EventView, len(rows.Events))}
	for i := range rows.Events {
		page.Data[i].Event = rows.Events[i]
		s.fillEvent(&page.Data[i].Event)
	}
	if rows.Next != 0 {
		page.Next = eventCursor(rows.Next)
	}
	return page, nil
}

// Event shows one event with its deliveries, found by its webhook-id. Errors:
// CodeAgentNotFound, CodeEventNotFound, CodeUnavailable.
func (s *Service) Event(ctx context.Context, agentID, id string) (EventView, error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return EventView{}, e
	}
	event, err := s.store.EventByID(ctx, agent.Number, id)
	if err != nil {
		return EventView{}, storeMissing("log", err, CodeEventNotFound)
	}
	s.fillEvent(&event)
	rows, err := s.store.EventDeliveries(ctx, agent.Number, event.Key)
	if err != nil {
		return EventView{}, storeMissing("log", err, CodeEventNotFound)
	}
	return EventView{Event: event, Deliveries: s.views(ctx, rows)}, nil
}

// fillEvent completes an event as a store returns it: rows name their agent by
// number only.
func (s *Service) fillEvent(e *Event) {
	if e.AgentID != "" {
		return
	}
	if agent := s.dir.agentByNumber(e.Agent); agent != nil {
		e.AgentID = agent.ID
	}
}

// logQuery is a filter in the store's terms.
type logQuery struct {
	DeliveryQuery
	state *DeliveryState // the public state asked for; nil = all
	none  bool           // nothing can match
}

// deliveryQuery checks a filter and translates it.
func (s *Service) deliveryQuery(ctx context.Context, agent *agentEntry, f LogFilter) (logQuery, error) {
	var p problems
	q := logQuery{DeliveryQuery: DeliveryQuery{Agent: agent.Number, Scan: logScan}}
	q.Type = f.canonicalType(&p)
	q.Limit = f.limit(&p)
	q.Since, q.Until = f.bounds()
	q.Status = f.status(&p)
	if f.Cursor != "" {
		var ok bool
		if q.After, ok = parseDeliveryCursor(f.Cursor); !ok {
			p.add("query.cursor", "is not the next_cursor of a list of deliveries")
		}
	}
	if f.State != "" {
		state, err := ParseDeliveryState(f.State)
		if err != nil {
			p.addValue("query.state", f.State, "must be one of %v", deliveryStates)
		}
		q.state = &state
	}
	var only *Endpoint
	if f.EndpointID != "" {
		var err error
		if only, err = s.loggedEndpoint(ctx, agent, f.EndpointID); err != nil {
			return q, err
		}
		if only == nil {
			p.addValue("query.endpoint_id", f.EndpointID, "names no endpoint of this agent")
		} else {
			q.Endpoints = []EndpointNumber{only.Number}
		}
	}
	if err := p.err("the query"); err != nil {
		return q, err
	}
	if err := s.byState(ctx, agent, &q); err != nil {
		return q, err
	}
	return q, s.byEvent(ctx, f.EventID, &q)
}

// byEvent narrows a query to the deliveries of one event, found by its
// webhook-id: they lie together.
func (s *Service) byEvent(ctx context.Context, id string, q *logQuery) error {
	if id == "" {
		return nil
	}
	event, err := s.store.EventByID(ctx, q.Agent, id)
	switch {
	case errors.Is(err, ErrNotFound):
		q.none = true
		return nil
	case err != nil:
		return storeMissing("log", err, CodeEventNotFound)
	}
	q.Since = max(q.Since, event.Key)
	if q.Until == 0 || q.Until > event.Key {
		q.Until = event.Key + 1
	}
	q.none = q.none || q.Since >= q.Until
	return nil
}

// byState asks the store for the stored states that can be the public state
// asked for.
func (s *Service) byState(ctx context.Context, agent *agentEntry, q *logQuery) error {
	if q.state == nil {
		return nil
	}
	var held []EndpointNumber
	for _, e := range agent.endpoints {
		if e.IsHeld() && (q.Endpoints == nil || e.Number == q.Endpoints[0]) {
			held = append(held, e.Number)
		}
	}
	q.States = []DeliveryState{*q.state}
	switch *q.state {
	case DeliveryPending, DeliveryRetrying:
		q.ExceptEndpoints = held
		q.none = q.Endpoints != nil && len(held) > 0
	case DeliveryHeld:
		q.States = []DeliveryState{DeliveryPending, DeliveryRetrying}
		q.Endpoints, q.none = held, len(held) == 0
	case DeliveryCanceled:
		lagging, err := s.cancelsLag(ctx, agent, q.Endpoints)
		if err != nil {
			return storeMissing("log", err, CodeAgentNotFound)
		}
		if lagging {
			q.States = []DeliveryState{DeliveryPending, DeliveryRetrying, DeliveryCanceled}
		}
	}
	return nil
}

// cancelsLag tells whether there may be waiting rows that count as canceled:
// the janitor settles them piece by piece.
func (s *Service) cancelsLag(ctx context.Context, agent *agentEntry, only []EndpointNumber) (bool, error) {
	counters, err := s.store.Counters(ctx, agent.Number)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(counters, func(c Counters) bool {
		e := s.dir.endpoint(c.Endpoint)
		return c.Pending+c.Retrying > 0 && e != nil && e.cancels(1) && (only == nil || slices.Contains(only, c.Endpoint))
	}), nil
}

// loggedEndpoint finds an endpoint of an agent by its id, a deleted one too
// where it ever had a delivery; nil when there is none.
func (s *Service) loggedEndpoint(ctx context.Context, agent *agentEntry, id string) (*Endpoint, error) {
	for _, e := range agent.endpoints {
		if e.ID == id {
			return e.Endpoint, nil
		}
	}
	counters, err := s.store.Counters(ctx, agent.Number)
	if err != nil {
		return nil, storeMissing("log", err, CodeEndpointNotFound)
	}
	for _, c := range counters {
		if e := s.dir.endpoint(c.Endpoint); e != nil && e.ID == id {
			return e, nil
		}
	}
	return nil, nil
}

// canonicalType resolves aliases. A name that is registered no longer, or not
// yet, is no error: the log may hold it.
func (f *LogFilter) canonicalType(p *problems) string {
	if f.Type == "" || f.Type == catalogue.Test {
		return f.Type
	}
	if name, ok := catalogue.Lookup(f.Type); ok {
		return name
	}
	if err := catalogue.CheckName(f.Type); err != nil {
		p.addValue("query.event", f.Type, "%s", err.Error())
	}
	return f.Type
}

// status is the range of statuses wanted; nil = all.
func (f *LogFilter) status(p *problems) *StatusRange {
	r := StatusRange{From: 0, To: 599}
	switch f.StatusClass {
	case "":
	case "none":
		r.To = 0
	case "2xx", "3xx", "4xx", "5xx":
		r.From = 100 * int(f.StatusClass[0]-'0')
		r.To = r.From + 99
	default:
		p.addValue("query.status_class", f.StatusClass, "must be 2xx, 3xx, 4xx, 5xx or none")
	}
	switch {
	case f.StatusCode == 0 && f.StatusClass == "":
		return nil
	case f.StatusCode == 0:
	case f.StatusCode < 100 || f.StatusCode > 599:
		p.addValue("query.status_code", f.StatusCode, "must be a status from 100 to 599")
	default:
		r.From, r.To = max(r.From, f.StatusCode), min(r.To, f.StatusCode)
	}
	return &r
}

func (f *LogFilter) limit(p *problems) int {
	switch {
	case f.Limit == 0:
		return defaultListLimit
	case f.Limit < 0 || f.Limit > maxListLimit:
		p.addValue("query.limit", f.Limit, "must be 1 to %d", maxListLimit)
	}
	return f.Limit
}

// bounds turns the filter's times into keys; 0 is no bound.
func (f *LogFilter) bounds() (since, until Key) {
	if !f.Since.IsZero() {
		since = max(boundAt(f.Since), 0)
	}
	if !f.Until.IsZero() {
		until = max(boundAt(f.Until), 1) // no key lies below 1
	}
	return since, until
}

// boundAt is the smallest key that may lie at or after t. Times that no key
// can hold become the first or the last key.
func boundAt(t time.Time) Key {
	const last = math.MaxInt64 >> keyNodeBits // microseconds
	t = t.Add(time.Microsecond - 1)           // keys are whole microseconds: round up
	switch {
	case t.Before(time.UnixMicro(0)):
		return 0
	case t.After(time.UnixMicro(last)):
		return math.MaxInt64
	}
	return KeyAt(t)
}

// A cursor is a kind and the key of the last row looked at. Clients must not
// look into it, and it means nothing in another list.
const (
	cursorOfDeliveries = 'd'
	cursorOfEvents     = 'e'
)

func deliveryCursor(r DeliveryRef) string {
	b := binary.BigEndian.AppendUint64([]byte{cursorOfDeliveries}, uint64(r.Event))
	return idEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, uint32(r.Endpoint)))
}

func parseDeliveryCursor(text string) (DeliveryRef, bool) {
	b, err := idEncoding.DecodeString(text)
	if err != nil || len(b) != 13 || b[0] != cursorOfDeliveries {
		return DeliveryRef{}, false
	}
	r := DeliveryRef{Key(binary.BigEndian.Uint64(b[1:])), EndpointNumber(binary.BigEndian.Uint32(b[9:]))}
	return r, r.Event > 0 && deliveryCursor(r) == text
}

func eventCursor(k Key) string {
	return idEncoding.EncodeToString(binary.BigEndian.AppendUint64([]byte{cursorOfEvents}, uint64(k)))
}

func parseEventCursor(text string) (Key, bool) {
	b, err := idEncoding.DecodeString(text)
	if err != nil || len(b) != 9 || b[0] != cursorOfEvents {
		return 0, false
	}
	k := Key(binary.BigEndian.Uint64(b[1:]))
	return k, k > 0 && eventCursor(k) == text
}
