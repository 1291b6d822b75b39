package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/transfer"
)

// ErrNotEmpty tells that an import was asked for into a database that holds
// something else.
var ErrNotEmpty = errors.New("the database is not empty")

// ErrInUse tells that nodes use the database that an import is to go into.
var ErrInUse = errors.New("the database is in use")

// ErrSourceChanged tells that the source was used since its import began.
var ErrSourceChanged = errors.New("the source was used since the import began")

// Import takes everything out of another store, piece by piece. How far it has
// come is written with each piece, so that an import that ended in the middle
// goes on where it was.
type Import struct {
	s     *Store
	place importPlace
	made  map[day]bool // days that have partitions
}

// importSetting is the name under which an import notes how far it has come.
const importSetting = "import"

// importPlace is what is written there.
type importPlace struct {
	Source     string            `json:"source"` // the import's name for its source
	Uses       int64             `json:"uses"`   // of the source, when it was first read
	Phase      importPhase       `json:"phase"`
	Rows       int64             `json:"rows"` // of the phase, so far
	Event      waybell.Key       `json:"event"`
	Promise    transfer.Promise  `json:"promise"`
	Tally      transfer.TallyKey `json:"tally"`
	Moved      transfer.Counts   `json:"moved"`
	FinishedAt time.Time         `json:"finished_at"`
}

type importPhase string

const (
	importConfiguration importPhase = "configuration"
	importEvents        importPhase = "events"
	importPromises      importPhase = "idempotency keys"
	importTallies       importPhase = "statistics"
	importDone          importPhase = "done"
)

// ImportProgress is how far an import has come.
type ImportProgress struct {
	Phase string // configuration, events, idempotency keys, statistics
	Rows  int64  // of the phase, moved so far
}

// Import looks whether everything of the source called id can be taken in, or
// whether an import of it began before. uses is how often the source was used
// until now. Errors: ErrNotEmpty, ErrInUse, ErrSourceChanged. Nothing is changed.
func (s *Store) Import(ctx context.Context, id string, uses int64) (*Import, error) {
	im := &Import{s: s, made: map[day]bool{}}
	var err error
	if im.place, err = s.importPlace(ctx); err != nil {
		return nil, err
	}
	switch {
	case im.place.Source == "":
		im.place = importPlace{Source: id, Uses: uses, Phase: importConfiguration}
		err = s.read(ctx, checkEmpty)
	case im.place.Source != id:
		return nil, fmt.Errorf("%w: it holds what was imported from another place, or from this one before it was used again", ErrNotEmpty)
	case im.place.Uses != uses && !im.Done():
		return nil, ErrSourceChanged
	}
	if err == nil && !im.Done() {
		err = s.read(ctx, checkUnused)
	}
	return im, err
}

// Importing tells whether an import into this database began and did not end.
func (s *Store) Importing(ctx context.Context) (bool, error) {
	place, err := s.importPlace(ctx)
	return place.Source != "" && place.Phase != importDone, err
}

func (s *Store) importPlace(ctx context.Context) (importPlace, error) {
	var place importPlace
	raw, err := s.Setting(ctx, importSetting)
	switch {
	case errors.Is(err, waybell.ErrNotFound):
		return place, nil
	case err != nil:
		return place, err
	}
	if err := json.Unmarshal(raw, &place); err != nil {
		return place, fmt.Errorf("%w: the place of the import: %w", errData, err)
	}
	return place, nil
}

// Began tells whether something was imported already.
func (im *Import) Began() bool { return im.place.Phase != importConfiguration }

// Done tells whether everything was imported.
func (im *Import) Done() bool { return im.place.Phase == importDone }

// Moved is what was imported in all, and when that ended; zero before.
func (im *Import) Moved() (transfer.Counts, time.Time) { return im.place.Moved, im.place.FinishedAt }

// checkEmpty refuses a database that holds anything.
func checkEmpty(ctx context.Context, q querier) error {
	for _, table := range []struct{ name, sql string }{
		{"agents", "SELECT EXISTS (SELECT FROM agents)"}, {"event types", "SELECT EXISTS (SELECT FROM event_types)"},
		{"API keys", "SELECT EXISTS (SELECT FROM api_keys)"}, {"events", "SELECT EXISTS (SELECT FROM events)"},
	} {
		var has bool
		if err := q.QueryRow(ctx, table.sql).Scan(&has); err != nil {
			return err
		}
		if has {
			return fmt.Errorf("%w: it has %s", ErrNotEmpty, table.name)
		}
	}
	return nil
}

