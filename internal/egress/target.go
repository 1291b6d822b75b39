package egress

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxURLBytes bounds a target's URL, as written and in canonical form.
const MaxURLBytes = 2048

// Codes of a [TargetError]. They are the API's codes for a refused URL.
const (
	// CodeInvalidURL: the text is no http or https URL at all.
	CodeInvalidURL = "invalid_url"
	// CodeTargetNotAllowed: the URL is one that is never sent to.
	CodeTargetNotAllowed = "target_not_allowed"
)

// TargetError says why a URL was refused at save.
type TargetError struct {
	Code string // CodeInvalidURL or CodeTargetNotAllowed
	Why  string // one plain sentence for the person who typed the URL; holds nothing of the URL
}

// Error returns the code and the sentence.
func (e *TargetError) Error() string { return e.Code + ": " + e.Why }

// Target is a URL that [Client.ParseTarget] accepted, in canonical form. It is
// a value: targets that are equal by == have the same String. The zero Target
// is refused by [Client.Do].
type Target struct {
	canonical string
	https     bool
	host      string // canonical name, or the address without brackets
	authority string // as in the URL and the Host header
	port      uint16
	path      string // escaped, begins with a slash
	query     string // escaped, without the question mark
	hasQuery  bool   // a lone question mark is kept
}

// String returns the canonical URL: what is stored, and what is sent to. It
// parses to the same Target again.
func (t Target) String() string { return t.canonical }

// Host returns the host's canonical name, or its address without brackets.
func (t Target) Host() string { return t.host }

// IsZero reports whether t is the zero Target.
func (t Target) IsZero() bool { return t.canonical == "" }

// ParseTarget parses and checks a URL that a customer gave, without resolving
// its name. The result is what has to be stored: what is sent to is always the
// canonical form, never the text that was typed. A fragment is dropped (it is
// never sent). The error is a *[TargetError].
func (c *Client) ParseTarget(raw string) (Target, error) {
	if t, own := c.inbox.target(raw); own {
		return t, nil
	}
	t, refused := parseTarget(raw, c.policy)
	if refused != nil {
		return Target{}, refused
	}
	return t, nil
}

func invalid(why string) *TargetError { return &TargetError{CodeInvalidURL, why} }

// exception is added where the operator may permit what is refused.
const exception = " The operator of this server can allow it with allow-targets."

func notAllowed(why string) *TargetError { return &TargetError{CodeTargetNotAllowed, why} }

