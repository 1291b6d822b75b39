package scaling

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/waybell/waybell/internal/ring"
)

// Traffic is what one simulated cell is given to do.
type Traffic struct {
	// Rate is how many deliveries are published per second, at random moments.
	// With 0 the cell is saturated: it always has Saturation unsettled ones.
	Rate       float64
	Saturation int
	Latency    time.Duration // of an attempt, on average, exponential
	Timeout    time.Duration // of the share of attempts that hang
	Hanging    float64
	Failing    float64       // share of attempts that fail and are made again
	RetryAfter time.Duration // the wait before that
	// Aside says that nodes which only serve the API take the events: every
	// delivery is put aside and claimed by another node.
	Aside bool
}

// Setup is one simulated cell.
type Setup struct {
	Nodes    int
	Slots    int // attempts that a node makes at once
	Lanes    int // transactions of each kind that a node has under way at once
	Outcomes int // not yet durable ones of a node before it starts no attempt
	// PerSecond is how many deliveries the database takes; each counts half
	// when it is published, half when it is settled, and half for each claim
	// and each further outcome.
	PerSecond   float64
	Transaction time.Duration // of the database for a transaction, whatever its rows
	Commit      time.Duration // that a transaction waits for its fsync; others go on
	Batch       int           // rows of a transaction, at most

	Traffic Traffic
	Warmup  time.Duration // not counted
	Length  time.Duration // of the run, the warm-up included
	Seed    uint64

	// At Trouble either node 0 is killed and others have its deliveries after
	// Lasts, or the database takes nothing for Lasts. 0 = never.
	Trouble time.Duration
	Lasts   time.Duration
	Kill    bool
}

// Run is what a simulated cell did after its warm-up.
type Run struct {
	Settled     float64 // deliveries per second
	Attempts    float64 // for a settled delivery
	InFlight    float64 // attempts under way, on average
	Commits     float64 // for a settled delivery
	Busy        float64 // share of the time in which the database worked
	Connections int     // of one node, busy at the same moment, at most
	Publish     [2]time.Duration
	// Backlog is how many deliveries were unsettled at the end.
	Backlog int
	// Repeated is how many attempts were under way on a killed node, or ended
	// there without a durable outcome.
	Repeated int
	// CaughtUp is the time from the start of the trouble until no more than
	// before was unsettled; 0 when that never came.
	CaughtUp time.Duration
}

// The kinds of transactions.
const (
	accept = iota
	settle
	claim
	kinds
)

type state uint8

const (
	published state = iota // not yet durable
	queued
	sending
	outcome // sent, not yet durable
	waiting // for its retry
	settled
)

type delivery struct {
	arrived int64
	node    int32
	state   state
	failed  bool
}

type node struct {
	dead     bool
	queues   [kinds]ring.Ring[int32]
	lanes    [kinds]int
	send     ring.Ring[int32]
	inFlight int
	outcomes int
}

type simulation struct {
	Setup
	rng        *rand.Rand
	now        int64
	agenda     agenda
	nodes      []node
	deliveries []delivery
	free       int64   // when the database has done what it was given
	row        float64 // nanoseconds of the database for a row: half a delivery

	unsettled, before        int
	settledN, attempts       int
	commits                  int
	busy                     int64
	inFlight                 int
	inFlightTime, inFlightAt int64
	publish                  []time.Duration
	troubled                 bool
	result                   Run
}

// Simulate runs a cell. Published deliveries wait for a lane of their node, are
// committed together, wait for a slot, are sent, and are settled together; the
// database takes one transaction's rows after the other.
func Simulate(s Setup) Run {
	c := &simulation{
		Setup: s, rng: rand.New(rand.NewPCG(s.Seed, 3)), nodes: make([]node, s.Nodes),
		// So that full transactions make PerSecond deliveries.
		row: 1e9/s.PerSecond/2 - float64(s.Transaction)/float64(s.Batch),
	}
	if s.Traffic.Rate > 0 {
		c.plan(c.exponential(1e9/s.Traffic.Rate), happening{kind: arrival})
	} else {
		for range s.Traffic.Saturation {
			c.arrive()
		}
	}
	if s.Trouble > 0 {
		c.plan(s.Trouble, happening{kind: troubleBegins})
	}
	for h, ok := c.agenda.next(int64(s.Length)); ok; h, ok = c.agenda.next(int64(s.Length)) {
		c.now = h.at
		c.happen(&h)
	}
	c.now = int64(s.Length)
	c.sendingChanged(0)
	return c.report()
}

func (c *simulation) report() Run {
	span := (c.Length - c.Warmup).Seconds()
	r := c.result
	r.Settled = float64(c.settledN) / span
	r.InFlight = float64(c.inFlightTime) / 1e9 / span
	r.Busy = float64(c.busy) / 1e9 / span
	r.Backlog = c.unsettled
	if c.settledN > 0 {
		r.Attempts = float64(c.attempts) / float64(c.settledN)
		r.Commits = float64(c.commits) / float64(c.settledN)
	}
	if slices.Sort(c.publish); len(c.publish) > 0 {
		r.Publish = [2]time.Duration{c.publish[len(c.publish)/2], c.publish[len(c.publish)*99/100]}
	}
	return r
}

func (c *simulation) counts() bool { return c.now >= int64(c.Warmup) }

func (c *simulation) plan(in time.Duration, h happening) {
	h.at = c.now + int64(in)
	c.agenda.plan(h)
}