// checkUnused refuses a database with nodes: they would send what is not whole
// yet. A node that died without a word counts for a while.
func checkUnused(ctx context.Context, q querier) error {
	var nodes int
	err := q.QueryRow(ctx, "SELECT count(*) FROM nodes WHERE NOT dead AND seen_at > clock_timestamp() - interval '15 s'").Scan(&nodes)
	if err == nil && nodes > 0 {
		return fmt.Errorf("%w: by %d node(s)", ErrInUse, nodes)
	}
	return err
}

// Run imports what is not yet there, compares both stores, and notes that
// everything was moved. progress is called before each piece.
func (im *Import) Run(ctx context.Context, from transfer.Source, progress func(ImportProgress)) error {
	for !im.Done() {
		progress(ImportProgress{string(im.place.Phase), im.place.Rows})
		if err := im.step(ctx, from); err != nil {
			return fmt.Errorf("import %s: %w", im.place.Phase, err)
		}
	}
	return nil
}

// step imports the next piece of the phase, which ends with an empty one.
func (im *Import) step(ctx context.Context, from transfer.Source) error {
	next := im.place
	switch im.place.Phase {
	case importConfiguration:
		c, err := from.Configuration(ctx)
		if err != nil {
			return err
		}
		next.Phase = importEvents
		return im.write(ctx, next, func(t pgx.Tx) error { return writeConfiguration(ctx, t, c) })
	case importEvents:
		p, err := from.Events(ctx, im.place.Event)
		if err != nil || len(p.Events) == 0 {
			return im.end(ctx, importPromises, err)
		}
		if err := im.makeDays(ctx, p.Events); err != nil {
			return err
		}
		next.Event, next.Rows = p.Last(), next.Rows+int64(len(p.Events))
		return im.write(ctx, next, func(t pgx.Tx) error { return writePiece(ctx, t, p) })
	case importPromises:
		list, err := from.Promises(ctx, im.place.Promise)
		if err != nil || len(list) == 0 {
			return im.end(ctx, importTallies, err)
		}
		next.Promise, next.Rows = list[len(list)-1], next.Rows+int64(len(list))
		return im.write(ctx, next, func(t pgx.Tx) error { return writePromises(ctx, t, list) })
	default:
		list, err := from.Tallies(ctx, im.place.Tally)
		if err != nil || len(list) == 0 {
			return im.finish(ctx, from, err)
		}
		next.Tally, next.Rows = list[len(list)-1].TallyKey, next.Rows+int64(len(list))
		return im.write(ctx, next, func(t pgx.Tx) error { return writeTallies(ctx, t, list) })
	}
}

// end goes to the next phase, unless there was an error.
func (im *Import) end(ctx context.Context, phase importPhase, err error) error {
	if err != nil {
		return err
	}
	next := im.place
	next.Phase, next.Rows = phase, 0
	return im.write(ctx, next, func(pgx.Tx) error { return nil })
}

// finish compares the stores and notes the end.
func (im *Import) finish(ctx context.Context, from transfer.Source, err error) error {
	if err != nil {
		return err
	}
	want, err := from.Counts(ctx)
	if err != nil {
		return err
	}
	next := im.place
	next.Phase, next.Moved, next.FinishedAt = importDone, want, time.Now().UTC().Truncate(time.Second)
	err = im.write(ctx, next, func(t pgx.Tx) error {
		got, err := countAll(ctx, t)
		if err == nil && got != want {
			err = fmt.Errorf("the stores differ: %+v was to be moved, %+v is there", want, got)
		}
		return err
	})
	if err == nil {
		// Not waiting: now no node owns a row of it, and a planner that knows
		// takes what nodes are going to own for a single row, see its table.
		_, err = im.s.pool.Exec(ctx, "ANALYZE agents, endpoints, events, deliveries, attempts, idempotency, counters, health, statistics")
	}
	return translate(err)
}

// write runs do in a transaction that also notes the place that it leads to.
func (im *Import) write(ctx context.Context, next importPlace, do func(pgx.Tx) error) error {
	raw, err := json.Marshal(next)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, im.s.pool, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, "SELECT waybell_durable()"); err != nil {
			return err
		}
		// Nodes that join wait here, and are seen from then on.
		if _, err := t.Exec(ctx, "SELECT FROM config FOR NO KEY UPDATE"); err != nil {
			return err
		}
		if err := checkUnused(ctx, t); err != nil {
			return err
		}
		if im.place.Phase == importConfiguration {
			if err := checkEmpty(ctx, t); err != nil {
				return err
			}
		}
		if err := do(t); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, importSetting, raw)
		return err
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		im.place = next
	}
	return translate(err)
}

