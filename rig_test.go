package waybell_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/receivertest"
	"github.com/waybell/waybell/sqlite"
)

// rig is a service on a real SQLite file with a scripted receiver behind
// in-memory pipes: what it needs runs in a synctest bubble as well.
type rig struct {
	t        *testing.T
	ctx      context.Context
	dir      string
	store    *sqlite.Store
	svc      *waybell.Service
	receiver *receivertest.Receiver
	change   []func(*waybell.Config)

	mu       sync.Mutex
	attempts []waybell.AttemptReport
	log      strings.Builder
}

// public resolves every name to one public address; the rig's Dial leads it to
// the receiver.
type public struct{}

func (public) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
}

const testKey = waybell.Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")

func newRig(t *testing.T, script receivertest.Script, change ...func(*waybell.Config)) *rig {
	t.Helper()
	r := &rig{t: t, ctx: t.Context(), dir: t.TempDir(), change: change}
	r.receiver = receivertest.Start(t, receivertest.Options{Pipe: true, Script: script})
	r.start()
	t.Cleanup(func() {
		r.stop()
		r.receiver.Close()
	})
	return r
}

// Write takes the service's log.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *rig) start() {
	r.t.Helper()
	var err error
	r.store, err = sqlite.Open(r.ctx, sqlite.Config{Dir: r.dir})
	if err != nil {
		r.t.Fatal(err)
	}
	cfg := waybell.Config{
		Store: r.store, EncryptionKeys: []waybell.Secret{testKey}, Node: "test",
		Resolver: public{}, Dial: r.receiver.DialContext,
		Logger: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnAttempt: func(a waybell.AttemptReport) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.attempts = append(r.attempts, a)
		},
	}
	for _, f := range r.change {
		f(&cfg)
	}
	if r.svc, err = waybell.New(cfg); err != nil {
		r.t.Fatal(err)
	}
	if err := r.svc.Start(r.ctx); err != nil {
		r.t.Fatal(err)
	}
}

// stop ends the service and its store in order; it may be called twice.
func (r *rig) stop() { r.t.Helper(); r.stopWithin(30 * time.Second) }

func (r *rig) stopWithin(grace time.Duration) {
	r.t.Helper()
	if r.svc == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), grace)
	defer cancel()
	if err := r.svc.Stop(ctx); err != nil {
		r.t.Error(err)
	}
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
	r.svc = nil
}

// agent makes the rig's agent.
func (r *rig) agent(profile string) {
	r.t.Helper()
	_, err := r.svc.CreateAgent(r.ctx, waybell.AgentInput{
		ID: "bot", Name: waybell.Some("Support bot"), Profile: waybell.Some(profile),
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// endpoint subscribes https-less "http://hooks.example.com/<path>" to all types.
func (r *rig) endpoint(path string, change ...func(*waybell.EndpointInput)) waybell.Endpoint {
	r.t.Helper()
	in := waybell.EndpointInput{
		URL:    waybell.Some("http://hooks.example.com/" + path),
		Events: waybell.Some([]string{"*"}),
	}
	for _, f := range change {
		f(&in)
	}
	res, err := r.svc.CreateEndpoint(r.ctx, "bot", in)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.Endpoint
}

// publish publishes a message and returns the event's id.
func (r *rig) publish(n int) string {
	r.t.Helper()
	res, err := r.svc.Publish(r.ctx, "bot", waybell.PublishInput{
		Type: "message.received", Data: fmt.Appendf(nil, `{"text":"message %d","n":%d}`, n, n),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return res.ID
}

// deliveries lists all deliveries of the agent, oldest first.
func (r *rig) deliveries() []waybell.DeliveryView {
	r.t.Helper()
	var all []waybell.DeliveryView
	for cursor := ""; ; {
		page, err := r.svc.Deliveries(r.ctx, "bot", waybell.LogFilter{Limit: 250, Cursor: cursor})
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, page.Data...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// only returns the one delivery there is, with its attempts.
func (r *rig) only() waybell.DeliveryView {
	r.t.Helper()
	all := r.deliveries()
	if len(all) != 1 {
		r.t.Fatalf("%d deliveries, want 1", len(all))
	}
	d, err := r.svc.Delivery(r.ctx, "bot", all[0].ID())
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r *rig) ledger() waybell.Ledger {
	r.t.Helper()
	l, err := r.svc.Ledger(r.ctx, "bot", "")
	if err != nil {
		r.t.Fatal(err)
	}
	if sum := l.Pending + l.Retrying + l.Delivered + l.Failed + l.Held + l.Canceled; sum != l.Accepted {
		r.t.Errorf("the ledger does not add up: %+v", l)
	}
	return l
}
