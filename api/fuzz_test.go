package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/internal/teststore"
)

// takenStore is a real store that keeps no events: it remembers those of the
// last call and says that it had them already, so that nothing is sent. Of lists
// it remembers what was asked for.
type takenStore struct {
	waybell.Store
	taken      []*waybell.NewEvent
	deliveries []waybell.DeliveryQuery
	events     []waybell.EventQuery
}

func (s *takenStore) Accept(_ context.Context, _ waybell.Lease, _ int64, events []*waybell.NewEvent) ([]waybell.Accepted, error) {
	s.taken = append(s.taken, events...)
	answers := make([]waybell.Accepted, len(events))
	for i, e := range events {
		answers[i].Duplicate = &e.Event
	}
	return answers, nil
}

func (s *takenStore) Deliveries(_ context.Context, q waybell.DeliveryQuery) (waybell.DeliveryPage, error) {
	s.deliveries = append(s.deliveries, q)
	return waybell.DeliveryPage{}, nil
}

func (s *takenStore) ListEvents(_ context.Context, q waybell.EventQuery) (waybell.EventPage, error) {
	s.events = append(s.events, q)
	return waybell.EventPage{}, nil
}

// fuzzed is an API with an agent a1 and endpoints for some types, before a
// takenStore.
type fuzzed struct {
	*api.Server
	svc   *waybell.Service
	store *takenStore
}

// subscriptions are the lists of events of a1's endpoints.
func subscriptions() [][]string {
	return [][]string{{"*"}, {"lead.submit"}, {"lead.submit", "order.created"}, {"conversation.summary"}, {}}
}

func setupFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &fuzzed{store: &takenStore{Store: teststore.Open(f, log)}}
	var err error
	s.svc, err = waybell.New(waybell.Config{Store: s.store, Logger: log, Version: "test", EncryptionKeys: encryptionKeys()})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.svc.Start(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.svc.Stop(context.Background()); err != nil {
			f.Error(err)
		}
	})
	if _, err := s.svc.EnsureRootKey(f.Context(), rootKey); err != nil {
		f.Fatal(err)
	}
	if _, err := s.svc.CreateAgent(f.Context(), waybell.AgentInput{ID: "a1", Name: waybell.Some("Bot")}); err != nil {
		f.Fatal(err)
	}
	schema := `{"properties":{"total":{"type":"number"},"lines":{"items":{"required":["sku"]},"maxItems":3}},"required":["total"]}`
	if _, _, err := s.svc.PutEventType(f.Context(), "order.created", waybell.EventTypeInput{Schema: json.RawMessage(schema)}); err != nil {
		f.Fatal(err)
	}
	for _, events := range subscriptions() {
		in := waybell.EndpointInput{URL: waybell.Some("https://example.com/in"), Events: waybell.Some(events)}
		if _, err := s.svc.CreateEndpoint(f.Context(), "a1", in); err != nil {
			f.Fatal(err)
		}
	}
	if s.Server, err = api.New(s.svc, api.Config{}); err != nil {
		f.Fatal(err)
	}
	return s
}

// ask makes a request with the root key and checks what is true of every
// answer.
func (s *fuzzed) ask(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	s.store.taken, s.store.deliveries, s.store.events = nil, nil, nil
	w := httptest.NewRecorder()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+rootKey)
	}
	s.ServeHTTP(w, r)
	for name, values := range w.Header() {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			t.Fatalf("%d with the header %q: %q", w.Code, name, values)
		}
	}
	if w.Code == http.StatusInternalServerError || !utf8.Valid(w.Body.Bytes()) {
		t.Fatalf("%s %s: %d %q", r.Method, r.URL, w.Code, w.Body)
	}
	if w.Code >= 400 {
		checkProblem(t, w)
	}
	return w
}

