package waybell_test

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// upDown answers 200 while up, and otherwise as told.
func upDown(up *atomic.Bool, down receivertest.Step) receivertest.Script {
	return func(int, *receivertest.Recorded) receivertest.Step {
		if up.Load() {
			return receivertest.Answer(200, "")
		}
		return down
	}
}

// Windows stand still while an endpoint is paused: a retry that had an hour
// left when the pause began has it after a day as well.
func TestWindowStandsStillWhileHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(500, "")))
		r.agent("standard")
		e := r.endpoint("a", func(in *waybell.EndpointInput) {
			in.Retry = waybell.Some(waybell.RetryInput{
				ScheduleSeconds: waybell.Some([]int{600, 600, 600, 600}), WindowSeconds: waybell.Some(3600),
			})
		})
		r.publish(1)
		time.Sleep(15 * time.Minute) // two attempts
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		if d := r.only(); d.State != waybell.DeliveryHeld || !d.NextAt.IsZero() {
			t.Errorf("delivery is %s, next %v; want held", d.State, d.NextAt)
		}
		time.Sleep(30 * time.Hour)
		if n := r.receiver.Count(); n != 2 {
			t.Fatalf("%d attempts, want the 2 from before the pause", n)
		}
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if d := r.only(); d.State != waybell.DeliveryFailed || d.Reason != waybell.ReasonExpired || len(d.Attempts) != 5 {
			t.Errorf("delivery is %s, %s after %d attempts; want all five of its schedule", d.State, d.Reason, len(d.Attempts))
		}
	})
}

// A held delivery cannot be re-sent before the resume; a disabled endpoint's
// neither; a canceled one can, with a fresh schedule.
func TestRetryByState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(503, "")))
		r.agent("standard")
		e := r.endpoint("a")
		r.publish(1)
		time.Sleep(time.Second)
		id := r.only().ID()
		retry := func(want waybell.Code) {
			t.Helper()
			_, err := r.svc.Retry(r.ctx, "bot", id)
			if got := waybell.ErrorCode(err); err == nil && want != "" || err != nil && got != want {
				t.Errorf("retry: %v, want %q", err, want)
			}
		}
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		retry(waybell.CodeDeliveryHeld)
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, "", 0); err != nil {
			t.Fatal(err)
		}
		retry("") // due now, the attempt counts
		time.Sleep(time.Second)
		if d := r.only(); len(d.Attempts) != 2 || d.State != waybell.DeliveryRetrying {
			t.Errorf("delivery is %s after %d attempts", d.State, len(d.Attempts))
		}
		if _, err := r.svc.Cancel(r.ctx, "bot", id); err != nil {
			t.Fatal(err)
		}
		if _, err := r.svc.Cancel(r.ctx, "bot", id); waybell.ErrorCode(err) != waybell.CodeDeliveryFinished {
			t.Errorf("canceled twice: %v", err)
		}
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0); err != nil {
			t.Fatal(err)
		}
		retry(waybell.CodeEndpointDisabled)
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(true)}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Hour) // a fresh window, not the rest of the old one
		retry("")
		time.Sleep(10 * time.Hour)
		up.Store(true)
		time.Sleep(10 * time.Hour)
		d := r.only()
		if d.State != waybell.DeliveryDelivered || len(d.Attempts) < 8 {
			t.Errorf("delivery is %s after %d attempts", d.State, len(d.Attempts))
		}
		for i, a := range d.Attempts {
			if a.Number != i+1 {
				t.Errorf("attempt %d has number %d", i+1, a.Number)
			}
		}
		if l := r.ledger(); l.Accepted != 1 || l.Delivered != 1 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// Re-sends while an attempt runs are one with it; attempts never overlap, not
