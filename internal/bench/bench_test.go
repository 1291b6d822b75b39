package bench

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
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
	see := hook(func(req *http.Request) bool {
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
	if got, want := summarise(samples), (percentiles{100, 51, 91, 100, 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := summarise(nil); got != (percentiles{}) {
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
	for _, o := range []Options{
		{Scenarios: []string{"S0"}, Pairs: 1, Duration: time.Second},
		{Pairs: 0, Duration: time.Second},
		{Pairs: 1, Duration: time.Millisecond},
	} {
		if results, err := Run(t.Context(), o); err == nil || results != nil {
			t.Errorf("%+v: %v, %v", o, results, err)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := WriteTable(&b, []*Result{{
		Scenario: "S1", What: "what", Rate: 5000, Ceiling: 10000, Ratio: 0.5, CPURatio: 0.4, CPU: 0.1, Bar: "the bar",
		Latency: &percentiles{10, 1, 2, 3, 4}, Figures: map[string]float64{"b": 2, "a": 1},
	}})
	want := `    deliveries/s  ceiling/s  ratio  by CPU  CPU s/1,000  peak MiB  missing  duplicates  bar
S1  5000          10000      0.500  0.400   0.100        -         0        0           the bar
S1: what
    latency p50 1.00 p90 2.00 p99 3.00 max 4.00 ms (10)
    a 1.00
    b 2.00
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}
