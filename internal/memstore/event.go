package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// shown is an event for the engine.
func (e *event) shown() waybell.Event {
	v := e.Event
	v.Data, v.Messages = bytes.Clone(e.Data), bytes.Clone(e.Messages)
	return v
}

// Event implements [waybell.EventStore].
func (s *Store) Event(ctx context.Context, agent waybell.AgentNumber, key waybell.Key) (waybell.Event, error) {
	return read(s, ctx, "Event", func() (waybell.Event, error) { return s.event(agent, key) })
}

// event finds an event. The lock is held.
func (d *data) event(agent waybell.AgentNumber, key waybell.Key) (waybell.Event, error) {
	if e := d.events[key]; e != nil && e.Agent == agent {
		return e.shown(), nil
	}
	return waybell.Event{}, fmt.Errorf("event %d: %w", key, waybell.ErrNotFound)
}

// EventByID implements [waybell.EventStore].
func (s *Store) EventByID(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Event, error) {
	return read(s, ctx, "EventByID", func() (waybell.Event, error) {
		if r, ok := s.repeats[repeatKey{agent, true, id}]; ok {
			return s.event(agent, r.event)
		}
		if key, ok := waybell.ParseEventID(id); ok {
			if e := s.events[key]; e != nil && !e.custom {
				return s.event(agent, key)
			}
		}
		return waybell.Event{}, fmt.Errorf("event %q: %w", id, waybell.ErrNotFound)
	})
}

// EventsByKey implements [waybell.EventStore].
func (s *Store) EventsByKey(ctx context.Context, refs []waybell.EventRef) ([]waybell.Event, error) {
	return read(s, ctx, "EventsByKey", func() (list []waybell.Event, err error) {
		for _, r := range refs {
			if e, err := s.event(r.Agent, r.Key); err == nil {
				list = append(list, e)
			}
		}
		return list, nil
	})
}

// ListEvents implements [waybell.EventStore].
func (s *Store) ListEvents(ctx context.Context, q waybell.EventQuery) (waybell.EventPage, error) {
	return read(s, ctx, "ListEvents", func() (page waybell.EventPage, err error) {
		looked, last := 0, waybell.Key(0)
		for _, key := range slices.Backward(s.byAgent[q.Agent]) {
			if q.After != 0 && key >= q.After || q.Until != 0 && key >= q.Until {
				continue
			}
			if key < q.Since {
				break
			}
			if looked == q.Scan || len(page.Events) == q.Limit {
				page.Next = last
				break
			}
			looked, last = looked+1, key
			if e := s.events[key]; q.Type == "" || q.Type == e.Type {
				page.Events = append(page.Events, e.shown())
			}
		}
		return page, nil
	})
}

// Sweep implements [waybell.MaintenanceStore].
func (s *Store) Sweep(ctx context.Context, lease waybell.Lease, before waybell.Key, _ time.Duration) (int, bool, error) {
	n, err := fenced(s, ctx, lease, "Sweep", func() (int, error) {
		n := 0
		for agent := range s.byAgent {
			for list := s.byAgent[agent]; len(list) > 0 && list[0] < before; list = s.byAgent[agent] {
				s.remove(s.events[list[0]])
				n++
			}
		}
		return n, nil
	})
	return n, false, err
}

// remove forgets an event with all that belongs to it. The lock is held.
func (d *data) remove(e *event) {
	for _, r := range e.rows {
		if !r.settled {
			d.cancel(r, e.Key.Time())
		}
	}
	for k, r := range d.repeats {
		if r.event == e.Key {
			delete(d.repeats, k)
		}
	}
	list := d.byAgent[e.Agent]
	at, _ := slices.BinarySearch(list, e.Key)
	d.byAgent[e.Agent] = slices.Delete(list, at, at+1)
	delete(d.events, e.Key)
}

// SweepIdempotency implements [waybell.MaintenanceStore].
func (s *Store) SweepIdempotency(ctx context.Context, lease waybell.Lease, before waybell.Key, _ time.Duration) (int, bool, error) {
	n, err := fenced(s, ctx, lease, "SweepIdempotency", func() (int, error) {
		n := 0
		for k, r := range s.repeats {
			if !k.id && r.event < before {
				delete(s.repeats, k)
				n++
			}
		}
		return n, nil
	})
	return n, false, err
}
