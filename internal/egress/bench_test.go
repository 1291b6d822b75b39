package egress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkDo and BenchmarkTransport post 1 KiB to the same kind of receiver
// over one kept-alive connection; the difference is what this package adds. The
// CPU is that of the whole process, the receiver included.
func BenchmarkDo(b *testing.B) {
	for name, netHTTP := range map[string]bool{"lean": false, "net_http": true} {
		b.Run(name, func(b *testing.B) { benchmarkDo(b, netHTTP) })
	}
}

func benchmarkDo(b *testing.B, netHTTP bool) {
	server := benchReceiver(b)
	c, err := New(Config{Allow: []string{"127.0.0.0/8"}, NetHTTP: netHTTP})
	if err != nil {
		b.Fatal(err)
	}
	defer c.CloseIdle()
	target := mustParse(b, c, server.URL+"/hook")
	body := bytes.Repeat([]byte("x"), kib)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	reportCPU(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			result := c.Do(ctx, &Request{Target: target, Header: benchHeader(), Body: body})
			if result.Status != http.StatusNoContent {
				b.Errorf("%+v", result)
				return
			}
		}
	})
}

func BenchmarkTransport(b *testing.B) {
	server := benchReceiver(b)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}
	defer transport.CloseIdleConnections()
	body := bytes.Repeat([]byte("x"), kib)
	b.ReportAllocs()
	reportCPU(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/hook", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header = benchHeader().Map()
			resp, err := transport.RoundTrip(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}

func BenchmarkParseTarget(b *testing.B) {
	c, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ParseTarget("https://example.com/hooks?x=1"); err != nil {
			b.Fatal(err)
		}
	}
}

func benchReceiver(b *testing.B) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(server.Close)
	return server
}

// benchHeader has as many fields as a signed delivery.
func benchHeader() Header {
	return Header{{"Content-Type", "application/json"}, {"User-Agent", "Waybell/test"},
		{"X-Waybell-Event", "lead.submit"}, {"X-Waybell-Agent", "agent_42"}, {"X-Waybell-Delivery", "dlv_0crw6n2v4k8pq"},
		{"X-Waybell-Attempt", "1"}, {"Webhook-Id", "evt_0crw6n2v4k8pq"}, {"Webhook-Timestamp", "1777192214"},
		{"Webhook-Signature", "v1,zQY5ZFx0qX4fP0vM3E5qk8Yw3xgF2kzv9mK3b1aJt5I="}}
}
