package api

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/waybell/waybell"
)

// The media types of request bodies.
const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
	mediaNDJSON     = "application/x-ndjson"
)

// mediaType checks that the body is one of the allowed media types, in UTF-8
// and not compressed, and returns which. Without a Content-Type it is taken
// for the first.
func mediaType(r *http.Request, allowed ...string) (string, error) {
	if enc := field(r, "Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return "", newProblem(codeUnsupportedMediaType, "compressed bodies are not accepted")
	}
	given := field(r, "Content-Type")
	if given == "" || given == allowed[0] {
		return allowed[0], nil
	}
	media, params, err := mime.ParseMediaType(given)
	if err == nil && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")) {
		for _, a := range allowed {
			if media == a {
				return a, nil
			}
		}
	}
	return "", newProblem(codeUnsupportedMediaType,
		"the Content-Type must be "+strings.Join(allowed, " or ")+", in UTF-8")
}

// field is the first header field of a name, which must be given in canonical
// form; "" without one.
func field(r *http.Request, name string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// announcedBytes is how much memory the announcement of a body gets before any
// of it is there. A longer one gets more as it comes: otherwise whoever may send
// a megabyte holds one with each connection for the price of its headers.
const announcedBytes = 32 << 10

// readBody reads a body of at most limit bytes into buf. A longer one is
// refused before more than limit bytes are in memory, and the connection is
// closed, so that nobody has to send the rest.
func readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer, limit int) error {
	tooLarge := func() error {
		w.Header().Set("Connection", "close")
		return newProblem(waybell.CodeTooLarge, fmt.Sprintf("the body is longer than %d bytes", limit))
	}
	if r.ContentLength > int64(limit) {
		return tooLarge()
	}
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, announcedBytes)) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, int64(limit)))
	switch {
	case err == nil:
		return nil
	case isType[*http.MaxBytesError](err):
		return tooLarge()
	case isTimeout(err):
		w.Header().Set("Connection", "close")
		return newProblem(codeRequestTimeout, "the body did not arrive in time")
	default: // the client is gone, or its chunked encoding is broken
		w.Header().Set("Connection", "close")
		return newProblem(waybell.CodeMalformedJSON, "the body could not be read to its end")
	}
}

func isType[T error](err error) bool { _, ok := errors.AsType[T](err); return ok }

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// pooledBytes is the largest buffer that is kept for later requests: a rare
// huge body must not stay in memory.
const pooledBytes = 64 << 10

// buffer is a request's body and its answer, used again by later requests.
type buffer struct {
	body   bytes.Buffer
	answer []byte
}

func (s *Server) buffer() *buffer {
	if b, ok := s.buffers.Get().(*buffer); ok {
		return b
	}
	return &buffer{}
}

func (s *Server) release(b *buffer) {
	if b.body.Cap() > pooledBytes || cap(b.answer) > pooledBytes {
		return
	}
	b.body.Reset()
	b.answer = b.answer[:0]
	s.buffers.Put(b)
}
