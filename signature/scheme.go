package signature

import (
	"errors"
	"fmt"
	"strings"
)

// Headers of Standard Webhooks that carry the signed id and the signed time in
// unix seconds. Every scheme with [ContentIDTimestampBody] reads them.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// ErrInvalidScheme is wrapped by every error of [Scheme.Validate].
var ErrInvalidScheme = errors.New("invalid signature scheme")

// Algorithm is what turns key and signed bytes into a signature.
type Algorithm string

// The algorithms.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	HMACSHA384 Algorithm = "hmac-sha384"
	HMACSHA512 Algorithm = "hmac-sha512"
	// PureEd25519 is Ed25519 of RFC 8032 without pre-hashing.
	PureEd25519 Algorithm = "ed25519"
)

// String returns the word used in configuration.
func (a Algorithm) String() string { return string(a) }

// size is the length in bytes of a signature, 0 for an unknown algorithm.
func (a Algorithm) size() int {
	switch a {
	case HMACSHA256:
		return 32
	case HMACSHA384:
		return 48
	case HMACSHA512, PureEd25519:
		return 64
	default:
		return 0
	}
}

// KeyDerivation is how the key comes from the text of a secret.
type KeyDerivation string

// The key derivations.
const (
	// KeyUTF8 takes the UTF-8 bytes of the whole secret, whsec_ included.
	KeyUTF8 KeyDerivation = "utf8"
	// KeyWhsec takes the base64-decoded part after whsec_; a secret without
	// that prefix gives its UTF-8 bytes.
	KeyWhsec KeyDerivation = "whsec"
	// KeyEd25519 takes the key after whsk_ (private) or whpk_ (public).
	KeyEd25519 KeyDerivation = "ed25519"
)

// String returns the word used in configuration.
func (k KeyDerivation) String() string { return string(k) }

// Encoding is how the bytes of a signature are written.
type Encoding string

// The encodings.
const (
	// Hex is lower-case hexadecimal.
	Hex Encoding = "hex"
	// Base64 is the standard alphabet of RFC 4648 with padding.
	Base64 Encoding = "base64"
)

// String returns the word used in configuration.
func (e Encoding) String() string { return string(e) }

// SignedContent is which bytes are signed.
type SignedContent string

// The signed contents.
const (
	// ContentBody is the body exactly as sent.
	ContentBody SignedContent = "body"
	// ContentIDTimestampBody is webhook-id, a full stop, webhook-timestamp, a
	// full stop and the body exactly as sent.
	ContentIDTimestampBody SignedContent = "id.timestamp.body"
)

// String returns the word used in configuration.
func (c SignedContent) String() string { return string(c) }

// Scheme describes a signature header completely. It is a plain comparable
// value that can be written in a configuration file; [Scheme.Validate] tells
// whether it makes sense. The zero Scheme does not.
type Scheme struct {
	// Header is the header's name, in any case.
	Header string `json:"header" yaml:"header"`
	// Algorithm makes the signature.
	Algorithm Algorithm `json:"algorithm" yaml:"algorithm"`
	// KeyDerivation makes the key.
	KeyDerivation KeyDerivation `json:"key_derivation" yaml:"key_derivation"`
	// Encoding writes the signature.
	Encoding Encoding `json:"encoding" yaml:"encoding"`
	// Prefix stands before the encoded signature, for example "sha256=". At
	// most 32 visible ASCII characters; may be empty.
	Prefix string `json:"prefix,omitempty" yaml:"prefix,omitempty"`
	// SignedContent is what is signed.
	SignedContent SignedContent `json:"signed_content" yaml:"signed_content"`
	// List allows several signatures in one header, separated by a space: one
	// per secret while an old one is still valid. Without it only the newest
	// secret signs.
	List bool `json:"list,omitempty" yaml:"list,omitempty"`
}

// Standard is the symmetric scheme of Standard Webhooks (v1).
func Standard() Scheme {
	return Scheme{
		Header: HeaderSignature, Algorithm: HMACSHA256, KeyDerivation: KeyWhsec,
		Encoding: Base64, Prefix: "v1,", SignedContent: ContentIDTimestampBody, List: true,
	}
}

// Ed25519 is the asymmetric scheme of Standard Webhooks (v1a).
func Ed25519() Scheme {
	return Scheme{
		Header: HeaderSignature, Algorithm: PureEd25519, KeyDerivation: KeyEd25519,
		Encoding: Base64, Prefix: "v1a,", SignedContent: ContentIDTimestampBody, List: true,
	}
}

