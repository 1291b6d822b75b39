package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell"
)

// operation is one caller's events. Those that wait share the next transaction.
type operation struct {
	lease   waybell.Lease
	version int64
	events  []*waybell.NewEvent
	results []waybell.Accepted // written before done gets nil
	rows    int
	bytes   int
	state   atomic.Int32
	done    chan error
}

const (
	opQueued int32 = iota
	opTaken
	opAnswered
	opAbandoned // nobody waits any more
)

// Accept implements [waybell.PublishStore]. It answers within Config.Timeout,
// whatever the database does.
func (s *Store) Accept(ctx context.Context, lease waybell.Lease, version int64, events []*waybell.NewEvent) ([]waybell.Accepted, error) {
	op := &operation{lease: lease, version: version, events: events,
		results: make([]waybell.Accepted, len(events)), done: make(chan error, 1)}
	for _, e := range events {
		op.rows += 1 + len(e.Targets)
		op.bytes += len(e.Data) + len(e.Messages)
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	late := time.NewTimer(s.cfg.Timeout)
	defer late.Stop()
	select {
	case s.ops <- op:
	case <-late.C:
		return nil, errSlow
	case <-s.ctx.Done():
		return nil, errClosed
	case <-ctx.Done():
		return nil, callerGone(ctx)
	}
	if err := s.await(ctx, op, late); err != nil {
		return nil, err
	}
	return op.results, nil
}

var errSlow = fmt.Errorf("%w: the database does not answer", waybell.ErrUnavailable)

// await waits for an operation's transaction. Its caller may leave while it is
// queued; afterwards only our own patience ends the wait, and then the outcome is
// unknown.
func (s *Store) await(ctx context.Context, op *operation, late *time.Timer) error {
	select {
	case err := <-op.done:
		return err
	case <-late.C:
		if op.state.CompareAndSwap(opQueued, opAbandoned) {
			return errSlow
		}
		return s.lose(op)
	case <-s.ctx.Done():
		if op.state.CompareAndSwap(opQueued, opAbandoned) {
			return errClosed
		}
	case <-ctx.Done():
		if op.state.CompareAndSwap(opQueued, opAbandoned) {
			return callerGone(ctx)
		}
	}
	select {
	case err := <-op.done:
		return err
	case <-late.C:
		return s.lose(op)
	}
}

// lose answers an operation whose transaction is under way still.
func (s *Store) lose(op *operation) error {
	if !op.state.CompareAndSwap(opTaken, opAbandoned) {
		return <-op.done // answered this moment
	}
	s.leases.update(op.lease.Node, func(l *lease) { l.doubtful = true })
	return fmt.Errorf("%w: %w", waybell.ErrCommitUnknown, errSlow)
}

// answer ends an operation's wait.
func (op *operation) answer(err error) {
	if op.state.CompareAndSwap(opTaken, opAnswered) {
		op.done <- err
	}
}

// runLane commits what publishers queue until the store closes. A lane never
// waits for more: the queue fills while a commit is under way.
func (s *Store) runLane(lane int) {
	var next *operation
	for {
		op := next
		next = nil
		if op == nil {
			select {
			case op = <-s.ops:
			case <-s.ctx.Done():
				return
			}
		}
		if !op.state.CompareAndSwap(opQueued, opTaken) {
			continue
		}
		batch := []*operation{op}
		rows, bytes := op.rows, op.bytes
	gather:
		for rows < batchRows && bytes < batchBytes {
			select {
			case more := <-s.ops:
				if more.lease != op.lease {
					next = more
					break gather
				}
				if more.state.CompareAndSwap(opQueued, opTaken) {
					batch = append(batch, more)
					rows += more.rows
					bytes += more.bytes
				}
			default:
				break gather
			}
		}
		s.accept(lane, batch)
	}
}

// againDays is how often a batch is repeated once the day of a key has its partition,
// which retention may be removing at the moment.
const againDays = 20

// accept commits a batch and answers its callers. Where a batch fails because of
// one caller's row it is repeated in halves, so that only that one gets the error.
func (s *Store) accept(lane int, batch []*operation) {
	for try := 1; len(batch) > 0; try++ {
		err := s.write(s.ctx, batch[0].lease, func(t *tx) error { return t.accept(lane, batch) })
		if errors.Is(err, waybell.ErrConfigChanged) {
			batch = s.outdated(batch, err)
			continue
		}
		switch {
		case err == nil || known(err) && !circular(err):
			answer(batch, err)
			return
		case state(err) == stateNoPartition && try < againDays:
			if err := s.makeDaysOf(s.ctx, keysOf(batch)); err != nil {
				answer(batch, err)
				return
			}
		case try < again && circular(err):
		case len(batch) > 1:
			s.accept(lane, batch[:len(batch)/2])
			batch, try = batch[len(batch)/2:], 0
		default:
			answer(batch, err)
			return
		}
	}
}

func answer(batch []*operation, err error) {
	for _, op := range batch {
		op.answer(err)
	}
}

// outdated answers the operations that were matched with an older configuration
// and returns the others.
func (s *Store) outdated(batch []*operation, err error) []*operation {
	version, e := s.ConfigVersion(s.ctx)
	if e != nil {
		answer(batch, e)
		return nil
	}
	var rest []*operation
	for _, op := range batch {
		if op.version < version {
			op.answer(err)
		} else {
			rest = append(rest, op)
		}
	}
	return rest
}

func keysOf(batch []*operation) (keys []waybell.Key) {
	for _, op := range batch {
		for _, e := range op.events {
			keys = append(keys, e.Key)
		}
	}
	return keys
}
