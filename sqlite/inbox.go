package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
)

const inboxColumns = `number, id, agent, agent_id, name, token, respond_status, created_at, expires_at, last_request,
	(SELECT count(*) FROM inbox_requests WHERE inbox = inboxes.number)`

func readInbox(r *rows) (waybell.Inbox, error) {
	in := waybell.Inbox{
		Number: waybell.InboxNumber(r.int()), ID: r.text(), Agent: waybell.AgentNumber(r.int()), AgentID: r.text(),
		Name: r.text(), Token: r.text(), RespondStatus: int(r.int()), CreatedAt: r.time(), ExpiresAt: r.time(),
		LastRequestAt: r.time(),
	}
	in.Requests = int(r.int())
	return in, nil
}

// CreateInbox implements [waybell.InboxStore]. It fails with ErrExists when the
// id or the token is taken.
func (s *Store) CreateInbox(ctx context.Context, in waybell.Inbox, limit int) (waybell.Inbox, error) {
	err := s.write(ctx, 1, 0, func(t *tx) error {
		agent, err := t.row(func(r *rows) { in.AgentID = r.text() },
			"SELECT id FROM agents WHERE number = ? AND living = 1", in.Agent)
		if err != nil {
			return err
		}
		if !agent {
			return fmt.Errorf("agent %d: %w", in.Agent, waybell.ErrNotFound)
		}
		taken, err := t.int("SELECT number FROM inboxes WHERE id = ?", in.ID)
		if err == nil && taken == 0 {
			taken, err = t.int("SELECT number FROM inboxes WHERE token = ?", in.Token)
		}
		if err != nil {
			return err
		}
		if taken != 0 {
			return fmt.Errorf("inbox %s: %w", in.ID, waybell.ErrExists)
		}
		n, err := t.int("SELECT count(*) FROM inboxes WHERE agent = ? AND expires_at > ?", in.Agent, in.CreatedAt)
		if err != nil {
			return err
		}
		if n >= int64(limit) {
			return fmt.Errorf("%w: the agent has %d inboxes", waybell.ErrConflict, n)
		}
		_, err = t.exec(`INSERT INTO inboxes (id, agent, agent_id, name, token, respond_status, created_at, expires_at, last_request)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			in.ID, in.Agent, in.AgentID, in.Name, in.Token, in.RespondStatus, in.CreatedAt, in.ExpiresAt, time.Time{})
		if err != nil {
			return err
		}
		number, err := t.int("SELECT number FROM inboxes WHERE id = ?", in.ID)
		in.Number, in.Requests, in.LastRequestAt = waybell.InboxNumber(number), 0, time.Time{}
		return err
	})
	return in, err
}

// UpdateInbox implements [waybell.InboxStore].
func (s *Store) UpdateInbox(ctx context.Context, in waybell.Inbox) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		if err := t.checkInbox(in.Number); err != nil {
			return err
		}
		_, err := t.exec("UPDATE inboxes SET name = ?, respond_status = ?, expires_at = max(expires_at, ?) WHERE number = ?",
			in.Name, in.RespondStatus, in.ExpiresAt, int64(in.Number))
		return err
	})
}

func (t *tx) checkInbox(n waybell.InboxNumber) error {
	number, err := t.int("SELECT number FROM inboxes WHERE number = ?", int64(n))
	if err == nil && number == 0 {
		err = fmt.Errorf("inbox %d: %w", n, waybell.ErrNotFound)
	}
	return err
}

// TouchInbox implements [waybell.InboxStore].
func (s *Store) TouchInbox(ctx context.Context, n waybell.InboxNumber, expires time.Time) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		_, err := t.exec("UPDATE inboxes SET expires_at = max(expires_at, ?) WHERE number = ?", expires, int64(n))
		return err
	})
}

// DeleteInbox implements [waybell.InboxStore].
func (s *Store) DeleteInbox(ctx context.Context, agent waybell.AgentNumber, id string) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		number, err := t.int("SELECT number FROM inboxes WHERE agent = ? AND id = ?", agent, id)
		if err != nil {
			return err
		}
		if number == 0 {
			return fmt.Errorf("inbox %s: %w", id, waybell.ErrNotFound)
		}
		if _, err := t.exec("DELETE FROM inbox_requests WHERE inbox = ?", number); err != nil {
			return err
		}
		_, err = t.exec("DELETE FROM inboxes WHERE number = ?", number)
		return err
	})
}

// Inbox implements [waybell.InboxStore].
func (s *Store) Inbox(ctx context.Context, agent waybell.AgentNumber, id string) (waybell.Inbox, error) {
	return s.oneInbox(ctx, "SELECT "+inboxColumns+" FROM inboxes WHERE agent = ? AND id = ?", agent, id)
}

// InboxByToken implements [waybell.InboxStore].
func (s *Store) InboxByToken(ctx context.Context, token string) (waybell.Inbox, error) {
	return s.oneInbox(ctx, "SELECT "+inboxColumns+" FROM inboxes WHERE token = ?", token)
}

func (s *Store) oneInbox(ctx context.Context, sql string, args ...any) (waybell.Inbox, error) {
	list, err := s.inboxes(ctx, sql, args...)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("inbox: %w", waybell.ErrNotFound)
	}
	if err != nil {
		return waybell.Inbox{}, err
	}
	return list[0], nil
}

// Inboxes implements [waybell.InboxStore].
func (s *Store) Inboxes(ctx context.Context, agent waybell.AgentNumber, now time.Time, q waybell.PageQuery) ([]waybell.Inbox, error) {
	return s.inboxes(ctx, "SELECT "+inboxColumns+
		" FROM inboxes WHERE agent = ? AND number < ? AND expires_at > ? ORDER BY number DESC LIMIT ?",
		agent, before(q), now, q.Limit)
}

func (s *Store) inboxes(ctx context.Context, sql string, args ...any) (list []waybell.Inbox, err error) {
	err = s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(sql, args...), readInbox)
		return err
	})
	return list, err
}

// AddInboxRequest implements [waybell.InboxRequestStore].
func (s *Store) AddInboxRequest(ctx context.Context, q waybell.InboxRequest, keep int, expires time.Time) error {
	detail, err := stored.InboxRequest(&q)
	if err != nil {
		return err
	}
	return s.write(ctx, 2, len(detail)+len(q.Body), func(t *tx) error {
		if err := t.checkInbox(q.Inbox); err != nil {
			return err
		}
		_, err := t.exec("UPDATE inboxes SET last_request = ?, expires_at = max(expires_at, ?) WHERE number = ?",
			q.ReceivedAt, expires, int64(q.Inbox))
		if err != nil {
			return err
		}
		_, err = t.exec("INSERT INTO inbox_requests (inbox, id, received_at, detail, body) VALUES (?, ?, ?, ?, ?)",
			int64(q.Inbox), q.ID, q.ReceivedAt, detail, q.Body)
		if err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM inbox_requests WHERE inbox = ?1 AND number <= (
			SELECT number FROM inbox_requests WHERE inbox = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)`, int64(q.Inbox), keep)
		return err
	})
}

