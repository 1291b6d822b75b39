package simulation_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

// A step is what somebody does to the installation: a customer, an owner, fate.
// Each draws all that it needs from rng, whatever it then finds, so that the
// steps after it are the same.
type step struct {
	weight int
	name   string
	do     func(*world)
}

func steps() []step {
	return []step{
		{34, "publish", (*world).publish}, {8, "burst", (*world).burst}, {8, "batch", (*world).batch}, {5, "repeat", (*world).repeat},
		{14, "behave", (*world).behave}, {9, "pause", (*world).pause}, {10, "resume", (*world).resume},
		{5, "resend", (*world).resend}, {3, "resend many", (*world).resendMany}, {4, "cancel", (*world).cancel},
		{3, "test", (*world).test}, {3, "rotate", (*world).rotate}, {5, "update", (*world).update},
		{2, "disable", (*world).disable}, {3, "enable", (*world).enable}, {1, "delete", (*world).deleteEndpoint},
		{2, "subscribe", (*world).subscribe}, {1, "leave", (*world).deleteAgent},
		{4, "crash", (*world).crash}, {2, "restart", (*world).restart},
		{3, "outage", (*world).outage}, {3, "unknown", (*world).unknown}, {2, "lag", (*world).lag}, {2, "freeze", (*world).freeze},
	}
}

// act makes one step.
func (w *world) act(all []step) {
	total := 0
	for _, s := range all {
		total += s.weight
	}
	at := w.rng.IntN(total)
	for _, s := range all {
		if at -= s.weight; at < 0 {
			s.do(w)
			return
		}
	}
}

// call bounds a call as an API's client would. Nothing else is done in the moment
// of its end.
func (w *world) call(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(w.ctx, 45*time.Second)
	defer cancel()
	err := f(ctx)
	time.Sleep(5*time.Millisecond + time.Duration(w.hash(uint64(time.Now().UnixNano()))%1_000_000))
	if err != nil && waybell.ErrorCode(err) == waybell.CodeInternal {
		w.violation("an internal error: %v", err)
	}
	return err
}

// word is what became of a call.
func word(err error) string {
	if err == nil {
		return "ok"
	}
	return string(waybell.ErrorCode(err))
}

// node draws one of the living.
func (w *world) node() *node { return w.nodes[w.rng.IntN(len(w.nodes))] }

// some draws an endpoint that was made, living or not.
func (w *world) some() *endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.endpoints[w.rng.IntN(len(w.endpoints))]
}

func (w *world) agent() *agent { return w.agents[w.rng.IntN(len(w.agents))] }

func types() []string {
	return []string{"message.received", "lead.submit", "handover.requested", "conversation.started"}
}

// event makes an event's content.
func (w *world) event() waybell.PublishInput {
	in := waybell.PublishInput{Type: types()[w.rng.IntN(2)]}
	n := w.rng.IntN(1000)
	in.Data = fmt.Appendf(nil, `{"text":"number %d","name":"Zoë","n":%d}`, n, n)
	switch w.rng.IntN(5) {
	case 0, 1:
		in.ID = fmt.Sprintf("own_%d_%d", len(w.published), w.rng.IntN(1<<30))
	case 2:
		in.IdempotencyKey = fmt.Sprintf("key %d %d", len(w.published), w.rng.IntN(1<<30))
	}
	return in
}

// took notes what became of a publish.
func (w *world) took(a *agent, in waybell.PublishInput, r waybell.PublishResult, err error) {
	w.published = append(w.published, &published{agent: a, own: in.ID, id: r.ID, targets: r.Deliveries, input: in, answered: err == nil})
	if err == nil {
		w.count("events", 1)
		w.count("deliveries", int64(r.Deliveries))
	}
}

func (w *world) publish() {
	n, a := w.node(), w.agent()
	for range 1 + w.rng.IntN(4) {
		in := w.event()
		var r waybell.PublishResult
		err := w.call(func(ctx context.Context) (err error) { r, err = n.svc.Publish(ctx, a.id, in); return err })
		w.took(a, in, r, err)
		w.step("publish %s to %s on %s: %s, %d deliveries", r.ID, a.id, n.name, word(err), r.Deliveries)
	}
}

