package waybell

import (
	"time"

	"github.com/waybell/waybell/internal/ring"
)

// queue is what waits in memory for one endpoint.
type queue struct {
	number   EndpointNumber
	items    ring.Ring[*work]
	fresh    int // items that came from a publish, not from a claim
	reserved int // places promised to publishes under way
	inFlight int
	listed   bool // it stands in dispatcher.ready
	denied   bool // it stands in dispatcher.denied
	waking   bool // a timer of its rate limit runs
	ahead    int  // how many items with deaths are marked as begun before their turn
	backlog  bool // the store has due rows for it
	drained  Key  // resumed deliveries entered up to this one were sent, oldest first
	pace     pace
}

func (q *queue) push(w *work) {
	q.items.Push(w)
	if w.fresh {
		q.fresh++
	}
}

func (q *queue) pop() *work {
	w := q.items.Pop()
	if w.fresh {
		q.fresh--
	}
	return w
}

// busy tells whether the queue takes part in sharing the node's slots.
func (q *queue) busy() bool { return q.inFlight > 0 || q.items.Len() > 0 }

// reserve promises places to the targets of a new event, or marks those that
// find none to be put aside in the store. Every reserve is followed by one of
// enqueue or unreserve.
func (d *dispatcher) reserve(entries []*endpointEntry, targets []NewTarget) {
	may := d.svc.mayStart()
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range targets {
		q := d.queue(targets[i].Endpoint)
		limit := d.places(q)
		full := q.items.Len()+q.reserved >= limit || q.backlog && q.fresh+q.reserved >= (limit+1)/2
		if d.stopped || full || !may || entries[i].IsHeld() || q.pace.health.Open || d.limit(entries[i]) == 0 {
			targets[i].Aside = true
			continue
		}
		q.reserved++
		d.reserved++
	}
}

// limit is how many attempts this node makes at once to an endpoint, as it was set
// and its pace left aside: of the endpoint's own limit its part, else what every
// endpoint gets; none where others have all of it, or this node delivers nothing or
// cannot send to it. d.mu is held.
func (d *dispatcher) limit(e *endpointEntry) int {
	switch {
	case !d.svc.cfg.Role.Delivers(), e != nil && e.unready != nil:
		return 0
	case e == nil || e.Concurrency <= 0:
		return d.limits.Concurrency
	}
	return d.share.Of(e.Concurrency, uint64(e.Number))
}

const (
	defaultConcurrency = 16 // Limits.Concurrency
	// fewEndpoints with something to send leave each other no more than the default.
	fewEndpoints = 4
)

// most is how many attempts may run at once to an endpoint. One that answers soon, and
// that nobody set a figure for, gets up to twice the default while there are few others
// to send to, and four times where it is the only one and a crowd waits for it: the way
// there and back then holds up less of what is due. But it leaves half of the node to
// others, and gets no more where a refusal for overload ends a delivery. d.mu is held.
func (d *dispatcher) most(q *queue, e *endpointEntry) int {
	n := d.limit(e)
	if q.pace.wide > 0 && e != nil && e.Concurrency <= 0 && n == defaultConcurrency && e.retriesOverload {
		wide := 2 * n
		if q.items.Len() >= crowdedFrom {
			wide = 4 * n
		}
		n = max(n, min(n+q.pace.wide, fewEndpoints*n/max(1, d.active), wide, d.limits.InFlight/2))
	}
	return q.pace.limit(n)
}

// leastPlaces is how many deliveries of an endpoint may wait in memory however
// full it is, so that endpoints in trouble do not send the others' through the
// store.
const leastPlaces = 4

// places is how many deliveries of an endpoint may wait in memory: its own
// limit, or half of what is free in all where that is less. So no number of
// full queues takes all of the memory. d.mu is held.
func (d *dispatcher) places(q *queue) int {
	free := d.limits.Queued - d.queued - d.reserved + q.items.Len() + q.reserved
	return max(min(d.limits.QueueLength, free/2), leastPlaces)
}

// claimable is how many due deliveries may be claimed for q. While there is a
// backlog, due and new ones have half of the places each, and are sent in the
// order in which they took them: neither waits for the end of the other. d.mu
// is held.
func (d *dispatcher) claimable(q *queue) int {
	limit, n := d.places(q), q.items.Len()
	return min(limit-n-q.reserved, max(1, limit/2)-(n-q.fresh))
}

// worthClaiming tells whether a quarter of the places, or as much as one claim
// takes, can be claimed. d.mu is held.
func (d *dispatcher) worthClaiming(q *queue) bool {
	return d.claimable(q) >= max(1, min(d.places(q)/4, claimMost))
}

const (
	// crowdedFrom is how many deliveries of an endpoint at least are a crowd.
	crowdedFrom = 1024
	// crowdMoves is how long a delivery is in memory, at most, where its queue moves
	// fast: to wait for places in it is worthwhile.
	crowdMoves = time.Second
)

// crowded is how long the answer to whoever published events is held back: not at all
// while half of the places of their endpoints are free, and up to Config.PublishWait
// as they fill. Publishers that wait for their answers publish about as fast as it is
// delivered then. What finds no place goes through the store and is read again, which
// costs both. An endpoint that is slow, in trouble or has a low rate limit holds nobody
// up: what is meant for it has to wait in the store in any case.
func (d *dispatcher) crowded(events []*pending, items []BatchItem) (wait time.Duration) {
	most := d.svc.cfg.PublishWait
	if most <= 0 {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.svc.clock.now()
	for i, e := range events {
		if items[i].Err != nil || items[i].Result.Duplicate {
			continue
		}
		for _, t := range e.Targets {
			q := d.queue(t.Endpoint)
			n := q.items.Len()
			if n < crowdedFrom || !q.pace.quick() || now.Sub(q.items.At(0).Event.Time()) > crowdMoves {
				continue
			}
			if e := d.svc.dir.entry(t.Endpoint); e != nil && e.RateLimit > 0 && d.share.Rate(e.RateLimit) < crowdedFrom {
				continue
			}
			places := d.places(q)
			wait = max(wait, most*time.Duration(min(2*n-places, places))/time.Duration(places))
		}
	}
	return wait
}

// unreserve takes a promise back: the event was not accepted by this call.
func (d *dispatcher) unreserve(targets []NewTarget) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range targets {
		if !t.Aside {
			d.queue(t.Endpoint).reserved--
			d.reserved--
		}
	}
	signal(d.room)
}
