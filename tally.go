package waybell

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/waybell/waybell/internal/lock"
	"github.com/waybell/waybell/internal/statistics"
)

const (
	tallyEvery = 10 * time.Second // from the first attempt counted to its writing
	tallyBatch = 256              // rows in one call of the store: some milliseconds
	// tallyPatience is how long one writing waits for places in the store's
	// transactions, and how long a reader waits.
	tallyPatience = 4 * time.Second
	// maxTallies bounds what waits while the store does not take it. It is only
	// reached by very many endpoints: without its store a node makes no more
	// attempts than Limits.Outcomes.
	maxTallies = 100_000
)

// tallies counts this node's attempts and adds them to the store now and then.
// The hot path touches one cell of one map; minutes, hours, agents and the whole
// are added up when it is written.
type tallies struct {
	svc   *Service
	dirty chan struct{}
	done  chan struct{}

	mu    sync.Mutex
	cells map[tallyCell]*Tally

	// moving guards rows. It is held for writing while rows go to the store, and
	// for reading by who adds up both, so that nothing is seen twice or not at
	// all. Whoever counts never waits for it.
	moving lock.RW
	rows   map[StatisticsKey]*Tally // taken out of cells, not yet in the store
}

// tallyCell is a minute of an endpoint, since the Unix epoch.
type tallyCell struct {
	agent    AgentNumber
	endpoint EndpointNumber
	minute   int64
}

func newTallies(s *Service) *tallies {
	return &tallies{
		svc: s, dirty: make(chan struct{}, 1), done: make(chan struct{}),
		cells: map[tallyCell]*Tally{}, rows: map[StatisticsKey]*Tally{},
	}
}

// count takes durable attempts in, each by the time it ended.
func (t *tallies) count(batch []Settlement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range batch {
		if a := batch[i].Attempt; a != nil {
			t.add(a)
		}
	}
}

// add counts one attempt. t.mu is held.
func (t *tallies) add(a *Attempt) {
	cell := tallyCell{a.Agent, a.Endpoint, a.StartedAt.Add(a.Duration).Unix() / 60}
	tally := t.cells[cell]
	if tally == nil {
		if len(t.cells) == 0 {
			signal(t.dirty)
		}
		tally = new(Tally)
		t.cells[cell] = tally
	}
	if a.Reason == ReasonDelivered {
		tally.Deliver(a.Duration)
	} else {
		tally.Fail(statistics.Cause{Reason: uint8(a.Reason), Status: uint16(a.StatusCode)}, a.Duration)
	}
}

// run writes until ctx ends, at most every tallyEvery and only what changed.
func (t *tallies) run(ctx context.Context) {
	defer close(t.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.dirty:
		}
		if pause(ctx, tallyEvery); ctx.Err() == nil {
			t.flush(ctx)
		}
	}
}

// flush adds what was counted to the store, piece by piece. What the store
// cannot take now waits for the next time; what it may have taken is not added
// twice. It waits for the store no longer than tallyPatience, as whoever reads
// statistics waits for it.
func (t *tallies) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tallyPatience)
	defer cancel()
	if t.moving.Lock(ctx) != nil {
		signal(t.dirty)
		return // who reads them waits for the store, which takes nothing now
	}
	defer t.moving.Unlock()
	t.mu.Lock()
	cells := t.cells
	t.cells = make(map[tallyCell]*Tally, len(cells))
	t.mu.Unlock()
	for c, tally := range cells {
		addCell(t.rows, c, tally)
	}
	keys := slices.SortedFunc(maps.Keys(t.rows), StatisticsKey.compare)
	for part := range slices.Chunk(keys, tallyBatch) {
		rows := make([]StatisticsRow, len(part))
		for i, k := range part {
			rows[i] = StatisticsRow{k, *t.rows[k]}
		}
		err := t.svc.store.AddStatistics(ctx, *t.svc.lease.Load(), rows)
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			return // stopping: the last flush has its own time
		case notWritten(err) && len(t.rows) <= maxTallies:
			t.svc.log.Warn("statistics wait: the store cannot take them", "rows", len(t.rows), "error", err)
			signal(t.dirty)
			return
		default:
			t.svc.log.Error("statistics may be lost", "rows", len(part), "error", err)
		}
		for _, k := range part {
			delete(t.rows, k)
		}
	}
}

// notWritten tells that nothing was written and that it may be tried again.
func notWritten(err error) bool {
	return !errors.Is(err, ErrCommitUnknown) &&
		(errors.Is(err, ErrUnavailable) || errors.Is(err, ErrFenced) || errors.Is(err, context.DeadlineExceeded))
}

// addCell adds a cell to the rows it is part of.
func addCell(rows map[StatisticsKey]*Tally, c tallyCell, tally *Tally) {
	at := time.Unix(60*c.minute, 0).UTC()
	for _, step := range []time.Duration{StatisticsMinute, StatisticsHour} {
		k := StatisticsKey{Agent: c.agent, Endpoint: c.endpoint, Step: step, At: statistics.Floor(at, step)}
		for range 3 {
			sum := rows[k]
			if sum == nil {
				sum = new(Tally)
				rows[k] = sum
			}
			sum.Add(tally)
			if k.Endpoint != 0 { // then the agent as a whole, then all
				k.Endpoint = 0
			} else {
				k.Agent = 0
			}
		}
	}
}

// read returns the stored rows that q asks for and those not yet stored, in no
// order; a key may occur more than once.
func (t *tallies) read(ctx context.Context, q StatisticsQuery) ([]StatisticsRow, error) {
	ctx, cancel := context.WithTimeout(ctx, tallyPatience)
	defer cancel()
	if err := t.moving.RLock(ctx); err != nil {
		return nil, err
	}
	defer t.moving.RUnlock()
	rows, err := t.svc.store.Statistics(ctx, q)
	if err != nil {
		return nil, err
	}
	held := map[StatisticsKey]*Tally{}
	t.mu.Lock()
	for c, tally := range t.cells {
		if q.Agent == 0 || q.Agent == c.agent {
			addCell(held, c, tally)
		}
	}
	t.mu.Unlock()
	for _, unwritten := range []map[StatisticsKey]*Tally{t.rows, held} {
		for k, tally := range unwritten {
			if q.wants(k) {
				rows = append(rows, StatisticsRow{k, *tally})
			}
		}
	}
	return rows, nil
}