func (c *simulation) happen(h *happening) {
	switch h.kind {
	case arrival:
		c.arrive()
		c.plan(c.exponential(1e9/c.Traffic.Rate), happening{kind: arrival})
	case committed:
		c.committed(h.node, int(h.work), h.batch)
	case sent:
		c.sent(h.node, h.delivery)
	case due:
		c.give(h.delivery, claim)
	case troubleBegins:
		c.trouble()
	case adoption:
		c.adopt()
	case troubleEnds:
		c.troubled = true
	}
}

func (c *simulation) exponential(mean float64) time.Duration {
	return time.Duration(c.rng.ExpFloat64() * mean)
}

// living picks a node that is not dead.
func (c *simulation) living() int32 {
	for {
		if n := int32(c.rng.IntN(len(c.nodes))); !c.nodes[n].dead {
			return n
		}
	}
}

func (c *simulation) arrive() {
	c.unsettled++
	c.deliveries = append(c.deliveries, delivery{arrived: c.now})
	c.give(int32(len(c.deliveries)-1), accept)
}

// give queues a delivery at some node for a transaction.
func (c *simulation) give(d int32, kind int) {
	n := c.living()
	c.deliveries[d].node = n
	c.nodes[n].queues[kind].Push(d)
	c.pump(n, kind)
}

// pump starts a transaction if a lane is free.
func (c *simulation) pump(n int32, kind int) {
	node := &c.nodes[n]
	queue := &node.queues[kind]
	if node.dead || node.lanes[kind] == c.Lanes || queue.Len() == 0 {
		return
	}
	batch := make([]int32, min(queue.Len(), c.Batch))
	for i := range batch {
		batch[i] = queue.Pop()
	}
	node.lanes[kind]++
	c.result.Connections = max(c.result.Connections, node.lanes[accept]+node.lanes[settle]+node.lanes[claim])
	work := int64(c.Transaction) + int64(float64(len(batch))*c.row)
	c.free = max(c.free, c.now) + work
	if c.counts() {
		c.commits++
		c.busy += work
	}
	c.plan(time.Duration(c.free-c.now)+c.Commit, happening{kind: committed, node: n, work: uint8(kind), batch: batch})
}

func (c *simulation) committed(n int32, kind int, batch []int32) {
	node := &c.nodes[n]
	node.lanes[kind]--
	for _, d := range batch {
		if kind == settle {
			node.outcomes--
			c.settle(d)
			continue
		}
		if kind == accept && c.counts() {
			c.publish = append(c.publish, time.Duration(c.now-c.deliveries[d].arrived))
		}
		if kind == accept && c.Traffic.Aside {
			c.deliveries[d].state = waiting
			c.give(d, claim)
			continue
		}
		c.deliveries[d].state = queued
		node.send.Push(d)
	}
	c.fill(n)
	c.pump(n, kind)
}

// fill starts attempts while there are slots.
func (c *simulation) fill(n int32) {
	node := &c.nodes[n]
	for !node.dead && node.inFlight < c.Slots && node.outcomes < c.Outcomes && node.send.Len() > 0 {
		d := node.send.Pop()
		node.inFlight++
		c.sendingChanged(1)
		c.deliveries[d].state = sending
		took := c.Traffic.Timeout
		if c.rng.Float64() >= c.Traffic.Hanging {
			took = c.exponential(float64(c.Traffic.Latency))
		}
		c.plan(took, happening{kind: sent, node: n, delivery: d})
	}
}

// sendingChanged adds up how many attempts are under way over time.
func (c *simulation) sendingChanged(by int) {
	c.inFlightTime += int64(c.inFlight) * max(0, c.now-max(c.inFlightAt, int64(c.Warmup)))
	c.inFlightAt = c.now
	c.inFlight += by
}

func (c *simulation) sent(n int32, d int32) {
	node := &c.nodes[n]
	if node.dead {
		return
	}
	node.inFlight--
	c.sendingChanged(-1)
	if c.counts() {
		c.attempts++
	}
	c.deliveries[d].state = outcome
	c.deliveries[d].failed = c.rng.Float64() < c.Traffic.Failing
	node.outcomes++
	node.queues[settle].Push(d)
	c.pump(n, settle)
	c.fill(n)
}

func (c *simulation) settle(d int32) {
	if c.deliveries[d].failed {
		c.deliveries[d].state = waiting
		c.plan(c.Traffic.RetryAfter, happening{kind: due, delivery: d})
		return
	}
	c.deliveries[d].state = settled
	c.unsettled--
	if c.counts() {
		c.settledN++
	}
	if c.Traffic.Rate == 0 {
		c.arrive()
	}
	if c.troubled && c.result.CaughtUp == 0 && c.unsettled <= c.before {
		c.result.CaughtUp = time.Duration(c.now) - c.Trouble
	}
}

// trouble kills node 0, or stops the database.
func (c *simulation) trouble() {
	c.before = c.unsettled
	c.plan(c.Lasts, happening{kind: troubleEnds})
	if !c.Kill {
		c.free = max(c.free, c.now) + int64(c.Lasts)
		return
	}
	node := &c.nodes[0]
	node.dead = true
	c.sendingChanged(-node.inFlight)
	for d := range c.deliveries {
		if c.deliveries[d].node == 0 && (c.deliveries[d].state == sending || c.deliveries[d].state == outcome) {
			c.result.Repeated++
		}
	}
	// Whoever had no answer publishes again, to a node that lives.
	for node.queues[accept].Len() > 0 {
		c.give(node.queues[accept].Pop(), accept)
	}
	c.plan(c.Lasts, happening{kind: adoption})
}

// adopt gives what the dead node had in hand to the others.
func (c *simulation) adopt() {
	for d := range c.deliveries {
		if s := c.deliveries[d].state; c.deliveries[d].node == 0 && (s == queued || s == sending || s == outcome) {
			c.give(int32(d), claim)
		}
	}
}
