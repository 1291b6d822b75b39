package postgres

import (
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
)

// walk collects the keys of a page of the log: of the rows that are looked at,
// stretch by stretch, those that are wanted.
type walk[K any] struct {
	limit    int  // rows of the page, at most
	scan     int  // rows still to be looked at, at most
	filtered bool // some rows may not be wanted

	shown []K
	last  K    // looked at
	more  bool // there are rows after it
}

// bounds are parameters of the statement for the next stretch: how many rows it
// tells and looks at, at most, and the place of the last one that the page has
// room for.
func (w *walk[K]) bounds() (returned, most, border int) {
	free := w.limit - len(w.shown)
	if free == 0 || w.scan == 0 { // is there another?
		return 1, 1, 1
	}
	border = w.scan
	if !w.filtered {
		border = min(border, free)
	}
	return free + 2, border + 1, border
}

// look reads what the statement tells of a stretch: key, place in the stretch,
// wanted or not. columns are those of the key.
func (w *walk[K]) look(rows pgx.Rows, columns func(*K) []any) error {
	var at K
	var n int
	var wanted bool
	looked := 0
	_, err := pgx.ForEachRow(rows, append(columns(&at), &n, &wanted), func() error {
		switch {
		case w.more:
		case n > w.scan || len(w.shown) == w.limit:
			w.more = true
		default:
			if looked, w.last = n, at; wanted {
				w.shown = append(w.shown, at)
			}
		}
		return nil
	})
	w.scan -= looked
	return err
}

// next is the cursor for the next page, zero at the end of the list.
func (w *walk[K]) next() (k K) {
	if w.more {
		return w.last
	}
	return k
}

// firstStretch to longStretch are lengths in days.
const (
	firstStretch day = 2 // after today's
	longStretch  day = 8
)

// stretches cuts a list into stretches of days, newest first, and gives the
// smallest key of each. A page that ends in one of the first touches few
// partitions, however many there are; and even that of an agent without rows is
// a handful of statements.
func stretches(since, upper, now waybell.Key) iter.Seq[waybell.Key] {
	return func(yield func(waybell.Key) bool) {
		d := dayOf(min(upper-1, now))
		for length := firstStretch; length <= 2*longStretch && d.from() > since; length *= 2 {
			if !yield(d.from()) {
				return
			}
			d -= length
		}
		yield(since)
	}
}
