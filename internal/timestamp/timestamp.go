// Package timestamp reads times strictly as RFC 3339, section 5.6, writes them.
package timestamp

import (
	"errors"
	"strings"
	"time"
)

var errForm = errors.New("is no RFC 3339 time")

// Parse reads a time. Package time takes more than the RFC: offsets of 24 hours, a
// comma before the fraction, hours of one digit; and less: t and z may be lower
// case. A leap second (:60) has no place in a time.Time and is refused. Digits
// behind the ninth of a fraction are left out.
func Parse(text string) (time.Time, error) {
	if !isTime(text) {
		return time.Time{}, errForm
	}
	return time.Parse(time.RFC3339Nano, strings.ToUpper(text))
}

// isTime holds the form, but for which days a month has.
func isTime(s string) bool {
	const whole = "dddd-dd-ddtdd:dd:dd"
	if len(s) <= len(whole) || !like(s[:len(whole)], whole) {
		return false
	}
	s = s[len(whole):]
	if s[0] == '.' {
		zone := strings.TrimLeft(s[1:], "0123456789")
		if len(zone) == len(s)-1 {
			return false
		}
		s = zone
	}
	if s == "Z" || s == "z" {
		return true
	}
	return (like(s, "+dd:dd") || like(s, "-dd:dd")) && s[1:3] < "24" && s[4:6] < "60"
}

// like tells whether s has the form of a pattern: d is a digit, t the letter in
// either case.
func like(s, pattern string) bool {
	if len(s) != len(pattern) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; pattern[i] {
		case 'd':
			if c < '0' || c > '9' {
				return false
			}
		case 't':
			if c != 'T' && c != 't' {
				return false
			}
		default:
			if c != pattern[i] {
				return false
			}
		}
	}
	return true
}
