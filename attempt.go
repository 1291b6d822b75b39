package waybell

import (
	"log/slog"
	"time"

	"github.com/waybell/waybell/internal/record"
)

// Attempt is one HTTP request made for a delivery, as it is stored: a row is
// inserted once and never changed.
type Attempt struct {
	DeliveryRef
	Agent      AgentNumber
	Number     int // from 1, goes on over re-sends
	StartedAt  time.Time
	Duration   time.Duration
	StatusCode int // 0 without an answer
	Reason     Reason
	// Detail is the encoded [AttemptDetail]: stores keep it as it is.
	Detail []byte
}

// AttemptDetail is what the log tells of an attempt beyond the columns.
type AttemptDetail = record.Detail

// Timing is how long the parts of an attempt took.
type Timing = record.Timing

// detail is the encoded detail of an attempt that was made.
func (m *sent) detail() []byte {
	e := m.e
	return record.Encode(&record.Attempt{
		Method: e.Method, URL: e.URL, Header: m.header, Format: e.format, IncludeMessages: e.IncludeMessages,
		BodySum: m.body.sum, Result: m.result, Hidden: e.hidden,
	})
}

// levelOf is the level of an attempt's log line. Delivered ones are Debug: at
// the rates a node reaches they would drown everything else, and the delivery
// log has them. What is tried again is Info; what ends a delivery for good is
// Warn.
func levelOf(state DeliveryState) slog.Level {
	switch state {
	case DeliveryDelivered:
		return slog.LevelDebug
	case DeliveryFailed:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// attemptAttrs is the content of an attempt's log line. Of the URL it names the
// host alone: paths and queries of webhooks carry tokens.
func attemptAttrs(m *sent, o *outcome) []slog.Attr {
	w, e, a := m.w, m.e, o.Attempt
	attrs := append(make([]slog.Attr, 0, 16),
		slog.String("delivery", w.DeliveryRef.ID()),
		slog.String("event", w.Type),
		slog.String("event_id", m.p.ID),
		slog.String("agent", e.AgentID),
		slog.String("endpoint", e.ID),
		slog.String("host", e.target.Host()),
		slog.Int("attempt", a.Number),
		slog.String("reason", a.Reason.String()),
		slog.Float64("duration_ms", float64(a.Duration.Microseconds())/1000),
		slog.String("state", o.State.String()),
	)
	if a.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", a.StatusCode))
	}
	if o.Reason != a.Reason {
		attrs = append(attrs, slog.String("delivery_reason", o.Reason.String()))
	}
	if !o.NextAt.IsZero() {
		attrs = append(attrs, slog.Time("next_at", o.NextAt))
	}
	if w.Test {
		attrs = append(attrs, slog.Bool("test", true))
	}
	return attrs
}
