package egress

import (
	"bytes"
	"io"
	"net/http"
)

// lastHead is the head of the answer before on a connection, and what the library
// made of it. Most receivers answer alike, but for a date that changes once a
// second: a head that is byte for byte the one before is not parsed again.
type lastHead struct {
	bytes []byte         // up to and with the empty line
	resp  *http.Response // nil: nothing is known
}

// A head of more bytes or fields is not remembered: an idle connection keeps it.
const (
	headBytes  = 512
	headFields = 32
)

// head reads up to the end of the final answer's headers. 101 is final: none
// asked for it.
func (c *conn) head() (*http.Response, error) {
	for {
		if _, err := c.in.Peek(1); err != nil {
			if err == io.EOF { // as the library says it
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if resp := c.repeated(); resp != nil {
			return resp, nil
		}
		resp, err := c.parse()
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
		c.before.resp = nil // what an informational answer is followed by is another one
	}
}

// repeated takes in the head of an answer that is the one before, and its body as
// one of that length. It is nil where the head is another one, or not all there.
func (c *conn) repeated() *http.Response {
	last := &c.before
	if last.resp == nil || c.in.Buffered() < len(last.bytes) {
		return nil
	}
	head, _ := c.in.Peek(len(last.bytes)) // is there
	if !bytes.Equal(head, last.bytes) {
		return nil
	}
	_, _ = c.in.Discard(len(head))
	if last.resp.ContentLength > 0 {
		last.resp.Body = &sizedBody{in: c.in, left: last.resp.ContentLength}
	}
	return last.resp
}

// parse has the library read a head, and remembers it where it was all there and
// its bytes say how long the body is.
func (c *conn) parse() (*http.Response, error) {
	last, buffered, size := &c.before, c.in.Buffered(), 0
	last.resp = nil
	head, _ := c.in.Peek(min(buffered, headBytes)) // is there
	if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
		size = end + 4
		last.bytes = append(last.bytes[:0], head[:size]...)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err == nil && size > 0 && buffered-c.in.Buffered() == size && resp.ContentLength >= 0 && len(resp.Header) <= headFields {
		last.resp = resp
	}
	return resp, err
}

// sizedBody is a body of known length.
type sizedBody struct {
	in   io.Reader
	left int64
}

// Read tells the end with the last byte, as the library's does, and
// [io.ErrUnexpectedEOF] where the rest of the body does not come.
func (b *sizedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.EOF
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left > 0 && err == io.EOF:
		err = io.ErrUnexpectedEOF
	case b.left == 0 && err == nil:
		err = io.EOF
	}
	return n, err
}

// Close does nothing: what follows the body belongs to the connection.
func (*sizedBody) Close() error { return nil }