// checkProblem holds the form of every error: RFC 9457, a stable code, and each
// wrong field with its place and its reason.
func checkProblem(t *testing.T, w *httptest.ResponseRecorder) (locations []string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code string
		Status                    int
		RequestID                 string `json:"request_id"`
		Errors                    []struct {
			Location, Message string
			Value             any
		}
	}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Status != w.Code || p.Code == "" || p.Type != "urn:waybell:problem:"+p.Code || p.Title == "" ||
		p.Detail == "" || p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("no proper problem: %v in %d %v %s", err, w.Code, w.Header(), w.Body)
	}
	for _, e := range p.Errors {
		if e.Location == "" || e.Message == "" {
			t.Fatalf("a field without a place or a reason: %s", w.Body)
		}
		locations = append(locations, e.Location)
	}
	if len(p.Errors) > 100 || w.Code == 422 && len(p.Errors) == 0 {
		t.Fatalf("%d wrong fields in %s", len(p.Errors), w.Body)
	}
	return locations
}

// FuzzPublish gives the body of POST …/events and that of a batch, and follows
// it through all that happens to it. The verdict is held against encoding/json;
// what is accepted keeps its meaning, matches the endpoints that subscribed to
// its type, is the same request however it is spelt, and renders in every format.
func FuzzPublish(f *testing.F) {
	for _, body := range []string{
		`{"event":"lead.submit","data":{"name":"Sarah","email":"sarah@acme.com","phone":"+254712345678","channel":"website"}}`,
		`{"event":"lead_collection","data":{"form_data":[{"field":"email","value":"a"}],"chat_id":7,"10":1,"9":2},"messages":[{"role":"customer"}],"id":"own-1"}`,
		`{"event":"conversation_summary","summary":{"a":1},"timestamp":"2026-04-26T10:30:14.5+02:00","conversation_id":"c"}`,
		`{"event":"order.created","data":{"total":1e2,"lines":[{},{"sku":1}]}}`, `{"event":"order.created","data":{"total":-0.0}}`,
		`{"event":"message.sent","data":{"messages":[1],"text":"\ud800"},"messages":[{}]}`, `{"event":"no.such"}`, `{"event":"lead.submit","data":{"a":1,"a":2}}`,
		`{"event":"message.sent","data":{"n":1e999}}`, strings.Repeat(`{"data":`, 66), `{"event":"message.sent","agent_id":"a1"} x`, `[]`, "{\"event\":\"\xff\"}",
		`{"event":"message.sent","agent_id":"a1","id":"x"}`, "{\"event\":\"message.sent\",\"agent_id\":\"a1\"}\n\n{\"event\":\"lead.submit\",\"agent_id\":\"a2\"}",
		`{"event":"message.sent","timestamp":"1969-12-31T23:59:59Z","more":1,"id":"a b","data":[],"conversation_id":null}`,
	} {
		f.Add([]byte(body))
	}
	s := setupFuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := s.ask(t, publishing("/v1/agents/a1/events", "application/json", body))
		checkVerdict(t, w, body)
		var alone *waybell.NewEvent
		if w.Code == http.StatusAccepted {
			if len(s.store.taken) != 1 {
				t.Fatalf("%q: %d events were stored", body, len(s.store.taken))
			}
			alone = s.store.taken[0]
			checkTaken(t, w.Body.Bytes(), body, alone)
			s.checkRendered(t, alone)
		} else if len(s.store.taken) > 0 {
			t.Fatalf("%q: refused with %d, but stored", body, w.Code)
		}
		s.checkSpellings(t, body, alone)
		s.checkBatches(t, body)
	})
}

func publishing(path, media string, body []byte) *http.Request {
	r := httptest.NewRequest("POST", path, bytes.NewReader(body))
	r.Header.Set("Content-Type", media)
	return r
}

