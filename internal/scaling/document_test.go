package scaling

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/share"
)

var update = flag.Bool("update", false, "write docs/scaling.md")

// table is a part of docs/scaling.md. Making it compares each figure of the
// arithmetic with the simulation.
type table struct {
	name string
	make func(*testing.T, Measured, Plan) string
}

// The tables of docs/scaling.md are made here, so that no figure is typed, and
// each figure that is worked out is also simulated.
func TestDocument(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "scaling.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tables := []table{
		{"short", short}, {"measured", figures}, {"nodes", nodeTable}, {"load", loadTable},
		{"work", workTable}, {"flight", flightTable}, {"shares", shareTable}, {"balance", balanceTable},
		{"growth", growthTable}, {"steps", stepTable}, {"trouble", troubleTable}, {"cost", costTable},
	}
	m, p := measured(t), DefaultPlan()
	made := make([]string, len(tables))
	t.Run("tables", func(t *testing.T) {
		for i, table := range tables {
			t.Run(table.name, func(t *testing.T) {
				t.Parallel()
				made[i] = table.make(t, m, p)
			})
		}
	})
	want := string(old)
	for i, table := range tables {
		begin := "<!-- " + table.name + ": made by internal/scaling -->\n"
		end := "<!-- end of " + table.name + " -->"
		head, rest, ok1 := strings.Cut(want, begin)
		_, tail, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s lacks the marks %q and %q", path, begin, end)
		}
		want = head + begin + made[i] + end + tail
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(old) != want {
		t.Errorf("%s differs from the figures: run go test ./internal/scaling -run Doc -update", path)
	}
}

// rows writes a table; the first row is its head.
func rows(list ...[]string) string {
	var b strings.Builder
	for i, cells := range list {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", len(cells)) + "|\n")
		}
	}
	return b.String()
}

