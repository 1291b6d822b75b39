package api_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/sqlite"
)

// blackHole is a ResponseWriter that keeps nothing.
type blackHole struct{ h http.Header }

func (w *blackHole) Header() http.Header         { return w.h }
func (w *blackHole) WriteHeader(int)             {}
func (w *blackHole) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkPublish compares publishing a 1 KB event through the handler, without
// a network, with publishing it in process: the difference is what HTTP adds.
func BenchmarkPublish(b *testing.B) {
	store, err := sqlite.Open(b.Context(), sqlite.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	log := slog.New(slog.DiscardHandler)
	svc, err := waybell.New(waybell.Config{Store: store, Logger: log, EncryptionKeys: encryptionKeys()})
	if err != nil {
		b.Fatal(err)
	}
	if err := svc.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer svc.Stop(context.Background())
	if _, err := svc.EnsureRootKey(b.Context(), rootKey); err != nil {
		b.Fatal(err)
	}
	if _, err := svc.CreateAgent(b.Context(), waybell.AgentInput{ID: "a1", Name: waybell.Some("Bot")}); err != nil {
		b.Fatal(err)
	}
	handler, err := api.New(svc, api.Config{Metrics: api.NewMetrics("bench")})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"event":"message.sent","data":{"text":"` + strings.Repeat("Hello there. ", 75) + `"}}`)
	b.Run("handler", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r := httptest.NewRequest(http.MethodPost, "/v1/agents/a1/events", bytes.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+rootKey)
				r.Header.Set("Content-Type", "application/json")
				handler.ServeHTTP(&blackHole{http.Header{}}, r)
			}
		})
	})
	b.Run("in process", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := svc.PublishJSON(b.Context(), "a1", body, ""); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	// What the test itself spends on making a request.
	b.Run("request only", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequest(http.MethodPost, "/v1/agents/a1/events", bytes.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+rootKey)
			r.Header.Set("Content-Type", "application/json")
			_ = blackHole{http.Header{}}
		}
	})
}
