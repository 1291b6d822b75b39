package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unsafe"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

// borrowed are strings whose memory is overwritten once the request is answered.
type borrowed [][]byte

func (b *borrowed) lend(text string) string {
	own := []byte(text)
	*b = append(*b, own)
	return unsafe.String(unsafe.SliceData(own), len(own))
}

// TestPublishKeepsNothing: whoever answers with these handlers may use a request again
// once they have returned, and nothing holds on to its memory.
func TestPublishKeepsNothing(t *testing.T) {
	t.Parallel()
	s := setup(t, func(cfg *waybell.Config, _ *api.Config) { cfg.CreateAgents = true })
	publish := func(path, body, media, idempotency string) *httptest.ResponseRecorder {
		var all borrowed
		text := []byte(body)
		path = all.lend(path)
		r := &http.Request{
			Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			URL: &url.URL{Path: path}, RequestURI: path, Host: all.lend("a.example"), RemoteAddr: all.lend("127.0.0.1:1"),
			Header: http.Header{
				"Authorization": {all.lend("Bearer " + rootKey)}, "Content-Type": {all.lend(media)},
				"Idempotency-Key": {all.lend(idempotency)}, "X-Request-Id": {all.lend("mine-" + idempotency)},
			},
			ContentLength: int64(len(text)), Body: readCloser{bytes.NewReader(text)},
		}
		header, w := r.Header, httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		for _, values := range header {
			values[0] = "overwritten"
		}
		clear(header)
		for _, b := range append(all, text) {
			copy(b, bytes.Repeat([]byte("#"), len(b)))
		}
		*r.URL, *r = url.URL{}, http.Request{}
		return w
	}
	for i := range 3 {
		event := fmt.Sprintf(`{"event":"lead.submit","data":{"name":"name-%d"}}`, i)
		agent, key := fmt.Sprintf("agent-%d", i), fmt.Sprintf("key-%d", i)
		for _, duplicate := range []bool{false, true} {
			w := publish("/v1/agents/"+agent+"/events", event, "application/json", key)
			if want := fmt.Sprintf(`"duplicate":%v}`, duplicate); w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%d %s, want %s", w.Code, w.Body, want)
			}
			line := `{"agent_id":"` + agent + `",` + event[1:]
			w = publish("/v1/events", line+"\n"+line, "application/x-ndjson", key)
			if want := fmt.Sprintf(`"duplicate":%v}`, duplicate); w.Code != http.StatusOK || strings.Count(w.Body.String(), want) != 2 {
				t.Errorf("%d %s, want %s twice", w.Code, w.Body, want)
			}
		}
	}
	for i := range 3 {
		if a := s.call(t, fmt.Sprintf("GET /v1/agents/agent-%d", i), ""); !a.has(t, fmt.Sprintf(`{"id":"agent-%d","name":"agent-%[1]d"}`, i)) {
			t.Errorf("%d %s", a.status, a.text)
		}
		a := s.call(t, fmt.Sprintf("GET /v1/agents/agent-%d/events", i), "")
		if n := strings.Count(a.text, `"type":"lead.submit"`) + strings.Count(a.text, `"event":"lead.submit"`); n != 3 || strings.Contains(a.text, "#") {
			t.Errorf("%d events in %s", n, a.text)
		}
	}
	if strings.Contains(s.log.String(), "#") {
		t.Error("the log has what was overwritten")
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
