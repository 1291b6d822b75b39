package waybell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/waybell/waybell/internal/egress"
)

// Service is a running Waybell node. Make it with [New], then [Service.Start];
// all other methods need a started service. It is safe for concurrent use.
type Service struct {
	cfg   Config
	log   *slog.Logger
	store Store
	lease atomic.Pointer[Lease]
	keys  keyMaker
	dir   directory

	refreshing sync.Mutex // one refresh of the directory at a time
	outbound   *egress.Client
	// onEndpoint, set before Start, is told of changes: see endpointChanged.
	onEndpoint func(old, new *Endpoint)
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
	s := &Service{cfg: cfg, log: cfg.Logger, store: cfg.Store}
	var err error
	s.outbound, err = egress.New(egress.Config{Allow: cfg.AllowTargets, Resolver: cfg.Resolver, TLS: cfg.TLS, Dial: cfg.Dial})
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if err := s.dir.init(cfg, s.outbound); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return s, nil
}

// Start joins the store as a node, loads the configuration and starts to
// deliver. It returns as soon as publishing works; what an earlier process
// left is taken over behind it. The context only bounds the start itself.
func (s *Service) Start(ctx context.Context) error {
	lease, err := s.store.Join(ctx, s.cfg.Node)
	if err != nil {
		return fmt.Errorf("start: join: %w", err)
	}
	s.lease.Store(&lease)
	s.keys.start(lease.Slot, lease.LastKey)
	return s.refresh(ctx)
}

// Stop ends intake, lets attempts under way finish until ctx ends, gives back
// what was not sent and writes all outcomes. It may be called more than once,
// and before Start.
func (s *Service) Stop(ctx context.Context) error { return nil }

// Config is the configuration with its defaults filled in.
func (s *Service) Config() Config { return s.cfg }

// refresh brings the directory up to the store's configuration version. Every
// change of an agent, endpoint, event type or key ends with it, before the
// caller gets its answer, so that the next publish sees the change.
func (s *Service) refresh(ctx context.Context) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	change, err := s.store.ConfigSince(ctx, s.dir.version.Load())
	if err != nil {
		return fmt.Errorf("refresh configuration: %w", err)
	}
	return s.apply(change)
}
