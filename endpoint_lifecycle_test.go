package waybell_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
)

func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startWithAgent(t)
		ctx := t.Context()
		e := mustEndpoint(t, n, endpointInput()).Endpoint
		time.Sleep(time.Minute)
		paused, err := n.PauseEndpoint(ctx, "a", e.ID, 0)
		if err != nil || paused.State != waybell.EndpointPaused || !paused.StateSince.Equal(time.Now()) || !paused.Enabled {
			t.Fatalf("got %+v, %v", paused, err)
		}
		time.Sleep(time.Hour)
		again, err := n.PauseEndpoint(ctx, "a", e.ID, 0)
		if err != nil || again.Version != paused.Version || !again.StateSince.Equal(paused.StateSince) {
			t.Errorf("a second pause made %+v, %v", again, err)
		}
		// The whole endpoint sent back with another description stays paused.
		r, err := n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Enabled: waybell.Some(true), Description: waybell.Some("x")}, 0)
		if err != nil || r.Endpoint.State != waybell.EndpointPaused || !n.DirectoryEndpoint(e.Number).IsHeld() {
			t.Errorf("enabled again made %+v, %v", r.Endpoint, err)
		}
		resumed, err := n.ResumeEndpoint(ctx, "a", e.ID, "", 0)
		if err != nil || resumed.State != waybell.EndpointActive || resumed.Held != time.Hour || resumed.CancelUpTo != 0 ||
			resumed.DrainUpTo < waybell.KeyAt(time.Now()) {
			t.Errorf("got %+v, %v", resumed, err)
		}
		if again, err := n.ResumeEndpoint(ctx, "a", e.ID, waybell.HeldCancel, 0); err != nil || again.Version != resumed.Version {
			t.Errorf("resuming an active one made %+v, %v", again, err)
		}
		if _, err := n.PauseEndpoint(ctx, "a", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		resumed, err = n.ResumeEndpoint(ctx, "a", e.ID, waybell.HeldCancel, 0)
		if err != nil || resumed.Held != time.Hour+time.Minute || resumed.CancelUpTo < waybell.KeyAt(time.Now()) || resumed.CancelUpTo <= resumed.DrainUpTo {
			t.Errorf("got %+v, %v", resumed, err)
		}
		_, err = n.ResumeEndpoint(ctx, "a", e.ID, "both", 0)
		wantFields(t, err, "body.held")
		for _, id := range []string{"", "ep_x"} {
			_, err = n.PauseEndpoint(ctx, "a", id, 0)
			wantCode(t, err, waybell.CodeEndpointNotFound)
			_, err = n.ResumeEndpoint(ctx, "a", id, "", 0)
			wantCode(t, err, waybell.CodeEndpointNotFound)
		}
	})
}

func TestDisableAndEnable(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	enabled := func(v bool) waybell.EndpointInput { return waybell.EndpointInput{Enabled: waybell.Some(v)} }
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	r, err := n.UpdateEndpoint(ctx, "a", e.ID, enabled(false), 0)
	if err != nil || r.Endpoint.State != waybell.EndpointDisabled || r.Endpoint.Enabled || r.Endpoint.CancelUpTo == 0 {
		t.Fatalf("got %+v, %v", r.Endpoint, err)
	}
	_, err = n.PauseEndpoint(ctx, "a", e.ID, 0)
	wantCode(t, err, waybell.CodeEndpointDisabled)
	_, err = n.ResumeEndpoint(ctx, "a", e.ID, "", 0)
	wantCode(t, err, waybell.CodeEndpointDisabled)
	if err := n.SuspendEndpoint(ctx, e.Number, "gone"); err != nil || n.DirectoryEndpoint(e.Number).State != waybell.EndpointDisabled {
		t.Errorf("suspending a disabled one: %v", err)
	}
	again, err := n.UpdateEndpoint(ctx, "a", e.ID, enabled(false), 0)
	if err != nil || again.Endpoint.CancelUpTo != r.Endpoint.CancelUpTo {
		t.Errorf("disabled again: %+v, %v", again.Endpoint, err)
	}
	r, err = n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Enabled: waybell.Null[bool]()}, 0)
	if err != nil || r.Endpoint.State != waybell.EndpointActive || !r.Endpoint.Enabled || r.Endpoint.CancelUpTo != again.Endpoint.CancelUpTo {
		t.Errorf("null made %+v, %v; want enabled", r.Endpoint, err)
	}
	in := endpointInput()
	in.Enabled = waybell.Some(false)
	if off := mustEndpoint(t, n, in).Endpoint; off.State != waybell.EndpointDisabled || off.Enabled {
		t.Errorf("created disabled: %+v", off)
	}
	_, err = n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{Enabled: waybell.Some(false), Method: waybell.Some("x")}, 0)
	wantFields(t, err, "body.method")
	if n.DirectoryEndpoint(e.Number).State != waybell.EndpointActive {
		t.Error("a refused patch disabled the endpoint")
	}
}

