package waybell

import (
	"context"
	"errors"
	"time"

	"github.com/waybell/waybell/internal/stream"
)

// The bounds of the live stream besides Limits.Streams.
const (
	streamRing   = 2048        // events kept for streams that come back
	streamBuffer = 256         // events that wait for one stream
	streamKeep   = time.Minute // how long events are kept once nobody listens
	// streamShare is how many times one agent's share of Limits.Streams goes into
	// it: its viewers cannot shut out everybody else's.
	streamShare = 4
)

// The hub hears of what this node does, at the moment it is durable, and within
// about a second of the endpoints that other nodes did something for.
type streamHub = stream.Hub[AgentNumber, *StreamEvent]

func newStreamHub(limit int) *streamHub {
	return stream.NewHub[AgentNumber, *StreamEvent](stream.Config{
		Ring: streamRing, Buffer: streamBuffer, Keep: streamKeep,
		Max: limit, Share: (limit + streamShare - 1) / streamShare,
	})
}

// StreamEvent is something that happened: to a delivery, or to an endpoint. It
// must not be changed.
type StreamEvent struct {
	AgentID    string
	EndpointID string
	// Delivery is the row as a list would show it, nil when the endpoint itself
	// was created, changed or deleted, or many of its deliveries were at once.
	Delivery *DeliveryView
	// Attempt is the one that just ended, without its detail; nil when the
	// delivery was accepted, canceled or re-opened.
	Attempt *Attempt
}

// StreamQuery says what to listen to.
type StreamQuery struct {
	AgentID    string // "" = all agents
	EndpointID string // "" = all endpoints; only with an agent
	// After is the position of the last event had; "" begins with the next.
	After string
}

// Stream tells what happens while it happens. It is for one goroutine.
type Stream struct {
	svc      *Service
	agent    AgentNumber // 0 = all
	agentID  string
	listener *stream.Listener[AgentNumber, *StreamEvent]
	taken    []stream.Message[*StreamEvent]
}

// PositionedEvent is an event with its position, for StreamQuery.After.
type PositionedEvent struct {
	Position string
	*StreamEvent
}

// Listen opens a stream of what happens on this node; it must be closed. It
// never holds the engine up: one that is not read loses its oldest events. A
// list read after Listen, with the events after it, misses nothing. Errors:
// CodeAgentNotFound, CodeInvalid for an endpoint that the agent does not have,
// CodeBusy with Limits.Streams open already, CodeDraining.
func (s *Service) Listen(ctx context.Context, q StreamQuery) (*Stream, error) {
	o := stream.Options[AgentNumber, *StreamEvent]{All: q.AgentID == "", After: q.After}
	if q.AgentID != "" {
		agent, e := s.findAgent(ctx, q.AgentID)
		if e != nil {
			return nil, e
		}
		o.Key = agent.Number
		if err := s.onlyEndpoint(ctx, agent, q.EndpointID, &o); err != nil {
			return nil, err
		}
	}
	listener, err := s.stream.Listen(o)
	switch {
	case errors.Is(err, stream.ErrFull):
		e := errorf(CodeBusy, "too many streams are open; try again")
		e.RetryAfter = 5 * time.Second
		return nil, e
	case err != nil:
		return nil, drainingError()
	}
	return &Stream{svc: s, agent: o.Key, agentID: q.AgentID, listener: listener}, nil
}

// onlyEndpoint leaves out what is not the endpoint's, where there is an id.
func (s *Service) onlyEndpoint(ctx context.Context, agent *agentEntry, id string, o *stream.Options[AgentNumber, *StreamEvent]) error {
	if id == "" {
		return nil
	}
	endpoint, err := s.loggedEndpoint(ctx, agent, id)
	if err != nil {
		return err
	}
	if endpoint == nil {
		var p problems
		p.addValue("query.endpoint_id", id, "names no endpoint of this agent")
		return p.err("the query")
	}
	o.Wants = func(e *StreamEvent) bool { return e.EndpointID == id }
	return nil
}

// Resumed tells whether the stream goes on after the position asked for with
// nothing left out. Otherwise what it showed before is out of date: read the
// lists anew.
func (t *Stream) Resumed() bool { return t.listener.Resumed() }

// Start is the position before the first event.
func (t *Stream) Start() string { return t.listener.Start() }

// Ready has a value when there may be something to take.
func (t *Stream) Ready() <-chan struct{} { return t.listener.Ready() }

// Done is closed when the service drains: the stream has ended.
func (t *Stream) Done() <-chan struct{} { return t.listener.Done() }

