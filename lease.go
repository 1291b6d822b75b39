package waybell

import (
	"context"
	"errors"
	"time"
)

// mayStart tells whether this node's lease was confirmed lately, by the
// monotonic clock: a node cut off from its store, or frozen, starts no attempt,
// because another may have taken its deliveries over.
func (s *Service) mayStart() bool {
	if !s.lease.Load().Shared {
		return true
	}
	at := s.confirmed.Load()
	return at != nil && time.Since(*at) < leaseSpan
}

func (s *Service) confirm(at time.Time) { s.confirmed.Store(&at) }

// heartbeat confirms the lease and looks for configuration changes of other
// nodes until ctx ends.
func (s *Service) heartbeat(ctx context.Context) {
	if !s.lease.Load().Shared {
		return
	}
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	poll := time.NewTicker(configPoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			s.beat(ctx)
		case <-poll.C:
			v, err := s.store.ConfigVersion(ctx)
			if err == nil && v > s.dir.version.Load() {
				err = s.refresh(ctx)
			}
			if err != nil && ctx.Err() == nil {
				s.log.Warn("configuration changes cannot be read", "error", err)
			}
		}
	}
}

// beat confirms the lease once, and joins anew when it was lost.
func (s *Service) beat(ctx context.Context) {
	at := time.Now() // before the call: what counts is when it was surely valid
	err := s.store.Heartbeat(ctx, *s.lease.Load(), s.dispatcher.load())
	switch {
	case err == nil:
		s.confirm(at)
	case errors.Is(err, ErrFenced):
		s.log.Error("the lease was lost: joining as a new node")
		s.confirmed.Store(nil) // no attempt starts
		at = time.Now()
		lease, err := s.store.Join(ctx, s.nodeInfo())
		if err != nil {
			s.log.Error("cannot join", "error", err)
			return
		}
		s.keys.start(lease.Slot, lease.LastKey)
		s.owning.Lock()
		s.dispatcher.forget()
		s.lease.Store(&lease)
		s.owning.Unlock()
		s.confirm(at)
		s.claimer.dueAt(at)
	case ctx.Err() == nil:
		s.log.Warn("heartbeat failed", "error", err)
	}
}
