package signature

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultTolerance is how far webhook-timestamp may lie before or after now.
const DefaultTolerance = 5 * time.Minute

// Bounds of what a request can make Verify look at. A header beyond them is
// malformed as a whole.
const (
	maxSignatures  = 32
	maxHeaderBytes = 8 << 10
	maxIDBytes     = 256
)

// The reasons why a request is not accepted. Each error of [Verifier.Verify]
// wraps exactly one of them. [Explain] looks deeper.
var (
	// ErrMissingHeader: the signature header, webhook-id or webhook-timestamp is absent or empty.
	ErrMissingHeader = errors.New("signature header missing")
	// ErrMalformed: one of these headers cannot be read, or no entry of the
	// signature header has the scheme's prefix, length and alphabet.
	ErrMalformed = errors.New("signature header malformed")
	// ErrTimestampTooOld: webhook-timestamp is further back than the tolerance.
	ErrTimestampTooOld = errors.New("timestamp too old")
	// ErrTimestampTooNew: webhook-timestamp is further ahead than the tolerance.
	ErrTimestampTooNew = errors.New("timestamp too far in the future")
	// ErrNoMatch: no signature was made by one of the secrets over this request.
	ErrNoMatch = errors.New("no signature matches")
)

// Verifier checks requests against one scheme and its secrets. It is safe for
// concurrent use; make one at start.
type Verifier struct {
	scheme    Scheme
	keys      []*key
	tolerance time.Duration
}

// NewVerifier prepares the secrets, of which any may have signed: give the new
// and the old one while they are being changed. The errors wrap
// [ErrInvalidScheme] or [ErrInvalidSecret].
func NewVerifier(scheme Scheme, secrets ...Secret) (*Verifier, error) {
	keys, err := newKeys(scheme, secrets)
	if err != nil {
		return nil, err
	}
	return &Verifier{scheme: scheme, keys: keys, tolerance: DefaultTolerance}, nil
}

// WithTolerance returns a Verifier with another tolerance instead of
// [DefaultTolerance]; 0 or less accepts any time. It matters only to schemes
// that sign a timestamp.
func (v *Verifier) WithTolerance(d time.Duration) *Verifier {
	w := *v
	w.tolerance = d
	return &w
}

// Scheme returns the scheme of the verifier.
func (v *Verifier) Scheme() Scheme { return v.scheme }

// Verify returns nil if one of the secrets signed this body, with these
// headers, at a time near now; otherwise an error that wraps one of the
// sentinel errors of this package. The body must be the bytes as received,
// before any parsing. Comparisons take a time that does not depend on where
// texts differ.
func (v *Verifier) Verify(h http.Header, body []byte, now time.Time) error {
	values := headerValues(h, v.scheme.Header)
	if len(values) == 0 {
		return fmt.Errorf("%w: %s", ErrMissingHeader, v.scheme.Header)
	}
	in, err := v.scheme.readInput(h, body)
	if err != nil {
		return err
	}
	candidates, err := v.scheme.candidates(values)
	if err != nil {
		return err
	}
	if v.scheme.SignedContent == ContentIDTimestampBody {
		if err := checkTime(in.unix, now, v.tolerance); err != nil {
			return err
		}
	}
	match := 0
	for _, k := range v.keys {
		if k.public != nil {
			match |= v.matchEd25519(k, in, candidates)
			continue
		}
		var room [128]byte
		want := k.appendSignature(room[:0], v.scheme, in)
		for _, c := range candidates {
			match |= subtle.ConstantTimeCompare([]byte(c), want)
		}
	}
	if match != 1 {
		return ErrNoMatch
	}
	return nil
}

func (v *Verifier) matchEd25519(k *key, in input, candidates []string) int {
	match := 0
	for _, c := range candidates {
		raw, err := v.scheme.Encoding.decode(c)
		if err == nil && k.verifyEd25519(v.scheme, in, raw) {
			match = 1
		}
	}
	return match
}

