package jsjson

import "unicode/utf8"

// surrogateAt returns the surrogate whose three bytes begin at s[i], else 0.
func surrogateAt(s string, i int) rune {
	if i+2 >= len(s) || s[i] != 0xED || s[i+1]&0xE0 != 0xA0 || s[i+2]&0xC0 != 0x80 {
		return 0
	}
	return 0xD000 | rune(s[i+1]&0x3F)<<6 | rune(s[i+2]&0x3F)
}

func isHigh(r rune) bool { return r&^0x3FF == 0xD800 }

func isLow(r rune) bool { return r&^0x3FF == 0xDC00 }

func joinSurrogates(high, low rune) rune {
	return 0x10000 + (high-0xD800)<<10 + (low - 0xDC00)
}

// appendCodePoint is utf8.AppendRune that takes surrogates as well.
func appendCodePoint(dst []byte, r rune) []byte {
	if isHigh(r) || isLow(r) {
		return append(dst, 0xED, 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}
