//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

// besideID is the agent whose receivers or events are bad. The agent of the trial
// has nothing to do with it but the node that both share.
const besideID = "beside"

// addBeside makes that agent.
func (tr *trial) addBeside() {
	tr.t.Helper()
	agent := map[string]any{"id": besideID, "name": "Beside"}
	if err := tr.server.call(tr.t.Context(), http.MethodPost, "/v1/agents", agent, nil); err != nil {
		tr.t.Fatal(err)
	}
}

// endpointBeside makes an endpoint of that agent and returns its id.
func (tr *trial) endpointBeside(url, profile string, timeout time.Duration, concurrency int) string {
	tr.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	in := map[string]any{
		"url": url, "events": []string{"*"}, "timeout_seconds": int(timeout / time.Second), "profile": profile,
		"retry": map[string]any{"schedule_seconds": []int{1, 1, 1, 2, 2, 5, 5, 5}},
	}
	if concurrency > 0 {
		in["concurrency"] = concurrency
	}
	if err := tr.server.call(tr.t.Context(), http.MethodPost, "/v1/agents/"+besideID+"/endpoints", in, &made); err != nil {
		tr.t.Fatal(err)
	}
	return made.ID
}

// hole is a kind of receiver that swallows requests: its URL while it is there.
type hole struct {
	kind string
	open func(t *testing.T) (url string, closed func())
}

// holes are the kinds.
func holes() []hole {
	scripted := func(kind string, step receivertest.Step) hole {
		return hole{kind, func(t *testing.T) (string, func()) {
			r := receivertest.Start(t, receivertest.Options{Script: receivertest.Always(step), CountOnly: true})
			return r.URL("/hole"), r.Close
		}}
	}
	return []hole{
		scripted("never answers", receivertest.Hang()),
		{"drops SYN", deaf},
		scripted("a byte a second", receivertest.DripHead(time.Second)),
		scripted("resets in its answer", receivertest.Raw(func(c net.Conn, _ *receivertest.Recorded) error {
			if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Le")); err != nil {
				return err
			}
			if tcp, ok := c.(*net.TCPConn); ok {
				tcp.SetLinger(0) //nolint:errcheck // then it closes as others do
			}
			return errors.Join(errors.New("reset"), c.Close())
		})),
		scripted("endless headers", receivertest.Informational(-1)),
		scripted("endless body", receivertest.Endless(500)),
		scripted("resets unanswered", receivertest.Reset()),
		scripted("inflates", receivertest.GzipBomb(1<<30)),
	}
}

// deaf listens and accepts nobody, with a queue that is full: the system drops
// what else wants to connect.
func deaf(t *testing.T) (string, func()) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	var held []net.Conn
	for full := false; !full; {
		c, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if full = err != nil; !full {
			if held = append(held, c); len(held) > 64 {
				t.Fatal("a queue of one takes every connection")
			}
		}
	}
	return "http://" + addr + "/hole", func() {
		for _, c := range held {
			c.Close()
		}
		syscall.Close(fd) //nolint:errcheck // nothing was written
	}
}

// footprint is what the process takes.
type footprint struct{ goroutines, fds, rss float64 }

func (s *server) footprint(ctx context.Context) (f footprint, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/metrics", nil)
	if err != nil {
		return f, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return f, err
	}
	defer res.Body.Close()
	text, err := readText(res)
	for name, to := range map[string]*float64{
		"go_goroutines": &f.goroutines, "process_open_fds": &f.fds, "process_resident_memory_bytes": &f.rss,
	} {
		if err == nil {
			*to, err = metric(text, name)
		}
	}
	return f, err
}

// atMost is the greatest of each.
func (f footprint) atMost(g footprint) footprint {
	return footprint{max(f.goroutines, g.goroutines), max(f.fds, g.fds), max(f.rss, g.rss)}
}

func (f footprint) String() string {
	return fmt.Sprintf("%.0f goroutines, %.0f descriptors, %.0f MiB", f.goroutines, f.fds, f.rss/(1<<20))
}

const (
	holesAtOnce = 12 // endpoints of a cycle …
	holeWidth   = 64 // … and attempts at once that each may have: more than the node makes in all
	holeEvents  = 80 // that each gets
)

// holeBounds are what a node may take while it feeds black holes: it makes 512
// attempts at once and keeps connections to healthy receivers.
var holeBounds = footprint{goroutines: 4000, fds: 1600, rss: 600 << 20}

// swallow opens a black hole behind many endpoints, publishes to them, looks at
// the process meanwhile, and lets both disappear.
func (tr *trial) swallow(h hole, accepted *atomic.Int64) (most footprint) {
	t := tr.t
	t.Helper()
	url, closed := h.open(t)
	defer closed()
	var ids []string
	for range holesAtOnce {
		ids = append(ids, tr.endpointBeside(url, "standard", 2*time.Second, holeWidth))
	}
	events := make([]any, holeEvents)
	for i := range events {
		events[i] = map[string]any{"agent_id": besideID, "event": "message.received", "data": map[string]any{"text": strings.Repeat("x", 2000)}}
	}
	if err := tr.server.call(t.Context(), http.MethodPost, "/v1/events", map[string]any{"events": events}, nil); err != nil {
		t.Error(err)
	}
	accepted.Add(holeEvents)
	for range 3 {
		tr.pause(150*time.Millisecond, 400*time.Millisecond)
		f, err := tr.server.footprint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		most = most.atMost(f)
	}
	for _, id := range ids {
		if err := tr.server.call(t.Context(), http.MethodDelete, "/v1/agents/"+besideID+"/endpoints/"+id, nil, nil); err != nil {
			t.Error(err)
		}
	}
	return most
}

// TestBlackHoles lets receivers appear that swallow requests, each in its way,
// behind more endpoints than a node has attempts for, and disappear. What goes to
// healthy receivers is delivered by its first attempt, and the process does not
// grow.
func TestBlackHoles(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, options{timeout: 20 * time.Second})
	tr.addBeside()
	kinds := holes()
	n := repeat(len(kinds))
	var accepted atomic.Int64
	var most footprint
	for i := range n {
		h := kinds[i%len(kinds)]
		f := tr.swallow(h, &accepted)
		t.Logf("%s: %v", h.kind, f)
		most = most.atMost(f)
	}
	if most.goroutines > holeBounds.goroutines || most.fds > holeBounds.fds || most.rss > holeBounds.rss {
		t.Errorf("the process had up to %v, want %v at most", most, holeBounds)
	}
	v := tr.end()
	if v.duplicates > 0 || v.requests != v.deliveries {
		t.Errorf("healthy receivers got %d requests for %d deliveries, %d twice", v.requests, v.deliveries, v.duplicates)
	}
	tr.awaitBeside("the deliveries to black holes are settled", func(l ledger) bool { return l.Pending+l.Retrying == 0 })
	tr.await("attempts and connections are given up", func() bool {
		f, err := tr.server.footprint(t.Context())
		return err == nil && f.fds < 200 && f.goroutines < 300
	})
	tr.record("black-holes", n, v, nil, map[string]int64{
		"swallowed": accepted.Load() * holesAtOnce, "goroutines_most": int64(most.goroutines), "descriptors_most": int64(most.fds), "mebibytes_most": int64(most.rss) >> 20,
	})
}

// awaitBeside waits until something holds for the ledger of the agent beside.
func (tr *trial) awaitBeside(what string, holds func(ledger) bool) {
	tr.t.Helper()
	tr.await(what, func() bool {
		var l ledger
		err := tr.server.read(tr.t.Context(), "/v1/agents/"+besideID+"/ledger", &l)
		return err == nil && holds(l)
	})
}
