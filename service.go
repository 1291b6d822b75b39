package waybell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/internal/lock"
	"github.com/waybell/waybell/internal/reception"
	"github.com/waybell/waybell/internal/tokencache"
)

// Service is a running Waybell node. Make it with [New], then [Service.Start];
// all other methods need a started service. It is safe for concurrent use.
type Service struct {
	cfg       Config
	log       *slog.Logger
	store     Store
	egress    *egress.Client
	gate      *reception.Gate
	userAgent string

	startedAt atomic.Pointer[time.Time]
	lease     atomic.Pointer[Lease]
	confirmed atomic.Pointer[time.Time] // when the lease was last surely valid
	current   atomic.Pointer[time.Time] // when the configuration was last surely the store's
	missed    atomic.Pointer[time.Time] // when an agent was last looked for that is not known
	fenced    chan struct{}             // signalled when a write was refused for the lease
	others    atomic.Bool               // there are other nodes
	clock     *engineClock
	keys      keyMaker
	dir       directory
	sessions  *tokencache.Cache[*APIKey] // by the hash of their token
	branding  brandingCache

	// owning is held for reading from a commit that changes what this node owns
	// until its memory knows, and for writing to look at all that it owns, or to
	// change its lease.
	owning lock.RW

	refreshing lock.RW      // one refresh of the directory at a time, as a writer
	publishing atomic.Int64 // bytes of events that wait to be durable
	draining   atomic.Bool

	stream     *streamHub
	dispatcher *dispatcher
	settler    *settler
	marker     *marker
	claimer    *claimer
	janitor    *janitor
	tallies    *tallies

	// sending ends when attempts under way are to be cut off.
	sending context.Context
	cutOff  context.CancelFunc
	// closing bounds what is written after the last attempt; see finishAttempts.
	closing context.Context
	closed  context.CancelFunc

	// onEndpoint is endpointChanged, unless a test listens instead.
	onEndpoint func(old, new *Endpoint)

	lifecycle sync.Mutex
	state     int // notStarted, started, stopped
	teardown  []teardownStep
}

const (
	notStarted = iota
	started
	stopped
)

// closingWait is how long the last writes may take where the grace is over.
const closingWait = 5 * time.Second

// teardownStep is one step of Stop; they run last in, first out.
type teardownStep struct {
	name string
	stop func(context.Context) error
}

// New checks the configuration and wires a service. It does no work and cannot
// block: the store is first used by [Service.Start].
func New(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if cfg.Store == nil {
		return nil, errors.New("config: a store is required")
	}
	if err := cfg.Limits.Validate(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if cfg.PublishWait > MaxPublishWait {
		return nil, fmt.Errorf("config: PublishWait is %v; it must be at most %v", cfg.PublishWait, MaxPublishWait)
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger, store: cfg.Store, userAgent: "Waybell/" + cfg.Version,
		sessions: newSessionCache(), gate: reception.NewGate(cfg.Limits.InboxBodyBytes), fenced: make(chan struct{}, 1),
	}
	out := egress.Config{
		Allow: cfg.AllowTargets, Resolver: cfg.Resolver, TLS: cfg.TLS, Dial: cfg.Dial, NetHTTP: cfg.NetHTTP,
		MaxIdlePerHost: max(256, cfg.Limits.Concurrency),
	}
	if cfg.EgressProxy != "" {
		via, err := url.Parse(cfg.EgressProxy.Reveal())
		if err != nil { // which has the URL in its text
			return nil, errors.New("config: egress: the proxy's URL cannot be read")
		}
		out.Proxy = via
	}
	if s.inboxesOff() == nil {
		out.Inbox = &egress.Inbox{Base: cfg.OwnURL, Receive: s.receiveOwn}
	}
	var err error
	if s.egress, err = egress.New(out); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if err := s.dir.init(cfg, s.egress); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	s.clock = newEngineClock(s.keys.newest)
	s.keys.clock = s.clock
	s.onEndpoint = s.endpointChanged
	s.stream = newStreamHub(cfg.Limits.Streams)
	s.dispatcher = newDispatcher(s)
	s.settler = newSettler(s)
	s.marker = &marker{svc: s}
	s.claimer = newClaimer(s)
	s.janitor = newJanitor(s)
	s.tallies = newTallies(s)
	return s, nil
}

// Start joins the store as a node, loads the configuration and starts to
// deliver. It returns as soon as publishing works; what an earlier process
// left is taken over behind it. The context bounds the start itself; its
// values stay with the service, its end does not stop it.
func (s *Service) Start(ctx context.Context) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.state != notStarted {
		return errors.New("start: the service was started before")
	}
	if s.cfg.Node == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		s.cfg.Node = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	at := time.Now()
	lease, err := s.store.Join(ctx, s.nodeInfo())
	if err != nil {
		return fmt.Errorf("start: join: %w", err)
	}
	if !lease.Shared && s.cfg.Role != RoleAll {
		return s.leaveAfter(ctx, lease, fmt.Errorf("the role %s needs a store that nodes share", s.cfg.Role))
	}
	counters, err := s.arrive(ctx, &lease, at)
	if err != nil {
		s.lease.Store(nil)
		return s.leaveAfter(ctx, lease, err)
	}
	s.dispatcher.restore(counters, s.clock.now())
	s.state = started
	s.startedAt.Store(&at)
	s.launch(context.WithoutCancel(ctx))
	return nil
}

