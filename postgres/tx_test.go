package postgres

import (
	"context"
	"errors"
	"slices"
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
		q := newRequeueing(list)
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

// A node that sends again what another has in hand, while that one settles it in
// another order, waits for nobody and leaves it alone.
func TestRequeueWhileSettling(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b := join(t, Config{URL: url}), join(t, Config{URL: url})
	const rows, rounds = 250, 40
	now := time.Now()
	list, outcomes := make([]waybell.Requeue, rows), make([]waybell.Settlement, rows)
	for i := range rows {
		ref := waybell.DeliveryRef{Event: a.mustPublish(t).Key, Endpoint: 7}
		list[i] = waybell.Requeue{DeliveryRef: ref, Agent: 1, Now: now, Entered: ref.Event, WindowEnd: now.Add(time.Hour)}
		outcomes[i] = waybell.Settlement{DeliveryRef: ref, Agent: 1, Kind: waybell.SettleRetry, NextAt: now,
			Attempt: &waybell.Attempt{DeliveryRef: ref, Agent: 1, StartedAt: now, Reason: waybell.ReasonTimeout}}
	}
	slices.Reverse(outcomes)
	for round := range rounds {
		for i := range outcomes {
			attempt := *outcomes[i].Attempt
			attempt.Number = round + 1
			outcomes[i].Attempt = &attempt
		}
		var both sync.WaitGroup
		both.Go(func() {
			if err := a.Settle(t.Context(), a.lease, outcomes); err != nil {
				t.Errorf("settle: %v", err)
			}
		})
		got, err := b.Requeue(t.Context(), b.lease, list)
		if err != nil {
			t.Fatalf("requeue: %v", err)
		}
		for i, g := range got {
			if g.Err != nil || g.DeliveryRef != list[i].DeliveryRef {
				t.Fatalf("requeued %+v", g)
			}
		}
		both.Wait()
		claimed, err := a.Claim(t.Context(), a.lease, now, []waybell.ClaimWant{{Endpoint: 7, Max: rows}})
		if err != nil || len(claimed) != rows || claimed[0].Attempts != round+1 {
			t.Fatalf("round %d: %d rows, %v", round, len(claimed), err)
		}
	}
	var deadlocks int
	err := a.pool.QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks)
	if err != nil || deadlocks > 0 {
		t.Errorf("%d deadlocks, %v", deadlocks, err)
	}
}

// What a node has in hand is not locked by who sends it again, and told as it is.
func TestRequeueOwnedIsNotLocked(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b := join(t, Config{URL: url}), join(t, Config{URL: url})
	ref := waybell.DeliveryRef{Event: a.mustPublish(t).Key, Endpoint: 7}
	now := time.Now()
	list := []waybell.Requeue{{DeliveryRef: ref, Agent: 1, Now: now, Entered: waybell.KeyAt(now), WindowEnd: now.Add(time.Hour)}}
	err := b.write(t.Context(), b.lease, func(tx *tx) error {
		q := newRequeueing(list)
		if err := tx.findRequeued(&q); err != nil {
			return err
		}
		if err := tx.requeue(&q, list); err != nil {
			return err
		}
		// Its owner settles it before this ends.
		err := a.Settle(t.Context(), a.lease, []waybell.Settlement{{DeliveryRef: ref, Agent: 1, Kind: waybell.SettleFinal,
			Attempt: &waybell.Attempt{DeliveryRef: ref, Agent: 1, Number: 1, StartedAt: now}, State: waybell.DeliveryDelivered, FinishedAt: now}})
		if err != nil {
			return err
		}
		err = tx.findWaiting(&q)
		if w := q.waiting[deliveryKey{1, ref}]; !w.Owned || w.owner != a.lease.Node {
			t.Errorf("told as %+v", w)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A write that the server ended for the sake of another one is repeated.
func TestDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	url := database(t)
	peers := []*peer{join(t, Config{URL: url}), join(t, Config{URL: url})}
	const lock = "SELECT FROM slots WHERE slot = $1 FOR UPDATE"
	var first, ended sync.WaitGroup
	first.Add(len(peers))
	for i, p := range peers {
		ended.Go(func() {
			tries := 0
			err := p.writeAgain(t.Context(), p.lease, func(tx *tx) error {
				if _, err := tx.exec(lock, 100+i); err != nil {
					return err
				}
				if tries++; tries == 1 {
					first.Done()
					first.Wait()
				}
				_, err := tx.exec(lock, 101-i)
				return err
			})
			if err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	ended.Wait()
}
