package waybell_test

import (
	"cmp"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

// An endpoint that answers soon gets up to twice the default at once, and four times
// while a thousand deliveries wait for it, as long as there are few others to send to;
// any figure that was set is kept.
func TestConcurrencyOfQuickEndpoints(t *testing.T) {
	t.Parallel()
	const soon = 10 * time.Millisecond
	const few, crowd = 800, 5000
	for _, tc := range []struct {
		name      string
		took      time.Duration
		endpoints int
		events    int
		own       int // the endpoint's own figure
		limits    waybell.Limits
		want      int
	}{
		{name: "alone", took: soon, endpoints: 1, want: 32},
		{name: "one of two", took: soon, endpoints: 2, want: 32},
		{name: "one of three", took: soon, endpoints: 3, want: 21},
		{name: "one of four", took: soon, endpoints: 4, want: 16},
		{name: "one of many", took: soon, endpoints: 9, want: 16},
		{name: "just soon enough", took: 100 * time.Millisecond, endpoints: 1, want: 32},
		{name: "not soon", took: 101 * time.Millisecond, endpoints: 1, want: 16},
		{name: "with a figure of its own", took: soon, endpoints: 1, own: 16, want: 16},
		{name: "one at a time", took: soon, endpoints: 1, limits: waybell.Limits{Concurrency: 1}, want: 1},
		{name: "with another figure for all", took: soon, endpoints: 1, limits: waybell.Limits{Concurrency: 20}, want: 20},
		{name: "with a crowd", took: soon, endpoints: 1, events: crowd, want: 64},
		{name: "one of two with a crowd", took: soon, endpoints: 2, events: crowd, want: 32},
		{name: "with a crowd, not soon", took: 101 * time.Millisecond, endpoints: 1, events: crowd, want: 16},
		{name: "with a crowd and a figure of its own", took: soon, endpoints: 1, events: crowd, own: 16, want: 16},
		{name: "with a crowd on a small node", took: soon, endpoints: 1, events: crowd, limits: waybell.Limits{InFlight: 100}, want: 50},
		{name: "on a small node", took: soon, endpoints: 1, limits: waybell.Limits{InFlight: 40}, want: 20},
		{name: "on a very small node", took: soon, endpoints: 1, limits: waybell.Limits{InFlight: 10}, want: 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, receivertest.Always(receivertest.After(tc.took, receivertest.Answer(200, ""))),
					func(c *waybell.Config) { c.Limits = tc.limits })
				r.agent("standard")
				for i := range tc.endpoints {
					r.endpoint(strconv.Itoa(i), func(in *waybell.EndpointInput) {
						if tc.own > 0 {
							in.Concurrency = waybell.Some(tc.own)
						}
					})
				}
				events := cmp.Or(tc.events, few)
				for i := range events {
					r.publish(i)
				}
				time.Sleep(time.Minute)
				for i := range tc.endpoints {
					if got := r.receiver.StatsFor("/" + strconv.Itoa(i)); got.MaxInFlight != tc.want || got.Requests != events {
						t.Errorf("endpoint %d: %+v, want at most %d at once of %d", i, got, tc.want, events)
					}
				}
			})
		})
	}
}

// A receiver that takes more than the default at once, but not as many as there may be,
// refuses few: after the first it gets the default for a while. Where that would end a
// delivery it never gets more.
func TestQuickEndpointThatRefuses(t *testing.T) {
	t.Parallel()
	const events = 4000
	for _, tc := range []struct {
		most, status   int
		profile        string
		schedule       []int // of waits in seconds; nil = the policy's
		refused, spare int   // how many are refused at least and at most
	}{
		{most: 20, status: 503, profile: "standard", refused: 1, spare: 3},
		{most: 40, status: 503, profile: "standard", refused: 1, spare: 3},
		{most: 50, status: 429, profile: "standard", refused: 1, spare: 3},
		{most: 20, status: 429, profile: "chatislav"},
		{most: 20, status: 503, profile: "standard", schedule: []int{}},
		{most: 64, status: 503, profile: "standard"},
	} {
		t.Run(fmt.Sprintf("%d at once, %d, %s, schedule %v", tc.most, tc.status, tc.profile, tc.schedule), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var now, refused atomic.Int64
				r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
					const took = 20 * time.Millisecond
					if now.Add(1) > int64(tc.most) {
						now.Add(-1)
						refused.Add(1)
						return receivertest.Answer(tc.status, "")
					}
					time.AfterFunc(took-time.Millisecond, func() { now.Add(-1) }) // surely before the next one comes
					return receivertest.After(took, receivertest.Answer(200, ""))
				})
				r.agent(tc.profile)
				r.endpoint("a", func(in *waybell.EndpointInput) {
					if tc.schedule != nil {
						in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some(tc.schedule)})
					}
				})
				for i := range events {
					r.publish(i)
				}
				time.Sleep(time.Hour)
				if l := r.ledger(); l.Delivered != events {
					t.Errorf("ledger %+v", l)
				}
				if n := int(refused.Load()); n < tc.refused || n > tc.refused*tc.spare {
					t.Errorf("%d were refused", n)
				}
			})
		})
	}
}

// A quick endpoint that hangs all of a sudden leaves half of a small node to others.
func TestQuickEndpointThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Pointer[time.Time] // of the other endpoint's
		r := newRig(t, func(n int, rec *receivertest.Recorded) receivertest.Step {
			answer := receivertest.Answer(200, "")
			switch {
			case rec.Path == "/other":
				begun.Store(&rec.Arrived)
				return answer
			case n <= 40:
				return receivertest.After(10*time.Millisecond, answer)
			}
			return receivertest.After(25*time.Second, answer)
		}, limits(func(l *waybell.Limits) { l.InFlight = 32 }))
		r.agent("standard")
		r.endpoint("quick")
		for i := range 200 {
			r.publish(i)
		}
		time.Sleep(2 * time.Second) // all that may start hangs
		r.endpoint("other")
		published := time.Now()
		r.publish(200)
		time.Sleep(time.Second)
		if at := begun.Load(); at == nil || at.Sub(published) > 100*time.Millisecond {
			t.Errorf("the other endpoint's delivery began at %v, published at %v", at, published)
		}
	})
}

func TestRateLimitOfAnEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		e := r.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(2.0) })
		r.endpoint("free")
		for i := range 40 {
			r.publish(i)
		}
		time.Sleep(10*time.Second + 100*time.Millisecond)
		if n := r.receiver.StatsFor("/a").Requests; n < 20 || n > 22 {
			t.Errorf("%d requests in 10 s at 2 per second", n)
		}
		if n := r.receiver.StatsFor("/free").Requests; n != 40 {
			t.Errorf("%d requests of the endpoint without a limit, want 40", n)
		}
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{RateLimit: waybell.Null[float64]()}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := r.receiver.StatsFor("/a").Requests; n != 40 {
			t.Errorf("%d requests once the limit was lifted, want 40", n)
		}
	})
}
