package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

// The kinds of rows in idempotency.
const (
	kindID  = 0 // an id chosen by the publisher: for as long as the event is kept
	kindKey = 1 // an Idempotency-Key: for idempotencyTime
)

// idempotencyTime is how long an Idempotency-Key is remembered.
const idempotencyTime = 24 * time.Hour

// Accept implements [waybell.PublishStore].
func (s *Store) Accept(ctx context.Context, lease waybell.Lease, version int64, events []*waybell.NewEvent) ([]waybell.Accepted, error) {
	results := make([]waybell.Accepted, len(events))
	rows, bytes := 0, 0
	for _, e := range events {
		rows += 1 + len(e.Targets)
		bytes += len(e.Data) + len(e.Messages)
	}
	err := s.write(ctx, rows, bytes, func(t *tx) error {
		if err := t.fence(lease); err != nil {
			return err
		}
		if newest := t.configVersion(); version < newest {
			return fmt.Errorf("%w: %d is newer than %d", waybell.ErrConfigChanged, newest, version)
		}
		for i, e := range events {
			var err error
			if results[i], err = t.accept(lease, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// accept writes one event, unless it is a repetition.
func (t *tx) accept(lease waybell.Lease, e *waybell.NewEvent) (waybell.Accepted, error) {
	if e.CustomID || e.IdempotencyKey != "" {
		repeated, found, err := t.original(e)
		if err != nil || found {
			return repeated, err
		}
	}
	typ, err := t.typeNumber(e.Type)
	if err != nil {
		return waybell.Accepted{}, err
	}
	var id arg // an id made from the key is not stored
	if e.CustomID {
		id = text(e.ID)
	}
	err = t.insertLater(t.targets.events, num(e.Key), num(e.Agent), text(e.AgentID), text(e.AgentName), id, num(typ),
		moment(e.Timestamp), flag(e.Test), num(len(e.Targets)), blob(e.Messages), blob(e.Data))
	if err != nil {
		return waybell.Accepted{}, fmt.Errorf("event %s: %w", e.ID, err)
	}
	t.events++
	for _, target := range e.Targets {
		owner := lease.Node
		if target.Aside {
			owner = 0
			t.touch(target.Endpoint)
			t.moved(target.Endpoint, e.Due().UnixMicro())
		}
		err := t.insertLater(t.targets.waiting, num(e.Agent), num(e.Key), num(target.Endpoint), num(typ), num(e.Key),
			moment(e.Due()), moment(target.WindowEnd), num(owner), flag(e.Test))
		if err != nil {
			return waybell.Accepted{}, fmt.Errorf("event %s: delivery to endpoint %d: %w", e.ID, target.Endpoint, err)
		}
		c := t.counts(e.Agent, target.Endpoint)
		c.accepted++
		c.pending++
	}
	return waybell.Accepted{}, t.remember(e)
}

// remember stores what makes a repetition of e recognizable.
func (t *tx) remember(e *waybell.NewEvent) error {
	if e.CustomID {
		if _, err := t.execApart(sqlRemember, e.Agent, kindID, e.ID, e.Key, e.Hash[:]); err != nil {
			return err
		}
	}
	if e.IdempotencyKey != "" {
		return t.rememberKey(e, e.Key)
	}
	return nil
}

const sqlRemember = "INSERT OR REPLACE INTO idempotency (agent, kind, key, event, hash) VALUES (?, ?, ?, ?, ?)"

// rememberKey stores that an Idempotency-Key is that of an event.
func (t *tx) rememberKey(e *waybell.NewEvent, event waybell.Key) error {
	_, err := t.execApart(sqlRemember, e.Agent, kindKey, e.IdempotencyKey, event, e.Hash[:])
	return err
}

// repetition is a row of idempotency.
type repetition struct {
	event waybell.Key
	hash  [32]byte
}

// repeats finds what was published before under an id or Idempotency-Key.
func (t *tx) repeats(agent waybell.AgentNumber, kind int, key string) (r repetition, found bool, err error) {
	found, err = t.row(func(rows *rows) {
		r.event = waybell.Key(rows.int())
		copy(r.hash[:], rows.blob())
	}, "SELECT event, hash FROM idempotency WHERE agent = ? AND kind = ? AND key = ?", agent, kind, key)
	return r, found, err
}

// original finds the event that e repeats. Two that name different events, or
// one whose content differs, are a mismatch. A key that was not known is the
// event's from now on.
func (t *tx) original(e *waybell.NewEvent) (res waybell.Accepted, found bool, err error) {
	var before []repetition
	newKey := e.IdempotencyKey != ""
	if e.CustomID {
		r, ok, err := t.repeats(e.Agent, kindID, e.ID)
		if err != nil {
			return res, false, err
		}
		if ok {
			before = append(before, r)
		}
	}
	if e.IdempotencyKey != "" {
		r, ok, err := t.repeats(e.Agent, kindKey, e.IdempotencyKey)
		if err != nil {
			return res, false, err
		}
		if ok && e.Key.Time().Sub(r.event.Time()) < idempotencyTime {
			before, newKey = append(before, r), false
		}
	}
	if len(before) == 0 {
		return res, false, nil
	}
	for _, r := range before {
		if r.hash != e.Hash || r.event != before[0].event {
			res.Err = &waybell.Error{Code: waybell.CodeIdempotencyMismatch,
				Message: "this id or Idempotency-Key was used for another event"}
			return res, true, nil
		}
	}
	if newKey {
		if err := t.rememberKey(e, before[0].event); err != nil {
			return res, false, err
		}
	}
	o := waybell.Event{Key: before[0].event, Agent: e.Agent}
	found, err = t.row(func(r *rows) {
		o.ID, o.Type, o.Timestamp, o.Deliveries = r.text(), t.s.types.word(r.int()), r.time(), int(r.int())
	}, "SELECT id, type, timestamp, deliveries FROM events WHERE key = ?", o.Key)
	if o.ID == "" {
		o.ID = waybell.EventID(o.Key)
	}
	res.Duplicate = &o
	return res, found, err
}