// checkVerdict: 400 is for what is no strict JSON and for nothing else.
func checkVerdict(t *testing.T, w *httptest.ResponseRecorder, body []byte) {
	t.Helper()
	strict := json.Valid(body) && utf8.Valid(body) && !repeatsNames(body)
	switch w.Code {
	case http.StatusAccepted, http.StatusUnprocessableEntity:
		if !strict {
			t.Fatalf("%q: answered with %d", body, w.Code)
		}
		if w.Code == http.StatusUnprocessableEntity {
			for _, at := range checkProblem(t, w) {
				if at != "body" && !strings.HasPrefix(at, "body.") && !strings.HasPrefix(at, "body[") {
					t.Fatalf("%q: wrong at %q", body, at)
				}
			}
		}
	case http.StatusBadRequest:
		if strict && bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) <= 64 {
			t.Fatalf("%q: %s", body, w.Body)
		}
	case http.StatusRequestEntityTooLarge:
	default:
		t.Fatalf("%q: status %d", body, w.Code)
	}
	// An answer is not many times as long as its request: 100 fields are told of
	// at most, each with what it is called.
	if w.Body.Len() > 32<<10+8*len(body) {
		t.Fatalf("%d bytes were answered with %d", len(body), w.Body.Len())
	}
}

// repeatsNames tells whether an object has a name twice, as encoding/json reads
// names.
func repeatsNames(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // of any size
	type level struct {
		names map[string]bool // nil in an array
		value bool            // what comes is a value
	}
	var open []level
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		top := len(open) - 1
		if name, ok := token.(string); ok && top >= 0 && open[top].names != nil && !open[top].value {
			if open[top].names[name] && !strings.ContainsRune(name, utf8.RuneError) { // which stands for many
				return true
			}
			open[top].names[name], open[top].value = true, true
			continue
		}
		if top >= 0 {
			open[top].value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:top]
		}
	}
}

