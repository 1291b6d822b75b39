package waybell_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
)

func limits(change func(*waybell.Limits)) func(*waybell.Config) {
	return func(c *waybell.Config) { change(&c.Limits) }
}

// An endpoint has 16 attempts at once, or as many as it wants; a change applies
// to what waits already.
func TestConcurrencyPerEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.After(time.Second, receivertest.Answer(200, ""))))
		r.agent("standard")
		r.endpoint("default")
		r.endpoint("three", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(3) })
		changed := r.endpoint("changed", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(2) })
		for i := range 40 {
			r.publish(i)
		}
		time.Sleep(1500 * time.Millisecond)
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", changed.ID, waybell.EndpointInput{Concurrency: waybell.Some(9)}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for path, want := range map[string]int{"/default": 16, "/three": 3, "/changed": 9} {
			if got := r.receiver.StatsFor(path); got.MaxInFlight != want || got.Requests != 40 {
				t.Errorf("%s: %+v, want at most %d at once of 40", path, got, want)
			}
		}
	})
}

// What is canceled behind a rate limit is gone at once, not when its turn comes.
func TestDisableBehindARateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.agent("standard")
		e := r.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(0.001) })
		for i := range 10 {
			r.publish(i)
		}
		time.Sleep(time.Second)
		if _, err := r.svc.Cancel(r.ctx, "bot", r.deliveries()[5].ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := r.svc.Load(); got.Queued != 8 {
			t.Errorf("load %+v after one of nine was canceled", got)
		}
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v of a disabled endpoint, want nothing", got)
		}
		if l := r.ledger(); l.Canceled != 9 || l.Delivered != 1 {
			t.Errorf("ledger %+v, want 9 canceled", l)
		}
	})
}

// The same of a backlog: what is claimed while it is being canceled does not
// wait for its turn either.
func TestCancelABacklogBehindARateLimit(t *testing.T) {
	t.Parallel()
	for name, cancel := range map[string]func(*rig, string) error{
		"disabled": func(r *rig, id string) error {
			_, err := r.svc.UpdateEndpoint(r.ctx, "bot", id, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0)
			return err
		},
		"deleted": func(r *rig, id string) error { return r.svc.DeleteEndpoint(r.ctx, "bot", id, 0) },
		"resumed": func(r *rig, id string) error {
			if _, err := r.svc.PauseEndpoint(r.ctx, "bot", id, 0); err != nil {
				return err
			}
			_, err := r.svc.ResumeEndpoint(r.ctx, "bot", id, waybell.HeldCancel, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, limits(func(l *waybell.Limits) { l.QueueLength, l.Outcomes = 400, 64 }))
				r.agent("standard")
				e := r.endpoint("a", func(in *waybell.EndpointInput) { in.RateLimit = waybell.Some(5.0) })
				r.publishMany(2000)
				time.Sleep(time.Second + 10*time.Millisecond)
				sent := r.receiver.Count()
				if err := cancel(r, e.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				if n := r.countRows("SELECT count(*) FROM waiting"); n != 0 {
					t.Errorf("%d deliveries still wait", n)
				}
				if l := r.ledger(); l.Canceled != 2000-int64(sent) || r.receiver.Count() != sent {
					t.Errorf("ledger %+v, %d sent before and %d after", l, sent, r.receiver.Count()-sent)
				}
				if got := r.svc.Load(); got != (waybell.Load{}) {
					t.Errorf("load %+v with nothing to send", got)
				}
			})
		})
	}
}

// What could not be canceled while the store was away is canceled soon after,
// however far ahead it was planned.
func TestCancelAfterAnOutage(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} { // switched on again meanwhile, and paused
		t.Run(fmt.Sprint(paused), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { cancelAfterAnOutage(t, paused) })
		})
	}
}

