package egress

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// authority signs the certificates of the tests. The clock of a bubble begins
// in the year 2000.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func bubbleEpoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: bubbleEpoch().AddDate(-1, 0, 0), NotAfter: bubbleEpoch().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) sign(t *testing.T, name string, notAfter time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: bubbleEpoch().AddDate(-1, 0, 0), NotAfter: notAfter,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// secured answers one request over TLS and reports the connection's state.
func secured(config *tls.Config, state *tls.ConnectionState) func(net.Conn) {
	return buffered(func(conn net.Conn) { answerSecured(conn, config, state) })
}

func answerSecured(conn net.Conn, config *tls.Config, state *tls.ConnectionState) {
	server := tls.Server(conn, config)
	defer server.Close()
	if server.Handshake() != nil {
		return
	}
	if state != nil {
		*state = server.ConnectionState()
	}
	req, err := http.ReadRequest(bufio.NewReader(server))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	_, _ = io.WriteString(server, noContentClose)
}

func TestTLS(t *testing.T) { eachWay(t, testTLS) }

func testTLS(t *testing.T, netHTTP bool) {
	t.Parallel()
	trusted, other := newAuthority(t), newAuthority(t)
	future := bubbleEpoch().AddDate(1, 0, 0)
	good := trusted.sign(t, "example.com", future)
	certs := func(cert tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	for _, tt := range []struct {
		name   string
		serve  func(net.Conn)
		status int
		class  Class
		text   string
		took   time.Duration
	}{
		{name: "trusted", serve: secured(certs(good), nil), status: 204},
		{name: "TLS 1.2", serve: secured(&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, nil), status: 204},
		{name: "TLS 1.1", serve: secured(&tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nil), class: ClassTLS, text: textTLSRefused},
		{name: "another name", serve: secured(certs(trusted.sign(t, "example.org", future)), nil), class: ClassTLS, text: textTLSName},
		{name: "unknown authority", serve: secured(certs(other.sign(t, "example.com", future)), nil), class: ClassTLS, text: textTLSAuthority},
		{name: "expired", serve: secured(certs(trusted.sign(t, "example.com", bubbleEpoch().Add(-time.Hour))), nil), class: ClassTLS, text: textTLSExpired},
		{name: "wants a client certificate", serve: secured(&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert}, nil), class: ClassTLS, text: textTLSRefused},
		{name: "wants a client certificate, TLS 1.2", serve: secured(&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, nil), class: ClassTLS, text: textTLSRefused},
		{name: "plain HTTP on the TLS port", serve: buffered(func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 16))
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}), class: ClassTLS, text: textTLSNotSpoken},
		{name: "closes in the handshake", serve: func(conn net.Conn) { _, _ = io.ReadFull(conn, make([]byte, 16)) }, class: ClassTLS, text: textTLS},
		{name: "hangs in the handshake", serve: hang, class: ClassTimeout, text: textTimeoutTLS, took: 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: tt.serve}
				c := setup(t, n, Config{NetHTTP: netHTTP, TLS: &tls.Config{RootCAs: trusted.pool(), MinVersion: tls.VersionTLS10}})
				start := time.Now()
				result := c.Do(t.Context(), post(t, c, "https://example.com/"))
				checkResult(t, result, tt.status, tt.class, tt.text)
				if took := time.Since(start); took != tt.took || result.Timing.TLS != tt.took {
					t.Errorf("took %v, handshake %v, want %v", took, result.Timing.TLS, tt.took)
				}
				if n.dialed[0] != publicIP+":443" {
					t.Errorf("dialed %v", n.dialed)
				}
			})
		})
	}
}

// TestTimeLimitHoldsOverTLS: saying goodbye to a receiver that takes nothing
// any more is no part of the attempt.
func TestTimeLimitHoldsOverTLS(t *testing.T) { eachWay(t, testTimeLimitHoldsOverTLS) }

