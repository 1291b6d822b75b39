package waybell_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/sqlite"
)

// configStore is a real store with faults on demand in what concerns the
// configuration.
type configStore struct {
	waybell.Store

	mu sync.Mutex
	// fault, when set, is asked before each method; its error is returned.
	fault func(method string) error
}

// openConfigStore opens a store that outlives the services of the test.
func openConfigStore(t testing.TB) *configStore {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &configStore{Store: store}
}

// rows returns all stored configuration rows.
func (s *configStore) rows(t testing.TB) waybell.ConfigChange {
	t.Helper()
	change, err := s.Store.ConfigSince(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

func (s *configStore) failing(method string) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(method)
}

func (s *configStore) setFault(fault func(method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *configStore) ConfigVersion(ctx context.Context) (z0 int64, err error) {
	if err := s.failing("ConfigVersion"); err != nil {
		return z0, err
	}
	return s.Store.ConfigVersion(ctx)
}

func (s *configStore) ConfigSince(ctx context.Context, a int64) (z0 waybell.ConfigChange, err error) {
	if err := s.failing("ConfigSince"); err != nil {
		return z0, err
	}
	return s.Store.ConfigSince(ctx, a)
}

func (s *configStore) CreateAgent(ctx context.Context, a waybell.Agent) (z0 waybell.Agent, err error) {
	if err := s.failing("CreateAgent"); err != nil {
		return z0, err
	}
	return s.Store.CreateAgent(ctx, a)
}

func (s *configStore) UpdateAgent(ctx context.Context, a waybell.Agent) (z0 waybell.Agent, err error) {
	if err := s.failing("UpdateAgent"); err != nil {
		return z0, err
	}
	return s.Store.UpdateAgent(ctx, a)
}

func (s *configStore) DeleteAgent(ctx context.Context, a waybell.Agent, b waybell.Key) error {
	if err := s.failing("DeleteAgent"); err != nil {
		return err
	}
	return s.Store.DeleteAgent(ctx, a, b)
}

func (s *configStore) Agent(ctx context.Context, a string) (z0 waybell.Agent, err error) {
	if err := s.failing("Agent"); err != nil {
		return z0, err
	}
	return s.Store.Agent(ctx, a)
}

func (s *configStore) Agents(ctx context.Context, a waybell.PageQuery) (z0 []waybell.Agent, err error) {
	if err := s.failing("Agents"); err != nil {
		return z0, err
	}
	return s.Store.Agents(ctx, a)
}

func (s *configStore) CreateEndpoint(ctx context.Context, a waybell.Endpoint, b int) (z0 waybell.Endpoint, err error) {
	if err := s.failing("CreateEndpoint"); err != nil {
		return z0, err
	}
	z0, err = s.Store.CreateEndpoint(ctx, a, b)
	return z0, errors.Join(err, s.failing("CreateEndpoint done"))
}

func (s *configStore) UpdateEndpoint(ctx context.Context, a waybell.Endpoint) (z0 waybell.Endpoint, err error) {
	if err := s.failing("UpdateEndpoint"); err != nil {
		return z0, err
	}
	return s.Store.UpdateEndpoint(ctx, a)
}

func (s *configStore) Endpoint(ctx context.Context, a waybell.AgentNumber, b string) (z0 waybell.Endpoint, err error) {
	if err := s.failing("Endpoint"); err != nil {
		return z0, err
	}
	return s.Store.Endpoint(ctx, a, b)
}

func (s *configStore) Endpoints(ctx context.Context, a waybell.AgentNumber, b waybell.PageQuery) (z0 []waybell.Endpoint, err error) {
	if err := s.failing("Endpoints"); err != nil {
		return z0, err
	}
	return s.Store.Endpoints(ctx, a, b)
}

func (s *configStore) PutEventType(ctx context.Context, a waybell.EventType) (z0 waybell.EventType, z1 bool, err error) {
	if err := s.failing("PutEventType"); err != nil {
		return z0, z1, err
	}
	return s.Store.PutEventType(ctx, a)
}

func (s *configStore) DeleteEventType(ctx context.Context, a string, b time.Time) error {
	if err := s.failing("DeleteEventType"); err != nil {
		return err
	}
	return s.Store.DeleteEventType(ctx, a, b)
}

func (s *configStore) CreateKey(ctx context.Context, a waybell.APIKey) (z0 waybell.APIKey, err error) {
	if err := s.failing("CreateKey"); err != nil {
		return z0, err
	}
	return s.Store.CreateKey(ctx, a)
}

func (s *configStore) RevokeKey(ctx context.Context, a string, b time.Time) error {
	if err := s.failing("RevokeKey"); err != nil {
		return err
	}
	return s.Store.RevokeKey(ctx, a, b)
}

func (s *configStore) ReplaceRootKey(ctx context.Context, a waybell.APIKey) error {
	if err := s.failing("ReplaceRootKey"); err != nil {
		return err
	}
	return s.Store.ReplaceRootKey(ctx, a)
}

func (s *configStore) Keys(ctx context.Context, a string, b int) (z0 []waybell.APIKey, err error) {
	if err := s.failing("Keys"); err != nil {
		return z0, err
	}
	return s.Store.Keys(ctx, a, b)
}
