package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// exceptions are the operator's allowed targets, parsed.
type exceptions struct {
	prefixes []allowedPrefix
	hosts    map[allowedHost]struct{}
}

// allowedPrefix and allowedHost hold port 0 where any port is allowed.
type (
	allowedPrefix struct {
		prefix netip.Prefix
		port   uint16
	}
	allowedHost struct {
		name string
		port uint16
	}
)

// host reports whether the operator named the host, for this port or any.
func (x exceptions) host(name string, port uint16) bool {
	if len(x.hosts) == 0 {
		return false
	}
	if _, ok := x.hosts[allowedHost{name, 0}]; ok {
		return true
	}
	_, ok := x.hosts[allowedHost{name, port}]
	return ok
}

// parseAllow parses Config.Allow; the error names the entry.
func parseAllow(entries []string) (exceptions, error) {
	x := exceptions{hosts: make(map[allowedHost]struct{})}
	for _, entry := range entries {
		if err := x.add(strings.TrimSpace(entry)); err != nil {
			return exceptions{}, fmt.Errorf("egress: allowed target %q: %w", entry, err)
		}
	}
	return x, nil
}

func (x *exceptions) add(entry string) error {
	if strings.Contains(entry, "/") {
		return x.addPrefix(entry)
	}
	bare := entry
	if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
		bare = bare[1 : len(bare)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		return x.addAddr(a, 0)
	}
	if ap, err := netip.ParseAddrPort(entry); err == nil {
		if ap.Port() == 0 {
			return errors.New("port 0 is not a port")
		}
		return x.addAddr(ap.Addr(), ap.Port())
	}
	name, portText, hasPort := strings.Cut(entry, ":")
	var port uint16
	if hasPort {
		var ok bool
		if port, ok = parsePort(portText); !ok {
			return errors.New("the port is not a number from 1 to 65535")
		}
	}
	canonical, why := canonicalName(name)
	if why != "" {
		return errors.New("neither a CIDR, an address, a host nor host:port")
	}
	x.hosts[allowedHost{canonical, port}] = struct{}{}
	return nil
}

func (x *exceptions) addAddr(a netip.Addr, port uint16) error {
	if a.Zone() != "" {
		return errors.New("an address with a zone cannot be allowed")
	}
	a = a.Unmap()
	x.prefixes = append(x.prefixes, allowedPrefix{netip.PrefixFrom(a, a.BitLen()), port})
	return nil
}

func (x *exceptions) addPrefix(entry string) error {
	prefix, err := netip.ParsePrefix(entry)
	switch {
	case err != nil:
		return errors.New("not a CIDR")
	case prefix.Addr().Is4In6():
		return errors.New("write an IPv4 block in its IPv4 form")
	case prefix != prefix.Masked():
		return fmt.Errorf("bits are set beyond the prefix length, is %s meant?", prefix.Masked())
	}
	x.prefixes = append(x.prefixes, allowedPrefix{prefix, 0})
	return nil
}
