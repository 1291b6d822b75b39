package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/waybell/waybell"
)

// Settle implements [waybell.WorkStore].
func (s *Store) Settle(ctx context.Context, lease waybell.Lease, outcomes []waybell.Settlement) error {
	for i := range outcomes {
		if o := &outcomes[i]; o.Kind == waybell.SettleRetry && o.Attempt == nil {
			return fmt.Errorf("memstore: delivery %s: a retry without its attempt", o.DeliveryRef)
		}
	}
	_, err := fenced(s, ctx, lease, "Settle", func() (done, error) {
		for i := range outcomes {
			if !nth(&s.flaws.settled, s.flaws.ForgetSettle) {
				s.settle(lease, &outcomes[i])
			}
		}
		return done{}, nil
	})
	return err
}

// settle writes one outcome. The lock is held.
func (d *data) settle(lease waybell.Lease, o *waybell.Settlement) {
	if o.Health != nil {
		d.counts(o.Endpoint).Health = *o.Health
	}
	r := d.find(o.Agent, o.DeliveryRef)
	if r == nil {
		return
	}
	ours := !r.settled && (r.owner == lease.Node || d.flaws.NoFence)
	switch {
	case o.Kind == waybell.SettleRelease && ours:
		r.owner, r.Begun, r.NextAt = 0, false, micro(o.NextAt)
	case o.Attempt == nil && ours:
		d.end(r, o.State, o.FinishedAt)
		r.Reason, r.owner = o.Reason, 0
	case o.Attempt == nil:
		if r.settled && r.owner == lease.Node { // canceled meanwhile: it is in nobody's hand any more
			r.owner = 0
		}
	case ours && o.Attempt.Number == r.Attempts+1:
		d.apply(r, o)
	default:
		d.settleLate(lease, r, o)
	}
}

// apply writes the outcome of a row's next attempt. The lock is held.
func (d *data) apply(r *row, o *waybell.Settlement) {
	a := o.Attempt
	r.keep(a)
	if o.Kind == waybell.SettleFinal {
		d.end(r, o.State, o.FinishedAt)
		r.Attempts, r.StatusCode, r.Reason, r.owner = a.Number, a.StatusCode, o.Reason, 0
		return
	}
	c := d.counts(r.Endpoint)
	count(c, r.now(), -1)
	r.Attempts, r.StatusCode, r.Reason = a.Number, a.StatusCode, a.Reason
	count(c, r.now(), 1)
	r.owner, r.Begun, r.NextAt, r.Panics = 0, false, micro(o.NextAt), o.Panics
	if d.flaws.EarlyRetry {
		r.NextAt = a.StartedAt
	}
}

// settleLate keeps an attempt whose row is settled, no longer the node's, or that
// was written before. The lock is held.
func (d *data) settleLate(lease waybell.Lease, r *row, o *waybell.Settlement) {
	a := o.Attempt
	if !r.settled && r.owner != 0 && r.owner != lease.Node {
		return // its owner's attempt has the number
	}
	r.keep(a)
	c := d.counts(r.Endpoint)
	if !r.settled {
		if r.Attempts < a.Number {
			count(c, r.now(), -1)
			r.Attempts = a.Number
			count(c, r.now(), 1)
		}
		return
	}
	r.Attempts = max(r.Attempts, a.Number)
	if r.owner == lease.Node {
		r.owner = 0
	}
	if r.state == waybell.DeliveryCanceled && o.Kind == waybell.SettleFinal && o.State == waybell.DeliveryDelivered {
		count(c, r.state, -1)
		r.state, r.Reason, r.StatusCode, r.ended = o.State, o.Reason, a.StatusCode, micro(o.FinishedAt)
		count(c, r.state, 1)
	}
}

// keep writes an attempt down, unless it is there.
func (r *row) keep(a *waybell.Attempt) {
	at, found := slices.BinarySearchFunc(r.log, a.Number, func(b waybell.Attempt, n int) int { return b.Number - n })
	if found {
		return
	}
	c := *a
	c.StartedAt, c.Detail = micro(a.StartedAt), bytes.Clone(a.Detail)
	r.log = slices.Insert(r.log, at, c)
}
