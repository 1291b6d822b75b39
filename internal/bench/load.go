package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// publisher is a lean HTTP/1.1 client on one kept connection. Load generators
// share the machine with what they measure: this one costs little.
type publisher struct {
	addr, key string
	conn      net.Conn
	in        *bufio.Reader
	out, body []byte
}

func dialPublisher(addr, key string) (*publisher, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &publisher{addr: addr, key: key, conn: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

func (p *publisher) close() { p.conn.Close() }

func (p *publisher) post(path string, body []byte) (int, []byte, error) {
	return p.request("POST", path, body)
}

// request sends one request and returns status and body, which is valid until
// the next request.
func (p *publisher) request(method, path string, body []byte) (int, []byte, error) {
	p.out = append(append(p.out[:0], method...), ' ')
	p.out = append(p.out, path...)
	p.out = append(p.out, " HTTP/1.1\r\nHost: "...)
	p.out = append(p.out, p.addr...)
	p.out = append(p.out, "\r\nAuthorization: Bearer "...)
	p.out = append(p.out, p.key...)
	p.out = append(p.out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	p.out = strconv.AppendInt(p.out, int64(len(body)), 10)
	p.out = append(p.out, "\r\n\r\n"...)
	p.out = append(p.out, body...)
	if _, err := p.conn.Write(p.out); err != nil {
		return 0, nil, err
	}
	return p.read()
}

func (p *publisher) read() (int, []byte, error) {
	line, err := p.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("answer %q is no HTTP", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	if chunked {
		return p.readChunks(status)
	}
	p.body = slices.Grow(p.body[:0], length)[:length]
	_, err = io.ReadFull(p.in, p.body)
	return status, p.body, err
}

// readChunks reads a chunked body and the empty line behind it.
func (p *publisher) readChunks(status int) (int, []byte, error) {
	b := bytes.NewBuffer(p.body[:0])
	if _, err := b.ReadFrom(httputil.NewChunkedReader(p.in)); err != nil {
		return 0, nil, err
	}
	p.body = b.Bytes()
	_, err := p.in.Discard(len("\r\n"))
	return status, p.body, err
}

// load is what closed-loop publishing did.
type load struct {
	requests int64
	latency  percentiles
}

// request is what publishers repeat.
type request struct {
	path string
	body []byte
}

// closedLoop keeps conns publishers busy until stop, told how many requests
// were begun, returns true.
func (s *server) closedLoop(conns int, r request, stop func(begun int64) bool) (load, error) {
	var count atomic.Int64
	var mu sync.Mutex
	var samples []time.Duration
	var errs []error
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			mine, err := s.publishUntil(r, func() bool { return stop(count.Add(1)) })
			mu.Lock()
			defer mu.Unlock()
			samples = append(samples, mine...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return load{requests: int64(len(samples)), latency: summarise(samples)}, errors.Join(errs...)
}

func (s *server) publishUntil(r request, stop func() bool) ([]time.Duration, error) {
	p, err := dialPublisher(s.addr, s.key)
	if err != nil {
		return nil, err
	}
	defer p.close()
	var samples []time.Duration
	for !stop() {
		began := time.Now()
		status, answer, err := p.post(r.path, r.body)
		switch {
		case err != nil:
			return samples, err
		case status == 429 || status == 503: // back-pressure: not accepted
			time.Sleep(10 * time.Millisecond)
			continue
		case status >= 300:
			return samples, fmt.Errorf("publish answered %d: %s", status, answer)
		}
		samples = append(samples, time.Since(began))
	}
	return samples, nil
}
