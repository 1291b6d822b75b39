package waybell_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/chaos/result"
	"github.com/waybell/waybell/internal/receivertest"
)

const herdStandard = 5_000

var (
	herdSize    = flag.Int("herd", herdStandard, "deliveries that wait in TestThunderingHerd; docs/reliability.md has the figures of 100,000 too")
	herdCycles  = flag.Int("chaos.cycles", 1, "how often the receivers go down in TestThunderingHerd")
	herdResults = flag.String("chaos.results", "", "directory for what TestThunderingHerd measured, see docs/reliability.md")
)

const (
	herdEndpoints = 5
	herdDown      = 6 * time.Hour
	herdDrain     = time.Minute // about, with every place of an endpoint in use
)

// herd is what waits for receivers that are down, and what they got.
type herd struct {
	up      atomic.Bool
	latency time.Duration // of an answer in the mean

	mu       sync.Mutex
	answered map[string]int                  // by delivery
	arrived  map[string]map[string]time.Time // by path and event: the first answer
}

func (h *herd) script(_ int, rec *receivertest.Recorded) receivertest.Step {
	if !h.up.Load() { // on a connection that was kept
		return receivertest.Reset()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered[rec.Get("X-Waybell-Delivery")]++
	path := h.arrived[rec.Path]
	if path == nil {
		path = map[string]time.Time{}
		h.arrived[rec.Path] = path
	}
	if _, again := path[rec.Get("webhook-id")]; !again {
		path[rec.Get("webhook-id")] = rec.Arrived
	}
	return receivertest.After(h.latency/2+rand.N(h.latency), receivertest.Answer(204, ""))
}

// newHerd makes the receivers, down, and a rig whose endpoints are theirs.
func newHerd(t *testing.T, perEndpoint, queue int) (*herd, *rig) {
	h := &herd{
		latency:  16 * herdDrain / time.Duration(perEndpoint),
		answered: map[string]int{}, arrived: map[string]map[string]time.Time{},
	}
	receiver := receivertest.Start(t, receivertest.Options{Pipe: true, Script: h.script, Keep: 1})
	r := newRig(t, nil, limits(func(l *waybell.Limits) { l.QueueLength = queue }), func(c *waybell.Config) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if !h.up.Load() {
				return nil, errors.New("connection refused")
			}
			return receiver.DialContext(ctx, network, addr)
		}
	})
	r.agent("standard")
	for i := range herdEndpoints {
		r.endpoint(fmt.Sprintf("herd/%d", i))
	}
	return h, r
}

// publishBatches publishes n events.
func (r *rig) publishBatches(n int) {
	r.t.Helper()
	for left := n; left > 0; {
		piece := min(left, 250)
		var body strings.Builder
		for range piece {
			body.WriteString(`{"event":"message.received","agent_id":"bot","data":{"text":"hello"}}` + "\n")
		}
		items, err := r.svc.PublishBatch(r.ctx, waybell.BatchRequest{NDJSON: true, Body: []byte(body.String())})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, it := range items {
			if it.Err != nil {
				r.t.Fatal(it.Err)
			}
		}
		left -= piece
	}
}

// drain lets the receivers come back, publishes an event a second meanwhile, and
// returns when those were published once nothing waits any more.
func (h *herd) drain(r *rig) (published map[string]time.Time) {
	r.t.Helper()
	published = map[string]time.Time{}
	h.up.Store(true)
	for n := 0; ; n++ {
		l := r.ledger()
		if l.Pending+l.Retrying == 0 {
			return published
		}
		if n == 600 {
			r.t.Fatalf("ten minutes after the receivers came back %+v", l)
		}
		published[r.publish(n)] = time.Now()
		<-time.After(time.Second) // in the bubble's time
	}
}

// TestThunderingHerd lets receivers be down for six hours while deliveries wait, and
// come back. They are not overrun: in no second do they get more than twice the
// mean rate of the drain. What is published meanwhile does not wait for the end of
// the backlog. Nothing is lost and nothing comes twice.
func TestThunderingHerd(t *testing.T) {
	t.Parallel()
	began := time.Now() // outside the bubble
	m := herdMeasures{counts: map[string]int64{"lost": 0, "duplicates": 0}}
	synctest.Test(t, func(t *testing.T) {
		events := *herdSize / herdEndpoints
		queue := min(16384, events/4)
		h, r := newHerd(t, events, queue)
		for range *herdCycles {
			h.cycle(r, events, queue, &m)
		}
	})
	if *herdResults == "" || t.Failed() {
		return
	}
	programme := "herd"
	if *herdSize != herdStandard {
		programme = fmt.Sprintf("herd:%d", *herdSize)
	}
	err := result.Write(*herdResults, result.Result{
		Programme: programme, Store: "sqlite", Version: result.Version(t.Context()), Date: time.Now().UTC().Format(time.DateOnly),
		Cycles: *herdCycles, Seconds: time.Since(began).Round(100 * time.Millisecond).Seconds(), Counts: m.counts,
		Times: map[string]float64{"fresh_most": m.fresh.Round(time.Millisecond).Seconds(), "drain_most": m.drained.Round(time.Millisecond).Seconds()},
		Note:  fmt.Sprintf("%d deliveries wait for six virtual hours; the busiest second of a drain had %.2f times its mean rate", *herdSize, m.peak),
	})
	if err != nil {
		t.Error(err)
	}
}

