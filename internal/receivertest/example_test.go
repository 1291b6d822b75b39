package receivertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/receivertest"
)

// How a test uses the receiver: one that is busy once, then well.
func TestUse(t *testing.T) {
	t.Parallel()
	rcv := receivertest.Start(t, receivertest.Options{})
	rcv.Handle("/hooks", receivertest.Sequence(
		receivertest.RetryAfter(503, 2*time.Second),
		receivertest.Answer(200, "thanks", receivertest.Header("X-Served-By", "a")),
	))

	transport := &http.Transport{DialContext: rcv.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	for _, want := range []int{503, 200} {
		res, err := client.Post(rcv.URL("/hooks"), "application/json", strings.NewReader(`{"event":"lead.submit"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("status %d, want %d", res.StatusCode, want)
		}
	}

	if err := rcv.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if body := string(rcv.Requests()[1].Body); body != `{"event":"lead.submit"}` {
		t.Errorf("body %s", body)
	}
}
