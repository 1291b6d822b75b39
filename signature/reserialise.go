package signature

import (
	"bytes"
	"cmp"
	"encoding/json"
	"hash/maphash"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of the JSON whose other spellings are tried: its size in bytes and how
// deep it is nested.
const (
	maxReserialised = 512 << 10
	maxDepth        = 256
)

// spelling is another way to write a body.
type spelling struct {
	name string
	body []byte
}

// spellings yields the ways in which frameworks and people rewrite a body by
// accident, likely ones first, each once and never the body itself.
func spellings(body []byte) iter.Seq[spelling] {
	return func(yield func(spelling) bool) {
		seed := maphash.MakeSeed()
		seen := map[uint64]bool{maphash.Bytes(seed, body): true}
		try := func(name string, b []byte) bool {
			sum := maphash.Bytes(seed, b)
			if seen[sum] {
				return true
			}
			seen[sum] = true
			return yield(spelling{name, b})
		}
		if !trySpaces(body, try) || !tryStreams(body, try) || len(body) > maxReserialised {
			return
		}
		if root, ok := parseValue(body); ok {
			tryJSON(root, try)
		}
	}
}

// trySpaces changes what surrounds and separates lines.
func trySpaces(body []byte, try func(string, []byte) bool) bool {
	lf := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	return try("without white space at the ends", bytes.TrimSpace(body)) &&
		try("with a line feed at the end", slices.Concat(body, []byte("\n"))) &&
		try("with CRLF at the end", slices.Concat(body, []byte("\r\n"))) &&
		try("with CRLF turned into line feeds", lf) &&
		try("with line feeds turned into CRLF", bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))) &&
		try("without byte order mark", bytes.TrimPrefix(body, []byte("\ufeff"))) &&
		try("with a byte order mark", slices.Concat([]byte("\ufeff"), body))
}

// tryStreams covers what is hashed when the bytes were gone or never read.
func tryStreams(body []byte, try func(string, []byte) bool) bool {
	quoted, err := json.Marshal(string(body))
	return try("empty, as after a stream that was already read", []byte{}) &&
		try("as an empty JSON object", []byte("{}")) &&
		try("as the text [object Object]", []byte("[object Object]")) &&
		(err != nil || try("encoded as a JSON string", quoted))
}

func tryJSON(root *value, try func(string, []byte) bool) {
	for _, numbers := range []numberStyle{numbersAsWritten, numbersShortest} {
		for _, order := range []keyOrder{orderKept, orderSorted, orderJavaScript} {
			for _, layout := range layouts() {
				for _, escape := range escapes() {
					w := newWriter(order, numbers, layout, escape)
					w.value(root, 0)
					name := strings.Join([]string{string(layout.name), string(order), string(escape.name), string(numbers)}, ", ")
					if !try(name, w.out) || !try(name+", line feed at the end", slices.Concat(w.out, []byte("\n"))) {
						return
					}
				}
			}
		}
	}
}

// value is JSON that remembers the order of keys and the spelling of numbers.
type value struct {
	open    byte   // '{', '[' or 0
	scalar  string // number as written, true, false, null
	text    string // of a string
	isText  bool
	keys    []string // of an object, parallel to members
	members []*value
}

// parseValue reads one JSON text and nothing after it.
func parseValue(body []byte) (*value, bool) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return readValue(d, 0)
}

func readValue(d *json.Decoder, depth int) (*value, bool) {
	token, err := d.Token()
	if err != nil || depth > maxDepth {
		return nil, false
	}
	switch t := token.(type) {
	case json.Delim:
		v := &value{open: byte(t)}
		for d.More() {
			if v.open == '{' {
				key, err := d.Token()
				if err != nil {
					return nil, false
				}
				v.keys = append(v.keys, key.(string))
			}
			member, ok := readValue(d, depth+1)
			if !ok {
				return nil, false
			}
			v.members = append(v.members, member)
		}
		_, err := d.Token()
		return v, err == nil
	case string:
		return &value{text: t, isText: true}, true
	case json.Number:
		return &value{scalar: t.String()}, true
	case bool:
		return &value{scalar: strconv.FormatBool(t)}, true
	default:
		return &value{scalar: "null"}, true
	}
}

type keyOrder string

const (
	orderKept       keyOrder = "keys in order"
	orderSorted     keyOrder = "keys sorted"
	orderJavaScript keyOrder = "integer keys first"
)

type numberStyle string

const (
	numbersAsWritten numberStyle = "numbers as written"
	numbersShortest  numberStyle = "numbers in JavaScript's form"
)

// layout is where white space goes. With an indent every member has its line.
type layout struct {
	name, comma, colon, indent string
}

// layouts are those of JSON.stringify, Go, Python, PHP and their kin.
func layouts() []layout {
	return []layout{
		{name: "compact", comma: ",", colon: ":"},
		{name: "spaces after comma and colon", comma: ", ", colon: ": "},
		{name: "indented by 2", comma: ",", colon: ": ", indent: "  "},
		{name: "indented by 4", comma: ",", colon: ": ", indent: "    "},
		{name: "indented by a tab", comma: ",", colon: ": ", indent: "\t"},
	}
}

// escape is which characters beyond those that JSON demands are escaped.
type escape struct {
	name     string
	chars    string // always escaped
	nonASCII bool
	slash    bool // "/" as "\/"
	upper    bool // upper-case hex digits, and \u0022 for the quote
}

