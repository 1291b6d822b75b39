package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/pgtest"
)

// planned is a statement with parameters as literals.
type planned struct {
	name string
	sql  string
	args []any
	// most is how many days' partitions of one table it may look into.
	most int
	// begin is how its transaction begins, "" = any.
	begin string
}

// plannedStatements are those whose cost must not grow with the log. f is the
// log, ref a delivery in the middle of it.
func plannedStatements(f seeding, ref waybell.DeliveryRef) []planned {
	agent, middle, day := 1, int64(ref.Event), int64(86_400_000_000)<<10
	first, newest := int64(f.newest.from()), int64(1)<<62
	deliveries := func(upper, since int64, filter ...any) []any {
		return append([]any{agent, upper, 0, since, 52, 10_001, 10_000}, filter...)
	}
	all := []any{nil, nil, "{}", "", -1 << 31, 1<<31 - 1}
	failed := []any{"{4}", "{13}", "{14,15}", "lead.submit", 500, 599}
	keys, endpoints := fmt.Sprintf("{%d,%d}", middle, middle-day/3), fmt.Sprintf("{%d,%d}", ref.Endpoint, ref.Endpoint+1)
	return []planned{
		{"deliveries, newest", sqlListDeliveries, deliveries(newest, first, all...), 4, sqlBeginLog},
		{"deliveries, a stretch", sqlListDeliveries, deliveries(first, first-2*day, all...), 3, sqlBeginLog},
		{"deliveries, a cursor", sqlListDeliveries, deliveries(middle, middle-day/2, all...), 2, sqlBeginLog},
		{"deliveries, filtered", sqlListDeliveries, deliveries(first, first-2*day, failed...), 3, sqlBeginLog},
		{"deliveries of a page", sqlShow, []any{agent, keys, endpoints, middle - day/3, middle}, 2, sqlBeginLog},
		{"events, newest", sqlListEvents, []any{agent, newest, first, 52, 10_001, 10_000, ""}, 4, sqlBeginLog},
		{"events, a stretch", sqlListEvents, []any{agent, first, first - 2*day, 52, 10_001, 10_000, "rating.given"}, 3, sqlBeginLog},
		{"events of a page", sqlShowEvents, []any{agent, keys, middle - day/3, middle}, 2, sqlBeginLog},
		{"delivery", sqlDelivery, []any{agent, middle, ref.Endpoint}, 1, ""},
		{"deliveries of an event", sqlEventDeliveries, []any{agent, middle}, 1, ""},
		{"attempts", sqlAttempts, []any{agent, middle, ref.Endpoint, 100}, 1, ""},
		{"event", sqlEvent, []any{agent, middle}, 1, ""},
		{"events by key", sqlEvents, []any{"{1,1}", keys, middle - day/3, middle}, 2, ""},
		{"agents that wait", sqlWaitingAgents, []any{middle, 1000}, 0, ""},
		{"clear what waits", sqlClearWaiting, []any{"{1,2,3}", newest, 1000}, 0, "begin; " + sqlByIndex},
		{"clear ids", sqlClearKeys, []any{0, middle, 0, 1000}, 0, "begin; " + sqlByIndex},
	}
}

