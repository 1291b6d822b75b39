package record

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mask stands in place of every secret that is shown.
const Mask = "••••"

const (
	// echoLength is the shortest value that is looked for in texts: shorter ones
	// are no secrets worth the words they would blot out.
	echoLength = 8
	// tellingLength is as much of a value's beginning as is masked even where the
	// value does not go on behind it. It also bounds what one place of a text costs.
	tellingLength = 64
	// withinSteps bounds, for each byte of a text, what is looked for within values.
	withinSteps = 16
)

// Secrets are what nothing that is kept may show. They are gathered, then made
// ready once by [Secrets.Hidden].
type Secrets struct {
	headers, values []string
}

// Header adds a custom header, and its value where it comes back: many test
// receivers send back what they got. Of a value with several words, such as
// "Bearer …", the last one is looked for by itself too.
func (s *Secrets) Header(name, value string) {
	s.headers = append(s.headers, name)
	s.Value(value)
	s.Value(value[strings.LastIndexByte(value, ' ')+1:])
}

// Value adds a value to be masked wherever it stands, unless it has fewer than 8
// bytes.
func (s *Secrets) Value(value string) {
	if len(value) >= echoLength {
		s.values = append(s.values, value)
	}
}

// Hidden makes the secrets ready to be looked for.
func (s *Secrets) Hidden() *Hidden {
	if len(s.headers) == 0 && len(s.values) == 0 {
		return nil
	}
	slices.Sort(s.values)
	h := &Hidden{headers: s.headers, values: slices.Clip(slices.Compact(s.values))}
	h.within = make([]int32, len(h.values))
	var outer []int32 // short values that the present one begins with, each with the next
	for i, v := range h.values {
		for len(outer) > 0 && !strings.HasPrefix(v, h.values[outer[len(outer)-1]]) {
			outer = outer[:len(outer)-1]
		}
		h.within[i] = -1
		if len(outer) > 0 {
			h.within[i] = outer[len(outer)-1]
		}
		if len(v) < tellingLength {
			outer = append(outer, int32(i))
		}
		h.begins[v[0]>>6] |= 1 << (v[0] & 63)
	}
	return h
}

// Hidden finds secrets in texts. Who sends a text, and who chose the secrets, may
// mean harm: the time is linear in the length of the text, and what comes out is at
// most half as long again. Nil hides nothing. It may be used by many goroutines.
type Hidden struct {
	headers []string  // whose values are masked whatever they are
	values  []string  // masked wherever they stand; sorted, none twice
	within  []int32   // for each value the longest other below tellingLength that it begins with, or -1
	begins  [4]uint64 // a bit for each byte that a value begins with
	also    *Hidden
}

// And hides what other hides too.
func (h *Hidden) And(other *Hidden) *Hidden {
	if h == nil {
		return other
	}
	both := *h
	both.also = other
	return &both
}

// names tells whether a header is hidden.
func (h *Hidden) names(header string) bool {
	if h == nil {
		return false
	}
	for _, name := range h.headers {
		if strings.EqualFold(name, header) {
			return true
		}
	}
	return h.also.names(header)
}

// inText masks what is hidden in a text.
func (h *Hidden) inText(s string) string {
	if found := h.find(s, false); len(found) > 0 {
		return string(masked(s, found))
	}
	return s
}

// In is what is kept of a body: so many bytes at most, with a mask for what is hidden.
// It is copied only where that changes it. Where the body ends too early, in the
// answer already (cut) or here, the beginning of a value is masked too; truncated tells
// of either.
func (h *Hidden) In(b []byte, most int, cut bool) (kept []byte, truncated bool) {
	if len(b) > most {
		b, cut = b[:most], true
	}
	if h == nil || len(b) == 0 {
		return b, cut
	}
	s := string(b)
	found := h.find(s, cut)
	if len(found) == 0 {
		return b, cut
	}
	b = masked(s, found)
	if len(b) <= most { // a mask may be longer than what it hides
		return b, cut
	}
	end := most
	for end > max(0, most-utf8.UTFMax) && !utf8.RuneStart(b[end]) { // no part of a character
		end--
	}
	return b[:end], true
}

// span is a part of a text.
type span struct{ from, to int }

// masked puts Mask in place of parts of a text, which are in order.
func masked(s string, parts []span) []byte {
	b := make([]byte, 0, len(s)+len(s)/8)
	at := 0
	for _, p := range parts {
		b = append(append(b, s[at:p.from]...), Mask...)
		at = p.to
	}
	return append(b, s[at:]...)
}

