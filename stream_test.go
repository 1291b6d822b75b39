package waybell_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// follower takes what a stream tells.
type follower struct {
	r      *rig
	stream *waybell.Stream
	events []waybell.PositionedEvent
}

func (r *rig) follow(q waybell.StreamQuery) *follower {
	r.t.Helper()
	s, err := r.svc.Listen(r.ctx, q)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return &follower{r: r, stream: s}
}

// take waits until nothing moves and returns what came, with all before.
func (f *follower) take() []waybell.PositionedEvent {
	f.r.t.Helper()
	synctest.Wait()
	var dropped int
	f.events, dropped = f.stream.Take(f.events)
	if dropped > 0 {
		f.r.t.Fatalf("%d events were dropped", dropped)
	}
	return f.events
}

// last is the newest row told of each delivery.
func (f *follower) last() map[waybell.DeliveryRef]waybell.Delivery {
	rows := map[waybell.DeliveryRef]waybell.Delivery{}
	for _, e := range f.take() {
		if e.Delivery != nil {
			rows[e.Delivery.DeliveryRef] = e.Delivery.Delivery
		}
	}
	return rows
}

// sameAsLog holds the newest row of each delivery to what the log shows.
func (f *follower) sameAsLog() {
	f.r.t.Helper()
	told := f.last()
	for _, d := range f.r.deliveries() {
		got, ok := told[d.DeliveryRef]
		want := d.Delivery
		for _, row := range []*waybell.Delivery{&got, &want} { // kept in microseconds, shown in milliseconds
			row.NextAt, row.FinishedAt = row.NextAt.UTC().Truncate(time.Millisecond), row.FinishedAt.UTC().Truncate(time.Millisecond)
			row.CreatedAt, row.Entered = row.CreatedAt.UTC(), 0
		}
		if !ok || got != want {
			f.r.t.Errorf("told %+v\nthe log has %+v", got, want)
		}
		delete(told, d.DeliveryRef)
	}
	if len(told) > 0 {
		f.r.t.Errorf("told of %d deliveries that the log does not have", len(told))
	}
}