func TestSuspend(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	if err := n.SuspendEndpoint(ctx, e.Number, "gone"); err != nil {
		t.Fatal(err)
	}
	got, err := n.Endpoint(ctx, "a", e.ID)
	if err != nil || got.State != waybell.EndpointSuspended || got.StateReason != "gone" || !got.Enabled {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := n.SuspendEndpoint(ctx, e.Number, "again"); err != nil || n.DirectoryEndpoint(e.Number).StateReason != "gone" {
		t.Errorf("suspended again: %v", err)
	}
	got, err = n.ResumeEndpoint(ctx, "a", e.ID, waybell.HeldSend, 0)
	if err != nil || got.State != waybell.EndpointActive || got.StateReason != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := n.SuspendEndpoint(ctx, 4711, "gone"); err != nil {
		t.Errorf("suspending what is unknown: %v", err)
	}
}

func TestDeleteEndpoint(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	in := endpointInput()
	in.GenerateSecret = waybell.SecretSymmetric
	e := mustEndpoint(t, n, in).Endpoint
	wantCode(t, n.DeleteEndpoint(ctx, "a", e.ID, e.Version+1), waybell.CodePreconditionFailed)
	if err := n.DeleteEndpoint(ctx, "a", e.ID, e.Version); err != nil {
		t.Fatal(err)
	}
	wantCode(t, n.DeleteEndpoint(ctx, "a", e.ID, 0), waybell.CodeEndpointNotFound)
	_, err := n.Endpoint(ctx, "a", e.ID)
	wantCode(t, err, waybell.CodeEndpointNotFound)
	if got := n.DirectoryEndpoint(e.Number); got == nil || got.State != waybell.EndpointDeleted || got.ID != e.ID || got.CancelUpTo == 0 || got.Signed() {
		t.Errorf("the directory has %+v; the log needs to name it", got)
	}
	if len(n.Targets("a", "lead.submit")) != 0 {
		t.Error("a deleted endpoint is a target")
	}
	stored, err := n.store.ConfigSince(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range stored.Endpoints {
		if len(row.Sealed) != 0 {
			t.Error("the secrets of a deleted endpoint are kept")
		}
	}
	if err := n.SuspendEndpoint(ctx, e.Number, "gone"); err != nil {
		t.Errorf("suspending a deleted one: %v", err)
	}
}

// TestChangesAreTold: every change of an endpoint is told once, on the node
// that made it and on the others, with the endpoint before and after.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	withShared := func(keys []waybell.Secret) func(*waybell.Config) {
		return func(c *waybell.Config) {
			c.Store = shared
			if keys != nil {
				c.EncryptionKeys = keys
			}
		}
	}
	n := startWithAgent(t, withShared(nil))
	other := start(t, withShared(n.Config().EncryptionKeys))
	ctx := t.Context()
	listen := func(n *node) *[]string {
		var told []string
		n.OnEndpoint(func(old, now *waybell.Endpoint) {
			was := "new"
			if old != nil {
				was = old.State.String()
			}
			told = append(told, was+" → "+now.State.String())
		})
		return &told
	}
	here, there := listen(n), listen(other)
	e := mustEndpoint(t, n, endpointInput()).Endpoint
	for _, call := range []func() error{
		func() error { _, err := n.PauseEndpoint(ctx, "a", e.ID, 0); return err },
		func() error { _, err := n.PauseEndpoint(ctx, "a", e.ID, 0); return err }, // changes nothing
		func() error { _, err := n.ResumeEndpoint(ctx, "a", e.ID, "", 0); return err },
		func() error { return n.SuspendEndpoint(ctx, e.Number, "x") },
		func() error { return n.DeleteAgent(ctx, "a", 0) },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
		if err := other.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"new → active", "active → paused", "paused → active", "active → suspended", "suspended → deleted"}
	if !slices.Equal(*here, want) {
		t.Errorf("told here: %q", *here)
	}
	if want[0], want[1] = "new → paused", "paused → active"; !slices.Equal(*there, slices.Delete(want, 2, 3)) {
		t.Errorf("told there: %q", *there) // it first looked after the pause
	}
}
