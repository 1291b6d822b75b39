package retry

import (
	"bufio"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// builtins are the three built-in policies in the order of the columns of
// testdata/verdicts.txt.
func builtins() []Policy { return []Policy{Chatzuri(), Chatislav(), Standard()} }

func policy(t *testing.T, name string) Policy {
	t.Helper()
	for _, p := range builtins() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no built-in policy %q", name)
	return Policy{}
}

// readVerdicts returns the expected verdicts, by status, of one column each.
func readVerdicts(t *testing.T) map[int][]Verdict {
	t.Helper()
	f, err := os.Open("testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	letters := map[string]Verdict{"S": Success, "R": Retry, "F": Fail, "G": FailSuspend}
	want := make(map[int][]Verdict)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		first, last, isRange := strings.Cut(fields[0], "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || len(fields) != 4 {
			t.Fatalf("bad row %q", lines.Text())
		}
		for status := from; status <= to; status++ {
			if want[status] != nil {
				t.Fatalf("status %d stands in two rows", status)
			}
			for _, letter := range fields[1:] {
				v, ok := letters[letter]
				if !ok {
					t.Fatalf("bad verdict in row %q", lines.Text())
				}
				want[status] = append(want[status], v)
			}
		}
	}
	return want
}

func TestClassifyEveryStatus(t *testing.T) {
	t.Parallel()
	want := readVerdicts(t)
	for status := 100; status <= 599; status++ {
		if want[status] == nil {
			t.Fatalf("the table says nothing about %d", status)
		}
		for i, p := range builtins() {
			if got := p.Classify(status); got != want[status][i] {
				t.Errorf("%s: Classify(%d) = %v, want %v", p.Name, status, got, want[status][i])
			}
		}
	}
	if len(want) != 500 {
		t.Errorf("the table has %d statuses, want 500", len(want))
	}
}

func TestClassifyOutsideStatuses(t *testing.T) {
	t.Parallel()
	strict := Policy{Rules: []Rule{{100, 599, Fail}}}
	for _, p := range append(builtins(), strict, Policy{}) {
		for _, status := range []int{math.MinInt, -200, -1, 0, 1, 20, 99, 600, 700, 999, 1200, math.MaxInt} {
			if got := p.Classify(status); got != Retry {
				t.Errorf("%q: Classify(%d) = %v, want retry", p.Name, status, got)
			}
		}
	}
	if got := (Policy{}).Classify(200); got != Retry {
		t.Errorf("a status without a rule is %v, want retry", got)
	}
}

func TestClassifyFirstRuleWins(t *testing.T) {
	t.Parallel()
	p := Standard()
	p.Rules = []Rule{{404, 404, Success}, {400, 499, Fail}, {100, 599, Retry}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]Verdict{403: Fail, 404: Success, 405: Fail, 399: Retry, 500: Retry} {
		if got := p.Classify(status); got != want {
			t.Errorf("Classify(%d) = %v, want %v", status, got, want)
		}
	}
}

func TestClassifyFailure(t *testing.T) {
	t.Parallel()
	for _, p := range builtins() {
		if got := p.ClassifyFailure(false); got != Retry {
			t.Errorf("%s: transport failure is %v, want retry", p.Name, got)
		}
		if got := p.ClassifyFailure(true); got != Fail {
			t.Errorf("%s: blocked target is %v, want fail", p.Name, got)
		}
	}
}

func TestHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	want := map[string][]int{"chatzuri": {429, 503}, "standard": {429, 503}, "chatislav": {503}}
	for name, statuses := range want {
		p := policy(t, name)
		var got []int
		for status := -1; status <= 700; status++ {
			if p.HonoursRetryAfter(status) {
				got = append(got, status)
			}
		}
		if !reflect.DeepEqual(got, statuses) {
			t.Errorf("%s honours Retry-After on %v, want %v", name, got, statuses)
		}
	}
}

