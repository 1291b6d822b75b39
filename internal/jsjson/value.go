// Package jsjson reads JSON strictly and writes it in the one form that a
// JavaScript engine would write: for every document that Parse accepts, the
// bytes of Append survive JSON.stringify(JSON.parse(body)) unchanged. Receivers
// that verify a signature over re-serialised JSON therefore see the bytes that
// were signed.
//
// The form is that of ECMAScript's JSON.stringify without indentation
// (ECMA-262, 25.5.2 and Number::toString, 6.1.6.1.20):
//
//   - members in the order of OrdinaryOwnPropertyKeys: array indices ("0" to
//     "4294967294") ascending, then all others as they came;
//   - numbers in their shortest form that reads back as the same double, with
//     an exponent below 1e-6 and from 1e21; minus zero is 0;
//   - strings with only ", \ and control characters escaped, lone surrogates as
//     lower-case \udxxx; nothing is escaped for HTML.
//
// There is one exception, on purpose: a number written as plain digits (no
// point, no exponent) stays as written even where a double cannot hold it, so
// that 64-bit ids are not rounded on their way through. A number with a point
// or an exponent is rounded to the shortest form of the nearest double, however
// many digits it had.
package jsjson

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says what a Value is.
type Kind uint8

// The kinds of JSON values. The zero Value is null.
const (
	KindNull Kind = iota
	KindBool
	KindNumber
	KindString
	KindArray
	KindObject
)