// leaveTimeout is how long a start that failed tries to give its lease back.
const leaveTimeout = 5 * time.Second

// leaveAfter gives the lease of a start that failed back: nobody has to find it dead.
func (s *Service) leaveAfter(ctx context.Context, lease Lease, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	return errors.Join(fmt.Errorf("start: %w", err), s.store.Leave(ctx, lease))
}

// arrive reads what a node that has just joined must know, and the endpoints' health.
func (s *Service) arrive(ctx context.Context, lease *Lease, at time.Time) ([]Counters, error) {
	s.confirm(at)
	s.lease.Store(lease)
	s.keys.start(lease.Slot, lease.LastKey)
	if !lease.Shared { // there the next keys of a slot lie ahead, and the time is the store's
		s.clock.resume(lease.LastKey)
	} else {
		defer s.beatMeanwhile(ctx)()
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	s.configRead(at)
	if lease.Shared {
		if err := s.lookAround(ctx); err != nil {
			return nil, fmt.Errorf("look for other nodes: %w", err)
		}
	}
	counters, err := s.store.AllCounters(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the endpoints' health: %w", err)
	}
	if lease.Shared && !s.knowsConfig() { // all that took its time
		if _, err := s.lookAtConfig(ctx, configMost); err != nil {
			return nil, err
		}
	}
	return counters, nil
}

// launch starts the goroutines; each is stopped by its teardown step.
func (s *Service) launch(ctx context.Context) {
	s.sending, s.cutOff = context.WithCancel(ctx)
	s.push("leave", func(context.Context) error {
		if err := s.closing.Err(); err != nil { // the store does not answer: the lease ends by itself
			return err
		}
		return s.store.Leave(s.closing, *s.lease.Load())
	})
	// Until the last outcome is written the node is alive: nobody may adopt what
	// it has in hand.
	beat, stopBeat := context.WithCancel(ctx)
	var beating sync.WaitGroup
	if s.shared() {
		beating.Go(func() { s.heartbeat(beat) })
		beating.Go(func() { s.watchConfig(beat) })
		beating.Go(func() { s.watchNodes(beat) })
	}
	s.push("stop the heartbeat", func(context.Context) error { stopBeat(); beating.Wait(); return nil })
	tally, stopTallies := context.WithCancel(ctx)
	go s.tallies.run(tally)
	s.push("write statistics", func(context.Context) error {
		stopTallies()
		<-s.tallies.done
		if s.closing.Err() == nil {
			s.tallies.flush(s.closing)
		}
		return nil
	})
	settle, stopSettler := context.WithCancel(ctx)
	go s.settler.run(settle)
	s.push("write outcomes", func(context.Context) error { stopSettler(); <-s.settler.done; return nil })
	s.push("finish attempts", s.finishAttempts)
	background, stopBackground := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, run := range []func(context.Context){s.janitor.run, s.janitor.hold, s.janitor.takeOver, s.janitor.clean} {
		running.Go(func() { run(background) })
	}
	if s.cfg.Role.Delivers() {
		running.Go(func() { s.claimer.run(background) })
	}
	s.push("stop claiming", func(context.Context) error { stopBackground(); running.Wait(); return nil })
	s.push("stop intake", func(context.Context) error { s.Drain(); return nil })
}

func (s *Service) push(name string, stop func(context.Context) error) {
	s.teardown = append(s.teardown, teardownStep{name, stop})
}

// finishAttempts waits for the attempts under way; at the end of ctx it cuts
// them off, and their deliveries are released to be sent again. What is left of
// the grace then, less what the store may take for a call, is for the last writes
// together, and closingWait at least.
func (s *Service) finishAttempts(ctx context.Context) error {
	defer func() {
		end := time.Now().Add(closingWait)
		if grace, ok := ctx.Deadline(); ok && grace.Add(-closingWait).After(end) {
			end = grace.Add(-closingWait) // a call under way then ends within the grace
		}
		s.closing, s.closed = context.WithDeadline(context.WithoutCancel(ctx), end)
	}()
	err := s.dispatcher.stop(ctx)
	s.cutOff()
	if err != nil {
		s.log.Warn("attempts were cut off at the end of the grace; their deliveries are sent again")
		s.dispatcher.workers.Wait()
	}
	s.egress.CloseIdle()
	return nil
}

// Stop ends intake (publishing answers CodeDraining), lets attempts under way
// finish until ctx ends, gives back what was not sent and writes all outcomes.
// It may be called more than once, and before Start.
func (s *Service) Stop(ctx context.Context) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	wasStarted := s.state == started
	s.state = stopped
	if !wasStarted {
		return nil
	}
	var errs []error
	for i := len(s.teardown) - 1; i >= 0; i-- {
		if err := s.teardown[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop: %s: %w", s.teardown[i].name, err))
		}
	}
	s.closed()
	return errors.Join(errs...)
}