// after a cancel either.
func TestAttemptsNeverOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Sequence(
			receivertest.After(10*time.Second, receivertest.Answer(500, "")),
			receivertest.After(10*time.Second, receivertest.Answer(200, ""))))
		r.agent("standard")
		r.endpoint("a")
		r.publish(1)
		time.Sleep(time.Second)
		id := r.only().ID()
		for range 5 {
			if _, err := r.svc.Retry(r.ctx, "bot", id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.svc.Cancel(r.ctx, "bot", id); err != nil {
			t.Fatal(err)
		}
		if d := r.only(); d.State != waybell.DeliveryCanceled {
			t.Errorf("delivery is %s, want canceled at once", d.State)
		}
		began := time.Now()
		if _, err := r.svc.Retry(r.ctx, "bot", id); err != nil { // waits for the attempt
			t.Fatal(err)
		}
		if took := time.Since(began); took < 8*time.Second {
			t.Errorf("re-sent %v after the cancel, while the attempt ran", took)
		}
		time.Sleep(time.Minute)
		if got := r.receiver.Stats(); got.MaxInFlight != 1 || got.Requests != 2 {
			t.Errorf("%+v, want two requests one after the other", got)
		}
		if d := r.only(); d.State != waybell.DeliveryDelivered || len(d.Attempts) != 2 {
			t.Errorf("delivery is %s after %d attempts", d.State, len(d.Attempts))
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
	})
}

// An attempt that succeeds after its delivery was canceled makes it delivered.
func TestCanceledWhileTheAttemptSucceeds(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]waybell.DeliveryState{200: waybell.DeliveryDelivered, 500: waybell.DeliveryCanceled} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, receivertest.Always(receivertest.After(10*time.Second, receivertest.Answer(status, ""))))
				r.agent("standard")
				r.endpoint("a")
				r.publish(1)
				time.Sleep(time.Second)
				if _, err := r.svc.Cancel(r.ctx, "bot", r.only().ID()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if d := r.only(); d.State != want || len(d.Attempts) != 1 {
					t.Errorf("delivery is %s with %d attempts, want %s with 1", d.State, len(d.Attempts), want)
				}
				r.ledger()
			})
		})
	}
}

// longAttempt is a rig with a delivery whose first attempt fails after ten
// seconds, and disable, which disables and enables its endpoint.
func longAttempt(t *testing.T) (r *rig, disable func()) {
	t.Helper()
	r = newRig(t, receivertest.Sequence(
		receivertest.After(10*time.Second, receivertest.Answer(500, "")), receivertest.Answer(200, "")))
	r.agent("standard")
	e := r.endpoint("a", func(in *waybell.EndpointInput) {
		in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{3600})})
	})
	r.publish(1)
	return r, func() {
		for _, enabled := range []bool{false, true} {
			if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(enabled)}, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A delivery whose endpoint was disabled and enabled during its attempt is
// canceled, and can be sent again at the first request.
func TestRetryAfterDisableDuringTheAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, disable := longAttempt(t)
		time.Sleep(time.Second)
		disable()
		time.Sleep(time.Minute)
		d := r.only()
		if d.State != waybell.DeliveryCanceled || len(d.Attempts) != 1 {
			t.Errorf("delivery is %s with %d attempts, want canceled with 1", d.State, len(d.Attempts))
		}
		if _, err := r.svc.Retry(r.ctx, "bot", d.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if d := r.only(); d.State != waybell.DeliveryDelivered {
			t.Errorf("delivery is %s after the retry", d.State)
		}
	})
}

// The same while the attempt still runs: one by one the call waits for its end,
// many at once leave it out. Neither counts on an attempt that is the last.
func TestRetryOfACanceledDeliveryDuringItsAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, disable := longAttempt(t)
		time.Sleep(time.Second)
		disable()
		d := r.only()
		if d.State != waybell.DeliveryCanceled {
			t.Fatalf("delivery is %s, want canceled", d.State)
		}
		if got := r.retryMany(waybell.BulkRetry{DeliveryIDs: []string{d.ID()}}); got.Retried != 0 || got.Skipped[0].Code != waybell.CodeBusy {
			t.Errorf("many at once: %+v, want it skipped as busy", got)
		}
		if _, err := r.svc.Retry(r.ctx, "bot", d.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if d := r.only(); d.State != waybell.DeliveryDelivered || len(d.Attempts) != 2 {
			t.Errorf("delivery is %s with %d attempts after the retry, want delivered with 2", d.State, len(d.Attempts))
		}
		if l := r.ledger(); l.Accepted != 1 || l.Delivered != 1 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// A test is sent whatever state the endpoint is in, says nothing of its health,
// and is never retried.
func TestTestSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(503, "")))
		r.agent("standard")
		e := r.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(0.001) })
		test := func(state waybell.EndpointState) {
			t.Helper()
			before := r.receiver.Count()
			d, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{})
			if err != nil || d.State != waybell.DeliveryFailed || d.Reason != waybell.ReasonHTTPStatus || len(d.Attempts) != 1 {
				t.Errorf("%s: %+v (%v), want one failed attempt", state, d, err)
			}
			got := r.receiver.Requests()
			if len(got) != before+1 || got[before].Get("X-Waybell-Test") != "true" || got[before].Get("X-Waybell-Event") != "lead.submit" {
				t.Errorf("%s: %d requests", state, len(got)-before)
			}
			if now, err := r.svc.Endpoint(r.ctx, "bot", e.ID); err != nil || now.State != state {
				t.Errorf("endpoint is %s (%v), want %s", now.State, err, state)
			}
		}
		for range 30 { // not even many open the breaker
			test(waybell.EndpointActive)
			time.Sleep(2 * time.Second)
		}
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v after tests", got)
		}
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		test(waybell.EndpointPaused)
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0); err != nil {
			t.Fatal(err)
		}
		test(waybell.EndpointDisabled)
		n := r.receiver.Count()
		time.Sleep(25 * time.Hour)
		if r.receiver.Count() != n {
			t.Errorf("%d tests were retried", r.receiver.Count()-n)
		}
		if l := r.ledger(); l.Failed != 32 || l.Accepted != 32 {
			t.Errorf("ledger %+v, want 32 failed", l)
		}
		r.svc.Drain()
		if _, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{}); waybell.ErrorCode(err) != waybell.CodeDraining {
			t.Errorf("test while draining: %v", err)
		}
	})
}