// Take returns what happened since the last call, and how many events before
// that were dropped because nobody took them in time. The slice is overwritten
// by the next call's.
func (t *Stream) Take(into []PositionedEvent) (events []PositionedEvent, dropped int) {
	clear(t.taken)
	t.taken, dropped = t.listener.Take(t.taken[:0])
	for _, m := range t.taken {
		into = append(into, PositionedEvent{t.listener.Position(m.Seq), m.Value})
	}
	return into, dropped
}

// Err tells why the stream has no more to tell: its agent was deleted, or
// another has its id by now.
func (t *Stream) Err() error {
	if t.agent != 0 && t.svc.dir.agentByNumber(t.agent) == nil {
		return noAgent(t.agentID)
	}
	return nil
}

// Close ends the stream. It may be called twice.
func (t *Stream) Close() { t.listener.Close() }

// tellEndpoint tells that an endpoint changed, or many of its deliveries.
func (s *Service) tellEndpoint(e *Endpoint) {
	if s.stream.Active() {
		s.stream.Publish(e.Agent, &StreamEvent{AgentID: e.AgentID, EndpointID: e.ID})
	}
}

// tell tells of a delivery as its list shows it. The endpoint of a delivery is
// known on the node that handles it.
func (s *Service) tell(d Delivery, a *Attempt) {
	e := s.dir.endpoint(d.Endpoint)
	if e == nil {
		return
	}
	v := &DeliveryView{Delivery: d, EndpointID: e.ID}
	v.derive(e)
	s.stream.Publish(e.Agent, &StreamEvent{AgentID: e.AgentID, EndpointID: e.ID, Delivery: v, Attempt: a})
}

// tellAccepted tells of the deliveries of a durable event, before any of them
// starts.
func (s *Service) tellAccepted(p *pending) {
	if !s.stream.Active() {
		return
	}
	at := p.Key.Time()
	for _, t := range p.Targets {
		s.tell(Delivery{
			DeliveryRef: DeliveryRef{p.Key, t.Endpoint}, Agent: p.Agent, EventID: p.ID, Type: p.Type,
			State: DeliveryPending, NextAt: at, CreatedAt: at, Entered: p.Key,
		}, nil)
	}
}

// tellWaiting tells of a delivery that was made due. Where its next attempt were
// to end before this is told, the two would be told in the wrong order; that
// takes two commits and a request, this only the way back from one.
func (s *Service) tellWaiting(eventID string, w *Waiting) {
	if !s.stream.Active() {
		return
	}
	d := Delivery{
		DeliveryRef: w.DeliveryRef, Agent: w.Agent, EventID: eventID, Type: w.Type,
		State: DeliveryPending, Reason: w.Reason, Attempts: w.Attempts, StatusCode: w.StatusCode,
		NextAt: w.NextAt, CreatedAt: w.Event.Time(), Entered: w.Entered,
	}
	if w.Attempts > 0 {
		d.State = DeliveryRetrying
	}
	s.tell(d, nil)
}

// tellSettled tells of a delivery whose row was read or written just now.
func (s *Service) tellSettled(d Delivery) {
	if s.stream.Active() {
		s.tell(d, nil)
	}
}

// tellOutcomes tells of durable attempts. Settlements without one are not told:
// a release changes nothing that a list shows, and what an endpoint's change
// cancels is told with the endpoint, as it counts at once for all of them.
func (s *Service) tellOutcomes(ctx context.Context, works []*work, batch []Settlement) {
	if !s.stream.Active() {
		return
	}
	for i := range batch {
		o, w := &batch[i], works[i]
		if o.Attempt == nil {
			continue
		}
		a := *o.Attempt
		a.Detail = nil
		if w.canceled || w.eventID == "" { // settled otherwise meanwhile, or its event was never read
			if d, err := s.store.Delivery(ctx, o.Agent, o.DeliveryRef); err == nil {
				s.tell(d, &a)
			}
			continue
		}
		d := Delivery{
			DeliveryRef: o.DeliveryRef, Agent: o.Agent, EventID: w.eventID, Type: o.Type, State: o.State, Reason: o.Reason,
			Attempts: a.Number, StatusCode: a.StatusCode, CreatedAt: o.Event.Time(), FinishedAt: o.FinishedAt,
		}
		if o.Kind == SettleRetry {
			d.State, d.Reason, d.NextAt, d.Entered = DeliveryRetrying, a.Reason, o.NextAt, w.Entered
		}
		s.tell(d, &a)
	}
}
