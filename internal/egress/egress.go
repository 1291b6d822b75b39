// Package egress is the only code that connects to an address a customer can
// influence. It parses and canonicalises a target once, when it is saved, and
// sends one bounded HTTP/1.1 request to it, without following redirects, over
// connections whose every socket was checked against the blocks of the public
// internet. DESIGN.md lists the threats and the order of the checks.
package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Bounds of a request's time limit, DNS to last body byte.
const (
	DefaultTimeout = 30 * time.Second
	MinTimeout     = 1 * time.Second
	MaxTimeout     = 120 * time.Second
)

const (
	maxHeaderBytes = 64 << 10 // of a response, informational ones before it included
	maxBodyBytes   = 16 << 10 // are kept

	// Idle connections: per scheme, host and port where Config says nothing, in
	// all, and how long one is kept.
	defaultMaxIdlePerHost = 256
	maxIdle               = 2048
	idleTimeout           = 90 * time.Second

	// drainBytes and drainTime bound what is read and thrown away behind the
	// kept part of a body so that the connection can be used again; past
	// either, a new connection is cheaper.
	drainBytes = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// Config is what New needs. The zero value is the safe default.
type Config struct {
	// Allow lists the operator's exceptions: CIDRs, addresses, hosts and
	// host:port that may be reached although they are not public, on any port
	// (host:port: on that one). A block never includes loopback, link-local,
	// unspecified or metadata addresses, unless it lies within those; a host
	// may resolve to loopback, never to the others. A name is matched as
	// written in the target: names are not matched by what they resolve to
	// when a target is saved.
	Allow []string
	// Resolver finds addresses; nil is Go's own resolver (never the C one).
	Resolver Resolver
	// Proxy is an egress proxy (http or https, credentials allowed), nil for
	// none; the environment is never asked. It is given CONNECT with literals
	// that were resolved and checked here, for http targets too, and must
	// permit that. All checks hold but the one at the socket, which is then
	// the proxy's.
	Proxy *url.URL
	// MaxIdlePerHost bounds the idle connections per scheme, host and port; 0 is
	// 256. A request without an idle connection costs several times the CPU, so
	// this must not be less than the requests that run at once to one endpoint.
	MaxIdlePerHost int
	// TLS holds roots and client certificates; nil is the system's roots.
	// Verification cannot be turned off, TLS 1.2 is the least.
	TLS *tls.Config
	// NetHTTP makes the exchanges with net/http's client instead of the leaner
	// code of this package. Everything else is the same. What a receiver sends
	// unasked on a kept-alive connection is then told to the standard library's
	// default logger, by net/http.
	NetHTTP bool
	// Inbox hands requests to this server's own inboxes over in the process; nil
	// hands over none.
	Inbox *Inbox
	// Dial replaces the socket, for tests and embedding (in-memory pipes). It
	// gets literals that were resolved and checked (or the proxy's host and
	// port, where there is one); the last check, on the
	// socket, is then the replacement's own business. It must return soon
	// after its context ends.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client sends requests. It is safe for concurrent use and has no goroutines
// of its own.
type Client struct {
	policy    *policy
	dialer    *dialer
	inbox     *inbox    // nil for none
	standard  *standard // nil: the lean way
	idle      *pool
	maxHeader int64
	maxBody   int
}

// New returns a Client. It fails for an entry of Allow that is none (the error
// names it), for a negative bound, for a TLS configuration that would not verify, for
// a base of the inboxes that is no URL, and where the addresses of this host
// cannot be read.
func New(config Config) (*Client, error) {
	allow, err := parseAllow(config.Allow)
	if err != nil {
		return nil, err
	}
	if config.MaxIdlePerHost < 0 {
		return nil, errors.New("egress: MaxIdlePerHost is negative")
	}
	secure, err := clientTLS(config.TLS)
	if err != nil {
		return nil, err
	}
	via, err := newProxy(config.Proxy, secure)
	if err != nil {
		return nil, err
	}
	own, err := newOwnAddresses(net.InterfaceAddrs)
	if err != nil {
		return nil, err
	}
	inbox, err := newInbox(config.Inbox, own)
	if err != nil {
		return nil, err
	}
	d := &dialer{policy: newPolicy(allow, own), resolver: config.Resolver, tls: secure, proxy: via, raw: config.Dial}
	if d.resolver == nil {
		d.resolver = &net.Resolver{PreferGo: true}
	}
	c := &Client{
		policy:    d.policy,
		dialer:    d,
		inbox:     inbox,
		maxHeader: maxHeaderBytes,
		maxBody:   maxBodyBytes,
		idle: &pool{
			perHost: cmp.Or(config.MaxIdlePerHost, defaultMaxIdlePerHost),
			total:   maxIdle,
			timeout: idleTimeout,
			idle:    map[origin]*idleConns{},
		},
	}
	if config.NetHTTP {
		d.wired = true
		c.standard = newStandard(d, c.maxHeader)
	}
	return c, nil
}

// clientTLS returns the configuration of every handshake but for the name.
func clientTLS(config *tls.Config) (*tls.Config, error) {
	if config == nil {
		config = &tls.Config{}
	}
	if config.InsecureSkipVerify {
		return nil, errors.New("egress: a TLS configuration without verification is refused")
	}
	if config.MaxVersion != 0 && config.MaxVersion < tls.VersionTLS12 {
		return nil, fmt.Errorf("egress: TLS %s is refused", tls.VersionName(config.MaxVersion))
	}
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	if config.ClientSessionCache == nil {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(maxIdle)
	}
	return config, nil
}

// Request is one request to be sent. It may not be changed while Do runs.
type Request struct {
	Target Target
	Method string // POST or PUT; empty is POST
	// Header is sent as it is, without additions but Host and Content-Length,
	// which it cannot replace, nor anything else that frames the request; a
	// User-Agent has to be given.
	Header Header
	Body   []byte
	// Timeout is the limit for the whole attempt, from resolving the name to
	// the last byte of the body: 1 to 120 s, values outside are brought to the
	// nearer end; 0 is 30 s.
	Timeout time.Duration
}

// Do sends the request once and reports what came of it. The outcome is
// decided when the response's headers are in: Status is set then and Err is
// nil, whatever happens to the body, which is read only to be shown. Redirects
// are an answer like any other. Do never sends the request twice: it is begun
// again on another connection only where not a byte of it was written to a
// kept-alive one that had died.
func (c *Client) Do(ctx context.Context, r *Request) Result {
	if r.Target.IsZero() { // what ParseTarget refused: no other text than at the dial
		return Result{Err: blocked()}
	}
	if r.Method != "" && r.Method != http.MethodPost && r.Method != http.MethodPut || !r.Header.sendable() {
		return Result{Err: failure(ClassBlocked, textBadRequest)}
	}
	timeout := min(max(cmp.Or(r.Timeout, DefaultTimeout), MinTimeout), MaxTimeout)
	start := time.Now()
	cl := &call{caller: ctx, start: start, since: start, deadline: start.Add(timeout), phase: phaseExchange}
	if token, own := c.inbox.token(r.Target.canonical); own {
		return c.handOver(cl, token, r)
	}
	var using *conn // closed also where reading a stranger's answer panics
	defer func() {
		if using != nil {
			using.abort()
		}
	}()
	for {
		conn, err := c.connection(cl, r.Target)
		if err != nil {
			return Result{Timing: cl.headersIn(), Err: cl.failed(nil, err)}
		}
		using = conn
		conn.begin(cl)
		resp, err := c.exchange(cl, conn, r)
		if err == errStale {
			continue // nothing was sent
		}
		if err != nil {
			ended := cl.caller.Err() != nil || time.Until(cl.deadline) <= 0
			if conn.reused && conn.written == 0 && !ended {
				continue // it had died, and nothing was sent
			}
			return Result{Timing: cl.headersIn(), Err: cl.failed(conn, err)}
		}
		result := c.answer(cl, conn, resp)
		using = nil // kept or closed
		return result
	}
}

// connection returns an idle connection, or makes one.
func (c *Client) connection(cl *call, t Target) (*conn, error) {
	to := origin{t.https, t.host, t.port}
	if idle := c.idle.get(to); idle != nil {
		idle.reused = true
		return idle, nil
	}
	ctx, cancel := context.WithDeadline(cl.caller, cl.deadline)
	defer cancel()
	if c.standard != nil {
		return c.standard.connect(ctx, cl, t, to)
	}
	made, err := c.dialer.dial(ctx, cl, t)
	if err != nil {
		return nil, err
	}
	return newConn(made, to), nil
}

// exchange sends the request and returns the answer's head.
func (c *Client) exchange(cl *call, conn *conn, r *Request) (*http.Response, error) {
	if conn.client != nil {
		if conn.reused && !conn.alive() {
			conn.abort()
			return nil, errStale
		}
		return conn.roundTrip(cl, r)
	}
	return conn.exchange(r, c.maxHeader)
}

// answer takes in what the receiver answered and keeps or closes the
// connection.
func (c *Client) answer(cl *call, conn *conn, resp *http.Response) Result {
	timing := cl.headersIn()
	if resp.StatusCode < 200 || resp.StatusCode > 599 || resp.ProtoMajor != 1 {
		conn.abort() // whatever it speaks, it is not what was asked for
		return Result{Timing: timing, Err: failure(ClassBadResponse, textBadStatus)}
	}
	result := Result{Status: resp.StatusCode, Header: resp.Header, Timing: timing}
	whole := true
	if resp.ContentLength != 0 {
		result.Body, result.Truncated, whole = c.readBody(cl, conn, resp)
		result.Timing.Total = time.Since(cl.start)
		result.Timing.Read = result.Timing.Total - timing.Total
	}
	if conn.release() && whole && !resp.Close && conn.clean() {
		if conn.wire != nil {
			_ = conn.wire.SetDeadline(time.Time{}) // net/http reads from it while it is idle
		}
		c.idle.put(conn, cl.start.Add(result.Timing.Total))
	} else {
		conn.abort() // the answer is in
	}
	return result
}

// readBody returns the kept part of the body, whether it is not all, and
// whether the body was read to its end. What little may follow the kept part
// is drained, so that the connection can be used again.
func (c *Client) readBody(cl *call, conn *conn, resp *http.Response) (body []byte, truncated, whole bool) {
	size := min(1024, c.maxBody)
	if resp.ContentLength > 0 {
		size = int(min(resp.ContentLength, int64(c.maxBody)))
	}
	body = make([]byte, 0, size)
	for len(body) < c.maxBody {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := resp.Body.Read(body[len(body):min(cap(body), c.maxBody)])
		body = body[:len(body)+n]
		if err != nil {
			return body, err != io.EOF, err == io.EOF
		}
	}
	if resp.ContentLength > int64(c.maxBody)+drainBytes {
		return body, true, false
	}
	if until := time.Now().Add(drainTime); until.Before(cl.deadline) {
		_ = conn.SetReadDeadline(until) // fails only where reading fails too
	}
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, drainBytes))
	return body, n > 0 || err != nil, n < drainBytes && err == nil
}

// CloseIdle closes the connections that carry no request now.
func (c *Client) CloseIdle() { c.idle.close(time.Now()) }
