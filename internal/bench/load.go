package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"time"
)

// publisher is a lean HTTP/1.1 client on one kept connection.
type publisher struct {
	to   target
	conn net.Conn
	out  []byte
	in   []byte
	have int // bytes of in that were read
}

// target is where requests go, and the key that they carry.
type target struct{ addr, key string }

// request is what publishers repeat.
type request struct {
	path string
	body []byte
}

// prepare appends a request as it goes over the wire.
func (t target) prepare(b []byte, method, path string, body []byte) []byte {
	b = append(append(b, method...), ' ')
	b = append(append(b, path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, t.addr...), "\r\nAuthorization: Bearer "...)
	b = append(append(b, t.key...), "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}

func dialPublisher(addr, key string) (*publisher, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &publisher{to: target{addr, key}, conn: c, in: make([]byte, 16<<10)}, nil
}

func (p *publisher) close() { p.conn.Close() }

func (p *publisher) post(path string, body []byte) (int, []byte, error) {
	return p.request("POST", path, body)
}

// request sends one request and returns status and body, which is valid until
// the next request.
func (p *publisher) request(method, path string, body []byte) (int, []byte, error) {
	p.out = p.to.prepare(p.out[:0], method, path, body)
	if _, err := p.conn.Write(p.out); err != nil {
		return 0, nil, err
	}
	for p.have = 0; ; {
		if p.have == len(p.in) {
			p.in = slices.Grow(p.in, len(p.in))[:2*len(p.in)]
		}
		n, err := p.conn.Read(p.in[p.have:])
		if err != nil {
			return 0, nil, err
		}
		p.have += n
		a, err := parseAnswer(p.in[:p.have])
		if err != nil || a.whole {
			return a.status, a.body, err
		}
	}
}

// answer is what an HTTP/1.1 server said.
type answer struct {
	status int
	body   []byte
	whole  bool // all of it is there
}

var (
	lineEnd   = []byte("\r\n")
	headEnd   = []byte("\r\n\r\n")
	lastChunk = []byte("0\r\n\r\n")
	protocol  = []byte("HTTP/1.1 ")
)

// parseAnswer reads the one answer that b holds, or a part of. The body lies in
// b where it was not sent in chunks.
func parseAnswer(b []byte) (a answer, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return a, nil
	}
	line, fields, _ := bytes.Cut(b[:end], lineEnd)
	if !bytes.HasPrefix(line, protocol) || len(line) < 12 {
		return a, fmt.Errorf("answer %q is no HTTP/1.1", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, err
	}
	rest, length, chunked := b[end+len(headEnd):], 0, false
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, lineEnd)
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return a, err
			}
		case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	if !chunked {
		if a.whole = len(rest) >= length; a.whole {
			a.body = rest[:length]
		}
		return a, nil
	}
	if !bytes.HasSuffix(rest, lastChunk) {
		return a, nil
	}
	a.body, err = io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(rest)))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return a, nil // what looked like the last chunk lies in another
	}
	a.whole = err == nil
	return a, err
}

// load is what closed-loop publishing did.
type load struct {
	requests int64
	latency  Percentiles
	cpu      time.Duration // of the thread that published
}

// closedLoop keeps conns connections busy until stop, told how many requests
// were begun, returns true.
func (s *server) closedLoop(conns int, r request, stop func(begun int64) bool) (load, error) {
	return closedLoop(target{s.addr, s.key}, conns, r, stop)
}

// An accepted publish, and one that is not because of back-pressure: that one is
// tried again after publishPause.
func accepted(status int) bool { return status >= 200 && status < 300 }
func busy(status int) bool     { return status == 429 || status == 503 }

const publishPause = 10 * time.Millisecond
