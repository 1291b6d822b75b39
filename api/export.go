package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/waybell/waybell"
)

// exportPage is how many deliveries are read at once.
const exportPage = 250

type exportParams struct {
	AgentParams
	LogParams
	Attempts bool `query:"attempts" doc:"Add attempt_log to each delivery: every attempt with what was sent and answered."`
}

// streamed is an answer that is written while it is made. Its body must be
// written through [Server.stream].
type streamed struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Buffering          string `header:"X-Accel-Buffering"` // "no" tells proxies to pass each write on
	Body               func(huma.Context)
}

func (s *Server) registerExport() {
	rt := route{
		id: "export-deliveries", method: http.MethodGet, path: "/v1/agents/{agent_id}/deliveries/export", tag: tagDeliveries,
		summary: "Download deliveries",
		description: "All that the list with these filters shows, newest first, one JSON object per line. " +
			"An error in the middle breaks the connection off: a download that ended in order is complete.",
		scope: waybell.ScopeDeliveriesRead,
	}
	add(s, rt, s.exportDeliveries)
	s.documentStreamed(rt, mediaNDJSON, "One delivery per line, as in the list; with attempts=true as when one is shown.")
}

// documentStreamed describes the body of a streamed answer.
func (s *Server) documentStreamed(rt route, media, description string) {
	response := s.operationOf(rt).Responses["200"]
	response.Description = "OK"
	response.Headers = nil
	response.Content = map[string]*huma.MediaType{media: {
		Schema: &huma.Schema{Type: huma.TypeString, Description: description},
	}}
}

// exportDeliveries reads the first page before anything is answered, so that
// what can be wrong with the request is a problem like everywhere.
func (s *Server) exportDeliveries(ctx context.Context, p *exportParams, _ *none) (*streamed, error) {
	f, again := p.filter(), callOf(ctx).again
	f.Limit = exportPage
	page, err := s.svc.Deliveries(ctx, p.AgentID, f)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("deliveries-%s-%s.ndjson", strings.ReplaceAll(p.AgentID, ":", "_"), time.Now().UTC().Format(time.DateOnly))
	return &streamed{
		ContentType: mediaNDJSON, ContentDisposition: `attachment; filename="` + name + `"`,
		Body: s.stream(func(ctx context.Context, w *patientWriter) error {
			out := bufio.NewWriterSize(w, patientPiece)
			for {
				if err := s.exportRows(ctx, out, p, page.Data, again); err != nil {
					return err
				}
				if page.Next == "" {
					return out.Flush()
				}
				f.Cursor = page.Next
				if page, err = s.svc.Deliveries(ctx, p.AgentID, f); err != nil {
					return err
				}
			}
		}),
	}, nil
}

// exportRows writes the deliveries of a page. Attempts are read one delivery
// at a time: they hold bodies. allowed tells whether the caller still is.
func (s *Server) exportRows(ctx context.Context, w *bufio.Writer, p *exportParams, rows []waybell.DeliveryView, allowed func() error) error {
	for _, row := range rows {
		// A client that reads slowly may take hours: its key must work as long.
		if err := allowed(); err != nil {
			return err
		}
		if !p.Attempts {
			if err := writeJSON(w, viewDelivery(row)); err != nil {
				return err
			}
			continue
		}
		d, err := s.svc.Delivery(ctx, p.AgentID, row.ID())
		if waybell.ErrorCode(err) == waybell.CodeDeliveryNotFound {
			continue // retention was faster
		}
		if err == nil {
			err = writeJSON(w, viewDeliveryDetail(d))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stream makes the body of a streamed answer: no limit on the time of all of
// it, but one on each write. An error of ours aborts the connection, so that
// half an answer does not look whole.
func (s *Server) stream(write func(context.Context, *patientWriter) error) func(huma.Context) {
	return func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		out := &patientWriter{w: w, control: http.NewResponseController(w)}
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			out.err = http.ErrBodyNotAllowed // it ends at its first write
		}
		if err := write(r.Context(), out); err != nil && r.Method != http.MethodHead {
			if out.err == nil && r.Context().Err() == nil { // else it is the client that is gone
				s.report(w, r, err)
			}
			panic(http.ErrAbortHandler)
		}
	}
}

const (
	patientPiece = 64 << 10         // bytes of one write
	patience     = 10 * time.Second // how long the client may take for a piece
)

// patientWriter writes in pieces, each with a deadline of its own in place of
// the server's for the whole answer: a client that stands still is dropped.
type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	ended   <-chan struct{} // nil, or closed when nothing more is to be written
	err     error           // of the connection
}

// Write fails for good with its first error.
func (p *patientWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if err := p.extend(); err != nil {
			return n, err
		}
		m, err := p.w.Write(b[:min(len(b), patientPiece)])
		n += m
		if err != nil {
			p.err = err
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// Flush sends what was written.
func (p *patientWriter) Flush() error {
	if err := p.extend(); err != nil {
		return err
	}
	p.err = p.control.Flush()
	return p.err
}

// extend gives the next piece its time. Who ends the writing sets a deadline of
// now after closing ended; looking after ours is set misses neither.
func (p *patientWriter) extend() error {
	if p.err == nil {
		p.err = p.control.SetWriteDeadline(time.Now().Add(patience))
	}
	select {
	case <-p.ended:
		p.err = context.Canceled
	default:
	}
	return p.err
}
