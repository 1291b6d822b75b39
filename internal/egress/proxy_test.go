package egress

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tunnels is a proxy: it records what it is asked for, answers, and hands the
// connection to the receiver.
type tunnels struct {
	answer   string
	receiver func(net.Conn)

	mu    sync.Mutex
	asked []string
	auth  []string
}

func (p *tunnels) serve(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, req.Method+" "+req.RequestURI+" "+req.Host)
	p.auth = append(p.auth, req.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	if _, err := io.WriteString(conn, p.answer); err != nil || p.receiver == nil {
		return
	}
	p.receiver(conn)
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestProxyGetsCheckedLiterals: the proxy sees addresses only, and none that
// is not permitted.
func TestProxyGetsCheckedLiterals(t *testing.T) { eachWay(t, testProxyGetsCheckedLiterals) }

func testProxyGetsCheckedLiterals(t *testing.T, netHTTP bool) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &tunnels{answer: "HTTP/1.1 200 OK\r\n\r\n", receiver: text(noContentClose)}
		n := &network{serve: p.serve}
		r := &answers{lists: [][]string{{publicIP}, {"127.0.0.1"}, {publicIP, "10.0.0.1"}, {"2606:4700::1111"}}}
		c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: r, Proxy: mustURL(t, "http://user:pass@proxy.internal:3128")})
		for _, class := range []Class{ClassNone, ClassBlocked, ClassBlocked, ClassNone} {
			result := c.Do(t.Context(), post(t, c, "http://example.com/"))
			if class == ClassNone && result.Status != 204 || class != ClassNone && (result.Err == nil || result.Err.Class != class) {
				t.Errorf("%+v, want %v", result, class)
			}
			synctest.Wait()
		}
		want := []string{"CONNECT 93.184.216.34:80 93.184.216.34:80", "CONNECT [2606:4700::1111]:80 [2606:4700::1111]:80"}
		if !slices.Equal(p.asked, want) || p.auth[0] != "Basic dXNlcjpwYXNz" {
			t.Errorf("the proxy was asked for %q with %q", p.asked, p.auth)
		}
		if !slices.Equal(n.dialed, []string{"proxy.internal:3128", "proxy.internal:3128"}) || len(r.asked) != 4 {
			t.Errorf("dialed %q, resolved %q", n.dialed, r.asked)
		}
	})
}

func TestProxyFailures(t *testing.T) { eachWay(t, testProxyFailures) }

func testProxyFailures(t *testing.T, netHTTP bool) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		class Class
		text  string
		took  time.Duration
	}{
		{"forbids", (&tunnels{answer: "HTTP/1.1 403 Forbidden\r\n\r\n"}).serve, ClassConnect, textConnect, 0},
		{"closes", func(net.Conn) {}, ClassConnect, textConnect, 0},
		{"is no proxy", (&tunnels{answer: "SSH-2.0\r\n"}).serve, ClassConnect, textConnect, 0},
		{"talks on", (&tunnels{answer: "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"}).serve, ClassConnect, textConnect, 0},
		{"sends large headers", (&tunnels{answer: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 2*maxProxyAnswer) + "\r\n\r\n", receiver: hang}).serve, ClassConnect, textConnect, 0},
		{"hangs", hang, ClassTimeout, textTimeoutConnect, 30 * time.Second},
		{"hangs after the request", (&tunnels{receiver: hang}).serve, ClassTimeout, textTimeoutConnect, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := setup(t, &network{serve: tt.serve}, Config{NetHTTP: netHTTP, Proxy: mustURL(t, "http://proxy")})
				start := time.Now()
				checkResult(t, c.Do(t.Context(), post(t, c, "http://example.com/")), 0, tt.class, tt.text)
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestSecureProxy tunnels TLS to the receiver through TLS to the proxy; both
// are verified, each under its own name.
func TestSecureProxy(t *testing.T) { eachWay(t, testSecureProxy) }

func testSecureProxy(t *testing.T, netHTTP bool) {
	t.Parallel()
	trusted := newAuthority(t)
	future := bubbleEpoch().AddDate(1, 0, 0)
	for name, class := range map[string]Class{"proxy.internal": ClassNone, "example.com": ClassConnect} {
		synctest.Test(t, func(t *testing.T) {
			receiver := &tls.Config{Certificates: []tls.Certificate{trusted.sign(t, "example.com", future)}}
			p := &tunnels{answer: "HTTP/1.1 200 OK\r\n\r\n", receiver: func(conn net.Conn) { answerSecured(conn, receiver, nil) }}
			n := &network{serve: buffered(func(conn net.Conn) {
				server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{trusted.sign(t, name, future)}})
				if server.Handshake() == nil {
					p.serve(server)
				}
			})}
			c := setup(t, n, Config{NetHTTP: netHTTP, Proxy: mustURL(t, "https://proxy.internal"), TLS: &tls.Config{RootCAs: trusted.pool()}})
			result := c.Do(t.Context(), post(t, c, "https://example.com/"))
			if class == ClassNone && result.Status != 204 || class != ClassNone && (result.Err == nil || result.Err.Class != class) {
				t.Errorf("proxy as %s: %+v, want %v", name, result, class)
			}
			if !slices.Equal(n.dialed, []string{"proxy.internal:443"}) {
				t.Errorf("dialed %q", n.dialed)
			}
		})
	}
}

func TestProxySetting(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"socks5://canary:canary@proxy:1080", "proxy:3128", "http://", "http://canary@proxy:0", "http://canary@proxy:99999",
		"http://proxy/canary", "http://proxy?canary", "http://proxy#canary",
	} {
		if _, err := New(Config{Proxy: mustURL(t, raw)}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