// Chatzuri is the scheme of Chatzuri's webhooks.
func Chatzuri() Scheme {
	return Scheme{
		Header: "X-Chatzuri-Signature", Algorithm: HMACSHA256, KeyDerivation: KeyUTF8,
		Encoding: Hex, Prefix: "sha256=", SignedContent: ContentBody,
	}
}

// Chatislav is the scheme of Chatislav's webhooks.
func Chatislav() Scheme {
	return Scheme{
		Header: "x-chatislav-signature", Algorithm: HMACSHA256, KeyDerivation: KeyUTF8,
		Encoding: Hex, SignedContent: ContentBody,
	}
}

// BuiltinNames returns the names that [Builtin] knows.
func BuiltinNames() []string { return []string{"standard", "ed25519", "chatzuri", "chatislav"} }

// Builtin returns the built-in scheme of that name.
func Builtin(name string) (Scheme, bool) {
	switch name {
	case "standard":
		return Standard(), true
	case "ed25519":
		return Ed25519(), true
	case "chatzuri":
		return Chatzuri(), true
	case "chatislav":
		return Chatislav(), true
	default:
		return Scheme{}, false
	}
}

// Validate reports everything that is wrong with the scheme, nil if nothing is.
// Each error wraps [ErrInvalidScheme] and names the field as configuration
// spells it.
func (s Scheme) Validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s: %s", ErrInvalidScheme, field, fmt.Sprintf(format, args...)))
	}
	switch {
	case !validToken(s.Header):
		wrong("header", "%q is not a header name of 1 to 64 characters", s.Header)
	case strings.EqualFold(s.Header, HeaderSignature):
		if own := s.withHeader(HeaderSignature); own != Standard() && own != Ed25519() {
			wrong("header", "%s belongs to the built-in schemes", HeaderSignature)
		}
	case reservedHeader(s.Header):
		wrong("header", "%s is reserved", s.Header)
	}
	if s.Algorithm.size() == 0 {
		wrong("algorithm", "%q is none of %s, %s, %s, %s", s.Algorithm, HMACSHA256, HMACSHA384, HMACSHA512, PureEd25519)
	}
	switch s.KeyDerivation {
	case KeyUTF8, KeyWhsec, KeyEd25519:
		if s.Algorithm.size() != 0 && (s.KeyDerivation == KeyEd25519) != (s.Algorithm == PureEd25519) {
			wrong("key_derivation", "%s does not make a key for %s", s.KeyDerivation, s.Algorithm)
		}
	default:
		wrong("key_derivation", "%q is none of %s, %s, %s", s.KeyDerivation, KeyUTF8, KeyWhsec, KeyEd25519)
	}
	if s.Encoding != Hex && s.Encoding != Base64 {
		wrong("encoding", "%q is none of %s, %s", s.Encoding, Hex, Base64)
	}
	if !validPrefix(s.Prefix) {
		wrong("prefix", "%q is more than 32 characters or has others than visible ASCII", s.Prefix)
	}
	if s.SignedContent != ContentBody && s.SignedContent != ContentIDTimestampBody {
		wrong("signed_content", "%q is none of %s, %s", s.SignedContent, ContentBody, ContentIDTimestampBody)
	}
	return errors.Join(errs...)
}

func (s Scheme) withHeader(name string) Scheme {
	s.Header = name
	return s
}

// encodedSize is the length of a written signature without its prefix.
func (s Scheme) encodedSize() int {
	n := s.Algorithm.size()
	if s.Encoding == Hex {
		return 2 * n
	}
	return (n + 2) / 3 * 4
}

// validToken applies the token rule of RFC 9110, section 5.6.2.
func validToken(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

func validPrefix(prefix string) bool {
	if len(prefix) > 32 {
		return false
	}
	for _, c := range []byte(prefix) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// reservedHeader reports the names that carry something else in every request:
// framing, hop-by-hop fields and the sender's own headers.
func reservedHeader(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"webhook-", "x-waybell-", "content-", "proxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "host", "transfer-encoding", "connection", "keep-alive", "te", "trailer",
		"upgrade", "expect", "user-agent", "http2-settings", "accept-encoding", "date", "cookie":
		return true
	default:
		return false
	}
}
