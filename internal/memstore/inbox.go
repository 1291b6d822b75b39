package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

// inbox finds an inbox. The lock is held.
func (s *Store) inbox(is func(*waybell.Inbox) bool) (*waybell.Inbox, error) {
	for _, in := range s.inboxes {
		if in != nil && is(in) {
			return in, nil
		}
	}
	return nil, fmt.Errorf("inbox: %w", waybell.ErrNotFound)
}

func numbered(n waybell.InboxNumber) func(*waybell.Inbox) bool {
	return func(in *waybell.Inbox) bool { return in.Number == n }
}

// shownInbox is an inbox with the number of its requests. The lock is held.
func (s *Store) shownInbox(in *waybell.Inbox) waybell.Inbox {
	v := *in
	v.Requests = len(s.requests[in.Number])
	return v
}

// CreateInbox implements [waybell.InboxStore].
func (s *Store) CreateInbox(ctx context.Context, in waybell.Inbox, limit int) (waybell.Inbox, error) {
	return write(s, ctx, "CreateInbox", func() (waybell.Inbox, error) {
		if _, err := s.livingAgent(in.Agent); err != nil {
			return in, err
		}
		living := 0
		for _, o := range s.inboxes {
			if o == nil {
				continue
			}
			if o.ID == in.ID || o.Token == in.Token {
				return in, fmt.Errorf("inbox: %w", waybell.ErrExists)
			}
			if o.Agent == in.Agent && o.ExpiresAt.After(in.CreatedAt) {
				living++
			}
		}
		if living >= limit {
			return in, fmt.Errorf("%d inboxes: %w", living, waybell.ErrConflict)
		}
		in.Number = waybell.InboxNumber(len(s.inboxes) + 1)
		c := in
		s.inboxes = append(s.inboxes, &c)
		return in, nil
	})
}

func touch(in *waybell.Inbox, expires time.Time) {
	if expires.After(in.ExpiresAt) {
		in.ExpiresAt = expires
	}
}

// UpdateInbox implements [waybell.InboxStore].
func (s *Store) UpdateInbox(ctx context.Context, in waybell.Inbox) error {
	_, err := write(s, ctx, "UpdateInbox", func() (done, error) {
		old, err := s.inbox(numbered(in.Number))
		if err == nil {
			old.Name, old.RespondStatus = in.Name, in.RespondStatus
			touch(old, in.ExpiresAt)
		}
		return done{}, err
	})
	return err
}

// TouchInbox implements [waybell.InboxStore].
func (s *Store) TouchInbox(ctx context.Context, n waybell.InboxNumber, expires time.Time) error {
	_, err := write(s, ctx, "TouchInbox", func() (done, error) {
		if in, err := s.inbox(numbered(n)); err == nil {
			touch(in, expires)
		}
		return done{}, nil
	})
	return err
}

// DeleteInbox implements [waybell.InboxStore].
func (s *Store) DeleteInbox(ctx context.Context, agent waybell.AgentNumber, id string) error {
	_, err := write(s, ctx, "DeleteInbox", func() (done, error) {
		in, err := s.inbox(func(in *waybell.Inbox) bool { return in.Agent == agent && in.ID == id })
		if err == nil {
			s.dropInbox(in.Number)
		}
		return done{}, err
	})
	return err
}

// dropInbox forgets an inbox. The lock is held.
func (s *Store) dropInbox(n waybell.InboxNumber) {
	s.inboxes[n-1] = nil
	delete(s.requests, n)
}

// Inbox implements [waybell.InboxStore].
func (s *Store) Inbox(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Inbox, error) {
	return read(s, ctx, "Inbox", func() (waybell.Inbox, error) {
		in, err := s.inbox(func(in *waybell.Inbox) bool { return in.Agent == agent && in.ID == id })
		if err != nil {
			return waybell.Inbox{}, err
		}
		return s.shownInbox(in), nil
	})
}

// InboxByToken implements [waybell.InboxStore].
func (s *Store) InboxByToken(ctx context.Context, token string) (waybell.Inbox, error) {
	return read(s, ctx, "InboxByToken", func() (waybell.Inbox, error) {
		in, err := s.inbox(func(in *waybell.Inbox) bool { return in.Token == token })
		if err != nil {
			return waybell.Inbox{}, err
		}
		return s.shownInbox(in), nil
	})
}

// Inboxes implements [waybell.InboxStore].
func (s *Store) Inboxes(ctx context.Context, agent waybell.AgentNumber, now time.Time, q waybell.PageQuery) ([]waybell.Inbox, error) {
	return read(s, ctx, "Inboxes", func() ([]waybell.Inbox, error) {
		var list []waybell.Inbox
		for _, in := range s.inboxes {
			if in != nil && in.Agent == agent && in.ExpiresAt.After(now) {
				list = append(list, s.shownInbox(in))
			}
		}
		return falling(list, func(in waybell.Inbox) int64 { return int64(in.Number) }, q), nil
	})
}

// AddInboxRequest implements [waybell.InboxRequestStore].
func (s *Store) AddInboxRequest(ctx context.Context, r waybell.InboxRequest, keep int, expires time.Time) error {
	_, err := write(s, ctx, "AddInboxRequest", func() (done, error) {
		in, err := s.inbox(numbered(r.Inbox))
		if err != nil {
			return done{}, err
		}
		s.lastRequest++
		r.Number = s.lastRequest
		list := append(s.requests[r.Inbox], r)
		s.requests[r.Inbox] = list[max(0, len(list)-keep):]
		in.LastRequestAt = r.ReceivedAt
		touch(in, expires)
		return done{}, nil
	})
	return err
}

// InboxRequests implements [waybell.InboxRequestStore].
func (s *Store) InboxRequests(ctx context.Context, n waybell.InboxNumber, q waybell.PageQuery) ([]waybell.InboxRequest, error) {
	return read(s, ctx, "InboxRequests", func() ([]waybell.InboxRequest, error) {
		return falling(s.requests[n], func(r waybell.InboxRequest) int64 { return r.Number }, q), nil
	})
}

// ClearInbox implements [waybell.InboxRequestStore].
func (s *Store) ClearInbox(ctx context.Context, n waybell.InboxNumber) error {
	_, err := write(s, ctx, "ClearInbox", func() (done, error) {
		delete(s.requests, n)
		return done{}, nil
	})
	return err
}

// SweepInboxes implements [waybell.InboxRequestStore].
func (s *Store) SweepInboxes(ctx context.Context, lease waybell.Lease, now time.Time, _ time.Duration) (int, bool, error) {
	n, err := fenced(s, ctx, lease, "SweepInboxes", func() (int, error) {
		n := 0
		for _, in := range s.inboxes {
			if in != nil && !in.ExpiresAt.After(now) {
				s.dropInbox(in.Number)
				n++
			}
		}
		return n, nil
	})
	return n, false, err
}