// makeDays makes the partitions for events, once.
func (im *Import) makeDays(ctx context.Context, events []waybell.Event) error {
	for i := range events {
		d := dayOf(events[i].Key)
		if im.made[d] {
			continue
		}
		if err := im.s.makeDaysOf(ctx, []waybell.Key{events[i].Key}); err != nil {
			return err
		}
		im.made[d] = true
	}
	return nil
}

// bulk is the rows of one table to be written in one go.
type bulk struct {
	table   string
	columns []string
	rows    int
	values  func(i int) ([]any, error)
}

func bulkOf[T any](table string, columns []string, rows []T, values func(*T) ([]any, error)) bulk {
	return bulk{table, columns, len(rows), func(i int) ([]any, error) { return values(&rows[i]) }}
}

// copyAll writes rows in bulk, table after table.
func copyAll(ctx context.Context, t pgx.Tx, tables ...bulk) error {
	for _, b := range tables {
		if b.rows == 0 {
			continue
		}
		if _, err := t.CopyFrom(ctx, pgx.Identifier{b.table}, b.columns, pgx.CopyFromSlice(b.rows, b.values)); err != nil {
			return fmt.Errorf("%s: %w", b.table, err)
		}
	}
	return nil
}

func writePiece(ctx context.Context, t pgx.Tx, p *transfer.Piece) error {
	return copyAll(ctx, t,
		bulkOf("events", []string{"agent", "key", "timestamp", "deliveries", "test", "type", "agent_id", "agent_name", "id", "messages", "data"},
			p.Events, func(e *waybell.Event) ([]any, error) {
				id := e.ID
				if id == waybell.EventID(e.Key) {
					id = ""
				}
				return []any{int64(e.Agent), int64(e.Key), micros(e.Timestamp), int32(e.Deliveries), e.Test, e.Type, e.AgentID,
					[]byte(e.AgentName), id, e.Messages, e.Data}, nil
			}),
		bulkOf("waiting", []string{"agent", "event", "endpoint", "entered", "next_at", "window_end", "owner", "attempts", "cycle",
			"status_code", "deaths", "panics", "reason", "adopted", "begun", "test", "type"},
			p.Waiting, func(w *waybell.Waiting) ([]any, error) {
				return []any{int64(w.Agent), int64(w.Event), int64(w.Endpoint), int64(w.Entered), micros(w.NextAt), micros(w.WindowEnd), int64(0),
					int32(w.Attempts), int32(w.Cycle), int32(w.StatusCode), int32(w.Deaths), int32(w.Panics), int16(w.Reason),
					w.Adopted, w.Begun, w.Test, w.Type}, nil
			}),
		bulkOf("deliveries", []string{"agent", "event", "endpoint", "finished_at", "attempts", "status_code", "state", "reason", "type"},
			p.Deliveries, func(d *waybell.Delivery) ([]any, error) {
				return []any{int64(d.Agent), int64(d.Event), int64(d.Endpoint), micros(d.FinishedAt), int32(d.Attempts), int32(d.StatusCode),
					int16(d.State), int16(d.Reason), d.Type}, nil
			}),
		bulkOf("attempts", []string{"agent", "event", "endpoint", "started_at", "duration", "number", "status_code", "reason", "detail"},
			p.Attempts, func(a *waybell.Attempt) ([]any, error) {
				return []any{int64(a.Agent), int64(a.Event), int64(a.Endpoint), micros(a.StartedAt), a.Duration.Microseconds(), int32(a.Number),
					int32(a.StatusCode), int16(a.Reason), a.Detail}, nil
			}))
}

func writePromises(ctx context.Context, t pgx.Tx, list []transfer.Promise) error {
	return copyAll(ctx, t, bulkOf("idempotency", []string{"agent", "event", "kind", "key", "hash"}, list, func(p *transfer.Promise) ([]any, error) {
		return []any{int64(p.Agent), int64(p.Event), int16(p.Kind), p.Key, p.Hash}, nil
	}))
}

func writeTallies(ctx context.Context, t pgx.Tx, list []transfer.Tally) error {
	return copyAll(ctx, t, bulkOf("statistics", []string{"agent", "endpoint", "at", "step", "tally"}, list, func(r *transfer.Tally) ([]any, error) {
		return []any{r.Agent, r.Endpoint, r.At, int32(r.Step), r.Encoded}, nil
	}))
}
