package waybell

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell/format"
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

	mu        sync.Mutex
	queues    map[EndpointNumber]*queue
	ready     ring[*queue]          // queues that may have something to send, in turn
	denied    []*queue              // queues that wait for a free share of a busy node
	inHand    map[DeliveryRef]*work // queued, being sent, or outcome not yet durable
	inFlight  int                   // attempts being made
	active    int                   // queues with something queued or in flight
	queued    int                   // works in queues
	bodyBytes int64                 // bodies kept with queued works
	outcomes  int                   // outcomes not yet durable
	alone     bool                  // a suspect is being sent: nothing else starts
	stopped   bool                  // no new attempt starts
	workers   sync.WaitGroup
	room      chan struct{} // signalled when the claimer may find room again
	quiet     chan struct{} // signalled when an attempt ended, for who waits for silence
}

// work is a delivery in hand.
type work struct {
	Waiting
	payload *payload    // nil: read the event when it is sent
	dropped atomic.Bool // canceled meanwhile: not sent any more
	started time.Time
	done    chan struct{} // closed when the outcome is durable; nil unless somebody waits
}

// payload is an event with the bodies rendered from it, shared by its
// deliveries.
type payload struct {
	Event
	size   int64
	mu     sync.Mutex
	bodies []renderedBody
}

// renderedBody is a body for one format and transcript choice.
type renderedBody struct {
	format     *format.Format
	transcript bool
	bytes      []byte
	sum        [32]byte
}

func newPayload(e Event) *payload {
	return &payload{Event: e, size: int64(len(e.Data) + len(e.Messages) + 256)}
}

// queue is what waits in memory for one endpoint.
type queue struct {
	number   EndpointNumber
	items    ring[*work]
	reserved int // places promised to publishes under way
	inFlight int
	listed   bool // it stands in dispatcher.ready
	waking   bool // a timer of its rate limit runs
	backlog  bool // the store has due rows for it
	drained  Key  // resumed deliveries entered up to this one were sent, oldest first
	pace     pace
}

// busy tells whether the queue takes part in sharing the node's slots.
func (q *queue) busy() bool { return q.inFlight > 0 || q.items.len() > 0 }

func newDispatcher(s *Service) *dispatcher {
	return &dispatcher{
		svc: s, limits: s.cfg.Limits,
		queues: map[EndpointNumber]*queue{},
		inHand: map[DeliveryRef]*work{},
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

// reserve promises places to the targets of a new event, or marks those that
// find none to be put aside in the store. Every reserve is followed by one of
// enqueue or unreserve.
func (d *dispatcher) reserve(entries []*endpointEntry, targets []NewTarget) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range targets {
		q := d.queue(targets[i].Endpoint)
		limit := d.limits.QueueLength
		if q.backlog {
			limit = (limit + 1) / 2 // due ones take the other places in turn
		}
		full := q.items.len()+q.reserved >= limit
		if d.stopped || full || entries[i].IsHeld() || q.pace.health.Open {
			targets[i].Aside = true
			continue
		}
		q.reserved++
	}
}

// unreserve takes a promise back: the event was not accepted by this call.
func (d *dispatcher) unreserve(targets []NewTarget) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range targets {
		if !t.Aside {
			d.queue(t.Endpoint).reserved--
		}
	}
	signal(d.room)
}

// enqueue takes accepted deliveries in hand, in the places reserved for them.
func (d *dispatcher) enqueue(works []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range works {
		q := d.queue(w.Endpoint)
		q.reserved--
		d.push(q, w)
	}
	d.pump()
}

// adopt takes claimed rows in hand. Rows that are in hand already are left
// alone: their first outcome decides.
func (d *dispatcher) adopt(works []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range works {
		if d.inHand[w.DeliveryRef] == nil {
			d.push(d.queue(w.Endpoint), w)
		}
	}
	d.pump()
}

// push appends w to q. d.mu is held.
func (d *dispatcher) push(q *queue, w *work) {
	if w.payload != nil {
		if d.bodyBytes+w.payload.size > d.limits.QueueBytes {
			w.payload = nil
		} else {
			d.bodyBytes += w.payload.size
		}
	}
	if !q.busy() {
		d.active++
	}
	d.inHand[w.DeliveryRef] = w
	q.items.push(w)
	d.queued++
	d.list(q)
}

