package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell"
)

// wait puts a row among those that wait. The lock is held.
func (d *data) wait(r *row) {
	list := d.waiting[r.Endpoint]
	at, _ := slices.BinarySearchFunc(list, r, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.Entered, b.Entered), cmp.Compare(a.Event, b.Event))
	})
	d.waiting[r.Endpoint] = slices.Insert(list, at, r)
}

// end settles a waiting row. The lock is held.
func (d *data) end(r *row, state waybell.DeliveryState, at time.Time) {
	list := d.waiting[r.Endpoint]
	i := slices.Index(list, r)
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(d.waiting, r.Endpoint)
	} else {
		d.waiting[r.Endpoint] = list
	}
	c := d.counts(r.Endpoint)
	count(c, r.now(), -1)
	r.settled, r.state, r.ended = true, state, micro(at)
	if !nth(&d.flaws.counted, d.flaws.Miscount) {
		count(c, state, 1)
	}
}

// cancel settles a waiting row as canceled; its owner is remembered until it
// lets go. The lock is held.
func (d *data) cancel(r *row, at time.Time) {
	d.end(r, waybell.DeliveryCanceled, at)
	r.Reason = waybell.ReasonCanceled
}

// shown is a waiting row for the engine.
func (r *row) shown() waybell.Waiting {
	w := r.Waiting
	w.Owned = r.owner != 0
	return w
}

func (r *row) free() bool { return r.owner == 0 }
func (r *row) sane() bool { return r.owner == 0 && r.Deaths < waybell.SuspectDeaths }

// those are the waiting rows of an endpoint that is wants, by rising Entered. The
// lock is held.
func (d *data) those(n waybell.EndpointNumber, is func(*row) bool) []*row {
	var list []*row
	for _, r := range d.waiting[n] {
		if is(r) {
			list = append(list, r)
		}
	}
	return list
}

// byNext orders rows by NextAt; equal ones by their ref, so that it does not
// matter how they came to be there.
func byNext(a, b *row) int {
	return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Endpoint, b.Endpoint))
}

// Due implements [waybell.WorkStore].
func (s *Store) Due(ctx context.Context, until time.Time) ([]waybell.DueEndpoint, error) {
	return read(s, ctx, "Due", func() (list []waybell.DueEndpoint, err error) {
		for _, n := range sorted(s.waiting) {
			var first *row
			for _, r := range s.waiting[n] {
				if r.sane() && (first == nil || r.NextAt.Before(first.NextAt)) {
					first = r
				}
			}
			if first != nil && !first.NextAt.After(until) {
				list = append(list, waybell.DueEndpoint{Endpoint: n, NextAt: first.NextAt})
			}
		}
		slices.SortStableFunc(list, func(a, b waybell.DueEndpoint) int { return a.NextAt.Compare(b.NextAt) })
		return list, nil
	})
}

// Claim implements [waybell.WorkStore].
func (s *Store) Claim(ctx context.Context, lease waybell.Lease, now time.Time, wants []waybell.ClaimWant) ([]waybell.Waiting, error) {
	return fenced(s, ctx, lease, "Claim", func() (list []waybell.Waiting, err error) {
		for _, w := range wants {
			for _, r := range s.claimable(now, w) {
				list = append(list, s.own(lease, r))
			}
		}
		return list, nil
	})
}

// claimable finds the rows for one want. The lock is held.
func (d *data) claimable(now time.Time, w waybell.ClaimWant) []*row {
	due := func(r *row) bool { return r.sane() && !r.NextAt.After(now) }
	var list []*row
	switch {
	case w.Tests:
		for _, n := range sorted(d.waiting) {
			list = append(list, d.those(n, func(r *row) bool { return r.Test && due(r) })...)
		}
		slices.SortFunc(list, byNext)
	case w.Oldest != 0:
		list = d.those(w.Endpoint, func(r *row) bool { return due(r) && r.Entered <= w.Oldest })
		if d.flaws.Unordered {
			slices.Reverse(list)
		}
	default:
		list = d.those(w.Endpoint, due)
		slices.SortFunc(list, byNext)
	}
	return list[:max(0, min(len(list), w.Max))]
}

