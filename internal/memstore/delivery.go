package memstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// delivery is a row as the log shows it. The lock is held.
func (d *data) delivery(r *row) waybell.Delivery {
	v := waybell.Delivery{
		DeliveryRef: r.DeliveryRef, Agent: r.Agent, EventID: d.events[r.Event].ID, Type: r.Type, State: r.now(), Reason: r.Reason,
		Attempts: r.Attempts, StatusCode: r.StatusCode, CreatedAt: r.Event.Time(),
	}
	if r.settled {
		v.FinishedAt = r.ended
	} else {
		v.NextAt, v.Entered = r.NextAt, r.Entered
	}
	return v
}

// must finds a delivery, or fails. The lock is held.
func (d *data) must(agent waybell.AgentNumber, ref waybell.DeliveryRef) (*row, error) {
	r := d.find(agent, ref)
	if r == nil {
		return nil, fmt.Errorf("delivery %s: %w", ref, waybell.ErrNotFound)
	}
	return r, nil
}

// Delivery implements [waybell.DeliveryStore].
func (s *Store) Delivery(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef) (waybell.Delivery, error) {
	return read(s, ctx, "Delivery", func() (waybell.Delivery, error) {
		r, err := s.must(agent, ref)
		if err != nil {
			return waybell.Delivery{}, err
		}
		return s.delivery(r), nil
	})
}

// wants tells whether a query wants a delivery.
func wants(q *waybell.DeliveryQuery, v *waybell.Delivery) bool {
	return (q.Type == "" || q.Type == v.Type) && q.Status.Has(v.StatusCode) &&
		(q.States == nil || slices.Contains(q.States, v.State)) &&
		(q.Endpoints == nil || slices.Contains(q.Endpoints, v.Endpoint)) && !slices.Contains(q.ExceptEndpoints, v.Endpoint)
}

// Deliveries implements [waybell.DeliveryStore].
func (s *Store) Deliveries(ctx context.Context, q waybell.DeliveryQuery) (waybell.DeliveryPage, error) {
	return read(s, ctx, "Deliveries", func() (page waybell.DeliveryPage, err error) {
		looked, last := 0, waybell.DeliveryRef{}
		for _, key := range slices.Backward(s.byAgent[q.Agent]) {
			if q.After.Event != 0 && key > q.After.Event || q.Until != 0 && key >= q.Until {
				continue
			}
			if key < q.Since {
				break
			}
			for _, r := range slices.Backward(s.events[key].rows) {
				if key == q.After.Event && r.Endpoint >= q.After.Endpoint {
					continue
				}
				if looked == q.Scan || len(page.Deliveries) == q.Limit {
					page.Next = last
					return page, nil
				}
				looked, last = looked+1, r.DeliveryRef
				if v := s.delivery(r); wants(&q, &v) {
					page.Deliveries = append(page.Deliveries, v)
				}
			}
		}
		return page, nil
	})
}

// EventDeliveries implements [waybell.DeliveryStore].
func (s *Store) EventDeliveries(ctx context.Context, agent waybell.AgentNumber, key waybell.Key) ([]waybell.Delivery, error) {
	return read(s, ctx, "EventDeliveries", func() (list []waybell.Delivery, err error) {
		if e := s.events[key]; e != nil && e.Agent == agent {
			for _, r := range e.rows {
				list = append(list, s.delivery(r))
			}
		}
		return list, nil
	})
}

// Attempts implements [waybell.DeliveryStore].
func (s *Store) Attempts(ctx context.Context, agent waybell.AgentNumber, ref waybell.DeliveryRef, newest int) ([]waybell.Attempt, error) {
	return read(s, ctx, "Attempts", func() ([]waybell.Attempt, error) {
		r, err := s.must(agent, ref)
		if err != nil {
			return nil, err
		}
		return slices.Clone(r.log[max(0, len(r.log)-newest):]), nil
	})
}

// Requeue implements [waybell.DeliveryStore].
func (s *Store) Requeue(ctx context.Context, lease waybell.Lease, list []waybell.Requeue) ([]waybell.Requeued, error) {
	return fenced(s, ctx, lease, "Requeue", func() ([]waybell.Requeued, error) {
		got := make([]waybell.Requeued, len(list))
		for i := range list {
			got[i].Waiting, got[i].Err = s.requeue(lease, &list[i])
		}
		return got, nil
	})
}

// requeue makes one delivery due. The lock is held.
func (d *data) requeue(lease waybell.Lease, q *waybell.Requeue) (waybell.Waiting, error) {
	r, err := d.must(q.Agent, q.DeliveryRef)
	if err != nil {
		return waybell.Waiting{}, err
	}
	over := !r.settled && r.Entered <= q.CanceledUpTo
	if n := d.nodes[r.owner]; (over || r.settled) && r.owner != lease.Node && n != nil && !n.Dead && !n.gone {
		return waybell.Waiting{}, fmt.Errorf("delivery %s: node %d has it in hand: %w", r.DeliveryRef, r.owner, waybell.ErrConflict)
	}
	if over {
		d.cancel(r, q.Now)
	}
	switch {
	case r.settled:
		c := d.counts(r.Endpoint)
		count(c, r.state, -1)
		r.settled, r.ended, r.owner = false, time.Time{}, 0
		r.Entered, r.WindowEnd, r.Cycle = q.Entered, micro(q.WindowEnd), r.Attempts
		r.Adopted, r.Begun, r.Deaths, r.Panics = false, false, 0, 0
		r.NextAt = micro(q.Now)
		count(c, r.now(), 1)
		d.wait(r)
	case r.owner == 0:
		r.NextAt = micro(q.Now)
	}
	return r.shown(), nil
}

// CancelDelivery implements [waybell.DeliveryStore].
func (s *Store) CancelDelivery(ctx context.Context, lease waybell.Lease, agent waybell.AgentNumber, ref waybell.DeliveryRef, now time.Time) error {
	_, err := fenced(s, ctx, lease, "CancelDelivery", func() (done, error) {
		r, err := s.must(agent, ref)
		switch {
		case err != nil:
			return done{}, err
		case r.settled:
			return done{}, fmt.Errorf("delivery %s is %s: %w", ref, r.state, waybell.ErrConflict)
		}
		s.cancel(r, now)
		return done{}, nil
	})
	return err
}
