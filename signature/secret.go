package signature

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Prefixes of secrets with a structure, as Standard Webhooks defines them.
const (
	PrefixSymmetric  = "whsec_"
	PrefixPrivateKey = "whsk_"
	PrefixPublicKey  = "whpk_"
)

// Bounds of a secret's length in characters, and the number of bytes below
// which [Secret.Weak] reports one.
const (
	MinSecretLength = 8
	MaxSecretLength = 256
	WeakBelowBytes  = 24
)

// redacted stands for every secret that is printed by accident.
const redacted = "[secret]"

// ErrInvalidSecret is wrapped by every error about a secret: one that does not
// parse, or that does not fit the scheme it is given to. The text never holds
// the secret.
var ErrInvalidSecret = errors.New("invalid secret")

// Secret is a parsed signing secret or public key. It prints as "[secret]" in
// fmt, JSON and slog; [Secret.Reveal] is the one way to its text. The zero
// Secret is no secret: Signers and Verifiers refuse it. Compare with
// [Secret.Equal].
type Secret struct {
	// A function, because fmt prints the unexported fields of a struct around a
	// Secret without asking for its methods, and follows a pointer whenever the
	// verb does not fit.
	content func() *secretContent
}

type secretContent struct {
	text    string
	decoded []byte // after whsec_; nil for a plain secret
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// ParseSecret checks a signing secret: 8 to 256 characters of UTF-8, no blanks
// at the ends, no control characters. After whsec_ there must be standard
// base64 with padding, after whsk_ the same of an Ed25519 seed (32 bytes) or
// private key (64 bytes). A public key (whpk_) is refused: it cannot sign.
func ParseSecret(text string) (Secret, error) {
	if err := checkText(text); err != nil {
		return Secret{}, err
	}
	c := &secretContent{text: text}
	switch {
	case strings.HasPrefix(text, PrefixSymmetric):
		decoded, err := decodeAfter(text, PrefixSymmetric)
		if err != nil {
			return Secret{}, err
		}
		c.decoded = decoded
	case strings.HasPrefix(text, PrefixPrivateKey):
		private, err := parsePrivateKey(text)
		if err != nil {
			return Secret{}, err
		}
		c.private, c.public = private, private.Public().(ed25519.PublicKey)
	case strings.HasPrefix(text, PrefixPublicKey):
		return Secret{}, fmt.Errorf("%w: %s… is a public key, which verifies but cannot sign", ErrInvalidSecret, PrefixPublicKey)
	}
	return newSecret(c), nil
}

// ParsePublicKey reads whpk_ followed by the base64 of a 32-byte Ed25519 public
// key. The result serves [NewVerifier]; [NewSigner] refuses it.
func ParsePublicKey(text string) (Secret, error) {
	if !strings.HasPrefix(text, PrefixPublicKey) {
		return Secret{}, fmt.Errorf("%w: a public key begins with %s", ErrInvalidSecret, PrefixPublicKey)
	}
	raw, err := decodeAfter(text, PrefixPublicKey)
	if err != nil {
		return Secret{}, err
	}
	if len(raw) != ed25519.PublicKeySize {
		return Secret{}, fmt.Errorf("%w: %s… holds %d bytes, a public key has %d", ErrInvalidSecret, PrefixPublicKey, len(raw), ed25519.PublicKeySize)
	}
	return newSecret(&secretContent{text: text, public: raw}), nil
}

// GenerateSecret returns whsec_ and the base64 of 32 random bytes.
func GenerateSecret() Secret {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails: crypto/rand ends the process instead
	return newSecret(&secretContent{
		text:    PrefixSymmetric + base64.StdEncoding.EncodeToString(raw),
		decoded: raw,
	})
}

// GenerateEd25519 returns whsk_ and the base64 of a random 32-byte seed.
// [Secret.PublicKey] is what its receivers need.
func GenerateEd25519() Secret {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails: crypto/rand ends the process instead
	private := ed25519.NewKeyFromSeed(seed)
	return newSecret(&secretContent{
		text:    PrefixPrivateKey + base64.StdEncoding.EncodeToString(seed),
		private: private,
		public:  private.Public().(ed25519.PublicKey),
	})
}

// IsZero reports whether s is no secret.
func (s Secret) IsZero() bool { return s.content == nil }

// Reveal returns the text as it was given. Whoever calls it answers for where
// the text goes.
func (s Secret) Reveal() string {
	if s.content == nil {
		return ""
	}
	return s.content().text
}

// Equal compares the texts in a time that depends on their lengths only.
func (s Secret) Equal(other Secret) bool {
	return s.IsZero() == other.IsZero() &&
		subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Asymmetric reports whether s is an Ed25519 key, private or public, and so
// fits the schemes with [PureEd25519] and no others.
func (s Secret) Asymmetric() bool { return s.content != nil && s.content().public != nil }

// Weak reports whether s has fewer than [WeakBelowBytes] bytes of key material:
// the decoded ones of a whsec_ secret, because encoding adds length and no
// strength, and the UTF-8 bytes of a plain one. Ed25519 keys are not weak.
func (s Secret) Weak() bool {
	switch {
	case s.content == nil:
		return true
	case s.Asymmetric():
		return false
	case s.content().decoded != nil:
		return len(s.content().decoded) < WeakBelowBytes
	default:
		return len(s.content().text) < WeakBelowBytes
	}
}

// PublicKey returns whpk_ and the base64 of the public key that belongs to a
// whsk_ key (or is s itself). Symmetric secrets have none: [ErrInvalidSecret].
func (s Secret) PublicKey() (string, error) {
	if !s.Asymmetric() {
		return "", fmt.Errorf("%w: only %s… has a public key", ErrInvalidSecret, PrefixPrivateKey)
	}
	return PrefixPublicKey + base64.StdEncoding.EncodeToString(s.content().public), nil
}

// String returns a fixed text instead of the secret.
func (s Secret) String() string { return redacted }

// Format writes a fixed text instead of the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns a fixed text instead of the secret, for JSON and others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a fixed text instead of the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

func newSecret(c *secretContent) Secret {
	return Secret{func() *secretContent { return c }}
}

func checkText(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: it is not valid UTF-8", ErrInvalidSecret)
	}
	if n := utf8.RuneCountInString(text); n < MinSecretLength || n > MaxSecretLength {
		return fmt.Errorf("%w: it has %d characters, needed are %d to %d", ErrInvalidSecret, n, MinSecretLength, MaxSecretLength)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%w: it holds control characters", ErrInvalidSecret)
	}
	if strings.TrimFunc(text, isBlank) != text {
		return fmt.Errorf("%w: it begins or ends with a blank", ErrInvalidSecret)
	}
	return nil
}

// isBlank adds to Unicode's spaces the invisible characters that copying from a
// page leaves at the ends of a text.
func isBlank(r rune) bool {
	switch r {
	case '\u200b', '\u200e', '\u200f', '\u2060', '\ufeff':
		return true
	default:
		return unicode.IsSpace(r)
	}
}

func decodeAfter(text, prefix string) ([]byte, error) {
	raw, err := decodeBase64(strings.TrimPrefix(text, prefix))
	if err != nil || len(raw) == 0 {
		return nil, fmt.Errorf("%w: what follows %s is not standard base64 with padding", ErrInvalidSecret, prefix)
	}
	return raw, nil
}

// decodeBase64 is strict: encoding/base64 alone skips line breaks, which the
// official libraries refuse or read otherwise.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(strings.IndexAny(text, "\r\n"))
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

func parsePrivateKey(text string) (ed25519.PrivateKey, error) {
	raw, err := decodeAfter(text, PrefixPrivateKey)
	if err != nil {
		return nil, err
	}
	switch len(raw) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(raw), nil
	case ed25519.PrivateKeySize:
		private := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		// Signing with a public half that is not the seed's own gives the seed away.
		if subtle.ConstantTimeCompare(private, raw) != 1 {
			return nil, fmt.Errorf("%w: the two halves of the private key do not belong together", ErrInvalidSecret)
		}
		return private, nil
	default:
		return nil, fmt.Errorf("%w: %s… holds %d bytes, a private key has %d or %d", ErrInvalidSecret,
			PrefixPrivateKey, len(raw), ed25519.SeedSize, ed25519.PrivateKeySize)
	}
}
