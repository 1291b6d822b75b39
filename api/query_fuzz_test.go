package api_test

import (
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/timestamp"
)

// FuzzQuery gives the parameters of every list. What is refused is a 422 that
// names a parameter which was given; what is accepted says what package url and
// the documented words say, and the store is asked for just that.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"", "limit=250&cursor=", "limit=0", "limit=251", "limit=+7", "limit=1&limit=0", "limit=%31%30", "limit=a;b", "limit=%zz&limit=3",
		"since=2026-04-26T08:30:14Z&until=2026-04-26T10:30:14.5%2B02:00", "since=yesterday", "since=2026-04-26t08:30:14z&until=2026-04-26T08:30:14%2B24:00", "since=0000-01-01T00:00:00Z&until=9999-12-31T23:59:60Z",
		"state=held&status_code=404&status_class=4xx", "state=&status_code=&event=", "state=Held", "status_code=99", "status_class=1xx",
		"event=lead_collection&event_id=x", "event=Lead", "event=webhook.test", "endpoint_id=ep_x", "cursor=YWdlbnRzOjE&limit=1", "cursor=!",
		"period=7d", "period=8d", "search=%00", "search=bo&agent=a1", "format=csv", "unknown=1&=2",
	} {
		for list := range lists() {
			f.Add(uint8(list), query)
		}
	}
	s := setupFuzzed(f)
	f.Fuzz(func(t *testing.T, list uint8, query string) {
		path := lists()[int(list)%len(lists())]
		r := httptest.NewRequest("GET", path, nil)
		r.URL.RawQuery = query
		w := s.ask(t, r)
		given, err := url.ParseQuery(query)
		if ambiguous := slices.ContainsFunc(slices.Collect(maps.Values(given)), func(v []string) bool { return len(v) > 1 }); err != nil || ambiguous {
			if w.Code != http.StatusUnprocessableEntity {
				t.Fatalf("%s with %q: %d", path, query, w.Code)
			}
			return
		}
		switch w.Code {
		case http.StatusOK:
			for name, values := range given {
				if values[0] == "" && name != "cursor" {
					t.Fatalf("%s with %q: an empty value was taken", path, query)
				}
			}
			checkParams(t, path, given)
			for _, q := range s.store.deliveries {
				checkDeliveryQuery(t, given, &q)
			}
			for _, q := range s.store.events {
				if q.Limit != wantLimit(given) || q.Type != wantType(given) || (q.Since != 0) != (given.Get("since") != "" && !early(given.Get("since"))) {
					t.Fatalf("%q asks the store for %+v", query, q)
				}
			}
		case http.StatusUnprocessableEntity:
			for _, at := range checkProblem(t, w) {
				if name, ok := strings.CutPrefix(at, "query."); !ok || !given.Has(name) && !strings.ContainsRune(name, utf8.RuneError) {
					t.Fatalf("%s with %q: wrong at %q: %s", path, query, at, w.Body)
				}
			}
		default:
			t.Fatalf("%s with %q: %d %s", path, query, w.Code, w.Body)
		}
	})
}

func lists() []string {
	return []string{
		"/v1/agents/a1/deliveries", "/v1/agents/a1/events", "/v1/agents", "/v1/agents/a1/endpoints", "/v1/event-types", "/v1/keys",
		"/v1/agents/a1/statistics",
	}
}

func wantLimit(given url.Values) int {
	n, err := strconv.Atoi(given.Get("limit"))
	if err != nil {
		return 50
	}
	return n
}

func wantType(given url.Values) string {
	switch name := given.Get("event"); name {
	case "lead_collection":
		return "lead.submit"
	case "conversation_summary":
		return "conversation.summary"
	default:
		return name
	}
}

// early tells a time before all keys, which is no bound.
func early(text string) bool {
	at, err := timestamp.Parse(text)
	return err == nil && at.Before(time.UnixMicro(1))
}