// 410 under the standard policy suspends: what waits is held, and sent by the
// resume, a restart between or not.
func TestGoneSuspendsAndResumeSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(410, "")))
		r.agent("standard")
		e := r.endpoint("a")
		r.publish(0)
		time.Sleep(time.Second)
		for i := range 20 {
			r.publish(i + 1)
		}
		time.Sleep(time.Hour)
		if l := r.ledger(); l.Held != 20 || l.Failed != 1 || r.receiver.Count() != 1 {
			t.Errorf("ledger %+v after %d requests", l, r.receiver.Count())
		}
		r.stop()
		r.start()
		time.Sleep(48 * time.Hour)
		if l := r.ledger(); l.Held != 20 || r.receiver.Count() != 1 {
			t.Errorf("ledger %+v after %d requests and a restart", l, r.receiver.Count())
		}
		up.Store(true)
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if l := r.ledger(); l.Delivered != 20 {
			t.Errorf("ledger %+v after the resume", l)
		}
	})
}

// Retry-After beyond the window: one last attempt at the window's end.
func TestRetryAfterPastTheWindow(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"standard", "chatzuri"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, receivertest.Always(receivertest.RetryAfter(http.StatusTooManyRequests, 90*24*time.Hour)))
				r.agent(policy)
				r.endpoint("a")
				began := time.Now()
				r.publish(1)
				time.Sleep(25 * time.Hour)
				got := r.receiver.Requests()
				if len(got) != 2 {
					t.Fatalf("%d attempts, want 2", len(got))
				}
				if at := got[1].Arrived.Sub(began); at < 24*time.Hour || at > 24*time.Hour+time.Second {
					t.Errorf("the last attempt came after %v, want the window's end", at)
				}
				if d := r.only(); d.State != waybell.DeliveryFailed || d.Reason != waybell.ReasonExpired {
					t.Errorf("delivery is %s, %s", d.State, d.Reason)
				}
			})
		})
	}
}

// Behind an open breaker what was attempted expires at its window's end; what
// was not gets its one attempt. A 404 does not hold the others up.
func TestExpiryBehindABreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(503, "")))
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) {
			in.Retry = waybell.Some(waybell.RetryInput{WindowSeconds: waybell.Some(1800)})
		})
		for i := range 60 {
			r.publish(i)
			time.Sleep(time.Second)
		}
		if got := r.svc.Load(); got.BreakersOpen != 1 {
			t.Fatalf("load %+v, want an open breaker", got)
		}
		for i := range 30 {
			r.publish(100 + i)
		}
		time.Sleep(3 * time.Hour)
		if l := r.ledger(); l.Failed != l.Accepted {
			t.Errorf("ledger %+v, want all failed", l)
		}
		for _, d := range r.deliveries() {
			if d.Delivery.Attempts == 0 || d.Reason != waybell.ReasonExpired {
				t.Errorf("delivery %s ended %s after %d attempts", d.ID(), d.Reason, d.Delivery.Attempts)
			}
		}
		if got := r.svc.Load(); got.Queued != 0 || got.InFlight != 0 || got.Outcomes != 0 || got.BodyBytes != 0 {
			t.Errorf("load %+v at rest", got)
		}
	})
}