// Whatever happens to deliveries, the newest row told of each is the one that
// the log shows.
func TestStreamTellsWhatTheLogShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(200, "")))
		r.receiver.Handle("/bad", receivertest.Always(receivertest.Answer(503, "")))
		r.receiver.Handle("/gone", receivertest.Always(receivertest.Answer(404, "")))
		r.receiver.Handle("/slow", receivertest.Always(receivertest.After(5*time.Second, receivertest.Answer(500, ""))))
		r.agent("standard")
		once := func(in *waybell.EndpointInput) {
			in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{})})
		}
		good, bad := r.endpoint("good"), r.endpoint("bad")
		gone := r.endpoint("gone", once)
		paused := r.endpoint("paused")
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", paused.ID, 0); err != nil {
			t.Fatal(err)
		}
		f, all := r.follow(waybell.StreamQuery{AgentID: "bot"}), r.follow(waybell.StreamQuery{})
		if f.stream.Resumed() {
			t.Error("a stream without a position is resumed")
		}
		for n := range 4 {
			_, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{
				ID: fmt.Sprintf("own-%d", n), Type: "message.received", Data: []byte(`{}`),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		f.sameAsLog()
		time.Sleep(time.Hour) // several retries
		f.sameAsLog()
		for _, d := range r.deliveries() {
			switch d.EndpointID {
			case good.ID, gone.ID:
				if _, err := r.svc.Retry(r.ctx, "bot", d.ID()); err != nil {
					t.Fatal(err)
				}
			case bad.ID, paused.ID:
				if _, err := r.svc.Cancel(r.ctx, "bot", d.ID()); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.sameAsLog()
		if _, err := r.svc.Test(r.ctx, "bot", bad.ID, waybell.TestInput{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		f.sameAsLog()

		// Canceled while an attempt runs, which then fails: it stays canceled.
		r.endpoint("slow")
		r.publish(1)
		time.Sleep(time.Second)
		for _, d := range r.deliveries() {
			if d.State == waybell.DeliveryPending {
				if _, err := r.svc.Cancel(r.ctx, "bot", d.ID()); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(10 * time.Second)
		f.sameAsLog()
		if a, b := len(f.take()), len(all.take()); a != b {
			t.Errorf("the agent's stream told %d times, the one of all agents %d", a, b)
		}
		attempts := 0
		for _, e := range f.take() {
			if e.Attempt != nil {
				attempts++
				if e.Attempt.Detail != nil || e.Attempt.Number != e.Delivery.Delivery.Attempts {
					t.Errorf("attempt %+v of %+v", e.Attempt, e.Delivery)
				}
			}
		}
		if n := r.receiver.Count(); attempts != n {
			t.Errorf("told of %d attempts, %d were made", attempts, n)
		}
	})
}

// Changes of an endpoint, which may change all its deliveries, are told as one.
func TestStreamTellsOfEndpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(200, "")))
		r.agent("standard")
		f := r.follow(waybell.StreamQuery{AgentID: "bot"})
		e := r.endpoint("a")
		steps := []func() error{
			func() error { _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); return err },
			func() error { r.publish(1); return nil },
			func() error {
				_, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldCancel, 0)
				return err
			},
			func() error { return r.svc.DeleteEndpoint(r.ctx, "bot", e.ID, 0) },
			func() error { return r.svc.DeleteAgent(r.ctx, "bot", 0) },
		}
		var got []string
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		for _, event := range f.take() {
			word := "endpoint"
			if event.Delivery != nil {
				word = event.Delivery.State.String()
			}
			if event.AgentID != "bot" || event.EndpointID != e.ID {
				t.Errorf("%+v", event.StreamEvent)
			}
			got = append(got, word)
		}
		if want := "[endpoint endpoint held endpoint endpoint]"; fmt.Sprint(got) != want {
			t.Errorf("told %v, want %s", got, want)
		}
		// The id is used again: the old stream is not the new agent's.
		if waybell.ErrorCode(f.stream.Err()) != waybell.CodeAgentNotFound {
			t.Errorf("the stream of a deleted agent: %v", f.stream.Err())
		}
		r.agent("standard")
		r.endpoint("b")
		if n := len(f.take()); n != len(got) || f.stream.Err() == nil {
			t.Errorf("an agent's stream told of another that has its id now: %d events, %v", n-len(got), f.stream.Err())
		}
	})
}

func TestStreamBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(200, "")), limits(func(l *waybell.Limits) { l.Streams = 5 }))
		r.agent("standard")
		of := func(agent string) waybell.Code {
			s, err := r.svc.Listen(r.ctx, waybell.StreamQuery{AgentID: agent})
			if err == nil {
				t.Cleanup(s.Close)
				return ""
			}
			return waybell.ErrorCode(err)
		}
		for i, want := range []waybell.Code{"", "", waybell.CodeBusy} { // a quarter of five, rounded up
			if got := of("bot"); got != want {
				t.Errorf("stream %d of an agent: %q, want %q", i, got, want)
			}
		}
		for i, want := range []waybell.Code{"", "", "", waybell.CodeBusy} {
			if got := of(""); got != want {
				t.Errorf("stream %d: %q, want %q", i+2, got, want)
			}
		}
		if got := of("nobody"); got != waybell.CodeAgentNotFound {
			t.Error(got)
		}
		if _, err := r.svc.Listen(r.ctx, waybell.StreamQuery{AgentID: "bot", EndpointID: "ep_x"}); waybell.ErrorCode(err) != waybell.CodeInvalid {
			t.Error(err)
		}
		r.svc.Drain()
		if got := of(""); got != waybell.CodeDraining {
			t.Error(got)
		}
	})
}
