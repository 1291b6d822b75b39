package retry

import (
	"strings"
	"time"
)

// MaxRetryAfter is the longest Retry-After that is believed. What asks for more
// is no answer to "when": the schedule goes on as if it had not been given.
const MaxRetryAfter = 365 * 24 * time.Hour

// ParseRetryAfter reads the value of a Retry-After header (RFC 9110 §10.2.3):
// whole seconds, or an HTTP date in any of the three forms of §5.6.7. It
// returns the wait from now, from 0 to [MaxRetryAfter]; a date that has passed
// is a wait of 0. ok is false where the value is none of these (signs,
// fractions, lists, other zones, an empty value) or asks for more: it is
// ignored then.
//
// The year of two digits in the oldest date form is read as 1969 to 2068. RFC
// 9110 wants at most 50 years ahead, which comes to the same here: years ahead
// and years ago are both no wait.
func ParseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0, false
	}
	if value[0] >= '0' && value[0] <= '9' {
		return delaySeconds(value)
	}
	at, ok := httpDate(value)
	if !ok {
		return 0, false
	}
	wait = max(0, at.Sub(now.Round(0)))
	if wait > MaxRetryAfter {
		return 0, false
	}
	return wait, true
}

func delaySeconds(value string) (time.Duration, bool) {
	var seconds int64
	for i := range len(value) {
		c := value[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		seconds = seconds*10 + int64(c-'0')
		if seconds > int64(MaxRetryAfter/time.Second) {
			return 0, false
		}
	}
	return time.Duration(seconds) * time.Second, true
}

func httpDate(value string) (time.Time, bool) {
	// "GMT" stands in the layouts as a literal: time.Parse would read any other
	// abbreviation of a zone as an offset of zero.
	for _, layout := range [...]string{
		"Mon, 02 Jan 2006 15:04:05 GMT",
		"Monday, 02-Jan-06 15:04:05 GMT",
		time.ANSIC,
	} {
		if at, err := time.Parse(layout, value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
