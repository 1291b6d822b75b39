//go:build linux

package chaos

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sample is what a server used at one moment of a soak; memory and disk in bytes.
type sample struct {
	at              time.Duration // since the soak began
	events          float64       // accepted so far
	rss, live, heap float64       // of the process; live after the last collection, or more; in use by the heap
	goroutines, fds float64
	disk, log, days float64 // of the store, of its log, and of that in partitions of days
	queued          float64
	inFlight        float64
	cpu             float64 // seconds
}

func (x sample) String() string {
	const mib = 1 << 20
	return fmt.Sprintf("%.0f events, rss %.1f MiB, live %.2f MiB, %.0f goroutines, %.0f descriptors, disk %.0f + %.0f MiB, %.0f queued",
		x.events, x.rss/mib, x.live/mib, x.goroutines, x.fds, x.disk/mib, x.log/mib, x.queued)
}

// line is a straight line through samples.
type line struct {
	mean   float64
	slope  float64 // an hour
	margin float64 // of the slope, 95 %; infinite with too few samples
}

func (l line) String() string {
	const mib = 1 << 20
	if math.IsInf(l.margin, 1) {
		return fmt.Sprintf("%.2f MiB/h (too few samples to tell)", l.slope/mib)
	}
	return fmt.Sprintf("%.2f ± %.2f MiB/h", l.slope/mib, l.margin/mib)
}

// fitBlocks is how many means of neighbouring samples the line goes through:
// samples of one server are alike when they are near in time, which would make the
// margin of a line through themselves look smaller than it is.
const fitBlocks = 12

// studentT is the 97.5 % quantile of Student's t for fitBlocks-2 degrees of
// freedom.
const studentT = 2.228

// fit draws the line by least squares.
func fit(samples []sample, of func(sample) float64) line {
	var hours, values []float64
	n := min(fitBlocks, len(samples))
	for b := range n {
		block := samples[b*len(samples)/n : (b+1)*len(samples)/n]
		var h, v float64
		for _, x := range block {
			h += x.at.Hours()
			v += of(x)
		}
		hours, values = append(hours, h/float64(len(block))), append(values, v/float64(len(block)))
	}
	mh, mv := mean(hours), mean(values)
	var hh, hv float64
	for i := range hours {
		hh += (hours[i] - mh) * (hours[i] - mh)
		hv += (hours[i] - mh) * (values[i] - mv)
	}
	l := line{mean: mv, slope: hv / hh, margin: math.Inf(1)}
	if len(samples) < 4*fitBlocks {
		return l
	}
	var rest float64
	for i := range hours {
		d := values[i] - mv - l.slope*(hours[i]-mh)
		rest += d * d
	}
	l.margin = studentT * math.Sqrt(rest/(fitBlocks-2)/hh)
	return l
}

func mean(values []float64) (m float64) {
	for _, v := range values {
		m += v / float64(len(values))
	}
	return m
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, 0, len(samples))
	for _, x := range samples {
		values = append(values, of(x))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func greatest(samples []sample, of func(sample) float64) float64 {
	m := math.Inf(-1)
	for _, x := range samples {
		m = max(m, of(x))
	}
	return m
}

// span is how much something grew from the first sample to the last.
func span(samples []sample, of func(sample) float64) float64 {
	return of(samples[len(samples)-1]) - of(samples[0])
}

// metric is the sum of a metric over its labels, in the text format of Prometheus.
func metric(text, name string) (sum float64, err error) {
	found := false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(fields) == 0 {
			return 0, fmt.Errorf("metric %s: %q", name, line)
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
}

func readText(res *http.Response) (string, error) {
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.200s", res.Request.URL.Path, res.StatusCode, text)
	}
	return string(text), err
}

// The line must find a leak, and the margin must hold it.
func TestFit(t *testing.T) {
	t.Parallel()
	leak := func(perHour, noise float64, n int) []sample {
		list := make([]sample, n)
		for i := range list {
			at := time.Duration(i) * 5 * time.Second
			// A noise that repeats, as collections of garbage do.
			list[i] = sample{at: at, live: 10e6 + perHour*at.Hours() + noise*math.Sin(float64(i)*1.7)}
		}
		return list
	}
	of := func(x sample) float64 { return x.live }
	for _, c := range []struct {
		name           string
		perHour, noise float64
		n              int
		unsure         bool
	}{
		{"nothing grows", 0, 1e6, 360, false},
		{"a leak", 5e6, 1e6, 360, false},
		{"it shrinks", -5e6, 1e6, 360, false},
		{"few samples", 5e6, 0, 20, true},
	} {
		l := fit(leak(c.perHour, c.noise, c.n), of)
		if math.IsInf(l.margin, 1) != c.unsure {
			t.Errorf("%s: margin %v", c.name, l.margin)
		}
		if math.Abs(l.slope-c.perHour) > min(l.margin, 1e6) {
			t.Errorf("%s: slope %v ± %v, want %v", c.name, l.slope, l.margin, c.perHour)
		}
	}
	x := "a_total 3\na{b=\"c } d\"} 1.5e3\na{b=\"e\"} 1 1700000000\nab 9\n"
	for name, want := range map[string]float64{"a": 1501, "a_total": 3, "ab": 9} {
		if got, err := metric(x, name); got != want || err != nil {
			t.Errorf("metric %s is %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := metric(x, "b"); err == nil {
		t.Error("a metric that is not there is found")
	}
}
