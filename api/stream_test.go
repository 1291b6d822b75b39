package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/receivertest"
)

// watcher reads server-streamed events.
type watcher struct {
	t   *testing.T
	res *http.Response
	r   *bufio.Reader
}

// streamed is one event.
type streamed struct{ id, event, data string }

// watch opens a stream; headers as for call.
func (s *server) watch(t *testing.T, path string, headers ...string) *watcher {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootKey)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%s: %d %v", path, res.StatusCode, res.Header)
	}
	s.doc.judge(t, req, "", answer{status: 200, header: res.Header, text: "events"})
	return &watcher{t: t, res: res, r: bufio.NewReader(res.Body)}
}

// next is the next event; its id and name are "" at the end of the stream.
func (w *watcher) next() (e streamed) {
	w.t.Helper()
	for {
		line, err := w.r.ReadString('\n')
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				w.t.Fatal("nothing more came")
			}
			return streamed{}
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data = value
		case "":
			if value == "" && e.event != "" {
				return e
			}
		}
	}
}

// want reads an event and holds its data to JSON.
func (w *watcher) want(event, data string) streamed {
	w.t.Helper()
	e := w.next()
	a := answer{}
	if err := json.Unmarshal([]byte(e.data), &a.json); err != nil {
		w.t.Fatalf("%v in %+v", err, e)
	}
	if e.event != event || !a.has(w.t, data) {
		w.t.Fatalf("got  %+v\nwant %s %s", e, event, data)
	}
	return e
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := setup(t)
	r, where := s.subscribe(t, receivertest.Answer(503, ""))
	endpoint := where[strings.LastIndex(where, "/")+1:]
	w := s.watch(t, "/v1/agents/a1/stream")
	hello := w.want("hello", `{"resumed":false}`)
	s.call(t, "POST /v1/agents/a1/events", `{"event":"lead.submit","id":"own-1","data":{"name":"S"}}`)
	accepted := w.want("delivery", `{"agent_id":"a1","event_id":"own-1","state":"pending","attempts":0,"attempt":null,"endpoint_id":"`+endpoint+`"}`)
	failed := w.want("delivery", `{"event_id":"own-1","event":"lead.submit","state":"retrying","attempts":1,"next_attempt_at":"*",
		"attempt":{"number":1,"started_at":"*","duration_ms":"*","status_code":503,"reason":"http_status"}}`)
	row := s.sameRow(t, failed)

	r.Handle("/hook", receivertest.Always(receivertest.Answer(200, "")))
	delivery := "/v1/agents/a1/deliveries/" + row["id"].(string)
	s.call(t, "POST "+delivery+"/retry", "")
	w.want("delivery", `{"state":"retrying","attempts":1,"attempt":null}`)
	s.sameRow(t, w.want("delivery", `{"state":"delivered","attempts":2,"last_status_code":200,"finished_at":"*","attempt":{"number":2}}`))

	s.call(t, "POST "+where+"/pause", "")
	w.want("endpoint", `{"agent_id":"a1","endpoint_id":"`+endpoint+`"}`)
	s.call(t, "POST /v1/agents/a1/events", `{"event":"message.sent"}`)
	held := w.want("delivery", `{"state":"held","next_attempt_at":null}`)
	s.call(t, "POST /v1/agents/a1/deliveries/"+s.sameRow(t, held)["id"].(string)+"/cancel", "")
	last := s.watch(t, "/v1/agents/a1/stream", "Last-Event-ID: "+held.id)
	last.want("hello", `{"resumed":true}`)
	last.want("delivery", `{"state":"canceled","reason":"canceled","attempt":null}`)
	s.sameRow(t, w.want("delivery", `{"state":"canceled"}`))
	s.call(t, "DELETE "+where, "")
	w.want("endpoint", `{"endpoint_id":"`+endpoint+`"}`)

	again := s.watch(t, "/v1/agents/a1/stream", "Last-Event-ID: "+hello.id)
	if e := again.want("hello", `{"resumed":true}`); e.id != hello.id {
		t.Errorf("resumed at %s, want %s", e.id, hello.id)
	}
	if e := again.next(); e != accepted {
		t.Errorf("the replay begins with %+v, want %+v", e, accepted)
	}
	elsewhere := s.watch(t, "/v1/agents/a1/stream", "Last-Event-ID: 0123456789ab.7")
	elsewhere.want("hello", `{"resumed":false}`)
}

