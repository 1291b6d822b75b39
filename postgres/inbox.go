package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const sqlInbox = `SELECT number, id, agent, agent_id, name, token, respond_status, created_at, expires_at, last_request,
	(SELECT count(*) FROM inbox_requests r WHERE r.inbox = inboxes.number) FROM inboxes`

func readInbox(r pgx.CollectableRow) (in waybell.Inbox, err error) {
	var name []byte
	var created, expires, last int64
	err = r.Scan(&in.Number, &in.ID, &in.Agent, &in.AgentID, &name, &in.Token, &in.RespondStatus,
		&created, &expires, &last, &in.Requests)
	in.Name = string(name)
	in.CreatedAt, in.ExpiresAt, in.LastRequestAt = moment(created), moment(expires), moment(last)
	return in, err
}

// CreateInbox implements [waybell.InboxStore]. It fails with ErrExists when the
// id or the token is taken. Those who make inboxes of the same agent wait for
// each other at its row, and its deletion for them.
func (s *Store) CreateInbox(ctx context.Context, in waybell.Inbox, limit int) (waybell.Inbox, error) {
	err := s.change(ctx, func(t *tx) error {
		found, err := t.one("SELECT id FROM agents WHERE number = $1 AND living FOR NO KEY UPDATE", []any{in.Agent}, &in.AgentID)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("agent %d: %w", in.Agent, waybell.ErrNotFound)
		}
		var living int
		t.query(func(r pgx.CollectableRow) error { return r.Scan(&living) },
			"SELECT count(*) FROM inboxes WHERE agent = $1 AND expires_at > $2", in.Agent, micros(in.CreatedAt))
		made, err := t.one(`INSERT INTO inboxes (id, agent, agent_id, name, token, respond_status, created_at, expires_at, last_request)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING number`,
			[]any{in.ID, in.Agent, in.AgentID, []byte(in.Name), in.Token, in.RespondStatus,
				micros(in.CreatedAt), micros(in.ExpiresAt), micros(time.Time{})}, &in.Number)
		switch {
		case err != nil:
			return err
		case !made:
			return fmt.Errorf("inbox %s: %w", in.ID, waybell.ErrExists)
		case living >= limit:
			return fmt.Errorf("%w: the agent has %d inboxes", waybell.ErrConflict, living)
		}
		in.Requests, in.LastRequestAt = 0, time.Time{}
		return nil
	})
	return in, err
}

// UpdateInbox implements [waybell.InboxStore].
func (s *Store) UpdateInbox(ctx context.Context, in waybell.Inbox) error {
	return s.change(ctx, func(t *tx) error {
		n, err := t.exec("UPDATE inboxes SET name = $2, respond_status = $3, expires_at = greatest(expires_at, $4) WHERE number = $1",
			in.Number, []byte(in.Name), in.RespondStatus, micros(in.ExpiresAt))
		if err == nil && n == 0 {
			err = fmt.Errorf("inbox %d: %w", in.Number, waybell.ErrNotFound)
		}
		return err
	})
}

// TouchInbox implements [waybell.InboxStore].
func (s *Store) TouchInbox(ctx context.Context, n waybell.InboxNumber, expires time.Time) error {
	return s.change(ctx, func(t *tx) error {
		t.queue("UPDATE inboxes SET expires_at = $2 WHERE number = $1 AND expires_at < $2", n, micros(expires))
		return nil
	})
}

// DeleteInbox implements [waybell.InboxStore]. The inbox goes first: a request
// that is being added is then committed, and seen by the second statement, or
// finds no inbox.
func (s *Store) DeleteInbox(ctx context.Context, agent waybell.AgentNumber, id string) error {
	if !storable(id) {
		return fmt.Errorf("inbox %q: %w", id, waybell.ErrNotFound)
	}
	return s.change(ctx, func(t *tx) error {
		var number int64
		found, err := t.one("DELETE FROM inboxes WHERE agent = $1 AND id = $2 RETURNING number", []any{agent, id}, &number)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("inbox %s: %w", id, waybell.ErrNotFound)
		}
		t.queue("DELETE FROM inbox_requests WHERE inbox = $1", number)
		return nil
	})
}

// Inbox implements [waybell.InboxStore].
func (s *Store) Inbox(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Inbox, error) {
	in, err := readOne(ctx, s, readInbox, sqlInbox+" WHERE agent = $1 AND id = $2", agent, id)
	return in, about("inbox", err)
}

