package jsjson

import (
	"math"
	"strconv"
	"strings"
)

const (
	// exactDigits is the number of decimal digits that always survive the way
	// through a double: two such decimals never become the same double, so the
	// shortest form of one is itself (DBL_DIG of C).
	exactDigits = 15
	// finiteDigits is the number of digits of an integer that is finite
	// whatever the digits are; the largest double has 309.
	finiteDigits = 308
)

// number reads the number that begins at p.i.
func (p *parser) number() (Value, *Error) {
	start := p.i
	if p.b[p.i] == '-' {
		p.i++
	}
	whole := p.i
	if p.digits() == 0 {
		return Value{}, p.malformed("a digit is missing")
	}
	if p.b[whole] == '0' && p.i > whole+1 {
		p.i = whole + 1
		return Value{}, p.malformed("a number begins with 0")
	}
	point := p.i
	if p.i < len(p.b) && p.b[p.i] == '.' {
		p.i++
		if p.digits() == 0 {
			return Value{}, p.malformed("a digit is missing")
		}
	}
	exponent := p.i
	if p.i < len(p.b) && p.b[p.i]|0x20 == 'e' {
		p.i++
		if p.i < len(p.b) && (p.b[p.i] == '+' || p.b[p.i] == '-') {
			p.i++
		}
		if p.digits() == 0 {
			return Value{}, p.malformed("a digit is missing")
		}
	}
	text := p.text[start:p.i]
	switch {
	case p.anyNumber:
		return Value{kind: KindNumber}, nil
	case point == p.i:
		if text == "-0" {
			text = "0"
		}
		if point-whole > finiteDigits {
			return p.bigInteger(start, text)
		}
	case exponent != p.i || !isShortest(p.text[whole:p.i], point-whole):
		return p.double(start, text)
	}
	return Value{kind: KindNumber, text: text}, nil
}

// digits moves past decimal digits and returns how many there were.
func (p *parser) digits() int {
	start := p.i
	for p.i < len(p.b) && p.b[p.i]-'0' <= 9 {
		p.i++
	}
	return p.i - start
}

// isShortest reports whether digits, an unsigned decimal with its point at that
// place and no exponent, certainly is what JavaScript writes for its value. It
// is the common case, told without computing the double.
func isShortest(digits string, point int) bool {
	const tiny = "0.000000" // and smaller ones are written with an exponent
	return len(digits)-1 <= exactDigits &&
		digits[len(digits)-1] != '0' &&
		!(point == 1 && strings.HasPrefix(digits, tiny))
}

// bigInteger keeps the digits of an integer if its double is finite.
func (p *parser) bigInteger(start int, text string) (Value, *Error) {
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return Value{}, nonFinite(start)
	}
	return Value{kind: KindNumber, text: text}, nil
}

// double rounds a number with a point or an exponent to its shortest form.
func (p *parser) double(start int, text string) (Value, *Error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Value{}, nonFinite(start)
	}
	var buf [32]byte
	if out := appendDouble(buf[:0], f); text != string(out) {
		text = string(out)
	}
	return Value{kind: KindNumber, text: text}, nil
}

func nonFinite(offset int) *Error {
	return &Error{Kind: NonFiniteNumber, Offset: offset, Message: "a number is too large for a double"}
}

// appendDouble writes a finite f as Number::toString of ECMAScript does.
func appendDouble(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case abs == 0:
		return append(dst, '0')
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go writes at least two digits of exponent: 1e-07.
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
