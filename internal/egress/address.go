package egress

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ownTTL is how long the list of the host's own interface addresses is used
// before it is read again: long enough to cost nothing, short enough to follow
// an address that was added to a running machine.
const ownTTL = 5 * time.Second

// globalUnicast is the only part of the IPv6 space that IANA hands out for the
// public internet; everything else is refused without looking further.
func globalUnicast() netip.Prefix { return netip.MustParsePrefix("2000::/3") }

// special4 lists the IPv4 blocks that are not the public internet: the IANA
// IPv4 Special-Purpose Address Registry in full (entries that the registry
// calls globally reachable but that name infrastructure, such as AS112 and the
// relays, included), multicast, the reserved class E, and the one address
// by which a large cloud exposes its host agent on public space.
func special4() []netip.Prefix {
	return prefixes(
		"0.0.0.0/8",        // this network, RFC 791
		"10.0.0.0/8",       // private use, RFC 1918
		"100.64.0.0/10",    // shared address space, RFC 6598
		"127.0.0.0/8",      // loopback, RFC 1122
		"168.63.129.16/32", // Azure's host agent, on public space
		"169.254.0.0/16",   // link-local, RFC 3927
		"172.16.0.0/12",    // private use, RFC 1918
		"192.0.0.0/24",     // IETF protocol assignments, RFC 6890
		"192.0.2.0/24",     // documentation, RFC 5737
		"192.31.196.0/24",  // AS112, RFC 7535
		"192.52.193.0/24",  // AMT, RFC 7450
		"192.88.99.0/24",   // 6to4 relay anycast, RFC 7526
		"192.168.0.0/16",   // private use, RFC 1918
		"192.175.48.0/24",  // AS112, RFC 7534
		"198.18.0.0/15",    // benchmarking, RFC 2544
		"198.51.100.0/24",  // documentation, RFC 5737
		"203.0.113.0/24",   // documentation, RFC 5737
		"224.0.0.0/4",      // multicast, RFC 5771
		"240.0.0.0/4",      // reserved and broadcast, RFC 1112, RFC 8190
	)
}

// special6 lists the blocks within 2000::/3 that are not the public internet
// (IANA IPv6 Special-Purpose Address Registry). Everything outside 2000::/3 is
// refused already: mapped and compatible addresses, NAT64, unique local,
// link-local, multicast, SRv6 SIDs, discard.
func special6() []netip.Prefix {
	return prefixes(
		"2001::/23",         // IETF protocol assignments: Teredo, ORCHID, benchmarking, RFC 2928
		"2001:db8::/32",     // documentation, RFC 3849
		"2002::/16",         // 6to4, RFC 3056: carries an IPv4 address
		"2620:4f:8000::/48", // AS112, RFC 7534
		"3ffe::/16",         // the returned 6bone, RFC 3701
		"3fff::/20",         // documentation, RFC 9637
	)
}

// guard is a block that a wide exception never reaches: only an entry that
// lies within the block itself does.
type guard struct {
	block netip.Prefix
	// loopback: a host the operator named may resolve into the block.
	loopback bool
}

// guards lists the loopback, unspecified (Linux connects 0.0.0.0 and :: to
// itself) and link-local blocks, and the metadata services of the clouds. The
// narrowest block that holds an address decides, so naming 169.254.0.0/16
// does not name 169.254.169.254.
func guards() []guard {
	list := []guard{
		{netip.MustParsePrefix("127.0.0.0/8"), true},
		{netip.MustParsePrefix("::1/128"), true},
	}
	for _, p := range prefixes(
		"0.0.0.0/8", "::/128", // unspecified
		"169.254.0.0/16", "fe80::/10", // link-local
		"168.63.129.16/32",                 // Azure host agent
		"169.254.0.23/32",                  // Tencent metadata
		"169.254.42.42/32", "fd00:42::/32", // Scaleway metadata
		"169.254.169.0/24",    // metadata, DNS and time of most clouds
		"169.254.169.254/32",  // metadata of most clouds
		"169.254.170.0/24",    // AWS container credentials
		"100.100.100.200/32",  // Alibaba metadata
		"192.0.0.192/32",      // Oracle metadata
		"fd00:ec2::/32",       // AWS metadata, DNS and time
		"fd00:c1::/32",        // Oracle metadata
		"fd20:ce::/32",        // Google metadata
		"fe80::a9fe:a9fe/128", // OpenStack metadata
	) {
		list = append(list, guard{block: p})
	}
	return list
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// policy decides which addresses may be reached. It is read-only after New
// and safe for concurrent use.
type policy struct {
	global   netip.Prefix
	special4 []netip.Prefix
	special6 []netip.Prefix
	guards   []guard
	allow    exceptions
	own      *ownAddresses
}

func newPolicy(allow exceptions, own *ownAddresses) *policy {
	return &policy{
		global:   globalUnicast(),
		special4: special4(),
		special6: special6(),
		guards:   guards(),
		allow:    allow,
		own:      own,
	}
}

// permits reports whether a connection to a:port may be made for the host
// (canonical name, or the text of the literal). It is asked for literals at
// save, for every answer of the resolver, and again for every socket.
func (p *policy) permits(a netip.Addr, port uint16, host string) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if p.excepted(a, port, host) {
		return true
	}
	return p.public(a) && !p.own.contains(a)
}

