package waybell_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/signature"
	"github.com/waybell/waybell/sqlite"
)

// openService opens a store in a temporary folder and starts a service on it.
func openService(ctx context.Context, change ...func(*waybell.Config)) (*waybell.Service, func()) {
	dir, err := os.MkdirTemp("", "waybell-example-")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	cfg := waybell.Config{
		Store:          store,
		EncryptionKeys: []waybell.Secret{waybell.Secret(base64.StdEncoding.EncodeToString(make([]byte, 32)))},
		AllowTargets:   []string{"127.0.0.0/8"}, // the example's receiver; nothing else is reached
		Logger:         slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	svc, err := waybell.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	if err := svc.Start(ctx); err != nil {
		log.Fatal(err)
	}
	return svc, func() {
		if err := svc.Stop(ctx); err != nil {
			log.Print(err)
		}
		if err := store.Close(); err != nil {
			log.Print(err)
		}
		os.RemoveAll(dir)
	}
}

// Embed the engine: subscribe a URL, publish an event, receive it.
func Example() {
	ctx := context.Background()
	received := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.Header.Get("X-Waybell-Event") + " for " + r.Header.Get("X-Waybell-Agent")
	}))
	defer receiver.Close()

	svc, stop := openService(ctx)
	defer stop()
	if _, err := svc.CreateAgent(ctx, waybell.AgentInput{ID: "support-bot", Name: waybell.Some("Support bot")}); err != nil {
		log.Fatal(err)
	}
	_, err := svc.CreateEndpoint(ctx, "support-bot", waybell.EndpointInput{
		URL: waybell.Some(receiver.URL), Events: waybell.Some([]string{"lead.submit"}), GenerateSecret: waybell.SecretSymmetric,
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := svc.Publish(ctx, "support-bot", waybell.PublishInput{
		Type: "lead.submit", Data: []byte(`{"name":"Sarah","email":"sarah@example.com"}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Deliveries, "delivery")
	fmt.Println(<-received)
	// Output:
	// 1 delivery
	// lead.submit for support-bot
}

// A receiver verifies what it gets with the same scheme that signed it.
func ExampleService_RotateSecret() {
	ctx := context.Background()
	svc, stop := openService(ctx)
	defer stop()
	if _, err := svc.CreateAgent(ctx, waybell.AgentInput{ID: "bot", Name: waybell.Some("Bot")}); err != nil {
		log.Fatal(err)
	}
	e, err := svc.CreateEndpoint(ctx, "bot", waybell.EndpointInput{
		URL: waybell.Some("https://hooks.example.com/in"), Events: waybell.Some([]string{"*"}),
		GenerateSecret: waybell.SecretSymmetric,
	})
	if err != nil {
		log.Fatal(err)
	}
	rotated, err := svc.RotateSecret(ctx, "bot", e.Endpoint.ID, waybell.RotateInput{})
	if err != nil {
		log.Fatal(err)
	}
	secret, err := signature.ParseSecret(rotated.Secret.Reveal())
	if err != nil {
		log.Fatal(err)
	}
	_, err = signature.NewVerifier(signature.Standard(), secret)
	fmt.Println(err, rotated.Secret != e.Secret)
	fmt.Println(rotated.Secret) // a secret shows itself to nobody
	// Output:
	// <nil> true
	// ••••
}

// A format of one's own is data: no code knows it by name.
func ExampleConfig_formats() {
	ctx := context.Background()
	bodies := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 200)
		n, _ := r.Body.Read(b)
		bodies <- string(b[:n])
	}))
	defer receiver.Close()
	svc, stop := openService(ctx, func(c *waybell.Config) {
		c.Formats = format.Config{
			Formats: []format.Format{{
				Name: "acme",
				Body: []format.Key{
					{Key: "kind", Value: format.ValueEventType},
					{Key: "source", Const: []byte(`"acme"`)},
					{Key: "payload", Value: format.ValueData},
				},
				StandardHeadersOptional: true,
			}},
			Profiles: []format.Profile{{Name: "acme", Format: "acme", RetryPolicy: "standard"}},
		}
	})
	defer stop()
	if _, err := svc.CreateAgent(ctx, waybell.AgentInput{ID: "bot", Name: waybell.Some("Bot"), Profile: waybell.Some("acme")}); err != nil {
		log.Fatal(err)
	}
	if _, err := svc.CreateEndpoint(ctx, "bot", waybell.EndpointInput{
		URL: waybell.Some(receiver.URL), Events: waybell.Some([]string{"*"}),
	}); err != nil {
		log.Fatal(err)
	}
	if _, err := svc.Publish(ctx, "bot", waybell.PublishInput{
		Type: "message.received", Data: []byte(`{"text":"hi"}`), Timestamp: time.Unix(0, 0),
	}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-bodies)
	// Output:
	// {"kind":"message.received","source":"acme","payload":{"text":"hi"}}
}
