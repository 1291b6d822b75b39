package waybell_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
	"github.com/waybell/waybell/sqlite"
)

// benchService is a service with the agent bot, and a receiver on loopback.
func benchService(b *testing.B) (*waybell.Service, *receivertest.Receiver) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), sqlite.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	r := receivertest.Start(b, receivertest.Options{CountOnly: true})
	svc, err := waybell.New(waybell.Config{
		Store: store, EncryptionKeys: []waybell.Secret{testKey}, AllowTargets: []string{"127.0.0.0/8"},
		Logger: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err == nil {
		err = svc.Start(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(svc.Stop(context.Background()), store.Close()); err != nil {
			b.Error(err)
		}
	})
	if _, err := svc.CreateAgent(b.Context(), waybell.AgentInput{ID: "bot", Name: waybell.Some("Bot")}); err != nil {
		b.Fatal(err)
	}
	return svc, r
}

// BenchmarkPublishToDelivered publishes in this process and waits until a
// receiver on loopback has everything: the whole engine, without HTTP in front.
func BenchmarkPublishToDelivered(b *testing.B) {
	for _, listened := range []bool{false, true} {
		b.Run(fmt.Sprintf("listened=%v", listened), func(b *testing.B) { publishToDelivered(b, listened) })
	}
}

// publishToDelivered has somebody watch, or nobody.
func publishToDelivered(b *testing.B, listened bool) {
	svc, r := benchService(b)
	if listened {
		s, err := svc.Listen(b.Context(), waybell.StreamQuery{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
	}
	_, err := svc.CreateEndpoint(b.Context(), "bot", waybell.EndpointInput{
		URL: waybell.Some(r.URL("/hooks")), Events: waybell.Some([]string{"*"}), GenerateSecret: waybell.SecretSymmetric,
	})
	if err != nil {
		b.Fatal(err)
	}
	text := make([]byte, 800)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	data := append(append([]byte(`{"text":"`), text...), `"}`...)
	var failed atomic.Int64
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := svc.Publish(b.Context(), "bot", waybell.PublishInput{Type: "message.received", Data: data}); err != nil {
				failed.Add(1)
			}
		}
	})
	if err := r.Wait(b.Context(), b.N); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if failed.Load() > 0 {
		b.Errorf("%d publishes failed", failed.Load())
	}
}