// public reports whether a, which is unmapped and has no zone, belongs to the
// public internet.
func (p *policy) public(a netip.Addr) bool {
	special := p.special4
	if a.Is6() {
		if !p.global.Contains(a) {
			return false
		}
		special = p.special6
	}
	for _, block := range special {
		if block.Contains(a) {
			return false
		}
	}
	return true
}

// excepted reports whether the operator's exceptions cover a:port.
func (p *policy) excepted(a netip.Addr, port uint16, host string) bool {
	g, guarded := p.guardOf(a)
	wide := p.allow.host(host, port) && (!guarded || g.loopback)
	for _, e := range p.allow.prefixes {
		if e.port != 0 && e.port != port || !e.prefix.Contains(a) {
			continue
		}
		if e.prefix.IsSingleIP() {
			return true
		}
		if !guarded || e.prefix.Bits() >= g.block.Bits() {
			wide = true
		}
	}
	if !wide {
		return false
	}
	// A form that carries an IPv4 address reaches that address, so a wide
	// exception for the form is one for what it carries only where that
	// could be reached as well.
	if inner, ok := embedded4(a); ok {
		return p.permits(inner, port, host)
	}
	return true
}

// guardOf returns the narrowest guarded block around a.
func (p *policy) guardOf(a netip.Addr) (guard, bool) {
	var found guard
	ok := false
	for _, g := range p.guards {
		if g.block.Contains(a) && (!ok || g.block.Bits() > found.block.Bits()) {
			found, ok = g, true
		}
	}
	return found, ok
}

// embedded4 returns the IPv4 address that a translation or tunnel form of an
// IPv6 address stands for: NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo
// (RFC 4380), IPv4-compatible (RFC 4291).
func embedded4(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	last := [4]byte{b[12], b[13], b[14], b[15]}
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a),
		netip.MustParsePrefix("64:ff9b:1::/48").Contains(a):
		return netip.AddrFrom4(last), true
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte{b[2], b[3], b[4], b[5]}), true
	case netip.MustParsePrefix("2001::/32").Contains(a):
		for i := range last {
			last[i] ^= 0xff
		}
		return netip.AddrFrom4(last), true
	case netip.MustParsePrefix("::/96").Contains(a) && b[12]|b[13]|b[14] != 0:
		return netip.AddrFrom4(last), true
	}
	return netip.Addr{}, false
}

// ownAddresses knows the addresses of this machine's interfaces, which are
// refused even where they are public: they lead to what listens here.
type ownAddresses struct {
	list func() ([]net.Addr, error)

	mu   sync.Mutex
	at   time.Time
	held map[netip.Addr]struct{}
}

// newOwnAddresses reads the list once. The error is final: a machine whose
// addresses are unknown must not dial.
func newOwnAddresses(list func() ([]net.Addr, error)) (*ownAddresses, error) {
	o := &ownAddresses{list: list}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.readLocked(); err != nil {
		return nil, fmt.Errorf("egress: read the interface addresses of this host: %w", err)
	}
	return o, nil
}

func (o *ownAddresses) contains(a netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) > ownTTL {
		// The last list that was read stays in force when reading fails now.
		_ = o.readLocked()
	}
	_, ok := o.held[a]
	return ok
}

func (o *ownAddresses) readLocked() error {
	addrs, err := o.list()
	if err != nil {
		return err
	}
	held := make(map[netip.Addr]struct{}, len(addrs))
	for _, addr := range addrs {
		ipNet, ok := addr.(*net.IPNet)
		if !ok {
			continue
		}
		if a, ok := netip.AddrFromSlice(ipNet.IP); ok {
			held[a.Unmap()] = struct{}{}
		}
	}
	o.held, o.at = held, time.Now()
	return nil
}
