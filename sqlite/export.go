package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/transfer"
)

// Export reads the store for another one. It implements [transfer.Source]. No
// service may use the store meanwhile.
type Export struct {
	s *Store
	// Rows and Bytes bound a piece: rows of all tables, and bytes of payload and
	// detail.
	Rows, Bytes int
}

var _ transfer.Source = (*Export)(nil)

const (
	exportRows  = 20_000
	exportBytes = 16 << 20
)

// Export makes the store ready to be read by another one: every waiting row is
// released as if the process that had it died, which it did.
func (s *Store) Export(ctx context.Context, n waybell.NodeInfo) (*Export, error) {
	lease, err := s.Join(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	for more := true; more && err == nil; {
		_, more, err = s.Adopt(ctx, lease, time.Now())
	}
	if err == nil {
		err = s.Leave(ctx, lease)
	}
	if err != nil {
		return nil, fmt.Errorf("export: release the waiting deliveries: %w", err)
	}
	return s.ExportAgain(), nil
}

// ExportAgain goes on with an export whose [Store.Uses] have not changed since.
func (s *Store) ExportAgain() *Export {
	return &Export{s: s, Rows: exportRows, Bytes: exportBytes}
}

// Uses is how many nodes ever joined the store: where it has not changed, nobody
// wrote to it.
func (s *Store) Uses(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, func(c *conn) error {
		n, err = c.int("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'nodes'")
		return err
	})
	return n, err
}

// Configuration implements [transfer.Source].
func (x *Export) Configuration(ctx context.Context) (*transfer.Configuration, error) {
	ch, err := x.s.ConfigSince(ctx, -1)
	if err != nil {
		return nil, err
	}
	out := &transfer.Configuration{Version: ch.Version, Agents: ch.Agents, Endpoints: ch.Endpoints, EventTypes: ch.EventTypes}
	err = x.s.snapshot(ctx, func(c *conn) error {
		var err error
		if out.Keys, err = collect(c.query("SELECT "+keyColumns+" FROM api_keys ORDER BY number"), readKey); err != nil {
			return err
		}
		if out.Inboxes, err = collect(c.query("SELECT "+inboxColumns+" FROM inboxes ORDER BY number"), readInbox); err != nil {
			return err
		}
		out.Settings, err = collect(c.query("SELECT name, value FROM settings ORDER BY name"), func(r *rows) (transfer.Setting, error) {
			return transfer.Setting{Name: r.text(), Value: r.blob()}, nil
		})
		if err != nil {
			return err
		}
		out.Counters, err = collect(c.query("SELECT agent, "+countersColumns+" FROM counters ORDER BY endpoint"), readExported)
		if err != nil {
			return err
		}
		last, err := c.int(sqlLastKey)
		out.LastKey = waybell.Key(last)
		return err
	})
	return out, err
}

const sqlLastKey = `SELECT max(value, coalesce((SELECT max(key) FROM events), 0), coalesce((SELECT max(entered) FROM waiting), 0))
	FROM meta WHERE name = 'last_key'`

func readExported(r *rows) (transfer.Counters, error) {
	agent := waybell.AgentNumber(r.int())
	c, err := readCounters(r)
	return transfer.Counters{Agent: agent, Counters: c}, err
}

// Events implements [transfer.Source].
func (x *Export) Events(ctx context.Context, after waybell.Key) (*transfer.Piece, error) {
	p := &transfer.Piece{}
	err := x.s.snapshot(ctx, func(c *conn) error {
		*p = transfer.Piece{}
		events := c.query("SELECT "+eventColumns+" FROM events WHERE key > ? ORDER BY key LIMIT ?", after, x.Rows)
		bytes, tried := 0, 0
		for p.Rows() < x.Rows && bytes < x.Bytes && events.next() {
			e := x.s.readEvent(events)
			if err := x.belongings(c, p, &e); err != nil {
				return fmt.Errorf("event %d: %w", e.Key, err)
			}
			p.Events = append(p.Events, e)
			bytes += len(e.Data) + len(e.Messages)
			for ; tried < len(p.Attempts); tried++ {
				bytes += len(p.Attempts[tried].Detail)
			}
		}
		return events.close()
	})
	return p, err
}

