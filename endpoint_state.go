package waybell

import (
	"context"
	"time"
)

// HeldChoice is what becomes of the deliveries that were held when an endpoint
// is resumed.
type HeldChoice string

// The choices of [Service.ResumeEndpoint].
const (
	HeldSend   HeldChoice = "send" // oldest first
	HeldCancel HeldChoice = "cancel"
)

// transition is something that is done to an endpoint's state.
type transition uint8

const (
	moveEnable transition = iota
	moveDisable
	movePause
	moveResumeSend
	moveResumeCancel
	moveSuspend
	moveDelete
	transitions // how many there are
)

// step is one cell of the table of transitions.
type step uint8

const (
	stepNothing  step = iota // it is so already, or something stronger holds
	stepActivate             // to active
	stepSend                 // to active, what was held is sent oldest first
	stepCancel               // to active, what was held is canceled
	stepDisable              // to disabled, what waits is canceled
	stepPause                // to paused
	stepSuspend              // to suspended
	stepDelete               // to deleted, what waits is canceled
	stepRefuse               // the caller has to enable it first
	stepGone                 // there is no such endpoint any more
)

// nextStep is the whole state machine. A paused or suspended endpoint stays so
// when it is enabled: it is enabled, and only resuming sends what is held. An
// owner's pause replaces a suspension, the system's suspension never a pause.
func nextStep(from EndpointState, m transition) step {
	return [...][transitions]step{
		//                    enable        disable      pause        resume send  resume cancel suspend      delete
		EndpointActive:    {stepNothing, stepDisable, stepPause, stepNothing, stepNothing, stepSuspend, stepDelete},
		EndpointDisabled:  {stepActivate, stepNothing, stepRefuse, stepRefuse, stepRefuse, stepNothing, stepDelete},
		EndpointPaused:    {stepNothing, stepDisable, stepNothing, stepSend, stepCancel, stepNothing, stepDelete},
		EndpointSuspended: {stepNothing, stepDisable, stepPause, stepSend, stepCancel, stepNothing, stepDelete},
		EndpointDeleted:   {stepGone, stepGone, stepGone, stepGone, stepGone, stepGone, stepGone},
	}[from][m]
}

// move changes the state. fresh is a new key: what waits by now lies below it.
// The error is errUnchanged where there is nothing to store.
func (e *Endpoint) move(m transition, now time.Time, fresh Key) error {
	switch nextStep(e.State, m) {
	case stepNothing:
		return errUnchanged
	case stepRefuse:
		return errorf(CodeEndpointDisabled, "the endpoint is disabled: enable it first")
	case stepGone:
		return noEndpoint(e.ID)
	case stepActivate:
		e.enter(EndpointActive, now)
		e.Enabled = true
	case stepSend:
		e.enter(EndpointActive, now)
		e.DrainUpTo = max(e.DrainUpTo, fresh)
	case stepCancel:
		e.enter(EndpointActive, now)
		e.CancelUpTo = max(e.CancelUpTo, fresh)
	case stepDisable:
		e.enter(EndpointDisabled, now)
		e.Enabled = false
		e.CancelUpTo = max(e.CancelUpTo, fresh)
	case stepPause:
		e.enter(EndpointPaused, now)
	case stepSuspend:
		e.enter(EndpointSuspended, now)
	case stepDelete:
		e.enter(EndpointDeleted, now)
		e.Enabled = false
		e.CancelUpTo = max(e.CancelUpTo, fresh)
		e.DeletedAt = now
		// What is gone needs no secrets: they are not kept for the log.
		e.Headers, e.Secrets = nil, nil
	}
	return nil
}

// enter adds the time in a held state to Held, so that windows stand still in
// it and only in it.
func (e *Endpoint) enter(state EndpointState, now time.Time) {
	e.Held = e.heldUntil(now)
	e.State, e.StateReason, e.StateSince = state, "", now
}

// moveEndpoint stores a transition.
func (s *Service) moveEndpoint(ctx context.Context, agentID, id string, ifMatch int64, m transition) (Endpoint, error) {
	return s.changeEndpoint(ctx, agentID, id, ifMatch, func(_ Agent, e *Endpoint) error {
		return e.move(m, e.UpdatedAt, s.keys.next())
	})
}

// PauseEndpoint holds an endpoint's deliveries until it is resumed; it may be
// repeated. ifMatch is the version that must be paused, 0 = any. Errors:
// CodeAgentNotFound, CodeEndpointNotFound, CodePreconditionFailed;
// CodeEndpointDisabled for a disabled one.
func (s *Service) PauseEndpoint(ctx context.Context, agentID, id string, ifMatch int64) (Endpoint, error) {
	return s.moveEndpoint(ctx, agentID, id, ifMatch, movePause)
}

// ResumeEndpoint ends a pause or a suspension; "" means [HeldSend]. It may be
// repeated. Errors as for [Service.PauseEndpoint], and CodeInvalid.
func (s *Service) ResumeEndpoint(ctx context.Context, agentID, id string, held HeldChoice, ifMatch int64) (Endpoint, error) {
	switch held {
	case "", HeldSend:
		return s.moveEndpoint(ctx, agentID, id, ifMatch, moveResumeSend)
	case HeldCancel:
		return s.moveEndpoint(ctx, agentID, id, ifMatch, moveResumeCancel)
	}
	var p problems
	p.addValue("body.held", string(held), "must be %q or %q", HeldSend, HeldCancel)
	return Endpoint{}, p.err("the choice")
}

// SuspendEndpoint holds an endpoint's deliveries because of how its receiver
// answers. It is for the engine; disabled, paused and deleted endpoints stay as
// they are.
func (s *Service) SuspendEndpoint(ctx context.Context, n EndpointNumber, reason string) error {
	e := s.dir.endpoint(n)
	if e == nil || e.State == EndpointDeleted {
		return nil
	}
	_, err := s.changeEndpoint(ctx, e.AgentID, e.ID, 0, func(_ Agent, e *Endpoint) error {
		if e.Number != n { // the agent is another by now
			return noEndpoint(e.ID)
		}
		if err := e.move(moveSuspend, e.UpdatedAt, 0); err != nil {
			return err
		}
		e.StateReason = reason
		return nil
	})
	if code := ErrorCode(err); code == CodeEndpointNotFound || code == CodeAgentNotFound {
		return nil
	}
	return err
}

// DeleteEndpoint cancels what waits and forgets headers and secrets; the log
// stays until retention. ifMatch is the version that must be deleted, 0 = any.
// Errors: CodeAgentNotFound, CodeEndpointNotFound, CodePreconditionFailed.
func (s *Service) DeleteEndpoint(ctx context.Context, agentID, id string, ifMatch int64) error {
	_, err := s.moveEndpoint(ctx, agentID, id, ifMatch, moveDelete)
	return err
}