// String returns the JSON Schema name of the kind, such as "boolean".
func (k Kind) String() string {
	switch k {
	case KindNull:
		return "null"
	case KindBool:
		return "boolean"
	case KindNumber:
		return "number"
	case KindString:
		return "string"
	case KindArray:
		return "array"
	case KindObject:
		return "object"
	default:
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
}

// MaxSafeInteger is the largest integer n such that n and n+1 are both exact as
// a double: JavaScript's Number.MAX_SAFE_INTEGER.
const MaxSafeInteger = 1<<53 - 1

// Value is one immutable JSON value. It may be copied freely and used by many
// goroutines at once. The zero Value is null.
//
// A string is held as UTF-8, except that a lone surrogate, which JSON can spell
// (\ud800) and UTF-8 cannot, is held as the three bytes that UTF-8 would use
// for its code point ("WTF-8"). utf8.ValidString tells such strings apart.
type Value struct {
	text string     // string: its content; number: its final form; raw: its bytes
	list *container // array and object, nil when empty
	kind Kind
	bits flag
}

type flag uint8

const (
	isTrue  flag = 1 << iota // of a boolean
	isPlain                  // a string whose content needs no escape
	isRaw                    // text is the finished output, whatever the kind
)

// container is behind a pointer so that the many scalar values stay small.
type container struct {
	members []Member
	items   []Value
}

// Member is one name and value of an object.
type Member struct {
	Name  string
	Value Value
}

// Count is how many values a value is made of, itself included.
func (v Value) Count() int {
	n := 1
	if v.list == nil {
		return n
	}
	for i := range v.list.members {
		n += v.list.members[i].Value.Count()
	}
	for i := range v.list.items {
		n += v.list.items[i].Count()
	}
	return n
}

// Null returns the value null.
func Null() Value { return Value{} }

// String returns s as a value. Lone surrogates in the form described at Value
// are kept; other bytes that are not UTF-8 become U+FFFD.
func String(s string) Value {
	return Value{kind: KindString, text: wellFormed(s)}
}

// Object returns an object of the members, which are copied and brought into
// JavaScript's order. As in a JavaScript literal, a repeated name keeps its
// first place and takes the last value. Names are treated like String does.
func Object(members ...Member) Value {
	return objectOf(append([]Member(nil), members...))
}

// Raw returns a value whose written form is b, copied and unread. b must be
// what Append wrote for one value: stored bytes can so be put into a new body
// without parsing them. Asking a raw value for what is inside parses it each
// time; where b is no JSON such a question finds null.
func Raw(b []byte) Value {
	v := Value{text: string(b), bits: isRaw}
	if len(b) == 0 {
		return Value{}
	}
	switch b[0] {
	case '{':
		v.kind = KindObject
	case '[':
		v.kind = KindArray
	case '"':
		v.kind = KindString
	case 't', 'f':
		v.kind = KindBool
	case 'n':
		v.kind = KindNull
	default:
		v.kind = KindNumber
	}
	return v
}

// open returns v with its content within reach.
func (v Value) open() Value {
	if v.bits&isRaw == 0 {
		return v
	}
	// The bytes were within limits when they were first read.
	in, err := Parse([]byte(v.text), Limits{MaxDepth: math.MaxInt, MaxValues: math.MaxInt})
	if err != nil {
		return Value{}
	}
	return in
}

// Kind says what v is.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Str returns the content of a string, see Value for its encoding, and "" for
// any other kind.
func (v Value) Str() string {
	if v.kind != KindString {
		return ""
	}
	return v.open().text
}

// Bool reports whether v is true.
func (v Value) Bool() bool {
	return v.kind == KindBool && v.open().bits&isTrue != 0
}

// Number returns the final written form of a number, and "" for any other kind.
func (v Value) Number() string {
	if v.kind != KindNumber {
		return ""
	}
	return v.open().text
}

// Int64 returns the number v where it is an integer within ±MaxSafeInteger,
// however it was spelled (1e3 is 1000), and false otherwise.
func (v Value) Int64() (int64, bool) {
	text := v.Number()
	if len(text) > len("-9007199254740991") {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > MaxSafeInteger || n < -MaxSafeInteger {
		return 0, false
	}
	return n, true
}

// Float64 returns the double nearest to the number v, always finite, and false
// for any other kind.
func (v Value) Float64() (float64, bool) {
	f, err := strconv.ParseFloat(v.Number(), 64)
	return f, err == nil
}

// Items returns the items of an array, nil for any other kind. The slice is
// shared and must not be written to.
func (v Value) Items() []Value {
	if v = v.open(); v.kind != KindArray || v.list == nil {
		return nil
	}
	return v.list.items
}

// Members returns the members of an object in the order in which they are
// written, nil for any other kind. The slice is shared and must not be written
// to.
func (v Value) Members() []Member {
	if v = v.open(); v.kind != KindObject || v.list == nil {
		return nil
	}
	return v.list.members
}

// Get returns the value of the object's member of that name. It looks at one
// member after the other.
func (v Value) Get(name string) (Value, bool) {
	members := v.Members()
	for i := range members {
		if members[i].Name == name {
			return members[i].Value, true
		}
	}
	return Value{}, false
}

// With returns the object with the members set: in their old place where the
// name was there, at the end otherwise (array indices in their order). A value
// of another kind counts as an empty object. v itself stays as it is.
func (v Value) With(members ...Member) Value {
	old := v.Members()
	return objectOf(append(append(make([]Member, 0, len(old)+len(members)), old...), members...))
}

// Set is With for one member.
func (v Value) Set(name string, value Value) Value {
	return v.With(Member{Name: name, Value: value})
}

// Without returns the object less the members of these names. A value of
// another kind counts as an empty object. v itself stays as it is.
func (v Value) Without(names ...string) Value {
	old := v.Members()
	drop := make(map[string]struct{}, len(names))
	for _, name := range names {
		drop[name] = struct{}{}
	}
	kept := make([]Member, 0, len(old))
	for i := range old {
		if _, ok := drop[old[i].Name]; !ok {
			kept = append(kept, old[i])
		}
	}
	return ordered(kept)
}

// Any returns v as the types that encoding/json decodes into, numbers as
// json.Number in their final form: what JSON Schema validators take. Lone
// surrogates in strings become U+FFFD, as encoding/json has it; in names they
// stay as they are, so that no two members fall together.
func (v Value) Any() any {
	v = v.open()
	switch v.kind {
	case KindBool:
		return v.bits&isTrue != 0
	case KindNumber:
		return json.Number(v.text)
	case KindString:
		return visible(v.text)
	case KindArray:
		items := v.Items()
		out := make([]any, len(items))
		for i := range items {
			out[i] = items[i].Any()
		}
		return out
	case KindObject:
		members := v.Members()
		out := make(map[string]any, len(members))
		for i := range members {
			out[members[i].Name] = members[i].Value.Any()
		}
		return out
	default:
		return nil
	}
}

// wellFormed returns s with surrogate pairs joined and with U+FFFD for each
// byte that is neither UTF-8 nor part of a lone surrogate.
func wellFormed(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			if r = surrogateAt(s, i); r != 0 {
				size = 3
				if low := surrogateAt(s, i+3); isHigh(r) && isLow(low) {
					r, size = joinSurrogates(r, low), 6
				}
			} else {
				r = utf8.RuneError
			}
		}
		out = appendCodePoint(out, r)
		i += size
	}
	return string(out)
}

// visible returns s with U+FFFD for each lone surrogate.
func visible(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 && surrogateAt(s, i) != 0 {
			size = 3
		}
		out.WriteRune(r)
		i += size
	}
	return out.String()
}