// escapes are those of JSON.stringify, Go, Python, PHP, .NET and Gson.
func escapes() []escape {
	return []escape{
		{name: "nothing escaped"},
		{name: "HTML escaped", chars: "<>&\u2028\u2029"},
		{name: "line separators escaped", chars: "\u2028\u2029"},
		{name: "non-ASCII escaped", nonASCII: true},
		{name: "slashes and non-ASCII escaped", nonASCII: true, slash: true},
		{name: "slashes escaped", slash: true, chars: "\u2028\u2029"},
		{name: "HTML escaped as Gson does", chars: "<>&='\u2028\u2029"},
		{name: "escaped as .NET does", chars: "<>&+'`\u007f", nonASCII: true, upper: true},
	}
}

type writer struct {
	order   keyOrder
	numbers numberStyle
	layout  layout
	escape  escape
	special [utf8.RuneSelf]bool // ASCII that is not written as it is
	out     []byte
}

func newWriter(order keyOrder, numbers numberStyle, layout layout, escape escape) *writer {
	w := &writer{order: order, numbers: numbers, layout: layout, escape: escape}
	for c := range w.special {
		r := rune(c)
		w.special[c] = r < ' ' || r == '"' || r == '\\' || r == '/' && escape.slash || strings.ContainsRune(escape.chars, r)
	}
	return w
}

func (w *writer) value(v *value, depth int) {
	switch {
	case v.isText:
		w.text(v.text)
	case v.open == 0:
		w.out = append(w.out, w.number(v.scalar)...)
	case len(v.members) == 0:
		w.out = append(w.out, v.open, v.open+2)
	default:
		w.out = append(w.out, v.open)
		for n, i := range w.positions(v) {
			if n > 0 {
				w.out = append(w.out, w.layout.comma...)
			}
			w.line(depth + 1)
			if v.open == '{' {
				w.text(v.keys[i])
				w.out = append(w.out, w.layout.colon...)
			}
			w.value(v.members[i], depth+1)
		}
		w.line(depth)
		w.out = append(w.out, v.open+2) // both closing brackets lie two after the opening one
	}
}

func (w *writer) line(depth int) {
	if w.layout.indent == "" {
		return
	}
	w.out = append(w.out, '\n')
	for range depth {
		w.out = append(w.out, w.layout.indent...)
	}
}

// positions lists the members in the order in which they are written.
func (w *writer) positions(v *value) []int {
	at := make([]int, len(v.members))
	for i := range at {
		at[i] = i
	}
	if v.open != '{' {
		return at
	}
	switch w.order {
	case orderSorted:
		slices.SortStableFunc(at, func(a, b int) int { return strings.Compare(v.keys[a], v.keys[b]) })
	case orderJavaScript:
		slices.SortStableFunc(at, func(a, b int) int {
			return cmp.Compare(integerKey(v.keys[a]), integerKey(v.keys[b]))
		})
	}
	return at
}

// integerKey ranks the keys that JavaScript engines put first, by value, before
// all others.
func integerKey(key string) uint64 {
	n, err := strconv.ParseUint(key, 10, 32)
	if err != nil || n == math.MaxUint32 || strconv.FormatUint(n, 10) != key {
		return math.MaxUint64
	}
	return n
}

func (w *writer) number(written string) string {
	if w.numbers == numbersAsWritten {
		return written
	}
	f, err := strconv.ParseFloat(written, 64)
	if err != nil {
		return written // a word, or beyond the range of a double
	}
	if f == 0 {
		return "0" // JavaScript writes -0 so too
	}
	short, err := json.Marshal(f) // the form of ECMAScript, section Number::toString
	if err != nil {
		return written
	}
	return string(short)
}

func (w *writer) text(s string) {
	w.out = append(w.out, '"')
	for i := 0; i < len(s); {
		if run := w.plainRun(s[i:]); run > 0 {
			w.out = append(w.out, s[i:i+run]...)
			i += run
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '"' && w.escape.upper:
			w.unicode(r)
		case r == '"' || r == '\\':
			w.out = append(w.out, '\\', byte(r))
		case r == '/' && w.escape.slash:
			w.out = append(w.out, '\\', '/')
		case r < ' ':
			w.control(r)
		case r >= utf8.RuneSelf && w.escape.nonASCII, strings.ContainsRune(w.escape.chars, r):
			w.unicode(r)
		default:
			w.out = utf8.AppendRune(w.out, r)
		}
	}
	w.out = append(w.out, '"')
}

// plainRun is the length of the ASCII at the beginning of s that is written as
// it is.
func (w *writer) plainRun(s string) int {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || w.special[c] {
			return i
		}
	}
	return len(s)
}

func (w *writer) control(r rune) {
	if i := strings.IndexRune("\b\f\n\r\t", r); i >= 0 {
		w.out = append(w.out, '\\', "bfnrt"[i])
		return
	}
	w.unicode(r)
}

// unicode writes \uXXXX, as a surrogate pair beyond the first plane.
func (w *writer) unicode(r rune) {
	digits := "0123456789abcdef"
	if w.escape.upper {
		digits = "0123456789ABCDEF"
	}
	unit := func(u rune) {
		w.out = append(w.out, '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
	}
	if r > 0xffff {
		r -= 0x10000
		unit(0xd800 + r>>10)
		unit(0xdc00 + r&0x3ff)
		return
	}
	unit(r)
}
