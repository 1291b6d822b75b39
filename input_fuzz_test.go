package waybell

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell/internal/catalogue"
	"github.com/waybell/waybell/internal/egress"
)

// unstarted is a service that is enough for checking inputs: it has no store.
func unstarted(t testing.TB) *Service {
	t.Helper()
	s, err := New(Config{
		Store:          struct{ Store }{},
		EncryptionKeys: []Secret{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.keys.start(1, 0)
	return s
}

// checkProblems holds what is true of all that is told about an input: each
// field has a place and a reason in UTF-8, the error has its codes, and no
// secret is repeated.
func checkProblems(t *testing.T, p *problems, secrets ...string) {
	t.Helper()
	err := p.err("the input")
	if (err == nil) != (len(p.fields) == 0) || len(p.fields) != len(p.codes) || len(p.fields) > maxFieldErrors {
		t.Fatalf("%d fields, %d codes, %v", len(p.fields), len(p.codes), err)
	}
	for _, f := range p.fields {
		text, jsonErr := json.Marshal(f)
		if f.Location == "" || f.Message == "" || !utf8.ValidString(f.Message) || jsonErr != nil {
			t.Fatalf("%+v: %v", f, jsonErr)
		}
		for _, secret := range secrets {
			if len(secret) > 12 && bytes.Contains(text, []byte(secret)) {
				t.Fatalf("%s holds a secret", text)
			}
		}
	}
}

// FuzzHeaders gives a list of custom headers, one "name: value" a line. A list
// that is taken holds what was given, keeps every rule, and when it is sent back
// with the masks that are shown for its values, nothing changes.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"Authorization: Bearer x", "host: a", "X-A: ••••", "X-A: 1\nx-a: 2", "X-A: 1\nX-B: 2\n", ": ", "X-Chatzuri-Signature: 1",
		"x-chatislav-signature: 1", strings.Repeat("X-A: 1\n", 51), "X-A: " + strings.Repeat("a", 4096), "X-A: \xff", "webhook-id : 1",
	} {
		f.Add(seed)
	}
	s := unstarted(f)
	f.Fuzz(func(t *testing.T, text string) {
		var in []HeaderInput
		var values []string
		for line := range strings.SplitSeq(text, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			in = append(in, HeaderInput{name, Secret(value)})
			if value != mask {
				values = append(values, value)
			}
		}
		var p problems
		got := s.readHeaders(&p, in, nil)
		checkProblems(t, &p, values...)
		if len(p.fields) > 0 {
			return
		}
		total, header := 0, http.Header{}
		for i, h := range got {
			lower := strings.ToLower(h.Name)
			if h != Header(in[i]) || h.Value == mask || lower == "x-chatzuri-signature" || lower == "x-chatislav-signature" ||
				header.Values(h.Name) != nil || egress.HeaderNameFault(h.Name) != "" || egress.HeaderValueFault(h.Value.Reveal()) != "" {
				t.Fatalf("%q: %q was taken", text, h.Name)
			}
			header.Set(h.Name, h.Value.Reveal())
			total += len(h.Name) + len(h.Value)
		}
		if len(got) != len(in) || len(got) > 50 || total > 16<<10 {
			t.Fatalf("%q: %d headers of %d bytes were taken", text, len(got), total)
		}
		masked := slices.Clone(in)
		for i := range masked {
			masked[i].Value = mask
		}
		var again problems
		if kept := s.readHeaders(&again, masked, got); len(again.fields) > 0 || !slices.Equal(kept, got) {
			t.Fatalf("%q: sent back with masks it became %v: %v", text, kept, again.fields)
		}
	})
}

// FuzzCursor holds that a text is a cursor of one list at most. That of a log is
// the only spelling of it; of the other lists, what it means is what the list
// itself would write.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		"", deliveryCursor(DeliveryRef{1 << 60, 7}), eventCursor(1 << 60), deliveryCursor(DeliveryRef{-1, 0}), EventID(1 << 60),
		listCursor("agents", "17"), listCursor("endpoints", "+17"), listCursor("types", "blead.submit"), listCursor("keys", "key_1"),
		listCursor("inboxes", "1"), listCursor("inbox requests", "9223372036854775808"), listCursor("agents", "-1"), "YWdlbnRzOjE=\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, delivery := parseDeliveryCursor(text)
		key, event := parseEventCursor(text)
		if delivery && (ref.Event <= 0 || deliveryCursor(ref) != text) {
			t.Errorf("%q was read as %v", text, ref)
		}
		if event && (key <= 0 || eventCursor(key) != text) {
			t.Errorf("%q was read as %v", text, key)
		}
		lists := map[bool]int{true: 0}
		lists[delivery]++
		lists[event]++
		q := ListQuery{Cursor: text}
		for _, kind := range []string{"agents", "endpoints", "inboxes", "inbox requests"} {
			_, after, err := q.numbers(kind)
			if text == "" || err != nil {
				checkCursorRefusal(t, text, err)
				continue
			}
			lists[true]++
			if _, again, err := (ListQuery{Cursor: listCursor(kind, fmt.Sprint(after))}).numbers(kind); after < 1 || err != nil || again != after {
				t.Errorf("%q: after %d in %s, written anew after %d, %v", text, after, kind, again, err)
			}
		}
		for _, kind := range []string{"types", "keys"} {
			_, after, err := q.check(kind)
			if text == "" || err != nil {
				checkCursorRefusal(t, text, err)
				continue
			}
			lists[true]++
			if _, again, err := (ListQuery{Cursor: listCursor(kind, after)}).check(kind); after == "" || len(after) > maxCursorBytes || err != nil || again != after {
				t.Errorf("%q: after %q in %s, written anew after %q, %v", text, after, kind, again, err)
			}
		}
		if lists[true] > 1 {
			t.Errorf("%q is a cursor of %d lists", text, lists[true])
		}
	})
}