func cancelAfterAnOutage(t *testing.T, paused bool) {
	f := &faultStore{}
	r := newRig(t, receivertest.Always(receivertest.Answer(500, "")), withFaults(f))
	r.agent("standard")
	e := r.endpoint("a", func(in *waybell.EndpointInput) {
		in.Retry = waybell.Some(waybell.RetryInput{ScheduleSeconds: waybell.Some([]int{3600})})
	})
	r.publishMany(600)
	<-time.After(10 * time.Second) // in the bubble's time
	f.failBefore(waybell.ErrUnavailable, "CancelWaiting")
	enable := func(on bool) {
		if _, err := r.svc.UpdateEndpoint(r.ctx, "bot", e.ID, waybell.EndpointInput{Enabled: waybell.Some(on)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	enable(false)
	if paused {
		enable(true)
		if _, err := r.svc.PauseEndpoint(r.ctx, "bot", e.ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(time.Minute)
	if n := r.countRows("SELECT count(*) FROM waiting"); n != 600 {
		t.Fatalf("%d deliveries wait in spite of the outage, want 600", n)
	}
	f.failBefore(nil, "CancelWaiting")
	<-time.After(20 * time.Second)
	if n := r.countRows("SELECT count(*) FROM waiting"); n != 0 {
		t.Errorf("%d deliveries still wait", n)
	}
	if l := r.ledger(); l.Canceled != 600 || l.Held != 0 {
		t.Errorf("ledger %+v, want 600 canceled", l)
	}
}

// The deliveries of one event share its memory.
func TestFanOutSharesOneBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := newRig(t, receivertest.Always(receivertest.Gate(gate, receivertest.Answer(200, ""))))
		r.agent("standard")
		for i := range 10 {
			r.endpoint(fmt.Sprint(i))
		}
		text := strings.Repeat("x", 100_000)
		_, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{Type: "message.sent", Data: []byte(`{"text":"` + text + `"}`)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := r.svc.Load(); got.InFlight != 10 || got.BodyBytes < 100_000 || got.BodyBytes > 110_000 {
			t.Errorf("load %+v, want one body of 100 kB for 10 attempts", got)
		}
		close(gate)
		time.Sleep(time.Second)
		if got := r.svc.Load(); got != (waybell.Load{}) {
			t.Errorf("load %+v at rest, want nothing", got)
		}
		bodies := map[string]bool{}
		for _, req := range r.receiver.Requests() {
			bodies[string(req.Body)] = true
		}
		if len(bodies) != 1 || r.receiver.Count() != 10 {
			t.Errorf("%d different bodies in %d requests", len(bodies), r.receiver.Count())
		}
	})
}

// Over the bound on memory bodies are dropped and read again: the same bytes
// arrive.
func TestQueueBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := newRig(t, receivertest.Always(receivertest.Gate(gate, receivertest.Answer(200, ""))),
			limits(func(l *waybell.Limits) { l.QueueBytes, l.QueueLength = 50_000, 10 }))
		r.agent("chatislav")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
		want := map[string]string{}
		for i := range 30 { // 20 of them in the store
			text := strings.Repeat(fmt.Sprint(i%10), 20_000)
			res, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{Type: "message.sent", Data: []byte(`{"text":"` + text + `"}`)})
			if err != nil {
				t.Fatal(err)
			}
			want[res.ID] = text
			if got := r.svc.Load().BodyBytes; got > 50_000 {
				t.Fatalf("%d bytes of bodies are kept", got)
			}
		}
		close(gate)
		time.Sleep(time.Minute)
		for _, req := range r.receiver.Requests() {
			id := req.Get("webhook-id")
			if !strings.Contains(string(req.Body), `"text":"`+want[id]+`"`) {
				t.Errorf("event %s arrived with another body", id)
			}
			delete(want, id)
		}
		if len(want) != 0 {
			t.Errorf("%d events did not arrive", len(want))
		}
		for _, d := range r.deliveries()[:3] {
			view, err := r.svc.Delivery(r.ctx, "bot", d.ID())
			if err != nil || len(view.Attempts) != 1 || view.Attempts[0].Body == nil {
				t.Errorf("delivery %s: the log has not the bytes that were sent (%v)", d.ID(), err)
			}
		}
	})
}

