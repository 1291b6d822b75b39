package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/waybell/waybell/sqlite"
)

// Open makes the data directory and its database when they are not there, and
// keeps other processes out until Close.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "waybell")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := store.Stats(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Driver, stats.EventsKept, "events")

	if err := store.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: sqlite 0 events
}