// checkParams holds the accepted values of a list's own parameters to what the
// documentation says of them.
func checkParams(t *testing.T, path string, given url.Values) {
	t.Helper()
	in := func(words string) func(string) bool {
		return func(v string) bool { return slices.Contains(strings.Fields(words), v) }
	}
	number := func(least, most int) func(string) bool {
		return func(v string) bool {
			n, err := strconv.Atoi(v)
			return err == nil && n >= least && n <= most
		}
	}
	moment := func(v string) bool { _, err := timestamp.Parse(v); return err == nil }
	rules := map[string]func(string) bool{"limit": number(1, 250)}
	switch path {
	case "/v1/agents/a1/deliveries":
		rules["state"] = in("pending retrying held delivered failed canceled")
		rules["status_code"] = number(100, 599)
		rules["status_class"] = in("2xx 3xx 4xx 5xx none")
		rules["endpoint_id"] = func(string) bool { return false } // fuzzing does not guess one
		fallthrough
	case "/v1/agents/a1/events":
		rules["since"], rules["until"] = moment, moment
		rules["event"] = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`).MatchString
	case "/v1/agents/a1/statistics":
		rules = map[string]func(string) bool{"period": in("1h 24h 7d 30d")}
	}
	for name, good := range rules {
		if v := given.Get(name); v != "" && !good(v) {
			t.Fatalf("%s: %s %q was taken", path, name, v)
		}
	}
}

func checkDeliveryQuery(t *testing.T, given url.Values, q *waybell.DeliveryQuery) {
	t.Helper()
	if q.Limit != wantLimit(given) || q.Type != wantType(given) || (q.Since != 0) != (given.Get("since") != "" && !early(given.Get("since"))) || (q.Until != 0) != (given.Get("until") != "") {
		t.Fatalf("%v asks the store for %+v", given, q)
	}
	want := waybell.StatusRange{From: 0, To: 599}
	class, code := given.Get("status_class"), given.Get("status_code")
	if class == "none" {
		want.To = 0
	} else if class != "" {
		want.From = int(class[0]-'0') * 100
		want.To = want.From + 99
	}
	if n, err := strconv.Atoi(code); err == nil {
		want.From, want.To = max(want.From, n), min(want.To, n)
	}
	if filtered := class != "" || code != ""; filtered != (q.Status != nil) || filtered && *q.Status != want {
		t.Fatalf("%v asks the store for statuses %+v, want %+v", given, q.Status, want)
	}
}

// FuzzRequestHeaders gives the headers of a publish request. Who is let in, what
// is refused and why, and the request's id are held to the documented rules.
func FuzzRequestHeaders(f *testing.F) {
	add := func(authorization, contentType, encoding, idempotency, id string) {
		f.Add(authorization, contentType, encoding, idempotency, id)
	}
	bearer := "Bearer " + rootKey
	add(bearer, "application/json", "", "", "")
	add("bearer  "+rootKey+"\t", "application/json; charset=UTF-8", "identity", "order-1", "req-1:a.b_c")
	add("Basic "+rootKey, "text/plain", "gzip", strings.Repeat("x", 256), strings.Repeat("x", 65))
	add("Bearer wb_x", "application/json; charset=latin1", "", "é", "a b")
	add(bearer+"x", "application/json;", "", "\x7f", "\x00")
	add(bearer, `application/json; charset="utf-8"; a=b`, "Identity", " ", "é")
	s := setupFuzzed(f)
	sane := regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)
	f.Fuzz(func(t *testing.T, authorization, contentType, encoding, idempotency, id string) {
		r := publishing("/v1/agents/a1/events", contentType, []byte(`{"event":"message.sent"}`))
		for name, value := range map[string]string{
			"Authorization": authorization, "Content-Encoding": encoding, "Idempotency-Key": idempotency, "X-Request-Id": id,
		} {
			r.Header.Set(name, value)
		}
		if authorization == "" {
			r.Header.Set("Authorization", " ") // as good as none
		}
		w := s.ask(t, r)
		scheme, key, _ := strings.Cut(authorization, " ")
		known := strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(key) == rootKey
		media, params, err := mime.ParseMediaType(contentType)
		json := contentType == "" || err == nil && media == "application/json" && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
		plain := encoding == "" || strings.EqualFold(encoding, "identity")
		printable := len(idempotency) <= 255 && strings.IndexFunc(idempotency, func(r rune) bool { return r < ' ' || r > '~' }) < 0
		want := http.StatusAccepted
		switch {
		case !known:
			want = http.StatusUnauthorized
		case !json || !plain:
			want = http.StatusUnsupportedMediaType
		case !printable:
			want = http.StatusUnprocessableEntity
		}
		if w.Code != want {
			t.Fatalf("%q: %d, want %d: %s", r.Header, w.Code, want, w.Body)
		}
		if want == http.StatusAccepted && (len(s.store.taken) != 1 || s.store.taken[0].IdempotencyKey != idempotency) {
			t.Fatalf("%q was stored as %+v", idempotency, s.store.taken)
		}
		if (want == http.StatusUnauthorized) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Fatalf("%d with the headers %v", w.Code, w.Header())
		}
		if got := w.Header().Get("X-Request-Id"); !sane.MatchString(got) || sane.MatchString(id) != (got == id) {
			t.Fatalf("the request %q was answered as %q", id, got)
		}
		if len(key) > 12 && strings.Contains(w.Body.String(), key) {
			t.Fatalf("the answer holds the key: %s", w.Body)
		}
	})
}
