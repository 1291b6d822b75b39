package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// untilText calls end when it has been given a text.
type untilText struct {
	bytes.Buffer
	text string
	end  func()
}

func (u *untilText) Write(p []byte) (int, error) {
	n, err := u.Buffer.Write(p)
	if u.text != "" && strings.Contains(u.String(), u.text) {
		u.end()
	}
	return n, err
}

// tailOf runs the command against a server, until it has printed a text.
func tailOf(t *testing.T, form, until string, handler func(n int, w http.ResponseWriter, r *http.Request)) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		handler(n, w, r)
	}))
	defer server.Close()
	base, parseErr := url.Parse(server.URL)
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	cmd := &cobra.Command{}
	out := untilText{text: until, end: cancel}
	var errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	c := newClient(base, "key", 5*time.Second)
	f := &tail{cmd: cmd, out: &output{form: form}, client: c, call: call{method: http.MethodGet, path: []string{"v1", "agents", "a1", "stream"}, header: http.Header{}}}
	err = f.run(ctx)
	return out.String(), errs.String(), err
}

const tailRow = `{"id":"dlv_1","event":"lead.submit","state":"retrying","reason":"http_status","attempts":2,"created_at":"2026-04-26T08:30:14.000Z",` +
	`"attempt":{"number":2,"started_at":"2026-04-26T08:31:00.000Z","duration_ms":41.25,"status_code":503,"reason":"http_status"}}`

// A connection that ends is opened again after the last event had.
func TestTail(t *testing.T) {
	t.Parallel()
	var after []string
	handler := func(n int, w http.ResponseWriter, r *http.Request) {
		after = append(after, r.Header.Get("Last-Event-ID"))
		switch n {
		case 1:
			fmt.Fprint(w, "retry: 2000\nid: b.1\nevent: hello\ndata: {\"resumed\":false}\n\n: still here\n\n")
			fmt.Fprintf(w, "id: b.2\nevent: delivery\ndata: %s\n\nevent: lagging\ndata: {\"dropped\":7}\n\n", tailRow)
		case 2: // on the way to a restart
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, "id: c.5\nevent: hello\ndata: {\"resumed\":false}\n\nid: c.6\nevent: endpoint\ndata: {}\n\n")
			fmt.Fprint(w, "id: c.7\nevent: delivery\ndata: {\"id\":\"dlv_2\",\"event\":\"a.b\",\"state\":\"pending\",\"reason\":null,\"created_at\":\"now\\u001b\",\"attempt\":null}\n\n")
		}
	}
	stdout, stderr, err := tailOf(t, "table", "pending", handler)
	want := "2026-04-26T08:31:00.000Z  dlv_1  lead.submit  retrying  attempt 2, 41.2 ms  503  http_status\nnow\ufffd  dlv_2  a.b  pending\n"
	if err != nil || stdout != want {
		t.Errorf("%v, printed %q, want %q", err, stdout, want)
	}
	if want := "Watching; end with Ctrl-C.\n7 lines are left out: too much at once.\nConnected again; what happened meanwhile is not shown.\n"; stderr != want {
		t.Errorf("said %q, want %q", stderr, want)
	}
	if len(after) != 3 || after[0] != "" || after[1] != "b.2" || after[2] != "b.2" {
		t.Errorf("asked to go on after %q", after)
	}
}

func TestTailAsJSON(t *testing.T) {
	t.Parallel()
	stdout, _, err := tailOf(t, "json", "dlv_1", func(_ int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "id: b.1\nevent: hello\ndata: {\"resumed\":false}\n\nid: b.2\nevent: delivery\ndata: %s\n\n", tailRow)
	})
	if err != nil || stdout != tailRow+"\n" {
		t.Errorf("%v %q", err, stdout)
	}
}

// A server that refuses, or that was never there, is an error.
func TestTailRefused(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{404: exitNotFound, 401: exitRefused, 503: exitUnavailable} {
		_, _, err := tailOf(t, "table", "", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if exitCode(err) != want {
			t.Errorf("%d: %v", status, err)
		}
	}
	_, _, err := tailOf(t, "table", "", func(n int, w http.ResponseWriter, _ *http.Request) {
		if n > 1 { // the key was revoked
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "id: b.1\nevent: hello\ndata: {\"resumed\":false}\n\n")
	})
	if e, ok := errors.AsType[*exitError](err); !ok || e.code != exitRefused {
		t.Errorf("after the key was revoked: %v", err)
	}
}