func TestRetriesOverload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*Policy)
		want   bool
	}{
		{name: "standard", want: true},
		{name: "chatzuri", want: true},
		{name: "chatislav"}, // 429 is final
		{name: "standard", change: func(p *Policy) { p.Schedule = nil }},
		{name: "standard", change: func(p *Policy) { p.Rules = append([]Rule{{503, 503, Fail}}, p.Rules...) }},
		{name: "standard", change: func(p *Policy) { p.Rules = append([]Rule{{501, 501, Fail}}, p.Rules...) }, want: true},
	} {
		p := policy(t, tc.name)
		if tc.change != nil {
			tc.change(&p)
		}
		if got := p.RetriesOverload(); got != tc.want {
			t.Errorf("%s with schedule %v and rules %v: %v, want %v", tc.name, p.Schedule, p.Rules, got, tc.want)
		}
	}
}

func TestBuiltinSchedule(t *testing.T) {
	t.Parallel()
	for _, p := range builtins() {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		var sum time.Duration
		for _, w := range p.Schedule {
			sum += w
		}
		if want := 23*time.Hour + 52*time.Minute + 35*time.Second; sum != want || len(p.Schedule) != 11 {
			t.Errorf("%s: %d waits of %v in all, want 11 of %v", p.Name, len(p.Schedule), sum, want)
		}
		if p.Window != 24*time.Hour || p.Jitter != 0.10 {
			t.Errorf("%s: window %v, jitter %v", p.Name, p.Window, p.Jitter)
		}
	}
}

// A caller may change the policy it got: the next one is whole again.
func TestBuiltinsShareNothing(t *testing.T) {
	t.Parallel()
	p := Standard()
	p.Schedule[0], p.Rules[0].Verdict = 0, Fail
	if q := Standard(); q.Schedule[0] != 5*time.Second || q.Classify(200) != Success {
		t.Error("a change of one policy shows in the next")
	}
}

func TestValidateBounds(t *testing.T) {
	t.Parallel()
	waits := func(n int, w time.Duration) []time.Duration {
		s := make([]time.Duration, n)
		for i := range s {
			s[i] = w
		}
		return s
	}
	every := []Rule{{100, 599, Retry}}
	tests := []struct {
		name   string
		change func(*Policy)
		fields string // the refused fields, "" if valid
	}{
		{"as built", func(p *Policy) {}, ""},
		{"no name", func(p *Policy) { p.Name = "" }, "name"},
		{"longest name", func(p *Policy) { p.Name = strings.Repeat("n", 64) }, ""},
		{"name too long", func(p *Policy) { p.Name = strings.Repeat("n", 65) }, "name"},
		{"one attempt", func(p *Policy) { p.Schedule = nil }, ""},
		{"50 waits", func(p *Policy) { p.Schedule = waits(50, time.Second) }, ""},
		{"51 waits", func(p *Policy) { p.Schedule = waits(51, time.Second) }, "schedule"},
		{"shortest and longest wait", func(p *Policy) { p.Schedule = []time.Duration{time.Second, 86400 * time.Second} }, ""},
		{"no wait", func(p *Policy) { p.Schedule = []time.Duration{time.Second, 0} }, "schedule[1]"},
		{"negative wait", func(p *Policy) { p.Schedule = []time.Duration{-time.Second} }, "schedule[0]"},
		{"wait too long", func(p *Policy) { p.Schedule = []time.Duration{86401 * time.Second} }, "schedule[0]"},
		{"part of a second", func(p *Policy) { p.Schedule = []time.Duration{1500 * time.Millisecond} }, "schedule[0]"},
		{"shortest window", func(p *Policy) { p.Window = time.Second }, ""},
		{"longest window", func(p *Policy) { p.Window = 604800 * time.Second }, ""},
		{"no window", func(p *Policy) { p.Window = 0 }, "window"},
		{"window too long", func(p *Policy) { p.Window = 604801 * time.Second }, "window"},
		{"window of a part", func(p *Policy) { p.Window = time.Minute + 1 }, "window"},
		{"no jitter", func(p *Policy) { p.Jitter = 0 }, ""},
		{"most jitter", func(p *Policy) { p.Jitter = 1 }, ""},
		{"too much jitter", func(p *Policy) { p.Jitter = 1.01 }, "jitter"},
		{"negative jitter", func(p *Policy) { p.Jitter = -0.1 }, "jitter"},
		{"jitter not a number", func(p *Policy) { p.Jitter = math.NaN() }, "jitter"},
		{"infinite jitter", func(p *Policy) { p.Jitter = math.Inf(1) }, "jitter"},
		{"one rule", func(p *Policy) { p.Rules = every }, ""},
		{"no rules", func(p *Policy) { p.Rules = nil }, "rules"},
		{"gap", func(p *Policy) { p.Rules = []Rule{{100, 299, Success}, {301, 599, Retry}} }, "rules"},
		{"last status missing", func(p *Policy) { p.Rules = []Rule{{100, 598, Retry}} }, "rules"},
		{"no verdict", func(p *Policy) { p.Rules = []Rule{{100, 599, 0}} }, "rules[0]"},
		{"unknown verdict", func(p *Policy) { p.Rules = []Rule{{100, 599, FailSuspend + 1}} }, "rules[0]"},
		{"backwards", func(p *Policy) { p.Rules = []Rule{{300, 299, Fail}, every[0]} }, "rules[0]"},
		{"below 100", func(p *Policy) { p.Rules = []Rule{{99, 599, Retry}} }, "rules[0] rules"},
		{"above 599", func(p *Policy) { p.Rules = []Rule{{100, 600, Retry}} }, "rules[0] rules"},
		{"never applies", func(p *Policy) { p.Rules = []Rule{{400, 499, Fail}, {410, 410, FailSuspend}, every[0]} }, "rules[1]"},
		{"covered by two", func(p *Policy) { p.Rules = []Rule{{100, 299, Success}, {300, 599, Retry}, {299, 300, Fail}} }, "rules[2]"},
		{"a rule too many", func(p *Policy) { p.Rules = make([]Rule, 501) }, "rules"},
		{"several at once", func(p *Policy) { p.Name, p.Window, p.Jitter = "", 0, 2 }, "name window jitter"},
	}
	for _, tt := range tests {
		p := Standard()
		tt.change(&p)
		if got := refusedFields(t, p.Validate()); got != tt.fields {
			t.Errorf("%s: refused %q, want %q", tt.name, got, tt.fields)
		}
	}
}