// readInput collects what the scheme signs. An id with a full stop is refused:
// it would let the borders between id, timestamp and body be moved without
// breaking the signature.
func (s Scheme) readInput(h http.Header, body []byte) (input, error) {
	in := input{body: body}
	if s.SignedContent == ContentBody {
		return in, nil
	}
	in.id = firstValue(h, HeaderID)
	if in.id == "" {
		return in, fmt.Errorf("%w: %s", ErrMissingHeader, HeaderID)
	}
	timestamp := firstValue(h, HeaderTimestamp)
	if timestamp == "" {
		return in, fmt.Errorf("%w: %s", ErrMissingHeader, HeaderTimestamp)
	}
	if !validID(in.id) {
		return in, fmt.Errorf("%w: %s", ErrMalformed, HeaderID)
	}
	var ok bool
	if in.unix, ok = parseUnix(timestamp); !ok {
		return in, fmt.Errorf("%w: %s is not a number of seconds", ErrMalformed, HeaderTimestamp)
	}
	return in, nil
}

func validID(id string) bool {
	if len(id) > maxIDBytes {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '.' {
			return false
		}
	}
	return id != ""
}

// parseUnix takes only the one spelling of a number that signing writes, so
// that what is checked here is what was signed.
func parseUnix(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != text {
		return 0, false
	}
	return n, true
}

func checkTime(unix int64, now time.Time, tolerance time.Duration) error {
	if tolerance <= 0 {
		return nil
	}
	switch age := now.Sub(time.Unix(unix, 0)); {
	case age > tolerance:
		return ErrTimestampTooOld
	case age < -tolerance:
		return ErrTimestampTooNew
	default:
		return nil
	}
}

// entries splits the values of a signature header.
func (s Scheme) entries(values []string) ([]string, error) {
	var all []string
	total := 0
	for _, value := range values {
		if total += len(value); total > maxHeaderBytes {
			return nil, fmt.Errorf("%w: %s is longer than %d bytes", ErrMalformed, s.Header, maxHeaderBytes)
		}
		if !s.List {
			all = append(all, value)
			continue
		}
		for entry := range strings.SplitSeq(value, " ") {
			if entry != "" {
				all = append(all, entry)
			}
		}
	}
	if len(all) > maxSignatures {
		return nil, fmt.Errorf("%w: %s holds more than %d signatures", ErrMalformed, s.Header, maxSignatures)
	}
	return all, nil
}

// candidates returns the encoded signatures in the header that have the
// scheme's shape. Others are passed over: a list may hold later versions.
func (s Scheme) candidates(values []string) ([]string, error) {
	entries, err := s.entries(values)
	if err != nil {
		return nil, err
	}
	shaped := entries[:0]
	for _, entry := range entries {
		text, ok := strings.CutPrefix(entry, s.Prefix)
		if !ok || len(text) != s.encodedSize() {
			continue
		}
		if _, err := s.Encoding.decode(text); err == nil {
			shaped = append(shaped, text)
		}
	}
	if len(shaped) == 0 {
		return nil, fmt.Errorf("%w: %s has no signature of the form %s<%s>", ErrMalformed, s.Header, s.Prefix, s.Encoding)
	}
	return shaped, nil
}

// decode is strict: one text per signature, lower-case hex, padded base64.
func (e Encoding) decode(text string) ([]byte, error) {
	if e == Base64 {
		return decodeBase64(text)
	}
	if text != strings.ToLower(text) {
		return nil, errUpperCase
	}
	return hex.DecodeString(text)
}

var errUpperCase = errors.New("upper-case hex")

// headerValues returns the non-empty values of a header, also of one stored
// under a name that net/http would not have written.
func headerValues(h http.Header, name string) []string {
	values := h.Values(name)
	if len(values) == 0 {
		for key, v := range h {
			if strings.EqualFold(key, name) {
				values = v
				break
			}
		}
	}
	kept := make([]string, 0, len(values))
	for _, v := range values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

// firstValue returns the first non-empty value of a header.
func firstValue(h http.Header, name string) string {
	if v := h.Get(name); v != "" {
		return v
	}
	if values := headerValues(h, name); len(values) > 0 {
		return values[0]
	}
	return ""
}
