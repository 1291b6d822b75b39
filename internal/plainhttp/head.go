package plainhttp

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// The bounds of what is plain. What goes beyond them is no error, but net/http's.
const (
	headBytes   = 4 << 10 // of the request line and the header
	headFields  = 48      // of the header
	bodyBytes   = 256 << 10
	lengthChars = 6 // digits of bodyBytes
)

// head is what a plain request says before its body. The strings share one piece of
// memory, which nothing else writes to.
type head struct {
	path   string
	host   string
	length int // of the body
	size   int // of the head itself
	// fields are the header's, names in canonical form, without Host; values[i] is
	// that of names[i].
	names, values []string
}

var endOfHead = []byte("\r\n\r\n")

// parse reads the head that b begins with. It takes only what can be read in one way
// (RFC 9112 without anything that it lets recipients tolerate) and says false of
// everything else, also of what is not whole: such a request is net/http's, which gets
// the same bytes.
func (h *head) parse(b []byte) bool {
	end := bytes.Index(b[:min(len(b), headBytes)], endOfHead)
	if end < 0 {
		return false
	}
	h.size = end + len(endOfHead)
	text := string(b[:end+2]) // every line with its end
	line, text, _ := strings.Cut(text, "\r\n")
	rest, ok := strings.CutPrefix(line, http.MethodPost+" ")
	if !ok {
		return false
	}
	if h.path, ok = strings.CutSuffix(rest, " HTTP/1.1"); !ok || !plainPath(h.path) {
		return false
	}
	h.host, h.length = "", -1
	h.names, h.values = h.names[:0], h.values[:0]
	for text != "" {
		line, text, _ = strings.Cut(text, "\r\n")
		if !h.field(line) {
			return false
		}
	}
	return h.host != "" && h.length >= 0
}

// field reads one line of the header.
func (h *head) field(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isToken(name) || len(h.names) == headFields {
		return false
	}
	value = strings.Trim(value, " \t")
	if !isText(value) {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Host":
		if h.host != "" || !isHost(value) {
			return false
		}
		h.host = value
		return true
	case "Content-Length":
		if h.length >= 0 || !h.setLength(value) {
			return false
		}
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Transfer-Encoding", "Trailer", "Te", "Expect", "Upgrade", "Proxy-Connection", "Keep-Alive", "Pragma":
		return false // they say how the message or its connection is to be treated
	}
	h.names = append(h.names, name)
	h.values = append(h.values, value)
	return true
}

// setLength reads Content-Length: digits, without a sign or a zero before them.
func (h *head) setLength(value string) bool {
	if value == "" || len(value) > lengthChars || value[0] == '0' && len(value) > 1 {
		return false
	}
	n := 0
	for i := range len(value) {
		d := value[i] - '0'
		if d > 9 {
			return false
		}
		n = 10*n + int(d)
	}
	h.length = n
	return n <= bodyBytes
}

// plainPath tells paths that mean what they say: no query, nothing escaped.
func plainPath(p string) bool {
	for i := range len(p) {
		if !pathByte[p[i]] {
			return false
		}
	}
	return strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//")
}

// isToken tells a field name (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for i := range len(name) {
		if !tokenByte[name[i]] {
			return false
		}
	}
	return name != ""
}

// isText tells a value of printable ASCII, spaces and tabs (RFC 9110, section 5.5,
// without obs-text).
func isText(value string) bool {
	for i := range len(value) {
		if c := value[i]; c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

// isHost tells a name or address with or without a port.
func isHost(host string) bool {
	for i := range len(host) {
		if !hostByte[host[i]] {
			return false
		}
	}
	return host != ""
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

var (
	tokenByte = set(alphanumeric + "!#$%&'*+-.^_`|~")
	pathByte  = set(alphanumeric + "/-._~")
	hostByte  = set(alphanumeric + ".:-_[]")
)

func set(of string) (in [256]bool) {
	for i := range len(of) {
		in[of[i]] = true
	}
	return in
}