// sameRow holds an event's row to what the list shows.
func (s *server) sameRow(t *testing.T, e streamed) map[string]any {
	t.Helper()
	var row map[string]any
	if err := json.Unmarshal([]byte(e.data), &row); err != nil {
		t.Fatal(err)
	}
	a := s.call(t, "GET /v1/agents/a1/deliveries?event_id="+row["event_id"].(string), "")
	listed := a.json.(map[string]any)["data"].([]any)[0].(map[string]any)
	listed["agent_id"], listed["attempt"] = "a1", row["attempt"]
	if !reflect.DeepEqual(row, listed) {
		t.Errorf("the stream has %v\nthe list has   %v", row, listed)
	}
	return row
}

// An agent's stream has nothing of another's, an endpoint's nothing of another,
// and the operator's has everything.
func TestStreamsAreApart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	first := where[strings.LastIndex(where, "/")+1:]
	second := s.run(t, []step{
		{"second", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","events":["message.sent"]}`, nil, 201, "", "id=id"},
		{"pause", "POST /v1/agents/a1/endpoints/{id}/pause", "", nil, 200, "", ""},
		{"a2", "PUT /v1/agents/a2", `{"name":"Other"}`, nil, 201, "", ""},
	})["id"]
	_, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeDeliveriesRead}, AgentIDs: []string{"a2"}})
	if err != nil {
		t.Fatal(err)
	}
	other := s.watch(t, "/v1/agents/a2/stream", "Authorization: Bearer "+text.Reveal())
	all, of := s.watch(t, "/v1/stream"), s.watch(t, "/v1/agents/a1/stream?endpoint_id="+second)
	for _, w := range []*watcher{other, all, of} {
		w.want("hello", `{"resumed":false}`)
	}
	s.call(t, "POST /v1/agents/a1/events", `{"event":"message.sent"}`)
	e := of.want("delivery", `{"endpoint_id":"`+second+`","state":"held"}`)
	seen := map[string]int{}
	for range 3 { // two accepted, one delivered
		var row struct {
			EndpointID string `json:"endpoint_id"`
		}
		if err := json.Unmarshal([]byte(all.next().data), &row); err != nil {
			t.Fatal(err)
		}
		seen[row.EndpointID]++
	}
	if want := map[string]int{first: 2, second: 1}; !reflect.DeepEqual(seen, want) {
		t.Errorf("the operator saw %v, want %v", seen, want)
	}
	// Not even what came before is replayed to the other agent.
	replayed := s.watch(t, "/v1/agents/a2/stream", "Last-Event-ID: "+strings.Split(e.id, ".")[0]+".1")
	replayed.want("hello", `{"resumed":true}`)
	s.call(t, "POST /v1/agents/a2/endpoints", `{"url":"https://8.8.8.8/","events":[]}`)
	for _, w := range []*watcher{other, replayed} {
		w.want("endpoint", `{"agent_id":"a2"}`)
	}
	s.call(t, "DELETE /v1/agents/a2", "")
	other.want("endpoint", `{"agent_id":"a2"}`)
	if e := other.next(); e.event != "" {
		t.Errorf("the stream of a deleted agent goes on with %+v", e)
	}
}