// A restart remembers the breaker: a probe goes first, and then one at a time.
func TestBreakerOutlivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(503, "")))
		r.agent("standard")
		r.endpoint("a")
		for i := range 60 {
			r.publish(i)
			time.Sleep(time.Second)
		}
		r.stop()
		before := r.receiver.Count()
		time.Sleep(time.Hour)
		r.start()
		time.Sleep(2 * time.Second)
		if n := r.receiver.Count() - before; n != 1 {
			t.Errorf("%d requests after the restart, want a probe", n)
		}
		up.Store(true)
		before = r.receiver.Count()
		time.Sleep(3 * time.Minute) // the probe may have been a third attempt, whose wait is 2 minutes
		if l := r.ledger(); l.Delivered != 60 {
			t.Errorf("ledger %+v after the recovery", l)
		}
		if n := r.receiver.Count() - before; n != 60 {
			t.Errorf("%d requests for 60 deliveries", n)
		}
	})
}

// A clock that was stepped back while the service was down strands nothing,
// also where other deliveries are near.
func TestClockSteppedBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(503, "")))
		r.agent("standard")
		r.endpoint("a")
		for i := range 10 {
			r.publish(i)
		}
		time.Sleep(time.Second)
		r.stop()
		const year = 365 * 24 * time.Hour
		r.damage("UPDATE waiting SET next_at = next_at + ?, window_end = window_end + ? WHERE event IN (SELECT event FROM waiting ORDER BY event LIMIT 5)",
			year.Microseconds(), year.Microseconds())
		r.start()
		up.Store(true)
		time.Sleep(12 * time.Hour)
		if l := r.ledger(); l.Delivered != 10 {
			t.Errorf("ledger %+v twelve hours after the step, want all delivered", l)
		}
	})
}

// A clock that is stepped back under a running service, by less than a window,
// stalls nothing for longer than a wait of the schedule.
func TestClockSteppedBackWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, upDown(&up, receivertest.Answer(503, "")))
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) {
			in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{5, 5, 5, 5})})
		})
		for i := range 10 {
			r.publish(i)
		}
		time.Sleep(time.Second)
		const step = 20 * time.Hour
		r.damage("UPDATE waiting SET next_at = next_at + ?, window_end = window_end + ? WHERE event IN (SELECT event FROM waiting ORDER BY event LIMIT 5)",
			step.Microseconds(), step.Microseconds())
		up.Store(true)
		waybell.ClockWentBack(r.svc, step)
		time.Sleep(20 * time.Second)
		if l := r.ledger(); l.Delivered != 10 {
			t.Errorf("ledger %+v 20 seconds after the step, want all delivered", l)
		}
	})
}

// What was delivered in time is in the log as it was sent, oldest first in each
// endpoint, whatever the order of answers.
func TestOrderOfFirstAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
		var want, got []string
		for i := range 50 {
			want = append(want, r.publish(i))
		}
		time.Sleep(time.Second)
		for _, req := range r.receiver.Requests() {
			got = append(got, req.Get("webhook-id"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("sent in another order: %v", got)
		}
	})
}

// What is held is not late: monitoring would tell of every pause. What a resumed
// endpoint has not sent yet is due since then.
func TestOldestDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Hang()), limits(func(l *waybell.Limits) { l.QueueLength = 1 }))
		r.agent("standard")
		slow := func(in *waybell.EndpointInput) {
			in.Concurrency, in.TimeoutSeconds = waybell.Some(1), waybell.Some(120)
		}
		e := r.endpoint("a", slow)
		oldest := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			at, err := r.svc.OldestDue(r.ctx)
			if got := time.Since(at).Round(time.Second); err != nil || at.IsZero() != (want < 0) || want >= 0 && got != want {
				t.Errorf("due since %v, %v ago, %v; want %v", at, got, err, want)
			}
		}
		const none = -1
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			r.publish(i)
		}
		oldest(none)
		time.Sleep(time.Hour)
		oldest(none)
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		oldest(time.Minute)
		if err := r.svc.SuspendEndpoint(r.ctx, e.Number, "gone"); err != nil {
			t.Fatal(err)
		}
		oldest(none)
	})
}
