package receivertest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxLine = 16 << 10 // bytes of a request's or header field's line
	maxHead = 1 << 20  // bytes of a request's head
)

// malformedError is what a request breaks of RFC 9112.
type malformedError struct{ what string }

func (e *malformedError) Error() string { return e.what }

func malformed(format string, args ...any) error {
	return &malformedError{fmt.Sprintf(format, args...)}
}

// conn serves one connection.
type conn struct {
	r      *Receiver
	raw    net.Conn
	in     *bufio.Reader
	id     int64
	served int

	path    string // of the last request, and its tally
	tally   *tally
	scratch Recorded // of the requests that are only counted
}

func newConn(r *Receiver, raw net.Conn, id int64) *conn {
	return &conn{r: r, raw: raw, in: bufio.NewReaderSize(raw, maxLine), id: id}
}

// framing is what the head of a request says about the rest.
type framing struct {
	length  int64 // of the body, -1 if none is given
	chunked bool
	goes    bool // the connection ends with the answer
	expects bool // 100-continue
	hosts   int
	size    int // bytes of the head
}

func (c *conn) serve() {
	defer c.r.release(c)
	for {
		rec, goes, err := c.read()
		if err != nil {
			if m, ok := errors.AsType[*malformedError](err); ok {
				c.r.t.Errorf("receivertest: malformed request %d on connection %d: %v", c.served+1, c.id, m)
				c.Write(answer(http.StatusBadRequest, "", nil))
			}
			return
		}
		x := &exchange{conn: c, rec: rec, tally: c.tally}
		step := c.r.script(c.tally)(c.r.arrive(c.tally, rec), rec)
		err = step.run(x)
		x.finish()
		if err != nil || goes {
			return
		}
	}
}

// read reads the next request whole; goes is set if it is the last.
func (c *conn) read() (rec *Recorded, goes bool, err error) {
	full := !c.r.opts.CountOnly || c.r.opts.Verify != nil
	if full {
		rec = new(Recorded)
	} else {
		rec = &c.scratch
	}
	f := framing{length: -1}
	if err := c.readRequestLine(rec, &f); err != nil {
		return nil, false, err
	}
	for {
		line, err := c.line(&f)
		if err != nil {
			return nil, false, noEOF(err)
		}
		if len(line) == 0 {
			break
		}
		name, value, err := field(line)
		if err != nil {
			return nil, false, err
		}
		if err := f.add(name, value); err != nil {
			return nil, false, err
		}
		if full {
			rec.Header = append(rec.Header, Field{string(name), string(value)})
		}
	}
	if f.hosts != 1 {
		return nil, false, malformed("%d Host fields", f.hosts)
	}
	if f.chunked && f.length >= 0 {
		return nil, false, malformed("both Content-Length and Transfer-Encoding")
	}
	if f.expects {
		if _, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return nil, false, err
		}
	}
	if err := c.readBody(rec, &f, full); err != nil {
		return nil, false, noEOF(err)
	}
	c.served++
	rec.Conn, rec.OnConn = c.id, c.served
	return rec, f.goes, nil
}

func (c *conn) readRequestLine(rec *Recorded, f *framing) error {
	line, err := c.line(f)
	if err != nil {
		return err
	}
	method, rest, ok1 := bytes.Cut(line, []byte(" "))
	target, proto, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || !token(method) || len(target) == 0 || target[0] != '/' || bytes.ContainsAny(target, " \t#") {
		return malformed("request line %.200q", line)
	}
	switch string(proto) {
	case "HTTP/1.1":
		rec.Proto = "HTTP/1.1"
	case "HTTP/1.0":
		rec.Proto, f.goes = "HTTP/1.0", true
	default:
		return malformed("protocol %.200q", proto)
	}
	if rec.Method != string(method) {
		rec.Method = string(method)
	}
	if rec.Target != string(target) {
		rec.Target = string(target)
	}
	rec.Path, _, _ = strings.Cut(rec.Target, "?")
	if c.tally == nil || c.path != rec.Path {
		c.path, c.tally = rec.Path, c.r.tally(rec.Path)
	}
	return nil
}

// line reads a line of the head without its end. It is valid until the next
// read.
func (c *conn) line(f *framing) ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	f.size += len(line)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, malformed("a line of more than %d bytes", maxLine)
	case err != nil && len(line) > 0:
		return nil, noEOF(err)
	case err != nil:
		return nil, err
	case f.size > maxHead:
		return nil, malformed("a head of more than %d bytes", maxHead)
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return nil, malformed("line %.200q does not end in CR LF", line)
	}
	return line, nil
}

