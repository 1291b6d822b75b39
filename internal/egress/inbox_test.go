package egress

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const inboxToken = "0123456789abcdefghjkmnpqrs"

// noNetwork fails the test at the first look at a network.
func noNetwork(t *testing.T, config Config) Config {
	config.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
		t.Errorf("a connection to %s was opened", addr)
		return nil, net.ErrClosed
	}
	config.Resolver = resolverFunc(func(_ context.Context, host string) ([]string, error) {
		t.Errorf("%s was resolved", host)
		return nil, net.ErrClosed
	})
	return config
}

// answering is an inbox that answers and counts.
func answering(base string, calls *int, a Answer) *Inbox {
	return &Inbox{Base: base, Receive: func(context.Context, string, *Request) Answer { *calls++; return a }}
}

func TestOwnInboxIsReachedWithoutASocket(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://127.0.0.1:8080":             "http://127.0.0.1:8080/in/",
		"http://127.0.0.1:8080/":            "http://127.0.0.1:8080/in/",
		"http://localhost":                  "http://localhost/in/",
		"http://waybell:6379":               "http://waybell:6379/in/",
		"http://[::1]:8080":                 "http://[::1]:8080/in/",
		"HTTPS://Hooks.Example.COM:443//":   "https://hooks.example.com/in/",
		"https://hooks.example.com/waybell": "https://hooks.example.com/waybell/in/",
	} {
		var got *Request
		var token string
		c := mustNew(t, noNetwork(t, Config{Inbox: &Inbox{Base: base, Receive: func(_ context.Context, to string, r *Request) Answer {
			token, got = to, r
			return Answer{Status: 202, Header: http.Header{"X-A": {"b"}}, Body: []byte("ok")}
		}}}))
		if url := c.InboxURL(inboxToken); url != want+inboxToken {
			t.Errorf("%s: the inbox is %s", base, url)
			continue
		}
		request := post(t, c, want+inboxToken)
		if again := mustParse(t, c, request.Target.String()); again != request.Target || again.String() != want+inboxToken ||
			again.Host() == "" || again.port == 0 {
			t.Errorf("%s: target %+v", base, again)
		}
		result := c.Do(t.Context(), request)
		checkResult(t, result, 202, ClassNone, "")
		if got != request || token != inboxToken || string(result.Body) != "ok" || result.Truncated ||
			result.Header.Get("X-A") != "b" || result.Timing.Total < result.Timing.Wait || result.Timing.DNS+result.Timing.Connect+result.Timing.TLS != 0 {
			t.Errorf("%s: got %+v with %q", base, result, token)
		}
	}
}

// lookalikes are near an inbox's URL, but none.
func lookalikes(base, token string) []string {
	host := strings.TrimPrefix(base, "http://")
	return []string{
		base + "/in/" + token + "?", base + "/in/" + token + "?a=b", base + "/in/" + token + "#", base + "/in/" + token + "#a",
		base + "/in/" + token + "/", base + "/in//" + token, base + "//in/" + token, base + "/in/" + token + "/../" + token,
		base + "/./in/" + token, base + "/x/../in/" + token, base + "/in/../in/" + token, base + "/in/%2e%2e/in/" + token,
		base + "/in%2F" + token, base + "/in%2f" + token, base + "/%69n/" + token, base + "/in/" + "%30" + token[1:],
		base + "/IN/" + token, base + "/in/" + strings.ToUpper(token), base + "/in/" + token[1:], base + "/in/" + token + "0",
		base + "/in/" + "i" + token[1:], base + "/in/" + "é" + token[2:], base + "/in/", base + "/in", base + "/", base + "/v1/agents",
		base + ";/in/" + token, base + "\\in\\" + token, base + "/in/" + token + "\\", base + "/in/" + token + " ", " " + base + "/in/" + token,
		"HTTP://" + host + "/in/" + token, "https://" + host + "/in/" + token, "//" + host + "/in/" + token, host + "/in/" + token,
		"http:/" + host + "/in/" + token, "http:///" + host + "/in/" + token, "http://a@" + host + "/in/" + token, "http://@" + host + "/in/" + token,
		"http://" + host + "@evil.example.com/in/" + token, "http://evil.example.com/in/" + token, "http://evil.example.com/" + base + "/in/" + token,
		"http://127.0.0.1/in/" + token, "http://127.0.0.1:8081/in/" + token, "http://127.0.0.1:80801/in/" + token, "http://127.0.0.1:08080/in/" + token,
		"http://127.1:8080/in/" + token, "http://127.0.0.2:8080/in/" + token, "http://2130706433:8080/in/" + token, "http://0x7f000001:8080/in/" + token,
		"http://localhost:8080/in/" + token, "http://[::1]:8080/in/" + token, "http://[::ffff:127.0.0.1]:8080/in/" + token,
		"http://127.0.0.1.:8080/in/" + token, "http://127.0.0.1:8080.example.com/in/" + token, "http://127.0.0.1%3a8080/in/" + token,
	}
}

