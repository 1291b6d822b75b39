package egress

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"code.dny.dev/ssrf"
)

// foreignPolicy is the default policy of a machine that has no addresses.
func foreignPolicy(t testing.TB, allow ...string) *policy {
	t.Helper()
	x, err := parseAllow(allow)
	if err != nil {
		t.Fatal(err)
	}
	own, err := newOwnAddresses(func() ([]net.Addr, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return newPolicy(x, own)
}

// TestAgainstOracle compares the default policy with an independent list. We
// may refuse more, where the difference is explained here, but never less.
func TestAgainstOracle(t *testing.T) {
	t.Parallel()
	oracle := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())
	p := foreignPolicy(t)
	stricter := map[netip.Prefix]string{
		netip.MustParsePrefix("168.63.129.16/32"): "Azure's host agent lives on public space",
		netip.MustParsePrefix("3ffe::/16"):        "returned to IANA, nothing may be announced there (RFC 3701)",
	}
	met := map[netip.Prefix]bool{}
	var public, refused int
	check := func(a netip.Addr) {
		ours := p.permits(a, 443, "example.com")
		theirs := oracle.SafeAddr(a.Unmap()) == nil
		switch {
		case ours:
			public++
		default:
			refused++
		}
		if ours == theirs {
			return
		}
		if !ours {
			for prefix := range stricter {
				if prefix.Contains(a.Unmap()) {
					met[prefix] = true
					return
				}
			}
		}
		t.Errorf("%v: permitted %v, oracle %v", a, ours, theirs)
	}
	for _, a := range boundaries() {
		check(a)
	}
	for prefix := range stricter {
		check(prefix.Addr())
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		check(random4(random))
		check(random6(random, false))
		check(random6(random, true))
		check(netip.AddrFrom16(random4(random).As16())) // mapped: judged by what it maps
	}
	if len(met) != len(stricter) {
		t.Errorf("explained differences that were not met: %v of %v", met, stricter)
	}
	if public < 10_000 || refused < 10_000 {
		t.Errorf("the addresses are one-sided: %d public, %d refused", public, refused)
	}
}

// boundaries returns the first and last address of every listed block, ours
// and the oracle's, and their neighbours.
func boundaries() []netip.Addr {
	blocks := append(special4(), special6()...)
	blocks = append(blocks, globalUnicast(), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("ff00::/8"))
	for _, g := range guards() {
		blocks = append(blocks, g.block)
	}
	blocks = append(blocks, ssrf.IPv4DeniedPrefixes...)
	blocks = append(blocks, ssrf.IPv6DeniedPrefixes...)
	var addrs []netip.Addr
	for _, block := range blocks {
		first, last := block.Masked().Addr(), lastOf(block)
		for _, a := range []netip.Addr{first, last, first.Prev(), last.Next()} {
			if a.IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

func lastOf(block netip.Prefix) netip.Addr {
	bytes := block.Masked().Addr().AsSlice()
	for i := block.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

func random4(r *rand.Rand) netip.Addr {
	n := r.Uint32()
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func random6(r *rand.Rand, global bool) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if global {
		b[0] = b[0]&0x1f | 0x20
	}
	return netip.AddrFrom16(b)
}

func TestZonesAndInvalidAddressesAreRefused(t *testing.T) {
	t.Parallel()
	p := foreignPolicy(t, "::/0", "fe80::/10")
	for _, a := range []netip.Addr{
		{}, netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("2606:4700::1111%eth0"),
	} {
		if p.permits(a, 443, "example.com") {
			t.Errorf("%v is permitted", a)
		}
	}
}

func TestNamedHostMayBeInner(t *testing.T) {
	t.Parallel()
	p := foreignPolicy(t, "receiver", "db.internal:8080")
	for _, tt := range []struct {
		addr string
		port uint16
		host string
		want bool
	}{
		{"10.0.0.1", 80, "receiver", true},
		{"127.0.0.1", 80, "receiver", true},
		{"::1", 80, "receiver", true},
		{"fd00::1", 80, "receiver", true},
		{"169.254.169.254", 80, "receiver", false},
		{"169.254.1.1", 80, "receiver", false},
		{"0.0.0.0", 80, "receiver", false},
		{"fd00:ec2::254", 80, "receiver", false},
		{"64:ff9b::a9fe:a9fe", 80, "receiver", false},
		{"10.0.0.1", 80, "other", false},
		{"10.0.0.1", 8080, "db.internal", true},
		{"10.0.0.1", 8081, "db.internal", false},
	} {
		if got := p.permits(netip.MustParseAddr(tt.addr), tt.port, tt.host); got != tt.want {
			t.Errorf("%s:%d for %s: %v", tt.addr, tt.port, tt.host, got)
		}
	}
}

func TestOwnAddressesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2606:4700::1111")
		addrs := []net.Addr{&net.IPNet{IP: first.AsSlice(), Mask: net.CIDRMask(24, 32)}}
		var failing error
		reads := 0
		own, err := newOwnAddresses(func() ([]net.Addr, error) { reads++; return addrs, failing })
		if err != nil {
			t.Fatal(err)
		}
		p := newPolicy(exceptions{}, own)
		permitted := func(a netip.Addr) bool { return p.permits(a, 443, "example.com") }
		if permitted(first) || permitted(netip.AddrFrom16(first.As16())) || !permitted(second) {
			t.Error("only the own address is to be refused")
		}
		addrs = append(addrs, &net.IPNet{IP: second.AsSlice(), Mask: net.CIDRMask(64, 128)})
		if !permitted(second) || reads != 1 {
			t.Errorf("the list is not cached: %d reads", reads)
		}
		time.Sleep(ownTTL + time.Second)
		if permitted(first) || permitted(second) || reads != 2 {
			t.Errorf("a new own address is not refused after %v (%d reads)", ownTTL, reads)
		}
		failing = errors.New("no netlink")
		time.Sleep(ownTTL + time.Second)
		if permitted(first) || permitted(second) {
			t.Error("the last known list is not kept")
		}
		if _, err := newOwnAddresses(func() ([]net.Addr, error) { return nil, failing }); !errors.Is(err, failing) {
			t.Errorf("unknown own addresses: %v", err)
		}
	})
}
