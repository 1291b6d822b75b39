package egress

import (
	"net/http"
	"strings"
)

// Field is one header field.
type Field struct{ Name, Value string }

// Header is the header fields of a request, in the order in which they are
// sent: a slice, since a request has few of them, each of which is written once
// and looked for never.
type Header []Field

// Set sets the field of that name, whatever its case, or appends it.
func (h *Header) Set(name, value string) {
	for i := range *h {
		if strings.EqualFold((*h)[i].Name, name) {
			(*h)[i].Value = value
			return
		}
	}
	*h = append(*h, Field{name, value})
}

// Map returns the fields as receivers in Go know them.
func (h Header) Map() http.Header {
	m := make(http.Header, len(h))
	for i := range h {
		m.Add(h[i].Name, h[i].Value)
	}
	return m
}

// sendable tells whether the fields can be written: a value with a line break
// would be another field.
func (h Header) sendable() bool {
	for i := range h {
		if !isToken(h[i].Name) {
			return false
		}
		for _, c := range []byte(h[i].Value) {
			if c < ' ' && c != '\t' || c == 0x7f {
				return false
			}
		}
	}
	return true
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		usual := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c >= '0' && c <= '9'
		if !usual && !strings.ContainsRune("!#$%&'*+.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// frames tells whether a field is ours alone, since it frames the request.
func frames(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("Connection"):
		return strings.EqualFold(name, "Connection")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}
