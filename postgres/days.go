package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/waybell/waybell"
)

// days are the partitions of events, deliveries and attempts.
type days struct{}

func (s *Store) makeDays(ctx context.Context, now time.Time) error {
	var keys []waybell.Key
	for d := range 4 {
		keys = append(keys, waybell.KeyAt(now.AddDate(0, 0, d)))
	}
	return s.makeDaysOf(ctx, keys)
}

func (s *Store) makeDaysOf(ctx context.Context, keys []waybell.Key) error {
	return s.change(ctx, func(t *tx) error {
		t.queue("SELECT pg_advisory_xact_lock($1)", int64(migrationLock))
		for _, k := range keys {
			day := k.Time().Truncate(24 * time.Hour)
			for _, table := range []string{"events", "deliveries", "attempts"} {
				t.queue(fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s_%s PARTITION OF %s FOR VALUES FROM (%d) TO (%d)", table,
					day.Format("20060102"), table, waybell.KeyAt(day), waybell.KeyAt(day.AddDate(0, 0, 1))))
			}
		}
		return nil
	})
}
