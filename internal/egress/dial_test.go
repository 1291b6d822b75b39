package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// resolverFunc is a resolver that gives texts.
type resolverFunc func(ctx context.Context, host string) ([]string, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	texts, err := f(ctx, host)
	var addrs []netip.Addr
	for _, text := range texts {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, err
}

const noContentClose = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

func TestAnswersOfTheResolver(t *testing.T) { eachWay(t, testAnswersOfTheResolver) }

func testAnswersOfTheResolver(t *testing.T, netHTTP bool) {
	t.Parallel()
	many := make([]string, maxAnswers+1)
	for i := range many {
		many[i] = publicIP
	}
	for _, tt := range []struct {
		name    string
		answers []string
		err     error
		status  int
		class   Class
		text    string
		dialed  []string
	}{
		{name: "public", answers: []string{publicIP}, status: 204, dialed: []string{publicIP + ":80"}},
		{name: "public IPv6", answers: []string{"2606:4700::1111"}, status: 204, dialed: []string{"[2606:4700::1111]:80"}},
		{name: "mapped by the resolver", answers: []string{"::ffff:" + publicIP}, status: 204, dialed: []string{publicIP + ":80"}},
		{name: "loopback", answers: []string{"127.0.0.1"}, class: ClassBlocked},
		{name: "mapped loopback", answers: []string{"::ffff:127.0.0.1"}, class: ClassBlocked},
		{name: "metadata", answers: []string{"169.254.169.254"}, class: ClassBlocked},
		{name: "shared space", answers: []string{"100.64.0.1"}, class: ClassBlocked},
		{name: "NAT64 of loopback", answers: []string{"64:ff9b::7f00:1"}, class: ClassBlocked},
		{name: "6to4 of loopback", answers: []string{"2002:7f00:1::"}, class: ClassBlocked},
		{name: "zone", answers: []string{"fe80::1%lo"}, class: ClassBlocked},
		{name: "inner one last", answers: []string{publicIP, "93.184.216.35", "10.0.0.1"}, class: ClassBlocked},
		{name: "inner one first", answers: []string{"::1", publicIP}, class: ClassBlocked},
		{name: "none", answers: nil, class: ClassDNS, text: textNoSuchHost},
		{name: "no such host", err: &net.DNSError{Err: "no such host", IsNotFound: true}, class: ClassDNS, text: textNoSuchHost},
		{name: "server failure", err: &net.DNSError{Err: "server misbehaving", Server: "10.0.0.53:53"}, class: ClassDNS, text: textDNSFailed},
		{name: "too many", answers: many, class: ClassDNS, text: textDNSFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: text(noContentClose)}
				r := &answers{lists: [][]string{tt.answers}, err: tt.err}
				c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: r})
				result := c.Do(t.Context(), post(t, c, "http://example.com/"))
				if tt.class == ClassBlocked {
					tt.text = blocked().Text
				}
				checkResult(t, result, tt.status, tt.class, tt.text)
				if !slices.Equal(n.dialed, tt.dialed) {
					t.Errorf("dialed %v, want %v", n.dialed, tt.dialed)
				}
				if !slices.Equal(r.asked, []string{"example.com."}) {
					t.Errorf("the resolver was asked for %q", r.asked)
				}
			})
		})
	}
}

// TestRebinding: the first answer is public, the next is not. Every new
// connection is judged anew.
func TestRebinding(t *testing.T) { eachWay(t, testRebinding) }

func testRebinding(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: text(noContentClose)}
		r := &answers{lists: [][]string{{publicIP}, {"127.0.0.1"}, {publicIP}, {publicIP, "127.0.0.1"}}}
		c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: r})
		for attempt, status := range []int{204, 0, 204, 0} {
			result := c.Do(t.Context(), post(t, c, "http://example.com/"))
			if result.Status != status || status == 0 && result.Err.Class != ClassBlocked {
				t.Errorf("attempt %d: %d, %v", attempt+1, result.Status, result.Err)
			}
			synctest.Wait()
		}
		if n.dials() != 2 {
			t.Errorf("dialed %v", n.dialed)
		}
	})
}

func TestLiteralIsNotResolved(t *testing.T) { eachWay(t, testLiteralIsNotResolved) }