// herdMeasures are what the cycles measured.
type herdMeasures struct {
	counts         map[string]int64
	peak           float64 // the busiest second, in means of its drain
	fresh, drained time.Duration
}

// cycle takes the receivers away for six hours and judges how they come back.
func (h *herd) cycle(r *rig, events, queue int, m *herdMeasures) {
	t := r.t
	t.Helper()
	h.up.Store(false)
	h.answered, h.arrived = map[string]int{}, map[string]map[string]time.Time{} // nobody sends
	before := r.ledger()
	r.publishBatches(events)
	<-time.After(herdDown)
	if l := r.ledger(); l.Pending+l.Retrying != int64(events*herdEndpoints) {
		t.Fatalf("ledger %+v while the receivers are down", l)
	}
	recovered := time.Now()
	published := h.drain(r)
	synctest.Wait()

	want := int64((events + len(published)) * herdEndpoints)
	if l := r.ledger(); l.Accepted-before.Accepted != want || l.Delivered-before.Delivered != want {
		t.Errorf("ledger %+v after the drain, %+v before: want %d more delivered", l, before, want)
	}
	if int64(len(h.answered)) != want {
		t.Errorf("%d deliveries were answered, want %d", len(h.answered), want)
	}
	m.counts["lost"] += want - int64(len(h.answered))
	for id, n := range h.answered {
		if n != 1 {
			m.counts["duplicates"]++
			t.Errorf("delivery %s came %d times", id, n)
		}
	}
	m.counts["events"] += int64(events + len(published))
	m.counts["deliveries"] += want
	var all []time.Time
	for path, got := range h.arrived {
		var old []time.Time
		for id, at := range got {
			if _, fresh := published[id]; !fresh {
				old = append(old, at)
			}
		}
		m.judgeDrain(t, path, old)
		all = append(all, old...)
	}
	m.judgeDrain(t, "all together", all)
	m.fresh = max(m.fresh, h.judgeFresh(t, published, recovered, queue))
}

// judgeDrain holds the rate of a drain against its mean. The last hundredth is not
// of it: what probes tried in vain waits for its own next time.
func (m *herdMeasures) judgeDrain(t *testing.T, what string, at []time.Time) {
	t.Helper()
	slices.SortFunc(at, time.Time.Compare)
	at = at[:len(at)-len(at)/100]
	first, last := at[0], at[len(at)-1]
	mean := float64(len(at)) / last.Sub(first).Seconds()
	most := 0
	for i, j := 0, 0; j < len(at); j++ { // in any second, not only whole ones
		for at[j].Sub(at[i]) >= time.Second {
			i++
		}
		most = max(most, j-i+1)
	}
	t.Logf("%s: %d in %v, %.0f a second in the mean and %d at most", what, len(at), last.Sub(first).Round(time.Second), mean, most)
	m.drained, m.peak = max(m.drained, last.Sub(first)), max(m.peak, float64(most)/mean)
	if float64(most) > 2*mean {
		t.Errorf("%s: %d in a second, %.1f times the mean", what, most, float64(most)/mean)
	}
}

// judgeFresh bounds how long events wait that are published during the drain:
// behind half a queue, which the backlog may fill, and not behind the backlog.
// Those published before the first answer are of the backlog.
func (h *herd) judgeFresh(t *testing.T, published map[string]time.Time, recovered time.Time, queue int) (longest time.Duration) {
	t.Helper()
	rate := 16 / h.latency.Seconds()
	limit := time.Duration(1.25 * float64(queue/2+64) / rate * float64(time.Second))
	var waits []time.Duration
	var probed time.Time
	for _, got := range h.arrived {
		opened := slices.MinFunc(slices.Collect(maps.Values(got)), time.Time.Compare)
		probed = opened
		for id, at := range published {
			if at.After(opened.Add(2 * h.latency)) {
				waits = append(waits, got[id].Sub(at))
			}
		}
	}
	if len(waits) == 0 {
		t.Fatal("nothing was published during the drain")
	}
	slices.Sort(waits)
	longest = waits[len(waits)-1]
	t.Logf("a probe after %v; of %d deliveries made meanwhile the median waited %v and the last %v, limit %v", probed.Sub(recovered).Round(time.Second),
		len(waits), waits[len(waits)/2].Round(time.Millisecond), longest.Round(time.Millisecond), limit.Round(time.Millisecond))
	if longest > limit {
		t.Errorf("a delivery made during the drain waited %v, want %v at most", longest, limit)
	}
	return longest
}
