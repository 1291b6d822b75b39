package waybell

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/egress"
)

func TestAttemptLogLine(t *testing.T) {
	t.Parallel()
	client, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := client.ParseTarget("https://hooks.example.com/tenants/path-canary/in?token=query-canary")
	if err != nil {
		t.Fatal(err)
	}
	e := &endpointEntry{Endpoint: &Endpoint{Number: 7, ID: "ep_01", AgentID: "bot-1"}, target: target}
	next := time.Date(2026, 4, 26, 8, 30, 19, 0, time.UTC)
	ref := DeliveryRef{1 << 60, 7}
	for _, test := range []struct {
		name string
		work *work
		out  Settlement
		want string
	}{
		{"retry", &work{Waiting: Waiting{DeliveryRef: ref, Type: "lead.submit"}},
			Settlement{Kind: SettleRetry, State: DeliveryRetrying, Reason: ReasonHTTPStatus, NextAt: next,
				Attempt: &Attempt{Number: 2, StatusCode: 503, Reason: ReasonHTTPStatus, Duration: 41200 * time.Microsecond}},
			`delivery=` + ref.ID() + ` event=lead.submit event_id=own-1 agent=bot-1 endpoint=ep_01 host=hooks.example.com attempt=2 reason=http_status duration_ms=41.2 state=retrying status=503 next_at=2026-04-26T08:30:19.000Z`},
		{"expired", &work{Waiting: Waiting{DeliveryRef: ref, Type: "lead.submit"}},
			Settlement{State: DeliveryFailed, Reason: ReasonExpired, Attempt: &Attempt{Number: 12, Reason: ReasonTimeout, Duration: 30 * time.Second}},
			`delivery=` + ref.ID() + ` event=lead.submit event_id=own-1 agent=bot-1 endpoint=ep_01 host=hooks.example.com attempt=12 reason=timeout duration_ms=30000 state=failed delivery_reason=expired`},
		{"test", &work{Waiting: Waiting{DeliveryRef: ref, Type: "lead.submit", Test: true}},
			Settlement{State: DeliveryDelivered, Reason: ReasonDelivered, Attempt: &Attempt{Number: 1, StatusCode: 200, Reason: ReasonDelivered}},
			`delivery=` + ref.ID() + ` event=lead.submit event_id=own-1 agent=bot-1 endpoint=ep_01 host=hooks.example.com attempt=1 reason=delivered duration_ms=0 state=delivered status=200 test=true`},
	} {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
				return slog.Attr{}
			}
			return a
		}}))
		logger.LogAttrs(t.Context(), slog.LevelInfo, "attempt", attemptAttrs(&sent{w: test.work, e: e, p: newPayload(Event{ID: "own-1"})}, &outcome{Settlement: test.out})...)
		if got := strings.TrimSpace(out.String()); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestAttemptLogLevel(t *testing.T) {
	t.Parallel()
	for state, want := range map[DeliveryState]slog.Level{
		DeliveryDelivered: slog.LevelDebug, DeliveryRetrying: slog.LevelInfo, DeliveryFailed: slog.LevelWarn,
	} {
		if got := levelOf(state); got != want {
			t.Errorf("%s is logged as %v, want %v", state, got, want)
		}
	}
}
