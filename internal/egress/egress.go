// Package egress is the only code that connects to an address a customer can
// influence. It parses and canonicalises a target once, when it is saved, and
// sends one bounded HTTP/1.1 request to it, without following redirects, over
// connections whose every socket was checked against the blocks of the public
// internet. DESIGN.md lists the threats and the order of the checks.
package egress

import (
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
	defaultMaxHeaderBytes = 64 << 10
	defaultMaxBodyBytes   = 16 << 10
	defaultMaxIdlePerHost = 256
	defaultMaxIdle        = 2048
	defaultIdleTimeout    = 90 * time.Second

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
	// MaxHeaderBytes bounds the response's headers, informational responses
	// included; 0 is 64 KiB.
	MaxHeaderBytes int64
	// MaxBodyBytes is how much of a response's body is kept; 0 is 16 KiB.
	MaxBodyBytes int
	// MaxIdlePerHost and MaxIdle bound the idle connections, per scheme, host
	// and port (0 is 256) and in all (0 is 2048). A request without an idle
	// connection costs several times the CPU, so the first must not be less
	// than the requests that run at once to one endpoint.
	MaxIdlePerHost int
	MaxIdle        int
	// IdleTimeout is how long a connection is kept unused; 0 is 90 s.
	IdleTimeout time.Duration
	// TLS holds roots and client certificates; nil is the system's roots.
	// Verification cannot be turned off, TLS 1.2 is the least.
	TLS *tls.Config
	// Dial replaces the socket, for tests and embedding (in-memory pipes). It
	// gets literals that were resolved and checked (or the proxy's host and
	// port, where there is one); the last check, on the
	// socket, is then the replacement's own business. It must return soon
	// after its context ends.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client sends requests. It is safe for concurrent use and has no goroutines
// besides those of its connections.
type Client struct {
	policy    *policy
	dialer    *dialer
	transport *http.Transport
	maxBody   int
}

// New returns a Client. It fails for an entry of Allow that is none (the error
// names it), for a negative bound, for a TLS configuration that would not
// verify, and where the addresses of this host cannot be read.
func New(config Config) (*Client, error) {
	allow, err := parseAllow(config.Allow)
	if err != nil {
		return nil, err
	}
	if config.MaxHeaderBytes < 0 || config.MaxBodyBytes < 0 || config.MaxIdlePerHost < 0 ||
		config.MaxIdle < 0 || config.IdleTimeout < 0 {
		return nil, errors.New("egress: a bound is negative")
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
	d := &dialer{policy: newPolicy(allow, own), resolver: config.Resolver, tls: secure, proxy: via, raw: config.Dial}
	if d.resolver == nil {
		d.resolver = &net.Resolver{PreferGo: true}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Client{
		policy:  d.policy,
		dialer:  d,
		maxBody: orDefault(config.MaxBodyBytes, defaultMaxBodyBytes),
		transport: &http.Transport{
			Proxy:                  nil, // never the environment's; ours is the dialer's affair
			DialContext:            d.dialPlain,
			DialTLSContext:         d.dialTLS,
			Protocols:              protocols,
			DisableCompression:     true,
			MaxIdleConns:           orDefault(config.MaxIdle, defaultMaxIdle),
			MaxIdleConnsPerHost:    orDefault(config.MaxIdlePerHost, defaultMaxIdlePerHost),
			IdleConnTimeout:        orDefault(config.IdleTimeout, defaultIdleTimeout),
			MaxResponseHeaderBytes: orDefault(config.MaxHeaderBytes, defaultMaxHeaderBytes),
		},
	}, nil
}

func orDefault[T int | int64 | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
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
		config.ClientSessionCache = tls.NewLRUClientSessionCache(defaultMaxIdle)
	}
	return config, nil
}

// Request is one request to be sent. Neither Header nor Body may be changed
// after Do was called, not even when it has returned: a receiver that answers
// early is still being written to.
type Request struct {
	Target Target
	Method string // POST or PUT; empty is POST
	// Header is sent as it is, without additions but Host and Content-Length;
	// a User-Agent has to be given.
	Header http.Header
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
	timeout := min(max(orDefault(r.Timeout, DefaultTimeout), MinTimeout), MaxTimeout)
	start := time.Now()
	cl := &call{caller: ctx, start: start, deadline: start.Add(timeout)}
	if r.Target.IsZero() || r.Method != "" && r.Method != http.MethodPost && r.Method != http.MethodPut {
		return Result{Err: failure(ClassBlocked, textBadRequest)}
	}
	ctx, cancel := context.WithDeadline(ctx, cl.deadline)
	defer cancel()
	req, err := cl.request(ctx, r)
	if err != nil {
		return Result{Err: failure(ClassBlocked, textBadRequest)}
	}
	resp, err := c.transport.RoundTrip(req)
	timing, at := cl.headersIn()
	if err != nil {
		return Result{Timing: timing, Err: cl.failed(ctx, r, err, at)}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 599 || resp.ProtoMajor != 1 {
		return Result{Timing: timing, Err: failure(ClassBadResponse, textBadStatus)}
	}
	result := Result{Status: resp.StatusCode, Header: resp.Header, Timing: timing}
	if resp.ContentLength != 0 {
		result.Body, result.Truncated = c.readBody(resp, cancel)
		result.Timing.Total = time.Since(start)
		result.Timing.Read = result.Timing.Total - timing.Total
	}
	return result
}

// readBody returns the kept part of the body, and whether it is not all. What
// little may follow it is drained, so that the connection can be used again;
// cancel ends a drain that takes long.
func (c *Client) readBody(resp *http.Response, cancel context.CancelFunc) ([]byte, bool) {
	size := min(1024, c.maxBody)
	if resp.ContentLength > 0 {
		size = int(min(resp.ContentLength, int64(c.maxBody)))
	}
	body := make([]byte, 0, size)
	for len(body) < c.maxBody {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := resp.Body.Read(body[len(body):min(cap(body), c.maxBody)])
		body = body[:len(body)+n]
		if err != nil {
			return body, err != io.EOF
		}
	}
	if resp.ContentLength > int64(c.maxBody)+drainBytes {
		return body, true
	}
	stop := time.AfterFunc(drainTime, cancel)
	defer stop.Stop()
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, drainBytes))
	return body, n > 0 || err != nil
}

// CloseIdle closes the connections that carry no request now.
func (c *Client) CloseIdle() { c.transport.CloseIdleConnections() }