// refusedFields lists the fields that a validation error names.
func refusedFields(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not a joined error", err)
	}
	var fields []string
	for _, e := range joined.Unwrap() {
		var fe *FieldError
		if !errors.As(e, &fe) || fe.Problem == "" {
			t.Fatalf("%v is no field error with a problem", e)
		}
		fields = append(fields, fe.Field)
	}
	return strings.Join(fields, " ")
}

func TestVerdictText(t *testing.T) {
	t.Parallel()
	words := map[Verdict]string{Success: "success", Retry: "retry", Fail: "fail", FailSuspend: "fail_suspend"}
	for v, w := range words {
		var back Verdict
		text, err := v.MarshalText()
		if err != nil || string(text) != w || v.String() != w {
			t.Errorf("%d is written %q (%v), String %q, want %q", v, text, err, v, w)
		}
		if err := back.UnmarshalText(text); err != nil || back != v {
			t.Errorf("%q is read as %v (%v)", text, back, err)
		}
	}
	for _, v := range []Verdict{0, FailSuspend + 1, 255} {
		if text, err := v.MarshalText(); err == nil {
			t.Errorf("%d is written %q", v, text)
		}
		if got := v.String(); !strings.HasPrefix(got, "verdict(") {
			t.Errorf("String of %d = %q", uint8(v), got)
		}
	}
	for _, text := range []string{"", "Success", "gone", "verdict(0)", "retry "} {
		v := Fail
		if err := v.UnmarshalText([]byte(text)); err == nil || v != Fail {
			t.Errorf("%q is read as %v (%v)", text, v, err)
		}
	}
	var rules []Rule
	if err := json.Unmarshal([]byte(`[{"from":200,"to":299,"verdict":"success"},{"from":100,"to":599,"verdict":"retry"}]`), &rules); err != nil {
		t.Fatal(err)
	}
	if want := Chatzuri().Rules; !reflect.DeepEqual(rules, want) {
		t.Errorf("rules read from JSON are %v, want %v", rules, want)
	}
}