// InboxByToken implements [waybell.InboxStore].
func (s *Store) InboxByToken(ctx context.Context, token string) (waybell.Inbox, error) {
	in, err := readOne(ctx, s, readInbox, sqlInbox+" WHERE token = $1", token)
	return in, about("inbox", err)
}

// Inboxes implements [waybell.InboxStore].
func (s *Store) Inboxes(ctx context.Context, agent waybell.AgentNumber, now time.Time, q waybell.PageQuery) ([]waybell.Inbox, error) {
	return readAll(ctx, s, readInbox,
		sqlInbox+" WHERE agent = $1 AND number < $2 AND expires_at > $3 ORDER BY number DESC LIMIT $4",
		agent, before(q), micros(now), q.Limit)
}

// AddInboxRequest implements [waybell.InboxRequestStore]. It is one round trip:
// where the inbox is gone, the statements do nothing. The inbox's row is locked
// first, so that one request after the other is added to it.
func (s *Store) AddInboxRequest(ctx context.Context, q waybell.InboxRequest, keep int, expires time.Time) error {
	detail, err := stored.InboxRequest(&q)
	if err != nil {
		return err
	}
	found := false
	err = s.change(ctx, func(t *tx) error {
		found, t.rows = false, 2
		t.query(func(pgx.CollectableRow) error { found = true; return nil },
			"UPDATE inboxes SET last_request = $2, expires_at = greatest(expires_at, $3) WHERE number = $1 RETURNING number",
			q.Inbox, micros(q.ReceivedAt), micros(expires))
		t.queue(`INSERT INTO inbox_requests (inbox, id, received_at, detail, body)
			SELECT number, $2, $3, $4, $5 FROM inboxes WHERE number = $1`, q.Inbox, q.ID, micros(q.ReceivedAt), detail, q.Body)
		t.queue(`DELETE FROM inbox_requests WHERE inbox = $1 AND number <= (
			SELECT number FROM inbox_requests WHERE inbox = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)`, q.Inbox, keep)
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("inbox %d: %w", q.Inbox, waybell.ErrNotFound)
	}
	return err
}

// InboxRequests implements [waybell.InboxRequestStore].
func (s *Store) InboxRequests(ctx context.Context, n waybell.InboxNumber, q waybell.PageQuery) ([]waybell.InboxRequest, error) {
	return readAll(ctx, s, readRequest, `SELECT number, inbox, id, received_at, detail, body FROM inbox_requests
		WHERE inbox = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, n, before(q), q.Limit)
}

func readRequest(r pgx.CollectableRow) (q waybell.InboxRequest, err error) {
	var received int64
	var detail []byte
	if err := r.Scan(&q.Number, &q.Inbox, &q.ID, &received, &detail, &q.Body); err != nil {
		return q, err
	}
	if err := stored.ReadInboxRequest(detail, &q); err != nil {
		return q, fmt.Errorf("%w: %w", errData, err)
	}
	q.ReceivedAt = moment(received)
	return q, nil
}

// ClearInbox implements [waybell.InboxRequestStore].
func (s *Store) ClearInbox(ctx context.Context, n waybell.InboxNumber) error {
	return s.change(ctx, func(t *tx) error {
		t.queue("DELETE FROM inbox_requests WHERE inbox = $1", n)
		return nil
	})
}

// sweptRequests is how many received requests one transaction removes.
const sweptRequests = 32

// SweepInboxes implements [waybell.InboxRequestStore]. Several nodes may sweep at
// once: each takes another inbox.
func (s *Store) SweepInboxes(ctx context.Context, lease waybell.Lease, now time.Time, budget time.Duration) (int, bool, error) {
	return s.pieces(ctx, lease, budget, func(t *tx) (int, bool, error) {
		var number int64
		found, err := t.one("SELECT number FROM inboxes WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED",
			[]any{micros(now)}, &number)
		if err != nil || !found {
			return 0, false, err
		}
		n, err := t.exec(`DELETE FROM inbox_requests WHERE number IN (
			SELECT number FROM inbox_requests WHERE inbox = $1 ORDER BY number LIMIT $2)`, number, sweptRequests)
		if err != nil || n == sweptRequests {
			return 0, true, err
		}
		t.queue("DELETE FROM inboxes WHERE number = $1", number)
		return 1, true, nil
	})
}
