package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/plainhttp"
	"github.com/waybell/waybell/internal/teststore"
)

// TestIngressTransport: the setting chooses the server.
func TestIngressTransport(t *testing.T) {
	t.Parallel()
	standard := &http.Server{}
	for setting, want := range map[string]string{"": "*plainhttp.Server", transportLean: "*plainhttp.Server", transportNetHTTP: "*http.Server"} {
		c := &configuration{settings: newSettings()}
		if setting != "" {
			c.IngressTransport = setting
		}
		got := c.front(standard)
		if p, ok := got.(*plainhttp.Server); fmt.Sprintf("%T", got) != want || ok && (p.Standard != standard || p.Plain == nil) {
			t.Errorf("%q: %T", setting, got)
		}
	}
}

// startTest serves with flags until the test ends.
func startTest(t *testing.T, flags ...string) *server {
	t.Helper()
	c, err := loadTest(t, append(flags, "--listen", "127.0.0.1:0"), teststore.Environ(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := startServer(t.Context(), c, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestTransportsAnswerAlike: a client does not learn which server it talks to.
func TestTransportsAnswerAlike(t *testing.T) {
	t.Parallel()
	const key = "test-key-0123456789-abcdef"
	var answers [2][]string
	for i, transport := range []string{transportLean, transportNetHTTP} {
		s := startTest(t, "--api-key", key, "--create-agents", "--ingress-transport", transport,
			"--max-event-bytes", "64KiB", "--max-batch-bytes", "128KiB")
		event := `{"event":"lead.submit","id":"order-1","timestamp":"2026-04-26T08:30:14Z","data":{"name":"A"}}`
		for _, r := range []struct{ path, body, header string }{
			{"agents/a/events", event, ""},
			{"agents/a/events", event, ""},
			{"agents/a/events", strings.Replace(event, `"A"`, `"B"`, 1), ""},
			{"agents/a/events", `{"event":"none"}`, "X-Request-Id: mine"},
			{"agents/a/events", `{"event":`, ""},
			{"agents/a/events", event, "Authorization: Bearer wrong"},
			{"agents/a/events", event, "Content-Type: text/plain"},
			{"agents/a/events", event, "Content-Encoding: gzip"},
			{"agents/a/events", "", ""},
			{"agents/a/events", `{"event":"lead.submit","data":{"name":"` + strings.Repeat("A", 60<<10) + `"}}`, "Idempotency-Key: l"},
			{"agents/a/events", event + strings.Repeat(" ", 64<<10-len(event)), ""},
			{"agents/a/events", event + strings.Repeat(" ", 64<<10-len(event)+1), ""},
			{"events", `{"events":[]}` + strings.Repeat(" ", 127<<10), ""},
			{"events", strings.Repeat(" ", 128<<10+1), ""},
			{"agents/a/events", strings.Repeat("a", 250<<10), "Authorization: Bearer wrong"},
			{"agents/a/events", strings.Repeat("a", 300<<10), ""},
			{"agents/a/events", strings.Repeat(" ", 2<<20), ""},
			{"agents/a%20b/events", event, ""},
			{"agents/../events", event, ""},
			{"agents//events", event, ""},
			{"events", `{"events":[{"agent_id":"a",` + event[1:] + `,{"agent_id":"b"},7]}`, ""},
			{"events", `{"agent_id":"a",` + event[1:] + "\n{", "Content-Type: application/x-ndjson"},
			{"agents", `{"id":"c","name":"C"}`, ""},
			{"agents/c/events", event, "Idempotency-Key: k"},
		} {
			answers[i] = append(answers[i], askFor(t, s.url+"/v1/"+r.path, key, r.body, r.header))
		}
	}
	for i, lean := range answers[0] {
		if lean != answers[1][i] {
			t.Errorf("request %d is answered\n%swith net/http\n%s", i, lean, answers[1][i])
		}
	}
	if all := strings.Join(answers[0], ""); !strings.Contains(all, "202 ") || !strings.Contains(all, `"duplicate":true`) {
		t.Errorf("nothing was published: %.2000s", all)
	}
}

// TestPlacesAreGivenBack: however a connection ends, and whichever server has it then,
// it counts no more.
func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	made, err := (&server{clients: 2}).listen("listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := made.(*boundListener)
	front := (&configuration{settings: newSettings()}).front(api.NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Do") {
		case "abort":
			panic(http.ErrAbortHandler)
		case "close":
			w.Header().Set("Connection", "close")
		}
	}), slog.New(slog.DiscardHandler)))
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(l) }()
	const plain = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX-Do: nothing\r\n\r\na"
	for _, text := range []string{
		"", plain, plain + plain, plain[:20], plain[:len(plain)-1], plain + plain[:20],
		strings.Replace(plain, "nothing", "abort", 1), strings.Replace(plain, "nothing", "close", 1), plain + "nonsense\r\n\r\n",
		strings.Replace(plain, "events", "agents", 1), plain + strings.Replace(plain, "events", "agents", 1),
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
		if !poll(func() bool { return len(l.places) == 1 }) { // that of the next one
			t.Errorf("%d places are taken after %q", len(l.places), text)
		}
	}
	open, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := front.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) || !poll(func() bool { return len(l.places) == 0 }) {
		t.Errorf("Serve: %v; %d places are taken", err, len(l.places))
	}
}

var changing = regexp.MustCompile(`req_[0-9a-z]{20}|evt_[0-9a-z]{13}|"(created_at|updated_at|timestamp)":"[^"]*"`)

// askFor is the answer to a POST without what differs from one to the next.
func askFor(t *testing.T, url, key, body, header string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	if name, value, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Header.Del("Date")
	return changing.ReplaceAllString(fmt.Sprintf("%s %v %q\n%s\n", res.Status, res.Close, res.Header, text), "?")
}

// TestPlainPaths: those of the two routes that publish, of all that take a POST.
func TestPlainPaths(t *testing.T) {
	t.Parallel()
	s := startTest(t)
	res, err := http.Get(s.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var plain []string
	for path := range doc.Paths {
		if api.IsPublish(regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "a")) {
			plain = append(plain, path)
		}
	}
	slices.Sort(plain)
	if want := []string{"/v1/agents/{agent_id}/events", "/v1/events"}; !slices.Equal(plain, want) || len(doc.Paths) < 20 {
		t.Errorf("of %d paths plain are %q, want %q", len(doc.Paths), plain, want)
	}
	for _, path := range []string{
		"", "/", "/v1/agents/a/endpoints", "/v1/agents/../events", "/v1/agents/./events", "/v1/agents//events", "/v1/agents/events",
		"/v1/agents/a/b/events", "/v1/agents/a/events/", "/v1/agents/a/events/b", "//v1/events", "/v1/events/", "/v1/events/a",
		"/v1/agents/" + strings.Repeat("a", 65) + "/events", "/v1/event-types", "/events", "/v1/agents/a/EVENTS",
	} {
		if api.IsPublish(path) {
			t.Errorf("%q is plain", path)
		}
	}
}