func parseTarget(raw string, p *policy) (Target, *TargetError) {
	if refused := checkText(raw); refused != nil {
		return Target{}, refused
	}
	var t Target
	rest, ok := cutPrefixFold(raw, "http://")
	t.port = 80
	if !ok {
		if rest, ok = cutPrefixFold(raw, "https://"); !ok {
			return Target{}, invalid("The URL must begin with https:// or http://.")
		}
		t.https, t.port = true, 443
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	tail, _, _ = strings.Cut(tail, "#")
	path, query, hasQuery := strings.Cut(tail, "?")
	if strings.Contains(authority, `\`) || strings.Contains(path, `\`) {
		return Target{}, invalid("The URL holds a backslash.")
	}
	if refused := t.setAuthority(authority, p); refused != nil {
		return Target{}, refused
	}
	t.hasQuery = hasQuery
	var okPath, okQuery bool
	t.path, okPath = escapeComponent(path, false)
	t.query, okQuery = escapeComponent(query, true)
	if !okPath || !okQuery {
		return Target{}, invalid("A percent sign in the URL is not followed by two hexadecimal digits.")
	}
	if t.path == "" {
		t.path = "/"
	}
	t.build()
	if len(t.canonical) > MaxURLBytes {
		return Target{}, invalid("The URL is longer than 2048 bytes.")
	}
	return t, nil
}

// build sets the canonical text from the parts.
func (t *Target) build() {
	var b strings.Builder
	b.Grow(len("https://?") + len(t.authority) + len(t.path) + len(t.query))
	b.WriteString("http")
	if t.https {
		b.WriteByte('s')
	}
	b.WriteString("://")
	b.WriteString(t.authority)
	b.WriteString(t.path)
	if t.hasQuery {
		b.WriteByte('?')
		b.WriteString(t.query)
	}
	t.canonical = b.String()
}

// checkText refuses what no URL holds, before anything is taken apart.
func checkText(raw string) *TargetError {
	if raw == "" {
		return invalid("The URL is empty.")
	}
	if len(raw) > MaxURLBytes {
		return invalid("The URL is longer than 2048 bytes.")
	}
	if !utf8.ValidString(raw) {
		return invalid("The URL is not valid UTF-8.")
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] <= ' ' || raw[i] == 0x7f {
			return invalid("The URL holds a space or a control character.")
		}
	}
	return nil
}

// setAuthority parses and checks host and port. The checks that need only the
// text come first, so that the answer does not depend on the exceptions where
// a spelling is refused in any case.
func (t *Target) setAuthority(authority string, p *policy) *TargetError {
	if strings.Contains(authority, "@") {
		return notAllowed("The URL must not hold a user name or password; use a custom header instead.")
	}
	host, refused := t.cutPort(authority)
	if refused != nil {
		return refused
	}
	if host == "" {
		return invalid("The URL has no host.")
	}
	var excepted bool
	if strings.HasPrefix(host, "[") {
		excepted, refused = t.setLiteral6(host[1:len(host)-1], p)
	} else if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		t.host, t.authority = a.String(), a.String()
		excepted, refused = t.checkLiteral(a, p)
	} else {
		excepted, refused = t.setName(host, p)
	}
	if refused != nil {
		return refused
	}
	if !excepted && isNonHTTPPort(t.port) {
		return notAllowed("The port belongs to a service that does not speak HTTP.")
	}
	if t.https && t.port != 443 || !t.https && t.port != 80 {
		t.authority += ":" + strconv.Itoa(int(t.port))
	}
	return nil
}

// cutPort takes the port off the authority and returns the host, in brackets
// where it was written so.
func (t *Target) cutPort(authority string) (string, *TargetError) {
	host, portText, hasPort := authority, "", false
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", invalid("The URL's IPv6 address has no closing bracket.")
		}
		host, portText = authority[:end+1], authority[end+1:]
		if portText != "" {
			if portText, hasPort = strings.CutPrefix(portText, ":"); !hasPort {
				return "", invalid("The URL has text between the IPv6 address and the port.")
			}
		}
	} else {
		host, portText, hasPort = strings.Cut(authority, ":")
		if strings.Contains(portText, ":") {
			return "", invalid("The URL's host holds a colon; an IPv6 address is written in brackets.")
		}
	}
	if hasPort {
		port, ok := parsePort(portText)
		if !ok {
			return "", invalid("The URL's port is not a number from 1 to 65535.")
		}
		t.port = port
	}
	return host, nil
}

func (t *Target) setLiteral6(text string, p *policy) (bool, *TargetError) {
	if strings.Contains(text, "%") {
		return false, notAllowed("An IPv6 address with a zone is not allowed.")
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() {
		return false, invalid("The text in brackets is not an IPv6 address.")
	}
	if a.Is4In6() {
		return false, notAllowed("An IPv4 address must be written as four decimal numbers.")
	}
	t.host = a.String()
	t.authority = "[" + t.host + "]"
	return t.checkLiteral(a, p)
}

func (t *Target) checkLiteral(a netip.Addr, p *policy) (bool, *TargetError) {
	if !p.permits(a, t.port, t.host) {
		return false, notAllowed("The address is not on the public internet." + exception)
	}
	return p.excepted(a, t.port, t.host), nil
}

func (t *Target) setName(text string, p *policy) (bool, *TargetError) {
	name, why := canonicalName(text)
	if why != "" {
		return false, notAllowed(why)
	}
	t.host, t.authority = name, name
	if p.allow.host(name, t.port) {
		return true, nil
	}
	if why := refusedName(name); why != "" {
		return false, notAllowed(why + exception)
	}
	return false, nil
}

// parsePort accepts 1 to 65535 in plain decimal without leading zeros.
func parsePort(text string) (uint16, bool) {
	if text == "" || text[0] == '0' || len(text) > 5 || !isDigits(text) {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil
}

func isDigits(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// escapeComponent percent-encodes what RFC 3986 does not let stand in a path
// or query, and leaves everything else, escapes included, as it was written:
// a receiver's signature check or router may depend on the spelling. It
// reports false for a percent sign without two hexadecimal digits.
func escapeComponent(s string, query bool) (string, bool) {
	const upperHex = "0123456789ABCDEF"
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return "", false
		}
		plain = plain && standsInURL(s[i], query)
	}
	if plain {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if standsInURL(s[i], query) {
			b.WriteByte(s[i])
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[s[i]>>4])
		b.WriteByte(upperHex[s[i]&15])
	}
	return b.String(), true
}

// standsInURL must not accept a byte that net/url would escape in a path:
// what is stored would then differ from what is sent.
func standsInURL(c byte, query bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	case c == '?':
		return query
	}
	return strings.IndexByte("-._~!$&'()*+,;=:@/[]%", c) >= 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
