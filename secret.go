package waybell

import (
	"fmt"
	"log/slog"

	"github.com/waybell/waybell/internal/record"
)

// mask is what stands in place of every secret that is shown.
const mask = record.Mask

// Secret is a value that must not leak: it shows as "••••" in JSON, fmt and
// slog. Only [Secret.Reveal] gives the value.
type Secret string

// Reveal is the value itself. Callers sign, send or encrypt with it; they never
// log it.
func (s Secret) Reveal() string { return string(s) }

// String is the mask, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format writes the mask for every verb, so that no %#v or %x shows the value.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText is the mask: it covers encoding/json, YAML and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is the mask, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