func testLiteralIsNotResolved(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: text(noContentClose)}
		r := &answers{err: errors.New("must not be asked")}
		c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: r})
		for _, host := range []string{publicIP, "[2606:4700::1111]"} {
			checkResult(t, c.Do(t.Context(), post(t, c, "http://"+host+":8080/")), 204, ClassNone, "")
		}
		if want := []string{publicIP + ":8080", "[2606:4700::1111]:8080"}; !slices.Equal(n.dialed, want) {
			t.Errorf("dialed %v", n.dialed)
		}
	})
}

// TestTargetOfAnotherPolicy: a target that was saved under exceptions which
// are gone is refused at the dial.
func TestTargetOfAnotherPolicy(t *testing.T) { eachWay(t, testTargetOfAnotherPolicy) }

func testTargetOfAnotherPolicy(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: text(noContentClose)}
		lenient := mustNew(t, Config{NetHTTP: netHTTP, Allow: []string{"127.0.0.0/8", "receiver"}})
		c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: &answers{lists: [][]string{{"10.0.0.1"}}}})
		for _, raw := range []string{"http://127.0.0.1:8080/", "http://receiver/"} {
			checkResult(t, c.Do(t.Context(), post(t, lenient, raw)), 0, ClassBlocked, blocked().Text)
		}
		if n.dials() != 0 {
			t.Errorf("dialed %v", n.dialed)
		}
	})
}

func TestSilentResolver(t *testing.T) { eachWay(t, testSilentResolver) }

func testSilentResolver(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		c := setup(t, &network{serve: hang}, Config{NetHTTP: netHTTP, Resolver: resolverFunc(func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})})
		result := c.Do(t.Context(), post(t, c, "http://example.com/"))
		checkResult(t, result, 0, ClassTimeout, textTimeoutDNS)
		if want := (Timing{DNS: 30 * time.Second, Total: 30 * time.Second}); result.Timing != want {
			t.Errorf("timing %+v", result.Timing)
		}
	})
}

// TestFallback tries several addresses: at once after a failure, and beside
// one that is silent.
func TestFallback(t *testing.T) { eachWay(t, testFallback) }

func testFallback(t *testing.T, netHTTP bool) {
	t.Parallel()
	const refuses, silent = "refuses", "silent"
	addrs := []string{"93.184.216.1", "93.184.216.2", "2606:4700::1", "2606:4700::2", "93.184.216.1"}
	order := []string{"[2606:4700::1]:80", "93.184.216.1:80", "[2606:4700::2]:80", "93.184.216.2:80"}
	for _, tt := range []struct {
		name   string
		fate   map[string]string
		status int
		class  Class
		text   string
		dialed int
		took   time.Duration
	}{
		{name: "the first answers", status: 204, dialed: 1},
		{name: "one refuses", fate: map[string]string{order[0]: refuses}, status: 204, dialed: 2},
		{name: "one is silent", fate: map[string]string{order[0]: silent}, status: 204, dialed: 2, took: fallbackDelay},
		{name: "only the last answers", fate: map[string]string{order[0]: silent, order[1]: refuses, order[2]: silent}, status: 204, dialed: 4, took: 2 * fallbackDelay},
		{name: "all refuse", fate: map[string]string{order[0]: refuses, order[1]: refuses, order[2]: refuses, order[3]: refuses}, class: ClassConnect, text: textConnect, dialed: 4},
		{name: "all are silent", fate: map[string]string{order[0]: silent, order[1]: silent, order[2]: silent, order[3]: silent}, class: ClassTimeout, text: textTimeoutConnect, dialed: 4, took: 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: text(noContentClose)}
				c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: &answers{lists: [][]string{addrs}}})
				var tried []string
				c.dialer.raw = func(ctx context.Context, network, addr string) (net.Conn, error) {
					n.mu.Lock()
					tried = append(tried, addr)
					n.mu.Unlock()
					switch tt.fate[addr] {
					case refuses:
						return nil, errors.New("connection refused by 10.0.0.1")
					case silent:
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return n.dial(ctx, network, addr)
				}
				start := time.Now()
				result := c.Do(t.Context(), post(t, c, "http://example.com/"))
				checkResult(t, result, tt.status, tt.class, tt.text)
				if took := time.Since(start); took != tt.took || result.Timing.Connect != tt.took {
					t.Errorf("took %v, connecting %v, want %v", took, result.Timing.Connect, tt.took)
				}
				synctest.Wait()
				if !slices.Equal(tried, order[:tt.dialed]) {
					t.Errorf("tried %v", tried)
				}
			})
		})
	}
}

