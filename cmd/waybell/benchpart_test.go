package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybell/waybell/internal/bench"
)

// askPart runs the command on a folder and gives it requests.
func askPart(t *testing.T, dir string, requests ...bench.PartRequest) []bench.PartAnswer {
	t.Helper()
	var in, out bytes.Buffer
	for _, r := range requests {
		if err := json.NewEncoder(&in).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	cmd := newRootCommand()
	cmd.SetArgs([]string{bench.PartCommand, "--data-dir", dir, "--allow-targets", "127.0.0.0/8", "--log-level", "error"})
	cmd.SetIn(&in)
	cmd.SetOut(&out)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers := make([]bench.PartAnswer, len(requests))
	d := json.NewDecoder(&out)
	for i := range answers {
		if err := d.Decode(&answers[i]); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	return answers
}

// TestBenchPart: the program that bench measures embeds the package, and claims
// and releases what waits.
func TestBenchPart(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer refusing.Close()
	dir := t.TempDir()
	got := askPart(t, dir,
		bench.PartRequest{Do: bench.PartPublish},
		bench.PartRequest{Do: bench.PartPrepare, URL: refusing.URL},
		bench.PartRequest{Do: bench.PartPublish, Seconds: 0.1, Workers: 8, Event: "message.received", Data: []byte(`{"text":"hello"}`)},
		bench.PartRequest{Do: bench.PartCommits},
		bench.PartRequest{Do: "sleep"})
	if !strings.Contains(got[0].Error, "before prepare") || !strings.Contains(got[4].Error, "sleep") {
		t.Errorf("errors: %q, %q", got[0].Error, got[4].Error)
	}
	if got[1].Error+got[2].Error+got[3].Error != "" || got[2].N < 8 || int64(got[2].Latency.N) != got[2].N || got[3].N == 0 || got[3].Took <= 0 {
		t.Errorf("%+v", got)
	}
	const rows = 4 // fewer than wait: each worker published at least once
	for range 2 {  // what was claimed waits again
		if got := askPart(t, dir, bench.PartRequest{Do: bench.PartClaim, Rounds: 3, Max: rows})[0]; got.Error != "" || got.N != 3*rows || got.Latency.N != 3 {
			t.Errorf("%+v", got)
		}
	}
}
