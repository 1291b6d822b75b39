package sqlite

import "strings"

// target is a table that a transaction inserts many rows into. The rows are
// collected and inserted several to a statement, which costs a quarter less
// than one by one.
type target struct {
	head, tail string // the statement around the rows
	row        string // one row's placeholders
	columns    int
	texts      map[int]string // the statement for so many rows

	args []arg // of the collected rows
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

// targets are the tables of the hot path. FAIL spares the statement journal, in
// which SQLite else keeps each page that a statement of several rows changes, to
// take the statement back alone: where one fails, the transaction is rolled back.
type targets struct {
	events, waiting, deliveries, attempts *target
	// single makes every row a statement of its own, at once: to find the one
	// that fails.
	single bool
}

func newTargets() *targets {
	return &targets{
		events: newTarget(`INSERT OR FAIL INTO events
			(key, agent, agent_id, agent_name, id, type, timestamp, test, deliveries, messages, data) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ""),
		waiting: newTarget(`INSERT OR FAIL INTO waiting (agent, event, endpoint, type, entered, next_at, window_end,
			attempts, cycle, status_code, reason, owner, adopted, begun, deaths, panics, test) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?, 0, 0, 0, 0, ?)", ""),
		deliveries: newTarget(`INSERT OR FAIL INTO deliveries
			(agent, event, endpoint, type, state, reason, attempts, status_code, finished_at) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, ?, ?)", ""),
		attempts: newTarget(`INSERT OR FAIL INTO attempts
			(event, endpoint, number, started_at, duration, status_code, reason, detail) VALUES `,
			"(?, ?, ?, ?, ?, ?, ?, ?)", " ON CONFLICT DO NOTHING"),
	}
}

func (t *targets) all() [4]*target {
	return [4]*target{t.events, t.waiting, t.deliveries, t.attempts}
}

// insertLater adds a row to those that the next statement of this connection,
// whichever it is, will find inserted.
func (c *conn) insertLater(t *target, row ...arg) error {
	c.runs++
	t.args = append(t.args, row...)
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
				if _, err := c.execArgs(t.sql(n), t.args[done*t.columns:(done+n)*t.columns]); err != nil {
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