// TestTwoConnectionsAtOnce: the one that comes second is closed.
func TestTwoConnectionsAtOnce(t *testing.T) { eachWay(t, testTwoConnectionsAtOnce) }

func testTwoConnectionsAtOnce(t *testing.T, netHTTP bool) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: text(noContentClose)}
		c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: &answers{lists: [][]string{{"93.184.216.1", "93.184.216.2"}}}})
		c.dialer.raw = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "93.184.216.1:80" {
				time.Sleep(2 * fallbackDelay) // deaf to its context
			} else {
				time.Sleep(fallbackDelay)
			}
			return n.dial(ctx, network, addr)
		}
		checkResult(t, c.Do(t.Context(), post(t, c, "http://example.com/")), 204, ClassNone, "")
		synctest.Wait()
		if n.dials() != 2 || n.open.Load() != 0 {
			t.Errorf("%d connections, %d open", n.dials(), n.open.Load())
		}
	})
}

func TestManyAddressesAreNotAllTried(t *testing.T) { eachWay(t, testManyAddressesAreNotAllTried) }

func testManyAddressesAreNotAllTried(t *testing.T, netHTTP bool) {
	t.Parallel()
	var list []netip.Addr
	for a := netip.MustParseAddr("93.184.216.1"); len(list) < 100; a = a.Next() {
		list = append(list, a)
	}
	if got := interleave(list, 80); len(got) != maxDialed {
		t.Errorf("%d addresses", len(got))
	}
}

// TestSocketIsCheckedAgain dials a real listener on loopback past the first
// checks: the socket's own check must refuse, and the listener see nothing.
func TestSocketIsCheckedAgain(t *testing.T) { eachWay(t, testSocketIsCheckedAgain) }

func testSocketIsCheckedAgain(t *testing.T, netHTTP bool) {
	t.Parallel()
	listener := listen(t)
	var accepted atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = conn.Close()
		}
	}()
	addr := listener.Addr().String()
	strict := &dialer{policy: foreignPolicy(t)}
	for _, address := range []string{addr, strings.Replace(addr, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		nd := strict.socketDialer("example.com")
		if conn, err := nd.DialContext(t.Context(), "tcp", address); !isBlocked(err) {
			t.Errorf("%s: %v, %v", address, conn, err)
		}
	}
	lenient := &dialer{policy: foreignPolicy(t, "127.0.0.0/8")}
	conn, err := lenient.socket(t.Context(), netip.MustParseAddrPort(addr), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Read(make([]byte, 1)) // returns when the listener has closed it
	_ = conn.Close()
	if accepted.Load() != 1 {
		t.Errorf("the listener accepted %d connections, want the allowed one", accepted.Load())
	}
	for _, tt := range [][2]string{
		{"tcp4", "127.0.0.1:80"}, {"tcp6", "[::1]:80"}, {"tcp6", "[fe80::1%lo]:80"}, {"tcp4", "no address"},
		{"udp4", publicIP + ":80"}, {"tcp", publicIP + ":80"}, {"unix", "/run/docker.sock"},
	} {
		if err := strict.checkSocket(tt[0], tt[1], "example.com"); !isBlocked(err) {
			t.Errorf("%v: %v", tt, err)
		}
	}
	if err := strict.checkSocket("tcp4", publicIP+":80", "example.com"); err != nil {
		t.Error(err)
	}
}

// TestBlockedSocketEndsTheRace: what the check at the socket refuses is not
// made good by another address, be that one still to be tried or connected.
func TestBlockedSocketEndsTheRace(t *testing.T) { eachWay(t, testBlockedSocketEndsTheRace) }

func testBlockedSocketEndsTheRace(t *testing.T, netHTTP bool) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"before the next": 0, "behind the winner": 2 * fallbackDelay} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: hang}
				c := setup(t, n, Config{NetHTTP: netHTTP, Resolver: &answers{lists: [][]string{{"93.184.216.1", "93.184.216.2"}}}})
				c.dialer.raw = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr == "93.184.216.1:80" {
						time.Sleep(after) // deaf to its context
						return nil, blocked()
					}
					return n.dial(ctx, network, addr)
				}
				checkResult(t, c.Do(t.Context(), post(t, c, "http://example.com/")), 0, ClassBlocked, blocked().Text)
				synctest.Wait()
				if want := min(1, int(after)); n.dials() != want || n.open.Load() != 0 {
					t.Errorf("%d connections, want %d; %d open", n.dials(), want, n.open.Load())
				}
			})
		})
	}
}
