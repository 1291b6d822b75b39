//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// agentID is the one agent of a trial.
const agentID = "chaos"

const (
	feedEvery   = 15 * time.Millisecond  // pace of a connection that publishes one event a time
	batchEvery  = 150 * time.Millisecond // pace of one that publishes batches
	batchEvents = 10

	// publishBound is how long a publish may take, whatever the store does; a
	// publisher to several nodes waits a little longer.
	publishBound    = 5 * time.Second
	publishPatience = 7 * time.Second
)

// publish is an event that the feeder tried to publish and what it was told.
type publish struct {
	accepted bool // a 202 came
	broken   bool // a request was sent, or may have been, and no answer came
	busy     bool // a 503 or 429 came
	// silent: it turned out on a repetition that a request without an answer
	// had been taken.
	silent bool
}

// feeder publishes events from several connections until it is stopped.
type feeder struct {
	t      *testing.T
	client *http.Client
	stop   context.CancelFunc
	ended  sync.WaitGroup

	mu        sync.Mutex
	nodes     []*feedNode
	publishes map[string]*publish
	counts    feedCounts
	breaks    map[string]int // what requests without an answer ended with
	problems  []string       // answers that break the contract
	changed   chan struct{}  // closed and renewed at every answer
}

// feedNode is a node that takes publishes.
type feedNode struct {
	server   *server
	url      string
	shunned  time.Time // until then others are asked
	accepted int       // events with 202
}

// feedCounts count answers.
type feedCounts struct {
	accepted int           // events with 202
	busy     int           // requests with 503 or 429
	refused  int           // connections refused
	broken   int           // requests without an answer
	slowest  time.Duration // of those with 503, since the last take
}

// startFeeder publishes to the nodes in turn, leaving out for a moment those that
// did not take the last event.
func startFeeder(t *testing.T, nodes []*server) *feeder {
	ctx, stop := context.WithCancel(t.Context())
	f := &feeder{t: t, stop: stop, publishes: map[string]*publish{}, breaks: map[string]int{}, changed: make(chan struct{})}
	for _, s := range nodes {
		if s.takesPublishes() {
			f.nodes = append(f.nodes, &feedNode{server: s, url: "http://" + s.addr})
		}
	}
	singles, batches, patience := 5, 1, 30*time.Second
	if len(nodes) > 1 {
		singles, batches, patience = 2**load, *load, publishPatience
	}
	f.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: singles + batches, DisableCompression: true,
	}}
	for w := range singles {
		f.ended.Go(func() { f.work(ctx, w, fmt.Sprintf("w%d", w), feedEvery, 1) })
	}
	for w := range batches {
		f.ended.Go(func() { f.work(ctx, w, fmt.Sprintf("b%d", w), batchEvery, batchEvents) })
	}
	t.Cleanup(func() { stop(); f.ended.Wait(); f.client.CloseIdleConnections() })
	return f
}

// choose returns the next node in turn after the last one that is not shunned, or
// just the next one.
func (f *feeder) choose(last int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.nodes {
		next := (last + 1 + i) % len(f.nodes)
		if time.Now().After(f.nodes[next].shunned) {
			return next
		}
	}
	return (last + 1) % len(f.nodes)
}

// work publishes n events at every tick. Of the requests without an answer, and
// where there are several nodes those refused too, it repeats three in four under
// the same ids until there is one, as a careful publisher does, and forgets the
// fourth, as a careless one does.
func (f *feeder) work(ctx context.Context, node int, name string, every time.Duration, n int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var again [][]string
	unanswered := 0
	for number := 0; ctx.Err() == nil || len(again) > 0; {
		select {
		case <-tick.C:
		case <-f.t.Context().Done(): // the test ends without a judgement
			return
		}
		var ids []string
		if len(again) > 0 {
			ids, again = again[0], again[1:]
		} else {
			for range n {
				ids = append(ids, name+"-"+strconv.Itoa(number))
				number++
			}
		}
		node = f.choose(node)
		if owed := f.publish(node, ids); len(owed) > 0 {
			if unanswered++; unanswered%4 != 0 {
				again = append(again, owed)
			}
		}
	}
}

// finish stops the feeder, after the repetitions it owes, and returns its
// record.
func (f *feeder) finish() (map[string]*publish, []string) {
	f.stop()
	f.ended.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.publishes, f.problems
}

// event is the event with this id as the API wants it; "mark" lets the receiver
// tell whose body it got.
func event(id string) map[string]any {
	e := map[string]any{"id": id, "event": "message.received", "conversation_id": "conv_" + id,
		"data": map[string]any{"mark": id, "text": strings.Repeat("It does not work. ", 20)}}
	if len(id)%2 == 0 {
		e["event"] = "lead.submit"
		e["data"] = map[string]any{"mark": id, "name": "Sarah", "email": "sarah@example.com", "note": strings.Repeat("x", 300)}
	}
	return e
}

