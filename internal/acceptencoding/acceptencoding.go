// Package acceptencoding reads what a client says of the codings it undoes.
package acceptencoding

import (
	"strconv"
	"strings"
)

// Gzip tells whether an answer may be compressed with gzip, from the values of
// Accept-Encoding (RFC 9110, section 12.5.3). What is said of gzip counts before
// what "*" says of all that is not named. Where nothing is said, or it cannot be
// understood, the answer is no: every client reads what is not compressed.
func Gzip(values []string) bool {
	others := false
	for element := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, weight, weighted := strings.Cut(element, ";")
		accepted := !weighted || aboveZero(strings.Trim(weight, " \t"))
		switch strings.ToLower(strings.Trim(coding, " \t")) {
		case "gzip", "x-gzip": // the same, section 8.4.1.3
			return accepted
		case "*":
			others = accepted
		}
	}
	return others
}

// aboveZero reads a weight (RFC 9110, section 12.4.2): 0 to 1.
func aboveZero(weight string) bool {
	name, value, _ := strings.Cut(weight, "=")
	q, err := strconv.ParseFloat(value, 64)
	return strings.EqualFold(name, "q") && err == nil && q > 0 && q <= 1
}
