package waybell_test

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

// configStore keeps the configuration in memory, with faults on demand. What it
// lacks of a store panics.
type configStore struct {
	waybell.Store

	mu        sync.Mutex
	version   int64
	nodes     int
	agents    []waybell.Agent
	endpoints []waybell.Endpoint
	types     []waybell.EventType
	keys      []waybell.APIKey

	// fault, when set, is asked before each method; its error is returned.
	fault func(method string) error
}

func (s *configStore) begin(method string) (func(), error) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		if err := fault(method); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

func (s *configStore) setFault(fault func(method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *configStore) raise() int64 {
	s.version++
	return s.version
}

func (s *configStore) Join(context.Context, string) (waybell.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes++
	return waybell.Lease{Node: int64(s.nodes), Epoch: 1, Slot: s.nodes}, nil
}

func (s *configStore) ConfigVersion(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, nil
}

func (s *configStore) ConfigSince(_ context.Context, v int64) (waybell.ConfigChange, error) {
	end, err := s.begin("ConfigSince")
	if err != nil {
		return waybell.ConfigChange{}, err
	}
	defer end()
	return waybell.ConfigChange{
		Version:    s.version,
		Agents:     since(s.agents, func(a waybell.Agent) bool { return a.Version > v }),
		Endpoints:  since(s.endpoints, func(e waybell.Endpoint) bool { return e.Version > v }),
		EventTypes: since(s.types, func(t waybell.EventType) bool { return t.Version > v }),
		Keys:       since(s.keys, func(k waybell.APIKey) bool { return k.Version > v }),
	}, nil
}

func since[T any](rows []T, newer func(T) bool) []T {
	var out []T
	for _, r := range rows {
		if newer(r) {
			out = append(out, r)
		}
	}
	return out
}

func (s *configStore) livingAgent(id string) *waybell.Agent {
	for i := range s.agents {
		if s.agents[i].ID == id && s.agents[i].DeletedAt.IsZero() {
			return &s.agents[i]
		}
	}
	return nil
}

func (s *configStore) CreateAgent(_ context.Context, a waybell.Agent) (waybell.Agent, error) {
	end, err := s.begin("CreateAgent")
	if err != nil {
		return waybell.Agent{}, err
	}
	defer end()
	if s.livingAgent(a.ID) != nil {
		return waybell.Agent{}, waybell.ErrExists
	}
	a.Number, a.Version = waybell.AgentNumber(len(s.agents)+1), s.raise()
	s.agents = append(s.agents, a)
	return a, nil
}

func (s *configStore) UpdateAgent(_ context.Context, a waybell.Agent) (waybell.Agent, error) {
	end, err := s.begin("UpdateAgent")
	if err != nil {
		return waybell.Agent{}, err
	}
	defer end()
	row := s.livingAgent(a.ID)
	switch {
	case row == nil:
		return waybell.Agent{}, waybell.ErrNotFound
	case row.Version != a.Version:
		return waybell.Agent{}, waybell.ErrConflict
	}
	a.Version = s.raise()
	*row = a
	return a, nil
}

func (s *configStore) DeleteAgent(_ context.Context, a waybell.Agent, upTo waybell.Key) error {
	end, err := s.begin("DeleteAgent")
	if err != nil {
		return err
	}
	defer end()
	row := s.livingAgent(a.ID)
	switch {
	case row == nil:
		return waybell.ErrNotFound
	case a.Version != 0 && row.Version != a.Version:
		return waybell.ErrConflict
	}
	v := s.raise()
	row.Version, row.DeletedAt = v, a.DeletedAt
	for i := range s.endpoints {
		if e := &s.endpoints[i]; e.Agent == row.Number && e.DeletedAt.IsZero() {
			e.Version, e.DeletedAt, e.State, e.CancelUpTo = v, a.DeletedAt, waybell.EndpointDeleted, upTo
		}
	}
	return nil
}

func (s *configStore) Agent(_ context.Context, id string) (waybell.Agent, error) {
	end, err := s.begin("Agent")
	if err != nil {
		return waybell.Agent{}, err
	}
	defer end()
	if a := s.livingAgent(id); a != nil {
		return *a, nil
	}
	return waybell.Agent{}, waybell.ErrNotFound
}

func (s *configStore) Agents(_ context.Context, q waybell.PageQuery) ([]waybell.Agent, error) {
	end, err := s.begin("Agents")
	if err != nil {
		return nil, err
	}
	defer end()
	rows := since(s.agents, func(a waybell.Agent) bool {
		return a.DeletedAt.IsZero() && (q.After == 0 || int64(a.Number) < q.After)
	})
	slices.Reverse(rows)
	return rows[:min(q.Limit, len(rows))], nil
}

func (s *configStore) livingEndpoint(agent waybell.AgentNumber, id string) *waybell.Endpoint {
	for i := range s.endpoints {
		if e := &s.endpoints[i]; e.Agent == agent && e.ID == id && e.DeletedAt.IsZero() {
			return e
		}
	}
	return nil
}

// stored is what a store keeps of an endpoint: never the plain secrets.
func stored(e waybell.Endpoint) waybell.Endpoint {
	e.Headers, e.Secrets = nil, nil
	e.Sealed = bytes.Clone(e.Sealed)
	return e
}

func (s *configStore) CreateEndpoint(_ context.Context, e waybell.Endpoint, limit int) (waybell.Endpoint, error) {
	end, err := s.begin("CreateEndpoint")
	if err != nil {
		return waybell.Endpoint{}, err
	}
	defer end()
	living := since(s.endpoints, func(o waybell.Endpoint) bool { return o.Agent == e.Agent && o.DeletedAt.IsZero() })
	if limit > 0 && len(living) >= limit {
		return waybell.Endpoint{}, waybell.ErrConflict
	}
	e.Number, e.Version = waybell.EndpointNumber(len(s.endpoints)+1), s.raise()
	s.endpoints = append(s.endpoints, stored(e))
	return e, nil
}

func (s *configStore) UpdateEndpoint(_ context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	end, err := s.begin("UpdateEndpoint")
	if err != nil {
		return waybell.Endpoint{}, err
	}
	defer end()
	row := s.livingEndpoint(e.Agent, e.ID)
	switch {
	case row == nil:
		return waybell.Endpoint{}, waybell.ErrNotFound
	case row.Version != e.Version:
		return waybell.Endpoint{}, waybell.ErrConflict
	}
	e.Version = s.raise()
	*row = stored(e)
	return e, nil
}

func (s *configStore) Endpoint(_ context.Context, agent waybell.AgentNumber, id string) (waybell.Endpoint, error) {
	end, err := s.begin("Endpoint")
	if err != nil {
		return waybell.Endpoint{}, err
	}
	defer end()
	if e := s.livingEndpoint(agent, id); e != nil {
		return stored(*e), nil
	}
	return waybell.Endpoint{}, waybell.ErrNotFound
}

func (s *configStore) Endpoints(_ context.Context, agent waybell.AgentNumber, q waybell.PageQuery) ([]waybell.Endpoint, error) {
	end, err := s.begin("Endpoints")
	if err != nil {
		return nil, err
	}
	defer end()
	rows := since(s.endpoints, func(e waybell.Endpoint) bool {
		return e.Agent == agent && e.DeletedAt.IsZero() && (q.After == 0 || int64(e.Number) < q.After)
	})
	slices.Reverse(rows)
	return rows[:min(q.Limit, len(rows))], nil
}

func (s *configStore) PutEventType(_ context.Context, t waybell.EventType) (waybell.EventType, bool, error) {
	end, err := s.begin("PutEventType")
	if err != nil {
		return waybell.EventType{}, false, err
	}
	defer end()
	t.Version = s.raise()
	for i := range s.types {
		if have := &s.types[i]; have.Name == t.Name {
			created := !have.DeletedAt.IsZero()
			*have = t
			return t, created, nil
		}
	}
	s.types = append(s.types, t)
	return t, true, nil
}

func (s *configStore) DeleteEventType(_ context.Context, name string, now time.Time) error {
	end, err := s.begin("DeleteEventType")
	if err != nil {
		return err
	}
	defer end()
	for i := range s.types {
		if t := &s.types[i]; t.Name == name && t.DeletedAt.IsZero() {
			t.DeletedAt, t.Version = now, s.raise()
			return nil
		}
	}
	return waybell.ErrNotFound
}

func (s *configStore) CreateKey(_ context.Context, k waybell.APIKey) (waybell.APIKey, error) {
	end, err := s.begin("CreateKey")
	if err != nil {
		return waybell.APIKey{}, err
	}
	defer end()
	k.Version = s.raise()
	s.keys = append(s.keys, k)
	return k, nil
}

func (s *configStore) RevokeKey(_ context.Context, id string, now time.Time) error {
	end, err := s.begin("RevokeKey")
	if err != nil {
		return err
	}
	defer end()
	for i := range s.keys {
		if k := &s.keys[i]; k.ID == id && k.RevokedAt.IsZero() {
			k.RevokedAt, k.Version = now, s.raise()
			return nil
		}
	}
	return waybell.ErrNotFound
}

func (s *configStore) ReplaceRootKey(_ context.Context, k waybell.APIKey) error {
	end, err := s.begin("ReplaceRootKey")
	if err != nil {
		return err
	}
	defer end()
	v := s.raise()
	for i := range s.keys {
		old := &s.keys[i]
		if !old.Root || !old.RevokedAt.IsZero() {
			continue
		}
		if old.Hash == k.Hash {
			return nil
		}
		old.RevokedAt, old.Version = k.CreatedAt, v
	}
	k.Version = v
	s.keys = append(s.keys, k)
	return nil
}

func (s *configStore) Keys(_ context.Context, after string, limit int) ([]waybell.APIKey, error) {
	end, err := s.begin("Keys")
	if err != nil {
		return nil, err
	}
	defer end()
	rows := since(s.keys, func(k waybell.APIKey) bool { return k.RevokedAt.IsZero() })
	slices.SortFunc(rows, func(a, b waybell.APIKey) int { return cmp.Compare(b.ID, a.ID) })
	if after != "" {
		i := slices.IndexFunc(rows, func(k waybell.APIKey) bool { return k.ID < after })
		if i < 0 {
			return nil, nil
		}
		rows = rows[i:]
	}
	return rows[:min(limit, len(rows))], nil
}
