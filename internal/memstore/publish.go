package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// event is a stored event with its deliveries.
type event struct {
	waybell.Event
	custom bool
	rows   []*row // by rising endpoint
}

// row is a delivery, waiting or settled.
type row struct {
	waybell.Waiting
	// owner is the node that has a waiting row in hand; of one that was canceled
	// it is the node that had, until that lets go.
	owner   int64
	settled bool
	state   waybell.DeliveryState // of a settled one
	ended   time.Time
	log     []waybell.Attempt // by number
}

// now is the state as it is shown.
func (r *row) now() waybell.DeliveryState {
	switch {
	case r.settled:
		return r.state
	case r.Attempts > 0:
		return waybell.DeliveryRetrying
	}
	return waybell.DeliveryPending
}

// repeatKey names an id or Idempotency-Key, repeat is what was published under it.
type repeatKey struct {
	agent waybell.AgentNumber
	id    bool
	key   string
}

type repeat struct {
	event waybell.Key
	hash  [32]byte
}

const idempotencyTime = 24 * time.Hour

// Accept implements [waybell.PublishStore].
func (s *Store) Accept(ctx context.Context, lease waybell.Lease, version int64, events []*waybell.NewEvent) ([]waybell.Accepted, error) {
	return fenced(s, ctx, lease, "Accept", func() ([]waybell.Accepted, error) {
		if version < s.version {
			return nil, fmt.Errorf("%w: %d is newer than %d", waybell.ErrConfigChanged, s.version, version)
		}
		keys := map[waybell.Key]bool{}
		for _, e := range events {
			if keys[e.Key] || s.events[e.Key] != nil {
				return nil, fmt.Errorf("event %d: %w", e.Key, waybell.ErrExists)
			}
			keys[e.Key] = true
		}
		results := make([]waybell.Accepted, len(events))
		for i, e := range events {
			var found bool
			if results[i], found = s.original(e); !found {
				s.accept(lease, e)
			}
		}
		return results, nil
	})
}

// original finds the event that e repeats. The lock is held.
func (d *data) original(e *waybell.NewEvent) (res waybell.Accepted, found bool) {
	var before []repeat
	if r, ok := d.repeats[repeatKey{e.Agent, true, e.ID}]; ok && e.CustomID && !d.flaws.Repeat {
		before = append(before, r)
	}
	r, ok := d.repeats[repeatKey{e.Agent, false, e.IdempotencyKey}]
	if ok && e.IdempotencyKey != "" && e.Key.Time().Sub(r.event.Time()) < idempotencyTime && !d.flaws.Repeat {
		before = append(before, r)
	}
	if len(before) == 0 {
		return res, false
	}
	for _, r := range before {
		if r.hash != e.Hash || r.event != before[0].event {
			res.Err = &waybell.Error{Code: waybell.CodeIdempotencyMismatch, Message: "this id or Idempotency-Key was used for another event"}
			return res, true
		}
	}
	if key := (repeatKey{e.Agent, false, e.IdempotencyKey}); e.IdempotencyKey != "" {
		d.repeats[key] = before[0]
	}
	o := d.events[before[0].event]
	res.Duplicate = &waybell.Event{Key: o.Key, Agent: o.Agent, ID: o.ID, Type: o.Type, Timestamp: o.Timestamp, Deliveries: o.Deliveries}
	return res, true
}

// accept stores an event. The lock is held.
func (s *Store) accept(lease waybell.Lease, n *waybell.NewEvent) {
	e := &event{Event: n.Event, custom: n.CustomID}
	e.Timestamp, e.Deliveries = micro(n.Timestamp), len(n.Targets)
	e.Data, e.Messages = bytes.Clone(n.Data), bytes.Clone(n.Messages)
	s.events[e.Key] = e
	list := s.byAgent[e.Agent]
	at, _ := slices.BinarySearch(list, e.Key)
	s.byAgent[e.Agent] = slices.Insert(list, at, e.Key)
	slot := int(e.Key) & waybell.MaxNodeSlot
	s.lastKeys[slot] = max(s.lastKeys[slot], e.Key)
	if n.CustomID {
		s.repeats[repeatKey{e.Agent, true, e.ID}] = repeat{e.Key, n.Hash}
	}
	if n.IdempotencyKey != "" {
		s.repeats[repeatKey{e.Agent, false, n.IdempotencyKey}] = repeat{e.Key, n.Hash}
	}
	s.stats.CommitRows += int64(1 + len(n.Targets))
	for _, t := range n.Targets {
		c := s.counts(t.Endpoint)
		c.Accepted++
		c.Pending++
		r := &row{Waiting: waybell.Waiting{
			DeliveryRef: waybell.DeliveryRef{Event: e.Key, Endpoint: t.Endpoint}, Agent: e.Agent, Type: e.Type,
			Entered: e.Key, NextAt: n.Due(), WindowEnd: micro(t.WindowEnd), Test: e.Test,
		}}
		if !t.Aside {
			r.owner = lease.Node
		}
		if nth(&s.flaws.accepted, s.flaws.LoseWaiting) {
			continue
		}
		e.rows = append(e.rows, r)
		s.wait(r)
	}
	slices.SortFunc(e.rows, func(a, b *row) int { return int(a.Endpoint) - int(b.Endpoint) })
}

// find returns a delivery, or nil. The lock is held.
func (d *data) find(agent waybell.AgentNumber, ref waybell.DeliveryRef) *row {
	e := d.events[ref.Event]
	if e == nil || e.Agent != agent {
		return nil
	}
	for _, r := range e.rows {
		if r.Endpoint == ref.Endpoint {
			return r
		}
	}
	return nil
}