// find returns where in a text something is hidden, in order and apart. Values are
// found as they are and as they stand in a text of JSON.
func (h *Hidden) find(s string, cut bool) []span {
	if h == nil {
		return nil
	}
	found := append(h.findIn(s, cut), h.also.find(s, cut)...)
	if strings.IndexByte(s, '\\') >= 0 {
		plain, from := unescaped(s, cut)
		for _, p := range h.findIn(plain, cut) {
			found = append(found, span{int(from[p.from]), int(from[p.to])})
		}
	}
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	apart := found[:0]
	for _, p := range found {
		if n := len(apart); n > 0 && p.from <= apart[n-1].to {
			apart[n-1].to = max(apart[n-1].to, p.to)
		} else {
			apart = append(apart, p)
		}
	}
	return apart
}

// findIn returns where the values are, in order, and some within or over others: what
// begins within another is looked for too, as long as that costs no more than some
// steps for each byte.
func (h *Hidden) findIn(s string, cut bool) (found []span) {
	steps := withinSteps * (len(s) + tellingLength)
	for i := 0; i+echoLength <= len(s); i++ {
		if !h.mayBegin(s[i]) {
			continue
		}
		n := h.match(s[i:])
		if n == 0 {
			continue
		}
		found = append(found, span{i, i + n})
		if steps -= n; steps < 0 {
			i += n - 1
		}
	}
	if !cut {
		return found
	}
	// What is longer was found above.
	for i := max(len(s)-tellingLength, 0); i < len(s); i++ {
		at, _ := slices.BinarySearch(h.values, s[i:])
		if at < len(h.values) && strings.HasPrefix(h.values[at], s[i:]) {
			return append(found, span{i, len(s)})
		}
	}
	return found
}

func (h *Hidden) mayBegin(b byte) bool { return h.begins[b>>6]&(1<<(b&63)) != 0 }

// match returns how many bytes of a text's beginning are hidden. Of all values the
// two beside the text, in the order of values, have the most in common with it; and
// a value that it begins with is the one before it, or one that this begins with.
func (h *Hidden) match(s string) int {
	after := sort.Search(len(h.values), func(i int) bool { return h.values[i] > s })
	before, next := 0, 0
	if after > 0 {
		before = common(h.values[after-1], s)
	}
	if after < len(h.values) {
		next = common(h.values[after], s)
	}
	if most := max(before, next); most >= tellingLength {
		for n := 1; n < utf8.UTFMax && most < len(s) && !utf8.RuneStart(s[most]); n++ {
			most++
		}
		return most
	}
	for i := after - 1; i >= 0; i = int(h.within[i]) {
		if n := len(h.values[i]); n <= before {
			return n
		}
	}
	return 0
}

// common is how long the common beginning of two texts is.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// unescaped is a text with the escapes of JSON (RFC 8259, section 7) replaced by what
// they stand for, and for each byte of it, and its end, where in s that began. What is
// no escape stays. Of a text that was cut off, half an escape at the end is left out.
func unescaped(s string, cut bool) (plain string, from []int32) {
	b := make([]byte, 0, len(s))
	from = make([]int32, 0, len(s)+1)
	for i := 0; i < len(s); {
		c, n := escape(s[i:])
		if cut && halfEscape(s[i:]) {
			break
		}
		if n == 0 {
			b, from = append(b, s[i]), append(from, int32(i))
			i++
			continue
		}
		b = utf8.AppendRune(b, c)
		for len(from) < len(b) {
			from = append(from, int32(i))
		}
		i += n
	}
	return string(b), append(from, int32(len(s)))
}

// escape reads the escape that a text begins with; n is 0 where there is none.
func escape(s string) (c rune, n int) {
	if len(s) < 2 || s[0] != '\\' {
		return 0, 0
	}
	if at := strings.IndexByte(`"\/bfnrt`, s[1]); at >= 0 {
		return rune("\"\\/\b\f\n\r\t"[at]), 2
	}
	c, ok := codeUnit(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(c) {
		if second, ok := codeUnit(s[6:]); ok {
			if both := utf16.DecodeRune(c, second); both != utf8.RuneError {
				return both, 12
			}
		}
		return utf8.RuneError, 6
	}
	return c, 6
}

// codeUnit reads \uXXXX.
func codeUnit(s string) (c rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, digit := range []byte(s[2:6]) {
		switch {
		case '0' <= digit && digit <= '9':
			c = c<<4 | rune(digit-'0')
		case 'a' <= digit|0x20 && digit|0x20 <= 'f':
			c = c<<4 | rune(digit|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return c, true
}

// halfEscape tells whether a text may be the beginning of an escape, or of the two
// that make one character.
func halfEscape(s string) bool {
	if c, ok := codeUnit(s); ok && utf16.IsSurrogate(c) && c < 0xdc00 {
		return len(s) == 6 || len(s) < 12 && halfEscape(s[6:])
	}
	return s[0] == '\\' && (len(s) == 1 || s[1] == 'u' && len(s) < 6)
}
