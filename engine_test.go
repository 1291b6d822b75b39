package waybell_test

import (
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

func TestDelivers(t *testing.T) {
	t.Parallel()
	for _, netHTTP := range []bool{false, true} {
		t.Run("net/http "+strconv.FormatBool(netHTTP), func(t *testing.T) { testDelivers(t, netHTTP) })
	}
}

func testDelivers(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(c *waybell.Config) { c.NetHTTP = netHTTP })
		r.agent("standard")
		r.endpoint("a")
		id := r.publish(1)
		time.Sleep(time.Second)
		synctest.Wait()
		got := r.receiver.Requests()
		if len(got) != 1 || got[0].Get("webhook-id") != id || got[0].Get("X-Waybell-Attempt") != "1" {
			t.Fatalf("requests: %+v", got)
		}
		d := r.only()
		if d.State != waybell.DeliveryDelivered || d.Reason != waybell.ReasonDelivered || len(d.Attempts) != 1 {
			t.Errorf("delivery: %+v", d)
		}
		if string(d.Attempts[0].Body) != string(got[0].Body) {
			t.Errorf("logged body %s, sent %s", d.Attempts[0].Body, got[0].Body)
		}
		if l := r.ledger(); l.Delivered != 1 {
			t.Errorf("ledger %+v", l)
		}
	})
}

// A receiver that is down for a day: each policy makes its attempts when it
// should, and then gives up. 24 hours pass in the blink of an eye.
func TestADayOfRetries(t *testing.T) {
	t.Parallel()
	waits := []float64{0, 5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 25200, 32400}
	for _, tc := range []struct {
		profile  string
		status   int
		attempts int
		reason   waybell.Reason
		state    waybell.EndpointState
	}{
		{"standard", 503, 12, waybell.ReasonExpired, waybell.EndpointActive},
		{"standard", 404, 12, waybell.ReasonExpired, waybell.EndpointActive},
		{"standard", 410, 1, waybell.ReasonGone, waybell.EndpointSuspended},
		{"chatzuri", 410, 12, waybell.ReasonExpired, waybell.EndpointActive},
		{"chatzuri", 301, 12, waybell.ReasonExpired, waybell.EndpointActive},
		{"chatislav", 500, 12, waybell.ReasonExpired, waybell.EndpointActive},
		{"chatislav", 404, 1, waybell.ReasonHTTPStatus, waybell.EndpointActive},
		{"chatislav", 302, 1, waybell.ReasonHTTPStatus, waybell.EndpointActive},
	} {
		t.Run(tc.profile+strconv.Itoa(tc.status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, receivertest.Always(receivertest.Answer(tc.status, "")))
				r.agent(tc.profile)
				e := r.endpoint("a")
				began := time.Now()
				r.publish(1)
				time.Sleep(25 * time.Hour)
				synctest.Wait()
				got := r.receiver.Requests()
				if len(got) != tc.attempts {
					t.Fatalf("%d attempts, want %d", len(got), tc.attempts)
				}
				last := began
				for i, req := range got {
					wait := req.Arrived.Sub(last).Seconds()
					// The last one may have been brought back to the window's end.
					atEnd := i == 11 && req.Arrived.Sub(began) > 24*time.Hour-2*time.Second
					if math.Abs(wait-waits[i]) > 0.1*waits[i]+1.5 && !atEnd {
						t.Errorf("attempt %d came after %.1f s, want %.0f ± 10 %%", i+1, wait, waits[i])
					}
					last = req.Arrived
				}
				if last.Sub(began) > 24*time.Hour+2*time.Second {
					t.Errorf("the last attempt came %v after the event", last.Sub(began))
				}
				d := r.only()
				if d.State != waybell.DeliveryFailed || d.Reason != tc.reason {
					t.Errorf("delivery is %s, %s; want failed, %s", d.State, d.Reason, tc.reason)
				}
				now, err := r.svc.Endpoint(r.ctx, "bot", e.ID)
				if err != nil || now.State != tc.state {
					t.Errorf("endpoint is %s (%v), want %s", now.State, err, tc.state)
				}
			})
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Sequence(
			receivertest.Answer(503, "", receivertest.Header("Retry-After", "120")), receivertest.Answer(200, "")))
		r.agent("standard")
		r.endpoint("a")
		r.publish(1)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		got := r.receiver.Requests()
		if len(got) != 2 {
			t.Fatalf("%d attempts, want 2", len(got))
		}
		if wait := got[1].Arrived.Sub(got[0].Arrived); wait < 120*time.Second || wait > 123*time.Second {
			t.Errorf("the second attempt came after %v, want 120 s", wait)
		}
	})
}

// The re-send of a test send does not hide the retry that is planned behind it.
func TestRetryBehindAResend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Sequence(receivertest.Answer(200, ""), receivertest.Answer(500, ""), receivertest.Answer(200, "")))
		r.agent("standard")
		e := r.endpoint("a")
		if _, err := r.svc.Test(r.ctx, "bot", e.ID, waybell.TestInput{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		r.publish(2) // fails, and is due again after 5 s
		time.Sleep(2 * time.Second)
		in := waybell.BulkRetry{Filter: waybell.LogFilter{State: "delivered"}}
		if got, err := r.svc.RetryMany(r.ctx, "bot", in); err != nil || got.Retried != 1 {
			t.Fatalf("re-send: %+v, %v; want one", got, err)
		}
		time.Sleep(time.Minute)
		got := r.receiver.Requests()
		if len(got) != 4 {
			t.Fatalf("%d attempts, want 4", len(got))
		}
		if wait := got[3].Arrived.Sub(got[1].Arrived); wait < 4*time.Second || wait > 6*time.Second {
			t.Errorf("the retry came after %v, want about 5 s", wait)
		}
	})
}