// TestPlans looks at how the statements of the log run, for the parameters at
// hand and prepared for any: by indexes, without sorting, in few partitions.
func TestPlans(t *testing.T) {
	t.Parallel()
	f := seeding{attempts: 100_000, days: 31, agents: 20, newest: dayAt(time.Now()), data: 100, detail: 100, waiting: 2}
	s := openStore(t, Config{URL: pgtest.DatabaseFrom(t, f.template(t))})
	page, err := s.Deliveries(t.Context(), waybell.DeliveryQuery{Agent: 1, Until: (f.newest - 14).from(), Limit: 1, Scan: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
		for _, p := range plannedStatements(f, page.Deliveries[0].DeliveryRef) {
			t.Run(mode+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				conn, err := pgx.Connect(t.Context(), s.cfg.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(t.Context())
				p.check(t, p.explain(t, conn, mode, "FORMAT JSON"))
			})
		}
	}
}

// The queue is looked at by its indexes though the plan is made, and kept, while
// it is small.
func TestQueuePlans(t *testing.T) {
	t.Parallel()
	p := join(t, Config{})
	for range 3 {
		p.mustPublish(t)
	}
	if _, err := p.pool.Exec(t.Context(), "UPDATE waiting SET owner = 0; ANALYZE waiting"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []planned{
		{"due", sqlDue, nil, 0, sqlBeginLog},
		{"due of endpoints", sqlDueOf, []any{"{7}"}, 0, sqlBeginLog},
		{"agents that wait", sqlWaitingAgents, []any{int64(1) << 62, 1000}, 0, sqlBeginLog},
	} {
		conn, err := pgx.Connect(t.Context(), p.cfg.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		c.check(t, c.explain(t, conn, "force_generic_plan", "FORMAT JSON"))
	}
}

// Publishing compiles nothing: the server would take a hundred times as long for
// it as for running the statements.
func TestPublishCompilesNothing(t *testing.T) {
	t.Parallel()
	p := join(t, Config{})
	var jit, version string
	var plans []struct {
		Plan struct {
			Cost float64 `json:"Total Cost"`
		}
	}
	err := p.write(t.Context(), p.lease, func(t *tx) error {
		if _, err := t.one("SELECT current_setting('jit'), prosrc FROM pg_proc WHERE proname = 'waybell_version'", nil, &jit, &version); err != nil {
			return err
		}
		_, err := t.one("EXPLAIN (FORMAT JSON) SELECT version FROM config WHERE one", nil, &plans)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if jit != "off" || !strings.Contains(version, "FROM config WHERE one") || plans[0].Plan.Cost > 100 {
		t.Errorf("jit is %s, and the version costs %+v with\n%s", jit, plans, version)
	}
}

// template is a database with the log of f.
func (f seeding) template(t testing.TB) string {
	return pgtest.Template(t, "log", func(ctx context.Context, url string) error {
		s, err := Open(ctx, Config{URL: url})
		if err != nil {
			return err
		}
		defer s.Close()
		if err := f.fill(ctx, url, func(ctx context.Context, keys ...waybell.Key) error { return s.makeDaysOf(ctx, keys) }); err != nil {
			return err
		}
		_, err = s.pool.Exec(ctx, `INSERT INTO idempotency (agent, event, kind, key, hash)
			SELECT agent, key, kind, 'k' || key, '' FROM events CROSS JOIN generate_series(0, 1) kind`)
		if err == nil {
			_, err = s.pool.Exec(ctx, "ANALYZE idempotency")
		}
		return err
	})
}

// explain runs the statement, prepared, and rolls it back.
func (p planned) explain(t testing.TB, conn *pgx.Conn, mode, format string) string {
	t.Helper()
	literals := make([]string, len(p.args))
	for i, a := range p.args {
		switch a := a.(type) {
		case nil:
			literals[i] = "NULL"
		case string:
			literals[i] = "'" + a + "'"
		default:
			literals[i] = fmt.Sprint(a)
		}
	}
	if _, err := conn.Exec(t.Context(), cmp.Or(p.begin, "begin")+"; set local plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(context.WithoutCancel(t.Context()), "rollback")
	if _, err := conn.Prepare(t.Context(), "explained", p.sql); err != nil {
		t.Fatal(err)
	}
	parameters := ""
	if len(literals) > 0 {
		parameters = "(" + strings.Join(literals, ", ") + ")"
	}
	rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, "+format+
		") EXECUTE explained"+parameters, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// step is a node of a plan.
type step struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Loops    float64 `json:"Actual Loops"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Plans    []step
}

var dayTable = regexp.MustCompile(`^(events|deliveries|attempts)_(\d{8})$`)

func (p planned) check(t *testing.T, explained string) {
	var plans []struct{ Plan step }
	if err := json.Unmarshal([]byte(explained), &plans); err != nil {
		t.Fatal(err)
	}
	touched := make(map[string]int)
	indexes := 0
	var walk func(step)
	walk = func(at step) {
		if at.Loops > 0 {
			switch at.Type {
			case "Seq Scan", "Bitmap Heap Scan", "Sort", "Incremental Sort", "Hash Join", "Merge Join", "Gather", "Gather Merge":
				t.Errorf("%s %s", at.Type, at.Relation)
			case "Index Scan", "Index Only Scan":
				indexes++
			}
			if strings.Contains(at.Type, "Scan") && at.Filtered > 0 && at.Relation != "" {
				t.Errorf("%s of %s reads %.0f rows for nothing", at.Type, at.Relation, at.Filtered)
			}
			if m := dayTable.FindStringSubmatch(at.Relation); m != nil {
				touched[m[1]]++
			}
		}
		for _, next := range at.Plans {
			walk(next)
		}
	}
	walk(plans[0].Plan)
	if indexes == 0 {
		t.Error("no index was read")
	}
	for table, n := range touched {
		if n > p.most {
			t.Errorf("%d partitions of %s were read, want at most %d", n, table, p.most)
		}
	}
	if p.sql == sqlListDeliveries && touched["deliveries"] == 0 {
		t.Error("no partition was read")
	}
	if t.Failed() {
		t.Log(explained)
	}
}