// More than the queue holds is put aside, and sent before and among what comes
// later; nothing is sent twice.
func TestPutAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.After(100*time.Millisecond, receivertest.Answer(200, ""))),
			limits(func(l *waybell.Limits) { l.QueueLength = 8 }))
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(2) })
		var ids []string
		for i := range 100 {
			ids = append(ids, r.publish(i))
			if got := r.svc.Load().Queued; got > 8 {
				t.Fatalf("%d queued with a queue of 8", got)
			}
		}
		for i := range 40 { // a stream of new ones besides, as fast as it is sent
			time.Sleep(50 * time.Millisecond)
			ids = append(ids, r.publish(100+i))
		}
		time.Sleep(3 * time.Second)
		place := map[string]int{}
		for i, req := range r.receiver.Requests() {
			if _, twice := place[req.Get("webhook-id")]; twice {
				t.Fatal("sent twice")
			}
			place[req.Get("webhook-id")] = i
		}
		if len(place) < 95 || len(place) > 110 {
			t.Errorf("%d sent in 5 s at 20 per second", len(place))
		}
		time.Sleep(time.Minute)
		if n := r.receiver.Count(); n != 140 {
			t.Errorf("%d requests for 140 deliveries", n)
		}
		for i, req := range r.receiver.Requests() {
			place[req.Get("webhook-id")] = i
		}
		newest := 0 // new ones do not all wait behind the backlog, nor all before it
		for _, id := range ids[100:] {
			if place[id] < 100 {
				newest++
			}
		}
		if newest == 0 || newest == 40 {
			t.Errorf("%d of 40 new ones were sent before the backlog was", newest)
		}
	})
}

// The halved queue of an endpoint with a backlog is whole again after it.
func TestQueueIsWholeAfterABacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gate sync.Mutex
		gate.Lock()
		r := newRig(t, func(int, *receivertest.Recorded) receivertest.Step {
			return receivertest.After(200*time.Millisecond, receivertest.Answer(200, ""))
		}, limits(func(l *waybell.Limits) { l.QueueLength = 8 }))
		gate.Unlock()
		r.agent("standard")
		r.endpoint("a", func(in *waybell.EndpointInput) { in.Concurrency = waybell.Some(1) })
		for i := range 30 {
			r.publish(i)
		}
		time.Sleep(2 * time.Minute)
		for i := range 9 {
			r.publish(i)
		}
		if got := r.svc.Load(); got.Queued != 8 {
			t.Errorf("load %+v, want a full queue", got)
		}
	})
}

// Publishing is refused before memory grows, with advice, and works again as
// soon as the store has caught up. A batch larger than the bound goes alone.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		slow := &slowStore{gate: gate}
		r := newRig(t, nil, limits(func(l *waybell.Limits) { l.PublishBytes = 1 << 20 }),
			func(c *waybell.Config) { slow.Store, c.Store = c.Store, slow })
		r.agent("standard")
		r.endpoint("a")
		in := waybell.PublishInput{Type: "message.sent", Data: []byte(`{"text":"` + strings.Repeat("x", 300_000) + `"}`)}
		var accepted sync.WaitGroup
		for range 3 {
			accepted.Go(func() {
				if _, err := r.svc.Publish(r.ctx, "bot", in); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if e := r.publishFails(in); e.Code != waybell.CodeBusy || e.RetryAfter <= 0 {
			t.Errorf("%v, want busy with advice", e)
		}
		if got := r.svc.Load().PublishBytes; got < 900_000 || got > 1<<20 {
			t.Errorf("%d bytes wait to be durable", got)
		}
		close(gate)
		accepted.Wait()
		if _, err := r.svc.Publish(r.ctx, "bot", in); err != nil {
			t.Errorf("after the jam: %v", err)
		}
		items, err := r.svc.PublishBatch(r.ctx, waybell.BatchRequest{NDJSON: true, Body: []byte(strings.Repeat(
			`{"agent_id":"bot","event":"message.sent","data":{"text":"`+strings.Repeat("x", 300_000)+`"}}`+"\n", 10))})
		if err != nil || len(items) != 10 {
			t.Errorf("a batch over the bound: %d items, %v", len(items), err)
		}
		time.Sleep(time.Second)
		if l := r.ledger(); l.Delivered != 14 {
			t.Errorf("ledger %+v, want 14 delivered", l)
		}
	})
}

