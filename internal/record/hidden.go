package record

import (
	"bytes"
	"strings"
)

// Mask stands in place of every secret that is shown.
const Mask = "••••"

// echoLength is the shortest header value that is looked for in answers:
// shorter ones are no secrets worth the words they would blot out.
const echoLength = 8

// Hidden is what nothing that is kept may show. The zero value hides nothing.
// It may be used by many goroutines once it is filled.
type Hidden struct {
	headers []string // whose values are masked whatever they are
	values  []string // masked wherever they stand
}

// Header hides a custom header, and its value where it comes back: many test
// receivers send back what they got. Of a value with several words, such as
// "Bearer …", the last one is looked for by itself too.
func (h *Hidden) Header(name, value string) {
	h.headers = append(h.headers, name)
	for _, part := range []string{value, value[strings.LastIndexByte(value, ' ')+1:]} {
		if len(part) >= echoLength {
			h.Value(part)
		}
	}
}

// Value hides a value wherever it stands.
func (h *Hidden) Value(value string) {
	if value != "" {
		h.values = append(h.values, value)
	}
}

// Add hides all that other hides.
func (h *Hidden) Add(other *Hidden) {
	h.headers = append(h.headers, other.headers...)
	h.values = append(h.values, other.values...)
}

// names tells whether a header is hidden.
func (h *Hidden) names(header string) bool {
	for _, name := range h.headers {
		if strings.EqualFold(name, header) {
			return true
		}
	}
	return false
}

// inText masks what is hidden in a text.
func (h *Hidden) inText(s string) string {
	for _, value := range h.values {
		s = strings.ReplaceAll(s, value, Mask)
	}
	return s
}

// In masks what is hidden in a body, which is copied only where it changes.
func (h *Hidden) In(b []byte) []byte {
	for _, value := range h.values {
		if bytes.Contains(b, []byte(value)) {
			b = bytes.ReplaceAll(b, []byte(value), []byte(Mask))
		}
	}
	return b
}
