package postgres

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// partitionsOf lists what there is of a day.
func partitionsOf(t *testing.T, s *Store, d day) map[string]partitionState {
	t.Helper()
	there, err := partitions(t.Context(), s.pool)
	if err != nil {
		t.Fatal(err)
	}
	of := make(map[string]partitionState)
	for p, st := range there {
		if p.day == d {
			of[p.parent] = st
		}
	}
	return of
}

func wantDay(t *testing.T, s *Store, d day) {
	t.Helper()
	there := partitionsOf(t, s, d)
	for _, parent := range parents {
		if st := there[parent]; !st.attached || st.pending {
			t.Errorf("%s: %+v, want it attached", d.table(parent), st)
		}
	}
}

func exec(t *testing.T, q *Store, sql string, args ...any) {
	t.Helper()
	if _, err := q.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestDayBounds(t *testing.T) {
	t.Parallel()
	at := time.Date(2028, 2, 29, 23, 59, 59, 999_999_000, time.UTC)
	d := dayAt(at)
	if d.String() != "20280229" || d.table("events") != "events_20280229" {
		t.Errorf("day %s, table %s", d, d.table("events"))
	}
	last := waybell.KeyAt(at) | waybell.MaxNodeSlot
	if dayOf(last) != d || dayOf(last+1) != d+1 || (d+1).from() != last+1 {
		t.Errorf("the last key of %s is of %s, the next of %s from %d", d, dayOf(last), dayOf(last+1), (d + 1).from())
	}
}

// TestDaysAtOnce has several nodes make the same days, while one that began long
// ago has written and not committed yet.
func TestDaysAtOnce(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{})
	today := dayAt(time.Now())
	for ahead := range day(daysAhead + 1) {
		wantDay(t, s, today+ahead)
	}
	writer, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Rollback(t.Context()) //nolint:errcheck // nothing of it is wanted
	_, err = writer.Exec(t.Context(), `INSERT INTO events (agent, key, timestamp, deliveries, test, type, agent_id, agent_name, id)
		VALUES (1, $1, 0, 0, false, '', '', '', '')`, int64(today.from()))
	if err != nil {
		t.Fatal(err)
	}
	var nodes sync.WaitGroup
	for range 3 {
		other := openStore(t, Config{URL: s.cfg.URL, Conns: leastConns})
		nodes.Go(func() {
			if err := other.makeDaysOf(t.Context(), []waybell.Key{(today - 40).from(), (today + 40).from(), (today - 40).from() + 1}); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	wantDay(t, s, today-40)
	wantDay(t, s, today+40)
}

// TestDayRepaired makes days of which something was done before.
func TestDayRepaired(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{})
	d := dayAt(time.Now())
	exec(t, s, `INSERT INTO events (agent, key, timestamp, deliveries, test, type, agent_id, agent_name, id)
		VALUES (1, $1, 0, 0, false, '', '', '', '')`, int64(d.from()))
	exec(t, s, "ALTER TABLE events DETACH PARTITION "+d.table("events"))
	exec(t, s, "DROP TABLE "+d.table("attempts"))
	if there := partitionsOf(t, s, d); there["events"].attached || !there["events"].exists || there["attempts"].exists {
		t.Fatalf("%+v", there)
	}
	if err := s.makeDays(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantDay(t, s, d)
	var n int
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d events, %v", n, err)
	}
}

// TestDayInTheWay waits for those who hold a lock that it needs, a while.
func TestDayInTheWay(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{})
	d := dayAt(time.Now()) - 7
	holder, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "LOCK TABLE deliveries IN SHARE UPDATE EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	while, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.makeDaysOf(while, []waybell.Key{d.from()}); err == nil {
		t.Fatal("no error while another changes partitions")
	}
	if there := partitionsOf(t, s, d); len(there) != 0 {
		t.Fatalf("half a day was made: %+v", there)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.makeDaysOf(t.Context(), []waybell.Key{d.from()}); err != nil {
		t.Fatal(err)
	}
	wantDay(t, s, d)
}
