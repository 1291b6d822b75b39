// Package rawjson looks into stored JSON without parsing it: it finds the
// members of objects and the items of arrays as slices of the stored bytes, so
// that they can be copied unread.
//
// It takes what internal/jsjson wrote: compact, valid, names without needless
// escapes. Damaged bytes give errors or wrong slices, but never a panic.
package rawjson

import (
	"bytes"
	"errors"
	"iter"
)

// ErrDamaged is the error for bytes that are no object in canonical form.
var ErrDamaged = errors.New("stored JSON is damaged")

// Member is one member of an object, as slices of the object's bytes. The
// name has its quotation marks.
type Member struct {
	Name, Value []byte
}

// Is tells whether the member has this name, which needs no escapes.
func (m *Member) Is(name string) bool {
	return len(m.Name) == len(name)+2 && string(m.Name[1:len(m.Name)-1]) == name
}

// IsIndex tells whether JavaScript puts the member before all others, as it
// does with array indices ("0" to "4294967294"). The names of an object in
// canonical form begin with them, in order.
func (m *Member) IsIndex() bool {
	digits := m.Name[1 : len(m.Name)-1]
	const last = "4294967294"
	if len(digits) == 0 || len(digits) > len(last) || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) < len(last) || string(digits) <= last
}

// AppendMembers appends the members of an object to list. The error is
// ErrDamaged.
func AppendMembers(list []Member, object []byte) ([]Member, error) {
	if !enclosed(object, '{', '}') {
		return nil, ErrDamaged
	}
	end := len(object) - 1
	for i := 1; i < end; {
		colon := skipString(object, i)
		if colon < 0 || colon >= end || object[colon] != ':' {
			return nil, ErrDamaged
		}
		next := skipValue(object, colon+1)
		if next < 0 || next > end || next < end && object[next] != ',' {
			return nil, ErrDamaged
		}
		list = append(list, Member{object[i:colon:colon], object[colon+1 : next : next]})
		i = next + 1
	}
	return list, nil
}

// Find returns the value of a member, or nil. The name needs no escapes.
func Find(object []byte, name string) []byte {
	var room [32]Member
	members, err := AppendMembers(room[:0], object)
	if err != nil {
		return nil
	}
	return FindIn(members, name)
}

// FindIn returns the value of the first member of that name, or nil.
func FindIn(members []Member, name string) []byte {
	for i := range members {
		if members[i].Is(name) {
			return members[i].Value
		}
	}
	return nil
}

// Items goes through an array and ends at the first byte that is damaged.
func Items(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !enclosed(array, '[', ']') {
			return
		}
		end := len(array) - 1
		for i := 1; i < end; {
			next := skipValue(array, i)
			if next < 0 || next > end || !yield(array[i:next:next]) {
				return
			}
			i = next + 1
		}
	}
}

func enclosed(b []byte, first, last byte) bool {
	return len(b) >= 2 && b[0] == first && b[len(b)-1] == last
}

// skipString returns the place after the string that begins at i, or -1.
func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// skipValue returns the place after the value that begins at i, or -1.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
	default:
		start := i
		for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
			i++
		}
		if i == start {
			return -1
		}
		return i
	}
	for level := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = skipString(b, i) - 1; i < 0 {
				return -1
			}
		case '{', '[':
			level++
		case '}', ']':
			if level--; level == 0 {
				return i + 1
			}
		}
	}
	return -1
}
