package waybell

import (
	"context"
	"sync"
	"time"

	"github.com/waybell/waybell/internal/ring"
	"github.com/waybell/waybell/internal/share"
)

// dispatcher holds the deliveries that are in this node's hands and decides
// which one is sent next. Each endpoint has its own queue, so a slow one costs
// only itself; queues with something to send take turns, so none starves.
//
// A delivery is in hand from its accept or claim until its outcome is durable:
// while it is, nobody else may send it.
type dispatcher struct {
	svc    *Service
	limits Limits

	mu     sync.Mutex
	queues map[EndpointNumber]*queue
	ready  ring.Ring[*queue] // queues that may have something to send, in turn
	denied []*queue          // queues that wait for a free share of a busy node, each once
	due    []*queue          // queues with backlog set
	// open has every queue with an open breaker, and may have some whose breaker
	// closed since; see learnOpen.
	open      map[EndpointNumber]*queue
	inHand    map[DeliveryRef]*work // queued, being sent, or outcome not yet durable
	inFlight  int                   // attempts being made
	active    int                   // queues with something queued or in flight
	queued    int                   // works in queues
	reserved  int                   // places promised to publishes under way
	bodyBytes int64                 // events kept in memory with works in hand, each once
	outcomes  int                   // outcomes not yet durable
	share     share.Share           // this node's of what endpoints allow at once
	alone     bool                  // a suspect is being sent: nothing else starts
	stopped   bool                  // no new attempt starts
	workers   sync.WaitGroup
	room      chan struct{} // signalled when the claimer may find room again
	quiet     chan struct{} // signalled when an attempt ended, for who waits for silence
}

// work is a delivery in hand.
type work struct {
	Waiting
	payload   *payload      // nil: read the event when it is sent
	reclaimed bool          // see adopt
	fresh     bool          // see queue
	canceled  bool          // by its owner, while it was in hand
	eventID   string        // once the event was read
	mark      *marking      // of one with deaths: see marker
	done      chan struct{} // closed when the outcome is durable; nil unless somebody waits
}

func newDispatcher(s *Service) *dispatcher {
	return &dispatcher{
		svc: s, limits: s.cfg.Limits,
		queues: map[EndpointNumber]*queue{},
		inHand: map[DeliveryRef]*work{},
		open:   map[EndpointNumber]*queue{},
		room:   make(chan struct{}, 1),
		quiet:  make(chan struct{}, 1),
	}
}

// signal wakes whoever waits on c, without waiting itself.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// queue finds or makes the queue of an endpoint. d.mu is held.
func (d *dispatcher) queue(n EndpointNumber) *queue {
	q := d.queues[n]
	if q == nil {
		q = &queue{number: n}
		d.queues[n] = q
	}
	return q
}

// enqueue takes accepted deliveries in hand, in the places reserved for them.
func (d *dispatcher) enqueue(works []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.svc.clock.now()
	for _, w := range works {
		q := d.queue(w.Endpoint)
		q.reserved--
		d.reserved--
		w.fresh = true
		d.take(q, w, now)
	}
	d.pump(now)
}

// adopt takes claimed rows in hand. One that is in hand already was claimed
// between the commit of its outcome and the node's knowing: it is read back
// when that outcome has left the hand.
func (d *dispatcher) adopt(works []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.svc.clock.now()
	for _, w := range works {
		if old := d.inHand[w.DeliveryRef]; old != nil {
			old.reclaimed = true
			continue
		}
		if w.Test && !d.stopped {
			d.direct(w)
			continue
		}
		d.take(d.queue(w.Endpoint), w, now)
	}
	d.pump(now)
}

// take takes a work in hand. One that is not to be sent now, because its
// endpoint changed after it was matched or claimed, does not wait for its turn
// to be told so: a rate limit may put that off for hours. A change that the
// directory does not have yet is applied to the queue after this. d.mu is held.
func (d *dispatcher) take(q *queue, w *work, now time.Time) {
	e := d.svc.dir.entry(w.Endpoint)
	if o, skip := d.svc.withoutAttempt(w, e, now); skip {
		d.concludeUnsent(w, o)
		return
	}
	d.push(q, w)
	d.settleBack(q, e, now)
}

