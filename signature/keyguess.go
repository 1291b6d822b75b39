package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// keyGuess is a key that may have signed: a right one or one that was made
// from a secret in a wrong way.
type keyGuess struct {
	flaws  []Verdict
	detail string
	mac    hash.Hash         // nil: asymmetric
	public ed25519.PublicKey // nil: symmetric
}

// match returns the presentation that this key gives for the content, or nil.
func (k keyGuess) match(content contentGuess, presented []presentation) *presentation {
	if k.public != nil {
		message := slices.Concat(content.head, content.body)
		for i := range presented {
			if ed25519.Verify(k.public, message, presented[i].raw) {
				return &presented[i]
			}
		}
		return nil
	}
	k.mac.Reset()
	k.mac.Write(content.head)
	k.mac.Write(content.body)
	return samePresentation(k.mac.Sum(nil), presented)
}

// keyGuesses lists the keys to try, right ones first.
func (e Evidence) keyGuesses() []keyGuess {
	var guesses []keyGuess
	for _, secret := range e.Secrets {
		guesses = append(guesses, e.Scheme.guessKeys(secret, nil)...)
	}
	for _, secret := range e.OldSecrets {
		guesses = append(guesses, e.Scheme.guessKeys(secret, []Verdict{VerdictOldSecret})...)
	}
	slices.SortStableFunc(guesses, func(a, b keyGuess) int { return len(a.flaws) - len(b.flaws) })
	return guesses
}

func (s Scheme) guessKeys(secret Secret, flaws []Verdict) []keyGuess {
	if secret.IsZero() || secret.Asymmetric() != (s.Algorithm == PureEd25519) {
		return nil
	}
	if secret.Asymmetric() {
		return []keyGuess{{flaws: flaws, public: secret.content().public}}
	}
	text := secret.content().text
	var guesses []keyGuess
	if inner, ok := unquoted(text); ok {
		if bare, err := ParseSecret(inner); err == nil {
			guesses = s.guessKeys(bare, slices.Concat(flaws, []Verdict{VerdictSecretQuoted}))
		}
	}
	add := func(key []byte, detail string, more ...Verdict) {
		guesses = append(guesses, keyGuess{
			flaws:  slices.Concat(flaws, more),
			detail: detail,
			mac:    hmac.New(s.Algorithm.newHash(), key),
		})
	}
	add(secret.hmacKey(s.KeyDerivation), "")
	stripped, symmetric := strings.CutPrefix(text, PrefixSymmetric)
	switch {
	case symmetric && s.KeyDerivation == KeyWhsec:
		add([]byte(text), "the key was the whole secret", VerdictSecretNotDecoded)
		add([]byte(stripped), "the key was the text after "+PrefixSymmetric, VerdictSecretNotDecoded)
	case symmetric:
		add(secret.content().decoded, "the key was the decoded part after "+PrefixSymmetric, VerdictSecretDecoded)
		add([]byte(stripped), "the key was the text after "+PrefixSymmetric, VerdictSecretDecoded)
	default:
		if raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
			if s.KeyDerivation == KeyWhsec { // what stands after whsec_ is decoded
				add(raw, "", VerdictSecretPrefixMissing)
			} else {
				add([]byte(PrefixSymmetric+text), "", VerdictSecretPrefixMissing)
				add(raw, "the key was the secret decoded from base64", VerdictSecretDecoded)
			}
		}
		if raw, err := hex.DecodeString(text); err == nil {
			add(raw, "the key was the secret decoded from hex", VerdictSecretDecoded)
		}
	}
	for _, end := range []string{"\n", "\r\n", " "} {
		if symmetric && s.KeyDerivation == KeyWhsec {
			add([]byte(text+end), "", VerdictSecretNotDecoded, VerdictSecretWhitespace)
		} else {
			add([]byte(text+end), "", VerdictSecretWhitespace)
		}
	}
	return guesses
}

// unquoted is the text between a pair of quotes.
func unquoted(text string) (string, bool) {
	last := len(text) - 1
	if last < 1 || text[0] != text[last] || text[0] != '"' && text[0] != '\'' {
		return "", false
	}
	return text[1:last], true
}
