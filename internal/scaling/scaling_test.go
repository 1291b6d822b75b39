package scaling

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// measured reads the figures that the document is made from.
func measured(t *testing.T) Measured {
	t.Helper()
	data, err := os.ReadFile("testdata/measured.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMeasured(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseMeasured(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/measured.json")
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	source := strconv.Quote(measured(t).Source)
	for _, c := range []struct{ name, data, want string }{
		{"as it is", good, ""},
		{"unknown key", strings.Replace(good, "wal_bytes", "wall_bytes", 1), "unknown field"},
		{"without a source", strings.Replace(good, source, `""`, 1), "no source"},
		{"without a figure", `{"source": "nobody", "saturates": "nothing"}`, "not above 0"},
		{"below zero", strings.Replace(good, `"commits_per_delivery": `, `"commits_per_delivery": -`, 1), "commits_per_delivery is -"},
		{"no JSON", good[1:], "measured figures"},
	} {
		_, err := ParseMeasured([]byte(c.data))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A cell that comes or goes moves its own agents and no others, whatever the
// order of the names.
func TestCellMovesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	names := []string{"cell-1", "cell-2", "cell-3", "cell-4", "cell-5"}
	more := append(slices.Clone(names), "cell-6")
	backwards := slices.Clone(names)
	slices.Reverse(backwards)
	count := map[string]int{}
	for i := range 20_000 {
		agent := "agent-" + strconv.Itoa(i)
		home := Cell(agent, names)
		count[home]++
		if got := Cell(agent, backwards); got != home {
			t.Fatalf("%s lives in %s or %s, depending on the order", agent, home, got)
		}
		if got := Cell(agent, more); got != home && got != "cell-6" {
			t.Fatalf("%s moved from %s to %s when cell-6 came", agent, home, got)
		}
		rest := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "cell-3" })
		if got := Cell(agent, rest); got != home && home != "cell-3" {
			t.Fatalf("%s moved from %s to %s when cell-3 went", agent, home, got)
		}
	}
	for name, n := range count {
		if n < 3_800 || n > 4_200 {
			t.Errorf("%s has %d of 20,000 agents", name, n)
		}
	}
	if got := Cell("agent", nil); got != "" {
		t.Errorf("without cells an agent lives in %q", got)
	}
}

func TestZipfAndSplit(t *testing.T) {
	t.Parallel()
	rates := Zipf(1000, 1, 5000)
	if sum := sum(rates); sum < 4999 || sum > 5001 || rates[0] < 9.99*rates[9] || rates[0] > 10.01*rates[9] {
		t.Errorf("%v in all; the first has %v, the tenth %v", sum, rates[0], rates[9])
	}
	parts, divided := Split(rates, 100)
	if divided != 6 || slices.Max(parts) > 100 || sum(parts) < 4999 || sum(parts) > 5001 {
		t.Errorf("%d divided, the largest part %v, %v in all", divided, slices.Max(parts), sum(parts))
	}
	if !slices.IsSortedFunc(parts, func(a, b float64) int { return int(b - a) }) {
		t.Error("the parts are not ordered")
	}
}

// The same seed gives the same run, another one another.
func TestSimulateIsDeterministic(t *testing.T) {
	t.Parallel()
	s := setup(measured(t), DefaultPlan(), 2)
	s.Traffic.Rate, s.Length = 2000, 2*time.Second
	a, b := Simulate(s), Simulate(s)
	if a != b {
		t.Errorf("two runs with one seed differ: %+v, %+v", a, b)
	}
	if s.Seed++; Simulate(s) == a {
		t.Error("another seed gives the same run")
	}
}

// What is settled was published, and a cell that can keep up holds no more than
// what is under way.
func TestSimulateKeepsCount(t *testing.T) {
	t.Parallel()
	m, p := measured(t), DefaultPlan()
	for _, failing := range []float64{0, 0.3} {
		s := setup(m, p, 3)
		s.Warmup, s.Length = 0, 4*time.Second
		s.Traffic.Rate, s.Traffic.Failing, s.Traffic.RetryAfter = 3000, failing, 100*time.Millisecond
		r := Simulate(s)
		published := r.Settled*s.Length.Seconds() + float64(r.Backlog)
		near(t, "published", 3000*4, published, 0.03)
		// Each attempt takes the latency, each but the last is followed by a wait.
		per := Attempts(failing)*p.Latency.Seconds() + (Attempts(failing)-1)*s.Traffic.RetryAfter.Seconds()
		near(t, "unsettled", 3000*per, float64(r.Backlog), 0.15)
	}
}

func sum(list []float64) (s float64) {
	for _, v := range list {
		s += v
	}
	return s
}

// near holds the arithmetic against the simulation.
func near(t *testing.T, what string, arithmetic, simulated, tolerance float64) {
	t.Helper()
	if d := simulated/arithmetic - 1; !(d <= tolerance && d >= -tolerance) {
		t.Errorf("%s: %.4g by arithmetic, %.4g simulated: %+.1f %%, of %.0f %% allowed", what, arithmetic, simulated, 100*d, 100*tolerance)
	}
}

// setup is a cell as the plan has it, without traffic.
func setup(m Measured, p Plan, nodes int) Setup {
	return Setup{
		Nodes: nodes, Slots: p.Slots, Lanes: 2, Outcomes: 8192,
		PerSecond: m.Rate, Transaction: m.Transaction(), Commit: m.Commit(), Batch: m.Batch,
		Warmup: time.Second, Length: 3 * time.Second,
		Traffic: Traffic{Latency: p.Latency, Timeout: p.Timeout},
	}
}
