package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/receivertest"
)

// download is an export's lines.
func (s *server) download(t *testing.T, query string) (lines []map[string]any, header http.Header) {
	t.Helper()
	a := s.call(t, "GET /v1/agents/a1/deliveries/export"+query, "")
	if a.status != 200 || a.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s: %d %v", query, a.status, a.header)
	}
	for line := range strings.Lines(a.text) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, row)
	}
	return lines, a.header
}

func TestExport(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(200, "thanks"))
	s.call(t, "POST /v1/agents/a1/events", `{"event":"lead.submit","id":"own-1","data":{"name":"Sarah"}}`)
	s.until(t, "GET /v1/agents/a1/deliveries", `{"data":[{"state":"delivered"}]}`)
	s.call(t, "POST "+where+"/pause", "")
	s.publishMany(t, 600)

	all, header := s.download(t, "")
	if len(all) != 601 || all[0]["event_id"] == all[1]["event_id"] || all[600]["event_id"] != "own-1" || all[600]["attempt_log"] != nil {
		t.Errorf("%d lines, %v to %v", len(all), all[0], all[600])
	}
	if name := header.Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="deliveries-a1-\d{4}-\d\d-\d\d\.ndjson"$`).MatchString(name) {
		t.Error(name)
	}
	for query, want := range map[string]int{
		"?state=held": 600, "?state=delivered": 1, "?event=lead.submit": 1, "?event_id=own-1": 1, "?event_id=nothing": 0,
		"?status_class=2xx": 1, "?status_class=5xx": 0, "?status_class=none": 600, "?status_class=2xx&status_code=204": 0,
		"?since=2999-01-01T00:00:00Z": 0, "?event_id=own-1&since=2999-01-01T00:00:00Z": 0, "?event_id=own-1&state=held": 0,
	} {
		if lines, _ := s.download(t, query); len(lines) != want {
			t.Errorf("%s: %d lines, want %d", query, len(lines), want)
		}
	}
	whole, _ := s.download(t, "?event_id=own-1&attempts=true")
	shown := s.call(t, "GET /v1/agents/a1/deliveries/"+whole[0]["id"].(string), "")
	if got, err := json.Marshal(whole[0]); err != nil || !shown.has(t, string(got)) || whole[0]["attempt_log"] == nil {
		t.Errorf("%v: %s\nshown as %s", err, got, shown.text)
	}
	s.run(t, []step{
		{"no agent", "GET /v1/agents/a9/deliveries/export", "", nil, 404, `{"code":"agent_not_found"}`, ""},
		{"bad class", "GET /v1/agents/a1/deliveries/export?status_class=6xx", "", nil, 422, `{"errors":[{"location":"query.status_class"}]}`, ""},
		{"no pages", "GET /v1/agents/a1/deliveries/export?limit=5", "", nil, 422, `{"errors":[{"location":"query.limit"}]}`, ""},
		{"head", "HEAD /v1/agents/a1/deliveries/export", "", nil, 200, ``, ""},
	})
}

// brokenStore lists deliveries a number of times.
type brokenStore struct {
	waybell.Store
	left atomic.Int64
}

func (s *brokenStore) Deliveries(ctx context.Context, q waybell.DeliveryQuery) (waybell.DeliveryPage, error) {
	if s.left.Add(-1) < 0 {
		return waybell.DeliveryPage{}, waybell.ErrUnavailable
	}
	return s.Store.Deliveries(ctx, q)
}

// An export that fails in the middle must not look whole.
func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	store := &brokenStore{}
	s := setup(t, func(c *waybell.Config, _ *api.Config) { store.Store, c.Store = c.Store, store })
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	s.call(t, "POST "+where+"/pause", "")
	s.publishMany(t, 600)
	const path = "/v1/agents/a1/deliveries/export"
	if a := s.call(t, "GET "+path, ""); a.status != 503 {
		t.Errorf("a failure of the first page: %d %s", a.status, a.text)
	}
	store.left.Store(2)
	res, err := s.Client().Do(newRequest(t, s.URL+path, http.MethodGet))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if res.StatusCode != 200 || err == nil {
		t.Errorf("status %d, %d bytes, and the end is in order: %v", res.StatusCode, len(text), err)
	}
	if !strings.Contains(s.log.String(), "request failed") {
		t.Error("the failure is not in the log")
	}
}

// pagedStore calls turned before it lists the deliveries after the first page.
type pagedStore struct {
	waybell.Store
	turned func()
}

func (s *pagedStore) Deliveries(ctx context.Context, q waybell.DeliveryQuery) (waybell.DeliveryPage, error) {
	if q.After != (waybell.DeliveryRef{}) {
		s.turned()
	}
	return s.Store.Deliveries(ctx, q)
}

// An export may last for hours: it ends when its session or key does, and does
// not look whole.
func TestExportEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	store := &pagedStore{}
	s := setup(t, func(c *waybell.Config, _ *api.Config) { store.Store, c.Store = c.Store, store })
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	s.call(t, "POST "+where+"/pause", "")
	s.publishMany(t, 600)
	key, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{Scopes: []waybell.Scope{waybell.ScopeDeliveriesRead}})
	if err != nil {
		t.Fatal(err)
	}
	mine := s.portal(t, "")
	for who, tt := range map[string]struct {
		header string
		end    func()
	}{
		"a key":     {"Authorization: Bearer " + text.Reveal(), func() { s.svc.RevokeKey(t.Context(), key.ID) }},
		"a session": {mine, func() { s.call(t, "DELETE /v1/session", "", mine) }},
	} {
		store.turned = tt.end
		req := newRequest(t, s.URL+"/v1/agents/a1/deliveries/export", http.MethodGet)
		req.Header.Set("Authorization", strings.TrimPrefix(tt.header, "Authorization: "))
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := io.ReadAll(res.Body)
		res.Body.Close()
		if n := strings.Count(string(rows), "\n"); res.StatusCode != 200 || err == nil || n > 250 {
			t.Errorf("%s: status %d, %d rows after its end, and an end in order: %v", who, res.StatusCode, n, err)
		}
	}
}

// A client that goes ends the export, which is no failure of ours.
func TestExportClientGoes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, where := s.subscribe(t, receivertest.Answer(200, ""))
	s.call(t, "POST "+where+"/pause", "")
	s.publishMany(t, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	res, err := s.Client().Do(newRequest(t, s.URL+"/v1/agents/a1/deliveries/export?attempts=true", http.MethodGet).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	s.Close() // waits for the handlers
	if text := s.log.String(); strings.Contains(text, "request failed") || strings.Contains(text, "panicked") {
		t.Error(text)
	}
}