// Drain ends intake: publishing answers CodeDraining from now on, and Ready
// says so; streams end. Stop does it too; a server calls it some time before,
// so that load balancers notice.
func (s *Service) Drain() {
	s.draining.Store(true)
	s.stream.Close()
}

// Ready is nil while this node does its work, or says why it does not.
func (s *Service) Ready() error {
	switch {
	case s.draining.Load():
		return errorf(CodeDraining, "the server is shutting down")
	case s.startedAt.Load() == nil:
		return errorf(CodeUnavailable, "the service has not started")
	case s.shared() && !s.knowsConfig():
		return errorf(CodeUnavailable, "the configuration cannot be read now")
	case !s.mayStart():
		return errorf(CodeUnavailable, "the store does not answer")
	}
	return nil
}

// StartedAt is when the service began to start; zero before it has.
func (s *Service) StartedAt() time.Time {
	if at := s.startedAt.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Config is the configuration with its defaults filled in.
func (s *Service) Config() Config { return s.cfg }

// Formats are the formats, retry policies and profiles of this server.
func (s *Service) Formats() *format.Set { return s.dir.formats }

// Load is what a node has in hand at this moment, for metrics.
type Load struct {
	InFlight     int   // attempts being made
	Queued       int   // deliveries in memory queues
	Outcomes     int   // outcomes not yet durable
	BodyBytes    int64 // bodies kept with queued deliveries
	PublishBytes int64 // bodies of events that wait to be durable
	BreakersOpen int   // endpoints that only probes go to
}

// Load tells what the node has in hand.
func (s *Service) Load() Load {
	d := s.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	l := Load{InFlight: d.inFlight, Queued: d.queued, Outcomes: d.outcomes, BodyBytes: d.bodyBytes, PublishBytes: s.publishing.Load()}
	for _, q := range d.queues {
		if q.pace.health.Open {
			l.BreakersOpen++
		}
	}
	return l
}

// OldestDue is since when the longest waiting due delivery waits in the store;
// zero when nothing is due. What is held is not due, and was not while it was held.
// Errors: CodeUnavailable.
func (s *Service) OldestDue(ctx context.Context) (time.Time, error) {
	due, err := s.store.Due(ctx, s.clock.now())
	if err != nil {
		return time.Time{}, storeFailed("due", err)
	}
	var oldest time.Time
	for _, d := range due {
		e := s.dir.endpoint(d.Endpoint)
		if e == nil || e.State != EndpointActive { // held, or canceled
			continue
		}
		at := d.NextAt
		if at.Before(e.StateSince) {
			at = e.StateSince
		}
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest, nil
}

// Counters are the stored ledgers of all endpoints, for metrics. Errors:
// CodeUnavailable.
func (s *Service) Counters(ctx context.Context) ([]Counters, error) {
	all, err := s.store.AllCounters(ctx)
	if err != nil {
		return nil, storeFailed("counters", err)
	}
	return all, nil
}

// StoreStats are the store's own figures, for metrics. Errors: CodeUnavailable.
func (s *Service) StoreStats(ctx context.Context) (StoreStats, error) {
	stats, err := s.store.Stats(ctx)
	if err != nil {
		return StoreStats{}, storeFailed("store", err)
	}
	return stats, nil
}

// refresh brings the directory up to the store's configuration version. Every
// change of an agent, endpoint, event type or key ends with it, before the
// caller gets its answer, so that the next publish sees the change.
func (s *Service) refresh(ctx context.Context) error {
	if err := s.refreshing.Lock(ctx); err != nil {
		return fmt.Errorf("refresh configuration: %w", err)
	}
	defer s.refreshing.Unlock()
	change, err := s.store.ConfigSince(ctx, s.dir.version.Load())
	if err != nil {
		return fmt.Errorf("refresh configuration: %w", err)
	}
	return s.apply(change)
}

// endpointChanged is called once for each change of an endpoint, whichever
// node made it, after the directory has it, in the order of the changes.
func (s *Service) endpointChanged(old, new *Endpoint) {
	s.dispatcher.endpointChanged(old, new)
	if old != nil && new.CancelUpTo > old.CancelUpTo {
		s.janitor.cancel(new)
	}
	s.tellEndpoint(new)
	s.claimer.dueAt(s.clock.now())
}