func checkCursorRefusal(t *testing.T, text string, err error) {
	t.Helper()
	if e, ok := err.(*Error); text != "" && (!ok || e.Code != CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Location != "query.cursor") {
		t.Errorf("%q: %v", text, err)
	}
}

// FuzzFilter gives the parameters of the log. What is refused is told by its
// parameter; what is accepted chooses exactly what the words mean: held against
// every status, and against keys around both bounds.
func FuzzFilter(f *testing.F) {
	f.Add("lead.submit", "4xx", 404, int64(1_777_192_214), int64(1_777_192_215), 250)
	f.Add("lead_collection", "none", 0, int64(0), int64(1), 0)
	f.Add("webhook.test", "2xx", 500, int64(-1), int64(1)<<40, -1)
	f.Add("Not A Type", "6xx", 600, int64(-1)<<62, int64(1)<<62, 251)
	f.Fuzz(func(t *testing.T, typ, class string, code int, since, until int64, limit int) {
		filter := LogFilter{Type: typ, StatusClass: class, StatusCode: code, Limit: limit}
		// Both a time that a caller can write and one between two microseconds.
		filter.Since, filter.Until = time.Unix(since, 1), time.Unix(until, 0)
		var p problems
		name, n, statuses := filter.canonicalType(&p), filter.limit(&p), filter.status(&p)
		checkProblems(t, &p)
		refused := map[string]bool{}
		for _, f := range p.fields {
			refused[f.Location] = true
		}
		if want := limit < 0 || limit > 250; refused["query.limit"] != want || !want && n != map[bool]int{false: limit, true: 50}[limit == 0] {
			t.Errorf("limit %d is %d, refused %v", limit, n, refused["query.limit"])
		}
		if want := code != 0 && (code < 100 || code > 599); refused["query.status_code"] != want {
			t.Errorf("status %d: refused %v", code, !want)
		}
		if want := !slices.Contains([]string{"", "none", "2xx", "3xx", "4xx", "5xx"}, class); refused["query.status_class"] != want {
			t.Errorf("class %q: refused %v", class, !want)
		}
		if !refused["query.status_class"] && !refused["query.status_code"] {
			checkStatuses(t, &filter, statuses)
		}
		if want := map[string]string{"lead_collection": catalogue.LeadSubmit, "conversation_summary": catalogue.ConversationSummary}[typ]; want != "" && name != want || want == "" && name != typ {
			t.Errorf("type %q is %q", typ, name)
		}
		checkBounds(t, &filter)
	})
}