// What a paused endpoint holds is sent on resume, oldest first, and windows
// stood still meanwhile.
func TestPauseHoldsAndResumeSendsOldestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, limits(func(l *waybell.Limits) { l.QueueLength = 32 }))
		r.agent("standard")
		e := r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 200 { // more than a queue holds
			want = append(want, r.publish(i))
		}
		time.Sleep(30 * time.Hour) // longer than the window
		if r.receiver.Count() != 0 {
			t.Fatal("a paused endpoint was sent to")
		}
		if l := r.ledger(); l.Held != 200 {
			t.Errorf("ledger %+v, want 200 held", l)
		}
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		var got []string
		for _, req := range r.receiver.Requests() {
			got = append(got, req.Get("webhook-id"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d deliveries in another order than published", len(got))
		}
		if l := r.ledger(); l.Delivered != 200 {
			t.Errorf("ledger %+v, want 200 delivered", l)
		}
	})
}

func TestResumeWithCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		e := r.endpoint("a")
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			r.publish(i)
		}
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldCancel, 0); err != nil {
			t.Fatal(err)
		}
		id := r.publish(20)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.receiver.Requests(); len(got) != 1 || got[0].Get("webhook-id") != id {
			t.Errorf("%d requests, want the one published after the resume", len(got))
		}
		if l := r.ledger(); l.Canceled != 20 || l.Delivered != 1 {
			t.Errorf("ledger %+v, want 20 canceled and 1 delivered", l)
		}
	})
}

func TestDisableCancelsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.Answer(500, "")))
		r.agent("standard")
		e := r.endpoint("a")
		for i := range 5 {
			r.publish(i)
		}
		time.Sleep(time.Second)
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0); err != nil {
			t.Fatal(err)
		}
		r.publish(6) // no target any more
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := r.receiver.Count(); n != 5 {
			t.Errorf("%d requests, want the 5 from before", n)
		}
		if l := r.ledger(); l.Canceled != 5 || l.Accepted != 5 {
			t.Errorf("ledger %+v, want 5 canceled of 5", l)
		}
	})
}

// An endpoint that never succeeds for five days is suspended; a resume sends
// one delivery first.
func TestSuspendedAfterFiveDaysAndResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
			if up.Load() {
				return receivertest.Answer(200, "")
			}
			return receivertest.Answer(404, "")
		})
		r.agent("standard")
		e := r.endpoint("a")
		for i := range 12 {
			r.publish(i)
			time.Sleep(11 * time.Hour)
		}
		now, err := r.svc.Endpoint(r.ctx, "bot", e.ID)
		if err != nil || now.State != waybell.EndpointSuspended || now.StateReason == "" {
			t.Fatalf("endpoint is %s, %q (%v), want suspended with a reason", now.State, now.StateReason, err)
		}
		if r.ledger().Held == 0 {
			t.Error("nothing is held")
		}
		up.Store(true)
		if _, err := r.svc.ResumeEndpoint(r.ctx, "bot", e.ID, waybell.HeldSend, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if l := r.ledger(); l.Held != 0 || l.Pending != 0 || l.Retrying != 0 {
			t.Errorf("ledger %+v, want nothing waiting", l)
		}
	})
}

// A dead endpoint costs next to nothing: its breaker lets only probes through,
// and after it is back all is delivered, at first one at a time.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
			if up.Load() {
				return receivertest.Answer(200, "")
			}
			return receivertest.Answer(503, "")
		})
		r.agent("standard")
		r.endpoint("a")
		for i := range 200 {
			r.publish(i)
			time.Sleep(time.Second)
		}
		before := r.receiver.Count()
		time.Sleep(time.Hour)
		if n := r.receiver.Count() - before; n < 50 || n > 70 {
			t.Errorf("%d requests in an hour behind an open breaker, want a probe a minute", n)
		}
		up.Store(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if l := r.ledger(); l.Delivered < 190 {
			t.Errorf("ledger %+v two minutes after the recovery", l)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if l := r.ledger(); l.Delivered != 200 {
			t.Errorf("ledger %+v, want all delivered", l)
		}
	})
}

// What was accepted is delivered after a crash, with the same id.
func TestCrashAndRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := newRig(t, receivertest.Always(receivertest.Gate(gate, receivertest.Answer(200, ""))))
		r.agent("standard")
		r.endpoint("a")
		var want []string
		for i := range 100 {
			want = append(want, r.publish(i))
		}
		time.Sleep(time.Second)
		// A crash: the store goes away under the service, nothing is written.
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
		dead := r.svc
		r.start()
		close(gate)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		got := map[string]bool{}
		for _, req := range r.receiver.Requests() {
			got[req.Get("webhook-id")] = true
		}
		for _, id := range want {
			if !got[id] {
				t.Errorf("event %s was lost", id)
			}
		}
		if l := r.ledger(); l.Delivered != 100 {
			t.Errorf("ledger %+v, want 100 delivered", l)
		}
		if err := dead.Stop(t.Context()); err == nil {
			t.Error("the dead service stopped as if it had its store")
		}
	})
}
