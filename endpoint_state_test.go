package waybell

import (
	"errors"
	"testing"
	"time"
)

// moved is what a transition is expected to make of an endpoint.
type moved struct {
	state         EndpointState
	enabled       bool
	cancel, drain bool          // the mark went up
	held          time.Duration // added
	err           Code          // or unchanged
}

const unchanged = Code("unchanged")

// wantedMoves is the whole table, for an endpoint that is in its state since an
// hour.
func wantedMoves() map[EndpointState][transitions]moved {
	active := moved{state: EndpointActive, enabled: true}
	gone := moved{err: CodeEndpointNotFound}
	return map[EndpointState][transitions]moved{
		EndpointActive: {
			moveEnable:       {err: unchanged},
			moveDisable:      {state: EndpointDisabled, cancel: true},
			movePause:        {state: EndpointPaused, enabled: true},
			moveResumeSend:   {err: unchanged},
			moveResumeCancel: {err: unchanged},
			moveSuspend:      {state: EndpointSuspended, enabled: true},
			moveDelete:       {state: EndpointDeleted, cancel: true},
		},
		EndpointDisabled: {
			moveEnable:       active,
			moveDisable:      {err: unchanged},
			movePause:        {err: CodeEndpointDisabled},
			moveResumeSend:   {err: CodeEndpointDisabled},
			moveResumeCancel: {err: CodeEndpointDisabled},
			moveSuspend:      {err: unchanged},
			moveDelete:       {state: EndpointDeleted, cancel: true},
		},
		EndpointPaused: {
			moveEnable:       {err: unchanged},
			moveDisable:      {state: EndpointDisabled, cancel: true, held: time.Hour},
			movePause:        {err: unchanged},
			moveResumeSend:   {state: EndpointActive, enabled: true, drain: true, held: time.Hour},
			moveResumeCancel: {state: EndpointActive, enabled: true, cancel: true, held: time.Hour},
			moveSuspend:      {err: unchanged},
			moveDelete:       {state: EndpointDeleted, cancel: true, held: time.Hour},
		},
		EndpointSuspended: {
			moveEnable:       {err: unchanged},
			moveDisable:      {state: EndpointDisabled, cancel: true, held: time.Hour},
			movePause:        {state: EndpointPaused, enabled: true, held: time.Hour},
			moveResumeSend:   {state: EndpointActive, enabled: true, drain: true, held: time.Hour},
			moveResumeCancel: {state: EndpointActive, enabled: true, cancel: true, held: time.Hour},
			moveSuspend:      {err: unchanged},
			moveDelete:       {state: EndpointDeleted, cancel: true, held: time.Hour},
		},
		EndpointDeleted: {gone, gone, gone, gone, gone, gone, gone},
	}
}

// TestTransitions holds every cell of the table of states and transitions.
func TestTransitions(t *testing.T) {
	t.Parallel()
	const (
		before = Key(100) // CancelUpTo and DrainUpTo as they were
		fresh  = Key(200)
	)
	since := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	now := since.Add(time.Hour)
	for from, row := range wantedMoves() {
		for m, want := range row {
			e := Endpoint{
				ID: "ep_x", State: from, StateSince: since, Held: time.Minute, CancelUpTo: before, DrainUpTo: before,
				Enabled: from != EndpointDisabled && from != EndpointDeleted,
				Headers: []Header{{"X-A", "x"}}, Secrets: []EndpointSecret{{Value: "x"}},
			}
			if from == EndpointSuspended {
				e.StateReason = "gone"
			}
			was := e.clone()
			name := from.String() + "/" + [...]string{"enable", "disable", "pause", "resume send", "resume cancel", "suspend", "delete"}[m]
			err := e.move(transition(m), now, fresh)
			if want.err != "" {
				if got := ErrorCode(err); err == nil || want.err == unchanged != errors.Is(err, errUnchanged) || want.err != unchanged && got != want.err {
					t.Errorf("%s: got %v, want %s", name, err, want.err)
				}
				if e.State != was.State || e.StateReason != was.StateReason || e.StateSince != was.StateSince ||
					e.Held != was.Held || e.CancelUpTo != before || e.DrainUpTo != before || e.Enabled != was.Enabled {
					t.Errorf("%s: an error changed it to %+v", name, e)
				}
				continue
			}
			if err != nil || e.State != want.state || e.Enabled != want.enabled || e.StateSince != now || e.StateReason != "" {
				t.Errorf("%s: got %v, enabled %v, since %v, reason %q, %v", name, e.State, e.Enabled, e.StateSince, e.StateReason, err)
			}
			if (e.CancelUpTo == fresh) != want.cancel || (e.DrainUpTo == fresh) != want.drain {
				t.Errorf("%s: canceled up to %d, drained up to %d", name, e.CancelUpTo, e.DrainUpTo)
			}
			if e.Held != time.Minute+want.held {
				t.Errorf("%s: held %v, want %v more than a minute", name, e.Held, want.held)
			}
			if gone := e.State == EndpointDeleted; gone != (e.Secrets == nil) || gone != (e.Headers == nil) || gone == e.DeletedAt.IsZero() {
				t.Errorf("%s: %d headers and %d secrets left, deleted at %v", name, len(e.Headers), len(e.Secrets), e.DeletedAt)
			}
		}
	}
}

// TestMarksNeverGoBack: a node whose clock is behind does not take back what
// another canceled.
func TestMarksNeverGoBack(t *testing.T) {
	t.Parallel()
	for _, m := range []transition{moveDisable, moveResumeSend, moveResumeCancel, moveDelete} {
		e := Endpoint{State: EndpointPaused, CancelUpTo: 500, DrainUpTo: 500}
		if err := e.move(m, time.Now(), 200); err != nil || e.CancelUpTo != 500 || e.DrainUpTo != 500 {
			t.Errorf("transition %d: canceled up to %d, drained up to %d, %v", m, e.CancelUpTo, e.DrainUpTo, err)
		}
	}
}

// TestHeldTime: however a walk through the states goes, the window stands
// still exactly while the endpoint is paused or suspended.
func TestHeldTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	e := Endpoint{State: EndpointActive, Enabled: true, StateSince: at}
	var held time.Duration
	for i, step := range []struct {
		after time.Duration
		m     transition
	}{
		{5 * time.Minute, movePause}, {7 * time.Minute, movePause}, {3 * time.Minute, moveResumeSend},
		{time.Minute, moveSuspend}, {11 * time.Minute, movePause}, {2 * time.Minute, moveSuspend}, {time.Minute, moveResumeCancel},
		{time.Minute, movePause}, {4 * time.Minute, moveDisable}, {9 * time.Minute, moveEnable}, {time.Minute, moveSuspend}, {time.Hour, moveDelete},
		{time.Hour, moveDelete},
	} {
		if e.IsHeld() {
			held += step.after
		}
		at = at.Add(step.after)
		if got := e.heldUntil(at); got != held {
			t.Fatalf("before step %d: held %v, want %v", i, got, held)
		}
		if err := e.move(step.m, at, Key(i)); err != nil && !errors.Is(err, errUnchanged) && ErrorCode(err) != CodeEndpointNotFound {
			t.Fatalf("step %d: %v", i, err)
		}
		if got := e.heldUntil(at); got != held {
			t.Fatalf("after step %d: held %v, want %v", i, got, held)
		}
	}
	back := Endpoint{State: EndpointPaused, StateSince: at, Held: time.Minute}
	if err := back.move(moveResumeSend, at.Add(-time.Hour), 1); err != nil || back.Held != time.Minute {
		t.Errorf("a clock stepped back made held %v, %v", back.Held, err)
	}
}
