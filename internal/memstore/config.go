package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// ConfigVersion implements [waybell.ConfigStore].
func (s *Store) ConfigVersion(ctx context.Context) (int64, error) {
	return read(s, ctx, "ConfigVersion", func() (int64, error) { return s.version, nil })
}

// ConfigSince implements [waybell.ConfigStore].
func (s *Store) ConfigSince(ctx context.Context, version int64) (waybell.ConfigChange, error) {
	return read(s, ctx, "ConfigSince", func() (waybell.ConfigChange, error) {
		c := waybell.ConfigChange{Version: s.version}
		for _, a := range s.agents {
			if a.Version > version {
				c.Agents = append(c.Agents, copyAgent(a))
			}
		}
		for _, e := range s.endpoints {
			if e.Version > version {
				shown := copyEndpoint(e)
				if s.flaws.SendHeld && s.opts.Fault != nil && e.IsHeld() { // for nodes only
					shown.State = waybell.EndpointActive
				}
				c.Endpoints = append(c.Endpoints, shown)
			}
		}
		for _, name := range sorted(s.eventTypes) {
			if t := s.eventTypes[name]; t.Version > version {
				c.EventTypes = append(c.EventTypes, *t)
			}
		}
		for _, k := range s.keys {
			if k.Version > version {
				c.Keys = append(c.Keys, *k)
			}
		}
		return c, nil
	})
}

// next is the version of a change under way. The lock is held.
func (d *data) next() int64 {
	d.version++
	return d.version
}

func copyAgent(a *waybell.Agent) waybell.Agent {
	c := *a
	c.Metadata = bytes.Clone(a.Metadata)
	c.AvailableEvents = slices.Clone(a.AvailableEvents)
	return c
}

// copyEndpoint leaves out what is stored only inside Sealed.
func copyEndpoint(e *waybell.Endpoint) waybell.Endpoint {
	c := *e
	c.Headers, c.Secrets = nil, nil
	c.Events = slices.Clone(e.Events)
	c.Retry.Schedule = slices.Clone(e.Retry.Schedule)
	c.Sealed = bytes.Clone(e.Sealed)
	return c
}

// livingAgent finds an agent by number. The lock is held.
func (d *data) livingAgent(n waybell.AgentNumber) (*waybell.Agent, error) {
	if n < 1 || int(n) > len(d.agents) || !d.agents[n-1].DeletedAt.IsZero() {
		return nil, fmt.Errorf("agent %d: %w", n, waybell.ErrNotFound)
	}
	return d.agents[n-1], nil
}

// agentByID finds a living agent. The lock is held.
func (d *data) agentByID(id string) *waybell.Agent {
	for _, a := range d.agents {
		if a.ID == id && a.DeletedAt.IsZero() {
			return a
		}
	}
	return nil
}

// CreateAgent implements [waybell.AgentStore].
func (s *Store) CreateAgent(ctx context.Context, a waybell.Agent) (waybell.Agent, error) {
	return write(s, ctx, "CreateAgent", func() (waybell.Agent, error) {
		if s.agentByID(a.ID) != nil {
			return a, fmt.Errorf("agent %q: %w", a.ID, waybell.ErrExists)
		}
		a.Number, a.Version = waybell.AgentNumber(len(s.agents)+1), s.next()
		c := copyAgent(&a)
		s.agents = append(s.agents, &c)
		return a, nil
	})
}

// UpdateAgent implements [waybell.AgentStore].
func (s *Store) UpdateAgent(ctx context.Context, a waybell.Agent) (waybell.Agent, error) {
	return write(s, ctx, "UpdateAgent", func() (waybell.Agent, error) {
		old, err := s.livingAgent(a.Number)
		if err != nil {
			return a, err
		}
		if old.Version != a.Version {
			return a, fmt.Errorf("agent %q: %w", a.ID, waybell.ErrConflict)
		}
		a.Version = s.next()
		*old = copyAgent(&a)
		return a, nil
	})
}

// DeleteAgent implements [waybell.AgentStore].
func (s *Store) DeleteAgent(ctx context.Context, a waybell.Agent, cancelUpTo waybell.Key) error {
	_, err := write(s, ctx, "DeleteAgent", func() (done, error) {
		old, err := s.livingAgent(a.Number)
		if err != nil {
			return done{}, err
		}
		if a.Version != 0 && a.Version != old.Version {
			return done{}, fmt.Errorf("agent %q: %w", a.ID, waybell.ErrConflict)
		}
		at := a.DeletedAt
		if at.IsZero() {
			at = cancelUpTo.Time()
		}
		old.Version, old.UpdatedAt, old.DeletedAt = s.next(), at, at
		for _, e := range s.endpoints {
			if e.Agent == a.Number && lives(e) {
				e.State, e.StateSince, e.UpdatedAt, e.DeletedAt = waybell.EndpointDeleted, at, at, at
				e.CancelUpTo, e.Version = max(e.CancelUpTo, cancelUpTo), old.Version
			}
		}
		for _, in := range s.inboxes {
			if in != nil && in.Agent == a.Number && in.ExpiresAt.After(at) {
				in.ExpiresAt = at
			}
		}
		return done{}, nil
	})
	return err
}

