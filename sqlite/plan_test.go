package sqlite

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
)

// planRecorder collects the statements that the contract made a store run.
type planRecorder struct {
	mu   sync.Mutex
	sqls map[string]bool
}

// record takes what the connections of s have prepared, unless s is closed.
func (p *planRecorder) record(s *Store) {
	var found []string
	note := func(c *conn) error {
		for sql := range c.stmts {
			found = append(found, sql)
		}
		return nil
	}
	ctx := context.Background() // the test's own has ended
	if err := s.outside(ctx, note); err != nil {
		return
	}
	for range cap(s.readers) {
		c := <-s.readers
		if c != nil {
			_ = note(c)
		}
		s.readers <- c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sqls == nil {
		p.sqls = make(map[string]bool)
	}
	for _, sql := range found {
		p.sqls[sql] = true
	}
}

// check asserts that each statement finds its rows by an index and sorts
// nothing: its cost does not grow with the tables.
func (p *planRecorder) check(t *testing.T) {
	// Small tables, and lists that are wanted whole.
	whole := []string{"SCAN type_names", "SCAN nodes", "SCAN counters", "SCAN CONSTANT ROW", "SCAN sqlite_master",
		"SCAN api_keys USING COVERING INDEX api_keys_root", "SCAN counters USING INDEX counters_failing", "SCAN counters USING INDEX counters_open"}
	s := openStore(t, Config{})
	n := 0
	err := s.outside(t.Context(), func(c *conn) error {
		for sql := range p.sqls {
			switch verb, _, _ := strings.Cut(sql, " "); verb {
			case "SELECT", "INSERT", "UPDATE", "DELETE":
			default:
				continue
			}
			n++
			st, err := c.prepare(sql)
			if err != nil {
				return err
			}
			r := c.query("EXPLAIN QUERY PLAN "+sql, make([]any, st.parameters)...)
			for r.next() {
				r.col = 3
				step := r.text()
				if strings.HasPrefix(step, "SCAN") && !slices.Contains(whole, step) && !strings.HasSuffix(step, "-ROW VALUES CLAUSE") || strings.Contains(step, "TEMP B-TREE") {
					t.Errorf("%s in\n%s", step, sql)
				}
			}
			if err := r.close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 60 {
		t.Errorf("only %d statements were seen", n)
	}
}
