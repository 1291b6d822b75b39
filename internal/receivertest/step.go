package receivertest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Script returns the answer to the n-th request for a path, from 1. It is
// called from many goroutines at once, after the request has been recorded, and
// must not change it. [Receiver.Close] waits for it.
type Script func(n int, r *Recorded) Step

// Always answers every request alike.
func Always(s Step) Script { return func(int, *Recorded) Step { return s } }

// Sequence answers the n-th request for a path with the n-th step; the last
// step goes on for ever.
func Sequence(steps ...Step) Script {
	return func(n int, _ *Recorded) Step {
		if len(steps) == 0 {
			return Step{}
		}
		return steps[min(n, len(steps))-1]
	}
}

// Step is what the receiver does with a request that it has read. The zero Step
// answers 200. A step may be used any number of times.
type Step struct {
	// act answers; the connection stays open if it returns nil.
	act func(x *exchange) error
}

func (s Step) run(x *exchange) error {
	if s.act == nil {
		return x.last(answer(http.StatusOK, "", nil))
	}
	return s.act(x)
}

// errEnd ends a connection whose step is done with it.
var errEnd = errors.New("the step ends the connection")

// exchange is a request and the answer in the making.
type exchange struct {
	*conn
	rec      *Recorded
	tally    *tally
	finished bool
}

// finish ends the time in flight. It comes before the last byte of an answer:
// the sender may start its next request as soon as it has that.
func (x *exchange) finish() {
	if !x.finished {
		x.finished = true
		x.r.depart(x.tally)
	}
}

// last writes the end of an answer.
func (x *exchange) last(b []byte) error {
	x.finish()
	_, err := x.Write(b)
	return err
}