// belongings adds what belongs to an event.
func (x *Export) belongings(c *conn, p *transfer.Piece, e *waybell.Event) error {
	waiting, err := collect(c.query("SELECT "+waitingColumns+" FROM waiting WHERE agent = ? AND event = ? ORDER BY endpoint",
		e.Agent, e.Key), x.s.readWaiting)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		if w.Owned {
			return fmt.Errorf("the delivery to endpoint %d is still owned", w.Endpoint)
		}
		p.Waiting = append(p.Waiting, w.Waiting)
	}
	deliveries, err := collect(c.query("SELECT "+deliveryColumns+" FROM deliveries WHERE agent = ? AND event = ? ORDER BY endpoint",
		e.Agent, e.Key), x.s.readDelivery)
	if err != nil {
		return err
	}
	p.Deliveries = append(p.Deliveries, deliveries...)
	r := c.query(`SELECT endpoint, number, started_at, duration, status_code, reason, detail FROM attempts
		WHERE event = ? ORDER BY endpoint, number`, e.Key)
	for r.next() {
		p.Attempts = append(p.Attempts, waybell.Attempt{
			DeliveryRef: waybell.DeliveryRef{Event: e.Key, Endpoint: waybell.EndpointNumber(r.int())}, Agent: e.Agent,
			Number: int(r.int()), StartedAt: r.time(), Duration: time.Duration(r.int()) * time.Microsecond,
			StatusCode: int(r.int()), Reason: waybell.Reason(r.int()), Detail: r.blob(),
		})
	}
	return r.close()
}

// Promises implements [transfer.Source].
func (x *Export) Promises(ctx context.Context, after transfer.Promise) (list []transfer.Promise, err error) {
	err = x.s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(`SELECT agent, kind, key, event, hash FROM idempotency
			WHERE (agent, kind, key) > (?, ?, ?) ORDER BY agent, kind, key LIMIT ?`, after.Agent, after.Kind, after.Key, x.Rows),
			func(r *rows) (transfer.Promise, error) {
				return transfer.Promise{Agent: waybell.AgentNumber(r.int()), Kind: int(r.int()), Key: r.text(),
					Event: waybell.Key(r.int()), Hash: r.blob()}, nil
			})
		return err
	})
	return list, err
}

// Tallies implements [transfer.Source].
func (x *Export) Tallies(ctx context.Context, after transfer.TallyKey) (list []transfer.Tally, err error) {
	err = x.s.read(ctx, func(c *conn) error {
		list, err = collect(c.query(`SELECT agent, endpoint, step, at, tally FROM statistics
			WHERE (agent, endpoint, step, at) > (?, ?, ?, ?) ORDER BY agent, endpoint, step, at LIMIT ?`,
			after.Agent, after.Endpoint, after.Step, after.At, x.Rows),
			func(r *rows) (transfer.Tally, error) {
				return transfer.Tally{TallyKey: transfer.TallyKey{Agent: r.int(), Endpoint: r.int(), Step: r.int(), At: r.int()},
					Encoded: r.blob()}, nil
			})
		return err
	})
	return list, err
}

// Counts implements [transfer.Source].
func (x *Export) Counts(ctx context.Context) (n transfer.Counts, err error) {
	err = x.s.snapshot(ctx, func(c *conn) error {
		for _, table := range []struct {
			sql string
			n   *int64
		}{
			{"SELECT count(*) FROM agents", &n.Agents}, {"SELECT count(*) FROM endpoints", &n.Endpoints},
			{"SELECT count(*) FROM event_types", &n.EventTypes}, {"SELECT count(*) FROM api_keys", &n.Keys},
			{"SELECT count(*) FROM inboxes", &n.Inboxes}, {"SELECT count(*) FROM events", &n.Events},
			{"SELECT count(*) FROM waiting", &n.Waiting}, {"SELECT count(*) FROM deliveries", &n.Deliveries},
			{"SELECT count(*) FROM attempts", &n.Attempts}, {"SELECT count(*) FROM idempotency", &n.Promises},
			{"SELECT count(*) FROM statistics", &n.Tallies},
		} {
			if *table.n, err = c.int(table.sql); err != nil {
				return err
			}
		}
		_, err = c.row(func(r *rows) {
			n.Ledger = transfer.Ledger{Accepted: r.int(), Pending: r.int(), Retrying: r.int(),
				Delivered: r.int(), Failed: r.int(), Canceled: r.int()}
		}, "SELECT sum(accepted), sum(pending), sum(retrying), sum(delivered), sum(failed), sum(canceled) FROM counters")
		return err
	})
	return n, err
}
