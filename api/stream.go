package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/waybell/waybell"
)

const mediaEventStream = "text/event-stream"

const (
	streamComment = 15 * time.Second // between two comments that keep the connection
	streamRecheck = 5 * time.Second  // how soon a revoked key ends a stream
	// streamPace is the least time between two writes: what comes meanwhile goes
	// out together, so that a busy stream costs 20 writes a second, not thousands.
	streamPace = 50 * time.Millisecond
	// streamGrace is how long a write may take when the server ends.
	streamGrace = 500 * time.Millisecond
	// streamBuffer is how much memory for writing a stream keeps.
	streamBuffer = 256 << 10
	// streamRetry is how long a client should wait before it comes back.
	streamRetry = 2 * time.Second
)

// ResumeParams are what every stream takes.
type ResumeParams struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"The id of the last event had: what came since is sent first, if it is still there."`
}

type streamParams struct {
	ResumeParams
}

type agentStreamParams struct {
	AgentParams
	ResumeParams
	EndpointID string `query:"endpoint_id" maxLength:"64" doc:"Only this endpoint."`
}

// streamRow is the data of an event delivery: the row of the list, and what
// just happened.
type streamRow struct {
	DeliveryView
	AgentID string         `json:"agent_id"`
	Attempt *streamAttempt `json:"attempt"`
}

type streamAttempt struct {
	Number     int     `json:"number"`
	StartedAt  string  `json:"started_at"`
	DurationMS float64 `json:"duration_ms"`
	StatusCode *int    `json:"status_code"`
	Reason     string  `json:"reason"`
}

const streamDescription = "Server-sent events, as they happen on this server:\n\n" +
	"- `hello` `{resumed}` comes first. With `false`, read the lists anew; read after `hello` they miss nothing.\n" +
	"- `delivery`: the row of the list with `agent_id` and `attempt` (`{number, started_at, duration_ms, status_code, reason}`, or null), " +
	"when a delivery was accepted, after each attempt, when it was canceled or sent again.\n" +
	"- `endpoint` `{agent_id, endpoint_id}`: it was created, changed or deleted, or many of its deliveries were at once.\n" +
	"- `lagging` `{dropped}`: so many events were left out because the client was too slow; read the lists anew.\n\n" +
	"Comments keep the connection. The stream ends within 5 seconds after its key was revoked, and when the server stops: " +
	"connect again, with the last `id` as `Last-Event-ID`."

func (s *Server) registerStreams() {
	codes := []waybell.Code{waybell.CodeBusy, waybell.CodeDraining}
	one := route{
		id: "stream-agent", method: http.MethodGet, path: "/v1/agents/{agent_id}/stream", tag: tagDeliveries,
		summary: "Watch an agent's deliveries", description: streamDescription, scope: waybell.ScopeDeliveriesRead, codes: codes,
	}
	all := route{
		id: "stream", method: http.MethodGet, path: "/v1/stream", tag: tagDeliveries,
		summary: "Watch all agents' deliveries", description: streamDescription, scope: waybell.ScopeAdmin, codes: codes,
	}
	add(s, one, func(ctx context.Context, p *agentStreamParams, _ *none) (*streamed, error) {
		return s.openStream(ctx, waybell.StreamQuery{AgentID: p.AgentID, EndpointID: p.EndpointID, After: p.LastEventID})
	})
	add(s, all, func(ctx context.Context, p *streamParams, _ *none) (*streamed, error) {
		return s.openStream(ctx, waybell.StreamQuery{After: p.LastEventID})
	})
	s.documentStreamed(one, mediaEventStream, "See above.")
	s.documentStreamed(all, mediaEventStream, "See above.")
}

// openStream listens before anything is answered, so that a refusal is a
// problem like everywhere.
func (s *Server) openStream(ctx context.Context, q waybell.StreamQuery) (*streamed, error) {
	source, err := s.svc.Listen(ctx, q)
	if err != nil {
		return nil, err
	}
	again := callOf(ctx).again
	watch := &watch{source: source, allowed: func() error {
		if err := again(); err != nil {
			return err
		}
		return source.Err()
	}}
	return &streamed{ContentType: mediaEventStream, Buffering: "no", Body: s.stream(watch.run)}, nil
}

// watch is one open stream.
type watch struct {
	source  *waybell.Stream
	allowed func() error // the key still works
	out     *patientWriter
	buf     bytes.Buffer
	events  []waybell.PositionedEvent
}

// run writes until the client, the key or the server is gone, all of which are
// the end of a stream and no errors.
func (t *watch) run(ctx context.Context, w *patientWriter) error {
	defer t.source.Close()
	t.out = w
	w.ended = t.source.Done()
	defer t.guard(ctx)()
	t.buf.WriteString("retry: " + strconv.FormatInt(streamRetry.Milliseconds(), 10) + "\n")
	t.event(t.source.Start(), "hello", map[string]bool{"resumed": t.source.Resumed()})
	if t.send() != nil {
		return nil
	}
	t.loop(ctx)
	select {
	case <-t.source.Done(): // the end of the answer is written after us
		w.control.SetWriteDeadline(time.Now().Add(streamGrace)) //nolint:errcheck // then it has the last write's
	default:
	}
	return nil
}

// guard cuts off a write that a client does not take when the server ends. It
// returns what ends the guarding.
func (t *watch) guard(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var guarding sync.WaitGroup
	guarding.Go(func() {
		select {
		case <-t.source.Done():
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(streamGrace):
			t.out.control.SetWriteDeadline(time.Now()) //nolint:errcheck // then the write ends by its own deadline
		case <-ctx.Done():
		}
	})
	return func() { cancel(); guarding.Wait() }
}

func (t *watch) loop(ctx context.Context) {
	comment, recheck := time.NewTicker(streamComment), time.NewTicker(streamRecheck)
	defer comment.Stop()
	defer recheck.Stop()
	pace := time.NewTimer(streamPace)
	defer pace.Stop()
	ready := (<-chan struct{})(nil) // while the pace holds it back
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.source.Done():
			return
		case <-recheck.C:
			if t.allowed() != nil {
				return
			}
			continue
		case <-pace.C:
			ready = t.source.Ready()
			continue
		case <-comment.C:
			t.buf.WriteString(": still here\n\n")
		case <-ready:
			t.take()
			ready = nil
			pace.Reset(streamPace)
		}
		if t.send() != nil {
			return
		}
	}
}

// take puts what happened into the buffer.
func (t *watch) take() {
	var dropped int
	t.events, dropped = t.source.Take(t.events[:0])
	if dropped > 0 {
		t.event("", "lagging", map[string]int{"dropped": dropped})
	}
	for _, e := range t.events {
		if e.Delivery == nil {
			t.event(e.Position, "endpoint", map[string]string{"agent_id": e.AgentID, "endpoint_id": e.EndpointID})
			continue
		}
		row := streamRow{DeliveryView: viewDelivery(*e.Delivery), AgentID: e.AgentID}
		if a := e.Attempt; a != nil {
			row.Attempt = &streamAttempt{
				Number: a.Number, StartedAt: rfc3339(a.StartedAt), DurationMS: milliseconds(a.Duration),
				StatusCode: orNull(a.StatusCode), Reason: a.Reason.String(),
			}
		}
		t.event(e.Position, "delivery", row)
	}
	clear(t.events)
}

// event appends one event (HTML Standard, section 9.2.5). JSON has no line
// breaks in it.
func (t *watch) event(id, name string, data any) {
	if id != "" {
		t.buf.WriteString("id: " + id + "\n")
	}
	t.buf.WriteString("event: " + name + "\ndata: ")
	e := json.NewEncoder(&t.buf)
	e.SetEscapeHTML(false)
	e.Encode(data) //nolint:errcheck // these types always encode, into memory
	t.buf.WriteByte('\n')
}

// send writes the buffer out.
func (t *watch) send() error {
	_, err := t.out.Write(t.buf.Bytes())
	if err == nil {
		err = t.out.Flush()
	}
	if t.buf.Reset(); t.buf.Cap() > streamBuffer {
		t.buf = bytes.Buffer{}
	}
	return err
}