// burst publishes from many clients within a second.
func (w *world) burst() {
	a := w.agent()
	count := 5 + w.rng.IntN(25)
	type one struct {
		in   waybell.PublishInput
		wait time.Duration
		n    *node
		r    waybell.PublishResult
		err  error
	}
	all := make([]one, count)
	for i := range all {
		all[i] = one{in: w.event(), wait: w.between(0, time.Second), n: w.node()}
	}
	var wg sync.WaitGroup
	for i := range all {
		o := &all[i]
		wg.Go(func() {
			time.Sleep(o.wait)
			o.err = w.call(func(ctx context.Context) (err error) { o.r, err = o.n.svc.Publish(ctx, a.id, o.in); return err })
		})
	}
	wg.Wait()
	taken := 0
	for _, o := range all {
		w.took(a, o.in, o.r, o.err)
		if o.err == nil {
			taken++
		}
	}
	w.step("burst of %d to %s: %d taken", count, a.id, taken)
}

// batch publishes for several agents in one request.
func (w *world) batch() {
	n := w.node()
	count := 2 + w.rng.IntN(6)
	body, ins, to := []byte{}, []waybell.PublishInput{}, []*agent{}
	for range count {
		a, in := w.agent(), w.event()
		in.IdempotencyKey = ""
		body = fmt.Appendf(body, `{"agent_id":%q,"event":%q,"data":%s`, a.id, in.Type, in.Data)
		if in.ID != "" {
			body = fmt.Appendf(body, `,"id":%q`, in.ID)
		}
		body = append(body, "}\n"...)
		ins, to = append(ins, in), append(to, a)
	}
	var items []waybell.BatchItem
	err := w.call(func(ctx context.Context) (err error) {
		items, err = n.svc.PublishBatch(ctx, waybell.BatchRequest{Body: body, NDJSON: true})
		return err
	})
	taken := 0
	for i := range ins {
		switch {
		case err != nil:
			w.took(to[i], ins[i], waybell.PublishResult{}, err)
		case items[i].Err != nil:
			w.took(to[i], ins[i], waybell.PublishResult{}, items[i].Err)
		default:
			w.took(to[i], ins[i], items[i].Result, nil)
			taken++
		}
	}
	w.step("batch of %d on %s: %s, %d taken", count, n.name, word(err), taken)
}

// repeat publishes something a second time, unchanged or not.
func (w *world) repeat() {
	n, at, other := w.node(), w.rng.IntN(1<<20), w.chance(4)
	if len(w.published) == 0 {
		return
	}
	p := w.published[max(0, len(w.published)-1-at%20)]
	in := p.input
	if in.ID == "" && in.IdempotencyKey == "" || p.agent.deleted {
		return
	}
	if other {
		in.Data = []byte(`{"text":"something else"}`)
	}
	began := time.Now()
	var r waybell.PublishResult
	err := w.call(func(ctx context.Context) (err error) { r, err = n.svc.Publish(ctx, p.agent.id, in); return err })
	w.step("repeat %s on %s: %s, duplicate %v", p.id, n.name, word(err), r.Duplicate)
	forgotten := in.ID == "" && !w.young(p)
	switch {
	case !p.answered || forgotten:
		if err == nil && !r.Duplicate {
			w.took(p.agent, in, r, nil)
		}
	case other && err == nil, !other && err == nil && (!r.Duplicate || r.ID != p.id || r.Deliveries != p.targets):
		w.violation("a repetition of %s (%d deliveries), changed %v: %+v %v, asked at %s", p.id, p.targets, other, r, err, stamp(began.Sub(w.begun)))
	case !other && waybell.ErrorCode(err) == waybell.CodeIdempotencyMismatch:
		w.violation("a repetition of %s: %v", p.id, err)
	}
}

// young tells whether an Idempotency-Key still works.
func (w *world) young(p *published) bool {
	key, ok := waybell.ParseEventID(p.id)
	return ok && time.Since(key.Time()) < 24*time.Hour-time.Minute
}

func (w *world) behave() {
	e, m := w.some(), mode(w.rng.IntN(int(modes)))
	if w.chance(3) {
		m = good
	}
	w.mu.Lock()
	e.mode = m
	w.mu.Unlock()
	w.step("receiver %d is %v", e.number, m)
}

func (w *world) resend() {
	n, at := w.node(), w.rng.IntN(1<<20)
	ref, a := w.row(at)
	if a == nil {
		return
	}
	err := w.call(func(ctx context.Context) error { _, err := n.svc.Retry(ctx, a.id, ref.ID()); return err })
	w.step("resend %v on %s: %s", ref, n.name, word(err))
}

