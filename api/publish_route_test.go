package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"
)

// TestPublishTo: only what the mux would take to the same handler, with the same
// agent, is taken past it.
func TestPublishTo(t *testing.T) {
	t.Parallel()
	var mux http.ServeMux
	got := ""
	mux.HandleFunc(publishPattern, func(_ http.ResponseWriter, r *http.Request) { got = r.PathValue("agent_id") })
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	quick := 0
	for _, method := range []string{"POST", "GET", "HEAD", "PUT"} {
		for _, path := range []string{
			"/v1/agents/a/events", "/v1/agents/a.b-c_d:e9/events", "/v1/agents/..a/events", "/v1/agents/a../events",
			"/v1/agents/./events", "/v1/agents/../events", "/v1/agents//events", "/v1/agents/events", "/v1/agents/a%2Fb/events",
			"/v1/agents/a%20b/events", "/v1/agents/%61/events", "/v1/agents/a/b/events", "/v1/agents/a/events/",
			"/v1/agents/a/events/b", "/v1/agents/a/events?x=/events", "//v1/agents/a/events", "/v1/agents/a//events",
			"/v1/agents/a/../b/events", "/v1/events", "/v1/agents/é/events",
		} {
			r := httptest.NewRequest(method, path, nil)
			id := publishTo(r)
			if id == "" {
				continue
			}
			quick++
			got = ""
			if mux.ServeHTTP(httptest.NewRecorder(), r); got != id {
				t.Errorf("%s %s: taken for agent %q, the mux takes it for %q", method, path, id, got)
			}
		}
	}
	if quick < 4 {
		t.Errorf("%d requests are taken past the mux", quick)
	}
}

// Clean is every path that the mux does not redirect, and no other.
func TestIsClean(t *testing.T) {
	t.Parallel()
	var mux http.ServeMux
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	paths := []string{"/"}
	for range 6 {
		for _, p := range paths {
			if len(p) < 7 {
				paths = append(paths, p+"/", p+".", p+"a")
			}
		}
		slices.Sort(paths)
		paths = slices.Compact(paths)
	}
	for _, p := range paths {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, &http.Request{Method: "DELETE", URL: &url.URL{Path: p}})
		if redirected := w.Code != http.StatusNoContent; redirected == isClean(p) {
			t.Errorf("%s: clean is %v, the mux answers %d", p, isClean(p), w.Code)
		}
	}
	if len(paths) < 1000 || isClean("*") || isClean("") {
		t.Errorf("%d paths", len(paths))
	}
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		{}, time.Unix(0, 0), time.Date(1970, 1, 1, 0, 0, 0, 999_999_999, time.UTC),
		time.Date(2026, 4, 26, 10, 30, 14, 7_000_000, time.FixedZone("", 7200)), time.Date(9999, 12, 31, 23, 59, 59, 120_000_000, time.UTC),
	} {
		if got, want := rfc3339(at), at.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
