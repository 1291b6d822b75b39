package bench

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// trouble is a scenario that has healthy endpoints beside bad ones, and measures
// the healthy ones' latency with and without them.
type trouble struct {
	name, what         string
	healthy, perSecond int
	bad                []manner
}

func troubles() []trouble {
	dead := make([]manner, 100) // nil: nobody listens
	return []trouble{
		{"S5", "nine healthy endpoints beside one that hangs, 30 events/s", 9, 30, []manner{hangs}},
		{"S5b", "nine healthy endpoints beside one that drips and one that sends an endless body, 30 events/s", 9, 30,
			[]manner{drips, floods}},
		{"S5c", "900 healthy endpoints beside 100 dead ones, 2 events/s", 900, 2, dead},
	}
}

// manner is how a bad receiver treats a connection once it has read a request.
// Where it is nil, nobody listens.
type manner func(ctx context.Context, c net.Conn)

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\n\r\n"

// hangs never answers.
func hangs(ctx context.Context, _ net.Conn) { <-ctx.Done() }

// drips sends its headers byte by byte, slower than any timeout allows.
func drips(ctx context.Context, c net.Conn) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for _, b := range []byte(head) {
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// floods sends a body that does not end.
func floods(_ context.Context, c net.Conn) {
	io.WriteString(c, head)
	for b := make([]byte, 64<<10); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// badReceiver listens in a manner until it is closed.
func badReceiver(ctx context.Context, m manner) (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	url = "http://" + l.Addr().String() + "/bad"
	if m == nil {
		return url, func() {}, l.Close()
	}
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				if readRequest(c) == nil {
					m(ctx, c)
				}
			})
		}
	})
	return url, func() { cancel(); l.Close(); open.Wait() }, nil
}

// readRequest reads one request and its body.
func readRequest(c net.Conn) error {
	in := bufio.NewReader(c)
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	_, err := io.CopyN(io.Discard, in, int64(length))
	return err
}

// outlast is longer than the default timeout of an endpoint, at least.
const outlast = 33 * time.Second

// run measures the healthy endpoints alone and beside the bad ones.
func (t trouble) run(ctx context.Context, o *Options) (*Result, error) {
	alone, err := t.measure(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	beside, err := t.measure(ctx, o, t.bad)
	if err != nil {
		return nil, err
	}
	ratio := beside.latency.P99 / alone.latency.P99
	o.progress("%s: healthy p99 %.2f ms beside the bad ones, %.2f ms alone, ratio %.2f; peak %.0f and %.0f MiB", t.name,
		beside.latency.P99, alone.latency.P99, ratio, beside.peak, alone.peak)
	return &Result{
		Scenario: t.name, What: t.what, Latency: &beside.latency, RSS: beside.peak,
		Bars: []Bar{atMost("healthy p99, times that alone", ratio, 1.5)}, Missing: alone.missing + beside.missing,
		OverTime: map[string][]Span{"alone": alone.spans, "beside": beside.spans}, Figures: map[string]float64{
			"alone_p50_ms": alone.latency.P50, "alone_p99_ms": alone.latency.P99, "alone_peak_mib": alone.peak,
		},
	}, nil
}

type troubleRun struct {
	latency Percentiles
	spans   []Span
	missing int64
	peak    float64 // MiB
}

func (t trouble) measure(ctx context.Context, o *Options, bad []manner) (*troubleRun, error) {
	return withReceiver(func(r *receiver) (*troubleRun, error) {
		more := *o
		more.Flags = append([]string{"--max-endpoints-per-agent", "1000"}, o.Flags...)
		s, err := more.server(ctx)
		if err != nil {
			return nil, err
		}
		defer o.discard(ctx, s)
		if _, err := s.agent(r, t.healthy); err != nil {
			return nil, err
		}
		for _, m := range bad {
			url, end, err := badReceiver(ctx, m)
			if err != nil {
				return nil, err
			}
			defer end()
			if _, err := s.endpoint(url); err != nil {
				return nil, err
			}
		}
		last := max(10*o.Duration, outlast)
		if bad == nil {
			last /= 3 // nothing of it takes time
		}
		all, n, err := s.openLoop(r, pacing{perSecond: t.perSecond, duration: last})
		if err != nil {
			return nil, err
		}
		p := all.summary()
		u, err := s.usage()
		return &troubleRun{p, all.spans(spanCount), int64(n*t.healthy - p.N), mib(u.peak)}, err
	})
}