// A receiver that hangs costs nine healthy ones nothing.
func TestHangingEndpointDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.After(20*time.Millisecond, receivertest.Answer(200, ""))),
			limits(func(l *waybell.Limits) { l.InFlight = 32 }))
		r.receiver.Handle("/hangs", receivertest.Always(receivertest.Hang()))
		r.agent("standard")
		r.endpoint("hangs")
		for i := range 9 {
			r.endpoint(fmt.Sprint(i))
		}
		published := map[string]time.Time{}
		for i := range 60 {
			published[r.publish(i)] = time.Now()
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		var late []time.Duration
		for _, req := range r.receiver.Requests() {
			if req.Path != "/hangs" {
				late = append(late, req.Arrived.Sub(published[req.Get("webhook-id")]))
			}
		}
		slices.Sort(late)
		if len(late) != 9*60 {
			t.Fatalf("%d deliveries to healthy endpoints, want %d", len(late), 9*60)
		}
		if worst := late[len(late)-1]; worst > 100*time.Millisecond {
			t.Errorf("a healthy endpoint waited %v", worst)
		}
		if n := r.receiver.StatsFor("/hangs").MaxInFlight; n > 20 {
			t.Errorf("%d attempts hang at once", n) // the receiver notices a little later that one has gone
		}
	})
}

// A hundred dead endpoints of a thousand: the others do not notice, and the
// dead cost next to nothing.
func TestDeadEndpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const all, dead = 60, 6 // a tenth, as with 1,000: the database is real
		r := newRig(t, nil, limits(func(l *waybell.Limits) { l.InFlight = 24 }))
		r.agent("standard")
		for i := range all {
			path := fmt.Sprint(i)
			if i < dead {
				r.receiver.Handle("/"+path, receivertest.Always(receivertest.Hang()))
			}
			r.endpoint(path, func(in *waybell.EndpointInput) { in.TimeoutSeconds = waybell.Some(5) })
		}
		published := map[string]time.Time{}
		for i := range 12 {
			published[r.publish(i)] = time.Now()
			time.Sleep(3 * time.Second)
		}
		late, toDead := time.Duration(0), 0
		for _, req := range r.receiver.Requests() {
			if n, err := strconv.Atoi(req.Path[1:]); err != nil || n < dead {
				toDead++
				continue
			}
			late = max(late, req.Arrived.Sub(published[req.Get("webhook-id")]))
		}
		if late > 2*time.Second {
			t.Errorf("a healthy endpoint waited %v", late)
		}
		if n := r.receiver.Count() - toDead; n != 12*(all-dead) {
			t.Errorf("%d deliveries to healthy endpoints, want %d", n, 12*(all-dead))
		}
		if got := r.svc.Load(); got.InFlight > 24 {
			t.Errorf("load %+v with 24 slots", got)
		}
	})
}

// Four endpoints that are as fast as each other share the node's slots evenly,
// however much waits for one of them.
func TestQueuesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, receivertest.Always(receivertest.After(100*time.Millisecond, receivertest.Answer(200, ""))),
			limits(func(l *waybell.Limits) { l.InFlight = 8 }))
		r.agent("standard")
		lead := func(in *waybell.EndpointInput) { in.Events = waybell.Some([]string{"lead.submit"}) }
		message := func(in *waybell.EndpointInput) { in.Events = waybell.Some([]string{"message.received"}) }
		r.endpoint("much", message)
		r.endpoint("little", lead)
		for i := range 300 {
			r.publish(i)
		}
		began := time.Now()
		for range 8 {
			if _, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{Type: "lead.submit", Data: []byte(`{"name":"a"}`)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		for _, req := range r.receiver.RequestsFor("/little") {
			if wait := req.Arrived.Sub(began); wait > 300*time.Millisecond {
				t.Errorf("a delivery of the small queue waited %v", wait)
			}
		}
	})
}
