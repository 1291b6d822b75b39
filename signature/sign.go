package signature

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Message is one request to be signed.
type Message struct {
	// ID becomes webhook-id. It must be visible ASCII without a full stop,
	// which separates the signed parts: [Verifier.Verify] refuses any other.
	ID string
	// Timestamp is the time of the attempt, of which whole unix seconds are
	// signed and sent. It must not lie before 1970.
	Timestamp time.Time
	// Body is signed byte for byte.
	Body []byte
}

// Signer signs with one scheme and its secrets. It is safe for concurrent use
// and cheap to keep: make one per endpoint, not one per request.
type Signer struct {
	scheme Scheme
	keys   []*key
}

// NewSigner prepares the secrets, newest first. A scheme without List signs
// with the newest alone, so the same secrets can be given to every scheme. The
// errors wrap [ErrInvalidScheme] or [ErrInvalidSecret].
func NewSigner(scheme Scheme, secrets ...Secret) (*Signer, error) {
	keys, err := newKeys(scheme, secrets)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if scheme.Algorithm == PureEd25519 && k.sign == nil {
			return nil, fmt.Errorf("%w: %s… is a public key, which verifies but cannot sign", ErrInvalidSecret, PrefixPublicKey)
		}
	}
	if !scheme.List {
		keys = keys[:1]
	}
	return &Signer{scheme: scheme, keys: keys}, nil
}

func newKeys(scheme Scheme, secrets []Secret) ([]*key, error) {
	if err := scheme.Validate(); err != nil {
		return nil, err
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: none given", ErrInvalidSecret)
	}
	keys := make([]*key, len(secrets))
	for i, secret := range secrets {
		k, err := newKey(scheme, secret)
		if err != nil {
			return nil, err
		}
		keys[i] = k
	}
	return keys, nil
}

// Scheme returns the scheme of the signer.
func (s *Signer) Scheme() Scheme { return s.scheme }

// Append appends the value of the signature header to dst and returns the
// extended slice. With enough room in dst the HMAC schemes allocate nothing.
func (s *Signer) Append(dst []byte, m Message) []byte {
	in := input{id: m.ID, unix: m.Timestamp.Unix(), body: m.Body}
	for i, k := range s.keys {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, s.scheme.Prefix...)
		dst = k.appendSignature(dst, s.scheme, in)
	}
	return dst
}

// Sign returns the value of the signature header.
func (s *Signer) Sign(m Message) string {
	var room [256]byte
	return string(s.Append(room[:0], m))
}

// SetHeaders sets the signature header of m and, where the scheme signs them,
// webhook-id and webhook-timestamp.
func (s *Signer) SetHeaders(h http.Header, m Message) {
	if s.scheme.SignedContent == ContentIDTimestampBody {
		h.Set(HeaderID, m.ID)
		h.Set(HeaderTimestamp, strconv.FormatInt(m.Timestamp.Unix(), 10))
	}
	h.Set(s.scheme.Header, s.Sign(m))
}