func TestStreamRefusals(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) { c.Limits.Streams = 1 })
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	s.run(t, []step{
		{"no agent", "GET /v1/agents/a9/stream", "", nil, 404, `{"code":"agent_not_found"}`, ""},
		{"no endpoint", "GET /v1/agents/a1/stream?endpoint_id=ep_x", "", nil, 422, `{"errors":[{"location":"query.endpoint_id"}]}`, ""},
		{"unknown parameter", "GET /v1/agents/a1/stream?agent=a1", "", nil, 422, `{"errors":[{"location":"query.agent"}]}`, ""},
		{"not for all", "GET /v1/stream?endpoint_id=ep_x", "", nil, 422, ``, ""},
		{"head", "HEAD /v1/agents/a1/stream", "", nil, 200, ``, ""},
	})
	w := s.watch(t, "/v1/agents/a1/stream")
	w.want("hello", `{}`)
	a := s.call(t, "GET /v1/stream", "")
	if a.status != 503 || a.str("code") != "busy" || a.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %v %s", a.status, a.header, a.text)
	}
	w.res.Body.Close()
	for { // the server notices a moment later
		res, err := s.Client().Do(newRequest(t, s.URL+"/v1/agents/a1/stream", http.MethodHead))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == 200 {
			break
		}
	}
	s.svc.Drain()
	if a := s.call(t, "GET /v1/stream", ""); a.status != 503 || a.str("code") != "draining" {
		t.Errorf("while draining: %d %s", a.status, a.text)
	}
}

func newRequest(t *testing.T, url, method string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootKey)
	return req
}

// A revoked key ends its streams within five seconds; others go on.
func TestStreamOfARevokedKey(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "PUT /v1/agents/a1", `{"name":"Bot"}`)
	key, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeDeliveriesRead}})
	if err != nil {
		t.Fatal(err)
	}
	w := s.watch(t, "/v1/agents/a1/stream", "Authorization: Bearer "+text.Reveal())
	stays := s.watch(t, "/v1/agents/a1/stream")
	w.want("hello", `{}`)
	stays.want("hello", `{}`)
	revoked := time.Now()
	if err := s.svc.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if e := w.next(); e.event != "" || time.Since(revoked) > 7*time.Second {
		t.Errorf("after %s: %+v", time.Since(revoked), e)
	}
	s.call(t, "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","events":[]}`)
	stays.want("endpoint", `{"agent_id":"a1"}`)
}

func TestStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := setup(t)
	w := s.watch(t, "/v1/stream")
	w.want("hello", `{}`)
	s.svc.Drain()
	if e := w.next(); e.event != "" {
		t.Errorf("after the end: %+v", e)
	}
}

// A client that does not read cannot keep the server from ending. The pipe
// holds nothing back: the first write that nobody reads stands still.
func TestServerEndsDespiteAStuckStream(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	s.call(t, "POST "+where+"/pause", "")
	listener := receivertest.NewListener()
	srv := api.NewHTTPServer(s.api, s.svc.Config().Logger)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	conn, err := listener.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", rootKey)
	r := bufio.NewReaderSize(conn, 16)
	readTo := func(prefix string) {
		for line := ""; !strings.HasPrefix(line, prefix); {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	readTo("data: ")
	s.publishMany(t, 10)
	readTo("event: delivery") // from now on the rest of this write is not read
	s.svc.Drain()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // less than a write may take
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// Whoever is slower than a burst is told how much of it is missing.
func TestStreamLagging(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	s.call(t, "POST "+where+"/pause", "")
	w := s.watch(t, "/v1/agents/a1/stream")
	w.want("hello", `{}`)
	s.publishMany(t, 1000)
	got, dropped := 0, 0
	for got+dropped < 1000 {
		switch e := w.next(); e.event {
		case "delivery":
			got++
		case "lagging":
			var v struct{ Dropped int }
			if err := json.Unmarshal([]byte(e.data), &v); err != nil || v.Dropped == 0 || e.id != "" {
				t.Fatalf("%v %+v", err, e)
			}
			dropped += v.Dropped
		default:
			t.Fatalf("%+v", e)
		}
	}
	if got+dropped != 1000 || dropped == 0 {
		t.Errorf("%d rows, %d dropped", got, dropped)
	}
}

// publishMany publishes n events for a1 in one batch.
func (s *server) publishMany(t *testing.T, n int) {
	t.Helper()
	items := make([]string, n)
	for i := range items {
		items[i] = `{"agent_id":"a1","event":"message.sent","data":{"n":` + strconv.Itoa(i) + `}}`
	}
	a := s.call(t, "POST /v1/events", fmt.Sprintf(`{"events":[%s]}`, strings.Join(items, ",")))
	if a.status != 200 || strings.Contains(a.text, `"error"`) {
		t.Fatalf("%d %.300s", a.status, a.text)
	}
}