// settleBack gives back what came in too late: after the stop, after the limit
// became other nodes', or after the breaker opened, but for the probe. d.mu is
// held.
func (d *dispatcher) settleBack(q *queue, e *endpointEntry, now time.Time) {
	probes := 0
	switch {
	case d.stopped, d.limit(e) == 0:
	case !q.pace.health.Open:
		return
	case q.inFlight == 0 && !q.pace.nextProbe.After(now):
		probes = 1
	}
	d.sift(q, func(w *work) (outcome, bool) {
		probes--
		return released(w, w.NextAt), probes < 0
	})
}

// push appends w to q. d.mu is held.
func (d *dispatcher) push(q *queue, w *work) {
	if p := w.payload; p != nil && p.holders == 0 && d.bodyBytes+p.size > d.limits.QueueBytes {
		w.payload = nil
	}
	d.keepBody(w)
	if !q.busy() {
		d.active++
	}
	d.inHand[w.DeliveryRef] = w
	q.push(w)
	d.queued++
	d.list(q)
}

// list puts q among the queues that may send. d.mu is held.
func (d *dispatcher) list(q *queue) {
	if !q.listed && q.items.Len() > 0 {
		q.listed = true
		d.ready.Push(q)
	}
}

// pump starts workers while there are free slots and something to send. d.mu
// is held.
func (d *dispatcher) pump(now time.Time) {
	for {
		q, w := d.next(now)
		if w == nil {
			return
		}
		d.workers.Add(1)
		go d.work(q, w)
	}
}

// next takes the next work that may start, counting it as in flight, or
// returns nil. Queues that may not start now leave the ring; what changes that
// lists them again: the end of one of their attempts, a timer of their pace, or
// a free slot. d.mu is held.
func (d *dispatcher) next(now time.Time) (*queue, *work) {
	if d.stopped || d.alone || d.inFlight >= d.limits.InFlight || d.outcomes+d.inFlight >= d.limits.Outcomes {
		return nil, nil
	}
	for range d.ready.Len() {
		q := d.ready.Pop()
		q.listed = false
		if q.items.Len() == 0 || !d.mayStart(q, now) {
			continue
		}
		w := q.pop()
		d.queued--
		q.pace.begin(now, q.inFlight)
		q.inFlight++
		d.inFlight++
		if q.backlog && d.worthClaiming(q) {
			signal(d.room)
		}
		d.list(q)
		return q, w
	}
	return nil, nil
}

// mayStart tells whether the endpoint may get one more attempt now: its own
// limit, its pace (rate limit, breaker, recovery), and its share of a node that
// is more than half used. d.mu is held.
func (d *dispatcher) mayStart(q *queue, now time.Time) bool {
	e, perSecond := d.svc.dir.entry(q.number), 0.0
	if e != nil {
		perSecond = d.share.Rate(e.RateLimit)
	}
	if q.inFlight >= d.most(q, e) {
		return false
	}
	if 2*d.inFlight >= d.limits.InFlight && (q.pace.failing() || q.pace.slow(now, q.inFlight)) {
		share := max(1, d.limits.InFlight/max(1, d.active))
		if q.pace.failing() {
			share = 1
		}
		if q.inFlight >= share {
			if !q.denied {
				q.denied = true
				d.denied = append(d.denied, q)
			}
			return false
		}
	}
	wait := q.pace.take(now, perSecond)
	if wait > 0 && !q.waking {
		q.waking = true
		time.AfterFunc(wait, func() { d.wake(q) })
	}
	return wait == 0
}

// wake lists a queue again after a wait.
func (d *dispatcher) wake(q *queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q.waking = false
	d.list(q)
	d.pump(d.svc.clock.now())
}

// work makes attempts until there is nothing to start. One goroutine serves
// many endpoints one after the other.
func (d *dispatcher) work(q *queue, w *work) {
	defer d.workers.Done()
	for w != nil {
		q, w = d.finish(q, w, d.svc.attempt(w))
	}
}