// TestInboxChangesNothingElse holds every other URL against a client without
// inboxes: the same verdict in the same words, and never handed over.
func TestInboxChangesNothingElse(t *testing.T) {
	t.Parallel()
	calls := 0
	const base = "http://127.0.0.1:8080"
	with := mustNew(t, noNetwork(t, Config{Inbox: answering(base, &calls, Answer{Status: 200})}))
	without := mustNew(t, noNetwork(t, Config{}))
	urls := lookalikes(base, inboxToken)
	for _, u := range readCorpus(t) {
		urls = append(urls, u.raw)
	}
	for _, raw := range urls {
		got, gotErr := with.ParseTarget(raw)
		want, wantErr := without.ParseTarget(raw)
		var gotRefused, wantRefused *TargetError
		errors.As(gotErr, &gotRefused)
		errors.As(wantErr, &wantRefused)
		if got != want || (gotErr == nil) != (wantErr == nil) || gotErr != nil && *gotRefused != *wantRefused {
			t.Errorf("%q: %s, %v; without inboxes %s, %v", raw, got, gotErr, want, wantErr)
		}
		if strings.Contains(raw, "127.0.0.1:8080/") && !strings.Contains(raw, "example.com") && gotErr == nil {
			t.Errorf("%q passes", raw)
		}
		if _, own := with.inbox.token(got.canonical); own {
			t.Errorf("%q is taken for an inbox", raw)
		}
	}
	// A target of another client, whose exceptions let it through, is judged by
	// this one's rules.
	other := mustNew(t, noNetwork(t, Config{Allow: []string{"127.0.0.0/8"}}))
	for _, raw := range []string{base + "/", base + "/in/" + inboxToken + "?", "http://127.0.0.1:8081/in/" + inboxToken} {
		checkResult(t, with.Do(t.Context(), post(t, other, raw)), 0, ClassBlocked, blocked().Text)
	}
	if calls != 0 {
		t.Errorf("%d requests were handed over", calls)
	}
}

func TestHandOverKeepsTheBounds(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("x"), 3*kib)
	for name, tt := range map[string]struct {
		receive func(ctx context.Context, token string, r *Request) Answer
		status  int
		class   Class
		text    string
		took    time.Duration
	}{
		"long body": {func(context.Context, string, *Request) Answer { return Answer{Status: 200, Body: big} }, 200, ClassNone, "", 0},
		"long headers": {func(context.Context, string, *Request) Answer {
			return Answer{Status: 200, Header: http.Header{"A": {string(big)}}}
		}, 0, ClassBadResponse, textBadResponse, 0},
		"status too low":  {func(context.Context, string, *Request) Answer { return Answer{Status: 101} }, 0, ClassBadResponse, textBadStatus, 0},
		"status too high": {func(context.Context, string, *Request) Answer { return Answer{Status: 600} }, 0, ClassBadResponse, textBadStatus, 0},
		"no answer":       {func(context.Context, string, *Request) Answer { return Answer{} }, 0, ClassConnectionLost, textLost, 0},
		"panic":           {func(context.Context, string, *Request) Answer { panic("a bug") }, 0, ClassConnectionLost, textLost, 0},
		"hangs": {func(ctx context.Context, _ string, _ *Request) Answer { <-ctx.Done(); return Answer{} }, 0,
			ClassTimeout, textTimeoutExchange, 3 * time.Second},
		"answers too late": {func(ctx context.Context, _ string, _ *Request) Answer { <-ctx.Done(); return Answer{Status: 200} }, 0,
			ClassTimeout, textTimeoutExchange, 3 * time.Second},
		"takes its time": {func(context.Context, string, *Request) Answer { time.Sleep(time.Second); return Answer{Status: 503} }, 503,
			ClassNone, "", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // ends only when no goroutine is left
				c := mustNew(t, noNetwork(t, Config{
					Inbox: &Inbox{Base: "http://127.0.0.1:8080", Receive: tt.receive}}))
				c.maxHeader, c.maxBody = 2*kib, kib
				request := post(t, c, c.InboxURL(inboxToken))
				request.Timeout = 3 * time.Second
				result := c.Do(t.Context(), request)
				checkResult(t, result, tt.status, tt.class, tt.text)
				if result.Timing.Total != tt.took || result.Timing.Wait != tt.took || result.Timing.Read != 0 {
					t.Errorf("timing %+v, want %v", result.Timing, tt.took)
				}
				if long := name == "long body"; len(result.Body) > kib || long != result.Truncated || long && len(result.Body) != kib {
					t.Errorf("%d bytes kept, truncated: %v", len(result.Body), result.Truncated)
				}
			})
		})
	}
}

func TestHandOverEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := mustNew(t, noNetwork(t, Config{Inbox: &Inbox{Base: "http://127.0.0.1:8080",
			Receive: func(ctx context.Context, _ string, _ *Request) Answer { <-ctx.Done(); return Answer{} }}}))
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		checkResult(t, c.Do(ctx, post(t, c, c.InboxURL(inboxToken))), 0, ClassCanceled, textCanceled)
	})
}

func TestUnsendableRequestIsNotHandedOver(t *testing.T) {
	t.Parallel()
	calls := 0
	c := mustNew(t, noNetwork(t, Config{Inbox: answering("http://127.0.0.1:8080", &calls, Answer{Status: 200})}))
	request := post(t, c, c.InboxURL(inboxToken))
	request.Header.Set("A", "x\r\nB: y")
	checkResult(t, c.Do(t.Context(), request), 0, ClassBlocked, textBadRequest)
	if calls != 0 {
		t.Error("it was handed over")
	}
}

func TestInboxBaseIsChecked(t *testing.T) {
	t.Parallel()
	calls := 0
	for _, base := range []string{
		"", "127.0.0.1:8080", "ftp://example.com", "http://", "http://a b/", "http://user@example.com", "http://example.com?",
		"http://example.com/?a=b", "http://example.com/#", "http://[fe80::1%25eth0]/", "http://127.1/", "http://example.com:0",
		"http://example.com/%zz", "http://example.com/" + strings.Repeat("a", MaxURLBytes-40),
	} {
		if _, err := New(Config{Inbox: answering(base, &calls, Answer{Status: 200})}); err == nil || !strings.HasPrefix(err.Error(), "egress: the base of the inboxes") {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := New(Config{Inbox: &Inbox{Base: "http://example.com"}}); err == nil {
		t.Error("an inbox without a receiver")
	}
	if c := mustNew(t, Config{}); c.InboxURL(inboxToken) != "" {
		t.Error("a client without inboxes has one")
	}
}

// FuzzInboxTarget holds that nothing but the exact URL is taken for an inbox's,
// and that all else is judged as without.
func FuzzInboxTarget(f *testing.F) {
	const base = "http://127.0.0.1:8080"
	f.Add(base + "/in/" + inboxToken)
	for _, raw := range lookalikes(base, inboxToken) {
		f.Add(raw)
	}
	calls := 0
	with := mustNew(f, Config{Inbox: answering(base, &calls, Answer{Status: 200})})
	without := mustNew(f, Config{})
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := with.ParseTarget(raw)
		want, wantErr := without.ParseTarget(raw)
		if _, own := with.inbox.token(got.canonical); own {
			if got.canonical != raw || wantErr == nil || !strings.HasPrefix(raw, base+"/in/") || len(raw) != len(base)+len("/in/")+26 {
				t.Fatalf("%q is taken for an inbox", raw)
			}
			return
		}
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, %v; without inboxes %v, %v", raw, got, err, want, wantErr)
		}
	})
}
