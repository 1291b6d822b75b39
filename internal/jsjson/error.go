package jsjson

import (
	"strconv"
	"strings"
)

// ErrorKind says what was wrong with a document.
type ErrorKind uint8

// What Parse refuses. NonFiniteNumber is a number out of range in what else is taken:
// all others, wherever they stand, go before it.
const (
	// Malformed is text that is not JSON (RFC 8259), a byte order mark included.
	Malformed ErrorKind = iota + 1
	// DuplicateKey is an object with two equal names, compared after unescaping.
	DuplicateKey
	// InvalidUTF8 is text that is not UTF-8.
	InvalidUTF8
	// TooDeep is nesting beyond Limits.MaxDepth.
	TooDeep
	// TooManyValues is more values than Limits.MaxValues.
	TooManyValues
	// TrailingData is something other than white space after the value.
	TrailingData
	// NonFiniteNumber is a number that a double cannot hold, such as 1e999.
	NonFiniteNumber
)

// String returns the kind as a lower-case word with underscores.
func (k ErrorKind) String() string {
	switch k {
	case Malformed:
		return "malformed"
	case DuplicateKey:
		return "duplicate_key"
	case InvalidUTF8:
		return "invalid_utf8"
	case TooDeep:
		return "too_deep"
	case TooManyValues:
		return "too_many_values"
	case TrailingData:
		return "trailing_data"
	case NonFiniteNumber:
		return "non_finite_number"
	default:
		return "ErrorKind(" + strconv.Itoa(int(k)) + ")"
	}
}

// Error is the first problem of a document, in reading order, where a number out of
// range comes after all others. Every error of Parse is an *Error.
type Error struct {
	Kind ErrorKind
	// Offset is the byte at which the problem is, from 0.
	Offset int
	// Path is the JSON pointer (RFC 6901) of the value or member concerned, ""
	// for the document itself. Names longer than 128 bytes are cut and end
	// in "…".
	Path string
	// Message is one sentence without anything from the document.
	Message string
}

// Error returns message and offset. Names are left out: what senders publish
// does not belong into logs.
func (e *Error) Error() string {
	return "json: " + e.Message + " at byte " + strconv.Itoa(e.Offset)
}

const maxPathName = 128

// pointer joins the steps, the innermost first, to a JSON pointer.
func pointer(steps []string) string {
	var b strings.Builder
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for i := len(steps) - 1; i >= 0; i-- {
		step := steps[i]
		if len(step) > maxPathName {
			// A character cut in half is dropped with the other non-UTF-8 below.
			step = strings.ToValidUTF8(step[:maxPathName], "") + "…"
		}
		b.WriteByte('/')
		b.WriteString(escape.Replace(visible(step)))
	}
	return b.String()
}
