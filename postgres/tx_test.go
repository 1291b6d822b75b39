package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// Lists of the log that take long leave places to the engine's own reading.
func TestSlowListsLeavePlaces(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{Conns: leastConns})
	ctx, cancel := context.WithCancel(t.Context())
	reading := make(chan struct{}, cap(s.readers)+1)
	var lists sync.WaitGroup
	for range cap(reading) {
		lists.Go(func() {
			_ = s.readLog(ctx, func(ctx context.Context, _ querier) error {
				reading <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			})
		})
	}
	defer lists.Wait()
	defer cancel()
	<-reading
	if _, err := s.ConfigVersion(t.Context()); err != nil {
		t.Errorf("the version of the configuration beside slow lists: %v", err)
	}
	if len(s.logReaders) == cap(s.readers) {
		t.Error("lists have every place of those who read")
	}
}

// Any number of changes that wait for each other keep neither publishers nor
// heartbeats from the database.
func TestChangesLeaveConnections(t *testing.T) {
	t.Parallel()
	p := join(t, Config{Conns: leastConns})
	ctx, cancel := context.WithCancel(t.Context())
	locked, release := make(chan struct{}), make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		err := p.configure(ctx, func(*tx, int64) error { close(locked); <-release; return nil })
		if err != nil {
			t.Errorf("the first change: %v", err)
		}
	})
	<-locked
	for range 4 * leastConns {
		changes.Go(func() { _ = p.configure(ctx, func(*tx, int64) error { return nil }) })
	}
	eventually(t, "all places of changes are taken", func() error {
		if len(p.changers) < cap(p.changers) {
			return errors.New("not yet")
		}
		return nil
	})
	if err := p.Heartbeat(t.Context(), p.lease, waybell.NodeLoad{}); err != nil {
		t.Errorf("heartbeat: %v", err)
	}
	p.mustPublish(t)
	if n := p.pool.Stat().AcquiredConns(); n > changersMost {
		t.Errorf("changes hold %d connections", n)
	}
	close(release)
	cancel()
	changes.Wait()
}

// What people ask for by names that no row can have is not there; it is no fault
// of the database.
func TestUnstorableEventID(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{})
	for _, id := range []string{"a\x00b", "\xff"} {
		if _, err := s.EventByID(t.Context(), 1, id); !errors.Is(err, waybell.ErrNotFound) {
			t.Errorf("event %q: %v", id, err)
		}
	}
}

// Two nodes that send a settled delivery again at once both find it.
func TestRequeueAtOnce(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b := join(t, Config{URL: url}), join(t, Config{URL: url})
	ref := waybell.DeliveryRef{Event: a.mustPublish(t).Key, Endpoint: 7}
	if err := a.CancelDelivery(t.Context(), a.lease, 1, ref, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := a.Settle(t.Context(), a.lease, []waybell.Settlement{{DeliveryRef: ref, Agent: 1, Kind: waybell.SettleRelease, NextAt: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	list := []waybell.Requeue{{DeliveryRef: ref, Agent: 1, Now: time.Now(), Entered: waybell.KeyAt(time.Now()), WindowEnd: time.Now().Add(time.Hour)}}
	var other sync.WaitGroup
	err := a.write(t.Context(), a.lease, func(tx *tx) error {
		q := requeueing{refused: make(map[deliveryKey]error)}
		q.all.add(&list[0])
		if err := tx.findRequeued(&q); err != nil {
			return err
		}
		other.Go(func() {
			got, err := b.Requeue(t.Context(), b.lease, list)
			if err != nil || got[0].Err != nil {
				t.Errorf("the second: %v, %v", err, got)
			}
		})
		eventually(t, "the second waits", func() error {
			var n int
			err := b.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
			if err == nil && n == 0 {
				err = errors.New("not yet")
			}
			return err
		})
		return tx.requeue(&q, list)
	})
	if err != nil {
		t.Fatal(err)
	}
	other.Wait()
}
