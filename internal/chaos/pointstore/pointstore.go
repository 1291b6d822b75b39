// Package pointstore passes points of package point before and after calls of the
// store. Only the binary that the tests of faults build for themselves has it.
package pointstore

import (
	"context"
	"slices"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/chaos/point"
)

type store struct{ waybell.Store }

// New is the store given, with a point before or after each call that makes
// something durable. Its own rules stay as they are.
func New(s waybell.Store) waybell.Store { return store{s} }

// Accept passes publish.before and publish.after: what is published is not, or is
// durable, and nobody was answered.
func (s store) Accept(ctx context.Context, l waybell.Lease, version int64, events []*waybell.NewEvent) ([]waybell.Accepted, error) {
	point.At("publish.before")
	list, err := s.Store.Accept(ctx, l, version, events)
	if err == nil {
		point.At("publish.after")
	}
	return list, err
}

// Claim passes claim.after, or held.after where some of the rows were held: they
// are the node's, and it does not know it.
func (s store) Claim(ctx context.Context, l waybell.Lease, now time.Time, wants []waybell.ClaimWant) ([]waybell.Waiting, error) {
	rows, err := s.Store.Claim(ctx, l, now, wants)
	if err == nil && len(rows) > 0 {
		point.At("claim.after")
		for _, w := range wants {
			if w.Oldest != 0 && slices.ContainsFunc(rows, func(r waybell.Waiting) bool { return r.Endpoint == w.Endpoint && r.Entered <= w.Oldest }) {
				point.At("held.after")
			}
		}
	}
	return rows, err
}

// Settle passes settle.before and settle.after, and retry.after where one of the
// outcomes is a retry: what was sent is recorded, and memory does not know it.
func (s store) Settle(ctx context.Context, l waybell.Lease, outcomes []waybell.Settlement) error {
	point.At("settle.before")
	err := s.Store.Settle(ctx, l, outcomes)
	if err == nil {
		point.At("settle.after")
		if slices.ContainsFunc(outcomes, func(o waybell.Settlement) bool { return o.Kind == waybell.SettleRetry }) {
			point.At("retry.after")
		}
	}
	return err
}

// Owned passes readback.before and readback.after.
func (s store) Owned(ctx context.Context, l waybell.Lease, after waybell.Waiting, limit int) ([]waybell.Waiting, error) {
	point.At("readback.before")
	rows, err := s.Store.Owned(ctx, l, after, limit)
	if err == nil {
		point.At("readback.after")
	}
	return rows, err
}

// CancelWaiting passes cancel.piece after each piece that canceled something.
func (s store) CancelWaiting(ctx context.Context, l waybell.Lease, c waybell.CancelWaiting) (int, error) {
	n, err := s.Store.CancelWaiting(ctx, l, c)
	if err == nil && n > 0 {
		point.At("cancel.piece")
	}
	return n, err
}

// UpdateEndpoint passes endpoint.before and endpoint.after: a pause, a resume, a
// rotation, or a secret sealed again with another key.
func (s store) UpdateEndpoint(ctx context.Context, e waybell.Endpoint) (waybell.Endpoint, error) {
	point.At("endpoint.before")
	e, err := s.Store.UpdateEndpoint(ctx, e)
	if err == nil {
		point.At("endpoint.after")
	}
	return e, err
}

// Adopt passes adopt.piece after each piece that took something over.
func (s store) Adopt(ctx context.Context, l waybell.Lease, now time.Time) (int, bool, error) {
	n, more, err := s.Store.Adopt(ctx, l, now)
	if err == nil && n > 0 {
		point.At("adopt.piece")
	}
	return n, more, err
}

// Join passes join.before and join.after.
func (s store) Join(ctx context.Context, n waybell.NodeInfo) (waybell.Lease, error) {
	point.At("join.before")
	l, err := s.Store.Join(ctx, n)
	if err == nil {
		point.At("join.after")
	}
	return l, err
}

// AllCounters passes load.after: the configuration and the ledgers are read, and
// nothing has been started.
func (s store) AllCounters(ctx context.Context) ([]waybell.Counters, error) {
	list, err := s.Store.AllCounters(ctx)
	if err == nil {
		point.At("load.after")
	}
	return list, err
}

// Leave passes leave.before and leave.after: the last steps of a stop.
func (s store) Leave(ctx context.Context, l waybell.Lease) error {
	point.At("leave.before")
	err := s.Store.Leave(ctx, l)
	if err == nil {
		point.At("leave.after")
	}
	return err
}