func testTimeLimitHoldsOverTLS(t *testing.T, netHTTP bool) {
	t.Parallel()
	trusted := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{trusted.sign(t, "example.com", bubbleEpoch().AddDate(1, 0, 0))}}
	for name, answer := range map[string]string{"before the answer": "", "within its body": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: buffered(func(conn net.Conn) {
					server := tls.Server(conn, config)
					if server.Handshake() == nil {
						_, _ = server.Read(make([]byte, 1)) // net/http takes no answer before it asked
						_, _ = io.WriteString(server, answer)
					}
					<-conn.(*queuedConn).Conn.(*peer).gone
				})}
				c := setup(t, n, Config{NetHTTP: netHTTP, TLS: &tls.Config{RootCAs: trusted.pool()}})
				request := post(t, c, "https://example.com/")
				request.Timeout, request.Body = 2*time.Second, bytes.Repeat([]byte("x"), 64*kib)
				start := time.Now()
				result := c.Do(t.Context(), request)
				if took := time.Since(start); took != request.Timeout || result.Timing.Total != took {
					t.Errorf("took %v, timed %v, want %v", took, result.Timing.Total, request.Timeout)
				}
				if answer == "" {
					checkResult(t, result, 0, ClassTimeout, textTimeoutExchange)
				} else {
					checkResult(t, result, 200, ClassNone, "")
				}
			})
		})
	}
}

// TestHandshakeNames: SNI and the verified name are the target's host, an
// address is verified as an address, and nothing but HTTP/1.1 is offered.
func TestHandshakeNames(t *testing.T) { eachWay(t, testHandshakeNames) }

func testHandshakeNames(t *testing.T, netHTTP bool) {
	t.Parallel()
	trusted := newAuthority(t)
	for _, tt := range []struct{ url, name, sni string }{
		{"https://example.com/", "example.com", "example.com"},
		{"https://BÜCHER.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"https://" + publicIP + "/", publicIP, ""},
		{"https://[2606:4700::1111]/", "2606:4700::1111", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var state tls.ConnectionState
			cert := trusted.sign(t, tt.name, bubbleEpoch().AddDate(1, 0, 0))
			n := &network{serve: secured(&tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}, &state)}
			c := setup(t, n, Config{NetHTTP: netHTTP, TLS: &tls.Config{RootCAs: trusted.pool(), MinVersion: tls.VersionTLS10, NextProtos: []string{"h2"}}})
			checkResult(t, c.Do(t.Context(), post(t, c, tt.url)), 204, ClassNone, "")
			synctest.Wait()
			if state.ServerName != tt.sni || state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
				t.Errorf("%s: SNI %q, protocol %q, version %x", tt.url, state.ServerName, state.NegotiatedProtocol, state.Version)
			}
		})
	}
}

// buffered lets serve write without waiting for the reader, as a socket does:
// on a bare pipe two sides that both write wait for each other.
func buffered(serve func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		queue := make(chan []byte, 1024)
		pumped := make(chan struct{})
		go func() {
			defer close(pumped)
			for b := range queue {
				if _, err := conn.Write(b); err != nil {
					break
				}
			}
			for range queue { // the client is gone
			}
		}()
		serve(&queuedConn{conn, queue})
		go func() { _, _ = io.Copy(io.Discard, conn) }() // until the client closes
		close(queue)
		<-pumped
		<-conn.(*peer).gone
	}
}

type queuedConn struct {
	net.Conn
	queue chan<- []byte
}

func (c *queuedConn) Write(b []byte) (int, error) {
	c.queue <- bytes.Clone(b)
	return len(b), nil
}

// Close leaves the connection to buffered, which closes it once the queue is
// written.
func (c *queuedConn) Close() error { return nil }

// SetWriteDeadline does nothing: writing to the queue takes no time, and what
// crypto/tls sets when it closes would stop the pump.
func (c *queuedConn) SetWriteDeadline(time.Time) error { return nil }

func TestTLSConfigurationThatDoesNotVerify(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*tls.Config{
		"no verification": {InsecureSkipVerify: true},
		"TLS 1.1":         {MaxVersion: tls.VersionTLS11},
	} {
		if _, err := New(Config{TLS: config}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
