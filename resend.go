package waybell

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/intake"
	"github.com/waybell/waybell/internal/jsjson"
)

// Retry makes a delivery due now: a waiting one keeps its schedule, a settled
// one starts a fresh schedule and window. CodeDeliveryHeld while its endpoint
// is paused or suspended, CodeEndpointDisabled while it is disabled. While an
// attempt of the delivery is under way the call is coalesced with it; where the
// delivery was canceled meanwhile it waits for that attempt, or answers
// CodeDeliveryInFlight where another node makes it.
func (s *Service) Retry(ctx context.Context, agentID, deliveryID string) (DeliveryView, error) {
	agent, d, err := s.findDelivery(ctx, agentID, deliveryID)
	if err != nil {
		return DeliveryView{}, err
	}
	e, why := s.resendable(&d)
	if why != nil {
		return DeliveryView{}, why
	}
	if done, inHand := s.dispatcher.find(d.DeliveryRef); inHand && e.over(&d) {
		select { // canceled while its attempt runs: attempts never overlap
		case <-done:
		case <-ctx.Done():
			return DeliveryView{}, s.acceptError(ctx.Err())
		}
	}
	results, err := s.requeue(ctx, agent, []Delivery{d})
	if err != nil {
		return DeliveryView{}, err
	}
	if results[0] != nil {
		return DeliveryView{}, results[0]
	}
	return s.view(ctx, agent, d.DeliveryRef)
}

// Cancel settles a waiting delivery as canceled; CodeDeliveryFinished for a
// settled one. An attempt under way is not cut off: where it succeeds, the
// delivery becomes delivered.
func (s *Service) Cancel(ctx context.Context, agentID, deliveryID string) (DeliveryView, error) {
	agent, d, err := s.findDelivery(ctx, agentID, deliveryID)
	if err != nil {
		return DeliveryView{}, err
	}
	err = s.store.CancelDelivery(ctx, *s.lease.Load(), agent.Number, d.DeliveryRef, s.clock.now())
	switch {
	case errors.Is(err, ErrConflict):
		return DeliveryView{}, errorf(CodeDeliveryFinished, "the delivery is %s: there is nothing to cancel", d.State)
	case err != nil:
		return DeliveryView{}, storeMissing("re-send", err, CodeDeliveryNotFound)
	}
	s.dispatcher.drop(d.DeliveryRef)
	v, err := s.view(ctx, agent, d.DeliveryRef)
	if err == nil {
		s.tellSettled(v.Delivery)
	}
	return v, err
}

// TestInput is what a test send may choose.
type TestInput struct {
	// Type is an event type or webhook.test, which is any object; "" = the
	// endpoint's first type, else lead.submit.
	Type string
	Data []byte // nil = the type's example
}

// Test sends a real signed request to an endpoint, waits for it and returns
// the delivery with its attempt. It is logged like any other, never retried,
// and goes through whatever state the endpoint is in. A node that does not
// deliver leaves it to one that does; where none has sent it in time, the
// delivery is returned as it waits.
func (s *Service) Test(ctx context.Context, agentID, endpointID string, in TestInput) (DeliveryView, error) {
	agent, e, err := s.entryOf(ctx, agentID, endpointID)
	if err != nil {
		return DeliveryView{}, err
	}
	env, err := s.exampleEvent(e.Endpoint, in)
	if err != nil {
		return DeliveryView{}, err
	}
	p, pe := s.prepare(ctx, &env)
	if pe != nil {
		return DeliveryView{}, pe
	}
	p.Test = true
	now := s.clock.now()
	p.Targets = []NewTarget{e.target1(now)}
	p.Targets[0].Aside = !s.cfg.Role.Delivers() || e.unready != nil
	p.Deliveries = 1
	if e := s.takesNothing(); e != nil {
		return DeliveryView{}, e
	}
	done, err := s.startTest(ctx, p)
	if err != nil {
		return DeliveryView{}, err
	}
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done(): // the attempt goes on and is logged
		}
	}
	ref := DeliveryRef{p.Key, e.Number}
	if s.shared() {
		ctx, cancel := context.WithTimeout(ctx, e.Timeout+testPatience)
		defer cancel()
		s.awaitSettled(ctx, p.Agent, ref)
	}
	return s.view(context.WithoutCancel(ctx), agent, ref)
}