// drip writes b byte by byte.
func (x *exchange) drip(b []byte, every time.Duration) error {
	for i := range b {
		if err := x.pause(every); err != nil {
			return err
		}
		if i == len(b)-1 {
			return x.last(b[i:])
		}
		if _, err := x.Write(b[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// answer returns the bytes of an answer. Content-Length is added unless fields
// frame the body.
func answer(status int, body string, fields []Field) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	framed := status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		framed = framed || strings.EqualFold(f.Name, "Content-Length") || strings.EqualFold(f.Name, "Transfer-Encoding")
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.WriteString(body)
	return b.Bytes()
}

// Answer sends status, fields in their order, and body. The connection stays
// open unless the fields have "Connection: close".
func Answer(status int, body string, fields ...Field) Step {
	b := answer(status, body, fields)
	var end error
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Connection") && strings.EqualFold(f.Value, "close") {
			end = errEnd
		}
	}
	return Step{func(x *exchange) error {
		if err := x.last(b); err != nil {
			return err
		}
		return end
	}}
}

// RetryAfter answers with a status and a Retry-After of whole seconds.
func RetryAfter(status int, wait time.Duration) Step {
	return Answer(status, "", Field{"Retry-After", strconv.FormatInt(int64(wait/time.Second), 10)})
}

// RetryAt answers with a status and a Retry-After date.
func RetryAt(status int, at time.Time) Step {
	return Answer(status, "", Field{"Retry-After", at.UTC().Format(http.TimeFormat)})
}

// After waits before a step.
func After(wait time.Duration, s Step) Step {
	return Step{func(x *exchange) error {
		if err := x.pause(wait); err != nil {
			return err
		}
		return s.run(x)
	}}
}

// Calling calls f right before a step, from the goroutine of the connection.
func Calling(f func(), s Step) Step {
	return Step{func(x *exchange) error {
		f()
		return s.run(x)
	}}
}

// Gate waits for release to be closed before a step.
func Gate(release <-chan struct{}, s Step) Step {
	return Step{func(x *exchange) error {
		if err := x.pauseUntil(release); err != nil {
			return err
		}
		return s.run(x)
	}}
}

// Hang never answers: it waits until the sender gives up.
func Hang() Step { return Step{func(x *exchange) error { return x.pause(-1) }} }

// Drip sends the head of an answer at once and its body one byte at a time.
func Drip(status int, body string, every time.Duration) Step {
	head := answer(status, "", []Field{{"Content-Length", strconv.Itoa(len(body))}})
	return Step{func(x *exchange) error {
		if _, err := x.Write(head); err != nil {
			return err
		}
		return x.drip([]byte(body), every)
	}}
}

// DripHead sends the head of an answer one byte at a time and never ends it.
func DripHead(every time.Duration) Step {
	return Step{func(x *exchange) error {
		if _, err := io.WriteString(x, "HTTP/1.1 200 OK\r\nX-Drip: "); err != nil {
			return err
		}
		for {
			if err := x.pause(every); err != nil {
				return err
			}
			if _, err := io.WriteString(x, "x"); err != nil {
				return err
			}
		}
	}}
}

// Endless sends a status and a body without end, as fast as it is taken.
func Endless(status int) Step {
	head := answer(status, "", []Field{{"Transfer-Encoding", "chunked"}})
	const size = 32 << 10
	chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", size, strings.Repeat("x", size))
	return Step{func(x *exchange) error { return x.endlessly(head, chunk) }}
}

// endlessly writes head, then part again and again until the sender goes.
func (x *exchange) endlessly(head, part []byte) error {
	for b := head; ; b = part {
		if _, err := x.Write(b); err != nil {
			return err
		}
	}
}

// HugeHeaders answers 200 with about so many bytes of header fields.
func HugeHeaders(size int) Step {
	const line = 8 << 10
	var fields []Field
	for n := 0; n < size; n += line {
		name := fmt.Sprintf("X-Huge-%d", n/line)
		fields = append(fields, Field{name, strings.Repeat("x", line-len(name)-len(": \r\n"))})
	}
	return Answer(http.StatusOK, "", fields...)
}

// Informational sends count answers of 103 before a 200, or 103s without end if
// count is negative.
func Informational(count int) Step {
	hint := answer(http.StatusEarlyHints, "", []Field{{"Link", "</style.css>; rel=preload"}})
	return Step{func(x *exchange) error {
		if count < 0 {
			return x.endlessly(hint, hint)
		}
		if _, err := x.Write(bytes.Repeat(hint, count)); err != nil {
			return err
		}
		return Step{}.run(x)
	}}
}

// Truncate announces the whole body, sends its first n bytes and closes.
func Truncate(status int, body string, n int) Step {
	return Garbage([]byte(string(answer(status, "", []Field{{"Content-Length", strconv.Itoa(len(body))}})) + body[:n]))
}

// Garbage sends bytes as they are and closes.
func Garbage(b []byte) Step {
	return Step{func(x *exchange) error {
		if err := x.last(b); err != nil {
			return err
		}
		return errEnd
	}}
}

// CloseUnanswered closes the connection in an orderly way, without an answer.
func CloseUnanswered() Step { return Step{func(*exchange) error { return errEnd }} }

// Reset cuts the connection without an answer: on TCP the sender sees a reset,
// on pipes an end.
func Reset() Step {
	return Step{func(x *exchange) error {
		x.finish()
		x.reset()
		return errEnd
	}}
}

// GzipBomb answers 200 with a body in gzip coding that inflates to size bytes
// (rounded up to MiB), a thousandth of that on the wire.
func GzipBomb(size int64) Step {
	var member bytes.Buffer
	zw := gzip.NewWriter(&member)
	// Neither can fail: a Buffer takes every write.
	zw.Write(make([]byte, 1<<20))
	zw.Close()
	// RFC 1952 §2.2: members simply follow one another.
	count := max(1, (size+1<<20-1)>>20)
	head := answer(http.StatusOK, "", []Field{
		{"Content-Encoding", "gzip"},
		{"Content-Length", strconv.FormatInt(count*int64(member.Len()), 10)},
	})
	return Step{func(x *exchange) error {
		if _, err := x.Write(head); err != nil {
			return err
		}
		for range count - 1 {
			if _, err := x.Write(member.Bytes()); err != nil {
				return err
			}
		}
		return x.last(member.Bytes())
	}}
}

// Raw hands the connection to a function that may write what it likes. The
// connection stays open if it returns nil.
func Raw(talk func(c net.Conn, r *Recorded) error) Step {
	return Step{func(x *exchange) error { return talk(x.raw, x.rec) }}
}