// checkTaken holds an event that was stored, and the answer, against the body as
// encoding/json reads it.
func checkTaken(t *testing.T, answer, body []byte, e *waybell.NewEvent) {
	t.Helper()
	var said struct {
		ID, Event, Timestamp string
		Deliveries           int
		Duplicate            bool
	}
	var sent struct {
		Event, ID      string
		Timestamp      *string
		Data           map[string]any
		Summary        map[string]any
		Messages       []any
		ConversationID *string `json:"conversation_id"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatalf("%q: accepted, but %v", body, err)
	}
	name := map[string]string{"lead_collection": "lead.submit", "conversation_summary": "conversation.summary"}[sent.Event]
	if name == "" {
		name = sent.Event
	}
	matching := 0
	for _, events := range subscriptions() {
		if slices.Contains(events, "*") || slices.Contains(events, name) {
			matching++
		}
	}
	if said.ID != e.ID || sent.ID != "" && sent.ID != e.ID || said.Event != name || e.Type != name || said.Deliveries != matching || len(e.Targets) != matching {
		t.Fatalf("%q was stored as %+v, answered with %s; it matches %d", body, e, answer, matching)
	}
	if at := e.Timestamp.Format("2006-01-02T15:04:05.000Z"); said.Timestamp != at || e.Timestamp.Year() < 1970 {
		t.Fatalf("%q was stored at %v, answered with %s", body, e.Timestamp, answer)
	}
	data, messages := maps.Clone(sent.Data), sent.Messages
	if data == nil {
		data = map[string]any{}
	}
	if c := sent.ConversationID; c != nil && empty(data["conversation_id"]) {
		data["conversation_id"] = *c
	}
	if sent.Summary != nil && empty(data["summary"]) {
		data["summary"] = sent.Summary
	}
	own, isList := data["messages"].([]any)
	if _, there := data["messages"]; name != "order.created" && there && (isList || data["messages"] == nil) {
		delete(data, "messages")
		if len(messages) == 0 {
			messages = own
		}
	}
	var stored struct {
		data     map[string]any
		messages []any
	}
	if err := json.Unmarshal(e.Data, &stored.data); err != nil || !reflect.DeepEqual(stored.data, data) {
		t.Fatalf("%q was stored as %s, %v", body, e.Data, err)
	}
	if e.Messages == nil && len(messages) == 0 {
		return
	}
	if err := json.Unmarshal(e.Messages, &stored.messages); err != nil || !reflect.DeepEqual(stored.messages, messages) {
		t.Fatalf("%q was stored with the transcript %s, %v", body, e.Messages, err)
	}
}

func empty(v any) bool { return v == nil || v == "" }

// checkRendered makes the body of every format.
func (s *fuzzed) checkRendered(t *testing.T, e *waybell.NewEvent) {
	t.Helper()
	content := &format.Event{
		ID: e.ID, Type: e.Type, AgentID: e.AgentID, AgentName: e.AgentName, Timestamp: e.Timestamp, Data: e.Data, Messages: e.Messages,
	}
	if shown, err := e.CanonicalData(); err != nil || !json.Valid(shown) {
		t.Fatalf("%s is shown as %s, %v", e.Data, shown, err)
	}
	for _, name := range s.svc.Formats().FormatNames() {
		formats, _ := s.svc.Formats().Format(name)
		for _, include := range []bool{false, true} {
			body, err := formats.Render(nil, content, include)
			if err != nil || !json.Valid(body) {
				t.Fatalf("%s of %s: %s, %v", name, e.Data, body, err)
			}
			v, err := jsjson.Parse(body, jsjson.Limits{MaxDepth: 100})
			if err != nil || !bytes.Equal(v.Append(nil), body) {
				t.Fatalf("%s of %s is not canonical: %s, %v", name, e.Data, body, err)
			}
		}
	}
}

// checkSpellings publishes what the body means in other white space and other
// escapes: it is the same request, for idempotency and for what is stored.
func (s *fuzzed) checkSpellings(t *testing.T, body []byte, alone *waybell.NewEvent) {
	t.Helper()
	v, err := jsjson.Parse(body, jsjson.Limits{})
	if err != nil {
		return
	}
	canonical := v.Append(nil)
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, canonical, "\n", "\t "); err != nil {
		t.Fatalf("%s: %v", canonical, err)
	}
	for _, other := range [][]byte{canonical, spaced.Bytes()} {
		if len(other) > 1<<20 {
			return
		}
		w := s.ask(t, publishing("/v1/agents/a1/events", "application/json", other))
		if (w.Code == http.StatusAccepted) != (alone != nil) {
			t.Fatalf("%q is taken %v, but as %q: %d %s", body, alone != nil, other, w.Code, w.Body)
		}
		if alone == nil {
			continue
		}
		e := s.store.taken[0]
		if alone.Hash != [sha256.Size]byte{} && e.Hash != alone.Hash || !bytes.Equal(e.Data, alone.Data) || !bytes.Equal(e.Messages, alone.Messages) {
			t.Fatalf("%q and %q are stored as %s and %s", body, other, alone.Data, e.Data)
		}
	}
}

// checkBatches takes the same bytes for both kinds of batches: one answer for
// each event, and as many stored as were taken.
func (s *fuzzed) checkBatches(t *testing.T, body []byte) {
	t.Helper()
	wrapped := fmt.Appendf(nil, `{"events":[%s]}`, body)
	for _, b := range []struct {
		media string
		body  []byte
	}{{"application/json", body}, {"application/json", wrapped}, {"application/x-ndjson", body}} {
		w := s.ask(t, publishing("/v1/events", b.media, b.body))
		if w.Code != http.StatusOK {
			if w.Code == http.StatusAccepted || len(s.store.taken) > 0 {
				t.Fatalf("%q: %d, and %d stored", b.body, w.Code, len(s.store.taken))
			}
			continue
		}
		var a struct {
			Data []struct {
				Status int
				ID     string
				Error  *struct{ Code, Title, Detail string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("%q: %v in %s", b.body, err, w.Body)
		}
		taken := 0
		for _, item := range a.Data {
			switch {
			case item.Status == http.StatusAccepted && item.ID != "" && item.Error == nil:
				taken++
			case item.Status < 400 || item.Status >= 500 || item.Error == nil || item.Error.Code == "" || item.Error.Detail == "":
				t.Fatalf("%q: %s", b.body, w.Body)
			}
		}
		if taken != len(s.store.taken) {
			t.Fatalf("%q: %d stored, answered with %s", b.body, len(s.store.taken), w.Body)
		}
	}
}