// Agent implements [waybell.AgentStore].
func (s *Store) Agent(ctx context.Context, id string) (waybell.Agent, error) {
	return read(s, ctx, "Agent", func() (waybell.Agent, error) {
		a := s.agentByID(id)
		if a == nil {
			return waybell.Agent{}, fmt.Errorf("agent %q: %w", id, waybell.ErrNotFound)
		}
		return copyAgent(a), nil
	})
}

// Agents implements [waybell.AgentStore].
func (s *Store) Agents(ctx context.Context, q waybell.PageQuery) ([]waybell.Agent, error) {
	return read(s, ctx, "Agents", func() ([]waybell.Agent, error) {
		var living []waybell.Agent
		for _, a := range s.agents {
			if a.DeletedAt.IsZero() {
				living = append(living, copyAgent(a))
			}
		}
		return falling(living, func(a waybell.Agent) int64 { return int64(a.Number) }, q), nil
	})
}

// PutEventType implements [waybell.EventTypeStore].
func (s *Store) PutEventType(ctx context.Context, t waybell.EventType) (waybell.EventType, bool, error) {
	fresh := false
	made, err := write(s, ctx, "PutEventType", func() (waybell.EventType, error) {
		old := s.eventTypes[t.Name]
		if fresh = old == nil || !old.DeletedAt.IsZero(); !fresh {
			t.CreatedAt = old.CreatedAt
		}
		t.DeletedAt, t.Version = time.Time{}, s.next()
		c := t
		s.eventTypes[t.Name] = &c
		return t, nil
	})
	return made, fresh, err
}

// DeleteEventType implements [waybell.EventTypeStore].
func (s *Store) DeleteEventType(ctx context.Context, name string, now time.Time) error {
	_, err := write(s, ctx, "DeleteEventType", func() (done, error) {
		t := s.eventTypes[name]
		if t == nil || !t.DeletedAt.IsZero() {
			return done{}, fmt.Errorf("event type %q: %w", name, waybell.ErrNotFound)
		}
		t.DeletedAt, t.Version = now, s.next()
		return done{}, nil
	})
	return err
}

// workingKey finds a key that works. The lock is held.
func (d *data) workingKey(is func(*waybell.APIKey) bool) *waybell.APIKey {
	for _, k := range d.keys {
		if k.RevokedAt.IsZero() && is(k) {
			return k
		}
	}
	return nil
}

// CreateKey implements [waybell.KeyStore].
func (s *Store) CreateKey(ctx context.Context, k waybell.APIKey) (waybell.APIKey, error) {
	return write(s, ctx, "CreateKey", func() (waybell.APIKey, error) {
		if s.workingKey(func(o *waybell.APIKey) bool { return o.Hash == k.Hash }) != nil {
			return k, fmt.Errorf("key: %w", waybell.ErrExists)
		}
		k.Version = s.next()
		c := k
		s.keys = append(s.keys, &c)
		return k, nil
	})
}

// RevokeKey implements [waybell.KeyStore].
func (s *Store) RevokeKey(ctx context.Context, id string, now time.Time) error {
	_, err := write(s, ctx, "RevokeKey", func() (done, error) {
		k := s.workingKey(func(o *waybell.APIKey) bool { return o.ID == id })
		if k == nil {
			return done{}, fmt.Errorf("key %q: %w", id, waybell.ErrNotFound)
		}
		k.RevokedAt, k.Version = now, s.next()
		return done{}, nil
	})
	return err
}

// ReplaceRootKey implements [waybell.KeyStore].
func (s *Store) ReplaceRootKey(ctx context.Context, k waybell.APIKey) error {
	_, err := write(s, ctx, "ReplaceRootKey", func() (done, error) {
		if same := s.workingKey(func(o *waybell.APIKey) bool { return o.Hash == k.Hash }); same != nil {
			if same.Root {
				return done{}, nil
			}
			return done{}, fmt.Errorf("key: %w", waybell.ErrExists)
		}
		v := s.next()
		for _, o := range s.keys {
			if o.Root && o.RevokedAt.IsZero() {
				o.RevokedAt, o.Version = k.CreatedAt, v
			}
		}
		k.Root, k.Version = true, v
		s.keys = append(s.keys, &k)
		return done{}, nil
	})
	return err
}

// Keys implements [waybell.KeyStore].
func (s *Store) Keys(ctx context.Context, after string, limit int) ([]waybell.APIKey, error) {
	return read(s, ctx, "Keys", func() (list []waybell.APIKey, err error) {
		from := after == ""
		for _, k := range slices.Backward(s.keys) {
			if from && k.RevokedAt.IsZero() && len(list) < limit {
				list = append(list, *k)
			}
			from = from || k.ID == after
		}
		if !from {
			return nil, fmt.Errorf("key %q: %w", after, waybell.ErrNotFound)
		}
		return list, nil
	})
}

// Setting implements [waybell.SettingStore].
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	return read(s, ctx, "Setting", func() ([]byte, error) {
		v, ok := s.settings[name]
		if !ok {
			return nil, fmt.Errorf("setting %q: %w", name, waybell.ErrNotFound)
		}
		return bytes.Clone(v), nil
	})
}

// PutSetting implements [waybell.SettingStore].
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	_, err := write(s, ctx, "PutSetting", func() (done, error) {
		s.settings[name] = bytes.Clone(value)
		return done{}, nil
	})
	return err
}
