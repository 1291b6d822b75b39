package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/waybell/waybell"
)

// The values of settings and flags: each is a pflag.Value whose text is the
// same in a flag, a variable and the configuration file.

type textValue string

// Set implements [pflag.Value].
func (v *textValue) Set(s string) error { *v = textValue(s); return nil }

// String implements [pflag.Value].
func (v *textValue) String() string { return string(*v) }

// Type implements [pflag.Value].
func (v *textValue) Type() string { return "text" }

// secretValue shows as a mask.
type secretValue waybell.Secret

// Set implements [pflag.Value].
func (v *secretValue) Set(s string) error { *v = secretValue(s); return nil }

// String implements [pflag.Value].
func (v *secretValue) String() string { return waybell.Secret(*v).String() }

// Type implements [pflag.Value].
func (v *secretValue) Type() string { return "secret" }

type boolValue bool

// Set implements [pflag.Value].
func (v *boolValue) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "on", "yes", "1":
		*v = true
	case "false", "off", "no", "0":
		*v = false
	default:
		return fmt.Errorf("%q is neither true nor false", s)
	}
	return nil
}

// String implements [pflag.Value].
func (v *boolValue) String() string { return strconv.FormatBool(bool(*v)) }

// Type implements [pflag.Value].
func (v *boolValue) Type() string { return "boolean" }

// IsBoolFlag lets the flag stand without a value.
func (v *boolValue) IsBoolFlag() bool { return true }

type intValue int

// Set implements [pflag.Value].
func (v *intValue) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", s)
	}
	*v = intValue(n)
	return nil
}

// String implements [pflag.Value].
func (v *intValue) String() string { return strconv.Itoa(int(*v)) }

// Type implements [pflag.Value].
func (v *intValue) Type() string { return "number" }

// listValue is several texts, separated by commas.
type listValue []string

// Set implements [pflag.Value].
func (v *listValue) Set(s string) error {
	*v = nil
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*v = append(*v, item)
		}
	}
	return nil
}

// String implements [pflag.Value].
func (v *listValue) String() string { return strings.Join(*v, ",") }

// Type implements [pflag.Value].
func (v *listValue) Type() string { return "list" }

// choiceValue is one of a closed set of words.
type choiceValue struct {
	word    *string
	choices []string
}

// Set implements [pflag.Value].
func (v choiceValue) Set(s string) error {
	for _, c := range v.choices {
		if s == c {
			*v.word = s
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", s, strings.Join(v.choices, ", "))
}

// String implements [pflag.Value].
func (v choiceValue) String() string {
	if v.word == nil {
		return "" // the zero value, which pflag makes to find out what is default
	}
	return *v.word
}

// Type implements [pflag.Value].
func (v choiceValue) Type() string { return strings.Join(v.choices, "|") }

// sizeValue is a number of bytes: 1048576, 512KiB, 10MiB or 1GiB.
type sizeValue int64

// sizeUnits go from large to small, so that the first that fits is the shortest.
func sizeUnits() []struct {
	name string
	size int64
} {
	return []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}
}

// Set implements [pflag.Value].
func (v *sizeValue) Set(s string) error {
	text, unit := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is not a size such as 1048576, 512KiB, 10MiB or 1GiB", s)
	}
	*v = sizeValue(n * unit)
	return nil
}

// String implements [pflag.Value].
func (v *sizeValue) String() string {
	for _, u := range sizeUnits() {
		if n := int64(*v); n != 0 && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*v), 10)
}

// Type implements [pflag.Value].
func (v *sizeValue) Type() string { return "size" }

// durationValue is a time span: Go's spelling, with d for days of 24 hours
// in front: 30d, 1d12h, 90m, 25s, 0.
type durationValue time.Duration

const day = 24 * time.Hour

// Set implements [pflag.Value].
func (v *durationValue) Set(s string) error {
	d, err := parseDuration(s)
	if err == nil {
		*v = durationValue(d)
	}
	return err
}

// parseDuration reads a time span that is not negative.
func parseDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is not a time span such as 30d, 12h, 90m or 25s", s)
	text, days := strings.TrimSpace(s), 0
	if head, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n > 36500 {
			return 0, wrong
		}
		days, text = n, rest
	}
	if text == "" && days > 0 {
		text = "0"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > math.MaxInt64-time.Duration(days)*day {
		return 0, wrong
	}
	return time.Duration(days)*day + d, nil
}

// String implements [pflag.Value].
func (v *durationValue) String() string {
	d := time.Duration(*v)
	days := d / day
	if days == 0 {
		return shortDuration(d)
	}
	if rest := d % day; rest != 0 {
		return fmt.Sprintf("%dd%s", days, shortDuration(rest))
	}
	return fmt.Sprintf("%dd", days)
}

// Type implements [pflag.Value].
func (v *durationValue) Type() string { return "duration" }

// shortDuration leaves out the zeros at the end of Go's spelling: 1h0m0s is 1h.
func shortDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
