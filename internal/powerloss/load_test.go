//go:build linux

package powerloss

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

const (
	apiKey  = "power-key-0123456789-0123456789"
	agentID = "power"
	paths   = 2 // endpoints of the agent, one for each path
)

// receiver takes the deliveries of the record and of all images.
type receiver struct {
	*receivertest.Receiver
	mu   sync.Mutex
	rng  *rand.Rand
	fail int                     // percent that get a 500
	got  map[string]map[int]bool // by event: paths that answered 2xx
}

func newReceiver(t *testing.T, seed uint64) *receiver {
	r := &receiver{rng: rand.New(rand.NewPCG(seed, 2)), fail: 10, got: map[string]map[int]bool{}}
	r.Receiver = receivertest.Start(t, receivertest.Options{Script: r.answer, Keep: 1})
	return r
}

func (r *receiver) answer(_ int, rec *receivertest.Recorded) receivertest.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rng.IntN(100) < r.fail {
		return receivertest.Answer(http.StatusInternalServerError, "")
	}
	id, path := rec.Get("webhook-id"), 0
	_, _ = fmt.Sscanf(rec.Path, "/%d", &path) // no other path was subscribed
	if r.got[id] == nil {
		r.got[id] = map[int]bool{}
	}
	r.got[id][path] = true
	return receivertest.Answer(http.StatusNoContent, "")
}

// answered tells whether all endpoints have answered an event with a 2xx.
func (r *receiver) answered(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got[id]) == paths
}

// spare lets no request fail any more.
func (r *receiver) spare() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = 0
}

// client makes calls of one server.
type client struct {
	*http.Client
	addr string
}

func newClient(addr string) *client {
	return &client{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}, addr}
}

// call makes one call and decodes the answer into out, if it is not nil.
func (c *client) call(ctx context.Context, method, path string, body, out any) (int, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	req.GetBody = nil // the transport repeats nothing
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return res.StatusCode, err
	case res.StatusCode >= 300:
		return res.StatusCode, fmt.Errorf("%s %s answered %d: %.300s", method, path, res.StatusCode, text)
	case out == nil:
		return res.StatusCode, nil
	}
	return res.StatusCode, json.Unmarshal(text, out)
}

// subscribe makes the agent and its endpoints.
func (c *client) subscribe(t *testing.T, r *receiver) {
	t.Helper()
	if _, err := c.call(t.Context(), http.MethodPost, "/v1/agents", map[string]any{"id": agentID, "name": "Power"}, nil); err != nil {
		t.Fatal(err)
	}
	for p := range paths {
		_, err := c.call(t.Context(), http.MethodPost, "/v1/agents/"+agentID+"/endpoints", map[string]any{
			"url": r.URL("/" + strconv.Itoa(p)), "events": []string{"*"}, "generate_secret": true,
			"retry": map[string]any{"schedule_seconds": []int{1, 1, 2, 2, 3, 3, 5, 5, 5, 5, 5, 5}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// event is the event with this id. Its text depends on the id alone, so that the
// judge knows it, and stands in it again and again, so that a record of writes
// shows where the event is.
func event(id string) map[string]any {
	return map[string]any{"id": id, "event": "message.received", "conversation_id": "conv_" + id,
		"data": map[string]any{"mark": mark(id), "text": text(id)}}
}

func mark(id string) string { return "mark-" + id + "." }

// smallPrefix begins the ids of events that are small enough for PostgreSQL to
// store them as they are: larger ones are compressed.
const smallPrefix = "small"

func text(id string) string {
	n := 2
	switch len(id) % 3 {
	case 0:
		n = 30
	case 1:
		n = 600 // more than a page
	}
	if strings.HasPrefix(id, smallPrefix) {
		n = 5
	}
	return strings.Repeat(mark(id)+" It does not work. ", n)
}

// publishers publish under load until a number of events was accepted or, with
// cut, until the server is gone.
type publishers struct {
	client *client
	prefix string
	want   int
	cut    bool

	mu       sync.Mutex
	accepted int
	err      error
	enough   chan struct{} // closed when the number is reached
}

// publish runs some connections, of which one publishes batches and one makes
// agents now and then. Each is closed by the next event.
func (c *client) publish(ctx context.Context, prefix string, want int, cut bool) *publishers {
	p := &publishers{client: c, prefix: prefix, want: want, cut: cut, enough: make(chan struct{})}
	var ended sync.WaitGroup
	for w := range 4 {
		ended.Go(func() { p.work(ctx, w) })
	}
	go func() {
		ended.Wait()
		p.count(want) // so that those who wait see the error
	}()
	return p
}

func (p *publishers) work(ctx context.Context, w int) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d-%d", p.prefix, w, n)
		var err error
		many := 1
		switch {
		case w == 0:
			many = 3
			list := make([]any, many)
			for i := range list {
				e := event(id + "-" + strconv.Itoa(i))
				e["agent_id"] = agentID
				list[i] = e
			}
			_, err = p.client.call(ctx, http.MethodPost, "/v1/events", map[string]any{"events": list}, nil)
		case w == 1 && n%8 == 7:
			many = 0
			_, err = p.client.call(ctx, http.MethodPost, "/v1/agents", map[string]any{"id": "agent-" + id, "name": id}, nil)
		default:
			_, err = p.client.call(ctx, http.MethodPost, "/v1/agents/"+agentID+"/events", event(id), nil)
		}
		if err != nil {
			p.fail(err)
			return
		}
		if p.count(many) && !p.cut {
			return
		}
	}
}

// count adds accepted events and tells whether there are enough.
func (p *publishers) count(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.accepted
	p.accepted += n
	if p.accepted >= p.want && before < p.want {
		close(p.enough)
	}
	return p.accepted >= p.want
}

func (p *publishers) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// wait returns when enough events were accepted.
func (p *publishers) wait(t *testing.T) {
	t.Helper()
	select {
	case <-p.enough:
	case <-time.After(time.Minute):
		t.Fatal("publishing takes more than a minute")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil && !p.cut {
		t.Fatal(p.err)
	}
}