// finish takes note of an outcome, hands it to the settler and returns the next
// work to start, if any.
func (d *dispatcher) finish(q *queue, w *work, o outcome) (*queue, *work) {
	d.mu.Lock()
	q.inFlight--
	d.inFlight--
	d.dropBody(w)
	now := d.svc.clock.now()
	changed := q.pace.note(now, &o)
	if w.mark != nil {
		q.lookAhead(&o)
	}
	if !q.busy() {
		d.active--
	}
	if o.suspend == "" {
		o.suspend = q.pace.hopeless(now, d.svc.cfg.SuspendAfter, d.svc.cfg.SuspendFailures)
	}
	if o.suspend != "" {
		d.svc.janitor.suspendSoon(w.Endpoint, o.suspend)
	}
	if changed.opened {
		d.open[q.number] = q
		d.sift(q, release)
	}
	d.outcomes++
	d.list(q)
	if 2*d.inFlight < d.limits.InFlight {
		for _, q := range d.denied {
			q.denied = false
			d.list(q)
		}
		d.denied = d.denied[:0]
	}
	d.svc.settler.add(w, o)
	nq, nw := d.next(now)
	if nw != nil {
		d.pump(now) // a wider limit may let more than one start
	}
	signal(d.quiet)
	if changed != (paceChange{}) || q.pace.health.Open || o.Kind == SettleRetry {
		signal(d.room) // the next probe, or what waited for the last one
	}
	d.mu.Unlock()
	return nq, nw
}

// keepBody counts the event that a work in hand keeps in memory; deliveries of
// one event share it. d.mu is held.
func (d *dispatcher) keepBody(w *work) {
	if p := w.payload; p != nil {
		if p.holders++; p.holders == 1 {
			d.bodyBytes += p.size
		}
	}
}

// dropBody lets the event of a work go. d.mu is held.
func (d *dispatcher) dropBody(w *work) {
	if p := w.payload; p != nil {
		if p.holders--; p.holders == 0 {
			d.bodyBytes -= p.size
		}
		w.payload = nil
	}
}

// settled forgets a work whose outcome is durable.
func (d *dispatcher) settled(works []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range works {
		d.leave(w)
	}
	if d.outcomes >= d.limits.Outcomes {
		signal(d.room)
	}
	d.outcomes -= len(works)
	signal(d.quiet)
	d.pump(d.svc.clock.now())
}

// sift takes works out of a queue: decide gives the outcome of each, or false
// for one that stays. d.mu is held.
func (d *dispatcher) sift(q *queue, decide func(*work) (outcome, bool)) {
	if q.items.Len() == 0 {
		return
	}
	for range q.items.Len() {
		w := q.pop()
		o, ends := decide(w)
		if !ends {
			q.push(w)
			continue
		}
		d.queued--
		d.conclude(w, o)
	}
	if !q.busy() {
		d.active--
	}
}

// conclude settles a work in hand without an attempt. d.mu is held.
func (d *dispatcher) conclude(w *work, o outcome) {
	d.dropBody(w)
	d.outcomes++
	d.svc.settler.add(w, o)
}

// concludeUnsent settles a work that never was in a queue. d.mu is held.
func (d *dispatcher) concludeUnsent(w *work, o outcome) {
	w.payload = nil // not counted yet
	d.inHand[w.DeliveryRef] = w
	d.conclude(w, o)
}

// release gives a queued work back to the store, due when it was.
func release(w *work) (outcome, bool) { return released(w, w.NextAt), true }

// clockStepped makes what is queued due now where the clock went back: it was due
// before, and must be so when it is given back to the store.
func (d *dispatcher) clockStepped() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.svc.clock.now()
	for _, q := range d.queues {
		q.pace.clockStepped(now)
		d.sift(q, func(w *work) (outcome, bool) {
			if w.NextAt.After(now) {
				w.NextAt = now
			}
			return outcome{}, false
		})
	}
}

// endpointChanged applies a change of an endpoint to what is queued for it.
func (d *dispatcher) endpointChanged(old, e *Endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queues[e.Number]
	if q == nil {
		return
	}
	if old != nil && old.IsHeld() && !e.IsHeld() {
		q.pace.resume()
	}
	now := d.svc.clock.now()
	d.sift(q, func(w *work) (outcome, bool) {
		switch {
		case w.Test && e.State != EndpointDeleted:
			return outcome{}, false
		case e.cancels(w.Entered):
			return canceled(w, now), true
		}
		return released(w, w.NextAt), e.IsHeld() || d.limit(d.svc.dir.entry(e.Number)) == 0
	})
	d.list(q)
	d.pump(now)
}

