package postgres

import (
	"testing"
	"time"

	"github.com/waybell/waybell"
)

// A row that is given back while a claim is passing its place is not passed over by
// the next one.
func TestOldestGivenBackMeanwhile(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{URL: database(t)})
	lease, err := s.Join(t.Context(), waybell.NodeInfo{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	first := waybell.KeyAt(now)
	// The first row is owned; so many are due that claims remember how far they came.
	const rows = 2 * returnedMax
	_, err = s.pool.Exec(t.Context(), `INSERT INTO waiting (agent, event, endpoint, entered, next_at, window_end, owner, attempts, test, type)
		SELECT 1, $1::bigint + i, 1, $1::bigint + i, $2::bigint, $2, CASE WHEN i = 0 THEN $3::bigint ELSE 0 END, 0, false, 'lead.submit'
		FROM generate_series(0, $4::bigint) i`, int64(first), micros(now), lease.Node, rows)
	if err != nil {
		t.Fatal(err)
	}
	want := waybell.ClaimWant{Endpoint: 1, Max: 10, Oldest: first + rows}
	claim := func() waybell.Key {
		t.Helper()
		got, err := s.Claim(t.Context(), lease, now.Add(time.Second), []waybell.ClaimWant{want})
		if err != nil || len(got) != want.Max {
			t.Fatalf("claimed %d, %v", len(got), err)
		}
		return got[0].Event - first
	}
	if n := claim(); n != 1 {
		t.Errorf("the first claim begins with row %d, want 1", n)
	}
	l, err := s.leases.get(lease)
	if err != nil {
		t.Fatal(err)
	}
	err = s.transact(t.Context(), l, func(x *tx) error {
		got, err := x.claimOldest(now.Add(time.Second), want)
		if err != nil || len(got) != want.Max {
			t.Errorf("claimed %d, %v", len(got), err)
		}
		return s.Settle(t.Context(), lease, []waybell.Settlement{
			{DeliveryRef: waybell.DeliveryRef{Event: first, Endpoint: 1}, Agent: 1, Kind: waybell.SettleRelease, NextAt: now},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := claim(); n != 0 {
		t.Errorf("the claim after it begins with row %d, want 0", n)
	}
}
