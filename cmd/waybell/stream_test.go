package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/waybell/waybell/internal/teststore"
)

// A stop ends open streams at once and in order: the listener's graceful end
// does not have to cut them off.
func TestStopWithOpenStreams(t *testing.T) {
	t.Parallel()
	const key = "test-key-0123456789-abcdef"
	c, err := loadTest(t, []string{"--listen", "127.0.0.1:0", "--api-key", key}, teststore.Environ(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := startServer(t.Context(), c, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	var open []io.Reader
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, len("retry: "))); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status, err)
		}
		open = append(open, resp.Body)
	}
	if err := s.stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	for _, body := range open {
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Errorf("a stream was cut off: %v", err)
		}
	}
}