// InboxRequests implements [waybell.InboxRequestStore].
func (s *Store) InboxRequests(ctx context.Context, n waybell.InboxNumber, q waybell.PageQuery) (list []waybell.InboxRequest, err error) {
	err = s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(`SELECT number, inbox, id, received_at, detail, body FROM inbox_requests
			WHERE inbox = ? AND number < ? ORDER BY number DESC LIMIT ?`, int64(n), before(q), q.Limit), readRequest)
		return err
	})
	return list, err
}

func readRequest(r *rows) (waybell.InboxRequest, error) {
	q := waybell.InboxRequest{Number: r.int(), Inbox: waybell.InboxNumber(r.int()), ID: r.text(), ReceivedAt: r.time()}
	if err := stored.ReadInboxRequest(r.blob(), &q); err != nil {
		return q, fmt.Errorf("sqlite: %w", err)
	}
	q.Body = r.blob()
	return q, nil
}

// ClearInbox implements [waybell.InboxRequestStore].
func (s *Store) ClearInbox(ctx context.Context, n waybell.InboxNumber) error {
	return s.write(ctx, 1, 0, func(t *tx) error {
		_, err := t.exec("DELETE FROM inbox_requests WHERE inbox = ?", int64(n))
		return err
	})
}

// sweepRequests is how many received requests one transaction removes.
const sweepRequests = 32

// SweepInboxes implements [waybell.InboxRequestStore].
func (s *Store) SweepInboxes(ctx context.Context, lease waybell.Lease, now time.Time, budget time.Duration) (int, bool, error) {
	return s.pieces(ctx, lease, budget, func(t *tx, _ time.Time) (int, bool, error) {
		number, err := t.int("SELECT number FROM inboxes WHERE expires_at <= ? ORDER BY expires_at LIMIT 1", now)
		if err != nil || number == 0 {
			return 0, false, err
		}
		n, err := t.exec(`DELETE FROM inbox_requests WHERE number IN (
			SELECT number FROM inbox_requests WHERE inbox = ? ORDER BY number LIMIT ?)`, number, sweepRequests)
		if err != nil || n == sweepRequests {
			return 0, true, err
		}
		_, err = t.exec("DELETE FROM inboxes WHERE number = ?", number)
		return 1, true, err
	})
}