// publish makes one request and returns the ids to repeat: those that got no
// answer, and where there are several nodes those that the others may take.
func (f *feeder) publish(node int, ids []string) (owed []string) {
	path, body := "/v1/agents/"+agentID+"/events", any(event(ids[0]))
	if len(ids) > 1 {
		events := make([]any, len(ids))
		for i, id := range ids {
			e := event(id)
			e["agent_id"] = agentID
			events[i] = e
		}
		path, body = "/v1/events", map[string]any{"events": events}
	}
	b, err := json.Marshal(body)
	if err != nil {
		f.problem("encode: %v", err)
		return nil
	}
	began := time.Now()
	status, header, text, err := f.post(f.nodes[node].url+path, b)
	took := time.Since(began)
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { close(f.changed); f.changed = make(chan struct{}) }()
	for _, id := range ids {
		if f.publishes[id] == nil {
			f.publishes[id] = &publish{}
		}
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.counts.refused++
		f.shun(node, time.Second)
		return f.owed(ids)
	case err != nil:
		f.counts.broken++
		f.breaks[cause(err)]++
		f.shun(node, 5*time.Second)
		for _, id := range ids {
			f.publishes[id].broken = true
		}
		return ids
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		f.counts.busy++
		f.counts.slowest = max(f.counts.slowest, took)
		f.shun(node, 500*time.Millisecond)
		if n, err := strconv.Atoi(header.Get("Retry-After")); err != nil || n < 1 {
			f.problems = append(f.problems, fmt.Sprintf("%d with Retry-After %q: %s", status, header.Get("Retry-After"), text))
		}
		for _, id := range ids {
			f.publishes[id].busy = true
		}
		return f.owed(ids)
	}
	before := f.counts.accepted
	f.answered(ids, status, text)
	f.nodes[node].accepted += f.counts.accepted - before
	return nil
}

// shun leaves a node out for a while. f.mu is held.
func (f *feeder) shun(node int, d time.Duration) {
	if len(f.nodes) > 1 {
		f.nodes[node].shunned = time.Now().Add(d)
	}
}

// owed are those of refused ids that are to be published again: all where there
// are other nodes, otherwise those that may have been taken before. f.mu is held.
func (f *feeder) owed(ids []string) (list []string) {
	for _, id := range ids {
		if len(f.nodes) > 1 || f.publishes[id].broken {
			list = append(list, id)
		}
	}
	return list
}

// answered takes in an answer other than "not now". f.mu is held.
func (f *feeder) answered(ids []string, status int, text []byte) {
	type item struct {
		Status    int    `json:"status"`
		ID        string `json:"id"`
		Duplicate bool   `json:"duplicate"`
	}
	var items []item
	var err error
	if len(ids) == 1 {
		one := item{}
		err = json.Unmarshal(text, &one)
		one.Status = status
		items = []item{one}
	} else {
		var list struct {
			Data []item `json:"data"`
		}
		err = json.Unmarshal(text, &list)
		items = list.Data
	}
	if err != nil || len(items) != len(ids) {
		f.problems = append(f.problems, fmt.Sprintf("%d to a publish of %d: %.300s", status, len(ids), text))
		return
	}
	for i, it := range items {
		p := f.publishes[ids[i]]
		switch {
		case it.Status != http.StatusAccepted || it.ID != ids[i]:
			f.problems = append(f.problems, fmt.Sprintf("event %s: %d: %.300s", ids[i], status, text))
			continue
		case it.Duplicate && !p.broken && !p.busy:
			f.problems = append(f.problems, fmt.Sprintf("event %s: called a duplicate at its first publish", ids[i]))
		}
		p.silent = it.Duplicate
		p.accepted = true
		f.counts.accepted++
	}
}

// cause is an error without the addresses around it.
func cause(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

func (f *feeder) problem(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

func (f *feeder) post(url string, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	// Without GetBody the transport repeats nothing by itself.
	req.GetBody = nil
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := f.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, text, err
}

// count returns the counts so far.
func (f *feeder) count() feedCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// acceptedBy is how many events a node has accepted.
func (f *feeder) acceptedBy(s *server) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.nodes {
		if n.server == s {
			return n.accepted
		}
	}
	return 0
}

// until waits for answers until cond holds for the counts, a minute at most.
func (f *feeder) until(what string, cond func(feedCounts) bool) {
	f.t.Helper()
	limit := time.After(time.Minute)
	for {
		f.mu.Lock()
		counts, changed := f.counts, f.changed
		f.mu.Unlock()
		if cond(counts) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			f.t.Fatalf("%s: has not happened in a minute: %+v", what, counts)
		}
	}
}