// num writes a number with three significant digits.
func num(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	scale := math.Pow10(digits)
	v = math.Round(v*scale) / scale
	text := fmt.Sprintf("%.*f", max(0, digits), v)
	if strings.Contains(text, ".") {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return count(int(v))
}

// count writes a whole number.
func count(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func cores(v float64) string {
	if num(v) == "1" {
		return "1 core"
	}
	return num(v) + " cores"
}

func percent(v float64) string { return num(100*v) + " %" }

// size writes bytes.
func size(v float64) string {
	for _, unit := range []string{"B", "KB", "MB", "GB", "TB"} {
		if v < 1000 {
			return num(v) + " " + unit
		}
		v /= 1000
	}
	return num(v) + " PB"
}

func seconds(d time.Duration) string {
	if d < time.Second {
		return num(float64(d)/1e6) + " ms"
	}
	return num(d.Seconds()) + " s"
}

func short(_ *testing.T, m Measured, p Plan) string {
	usable := Usable(m, p)
	cells := CellsFor(p.Target, usable, 1+listMargin)
	nodes := Nodes(m, p, p.Target/float64(cells), p.Latency)
	return fmt.Sprintf("One PostgreSQL takes %s deliveries/s, of which %s are planned with (%s headroom).\n"+
		"%s deliveries/s are then %d cells, each one PostgreSQL and %d nodes.\n",
		num(m.Rate), num(usable), percent(p.Headroom), num(p.Target), cells, nodes)
}

func figures(_ *testing.T, m Measured, p Plan) string {
	per := m.Rate / 1000
	return "Source: " + m.Source + ".\n\n" + rows(
		[]string{"of one cell", "figure", "at its full rate"},
		[]string{"deliveries per second *L*", num(m.Rate), m.Saturates},
		[]string{"CPU of PostgreSQL for 1,000", num(m.DatabaseCPU) + " s", cores(per * m.DatabaseCPU)},
		[]string{"CPU of the nodes for 1,000", num(m.NodeCPU) + " s", cores(per * m.NodeCPU)},
		[]string{"write-ahead log for each", size(m.WALBytes), size(m.Rate*m.WALBytes) + "/s, of " + size(p.DiskPerSecond) + "/s that a plain SSD writes"},
		[]string{"tables and indexes for each", size(m.TableBytes), size(m.Rate*m.TableBytes*86400) + " a day"},
		[]string{"commits for each", num(m.Commits), num(m.Rate*m.Commits) + "/s"},
		[]string{"a commit of one row", num(m.CommitMilliseconds) + " ms", "shared by up to " + count(m.Batch) + " rows"},
		[]string{"connections of a node", count(m.Connections), ""},
	)
}

func nodeTable(t *testing.T, m Measured, p Plan) string {
	list := [][]string{{"nodes", "their slots", "arithmetic", "simulated", "beside one node", "limited by"}}
	var one float64
	full := enough(m, p)
	numbers := []int{1, 2, 3, full - 1, full, full + 2}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if n < 1 {
			continue
		}
		s := setup(m, p, n)
		s = saturated(s, 3*n*p.Slots)
		r := Simulate(s)
		want := Capacity(m, p, n)
		near(t, fmt.Sprintf("%d nodes", n), want, r.Settled, 0.07)
		if n == 1 {
			one = r.Settled
		}
		if n == 3 && want < m.Rate && r.Settled < 2.5*one {
			t.Errorf("3 nodes make %.2f of what one makes", r.Settled/one)
		}
		limit := "slots"
		if want == m.Rate {
			limit = "PostgreSQL"
		}
		list = append(list, []string{count(n), count(n * p.Slots), num(want), num(r.Settled), num(r.Settled / one), limit})
	}
	return rows(list...)
}

// enough is how many nodes have the slots that a full database needs.
func enough(m Measured, p Plan) int {
	return int(math.Ceil(InFlight(m.Rate, p.Latency) / float64(p.Slots)))
}

// saturated keeps a cell busy, and waits until it has gone round once and more.
func saturated(s Setup, unsettled int) Setup {
	s.Traffic.Saturation = unsettled
	s.Warmup = time.Second + 2*time.Duration(float64(unsettled)/s.PerSecond*1e9)
	s.Length = s.Warmup + 1500*time.Millisecond
	return s
}

func loadTable(t *testing.T, m Measured, p Plan) string {
	list := [][]string{{"load of *L*", "publish waits, p50", "p99", "commits per delivery", "catches up after 1 min away", "simulated"}}
	var last Run
	for _, load := range []float64{0.3, 0.5, 0.7, 0.9} {
		s := setup(m, p, enough(m, p)+3)
		s.Traffic.Rate = load * m.Rate
		r := Simulate(s)
		near(t, fmt.Sprintf("settled at load %v", load), s.Traffic.Rate, r.Settled, 0.06)
		if r.Publish[1] < last.Publish[1] || last.Commits > 0 && r.Commits > last.Commits {
			t.Errorf("load %v: publishing waits %v, %v commits per delivery; less load: %v, %v", load, r.Publish[1], r.Commits, last.Publish[1], last.Commits)
		}
		last = r
		row := []string{percent(load), seconds(r.Publish[0]), seconds(r.Publish[1]), num(r.Commits)}
		arithmetic := CatchUp(time.Minute, load)
		simulated := outage(t, m, p, load)
		near(t, fmt.Sprintf("catching up at load %v", load), arithmetic.Seconds(), simulated.Seconds(), 0.1)
		list = append(list, append(row, seconds(arithmetic), seconds(simulated)))
	}
	return rows(list...)
}

// outage simulates a minute without the database, of a cell that is as small as
// the time to catch up does not care about.
func outage(t *testing.T, m Measured, p Plan, load float64) time.Duration {
	t.Helper()
	s := setup(m, p, enough(m, p)+3)
	s.PerSecond = 250
	s.Slots = 100
	s.Traffic.Rate = load * s.PerSecond
	s.Trouble, s.Lasts = 2*time.Second, time.Minute
	s.Length = s.Trouble + s.Lasts + CatchUp(s.Lasts, load)*5/4
	r := Simulate(s)
	if r.CaughtUp == 0 {
		t.Fatalf("load %v never caught up: %+v", load, r)
	}
	return r.CaughtUp - s.Lasts
}

func workTable(t *testing.T, m Measured, p Plan) string {
	list := [][]string{{"what", "costs beside a plain delivery", "arithmetic", "simulated"}}
	for _, c := range []struct {
		what    string
		failing float64
		aside   bool
		want    float64
	}{
		{"every first attempt succeeds", 0, false, m.Rate},
		{"2 % of attempts fail", 0.02, false, WithRetries(m.Rate, 0.02)},
		{"5 %", 0.05, false, WithRetries(m.Rate, 0.05)},
		{"20 %", 0.2, false, WithRetries(m.Rate, 0.2)},
		{"nodes of role `api` take all events", 0, true, PutAside(m.Rate)},
	} {
		s := setup(m, p, enough(m, p)+3)
		s = saturated(s, int(m.Rate/2))
		s.Traffic.Failing, s.Traffic.RetryAfter, s.Traffic.Aside = c.failing, 200*time.Millisecond, c.aside
		r := Simulate(s)
		near(t, c.what, c.want, r.Settled, 0.07)
		list = append(list, []string{c.what, "× " + num(m.Rate/c.want), num(c.want) + "/s", num(r.Settled) + "/s"})
	}
	return rows(list...)
}

func flightTable(t *testing.T, m Measured, p Plan) string {
	list := [][]string{{"receivers", "an attempt takes", "in flight", "simulated", "nodes, one spare", "connections to PostgreSQL"}}
	usable := Usable(m, p)
	for _, c := range []struct {
		what    string
		latency time.Duration
		hanging float64
	}{
		{"answer in 20 ms", 20 * time.Millisecond, 0},
		{"in 100 ms", 100 * time.Millisecond, 0},
		{"in 500 ms", 500 * time.Millisecond, 0},
		{"in 100 ms, but 1 % hang to the timeout of " + seconds(p.Timeout), 100 * time.Millisecond, 0.01},
	} {
		smaller := usable / 1000
		mean := MeanAttempt(c.latency, p.Timeout, c.hanging)
		s := setup(m, p, 1)
		s.Slots = 1 << 20
		s.Traffic.Rate, s.Traffic.Latency, s.Traffic.Hanging = usable/smaller, c.latency, c.hanging
		s.Length = 12 * time.Second
		if c.hanging > 0 {
			s.Warmup, s.Length = p.Timeout+time.Second, 4*p.Timeout
		}
		r := Simulate(s)
		want := InFlight(usable, mean)
		near(t, "in flight, "+c.what, want, r.InFlight*smaller, 0.06)
		nodes := Nodes(m, p, usable, mean)
		if need := r.InFlight * smaller; need > float64((nodes-1)*p.Slots)*1.06 {
			t.Errorf("%s: %v in flight do not fit %d nodes", c.what, need, nodes-1)
		}
		list = append(list, []string{c.what, seconds(mean), num(want), num(r.InFlight * smaller), count(nodes), count(nodes * m.Connections)})
	}
	return rows(list...)
}

func shareTable(t *testing.T, _ Measured, _ Plan) string {
	list := [][]string{{"limit of the endpoint", "nodes", "each has", "nodes without a part", "in all", "in all while a node comes or goes"}}
	for _, c := range []struct{ limit, nodes int }{{1, 3}, {16, 3}, {16, 5}, {16, 20}, {50, 5}} {
		least, most, none, sum := c.limit, 0, 0, 0
		for i := range c.nodes {
			s := share.Share{Rank: i, Nodes: c.nodes}.Of(c.limit, 7)
			least, most, sum = min(least, s), max(most, s), sum+s
			if s == 0 {
				none++
			}
		}
		if sum != c.limit {
			t.Errorf("limit %d over %d nodes is %d", c.limit, c.nodes, sum)
		}
		low, high := disagreement(c.limit, c.nodes)
		each := count(least)
		if most > least {
			each += " or " + count(most)
		}
		list = append(list, []string{count(c.limit), count(c.nodes), each, count(none), count(sum), fmt.Sprintf("%d to %d", low, high)})
	}
	return rows(list...)
}

// disagreement draws which of the nodes have heard of one that comes or of one
// that goes, and gives the least and the most that all have together.
func disagreement(limit, nodes int) (low, high int) {
	low, high = limit, limit
	for endpoint := range uint64(nodes * (nodes + 1)) {
		part := func(nodes, rank int) int { return share.Share{Rank: rank, Nodes: nodes}.Of(limit, endpoint) }
		for heard := range nodes + 1 {
			comes, goes := 0, 0
			for i := range nodes {
				n := nodes
				if i < heard {
					n = nodes + 1
				}
				comes += part(n, i)
				if n = nodes; i < heard {
					n = nodes - 1
				}
				if i < nodes-1 { // the last one went
					goes += part(n, i)
				}
			}
			if heard > 0 { // the one that came has its part
				comes += part(nodes+1, nodes)
			}
			low, high = min(low, comes, goes), max(high, comes, goes)
		}
	}
	return low, high
}

// The list of large agents: those above a part of a cell's usable rate.
const (
	splitAbove = 0.25 // an agent larger than this part of it is divided
	listAbove  = 0.05 // one larger than this has its cell from the list
	listMargin = 0.04 // what the list does not level out
	platforms  = 4    // that are drawn for each figure
)

func balanceTable(t *testing.T, m Measured, p Plan) string {
	list := [][]string{{"traffic of the agents", "the largest one, deliveries/s", "divided", "busiest cell by hash alone: arithmetic", "simulated, worst of " + count(platforms),
		"on the list", "busiest cell with it, worst", "cells: arithmetic", "simulated"}}
	usable := Usable(m, p)
	cells := CellsFor(p.Target, usable, 1+listMargin)
	for _, c := range []struct {
		what     string
		exponent float64
	}{{"all alike", 0}, {"Zipf 0.8", 0.8}, {"Zipf 1.0", 1}, {"Zipf 1.2", 1.2}} {
		rates := Zipf(p.Agents, c.exponent, p.Target)
		parts, divided := Split(rates, splitAbove*usable)
		var mean, worst float64
		for seed := range uint64(platforms) {
			g := NewGrowth(parts, math.Inf(1), seed)
			for range cells {
				g.Add()
			}
			loads, _ := g.Loads()
			busiest, _ := Spread(loads)
			mean, worst = mean+busiest/platforms, max(worst, busiest)
		}
		arithmetic := Imbalance(parts, cells)
		near(t, "imbalance, "+c.what, arithmetic, mean, 0.15)

		listed, withList, need := grown(parts, usable)
		want, tolerance := CellsFor(p.Target, usable, 1+listMargin), 0.06
		if c.exponent == 0 { // nobody is large enough for the list
			want, tolerance = CellsFor(p.Target, usable, arithmetic), 0.12
		}
		near(t, "cells, "+c.what, float64(want), float64(need), tolerance)
		list = append(list, []string{c.what, num(rates[0]), count(divided), num(arithmetic), num(worst),
			count(listed), num(withList), count(want), count(need)})
	}
	return rows(list...)
}

// grown adds cells, with a list, until none has more than usable in any drawn
// platform.
func grown(parts []float64, usable float64) (listed int, busiest float64, cells int) {
	var grow []*Growth
	for seed := range uint64(platforms) {
		grow = append(grow, NewGrowth(parts, listAbove*usable, seed))
	}
	cells = Grow(grow, usable, 3*int(sum(parts)/usable)+3)
	for _, g := range grow {
		loads, n := g.Loads()
		b, _ := Spread(loads)
		listed, busiest = n, max(busiest, b)
	}
	return listed, busiest, cells
}

func growthTable(t *testing.T, _ Measured, p Plan) string {
	list := [][]string{{"a cell is added to", "agents that move to it: arithmetic", "simulated, least and most of " + count(platforms), "of the others"}}
	moved := map[int][]float64{}
	at := []int{1, 2, 4, 16, 60}
	for seed := range uint64(platforms) {
		g := NewGrowth(Zipf(p.Agents, 1, p.Target), math.Inf(1), seed)
		for n := range at[len(at)-1] + 1 {
			before := slices.Clone(g.home)
			share := g.Add()
			moved[n] = append(moved[n], share)
			for i, home := range g.home {
				if n > 0 && home != before[i] && home != n {
					t.Fatalf("agent %d moved from cell %d to %d when %d came", i, before[i], home, n)
				}
			}
		}
	}
	for _, n := range at {
		for _, share := range moved[n] {
			near(t, fmt.Sprintf("moved to cell %d", n+1), Moved(n), share, 0.15)
		}
		list = append(list, []string{count(n), percent(Moved(n)), percent(slices.Min(moved[n])) + ", " + percent(slices.Max(moved[n])), "none"})
	}
	return rows(list...)
}

func stepTable(t *testing.T, m Measured, p Plan) string {
	list := [][]string{{"deliveries/s", "cells: arithmetic", "simulated", "nodes in a cell", "nodes in all", "connections of a database", "its WAL", "its log a day"}}
	usable := Usable(m, p)
	for _, rate := range []float64{1_000, 5_000, 15_000, 50_000, 200_000, p.Target} {
		cells, drawn := 1, 1
		if rate > usable {
			cells = CellsFor(rate, usable, 1+listMargin)
			parts, _ := Split(Zipf(p.Agents, 1, rate), splitAbove*usable)
			_, _, drawn = grown(parts, usable)
			near(t, fmt.Sprintf("cells for %v/s", rate), float64(cells), float64(drawn), 0.06+1/float64(cells))
		}
		each := rate / float64(cells)
		nodes := Nodes(m, p, each, p.Latency)
		list = append(list, []string{num(rate), count(cells), count(drawn), count(nodes), count(cells * nodes),
			count(nodes * m.Connections), size(each*m.WALBytes) + "/s", size(each * m.TableBytes * 86400)})
		if nodes*cells > 1 && each > usable {
			t.Errorf("%v/s in %d cells are %v each, above %v", rate, cells, each, usable)
		}
	}
	return rows(list...)
}

func troubleTable(t *testing.T, m Measured, p Plan) string {
	usable := Usable(m, p)
	nodes := Nodes(m, p, usable, p.Latency)
	list := [][]string{{"what", "arithmetic", "simulated"}}

	const smaller = 4 // in every way, so that the run is short
	s := setup(m, p, nodes)
	s.PerSecond /= smaller
	s.Slots /= smaller
	s.Traffic.Rate = usable / smaller
	s.Trouble, s.Lasts, s.Kill = time.Second, p.Adoption, true
	s.Length = p.Adoption + 3*time.Second
	r := Simulate(s)
	repeated := InFlight(usable, p.Latency) / float64(nodes)
	near(t, "repeated", repeated, float64(smaller*r.Repeated), 0.3)
	if r.Repeated > s.Slots {
		t.Errorf("%d attempts repeated, a node has %d slots", r.Repeated, s.Slots)
	}
	if r.CaughtUp == 0 || r.CaughtUp > p.Adoption+2*time.Second {
		t.Errorf("a node died: caught up after %v", r.CaughtUp)
	}
	list = append(list,
		[]string{fmt.Sprintf("one of %d nodes is killed at %s/s: attempts made again", nodes, num(usable)), num(repeated), count(smaller * r.Repeated)},
		[]string{"… all it had is settled after", seconds(p.Adoption) + " and a moment", seconds(r.CaughtUp)})

	s.Lasts, s.Length = 2*time.Second, 6*time.Second
	if s.Nodes--; s.Nodes > 1 {
		r = Simulate(s)
		left := Capacity(m, p, s.Nodes-1)
		if left >= usable || r.CaughtUp != 0 {
			t.Errorf("without a spare node the others keep up: they make %v/s, caught up after %v", left, r.CaughtUp)
		}
		near(t, "without a spare node", left, smaller*r.Settled, 0.07)
		list = append(list, []string{fmt.Sprintf("one of %d, none to spare: of %s/s the others settle", s.Nodes, num(usable)), num(left) + "/s", num(smaller*r.Settled) + "/s"})
	}

	cells := CellsFor(p.Target, usable, 1+listMargin)
	parts, _ := Split(Zipf(p.Agents, 1, p.Target), splitAbove*usable)
	least, most := 1.0, 0.0
	for seed := range uint64(platforms) {
		g := NewGrowth(parts, listAbove*usable, seed)
		for range cells {
			g.Add()
		}
		loads, _ := g.Loads()
		least, most = min(least, slices.Min(loads)/sum(loads)), max(most, slices.Max(loads)/sum(loads))
	}
	near(t, "share of a cell", 1/float64(cells), least, 0.1)
	near(t, "share of a cell", 1/float64(cells), most, 0.1)
	list = append(list, []string{fmt.Sprintf("one of %d cells is away: share of the traffic", cells), percent(1 / float64(cells)), percent(least) + " to " + percent(most)})
	return rows(list...)
}

func costTable(t *testing.T, m Measured, p Plan) string {
	c := CostPerMillion(m, p)
	// The simulated database works as long for a delivery as the rate says.
	s := setup(m, p, enough(m, p)+3)
	r := Simulate(saturated(s, int(m.Rate/2)))
	near(t, "seconds of the database for a million", 1e6/m.Rate, r.Busy/r.Settled*1e6, 0.05)

	day := p
	day.Retention = 1
	short := CostPerMillion(m, day)
	return "Example prices: " + num(p.PriceCore) + " for a core and hour, " + num(p.PriceGigabyte) + " for a GB of disk and 30 days.\n\n" + rows(
		[]string{"a million deliveries", "amount", "formula", "at the example prices"},
		[]string{"CPU of PostgreSQL", num(c.DatabaseCPU) + " s", "1,000 × CPU for 1,000", ""},
		[]string{"CPU of the nodes", num(c.NodeCPU) + " s", "1,000 × CPU for 1,000", ""},
		[]string{"both, paid with the headroom", num((c.DatabaseCPU+c.NodeCPU)/(1-p.Headroom)) + " s", "÷ (1 − " + num(p.Headroom) + ")", num(c.CPUPrice)},
		[]string{"commits", num(c.Commits), "10⁶ × commits for each", ""},
		[]string{"write-ahead log", size(c.WAL), "10⁶ × WAL for each; once more for each standby", ""},
		[]string{"rows, kept " + count(p.Retention) + " days", size(c.Table), "10⁶ × bytes for each × days ÷ 30", num(c.DiskPrice)},
		[]string{"rows, kept 1 day", size(c.Table), "", num(short.DiskPrice)},
	)
}