// unknown leaves out the rows that are in hand.
func (d *dispatcher) unknown(rows []Waiting) []*work {
	d.mu.Lock()
	defer d.mu.Unlock()
	var works []*work
	for _, r := range rows {
		if d.inHand[r.DeliveryRef] == nil {
			works = append(works, &work{Waiting: r})
		}
	}
	return works
}

// find returns the work in hand for a delivery, and a channel that is closed
// when its outcome is durable.
func (d *dispatcher) find(ref DeliveryRef) (done <-chan struct{}, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.inHand[ref]
	if w == nil {
		return nil, false
	}
	if w.done == nil {
		w.done = make(chan struct{})
	}
	return w.done, true
}

// startDirect sends a test at once, beside the queue: it must not wait behind a
// backlog or a limit that it is meant to explain.
func (d *dispatcher) startDirect(w *work) (<-chan struct{}, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return nil, false
	}
	w.done = make(chan struct{})
	done := w.done
	d.direct(w)
	return done, true
}

// direct starts an attempt beside the queue. d.mu is held.
func (d *dispatcher) direct(w *work) {
	q := d.queue(w.Endpoint)
	if !q.busy() {
		d.active++
	}
	d.keepBody(w)
	d.inHand[w.DeliveryRef] = w
	q.pace.begin(d.svc.clock.now(), q.inFlight)
	q.inFlight++
	d.inFlight++
	d.workers.Add(1)
	go d.work(q, w)
}

// stop lets no new attempt start, gives back what is queued and waits for the
// attempts under way.
func (d *dispatcher) stop(ctx context.Context) error {
	d.mu.Lock()
	d.stopped = true
	for _, q := range d.queues {
		d.sift(q, release)
	}
	d.mu.Unlock()
	ended := make(chan struct{})
	go func() { d.workers.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drop lets go of a delivery that was canceled, unless it is being sent.
func (d *dispatcher) drop(ref DeliveryRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.inHand[ref]; w != nil {
		w.canceled = true
		d.sift(d.queue(ref.Endpoint), func(other *work) (outcome, bool) {
			return released(w, w.NextAt), other == w // its row is gone
		})
	}
}

// forget lets go of all that is queued: the lease was lost, so it is another
// node's to send.
func (d *dispatcher) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		if q.items.Len() > 0 && q.inFlight == 0 {
			d.active--
		}
		for q.items.Len() > 0 {
			w := q.pop()
			d.queued--
			d.dropBody(w)
			d.leave(w)
		}
	}
}

// leave ends a work's time in hand. d.mu is held.
func (d *dispatcher) leave(w *work) {
	if d.inHand[w.DeliveryRef] == w {
		delete(d.inHand, w.DeliveryRef)
	}
	if w.reclaimed {
		d.svc.claimer.readBack()
	}
	if w.done != nil {
		close(w.done)
	}
}

// breakerOpen tells whether only probes go to an endpoint.
func (d *dispatcher) breakerOpen(n EndpointNumber) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queues[n]
	return q != nil && q.pace.health.Open
}

// health is what the attempts of this node, and what was stored before them, say
// about an endpoint; false when it knows nothing.
func (d *dispatcher) health(n EndpointNumber) (Health, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queues[n]
	if q == nil {
		return Health{}, false
	}
	return q.pace.health, true
}

// probeNow makes the next due delivery of an endpoint with an open breaker its
// probe at once.
func (d *dispatcher) probeNow(n EndpointNumber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue(n).pace.nextProbe = time.Time{}
}

// restore takes over the health that earlier processes stored.
func (d *dispatcher) restore(counters []Counters, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range counters {
		if h := c.Health; h != (Health{}) {
			q := d.queue(c.Endpoint)
			p := &q.pace
			if p.restore(h, now); h.Open {
				d.open[c.Endpoint] = q
			}
			if e := d.svc.dir.endpoint(c.Endpoint); e != nil && !e.IsHeld() && e.StateSince.After(h.LastFailure) {
				p.resume() // nothing was sent since it was resumed
			}
		}
	}
}