func (w *world) resendMany() {
	n, a := w.node(), w.agent()
	var r waybell.BulkResult
	err := w.call(func(ctx context.Context) (err error) {
		r, err = n.svc.RetryMany(ctx, a.id, waybell.BulkRetry{Filter: waybell.LogFilter{State: "failed"}})
		return err
	})
	w.step("resend failed ones of %s on %s: %s, %d of %d", a.id, n.name, word(err), r.Retried, r.Matched)
}

func (w *world) cancel() {
	n, at := w.node(), w.rng.IntN(1<<20)
	ref, a := w.row(at)
	if a == nil {
		return
	}
	w.mu.Lock()
	w.delivery(ref).asked = true
	w.mu.Unlock()
	err := w.call(func(ctx context.Context) error { _, err := n.svc.Cancel(ctx, a.id, ref.ID()); return err })
	if err == nil {
		w.mu.Lock()
		w.delivery(ref).canceled = time.Now()
		w.mu.Unlock()
	}
	w.step("cancel %v on %s: %s", ref, n.name, word(err))
}

// row draws one of the latest deliveries of an agent.
func (w *world) row(at int) (waybell.DeliveryRef, *agent) {
	a := w.agents[at%len(w.agents)]
	page, err := w.store.Deliveries(w.ctx, waybell.DeliveryQuery{Agent: a.number, Limit: 40, Scan: 40})
	if err != nil || len(page.Deliveries) == 0 || a.deleted {
		return waybell.DeliveryRef{}, nil
	}
	return page.Deliveries[at/len(w.agents)%len(page.Deliveries)].DeliveryRef, a
}

// test sends a test beside everything else; it may take as long as it likes.
func (w *world) test() {
	n, e := w.node(), w.some()
	err := w.call(func(ctx context.Context) error {
		_, err := n.svc.Test(ctx, e.agent.id, e.id, waybell.TestInput{Type: "webhook.test"})
		return err
	})
	w.step("test of %d on %s: %s", e.number, n.name, word(err))
}

// change makes a call that changes an endpoint.
func (w *world) change(what string, f func(context.Context, *node, *endpoint) error) {
	n, e := w.node(), w.some()
	err := w.call(func(ctx context.Context) error { return f(ctx, n, e) })
	w.step("%s %d on %s: %s", what, e.number, n.name, word(err))
}

func (w *world) pause() {
	w.change("pause", func(ctx context.Context, n *node, e *endpoint) error {
		_, err := n.svc.PauseEndpoint(ctx, e.agent.id, e.id, 0)
		return err
	})
}

func (w *world) resume() {
	held := waybell.HeldSend
	if w.chance(5) {
		held = waybell.HeldCancel
	}
	for range 2 { // more often than they are paused
		w.change("resume, "+string(held)+" what is held,", func(ctx context.Context, n *node, e *endpoint) error {
			_, err := n.svc.ResumeEndpoint(ctx, e.agent.id, e.id, held, 0)
			return err
		})
	}
}

func (w *world) rotate() {
	overlap := w.rng.IntN(7200)
	w.change("rotate the secret of", func(ctx context.Context, n *node, e *endpoint) error {
		_, err := n.svc.RotateSecret(ctx, e.agent.id, e.id, waybell.RotateInput{OverlapSeconds: waybell.Some(overlap)})
		return err
	})
}

func (w *world) disable() {
	w.change("disable", func(ctx context.Context, n *node, e *endpoint) error {
		_, err := n.svc.UpdateEndpoint(ctx, e.agent.id, e.id, waybell.EndpointInput{Enabled: waybell.Some(false)}, 0)
		return err
	})
}

func (w *world) enable() {
	w.change("enable", func(ctx context.Context, n *node, e *endpoint) error {
		_, err := n.svc.UpdateEndpoint(ctx, e.agent.id, e.id, waybell.EndpointInput{Enabled: waybell.Some(true)}, 0)
		return err
	})
}

func (w *world) deleteEndpoint() {
	w.change("delete", func(ctx context.Context, n *node, e *endpoint) error {
		return n.svc.DeleteEndpoint(ctx, e.agent.id, e.id, 0)
	})
}

// update changes how an endpoint is sent to.
func (w *world) update() {
	in := w.settings()
	in.Profile = waybell.Optional[string]{}
	number := w.rng.IntN(1 << 20)
	w.change("update", func(ctx context.Context, n *node, e *endpoint) error {
		in.URL = waybell.Some(fmt.Sprintf("http://e%d.example/%d", e.number, number))
		_, err := n.svc.UpdateEndpoint(ctx, e.agent.id, e.id, in, 0)
		return err
	})
}
