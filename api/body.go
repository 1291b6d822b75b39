package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

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

// strangerPatience is how long the body of a request that needs no key may take.
const strangerPatience = 5 * time.Second

// hurry gives a stranger's body that long; calm ends that once it is there, or the
// request would be canceled under its handler.
func hurry(w http.ResponseWriter) (calm func()) {
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Now().Add(strangerPatience)) //nolint:errcheck // then it has the server's
	return func() { c.SetReadDeadline(time.Time{}) }    //nolint:errcheck // as above
}

// configBytes is the limit of bodies that hold no event: what is configured has
// narrower limits of its own, and the largest is a schema with its example.
const configBytes = 256 << 10

// A body's values take several times its length, so that few large ones may be read
// at the same time.
const (
	smallBytes   = 16 << 10        // bodies that need no room
	valueBytes   = 16              // for each byte of a larger one
	roomPatience = 5 * time.Second // how long it waits for its room
)

// makeRoom waits for room for the values of a body, half of all at most. Without an
// error, leave gives it back, and may be called again: before the answer is
// written, which a client may take its time to read.
func (s *Server) makeRoom(ctx context.Context, size int) (leave func(), err error) {
	if size <= smallBytes {
		return func() {}, nil
	}
	room := min(valueBytes*int64(size), s.limits.PublishBytes/2)
	ctx, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	if s.room.Acquire(ctx, room) != nil {
		return nil, &waybell.Error{Code: waybell.CodeBusy, RetryAfter: time.Second,
			Message: "too many large bodies are being read; try again"}
	}
	return sync.OnceFunc(func() { s.room.Release(room) }), nil
}

// sessionBodies is how many bodies above smallBytes one portal session may send at the
// same time: each is in memory as far as it has come.
const sessionBodies = 4

// ofSession takes a place for the body of a request, if it is a session's and may be
// large, and returns what gives it back; nil when there is none.
func (s *Server) ofSession(key *waybell.APIKey, r *http.Request) (leave func()) {
	if !key.IsPortal() || r.ContentLength >= 0 && r.ContentLength <= smallBytes {
		return func() {}
	}
	return s.sessions.Enter(key.ID)
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
