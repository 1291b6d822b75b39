// Package record makes what is kept of requests and answers: bounded, and
// without secrets. The log keeps an encoded [Detail] of each attempt, an inbox
// the [Headers] of what it received.
package record

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Headers are a received request's headers as an inbox keeps them: bounded,
// hidden ones and credentials masked. spell, when not nil, spells their names.
func Headers(h http.Header, hidden *Hidden, spell func(string) string) map[string]string {
	out := map[string]string{}
	for name, values := range kept(h) {
		value := Mask
		if !isCredential(name) && !hidden.names(name) {
			value = hidden.inText(Joined(values))
		}
		if spell != nil {
			name = spell(name)
		}
		out[name] = value
	}
	return out
}

func isCredential(name string) bool {
	return slices.ContainsFunc([]string{"Authorization", "Cookie", "Proxy-Authorization"}, func(c string) bool {
		return strings.EqualFold(c, name)
	})
}

// kept is h without the headers that go over the bound, in order of the names.
func kept(h http.Header) http.Header {
	total := 0
	for name, values := range h {
		total += headerSize(name, values)
	}
	if total <= keptBytes {
		return h
	}
	some, left := http.Header{}, keptBytes
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if size := headerSize(name, h[name]); size <= left {
			some[name] = h[name]
			left -= size
		}
	}
	return some
}

func headerSize(name string, values []string) int {
	n := len(name)
	for _, v := range values {
		n += len(v)
	}
	return n
}

// Joined is the value of a header that may be there more than once.
func Joined(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ", ")
}
