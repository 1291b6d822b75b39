package jsjson

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// Limits bounds what Parse accepts. The size of the text is the caller's to
// bound.
type Limits struct {
	// MaxDepth is the number of arrays and objects that may lie within each
	// other; 0 means DefaultMaxDepth.
	MaxDepth int
	// MaxValues is the number of values in the document, containers included;
	// 0 means DefaultMaxValues. One value takes 32 to 96 bytes besides its text.
	MaxValues int
}

// The limits that hold when none is given. DefaultMaxValues is one for each 8 bytes of
// a document of 1 MiB: what is made of [0,0,0,…] takes a hundred times its length.
const (
	DefaultMaxDepth  = 64
	DefaultMaxValues = 1 << 17
)

// Parse reads one JSON document (RFC 8259). It is strict: see ErrorKind for
// what it refuses. b is copied and may be re-used afterwards; every part of the
// result keeps that one copy in memory. Every error is an *Error.
func Parse(b []byte, opt Limits) (Value, error) {
	p := parser{
		b: b, text: string(b), badUTF8: firstBadUTF8(b),
		maxDepth: opt.MaxDepth, valuesLeft: opt.MaxValues,
		// Every member has a colon, but not every colon a member.
		members: make([]Member, 0, min(bytes.Count(b, []byte{':'}), slabSize/2)),
	}
	if p.maxDepth <= 0 {
		p.maxDepth = DefaultMaxDepth
	}
	if p.valuesLeft <= 0 {
		p.valuesLeft = DefaultMaxValues
	}
	again := p
	v, err := p.document()
	if err != nil && err.Kind == NonFiniteNumber {
		// Only what is well-formed has a value out of range.
		again.anyNumber = true
		if _, other := again.document(); other != nil {
			p, err = again, other
		}
	}
	if err != nil {
		if err.Offset == p.badUTF8 && err.Kind == Malformed {
			err.Kind, err.Message = InvalidUTF8, "the text is not UTF-8"
		}
		err.Path = pointer(p.path)
		return Value{}, err
	}
	return v, nil
}

