// Package keyring encrypts the few columns that hold secrets: AES-256-GCM with
// a random nonce, bound to the place a value belongs to, under one of several
// keys. The first key encrypts, all of them decrypt, so that a key is replaced
// while everything runs: put the new one in front, encrypt again, drop the old.
package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

const (
	idBytes = 8 // of the key's SHA-256, in front of every sealed value
	// overhead is what sealing adds: key id, nonce (96 bit) and tag (128 bit).
	overhead = idBytes + 12 + 16
)

// The errors of [Ring.Open], wrapped with the key's id.
var (
	// ErrUnknownKey: the value was sealed with a key that the ring lacks.
	ErrUnknownKey = errors.New("no such encryption key")
	// ErrCorrupt: the value was changed, or belongs to another place.
	ErrCorrupt = errors.New("value does not decrypt")
)

// Place is where a sealed value belongs. A value that was moved to another row
// or column does not open there.
type Place struct {
	Table, Row, Column string
}

// data is the associated data: each part behind its length, so that no two
// places share it.
func (p Place) data() []byte {
	var b []byte
	for _, part := range [...]string{p.Table, p.Row, p.Column} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// Ring is a list of keys. It is safe for concurrent use and prints as the ids
// of its keys.
type Ring struct {
	keys []key
}

type key struct {
	id   [idBytes]byte
	aead cipher.AEAD
}

// Parse reads keys, each the standard base64 of 32 bytes; one text may hold
// several separated by commas. Errors name the key by its position and never
// hold any of it.
func Parse(texts ...string) (*Ring, error) {
	r := &Ring{}
	n := 0
	for _, text := range texts {
		for one := range strings.SplitSeq(text, ",") {
			n++
			raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(one))
			if err != nil {
				return nil, fmt.Errorf("encryption key %d is not base64", n)
			}
			if len(raw) != KeyBytes {
				return nil, fmt.Errorf("encryption key %d has %d bytes; it must have %d", n, len(raw), KeyBytes)
			}
			if err := r.add(raw); err != nil {
				return nil, fmt.Errorf("encryption key %d: %w", n, err)
			}
		}
	}
	if len(r.keys) == 0 {
		return nil, errors.New("an encryption key is required")
	}
	return r, nil
}

// Generate makes a key in the form that [Parse] reads.
func Generate() string {
	raw := make([]byte, KeyBytes)
	rand.Read(raw) // never fails, see crypto/rand
	return base64.StdEncoding.EncodeToString(raw)
}

// ID is the id of a key: what [KeyID] says of all that it seals. The error is
// that of [Parse].
func ID(text string) (string, error) {
	r, err := Parse(text)
	if err != nil {
		return "", err
	}
	return r.String(), nil
}

func (r *Ring) add(raw []byte) error {
	sum := sha256.Sum256(raw)
	k := key{id: [idBytes]byte(sum[:idBytes])}
	if r.find(k.id[:]) != nil {
		return errors.New("it is there twice")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return err
	}
	// With random nonces of 96 bits a key may seal 2^32 values (NIST SP
	// 800-38D, section 8.3); configuration is written far less often.
	if k.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return err
	}
	r.keys = append(r.keys, k)
	return nil
}

func (r *Ring) find(id []byte) *key {
	for i := range r.keys {
		if bytes.Equal(r.keys[i].id[:], id) {
			return &r.keys[i]
		}
	}
	return nil
}

// Seal encrypts a value for its place with the first key.
func (r *Ring) Seal(plain []byte, at Place) []byte {
	k := &r.keys[0]
	out := make([]byte, idBytes, len(plain)+overhead)
	copy(out, k.id[:])
	return k.aead.Seal(out, nil, plain, at.data())
}

// Open decrypts what [Ring.Seal] made for the same place. The error wraps
// [ErrUnknownKey] or [ErrCorrupt].
func (r *Ring) Open(sealed []byte, at Place) ([]byte, error) {
	if len(sealed) < overhead {
		return nil, fmt.Errorf("%w: it has only %d bytes", ErrCorrupt, len(sealed))
	}
	k := r.find(sealed[:idBytes])
	if k == nil {
		return nil, fmt.Errorf("%w: it was encrypted with key %s, those of encryption-key are %s: add that one, behind a comma", ErrUnknownKey, KeyID(sealed), r)
	}
	plain, err := k.aead.Open(nil, nil, sealed[idBytes:], at.data())
	if err != nil {
		return nil, fmt.Errorf("%w with key %s", ErrCorrupt, KeyID(sealed))
	}
	return plain, nil
}

// Current tells whether a value was sealed with the first key.
func (r *Ring) Current(sealed []byte) bool {
	return bytes.HasPrefix(sealed, r.keys[0].id[:])
}

// KeyID is the id of the key that sealed a value, in hex: the first 8 bytes of
// the key's SHA-256.
func KeyID(sealed []byte) string {
	return hex.EncodeToString(sealed[:min(idBytes, len(sealed))])
}

// String is the ids of the keys, the encrypting one first.
func (r *Ring) String() string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = hex.EncodeToString(k.id[:])
	}
	return strings.Join(ids, ", ")
}

// Format writes the ids for every verb, so that no %#v shows key material.
func (r *Ring) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }
