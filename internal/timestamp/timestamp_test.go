package timestamp

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // "" = refused
		"2026-04-26T08:30:14Z":                "2026-04-26T08:30:14Z",
		"2026-04-26t08:30:14z":                "2026-04-26T08:30:14Z",
		"2026-04-26T10:30:14.5+02:00":         "2026-04-26T08:30:14.5Z",
		"2026-04-26T08:30:14.1234567899999Z":  "2026-04-26T08:30:14.123456789Z",
		"2026-04-26T08:30:14-23:59":           "2026-04-27T08:29:14Z",
		"2026-04-26T08:30:14-00:00":           "2026-04-26T08:30:14Z",
		"2024-02-29T00:00:00Z":                "2024-02-29T00:00:00Z",
		"2026-02-29T00:00:00Z":                "",
		"2026-13-01T00:00:00Z":                "",
		"2026-04-26T24:00:00Z":                "",
		"2026-04-26T08:60:00Z":                "",
		"2016-12-31T23:59:60Z":                "", // a leap second
		"2026-04-26T08:30:14+24:00":           "",
		"2026-04-26T08:30:14+02:60":           "",
		"2026-04-26T08:30:14+0200":            "",
		"2026-04-26T08:30:14+02":              "",
		"2026-04-26T08:30:14,5Z":              "",
		"2026-04-26T08:30:14.Z":               "",
		"2026-04-26T8:30:14Z":                 "",
		"2026-04-26 08:30:14Z":                "",
		"2026-04-26T08:30:14":                 "",
		"2026-04-26T08:30:14.5":               "",
		"2026-04-26T08:30:14ZZ":               "",
		"2026-04-26T08:30Z":                   "",
		"2026-04-26":                          "",
		"":                                    "",
		" 2026-04-26T08:30:14Z":               "",
		"+2026-04-26T08:30:14Z":               "",
		"2026-04-26T08:30:14\u2212" + "02:00": "",
		"٢026-04-26T08:30:14Z":                "",
		"2026-04-26T08:30:14Z\n":              "",
	} {
		at, err := Parse(text)
		got := ""
		if err == nil {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q is %q, want %q; %v", text, got, want, err)
		}
	}
}

// grammar is date-time of RFC 3339, section 5.6, but for the second 60.
var grammar = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// FuzzParse holds Parse to the grammar, and for what it takes to package time.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"2026-04-26T08:30:14Z", "2026-04-26t10:30:14.123456789+02:00", "2026-02-30T08:30:14Z", "2026-04-26T08:30:14+24:00",
		"2026-04-26T8:30:14Z", "2026-04-26T08:30:14,5Z", "2016-12-31T23:59:60Z", "0000-01-01T00:00:00-23:59",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		want, std := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
		if taken := grammar.MatchString(text) && std == nil; taken != (err == nil) {
			t.Fatalf("%q: %v; the grammar says %v, package time %v", text, err, grammar.MatchString(text), std)
		}
		if err == nil && !got.Equal(want) {
			t.Fatalf("%q is %v, package time reads %v", text, got, want)
		}
	})
}