func (c *conn) readBody(rec *Recorded, f *framing, full bool) error {
	var body io.Reader = c.in
	size := f.length
	switch {
	case f.chunked:
		body = httputil.NewChunkedReader(c.in)
	case size > 0:
		body = io.LimitReader(c.in, size)
	default:
		rec.BodySize = 0
		return nil
	}
	if full {
		kept := body
		if most := c.r.opts.MaxBody; most > 0 {
			kept = io.LimitReader(body, int64(most))
			size = min(size, int64(most))
		}
		buf := bytes.NewBuffer(make([]byte, 0, max(size, 0)+bytes.MinRead))
		if _, err := buf.ReadFrom(kept); err != nil {
			return err
		}
		rec.Body = buf.Bytes()
	}
	rest, err := c.drain(body, f.length)
	if err != nil {
		return err
	}
	rec.BodySize = int64(len(rec.Body)) + rest
	if f.length >= 0 && rec.BodySize != f.length {
		return io.ErrUnexpectedEOF
	}
	if !f.chunked {
		return nil
	}
	for {
		line, err := c.line(f)
		if err != nil || len(line) == 0 {
			return err
		}
		if _, _, err := field(line); err != nil {
			return fmt.Errorf("trailer: %w", err)
		}
	}
}

// drain reads what is left of a body and returns its length. A counted request
// with a length costs no copy.
func (c *conn) drain(body io.Reader, length int64) (int64, error) {
	if l, ok := body.(*io.LimitedReader); ok && l.N == length && length <= int64(c.in.Size()) {
		n, err := c.in.Discard(int(length))
		return int64(n), err
	}
	return io.Copy(io.Discard, body)
}

// add takes note of a field that frames the message.
func (f *framing) add(name, value []byte) error {
	switch len(name) {
	case len("Host"):
		if strings.EqualFold(string(name), "Host") {
			f.hosts++
		}
	case len("Expect"):
		if strings.EqualFold(string(name), "Expect") {
			f.expects = strings.EqualFold(string(value), "100-continue")
		}
	case len("Connection"):
		if strings.EqualFold(string(name), "Connection") {
			f.goes = f.goes || strings.EqualFold(string(value), "close")
		}
	case len("Content-Length"):
		if strings.EqualFold(string(name), "Content-Length") {
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil || f.length >= 0 {
				return malformed("Content-Length %.200q, or a second one", value)
			}
			f.length = int64(n)
		}
	case len("Transfer-Encoding"):
		if strings.EqualFold(string(name), "Transfer-Encoding") {
			if f.chunked || !strings.EqualFold(string(value), "chunked") {
				return malformed("Transfer-Encoding %.200q, or a second one", value)
			}
			f.chunked = true
		}
	}
	return nil
}

// field splits a header line and judges it by RFC 9110 §5.
func field(line []byte) (name, value []byte, err error) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !token(name) {
		return nil, nil, malformed("header line %.200q", line)
	}
	value = bytes.Trim(value, " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, malformed("control character in header line %.200q", line)
		}
	}
	return name, value, nil
}

// token reports whether b is a token of RFC 9110 §5.6.2.
func token(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		case strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}

// noEOF tells a request that breaks off from the end of a connection.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write writes to the sender and counts what it has taken.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.raw.Write(b)
	c.r.written.Add(int64(n))
	return n, err
}

// pause waits for d, or without end if d is negative. It returns an error if
// the sender goes or the receiver closes meanwhile.
func (c *conn) pause(d time.Duration) error {
	if d >= 0 {
		c.raw.SetReadDeadline(time.Now().Add(d))
		defer c.raw.SetReadDeadline(time.Time{})
	}
	start := time.Now()
	switch _, err := c.in.Peek(1); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		return err
	}
	// A sender that writes ahead of the answer cannot be watched any more.
	var over <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d - time.Since(start))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return nil
	case <-c.r.closing:
		return net.ErrClosed
	}
}

// pauseUntil is pause until a channel is closed.
func (c *conn) pauseUntil(release <-chan struct{}) error {
	gone, exited := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(exited)
		select {
		case <-release:
			c.raw.SetReadDeadline(time.Unix(1, 0)) // wakes the Peek
		case <-gone:
		}
	}()
	_, err := c.in.Peek(1)
	if err == nil {
		select {
		case <-release:
		case <-c.r.closing:
			err = net.ErrClosed
		}
	}
	close(gone)
	<-exited
	c.raw.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// reset closes the connection so that the sender sees a reset (on TCP).
func (c *conn) reset() {
	raw := c.raw
	if wrapped, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = wrapped.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	raw.Close()
}
