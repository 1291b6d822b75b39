package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// maxProxyAnswer bounds the headers of a proxy's answer to CONNECT.
const maxProxyAnswer = 16 << 10

// proxy is the operator's egress proxy. Names never reach it: it is asked for
// a tunnel (CONNECT, RFC 9110 section 9.3.6) to a literal that was resolved
// and checked here, for http targets too, so it cannot be made to resolve
// anything. Only the check at the socket is then on its side.
type proxy struct {
	addr   string // host:port
	secure *tls.Config
	auth   string // value of Proxy-Authorization, or empty
}

// newProxy checks the setting. The errors hold nothing of the URL, which may
// carry a password.
func newProxy(u *url.URL, secure *tls.Config) (*proxy, error) {
	if u == nil {
		return nil, nil
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("egress: the proxy's URL must be a scheme, a host and a port only")
	}
	p := &proxy{}
	port := u.Port()
	switch u.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
	case "https":
		if port == "" {
			port = "443"
		}
		p.secure = secure.Clone()
		p.secure.ServerName = u.Hostname()
	default:
		return nil, errors.New("egress: the proxy's scheme must be http or https")
	}
	if _, ok := parsePort(port); !ok {
		return nil, errors.New("egress: the proxy's port is not a number from 1 to 65535")
	}
	p.addr = net.JoinHostPort(u.Hostname(), port)
	if u.User != nil {
		password, _ := u.User.Password()
		p.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return p, nil
}

// tunnel makes a connection to target through the proxy. conn is the
// connection to the proxy; it is closed where no tunnel comes about.
func (p *proxy) tunnel(ctx context.Context, conn net.Conn, target netip.AddrPort) (net.Conn, error) {
	if p.secure != nil {
		secured := tls.Client(conn, p.secure)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secured
	}
	// Ending the context ends reads and writes; whether it did so first
	// decides who owns the deadline afterwards.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := p.ask(conn, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// ask sends CONNECT and reads the answer.
func (p *proxy) ask(conn net.Conn, target netip.AddrPort) error {
	request := "CONNECT " + target.String() + " HTTP/1.1\r\nHost: " + target.String() + "\r\n"
	if p.auth != "" {
		request += "Proxy-Authorization: " + p.auth + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return err
	}
	br := bufio.NewReader(io.LimitReader(conn, maxProxyAnswer))
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("the proxy answered " + strconv.Itoa(resp.StatusCode))
	}
	// A server speaks after us, in HTTP as in TLS: bytes behind the answer
	// are the proxy's own, and would be taken for the receiver's.
	if br.Buffered() > 0 {
		return errors.New("the proxy sent bytes of its own")
	}
	return nil
}