// own makes the lease the row's owner. The lock is held.
func (d *data) own(lease waybell.Lease, r *row) waybell.Waiting {
	r.owner = lease.Node
	w := r.shown()
	r.Begun = r.Adopted && d.flaws.BeginClaimed
	if nth(&d.flaws.claimed, d.flaws.DoubleClaim) {
		r.owner = 0
	}
	return w
}

// ClaimSuspect implements [waybell.WorkStore].
func (s *Store) ClaimSuspect(ctx context.Context, lease waybell.Lease, now time.Time) (waybell.Waiting, error) {
	return fenced(s, ctx, lease, "ClaimSuspect", func() (waybell.Waiting, error) {
		var first *row
		for _, n := range sorted(s.waiting) {
			for _, r := range s.waiting[n] {
				suspect := r.free() && r.Deaths >= waybell.SuspectDeaths && !r.NextAt.After(now)
				if suspect && (first == nil || byNext(r, first) < 0) {
					first = r
				}
			}
		}
		if first == nil {
			return waybell.Waiting{}, fmt.Errorf("suspect: %w", waybell.ErrNotFound)
		}
		return s.own(lease, first), nil
	})
}

// Owned implements [waybell.WorkStore].
func (s *Store) Owned(ctx context.Context, lease waybell.Lease, after waybell.Waiting, limit int) ([]waybell.Waiting, error) {
	order := func(a, b waybell.Waiting) int {
		return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Endpoint, b.Endpoint))
	}
	return read(s, ctx, "Owned", func() ([]waybell.Waiting, error) {
		var list []waybell.Waiting
		for _, rows := range s.waiting {
			for _, r := range rows {
				if r.owner == lease.Node && order(r.Waiting, after) > 0 {
					list = append(list, r.shown())
				}
			}
		}
		slices.SortFunc(list, order)
		return list[:min(len(list), limit)], nil
	})
}

// ExpireWaiting implements [waybell.WorkStore].
func (s *Store) ExpireWaiting(ctx context.Context, lease waybell.Lease, e waybell.ExpireWaiting) (int, error) {
	return fenced(s, ctx, lease, "ExpireWaiting", func() (int, error) {
		n := 0
		for _, r := range s.those(e.Endpoint, func(r *row) bool { return r.free() && r.Attempts > r.Cycle }) {
			if n == e.Limit || r.WindowEnd.After(e.End) {
				break
			}
			s.end(r, waybell.DeliveryFailed, e.Now)
			r.Reason = waybell.ReasonExpired
			n++
		}
		return n, nil
	})
}

// CancelWaiting implements [waybell.WorkStore].
func (s *Store) CancelWaiting(ctx context.Context, lease waybell.Lease, c waybell.CancelWaiting) (int, error) {
	return fenced(s, ctx, lease, "CancelWaiting", func() (int, error) {
		list := s.those(c.Endpoint, func(r *row) bool { return r.free() && r.Entered <= c.UpTo })
		list = list[:min(len(list), c.Limit)]
		for _, r := range list {
			s.cancel(r, c.Now)
		}
		return len(list), nil
	})
}

// BringForward implements [waybell.WorkStore].
func (s *Store) BringForward(ctx context.Context, lease waybell.Lease, endpoint waybell.EndpointNumber, latest time.Time, limit int) (int, error) {
	return fenced(s, ctx, lease, "BringForward", func() (int, error) {
		latest := micro(latest)
		list := s.those(endpoint, func(r *row) bool { return r.free() && r.NextAt.After(latest) })
		slices.SortFunc(list, func(a, b *row) int { return byNext(b, a) })
		list = list[:min(len(list), limit)]
		for _, r := range list {
			r.NextAt = latest
		}
		return len(list), nil
	})
}