const (
	testPatience  = 10 * time.Second // for a node that makes a test send, besides its timeout
	testPollFirst = 20 * time.Millisecond
	testPollLast  = 250 * time.Millisecond
)

// awaitSettled returns when a delivery is settled, whichever node does it, or at
// the end of ctx.
func (s *Service) awaitSettled(ctx context.Context, agent AgentNumber, ref DeliveryRef) {
	for wait := testPollFirst; ctx.Err() == nil; wait = min(2*wait, testPollLast) {
		if d, err := s.store.Delivery(ctx, agent, ref); err == nil && d.State.Settled() || errors.Is(err, ErrNotFound) {
			return
		}
		pause(ctx, wait)
	}
}

// exampleEvent is what a test sends to an endpoint: the event asked for, or the
// first that it subscribed to, with the data given or the example of its type.
func (s *Service) exampleEvent(e *Endpoint, in TestInput) (envelope, error) {
	env := envelope{Event: intake.Event{AgentID: e.AgentID, Type: in.Type, Location: "body"}, test: true}
	if env.Type == "" {
		env.Type = catalogue.LeadSubmit
		known := func(name string) bool { return s.dir.eventType(name) != nil } // "*" is not, nor what was unregistered
		if i := slices.IndexFunc(e.Events, known); i >= 0 {
			env.Type = e.Events[i]
		}
	}
	name, _ := s.canonicalType(env.Type)
	switch t := s.dir.eventType(name); {
	case in.Data != nil:
	case env.Type == catalogue.Test:
		in.Data = []byte(`{"message":"This is a test. Your webhook receives events."}`)
	case t != nil && t.Example != nil:
		in.Data = t.Example
	default:
		in.Data = []byte("{}")
	}
	v, err := jsjson.Parse(in.Data, jsjson.Limits{})
	if err != nil {
		return env, jsonError(err, "body.data")
	}
	env.Take("data", v, jsjson.KindObject, &env.Data)
	return env, nil
}

// startTest makes a test send durable and starts it, unless it is put aside for
// another node: then done is nil.
func (s *Service) startTest(ctx context.Context, p *pending) (done <-chan struct{}, err error) {
	works, aside := p.works(nil, false)
	ok := false
	for {
		err := func() error {
			if err := s.enter(ctx); err != nil {
				return err
			}
			defer s.owning.RUnlock()
			_, err := s.store.Accept(ctx, *s.lease.Load(), s.dir.version.Load(), []*NewEvent{&p.NewEvent})
			if err != nil {
				return err
			}
			s.tellAccepted(p)
			if ok = aside; !aside {
				done, ok = s.dispatcher.startDirect(works[0])
			}
			return nil
		}()
		switch {
		case ok:
			return done, nil
		case err == nil:
			s.dispatcher.settleUnsent(works[0], canceled(works[0], s.clock.now()))
			return nil, drainingError()
		}
		if !errors.Is(err, ErrConfigChanged) {
			return nil, s.acceptError(err)
		}
		if err := s.refresh(ctx); err != nil {
			return nil, s.acceptError(err)
		}
	}
}

// findDelivery finds a living agent's delivery by its public id.
func (s *Service) findDelivery(ctx context.Context, agentID, id string) (*agentEntry, Delivery, error) {
	agent, e := s.findAgent(ctx, agentID)
	if e != nil {
		return nil, Delivery{}, e
	}
	ref, err := ParseDeliveryID(id)
	if err != nil {
		return nil, Delivery{}, errorf(CodeDeliveryNotFound, "there is no delivery %.40q", id)
	}
	d, err := s.store.Delivery(ctx, agent.Number, ref)
	if err != nil {
		return nil, Delivery{}, storeMissing("re-send", err, CodeDeliveryNotFound)
	}
	return agent, d, nil
}

// view shows a delivery as it is stored now.
func (s *Service) view(ctx context.Context, agent *agentEntry, ref DeliveryRef) (DeliveryView, error) {
	return s.Delivery(ctx, agent.ID, ref.ID())
}

// entryOf finds a living endpoint of a living agent in the directory.
func (s *Service) entryOf(ctx context.Context, agentID, id string) (*agentEntry, *endpointEntry, error) {
	agent, err := s.findAgent(ctx, agentID)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range agent.endpoints {
		if e.ID == id {
			return agent, e, nil
		}
	}
	return nil, nil, noEndpoint(id)
}
