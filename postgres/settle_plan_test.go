package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Outcomes are matched with what their node owns row by row of an index, also
// where the table was analyzed while nobody owned anything, as after an import or
// when a receiver was away for hours, and where it was vacuumed when it was all
// but empty. Each outcome was compared with every row then, and a batch took
// longer than a write may.
func TestSettlePlan(t *testing.T) {
	t.Parallel()
	for name, statistics := range map[string]string{
		"unowned": "VACUUM ANALYZE waiting",
		"empty":   "UPDATE pg_class SET reltuples = 1 WHERE relname = 'waiting'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settlePlans(t, statistics)
		})
	}
}

func settlePlans(t *testing.T, statistics string) {
	conn, err := pgx.Connect(t.Context(), database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO waiting (agent, event, endpoint, entered, next_at, window_end, owner, attempts, test, type)
		SELECT 1, i * 1048576::bigint, 1, i, i, i, 0, 1, false, 'lead.submit' FROM generate_series(1, 5000) i`)
	exec(statistics)
	exec("UPDATE waiting SET owner = 7")
	exec("BEGIN")
	exec("SELECT waybell_durable()")

	for _, c := range []struct{ name, sql, arrays string }{
		{"final", sqlFinal, "1, agent, event, endpoint, attempts + 1, 200, 0, 1, 1, '\\x'::bytea, 4, 0, 1"},
		{"retry", sqlRetry, "1, agent, event, endpoint, attempts + 1, 500, 2, 1, 1, '\\x'::bytea, 9, 0"},
		{"release", sqlRelease, "1, agent, event, endpoint, 9"},
		{"unsent", sqlUnsent, "1, agent, event, endpoint, 5, 1, 1"},
		{"begin_", sqlBegin, "1, agent, event, endpoint"},
	} {
		exec("PREPARE " + c.name + " AS " + c.sql)
		for _, outcomes := range []int{64, 164, 512} {
			t.Run(fmt.Sprintf("%s/%d", c.name, outcomes), func(t *testing.T) {
				arrays := strings.Split(c.arrays, ", ")
				for i, column := range arrays {
					arrays[i] = "array_agg(" + column + ")"
				}
				var explain string
				err := conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT format('EXPLAIN EXECUTE %s(7%s)', %s)
					FROM (SELECT * FROM waiting ORDER BY event LIMIT %d) w`,
					c.name, strings.Repeat(", %L", len(arrays)), strings.Join(arrays, ", "), outcomes)).Scan(&explain)
				if err != nil {
					t.Fatal(err)
				}
				rows, err := conn.Query(t.Context(), explain, pgx.QueryExecModeSimpleProtocol)
				if err != nil {
					t.Fatal(err)
				}
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					t.Fatal(err)
				}
				plan := strings.Join(lines, "\n")
				if strings.Contains(plan, "Join Filter") || !strings.Contains(plan, "Tid Scan on waiting w") {
					t.Errorf("outcomes are not looked up one by one:\n%s", plan)
				}
			})
		}
	}
}
