package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

// TestErrorsAreBounded: however much of a request is wrong, the answer tells
// of 100 fields at most. Without a bound it was forty times as long as the
// request, and in memory several times over.
func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	many := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	numbered := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"f%d":1,`, i)
		}
		return b.String()
	}
	transcript := `{"agent_id":"a1","event":"message.sent","messages":[` + many("1", 1000) + `]}`
	for _, tt := range []struct {
		name, request, body string
		status, most        int
	}{
		{"transcript", "POST /v1/agents/a1/events", `{"event":"message.sent","messages":[` + many("1", 50_000) + `]}`, 422, 20_000},
		{"fields of an event", "POST /v1/agents/a1/events", `{` + numbered(20_000) + `"event":"message.sent"}`, 422, 20_000},
		{"form data", "POST /v1/agents/a1/events", `{"event":"lead.submit","data":{"form_data":[` + many("1", 50_000) + `]}}`, 422, 20_000},
		{"types of the elements", "POST /v1/agents/a1/endpoints", `{"url":"https://example.com","events":[` + many("1", 50_000) + `]}`, 422, 20_000},
		{"unknown fields", "POST /v1/agents/a1/endpoints", `{` + numbered(20_000) + `"url":"https://example.com"}`, 422, 20_000},
		{"values", "POST /v1/keys", `{"scopes":[` + many(`"x"`, 50_000) + `]}`, 422, 20_000},
		{"fields of a batch", "POST /v1/events", `{` + numbered(20_000) + `"events":[]}`, 422, 20_000},
		{"batch", "POST /v1/events", `{"events":[` + many(transcript, 50) + `]}`, 200, 50 * 20_000},
	} {
		a := s.call(t, tt.request, tt.body)
		if a.status != tt.status || len(a.text) > tt.most {
			t.Errorf("%s: sent %d bytes, got %d with %d bytes: %.100s", tt.name, len(tt.body), a.status, len(a.text), a.text)
		}
		if n := strings.Count(a.text, `"location"`); tt.status == 422 && (n == 0 || n > 100) {
			t.Errorf("%s: %d fields are told of", tt.name, n)
		}
	}
}

// slowStore keeps large events waiting.
type slowStore struct {
	waybell.Store
	waiting chan struct{} // gets one for each that waits
	proceed chan struct{}
}

func (s *slowStore) Accept(ctx context.Context, l waybell.Lease, version int64, events []*waybell.NewEvent) ([]waybell.Accepted, error) {
	if len(events[0].Data) > 16<<10 {
		s.waiting <- struct{}{}
		<-s.proceed
	}
	return s.Store.Accept(ctx, l, version, events)
}

// TestLargeBodiesTakeTurns: bodies whose values together may be larger than the memory
// for them are read one after the other, small ones beside them.
func TestLargeBodiesTakeTurns(t *testing.T) {
	t.Parallel()
	var store *slowStore
	s := setup(t, func(c *waybell.Config, _ *api.Config) {
		c.Limits.EventBytes, c.Limits.BatchBytes, c.Limits.PublishBytes = 64<<10, 64<<10, 64<<10
		store = &slowStore{Store: c.Store, waiting: make(chan struct{}, 9), proceed: make(chan struct{})}
		c.Store = store
	})
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	event := func(size int) string {
		return `{"event":"message.sent","data":{"text":"` + strings.Repeat("x", size) + `"}}`
	}
	first := make(chan answer) // a body has half of the room at most
	for range 2 {
		go func() { first <- s.call(t, "POST /v1/agents/a1/events", event(20<<10)) }()
		<-store.waiting
	}
	if a := s.call(t, "POST /v1/agents/a1/events", event(1000)); a.status != 202 {
		t.Errorf("a small event beside a large one: %d %s", a.status, a.text)
	}
	var others sync.WaitGroup
	for request, body := range map[string]string{
		"POST /v1/agents/a1/events": event(20 << 10), "POST /v1/agents/a1/endpoints/preview": event(20 << 10),
		"POST /v1/events":     `{"events":[` + strings.Repeat(" ", 20<<10) + `]}`,
		"PATCH /v1/agents/a1": `{"name":"Bot"}` + strings.Repeat(" ", 20<<10),
	} {
		others.Go(func() {
			if a := s.call(t, request, body); a.status != 503 || a.str("code") != "busy" || a.header.Get("Retry-After") != "1" {
				t.Errorf("%s without a place: %d %s", request, a.status, a.text)
			}
		})
	}
	others.Wait()
	close(store.proceed)
	for range 2 {
		if a := <-first; a.status != 202 {
			t.Errorf("a first large event: %d %s", a.status, a.text)
		}
	}
	if a := s.call(t, "POST /v1/agents/a1/events", event(20<<10)); a.status != 202 {
		t.Errorf("a large event after it: %d %s", a.status, a.text)
	}
}

// TestValuesAreBounded: a document of a megabyte may not hold half a million values.
func TestValuesAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	event := func(n int) string {
		return `{"agent_id":"a1","event":"message.sent","data":{"text":"x","list":[` + strings.Repeat("0,", n-1) + `0]}}`
	}
	for n, status := range map[int]int{100_000: 202, 200_000: 413} {
		body := strings.Replace(event(n), `"agent_id":"a1",`, "", 1)
		if a := s.call(t, "POST /v1/agents/a1/events", body); a.status != status {
			t.Errorf("an event of %d values: %d %.200s", n, a.status, a.text)
		}
	}
	// A batch may have as many as several of its events.
	if a := s.call(t, "POST /v1/events", `{"events":[`+event(100_000)+`,`+event(100_000)+`]}`); a.status != 200 || strings.Count(a.text, `"status":202`) != 2 {
		t.Errorf("a batch: %d %.200s", a.status, a.text)
	}
	if a := s.call(t, "POST /v1/events", `{"events":[`+event(200_000)+`,`+event(10)+`]}`); a.status != 200 ||
		strings.Count(a.text, `"status":202`) != 1 || strings.Count(a.text, `"status":413`) != 1 {
		t.Errorf("a batch with an event of 200,000 values: %d %.200s", a.status, a.text)
	}
	for form, body := range map[string]string{"application/json": `{"events":[` + strings.Repeat(event(100_000)+",", 10) + event(100_000) + `]}`,
		"application/x-ndjson": strings.Repeat(event(100_000)+"\n", 11)} {
		if a := s.call(t, "POST /v1/events", body, "Content-Type: "+form); a.status != 413 || a.str("code") != "too_large" {
			t.Errorf("%s of 1,100,000 values: %d %.200s", form, a.status, a.text)
		}
	}
}

// TestPlacesAreForTheWork: who does not read an answer keeps no place.
func TestPlacesAreForTheWork(t *testing.T) {
	t.Parallel()
	s := setup(t, func(c *waybell.Config, _ *api.Config) {
		c.Limits.EventBytes, c.Limits.BatchBytes, c.Limits.PublishBytes = 8<<20, 8<<20, 8<<20
	})
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	large := `{"data":{"x":"` + strings.Repeat("x", 7<<20) + `"},"event":"message.sent"}`
	for range 3 {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(c, "POST /v1/agents/a1/endpoints/preview HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", rootKey, len(large), large)
	}
	if a := s.call(t, "POST /v1/agents/a1/endpoints/preview", large); a.status != 200 {
		t.Errorf("beside answers that nobody reads: %d %.200s", a.status, a.text)
	}
}

// TestSessionBodiesAreBounded: whoever has a portal session fills no memory with bodies
// that never end; others are not in the way of that.
func TestSessionBodiesAreBounded(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.call(t, "POST /v1/agents", `{"id":"a1","name":"Bot"}`)
	const preview = "/v1/agents/a1/endpoints/preview"
	session, other := s.portal(t, `"view"`), s.portal(t, `"view"`)
	var slow []net.Conn
	for n := range 4 {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		length := []string{"Content-Length: 100000", "Transfer-Encoding: chunked"}[n%2]
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n%s\r\n\r\n", preview, session, length)
		// Told to go on, it has its place.
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
		slow = append(slow, c)
	}
	large := `{"endpoint":{"description":"` + strings.Repeat("x", 20<<10) + `"}}`
	if a := s.call(t, "POST "+preview, large, session); a.status != 503 || a.str("code") != "busy" || a.header.Get("Retry-After") != "1" {
		t.Errorf("a body too many: %d %s", a.status, a.text)
	}
	for name, header := range map[string]string{"another session": other, "a key": "Authorization: Bearer " + rootKey} {
		if a := s.call(t, "POST "+preview, large, header); a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	if a := s.call(t, "POST "+preview, `{}`, session); a.status != 200 {
		t.Errorf("a small body: %d %s", a.status, a.text)
	}
	for _, c := range slow {
		c.Close()
	}
	for a := s.call(t, "POST "+preview, large, session); a.status != 200; a = s.call(t, "POST "+preview, large, session) {
		if a.status != 503 {
			t.Fatalf("after they have gone: %d %s", a.status, a.text)
		}
	}
}
