package postgres

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// keeping is a store with some days of events, each with one waiting delivery.
type keeping struct {
	*Store
	t     *testing.T
	lease waybell.Lease
	today day
}

const keptEvents = 3 // a day

func keep(t *testing.T, days day) *keeping {
	t.Helper()
	k := &keeping{Store: openStore(t, Config{}), t: t, today: dayAt(time.Now())}
	var err error
	if k.lease, err = k.Join(t.Context(), waybell.NodeInfo{Name: "node"}); err != nil {
		t.Fatal(err)
	}
	for d := k.today - days; d < k.today; d++ {
		k.publish(d)
	}
	return k
}

func (k *keeping) publish(d day) {
	k.t.Helper()
	var list []*waybell.NewEvent
	for i := range waybell.Key(keptEvents) {
		key := d.from() + i<<10
		list = append(list, &waybell.NewEvent{Event: waybell.Event{Key: key, Agent: 1, AgentID: "a", Type: "t", Timestamp: key.Time()},
			Targets:        []waybell.NewTarget{{Endpoint: 1, Aside: i == 0}},
			IdempotencyKey: key.Time().String()})
	}
	if _, err := k.Accept(k.t.Context(), k.lease, 0, list); err != nil {
		k.t.Fatal(err)
	}
}

// sweep removes the days before d.
func (k *keeping) sweep(d day, wantN int, wantMore bool) {
	k.t.Helper()
	n, more, err := k.Sweep(k.t.Context(), k.lease, d.from(), time.Minute)
	if n != wantN || more != wantMore || err != nil {
		k.t.Fatalf("%d events went, more %v, error %v; want %d, more %v", n, more, err, wantN, wantMore)
	}
}

func (k *keeping) count(sql string) (n int) {
	k.t.Helper()
	if err := k.pool.QueryRow(k.t.Context(), sql).Scan(&n); err != nil {
		k.t.Fatal(err)
	}
	return n
}

// wantCanceled checks the ledger and what else is left after days went.
func (k *keeping) wantCanceled(days, left int) {
	k.t.Helper()
	list, err := k.Counters(k.t.Context(), 1)
	if err != nil {
		k.t.Fatal(err)
	}
	want := waybell.Counters{Endpoint: 1, Accepted: int64((days + left) * keptEvents), Pending: int64(left * keptEvents),
		Canceled: int64(days * keptEvents)}
	if len(list) != 1 || list[0] != want {
		k.t.Errorf("ledger %+v, want %+v", list, want)
	}
	for _, table := range []string{"events", "waiting", "idempotency"} {
		if n := k.count("SELECT count(*) FROM " + table); n != left*keptEvents {
			k.t.Errorf("%d rows of %s, want %d", n, table, left*keptEvents)
		}
	}
}

// TestSweepDays keeps events to the end of their day.
func TestSweepDays(t *testing.T) {
	t.Parallel()
	k := keep(t, 3)
	end := (k.today - 2).from() - 1
	n, more, err := k.Sweep(t.Context(), k.lease, end, time.Minute)
	if n != 0 || more || err != nil {
		t.Fatalf("%d events went a moment too early, %v, %v", n, more, err)
	}
	k.sweep(k.today-2, keptEvents, false)
	k.wantCanceled(1, 2)
	if there := partitionsOf(t, k.Store, k.today-3); len(there) != 0 {
		t.Errorf("left %+v", there)
	}
	k.sweep(k.today-2, 0, false)
	k.sweep(k.today, 2*keptEvents, false)
	k.wantCanceled(3, 0)
	k.publish(k.today - 3) // by a clock that is late
	k.sweep(k.today, keptEvents, false)
	k.wantCanceled(4, 0)
}

// TestSweepNodes has several nodes remove the same days.
func TestSweepNodes(t *testing.T) {
	t.Parallel()
	k := keep(t, 4)
	var nodes sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 3 {
		s := openStore(t, Config{URL: k.cfg.URL, Conns: leastConns})
		lease, err := s.Join(t.Context(), waybell.NodeInfo{Name: "other"})
		if err != nil {
			t.Fatal(err)
		}
		nodes.Go(func() {
			n, _, err := s.Sweep(t.Context(), lease, k.today.from(), time.Minute)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	nodes.Wait()
	n, more, err := k.Sweep(t.Context(), k.lease, k.today.from(), time.Minute) // what they left to each other
	if total+n != 4*keptEvents || more || err != nil {
		t.Errorf("%d and %d events went, more %v, error %v", total, n, more, err)
	}
	k.wantCanceled(4, 0)
}

// TestSweepReader has a reader hold on to a day: publishers and other readers go
// on, and no longer see it, and it goes when the reader has ended.
func TestSweepReader(t *testing.T) {
	t.Parallel()
	k := keep(t, 1)
	old := k.today - 1
	reader, err := k.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(t.Context()) //nolint:errcheck // without effect at the end
	look := func() (n int) {
		if err := reader.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := look(); n != keptEvents {
		t.Fatalf("%d events", n)
	}
	k.sweep(k.today, 0, false) // in vain
	if st := partitionsOf(t, k.Store, old)["events"]; !st.pending {
		t.Fatalf("%+v, want its removal begun", st)
	}
	k.publish(k.today)
	if n := k.count("SELECT count(*) FROM events"); n != keptEvents {
		t.Errorf("%d events are seen, want today's", n)
	}
	if n := look(); n != keptEvents {
		t.Errorf("the reader sees %d events", n)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.sweep(k.today, keptEvents, false)
	k.wantCanceled(1, 1)
	if there := partitionsOf(t, k.Store, old); len(there) != 0 {
		t.Errorf("left %+v", there)
	}
}

// TestSweepInterrupted ends what a node left half done.
func TestSweepInterrupted(t *testing.T) {
	t.Parallel()
	k := keep(t, 2)
	for _, parent := range parents { // detached and not dropped
		exec(t, k.Store, "ALTER TABLE "+parent+" DETACH PARTITION "+(k.today-1).table(parent))
	}
	exec(t, k.Store, "DROP TABLE "+(k.today-2).table("attempts"))
	k.sweep(k.today, 2*keptEvents, false)
	k.wantCanceled(2, 0)
	if there := partitionsOf(t, k.Store, k.today-1); len(there) != 0 {
		t.Errorf("left %+v", there)
	}
}

// TestSweepInHand leaves a row that a transaction has in hand, and its day.
func TestSweepInHand(t *testing.T) {
	t.Parallel()
	k := keep(t, 1)
	holder, err := k.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "SELECT FROM waiting ORDER BY event LIMIT 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	k.sweep(k.today, 0, true)
	wantDay(t, k.Store, k.today-1)
	if n := k.count("SELECT count(*) FROM waiting"); n != 1 {
		t.Errorf("%d rows wait, want the one in hand", n)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.sweep(k.today, keptEvents, false)
	k.wantCanceled(1, 0)
}
