package waybell

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	settleBatch  = 512                  // outcomes in one call of the store, at most
	settleApart  = 8                    // as how many of them one counts whose delivery was attempted before: see take
	settleLinger = 3 * time.Millisecond // how long a few outcomes wait for company
	settleFew    = 64
)

// outcome is what an attempt, or the lack of one, made of a delivery.
type outcome struct {
	Settlement
	refused bool   // counts towards the breaker: no connection, no answer, or 5xx
	test    bool   // a test send
	suspend string // not empty: suspend the endpoint, with this reason
}

// released gives a work back to the store without an attempt.
func released(w *work, next time.Time) outcome {
	return outcome{Settlement: Settlement{DeliveryRef: w.DeliveryRef, Agent: w.Agent, Kind: SettleRelease, NextAt: next}}
}

// settler writes outcomes in groups. Senders do not wait for it; the bound on
// outcomes not yet durable is the dispatcher's.
type settler struct {
	svc     *Service
	mu      sync.Mutex
	works   []*work
	batch   []Settlement
	pending chan struct{}
	done    chan struct{}
}

func newSettler(s *Service) *settler {
	return &settler{svc: s, pending: make(chan struct{}, 1), done: make(chan struct{})}
}

// add queues an outcome. It never blocks.
func (t *settler) add(w *work, o outcome) {
	t.mu.Lock()
	t.works = append(t.works, w)
	t.batch = append(t.batch, o.Settlement)
	t.mu.Unlock()
	signal(t.pending)
}

// take returns the queued outcomes, at most settleBatch. The rows of first attempts
// lie beside each other, as they were published; that of a retry is one of few on
// its page, and whoever publishes waits until all pages of a call are written.
func (t *settler) take() ([]*work, []Settlement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for room := settleBatch; n < len(t.batch) && room > 0; n++ {
		if t.works[n].Attempts > 0 {
			room -= settleApart
		} else {
			room--
		}
	}
	works, batch := t.works[:n:n], t.batch[:n:n]
	if n == len(t.batch) {
		// As many may come again while these are written.
		t.works, t.batch = make([]*work, 0, n), make([]Settlement, 0, n)
	} else {
		t.works, t.batch = t.works[n:], t.batch[n:]
		signal(t.pending)
	}
	return works, batch
}

func (t *settler) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.batch)
}

// run writes outcomes until ctx ends and nothing is left. While the store
// cannot write it tries again, so that no outcome is lost; from ctx's end on
// only as long as the service takes to close.
func (t *settler) run(ctx context.Context) {
	defer close(t.done)
	for {
		select {
		case <-t.pending:
		case <-ctx.Done():
			for {
				works, batch := t.take()
				if len(batch) == 0 {
					return
				}
				t.write(ctx, works, batch)
			}
		}
		if n := t.size(); n > 0 && n < settleFew {
			pause(ctx, settleLinger)
		}
		if works, batch := t.take(); len(batch) > 0 {
			t.write(ctx, works, batch)
		}
	}
}

// refusals is how often the store may refuse a batch, though it can write,
// before the outcome that it refuses is looked for.
const refusals = 3

// write makes one batch durable, trying again while the store is away.
func (t *settler) write(ctx context.Context, works []*work, batch []Settlement) {
	s := t.svc
	wait := 10 * time.Millisecond
	for try := 1; ; try++ {
		once, rest := t.patience(ctx)
		if once.Err() != nil { // closed: the rows stay owned and are adopted by whoever comes next
			s.dispatcher.settled(works)
			return
		}
		err := t.settle(once, works, batch)
		switch {
		case err == nil:
			s.tellOutcomes(ctx, works, batch)
			s.claimer.retriesAt(batch)
			return
		case errors.Is(err, ErrFenced):
			// Another node has taken these deliveries over; it attempts them
			// again. Nothing of ours may be written any more.
			s.log.Error("outcomes lost: the lease was lost", "outcomes", len(batch), "error", err)
			s.fencedBy(err)
			s.dispatcher.settled(works)
			return
		case errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCommitUnknown) || try < refusals:
			s.log.Warn("outcomes wait: the store cannot write", "outcomes", len(batch), "retry_in", wait, "error", err)
		default:
			t.divide(ctx, works, batch)
			return
		}
		pause(rest, wait)
		wait = min(2*wait, time.Second)
	}
}

// patience is what bounds one try to write, and the pause after it: nothing and
// ctx while the service runs, then the time it has to close.
func (t *settler) patience(ctx context.Context) (once, rest context.Context) {
	if ctx.Err() != nil {
		return t.svc.closing, t.svc.closing
	}
	return context.WithoutCancel(ctx), ctx
}

// settle tries once. What became durable leaves the node's hand before anybody
// can look at what it owns.
func (t *settler) settle(ctx context.Context, works []*work, batch []Settlement) error {
	s := t.svc
	if err := s.owning.RLock(ctx); err != nil {
		return err
	}
	defer s.owning.RUnlock()
	err := s.store.Settle(ctx, *s.lease.Load(), batch)
	if err == nil {
		s.tallies.count(batch)
		s.dispatcher.settled(works)
	}
	return err
}

// divide writes the halves of a batch that the store refuses, so that one
// outcome harms only itself. That one is written without its attempt; where the
// store refuses this too, its row waits for the next start.
func (t *settler) divide(ctx context.Context, works []*work, batch []Settlement) {
	if n := len(batch); n > 1 {
		t.write(ctx, works[:n/2:n/2], batch[:n/2:n/2])
		t.write(ctx, works[n/2:], batch[n/2:])
		return
	}
	o := &batch[0]
	if o.Attempt == nil {
		t.svc.log.Error("an outcome is lost: the store refuses it", "delivery", o.DeliveryRef)
		t.svc.dispatcher.settled(works)
		return
	}
	t.svc.log.Error("an attempt is not in the log: the store refuses it", "delivery", o.DeliveryRef, "attempt", o.Attempt.Number)
	o.Attempt, o.Health = nil, nil
	if o.Kind == SettleRetry {
		o.Kind = SettleRelease
	}
	t.write(ctx, works, batch)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
