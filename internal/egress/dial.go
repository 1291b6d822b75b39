package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// maxAnswers bounds the addresses that are checked; a name with more
	// answers is refused as unusable, since an unchecked one may be inner.
	maxAnswers = 256
	// maxDialed bounds the addresses that are tried.
	maxDialed = 8
	// fallbackDelay is the head start of one address before the next is
	// tried beside it (RFC 8305, Connection Attempt Delay).
	fallbackDelay = 250 * time.Millisecond
)

// Resolver finds a name's addresses. It is given absolute names (with the
// trailing dot), so that no search domain of this machine ever applies.
// [*net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// dialer makes the connections: resolves, checks every answer, dials the
// checked literals, and checks the address of every socket once more.
type dialer struct {
	policy   *policy
	resolver Resolver
	tls      *tls.Config
	proxy    *proxy // nil is none
	wired    bool   // sockets are wrapped, see wire
	// raw replaces the socket where Config.Dial is set.
	raw func(ctx context.Context, network, addr string) (net.Conn, error)
}

// dial makes a connection for a call, whose time limit and caller end ctx.
func (d *dialer) dial(ctx context.Context, cl *call, t Target) (net.Conn, error) {
	host, port := t.host, t.port
	cl.enter(phaseDNS)
	addrs, err := d.resolve(ctx, host, port)
	if err != nil {
		return nil, err
	}
	cl.enter(phaseConnect)
	conn, err := d.connect(ctx, addrs, host)
	if err != nil {
		return nil, err
	}
	if t.https {
		cl.enter(phaseTLS)
		if conn, err = d.handshake(ctx, conn, host); err != nil {
			return nil, err
		}
	}
	cl.enter(phaseExchange)
	return conn, nil
}

// resolve returns the addresses to dial. One answer that is not permitted
// refuses the name as a whole: a mixed answer is how rebinding looks.
func (d *dialer) resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if !d.policy.permits(a, port, host) {
			return nil, blocked()
		}
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), port)}, nil
	}
	answers, err := d.resolver.LookupNetIP(ctx, "ip", host+".")
	if err != nil {
		if ctx.Err() != nil {
			return nil, failure(ClassTimeout, textTimeoutDNS)
		}
		if dnsErr := (*net.DNSError)(nil); errors.As(err, &dnsErr) && dnsErr.IsNotFound {
			return nil, failure(ClassDNS, textNoSuchHost)
		}
		return nil, failure(ClassDNS, textDNSFailed)
	}
	if len(answers) == 0 {
		return nil, failure(ClassDNS, textNoSuchHost)
	}
	if len(answers) > maxAnswers {
		return nil, failure(ClassDNS, textDNSFailed)
	}
	for _, a := range answers {
		if !d.policy.permits(a, port, host) {
			return nil, blocked()
		}
	}
	return interleave(answers, port), nil
}

// interleave orders the addresses as RFC 8305 says: the families in turn, IPv6
// first, each in the resolver's order, without repetitions.
func interleave(answers []netip.Addr, port uint16) []netip.AddrPort {
	var six, four []netip.AddrPort
	seen := make(map[netip.Addr]struct{}, len(answers))
	for _, a := range answers {
		a = a.Unmap()
		if _, ok := seen[a]; ok {
			continue
		}
		seen[a] = struct{}{}
		if a.Is6() {
			six = append(six, netip.AddrPortFrom(a, port))
		} else {
			four = append(four, netip.AddrPortFrom(a, port))
		}
	}
	var order []netip.AddrPort
	for i := 0; len(order) < maxDialed && (i < len(six) || i < len(four)); i++ {
		if i < len(six) {
			order = append(order, six[i])
		}
		if i < len(four) {
			order = append(order, four[i])
		}
	}
	return order[:min(len(order), maxDialed)]
}

