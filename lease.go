package waybell

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	heartbeatEvery = 2 * time.Second
	heartbeatWait  = 3 * time.Second        // for the store, so that a call that hangs is not the last one
	heartbeatPace  = 250 * time.Millisecond // between two, at least
	leaseSpan      = 8 * time.Second        // without a confirmed heartbeat, or the configuration, for so long nothing starts
	configPoll     = 500 * time.Millisecond // how often another node's changes are looked for
	configWait     = 3 * time.Second        // for the store, each time it is asked
	configMost     = time.Minute            // for all that changed, where less was not enough
	configFresh    = 5 * time.Second        // for so long a key counts as not revoked
	missWait       = 500 * time.Millisecond // for the store, where an agent is looked for
	missPace       = 100 * time.Millisecond // between two such looks, at least
	hintPace       = 20 * time.Millisecond  // between two looks that the store asks for, at least
	lockWait       = 800 * time.Millisecond // so that with the store's own time callers have their answer within 5 s
)

// shared tells whether other nodes may use the store.
func (s *Service) shared() bool {
	lease := s.lease.Load()
	return lease != nil && lease.Shared
}

// mayStart tells whether this node's lease was confirmed lately, by the
// monotonic clock: a node cut off from its store, or frozen, starts no attempt,
// because another may have taken its deliveries over. The same holds where it
// could not read the configuration lately: the endpoint may be paused by now.
func (s *Service) mayStart() bool {
	return !s.shared() || within(s.confirmed.Load(), leaseSpan) && s.knowsConfig()
}

// knowsConfig tells whether the configuration was read lately enough to send by it.
func (s *Service) knowsConfig() bool { return within(s.current.Load(), leaseSpan) }

func (s *Service) confirm(at time.Time) { s.confirmed.Store(&at) }

// knowsKeys tells whether the configuration was read lately, so that no key
// works for long that was revoked on another node.
func (s *Service) knowsKeys() bool {
	return !s.shared() || within(s.current.Load(), configFresh)
}

func within(at *time.Time, span time.Duration) bool { return at != nil && time.Since(*at) < span }

// enter takes owning for reading, for a caller who waits. It does not wait for
// long: who holds it may wait for the store.
func (s *Service) enter(ctx context.Context) error {
	if s.owning.TryRLock() {
		return nil
	}
	return soon(ctx, s.owning.RLock)
}

