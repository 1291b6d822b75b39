package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/stored"
	"github.com/waybell/waybell/internal/transfer"
)

// writeConfiguration writes what is small, and sees to it that numbers, versions
// and keys go on above those of the source.
func writeConfiguration(ctx context.Context, t pgx.Tx, c *transfer.Configuration) error {
	err := copyAll(ctx, t, bulkAgents(c.Agents), bulkEndpoints(c.Endpoints), bulkEventTypes(c.EventTypes), bulkKeys(c.Keys),
		bulkInboxes(c.Inboxes), bulkSettings(c.Settings), bulkCounters(c.Counters), bulkHealth(c.Counters))
	if err != nil {
		return err
	}
	var b pgx.Batch
	for _, table := range []string{"agents", "endpoints", "inboxes"} {
		b.Queue("SELECT setval(pg_get_serial_sequence('" + table + "', 'number'), max(number)) FROM " + table + " HAVING max(number) > 0")
	}
	b.Queue("UPDATE config SET version = greatest(version, $1)", c.Version)
	b.Queue("UPDATE slots SET last_key = greatest(last_key, $1)", int64(c.LastKey))
	return t.SendBatch(ctx, &b).Close()
}

func bulkAgents(list []waybell.Agent) bulk {
	return bulkOf("agents", []string{"number", "id", "version", "created_at", "updated_at", "deleted_at", "living", "settings"},
		list, func(a *waybell.Agent) ([]any, error) {
			settings, err := stored.Agent(a)
			return []any{int64(a.Number), a.ID, a.Version, micros(a.CreatedAt), micros(a.UpdatedAt), micros(a.DeletedAt),
				a.DeletedAt.IsZero(), settings}, err
		})
}

func bulkEndpoints(list []waybell.Endpoint) bulk {
	return bulkOf("endpoints", []string{"number", "agent", "agent_id", "id", "state", "state_since", "cancel_up_to", "version",
		"created_at", "updated_at", "deleted_at", "living", "settings", "sealed"},
		list, func(e *waybell.Endpoint) ([]any, error) {
			settings, err := stored.Endpoint(e)
			return []any{int64(e.Number), int64(e.Agent), e.AgentID, e.ID, int16(e.State), micros(e.StateSince), int64(e.CancelUpTo), e.Version,
				micros(e.CreatedAt), micros(e.UpdatedAt), micros(e.DeletedAt), e.State != waybell.EndpointDeleted, settings, e.Sealed}, err
		})
}

func bulkEventTypes(list []waybell.EventType) bulk {
	return bulkOf("event_types", []string{"name", "description", "schema", "example", "version", "created_at", "updated_at",
		"deleted_at", "living"},
		list, func(e *waybell.EventType) ([]any, error) {
			return []any{e.Name, []byte(e.Description), []byte(e.Schema), []byte(e.Example), e.Version, micros(e.CreatedAt),
				micros(e.UpdatedAt), micros(e.DeletedAt), e.DeletedAt.IsZero()}, nil
		})
}

func bulkKeys(list []waybell.APIKey) bulk {
	return bulkOf("api_keys", []string{"id", "hash", "root", "version", "created_at", "revoked_at", "works", "settings"},
		list, func(k *waybell.APIKey) ([]any, error) {
			settings, err := stored.Key(k)
			return []any{k.ID, k.Hash[:], k.Root, k.Version, micros(k.CreatedAt), micros(k.RevokedAt), k.RevokedAt.IsZero(), settings}, err
		})
}

func bulkInboxes(list []waybell.Inbox) bulk {
	return bulkOf("inboxes", []string{"number", "id", "agent", "agent_id", "name", "token", "respond_status", "created_at",
		"expires_at", "last_request"},
		list, func(in *waybell.Inbox) ([]any, error) {
			return []any{int64(in.Number), in.ID, int64(in.Agent), in.AgentID, []byte(in.Name), in.Token, int32(in.RespondStatus),
				micros(in.CreatedAt), micros(in.ExpiresAt), micros(time.Time{})}, nil
		})
}

func bulkSettings(list []transfer.Setting) bulk {
	return bulkOf("settings", []string{"name", "value"}, list, func(s *transfer.Setting) ([]any, error) {
		return []any{s.Name, s.Value}, nil
	})
}

// noSeat is the seat of counters that no node wrote.
const noSeat = -1

func bulkCounters(list []transfer.Counters) bulk {
	return bulkOf("counters", []string{"agent", "endpoint", "seat", "lane", "accepted", "pending", "retrying", "delivered", "failed", "canceled"},
		list, func(c *transfer.Counters) ([]any, error) {
			return []any{int64(c.Agent), int64(c.Endpoint), int32(noSeat), int16(worksLane), c.Accepted, c.Pending, c.Retrying,
				c.Delivered, c.Failed, c.Canceled}, nil
		})
}

func bulkHealth(list []transfer.Counters) bulk {
	return bulkOf("health", []string{"agent", "endpoint", "seat", "changed_at", "last_success", "last_failure", "failing_since",
		"refused_since", "failures", "refusals", "last_status", "last_reason", "open"},
		list, func(c *transfer.Counters) ([]any, error) {
			h := c.Health
			return []any{int64(c.Agent), int64(c.Endpoint), int32(noSeat), max(micros(h.LastSuccess), micros(h.LastFailure)),
				micros(h.LastSuccess), micros(h.LastFailure), micros(h.FailingSince), micros(h.RefusedSince), int32(h.Failures),
				int32(h.Refusals), int32(h.LastStatus), int16(h.LastReason), h.Open}, nil
		})
}

// countAll counts what an import is compared by.
func countAll(ctx context.Context, q querier) (n transfer.Counts, err error) {
	err = q.QueryRow(ctx, `SELECT (SELECT count(*) FROM agents), (SELECT count(*) FROM endpoints), (SELECT count(*) FROM event_types),
			(SELECT count(*) FROM api_keys), (SELECT count(*) FROM inboxes), (SELECT count(*) FROM events), (SELECT count(*) FROM waiting),
			(SELECT count(*) FROM deliveries), (SELECT count(*) FROM attempts), (SELECT count(*) FROM idempotency), (SELECT count(*) FROM statistics)`).
		Scan(&n.Agents, &n.Endpoints, &n.EventTypes, &n.Keys, &n.Inboxes, &n.Events, &n.Waiting,
			&n.Deliveries, &n.Attempts, &n.Promises, &n.Tallies)
	if err != nil {
		return n, err
	}
	l := &n.Ledger
	err = q.QueryRow(ctx, `SELECT coalesce(sum(accepted), 0)::bigint, coalesce(sum(pending), 0)::bigint, coalesce(sum(retrying), 0)::bigint,
			coalesce(sum(delivered), 0)::bigint, coalesce(sum(failed), 0)::bigint, coalesce(sum(canceled), 0)::bigint FROM counters`).
		Scan(&l.Accepted, &l.Pending, &l.Retrying, &l.Delivered, &l.Failed, &l.Canceled)
	return n, err
}
