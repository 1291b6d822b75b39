package jsjson

import "encoding/binary"

// Append appends the written form of v to dst and returns the longer slice.
func (v Value) Append(dst []byte) []byte {
	if v.bits&isRaw != 0 {
		return append(dst, v.text...)
	}
	switch v.kind {
	case KindBool:
		if v.bits&isTrue != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case KindNumber:
		return append(dst, v.text...)
	case KindString:
		if v.bits&isPlain != 0 {
			dst = append(dst, '"')
			dst = append(dst, v.text...)
			return append(dst, '"')
		}
		return appendString(dst, v.text)
	case KindArray:
		return appendArray(dst, v.list)
	case KindObject:
		return appendObject(dst, v.list)
	default:
		return append(dst, "null"...)
	}
}

func appendArray(dst []byte, list *container) []byte {
	if list == nil {
		return append(dst, "[]"...)
	}
	sep := byte('[')
	for i := range list.items {
		dst = append(dst, sep)
		dst = list.items[i].Append(dst)
		sep = ','
	}
	return append(dst, ']')
}

func appendObject(dst []byte, list *container) []byte {
	if list == nil {
		return append(dst, "{}"...)
	}
	sep := byte('{')
	for i := range list.members {
		m := &list.members[i]
		dst = append(dst, sep)
		dst = appendString(dst, m.Name)
		dst = append(dst, ':')
		dst = m.Value.Append(dst)
		sep = ','
	}
	return append(dst, '}')
}

// AppendString appends s to dst as a JSON string, treating its bytes as String
// does.
func AppendString(dst []byte, s string) []byte {
	return appendString(dst, wellFormed(s))
}

// appendString writes s, which is well formed, as QuoteJSONString of ECMAScript
// does.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0xED {
			continue
		}
		if c == 0xED {
			// U+D000 to U+D7FF begin with this byte too.
			if r := surrogateAt(s, i); r != 0 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, '\\', 'u', 'd', hex[r>>8&15], hex[r>>4&15], hex[r&15])
				start = i + 3
			}
			i += 2
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plainLen returns how many bytes at the start of b are neither a quotation
// mark, nor a backslash, nor a control character.
func plainLen(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	n := 0
	for ; n+8 <= len(b); n += 8 {
		// Eight bytes at a time: subtracting borrows into the high bit of
		// exactly the lowest byte that matches, and perhaps of later ones.
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		hit := (quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w
		if hit &= highs; hit != 0 {
			return n + lowestByte(hit)
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return n
}
