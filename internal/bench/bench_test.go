package bench

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCeilingPostsWhatTheReceiverCounts: the raw loop and the receiver agree,
// so that a ratio compares the same work.
func TestCeilingPostsWhatTheReceiverCounts(t *testing.T) {
	t.Parallel()
	r, err := newReceiver()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	c, err := newRawClient("http://" + r.addr + "/hooks/0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.transport.CloseIdleConnections()
	var headers atomic.Int64
	see := hook(func(_ http.ResponseWriter, req *http.Request) bool {
		headers.Store(int64(len(req.Header)))
		return req.Header.Get("Webhook-Signature") != ""
	})
	r.hook.Store(&see)
	for _, id := range []string{"a", "b", "a"} {
		if err := c.post(id); err != nil {
			t.Fatal(err)
		}
	}
	if n, dups := r.distinct(); n != 2 || dups != 1 {
		t.Errorf("%d deliveries and %d duplicates, want 2 and 1", n, dups)
	}
	// Nine, as a delivery in the standard format has, and Content-Length.
	if n := headers.Load(); n != 10 {
		t.Errorf("the ceiling sends %d headers, want 10", n)
	}
	raw, err := ceiling(50 * time.Millisecond)
	if err != nil || raw.rate <= 0 {
		t.Errorf("ceiling: %+v, %v", raw, err)
	}
}

func TestPublisherReadsEveryFraming(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10) // net/http sends it in chunks
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/short":
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte("short"))
		case "/long":
			_, _ = w.Write([]byte(long))
		}
	}))
	defer server.Close()
	p, err := dialPublisher(strings.TrimPrefix(server.URL, "http://"), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for range 2 { // on one connection
		for path, want := range map[string]struct {
			status int
			body   string
		}{"/empty": {204, ""}, "/short": {202, "short"}, "/long": {200, long}} {
			status, body, err := p.post(path, []byte("{}"))
			if err != nil || status != want.status || string(body) != want.body {
				t.Fatalf("%s: %d, %d bytes, %v", path, status, len(body), err)
			}
		}
	}
}

func TestProcessUsage(t *testing.T) {
	t.Parallel()
	u, err := processUsage(os.Getpid())
	if err != nil || u.rss <= 0 || u.peak < u.rss {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := processUsage(-1); err == nil {
		t.Error("a process that does not exist has a usage")
	}
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	var samples []time.Duration
	for i := range 100 {
		samples = append(samples, time.Duration(100-i)*time.Millisecond)
	}
	if got, want := Summarise(samples), (Percentiles{100, 51, 91, 100, 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := Summarise(nil); got != (Percentiles{}) {
		t.Errorf("nothing measured: %+v", got)
	}
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median of %v: %v", tt.values, got)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	ok := Options{Pairs: 1, Duration: time.Second, Stored: leastStored}
	for name, change := range map[string]func(*Options){
		"no such scenario": func(o *Options) { o.Scenarios = []string{"S0"} },
		"runs":             func(o *Options) { o.Pairs = 0 },
		"of 1ms":           func(o *Options) { o.Duration = time.Millisecond },
		"no store":         func(o *Options) { o.Stores = []string{"mysql"} },
		"needs the store":  func(o *Options) { o.Scenarios = []string{"N1"} },
		"of use for":       func(o *Options) { o.DatabaseURL = "postgres://localhost/x" },
		"are not changed": func(o *Options) {
			o.Stores, o.DatabaseURL, o.PostgresSettings = []string{Postgres}, "x", map[string]string{"a": "b"}
		},
		"9999 waiting": func(o *Options) { o.Scenarios, o.Waiting = []string{"S6"}, 9999 },
		"29999 stored": func(o *Options) { o.Scenarios, o.Stored = []string{"S7"}, 29999 },
	} {
		o := ok
		change(&o)
		report, err := Run(t.Context(), o)
		if err == nil || report.Results != nil || !strings.Contains(strings.Replace(err.Error(), "there is no", "no such", 1)+err.Error(), name) {
			t.Errorf("%s: %v, %v", name, report, err)
		}
	}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	report := Report{
		Machine:  Machine{"1.2.3", "go1", "linux/amd64", 2, 0.25, "2026-01-02", 1.25, 5, 3},
		Postgres: &PostgresInfo{Version: "15.1", Settings: map[string]string{"fsync": "on", "a": "b"}},
		Results: []*Result{{
			Scenario: "S1", Store: Postgres, What: "what", Rate: 5000, Ceiling: 10000, Ratio: 0.5, CPURatio: 0.4, CPU: 0.1,
			Bars: []Bar{atLeast("ratio", 0.5, 0.65), atMost("p50 ms", 1, 1.5)}, LoadCPU: 0.01, ReceiverCPU: 0.03,
			OverTime:    map[string][]Span{"alone": {{0.5, Percentiles{5, 1, 1, 1, 1}}}},
			DatabaseCPU: 0.2, Latency: &Percentiles{10, 1, 2, 3, 4}, Figures: map[string]float64{"b": 2, "a": 1},
			Writes: &writes{0.01, 0.002, 0.001, 900, 0, 1200}, Lists: map[string]Percentiles{"events": {5, 1, 1, 1, 1}},
		}},
	}
	var b bytes.Buffer
	err := WriteTable(&b, report)
	want := `Waybell 1.2.3, go1, linux/amd64, 2 cores, fsync 0.25 ms, 2026-01-02, 1.2 minutes
PostgreSQL 15.1, a b, fsync on
    store     deliveries/s  ceiling/s  ratio  by CPU  CPU s/1,000  DB CPU s/1,000  load   receiver  peak MiB  DB MiB  missing  duplicates  bars
S1  postgres  5000          10000      0.500  0.400   0.100        0.200           0.010  0.030     -         -       0        0           1 of 2 missed
S1 on postgres: what
    ratio ≥ 0.650: 0.500, missed
    p50 ms ≤ 1.50: 1.00, met
    per delivery: 0.0100 commits, 2.0 µs in commits, 1.0 µs in fsync, 900 bytes of write-ahead log, - bytes written to disk, store grew by 1200 bytes
    latency p50 1.00 p90 2.00 p99 3.00 max 4.00 ms (10)
    events: p50 1.00 p90 1.00 p99 1.00 max 1.00 ms (5)
    a 1.00
    b 2.00
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	var back Report
	if err := WriteJSON(&b, report); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || !reflect.DeepEqual(back, report) {
		t.Errorf("%v: %+v", err, back)
	}
}