// list puts q among the queues that may send. d.mu is held.
func (d *dispatcher) list(q *queue) {
	if !q.listed && q.items.len() > 0 {
		q.listed = true
		d.ready.push(q)
	}
}

// pump starts workers while there are free slots and something to send. d.mu
// is held.
func (d *dispatcher) pump() {
	for {
		q, w := d.next()
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
func (d *dispatcher) next() (*queue, *work) {
	if d.stopped || d.alone || d.inFlight >= d.limits.InFlight || d.outcomes+d.inFlight >= d.limits.Outcomes {
		return nil, nil
	}
	for range d.ready.len() {
		q := d.ready.pop()
		q.listed = false
		if q.items.len() == 0 || !d.mayStart(q) {
			continue
		}
		w := q.items.pop()
		d.queued--
		q.pace.begin(time.Now(), q.inFlight)
		q.inFlight++
		d.inFlight++
		if q.backlog && q.items.len()+q.reserved <= d.limits.QueueLength/2 {
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
func (d *dispatcher) mayStart(q *queue) bool {
	limit, perSecond := d.limits.Concurrency, 0.0
	if e := d.svc.dir.endpoint(q.number); e != nil {
		perSecond = e.RateLimit
		if e.Concurrency > 0 {
			limit = e.Concurrency
		}
	}
	if q.inFlight >= q.pace.limit(limit) {
		return false
	}
	now := time.Now()
	if 2*d.inFlight >= d.limits.InFlight && (q.pace.failing() || q.pace.slow(now, q.inFlight)) {
		share := max(1, d.limits.InFlight/max(1, d.active))
		if q.pace.failing() {
			share = 1
		}
		if q.inFlight >= share {
			d.denied = append(d.denied, q)
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
	d.pump()
}

// work makes attempts until there is nothing to start. One goroutine serves
// many endpoints one after the other.
func (d *dispatcher) work(q *queue, w *work) {
	defer d.workers.Done()
	for w != nil {
		o := d.svc.attempt(w)
		q, w = d.finish(q, w, o)
	}
}

// finish takes note of an outcome, hands it to the settler and returns the next
// work to start, if any.
func (d *dispatcher) finish(q *queue, w *work, o outcome) (*queue, *work) {
	d.mu.Lock()
	q.inFlight--
	d.inFlight--
	d.dropBody(w)
	changed := q.pace.note(time.Now(), &o)
	if !q.busy() {
		d.active--
	}
	if o.suspend == "" {
		o.suspend = q.pace.hopeless(time.Now(), d.svc.cfg.SuspendAfter, d.svc.cfg.SuspendFailures)
	}
	if o.suspend != "" {
		d.svc.janitor.suspendSoon(w.Endpoint, o.suspend)
	}
	if changed.opened {
		d.releaseQueue(q, nil)
	}
	d.outcomes++
	d.list(q)
	if 2*d.inFlight < d.limits.InFlight {
		for _, q := range d.denied {
			d.list(q)
		}
		d.denied = d.denied[:0]
	}
	d.svc.settler.add(w, o)
	nq, nw := d.next()
	if nw != nil {
		d.pump() // a wider limit may let more than one start
	}
	signal(d.quiet)
	d.mu.Unlock()
	if changed.closed || o.Kind == SettleRetry {
		signal(d.room)
	}
	return nq, nw
}

// dropBody lets the event of a work go. d.mu is held.
func (d *dispatcher) dropBody(w *work) {
	if w.payload != nil {
		d.bodyBytes -= w.payload.size
		w.payload = nil
	}
}

// settled forgets a work whose outcome is durable.
func (d *dispatcher) settled(works []*work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range works {
		if d.inHand[w.DeliveryRef] == w {
			delete(d.inHand, w.DeliveryRef)
		}
		if w.done != nil {
			close(w.done)
		}
	}
	d.outcomes -= len(works)
	signal(d.quiet)
	d.pump()
}

// releaseQueue gives what is queued for an endpoint back to the store, held or
// canceled as the endpoint now is. keep, when not nil, tells which works stay.
// d.mu is held.
func (d *dispatcher) releaseQueue(q *queue, keep func(*work) bool) {
	if q.items.len() == 0 {
		return
	}
	was := q.busy()
	for range q.items.len() {
		w := q.items.pop()
		if keep != nil && keep(w) {
			q.items.push(w)
			continue
		}
		d.queued--
		d.dropBody(w)
		d.outcomes++
		d.svc.settler.add(w, released(w, w.NextAt))
	}
	if was && !q.busy() {
		d.active--
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
	if old != nil && old.State == EndpointSuspended && !e.IsHeld() {
		q.pace.resume()
	}
	if e.IsHeld() {
		d.releaseQueue(q, func(w *work) bool { return w.Test })
	}
	d.list(q)
	d.pump()
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
	q := d.queue(w.Endpoint)
	if !q.busy() {
		d.active++
	}
	if w.payload != nil {
		d.bodyBytes += w.payload.size
	}
	w.done = make(chan struct{})
	done := w.done
	d.inHand[w.DeliveryRef] = w
	q.pace.begin(time.Now(), q.inFlight)
	q.inFlight++
	d.inFlight++
	d.workers.Add(1)
	go d.work(q, w)
	return done, true
}

// stop lets no new attempt start, gives back what is queued and waits for the
// attempts under way.
func (d *dispatcher) stop(ctx context.Context) error {
	d.mu.Lock()
	d.stopped = true
	for _, q := range d.queues {
		d.releaseQueue(q, nil)
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

// hasBodyRoom tells whether more bodies may be kept in memory.
func (d *dispatcher) hasBodyRoom() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bodyBytes < d.limits.QueueBytes
}

// wants turns due endpoints into what to claim of each, by the places that are
// free, and returns when the next one becomes due that has to wait.
func (d *dispatcher) wants(due []DueEndpoint, now time.Time) (wants []ClaimWant, next time.Time) {
	later := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || d.alone {
		return nil, next
	}
	for _, e := range due {
		q := d.queue(e.Endpoint)
		if q.backlog = !e.NextAt.After(now); !q.backlog {
			later(e.NextAt)
			continue
		}
		w := ClaimWant{Endpoint: e.Endpoint, Max: d.limits.QueueLength - q.items.len() - q.reserved}
		ep := d.svc.dir.endpoint(e.Endpoint)
		switch {
		case ep != nil && ep.IsHeld():
			q.backlog = false
			continue
		case q.pace.health.Open && ep != nil && ep.State == EndpointActive:
			if q.busy() {
				continue
			}
			if q.pace.nextProbe.After(now) {
				later(q.pace.nextProbe)
				continue
			}
			w.Max = 1
		case q.items.len()+q.reserved > d.limits.QueueLength/2:
			continue // worth a claim once half of the places are free
		}
		if ep != nil && ep.DrainUpTo > q.drained {
			w.Oldest = ep.DrainUpTo
		}
		if w.Max > 0 {
			wants = append(wants, w)
		}
	}
	share := max(1, claimMost/max(1, len(wants)))
	for i := range wants {
		wants[i].Max = min(wants[i].Max, share)
	}
	return wants, next
}

// drainedUpTo ends the oldest-first order of a resumed endpoint.
func (d *dispatcher) drainedUpTo(n EndpointNumber, upTo Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queue(n)
	q.drained = max(q.drained, upTo)
}

// aloneFor is how long a suspect has the node for itself: what kills a process
// does it within this time. After it, the others go on beside it.
const aloneFor = 5 * time.Second

// runAlone sends one delivery while nothing else is in flight and every outcome
// is durable, so that nothing else is sent twice if the process dies of it.
func (d *dispatcher) runAlone(ctx context.Context, w *work) {
	d.mu.Lock()
	d.alone = true
	for !d.stopped && ctx.Err() == nil && (d.inFlight > 0 || d.outcomes > 0) {
		d.mu.Unlock()
		select {
		case <-d.quiet:
		case <-ctx.Done():
		}
		d.mu.Lock()
	}
	d.mu.Unlock()
	done, ok := d.startDirect(w)
	if ok {
		timer := time.NewTimer(aloneFor)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	d.mu.Lock()
	d.alone = false
	d.pump()
	d.mu.Unlock()
}

// drop marks a canceled delivery that is queued, so that it is not sent.
func (d *dispatcher) drop(ref DeliveryRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.inHand[ref]; w != nil {
		w.dropped.Store(true)
	}
}

// breakerOpen tells whether only probes go to an endpoint.
func (d *dispatcher) breakerOpen(n EndpointNumber) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queues[n]
	return q != nil && q.pace.health.Open
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
			d.queue(c.Endpoint).pace.restore(h, now)
		}
	}
}
