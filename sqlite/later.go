package sqlite

import (
	"database/sql/driver"
	"strings"
)

// target is a table that a transaction inserts many rows into. The rows are
// collected and inserted several to a statement, which costs a quarter less
// than one by one.
type target struct {
	head, tail string // the statement around the rows
	row        string // one row's placeholders
	columns    int
	texts      map[int]string // the statement for so many rows

	args []driver.NamedValue // of the collected rows
	rows int
}

func newTarget(head, row, tail string) *target {
	return &target{head: head, row: row, tail: tail, columns: strings.Count(row, "?"), texts: map[int]string{}}
}

// chunks are the numbers of rows that one statement inserts; each is prepared
// once.
func chunks() [3]int { return [3]int{32, 8, 1} }

func (t *target) sql(rows int) string {
	if s := t.texts[rows]; s != "" {
		return s
	}
	s := t.head + strings.Repeat(t.row+", ", rows-1) + t.row + t.tail
	t.texts[rows] = s
	return s
}

// targets are the tables of the hot path.
type targets struct {
	events, waiting, deliveries, attempts *target
	// single makes every row a statement of its own, at once: to find the one
	// that fails.
	single bool
}

func newTargets() *targets {
	return &targets{
		events: newTarget(`INSERT INTO events
			(key, agent, agent_id, agent_name, id, type, timestamp, test, deliveries, messages, data) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ""),
		waiting: newTarget(`INSERT INTO waiting (agent, event, endpoint, type, entered, next_at, window_end,
			attempts, cycle, status_code, reason, owner, adopted, begun, deaths, panics, test) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?, 0, 0, 0, 0, ?)", ""),
		deliveries: newTarget(`INSERT INTO deliveries
			(agent, event, endpoint, type, state, reason, attempts, status_code, finished_at) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, ?, ?)", ""),
		attempts: newTarget(`INSERT INTO attempts
			(event, endpoint, number, started_at, duration, status_code, reason, detail) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, ?)", " ON CONFLICT DO NOTHING"),
	}
}

func (t *targets) all() [4]*target {
	return [4]*target{t.events, t.waiting, t.deliveries, t.attempts}
}

// insertLater adds a row to those that the next statement of this connection,
// whichever it is, will find inserted.
func (c *conn) insertLater(t *target, args ...any) error {
	c.runs++
	for _, a := range args {
		t.args = append(t.args, driver.NamedValue{Value: value(a)})
	}
	t.rows++
	if c.targets.single {
		return c.insertCollected()
	}
	return nil
}

// insertCollected inserts the rows that were collected.
func (c *conn) insertCollected() error {
	for _, t := range c.targets.all() {
		if t.rows == 0 {
			continue
		}
		done := 0
		for _, n := range chunks() {
			for ; t.rows-done >= n; done += n {
				args := t.args[done*t.columns : (done+n)*t.columns]
				for i := range args {
					args[i].Ordinal = i + 1
				}
				if _, err := c.execArgs(t.sql(n), args); err != nil {
					c.forgetCollected()
					return err
				}
			}
		}
		t.forget()
	}
	return nil
}

// forgetCollected drops the rows of a transaction that is rolled back.
func (c *conn) forgetCollected() {
	for _, t := range c.targets.all() {
		t.forget()
	}
}

// forget keeps the space for the next transaction, unless it is unusually
// large, but no payload.
func (t *target) forget() {
	const keep = 16 << 10
	clear(t.args)
	if t.args, t.rows = t.args[:0], 0; cap(t.args) > keep {
		t.args = nil
	}
}