// connect tries the addresses, each beginning fallbackDelay after the one
// before it or as soon as that failed. The first connection wins; the others
// have ended when connect returns.
func (d *dialer) connect(ctx context.Context, addrs []netip.AddrPort, host string) (net.Conn, error) {
	if len(addrs) == 1 {
		conn, err := d.socket(ctx, addrs[0], host)
		return conn, dialError(ctx, err)
	}
	raceCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		err  error
	}
	outcomes := make(chan outcome, len(addrs))
	next, running := 0, 0
	start := func() {
		addr := addrs[next]
		next++
		running++
		go func() {
			conn, err := d.socket(raceCtx, addr, host)
			outcomes <- outcome{conn, err}
		}()
	}
	start()
	var won net.Conn
	var failed error
	timer := time.NewTimer(fallbackDelay)
	defer timer.Stop()
	for running > 0 {
		select {
		case <-timer.C:
		case o := <-outcomes:
			running--
			if o.err == nil && won != nil {
				_ = o.conn.Close() // came second
			} else if o.err == nil {
				won = o.conn
				cancel()
			} else if failed == nil || isBlocked(o.err) {
				failed = o.err
			}
		}
		if won == nil && !isBlocked(failed) && next < len(addrs) && raceCtx.Err() == nil {
			start()
			timer.Reset(fallbackDelay)
		} else if isBlocked(failed) {
			cancel()
		}
	}
	if won != nil && isBlocked(failed) {
		_ = won.Close()
		won = nil
	}
	if won != nil {
		return won, nil
	}
	return nil, dialError(ctx, failed)
}

// socket opens one connection to a literal that resolve has checked.
func (d *dialer) socket(ctx context.Context, addr netip.AddrPort, host string) (net.Conn, error) {
	if !d.policy.permits(addr.Addr(), addr.Port(), host) {
		return nil, blocked()
	}
	if d.proxy != nil {
		conn, err := d.proxyConn(ctx)
		if err != nil {
			return nil, err
		}
		return d.proxy.tunnel(ctx, conn, addr)
	}
	if d.raw != nil {
		return d.wrap(d.raw(ctx, "tcp", addr.String()))
	}
	return d.wrap(d.socketDialer(host).DialContext(ctx, "tcp", addr.String()))
}

// wrap puts a wire around a new socket where net/http is to use it.
func (d *dialer) wrap(c net.Conn, err error) (net.Conn, error) {
	if err != nil || !d.wired {
		return c, err
	}
	return &wire{Conn: c}, nil
}

// proxyConn connects to the proxy, which the operator named: it may well be an
// inner one, so no address is checked.
func (d *dialer) proxyConn(ctx context.Context) (net.Conn, error) {
	if d.raw != nil {
		return d.wrap(d.raw(ctx, "tcp", d.proxy.addr))
	}
	nd := net.Dialer{Resolver: &net.Resolver{PreferGo: true}}
	return d.wrap(nd.DialContext(ctx, "tcp", d.proxy.addr))
}

func (d *dialer) socketDialer(host string) *net.Dialer {
	return &net.Dialer{Control: func(network, address string, _ syscall.RawConn) error {
		return d.checkSocket(network, address, host)
	}}
}

// checkSocket is the last check, on the address that the kernel is about to
// connect to.
func (d *dialer) checkSocket(network, address, host string) error {
	if network != "tcp4" && network != "tcp6" {
		return blocked()
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !d.policy.permits(ap.Addr(), ap.Port(), host) {
		return blocked()
	}
	return nil
}

// handshake owns conn: it is closed where the handshake fails.
func (d *dialer) handshake(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	config := d.tls.Clone()
	config.ServerName = host
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, failure(ClassTimeout, textTimeoutTLS)
		}
		return nil, failure(ClassTLS, tlsText(err))
	}
	return secured, nil
}

func isBlocked(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == ClassBlocked
}

// dialError reduces what the network said to few classes, one text each.
func dialError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case isBlocked(err):
		return blocked()
	case ctx.Err() != nil:
		return failure(ClassTimeout, textTimeoutConnect)
	}
	return failure(ClassConnect, textConnect)
}