// firstBadUTF8 returns the offset of the first byte that is not UTF-8, or an
// offset that no text reaches.
func firstBadUTF8(b []byte) int {
	if utf8.Valid(b) {
		return math.MaxInt
	}
	for i := 0; ; {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
}

// slabSize is the number of members or items allocated at once: few
// allocations, and little held in vain.
const slabSize = 64

type parser struct {
	b       []byte
	text    string // the copy of b that the values are slices of
	i       int
	badUTF8 int
	path    []string // to the error, innermost first

	anyNumber bool // only the form of numbers counts: their values are left out

	depth, maxDepth int
	valuesLeft      int

	// Slabs, from which finished containers take their memory.
	members    []Member
	items      []Value
	containers []container
}

func (p *parser) document() (Value, *Error) {
	if bytes.HasPrefix(p.b, []byte("\ufeff")) {
		return Value{}, p.malformed("the text begins with a byte order mark")
	}
	p.space()
	v, err := p.value()
	if err != nil {
		return Value{}, err
	}
	if p.space(); p.i < len(p.b) {
		err = p.malformed("something follows the value")
		if p.i != p.badUTF8 {
			err.Kind = TrailingData
		}
		return Value{}, err
	}
	return v, nil
}

func (p *parser) malformed(message string) *Error {
	if p.i >= len(p.b) {
		message = "the text ends too early"
	}
	return &Error{Kind: Malformed, Offset: p.i, Message: message}
}

// space moves past white space.
func (p *parser) space() {
	for p.i < len(p.b) {
		if c := p.b[p.i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return
		}
		p.i++
	}
}

// value reads the value that begins at p.i.
func (p *parser) value() (Value, *Error) {
	if p.i >= len(p.b) {
		return Value{}, p.malformed("")
	}
	if p.valuesLeft--; p.valuesLeft < 0 {
		return Value{}, &Error{Kind: TooManyValues, Offset: p.i, Message: "the text has too many values"}
	}
	switch c := p.b[p.i]; c {
	case '"':
		text, plain, err := p.str()
		return Value{kind: KindString, text: text, bits: plain}, err
	case '{', '[':
		if p.depth++; p.depth > p.maxDepth {
			return Value{}, &Error{Kind: TooDeep, Offset: p.i, Message: "the text is nested too deeply"}
		}
		var v Value
		var err *Error
		if c == '{' {
			v, err = p.object()
		} else {
			v, err = p.array()
		}
		p.depth--
		return v, err
	case 't':
		return p.word("true", Value{kind: KindBool, bits: isTrue})
	case 'f':
		return p.word("false", Value{kind: KindBool})
	case 'n':
		return p.word("null", Value{})
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return p.number()
	default:
		return Value{}, p.malformed("a value is missing")
	}
}

func (p *parser) word(word string, v Value) (Value, *Error) {
	for i := range len(word) {
		if p.i >= len(p.b) || p.b[p.i] != word[i] {
			return Value{}, p.malformed("a value is misspelled")
		}
		p.i++
	}
	return v, nil
}

// array reads the array that begins at p.i.
func (p *parser) array() (Value, *Error) {
	p.i++
	if p.space(); p.at(']') {
		return Value{kind: KindArray}, nil
	}
	var local [8]Value // on the stack, as most arrays are short
	items := local[:0]
	for {
		v, err := p.value()
		if err != nil {
			p.path = append(p.path, strconv.Itoa(len(items)))
			return Value{}, err
		}
		items = append(items, v)
		p.space()
		if p.at(']') {
			break
		}
		if !p.at(',') {
			return Value{}, p.malformed("a comma or the end of an array is missing")
		}
		p.space()
	}
	list := p.container()
	list.items = keep(&p.items, items)
	return Value{kind: KindArray, list: list}, nil
}

// object reads the object that begins at p.i.
func (p *parser) object() (Value, *Error) {
	p.i++
	if p.space(); p.at('}') {
		return Value{kind: KindObject}, nil
	}
	var (
		local   [16]Member // on the stack, as most objects are small
		members = local[:0]
		names   nameSet
		digits  bool
	)
	for {
		offset := p.i
		if p.i >= len(p.b) || p.b[p.i] != '"' {
			return Value{}, p.malformed("a member name is missing")
		}
		name, _, err := p.str()
		if err != nil {
			return Value{}, err
		}
		if names.find(members, name) >= 0 {
			p.path = append(p.path, name)
			return Value{}, &Error{Kind: DuplicateKey, Offset: offset, Message: "an object has a member name twice"}
		}
		digits = digits || len(name) > 0 && name[0]-'0' <= 9
		if p.space(); !p.at(':') {
			return Value{}, p.malformed("a colon is missing")
		}
		p.space()
		v, err := p.value()
		if err != nil {
			p.path = append(p.path, name)
			return Value{}, err
		}
		members = append(members, Member{Name: name, Value: v})
		p.space()
		if p.at('}') {
			break
		}
		if !p.at(',') {
			return Value{}, p.malformed("a comma or the end of an object is missing")
		}
		p.space()
	}
	list := p.container()
	list.members = keep(&p.members, members)
	if digits {
		sortIndices(list.members)
	}
	return Value{kind: KindObject, list: list}, nil
}

// at moves past c if it is next.
func (p *parser) at(c byte) bool {
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

// keep copies list into the slab, beginning a new one where it is full.
func keep[T any](slab *[]T, list []T) []T {
	if cap(*slab)-len(*slab) < len(list) {
		*slab = make([]T, 0, max(len(list), min(2*cap(*slab), slabSize)))
	}
	start := len(*slab)
	*slab = append(*slab, list...)
	return (*slab)[start:len(*slab):len(*slab)]
}

// container returns a new, empty container.
func (p *parser) container() *container {
	if len(p.containers) == cap(p.containers) {
		p.containers = make([]container, 0, min(max(4, 2*cap(p.containers)), slabSize))
	}
	p.containers = p.containers[:len(p.containers)+1]
	return &p.containers[len(p.containers)-1]
}

// str reads the string that begins at p.i and says whether it is plain.
func (p *parser) str() (string, flag, *Error) {
	p.i++
	start := p.i
	p.i += plainLen(p.b[p.i:])
	if p.i < len(p.b) && p.b[p.i] == '"' && p.i < p.badUTF8 {
		p.i++
		return p.text[start : p.i-1], isPlain, nil
	}
	text, err := p.escaped(start)
	return text, 0, err
}

// escaped reads the rest of a string that began at start and is not plain.
func (p *parser) escaped(start int) (string, *Error) {
	var local [256]byte
	out := local[:0]
	for {
		p.i = min(p.i, p.badUTF8)
		if p.i >= len(p.b) || p.i == p.badUTF8 {
			return "", p.malformed("")
		}
		out = append(out, p.b[start:p.i]...)
		switch p.b[p.i] {
		case '"':
			p.i++
			return string(out), nil
		case '\\':
			r, ok := p.escape()
			if !ok {
				return "", p.malformed("an escape sequence is not of JSON")
			}
			out = appendCodePoint(out, r)
		default:
			return "", p.malformed("a control character stands in a string")
		}
		start = p.i
		p.i += plainLen(p.b[p.i:])
	}
}

// escape reads the escape sequence that begins at p.i and returns its code
// point, which may be a lone surrogate. Where it is none, p.i stays at its
// backslash, or at the end of a text that ends within it.
func (p *parser) escape() (rune, bool) {
	if p.i+1 == len(p.b) {
		p.i++
		return 0, false
	}
	c := p.b[p.i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, ok := p.hex4(p.i + 2)
		if !ok {
			return 0, false
		}
		p.i += len(`\u0000`)
		if isHigh(r) && bytes.HasPrefix(p.b[p.i:], []byte(`\u`)) {
			if low, ok := p.hex4(p.i + 2); ok && isLow(low) {
				p.i += len(`\u0000`)
				return joinSurrogates(r, low), true
			}
		}
		return r, true
	default:
		return 0, false
	}
	p.i += 2
	return rune(c), true
}

// hex4 reads four hexadecimal digits at offset i.
func (p *parser) hex4(i int) (rune, bool) {
	if i+4 > len(p.b) {
		return 0, false
	}
	var r rune
	for _, c := range p.b[i : i+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// lowestByte returns the place of the lowest byte of w with its high bit set.
func lowestByte(w uint64) int { return bits.TrailingZeros64(w) / 8 }