// soon takes a lock, or tells that the store keeps who holds it waiting.
func soon(ctx context.Context, take func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if err := take(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// heartbeat confirms the lease until ctx ends.
func (s *Service) heartbeat(ctx context.Context) {
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	for ctx.Err() == nil { // select takes any case that is ready
		select {
		case <-ctx.Done():
		case <-beat.C:
			s.beat(ctx)
		case <-s.fenced:
			s.beat(ctx)
			if within(s.confirmed.Load(), heartbeatEvery) {
				// The lease is good after all: what was dropped for it must not stay
				// owned and in nobody's hand.
				s.claimer.readBack()
			}
		}
		pause(ctx, heartbeatPace)
	}
}

// beat confirms the lease once, and joins anew when it was lost. A node that does
// not know the configuration lets its lease end: others send what it has in hand,
// and take its part of the endpoints' limits.
func (s *Service) beat(ctx context.Context) {
	if !s.knowsConfig() {
		return
	}
	switch lapsed, err := s.confirmLease(ctx); {
	case err == nil:
		if lapsed {
			s.claimer.dueAt(s.clock.now())
		}
	case errors.Is(err, ErrFenced):
		s.log.Error("the lease was lost: joining as a new node")
		s.confirmed.Store(nil) // no attempt starts
		if err := s.rejoin(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot join", "retry_in", heartbeatEvery, "error", err)
		}
	case ctx.Err() == nil:
		s.log.Warn("heartbeat failed", "error", err)
	}
}

// confirmLease sends one heartbeat, and tells whether the lease had lapsed.
func (s *Service) confirmLease(ctx context.Context) (lapsed bool, err error) {
	at := time.Now() // before the call: what counts is when it was surely valid
	ctx, cancel := context.WithTimeout(ctx, heartbeatWait)
	defer cancel()
	if err := s.store.Heartbeat(ctx, *s.lease.Load(), s.dispatcher.load()); err != nil {
		return false, err
	}
	lapsed = !within(s.confirmed.Load(), leaseSpan)
	s.confirm(at)
	return lapsed, nil
}

// beatMeanwhile confirms the lease until stop is called: what a start reads of very
// many endpoints takes longer than a lease lasts. What fails here the first heartbeat
// after the start tells.
func (s *Service) beatMeanwhile(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pause(ctx, heartbeatEvery); ctx.Err() == nil; pause(ctx, heartbeatEvery) {
			_, _ = s.confirmLease(ctx)
		}
	}()
	return func() { cancel(); <-ended }
}

// rejoin becomes a new node. What was queued is another's to send by now; what
// is under way ends and is written as an attempt of whoever has it.
func (s *Service) rejoin(ctx context.Context) error {
	at := time.Now()
	bounded, cancel := context.WithTimeout(ctx, heartbeatWait)
	defer cancel()
	lease, err := s.store.Join(bounded, s.nodeInfo())
	if err != nil {
		return err
	}
	if err := s.owning.Lock(ctx); err != nil {
		return err
	}
	s.keys.start(lease.Slot, lease.LastKey)
	s.dispatcher.forget()
	s.lease.Store(&lease)
	s.owning.Unlock()
	s.confirm(at)
	s.claimer.dueAt(s.clock.now())
	return nil
}

// fencedBy has the lease looked at soon where a write was refused for it.
func (s *Service) fencedBy(err error) {
	if errors.Is(err, ErrFenced) {
		signal(s.fenced)
	}
}

// watchNodes looks until ctx ends for what other nodes know of receivers, what
// they did to what somebody listens to, and that they come and go.
func (s *Service) watchNodes(ctx context.Context) {
	around := time.NewTicker(heartbeatEvery)
	defer around.Stop()
	follow := time.NewTicker(followEvery)
	defer follow.Stop()
	known := ledgers{}
	for ctx.Err() == nil { // select takes any case that is ready
		select {
		case <-ctx.Done():
		case <-around.C:
			if err := s.lookAround(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("other nodes cannot be looked for", "error", err)
			}
		case <-follow.C:
			s.tellOthers(ctx, known)
		}
	}
}

// watchConfig looks until ctx ends for other nodes' changes of the configuration
// and work they put aside. The store's hints make it look sooner.
func (s *Service) watchConfig(ctx context.Context) {
	poll := time.NewTicker(configPoll)
	defer poll.Stop()
	away, blind, wait := false, false, configWait
	changes := s.store.Changes()
	for ctx.Err() == nil { // select takes any case that is ready
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-changes:
			s.claimer.dueAt(s.clock.now())
		}
		behind, err := s.lookAtConfig(ctx, wait)
		if behind { // the store answers, but has more to tell than it can in that time
			wait = min(2*wait, configMost)
		} else {
			wait = configWait
		}
		switch { // each once
		case ctx.Err() != nil:
		case err == nil && blind:
			s.log.Info("the configuration can be read again")
			blind = false
			s.claimer.dueAt(s.clock.now())
		case err != nil && !blind && !s.knowsConfig():
			s.log.Error("the configuration cannot be read: this node starts no attempt and leaves its deliveries to others",
				"for", leaseSpan, "error", err)
			blind = true
		case err != nil && !away:
			s.log.Warn("configuration changes cannot be read", "error", err)
		}
		away = err != nil
		pause(ctx, hintPace)
	}
}

// lookAtConfig asks the store for changes of the configuration, and takes them in
// where they are read within wait. It tells whether there are some that were not.
func (s *Service) lookAtConfig(ctx context.Context, wait time.Duration) (behind bool, err error) {
	at := time.Now()
	bounded, cancel := context.WithTimeout(ctx, configWait)
	v, err := s.store.ConfigVersion(bounded)
	cancel()
	if err == nil && v > s.dir.version.Load() {
		at = time.Now()
		bounded, cancel = context.WithTimeout(ctx, wait)
		err = s.refresh(bounded)
		cancel()
		behind = err != nil
	}
	if err == nil {
		s.configRead(at)
	}
	return behind, err
}

// configRead notes that the directory has the configuration as it was at a time.
func (s *Service) configRead(at time.Time) {
	for {
		before := s.current.Load()
		if before != nil && before.After(at) || s.current.CompareAndSwap(before, &at) {
			return
		}
	}
}

// findAgent finds an agent by its id. One that another node made a moment ago is
// looked for, so that behind a load balancer the call after the one that made it
// finds it. Unknown ids cost a question to the store now and then, not each time.
// All that is done at an agent, publishing too, begins here; before the start no
// agent is known, which says nothing about the agent.
func (s *Service) findAgent(ctx context.Context, id string) (*agentEntry, *Error) {
	if s.startedAt.Load() == nil {
		return nil, &Error{Code: CodeUnavailable, Message: "the service has not started", RetryAfter: time.Second}
	}
	agent, e := s.dir.agent(id)
	if e == nil || !s.shared() || within(s.missed.Load(), missPace) {
		return agent, e
	}
	bounded, cancel := context.WithTimeout(ctx, missWait)
	defer cancel()
	_, err := s.lookAtConfig(bounded, configWait)
	now := time.Now()
	s.missed.Store(&now)
	if err != nil {
		return agent, e
	}
	return s.dir.agent(id)
}