// checkStatuses asks for every status whether the filter should show it: 0 is a
// delivery without an answer.
func checkStatuses(t *testing.T, f *LogFilter, got *StatusRange) {
	t.Helper()
	for status := range 600 {
		if status > 0 && status < 100 {
			continue
		}
		want := f.StatusCode == 0 || f.StatusCode == status
		switch f.StatusClass {
		case "":
		case "none":
			want = want && status == 0
		default:
			want = want && fmt.Sprintf("%dxx", status/100) == f.StatusClass
		}
		if shown := got == nil || got.From <= status && status <= got.To; shown != want {
			t.Fatalf("status %d with class %q and code %d: shown %v by %+v", status, f.StatusClass, f.StatusCode, shown, got)
		}
	}
}

func checkBounds(t *testing.T, f *LogFilter) {
	t.Helper()
	since, until := f.bounds()
	for _, at := range []time.Time{f.Since, f.Until} {
		for _, step := range []time.Duration{-time.Hour, -time.Microsecond, 0, time.Microsecond, time.Hour} {
			made := at.Add(step).Truncate(time.Microsecond)
			if made.Year() < 1970 || made.Year() > 2200 {
				continue // no event has such a key
			}
			for _, slot := range []Key{0, 1, MaxNodeSlot} {
				key := KeyAt(made) + slot
				if key <= 0 {
					continue
				}
				if shown := key >= since && (until == 0 || key < until); shown != (!key.Time().Before(f.Since) && key.Time().Before(f.Until)) {
					t.Fatalf("%v is shown %v by [%v, %v), keys [%d, %d)", key.Time(), shown, f.Since.UTC(), f.Until.UTC(), since, until)
				}
			}
		}
	}
}

// FuzzSubscription gives an endpoint's list of events, one a line, and the types
// that the agent's plan has. A list that is taken matches exactly the types that
// it names, by name or alias, and given again it stays as it is.
func FuzzSubscription(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""}, {"lead.submit\nlead_collection", ""}, {"*\nlead.submit", ""}, {"", ""}, {"lead_collection", "message.sent"},
		{"order.created\nconversation_summary\nconversation.summary", "conversation.summary\norder.created"},
		{"Lead.Submit", ""}, {"webhook.test", ""}, {strings.Repeat("lead.submit\n", 501), ""}, {"lead.submit ", "\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	s := unstarted(f)
	if err := s.apply(ConfigChange{EventTypes: []EventType{{Name: "order.created"}}}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, list, plan string) {
		agent := &Agent{}
		if plan != "" {
			agent.AvailableEvents = strings.Split(plan, "\n")
		}
		var p problems
		names := strings.Split(list, "\n")
		events := s.eventNames(&p, eventList{location: "body.events", names: names, agent: agent, all: true})
		checkProblems(t, &p)
		if len(p.fields) > 0 {
			return
		}
		e := &Endpoint{Enabled: true, Events: events, URL: "https://example.com/", Format: "standard", Retry: RetrySettings{Policy: "standard"}}
		entry := s.dir.prepare(e)
		if entry.unready != nil {
			t.Fatal(entry.unready)
		}
		for _, typ := range append(builtInEventTypes(), EventType{Name: "order.created"}, EventType{Name: "order.deleted"}, EventType{Name: "*"}) {
			named := slices.Contains(names, typ.Name) || typ.Alias != "" && slices.Contains(names, typ.Alias)
			if got := entry.takes(typ.Name); got != (named || names[0] == "*") || named && typ.Name != "*" && !agent.Produces(typ.Name) {
				t.Fatalf("%q with the plan %q: takes %s: %v", names, plan, typ.Name, got)
			}
		}
		e.Enabled = false
		if entry.takes(events[0]) {
			t.Fatalf("%q: taken although it is disabled", names)
		}
		again := s.eventNames(&p, eventList{location: "body.events", names: events, agent: agent, all: true})
		if len(p.fields) > 0 || !slices.Equal(again, events) || len(events) > len(names) {
			t.Fatalf("%q became %q, given again %q: %v", names, events, again, p.fields)
		}
	})
}
