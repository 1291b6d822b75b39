package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/waybell/waybell"
)

// livingEndpoint finds an endpoint by number. The lock is held.
func (d *data) livingEndpoint(n waybell.EndpointNumber) *waybell.Endpoint {
	if n < 1 || int(n) > len(d.endpoints) || !lives(d.endpoints[n-1]) {
		return nil
	}
	return d.endpoints[n-1]
}

func lives(e *waybell.Endpoint) bool {
	return e.State != waybell.EndpointDeleted && e.DeletedAt.IsZero()
}

// endpointsOf are an agent's living endpoints, rising. The lock is held.
func (d *data) endpointsOf(agent waybell.AgentNumber) []*waybell.Endpoint {
	var list []*waybell.Endpoint
	for _, e := range d.endpoints {
		if e.Agent == agent && lives(e) {
			list = append(list, e)
		}
	}
	return list
}

// CreateEndpoint implements [waybell.EndpointStore].
func (s *Store) CreateEndpoint(ctx context.Context, e waybell.Endpoint, limit int) (waybell.Endpoint, error) {
	return write(s, ctx, "CreateEndpoint", func() (waybell.Endpoint, error) {
		if _, err := s.livingAgent(e.Agent); err != nil {
			return e, err
		}
		if limit > 0 && len(s.endpointsOf(e.Agent)) >= limit {
			return e, fmt.Errorf("the agent has %d endpoints: %w", limit, waybell.ErrConflict)
		}
		e.Number, e.Version = waybell.EndpointNumber(len(s.endpoints)+1), s.next()
		c := copyEndpoint(&e)
		s.endpoints = append(s.endpoints, &c)
		return e, nil
	})
}

// UpdateEndpoint implements [waybell.EndpointStore].
func (s *Store) UpdateEndpoint(ctx context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	return write(s, ctx, "UpdateEndpoint", func() (waybell.Endpoint, error) {
		old := s.livingEndpoint(e.Number)
		switch {
		case old == nil:
			return e, fmt.Errorf("endpoint %q: %w", e.ID, waybell.ErrNotFound)
		case old.Version != e.Version:
			return e, fmt.Errorf("endpoint %q: %w", e.ID, waybell.ErrConflict)
		}
		e.Version = s.next()
		*old = copyEndpoint(&e)
		return e, nil
	})
}

// Endpoint implements [waybell.EndpointStore].
func (s *Store) Endpoint(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Endpoint, error) {
	return read(s, ctx, "Endpoint", func() (waybell.Endpoint, error) {
		for _, e := range s.endpointsOf(agent) {
			if e.ID == id {
				return copyEndpoint(e), nil
			}
		}
		return waybell.Endpoint{}, fmt.Errorf("endpoint %q: %w", id, waybell.ErrNotFound)
	})
}

// Endpoints implements [waybell.EndpointStore].
func (s *Store) Endpoints(ctx context.Context, agent waybell.AgentNumber, q waybell.PageQuery) ([]waybell.Endpoint, error) {
	return read(s, ctx, "Endpoints", func() (list []waybell.Endpoint, err error) {
		for _, e := range falling(s.endpointsOf(agent), func(e *waybell.Endpoint) int64 { return int64(e.Number) }, q) {
			list = append(list, copyEndpoint(e))
		}
		return list, nil
	})
}

// counts are the counters of an endpoint, to be changed. The lock is held.
func (d *data) counts(n waybell.EndpointNumber) *waybell.Counters {
	c := d.counters[n]
	if c == nil {
		c = &waybell.Counters{Endpoint: n}
		d.counters[n] = c
	}
	return c
}

// count adds n to what counts deliveries of a state.
func count(c *waybell.Counters, state waybell.DeliveryState, n int64) {
	switch state {
	case waybell.DeliveryPending:
		c.Pending += n
	case waybell.DeliveryRetrying:
		c.Retrying += n
	case waybell.DeliveryDelivered:
		c.Delivered += n
	case waybell.DeliveryFailed:
		c.Failed += n
	default:
		c.Canceled += n
	}
}

// Counters implements [waybell.EndpointStore].
func (s *Store) Counters(ctx context.Context, agent waybell.AgentNumber) ([]waybell.Counters, error) {
	return read(s, ctx, "Counters", func() (list []waybell.Counters, err error) {
		for _, n := range sorted(s.counters) {
			if s.endpoints[n-1].Agent == agent {
				list = append(list, *s.counters[n])
			}
		}
		return list, nil
	})
}

// AllCounters implements [waybell.EndpointStore].
func (s *Store) AllCounters(ctx context.Context) ([]waybell.Counters, error) {
	return read(s, ctx, "AllCounters", func() (list []waybell.Counters, err error) {
		for _, n := range sorted(s.counters) {
			list = append(list, *s.counters[n])
		}
		return list, nil
	})
}

// CountersOf implements [waybell.StatisticsStore].
func (s *Store) CountersOf(ctx context.Context, endpoints []waybell.EndpointNumber) ([]waybell.Counters, error) {
	return read(s, ctx, "CountersOf", func() (list []waybell.Counters, err error) {
		for _, n := range endpoints {
			if c := s.counters[n]; c != nil {
				list = append(list, *c)
			}
		}
		return list, nil
	})
}

// Recount makes the ledgers anew from the rows. They are the stored ones as long
// as retention has removed nothing.
func (s *Store) Recount() []waybell.Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	byEndpoint := map[waybell.EndpointNumber]*waybell.Counters{}
	for _, e := range s.events {
		for _, r := range e.rows {
			c := byEndpoint[r.Endpoint]
			if c == nil {
				c = &waybell.Counters{Endpoint: r.Endpoint}
				byEndpoint[r.Endpoint] = c
			}
			c.Accepted++
			count(c, r.now(), 1)
		}
	}
	list := make([]waybell.Counters, 0, len(byEndpoint))
	for _, n := range sorted(byEndpoint) {
		list = append(list, *byEndpoint[n])
	}
	return list
}

// living are the counters of the living endpoints that is wants. The lock is held.
func (d *data) living(is func(*waybell.Endpoint, *waybell.Health) bool) []waybell.Counters {
	var list []waybell.Counters
	for _, n := range sorted(d.counters) {
		if e := d.livingEndpoint(n); e != nil && is(e, &d.counters[n].Health) {
			list = append(list, *d.counters[n])
		}
	}
	return list
}

// FailingCounters implements [waybell.StatisticsStore].
func (s *Store) FailingCounters(ctx context.Context, limit int) ([]waybell.Counters, error) {
	return read(s, ctx, "FailingCounters", func() ([]waybell.Counters, error) {
		list := s.living(func(e *waybell.Endpoint, h *waybell.Health) bool {
			return e.State != waybell.EndpointDisabled && h.Failures >= 3
		})
		slices.SortStableFunc(list, func(a, b waybell.Counters) int { return a.Health.FailingSince.Compare(b.Health.FailingSince) })
		return list[:min(len(list), limit)], nil
	})
}

// OpenBreakers implements [waybell.StatisticsStore].
func (s *Store) OpenBreakers(ctx context.Context, limit int) ([]waybell.Counters, error) {
	return read(s, ctx, "OpenBreakers", func() ([]waybell.Counters, error) {
		list := s.living(func(_ *waybell.Endpoint, h *waybell.Health) bool { return h.Open })
		for i, c := range list {
			list[i] = waybell.Counters{Endpoint: c.Endpoint, Health: c.Health}
		}
		return list[:min(len(list), limit)], nil
	})
}
