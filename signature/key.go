package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"sync"
)

// maxKeptBuffer is the largest buffer that goes back to a pool, in bytes: one
// huge body must not stay in memory for the life of a key.
const maxKeptBuffer = 64 << 10

// key is the precomputed form of a secret under a scheme. It is safe for
// concurrent use. What is secret lies behind functions, where fmt cannot look.
type key struct {
	sign   func(message []byte) []byte // Ed25519; nil: a public key, or HMAC
	public ed25519.PublicKey           // nil: HMAC

	// pool holds *state. A used HMAC keeps its padded key in hashed form, so
	// taking one from here saves two blocks and all allocations.
	pool sync.Pool
}

// state is what one computation needs for itself.
type state struct {
	mac hash.Hash
	sum []byte
	buf []byte
}

// newKey derives the key. The scheme must be valid.
func newKey(s Scheme, secret Secret) (*key, error) {
	if secret.IsZero() {
		return nil, fmt.Errorf("%w: it is empty", ErrInvalidSecret)
	}
	if s.Algorithm == PureEd25519 {
		if !secret.Asymmetric() {
			return nil, fmt.Errorf("%w: %s needs a key that begins with %s or %s", ErrInvalidSecret, s.Algorithm, PrefixPrivateKey, PrefixPublicKey)
		}
		k := &key{public: secret.content().public}
		if private := secret.content().private; private != nil {
			k.sign = func(message []byte) []byte { return ed25519.Sign(private, message) }
		}
		k.pool.New = func() any { return new(state) }
		return k, nil
	}
	if secret.Asymmetric() {
		return nil, fmt.Errorf("%w: an Ed25519 key cannot be used with %s", ErrInvalidSecret, s.Algorithm)
	}
	raw := secret.hmacKey(s.KeyDerivation)
	newHash := s.Algorithm.newHash()
	k := new(key)
	k.pool.New = func() any {
		return &state{mac: hmac.New(newHash, raw), sum: make([]byte, 0, sha512.Size)}
	}
	return k, nil
}

func (s Secret) hmacKey(d KeyDerivation) []byte {
	if d == KeyWhsec && s.content().decoded != nil {
		return s.content().decoded
	}
	return []byte(s.content().text)
}

// newHash must not be called for PureEd25519.
func (a Algorithm) newHash() func() hash.Hash {
	switch a {
	case HMACSHA384:
		return sha512.New384
	case HMACSHA512:
		return sha512.New
	default:
		return sha256.New
	}
}

// input is what a signature covers, whichever part of it the scheme takes.
type input struct {
	id   string
	unix int64
	body []byte
}

// head appends what is signed before the body.
func (s Scheme) head(dst []byte, in input) []byte {
	if s.SignedContent == ContentBody {
		return dst
	}
	dst = append(dst, in.id...)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, in.unix, 10)
	return append(dst, '.')
}

// appendSignature appends the encoded signature without its prefix.
func (k *key) appendSignature(dst []byte, s Scheme, in input) []byte {
	st := k.pool.Get().(*state)
	defer k.release(st)
	st.buf = s.head(st.buf[:0], in)
	var raw []byte
	if k.sign != nil {
		st.buf = append(st.buf, in.body...)
		raw = k.sign(st.buf)
	} else {
		st.mac.Reset()
		st.mac.Write(st.buf)
		st.mac.Write(in.body)
		raw = st.mac.Sum(st.sum[:0])
	}
	if s.Encoding == Hex {
		return hex.AppendEncode(dst, raw)
	}
	return base64.StdEncoding.AppendEncode(dst, raw)
}

// verifyEd25519 reports whether raw is this key's signature of the input.
func (k *key) verifyEd25519(s Scheme, in input, raw []byte) bool {
	st := k.pool.Get().(*state)
	defer k.release(st)
	st.buf = append(s.head(st.buf[:0], in), in.body...)
	return ed25519.Verify(k.public, st.buf, raw)
}

func (k *key) release(st *state) {
	if cap(st.buf) > maxKeptBuffer {
		st.buf = nil
	}
	k.pool.Put(st)
}
