package signature_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybell/waybell/signature"
)

// drawPair draws a scheme with a secret that signs and one that verifies.
func drawPair(t *rapid.T) (scheme signature.Scheme, signs, verifies signature.Secret) {
	name := rapid.SampledFrom(signature.BuiltinNames()).Draw(t, "scheme")
	scheme, _ = signature.Builtin(name)
	seed := rapid.StringN(1, 8, -1).Draw(t, "seed")
	texts := []string{whsec(seed), whsec(seed)}
	switch {
	case scheme.Algorithm == signature.PureEd25519:
		texts = []string{whsk(seed), whpk(seed)}
	case rapid.Bool().Draw(t, "plain"):
		// Any text that is a secret: its own bytes are the key.
		plain := base64.RawURLEncoding.EncodeToString(keyBytes(seed))[:rapid.IntRange(8, 43).Draw(t, "length")]
		texts = []string{plain, plain}
	}
	var parsed [2]signature.Secret
	for i, text := range texts {
		var err error
		if parsed[i], err = signature.ParseSecret(text); err != nil {
			parsed[i], err = signature.ParsePublicKey(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	return scheme, parsed[0], parsed[1]
}

// TestSignedIsVerified: whatever is signed verifies, by its own secret among
// others and within the tolerance; with any one byte changed, in the body or in
// a header that the scheme signs, or by another secret, it does not.
func TestSignedIsVerified(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scheme, signs, verifies := drawPair(t)
		signer, err := signature.NewSigner(scheme, signs)
		if err != nil {
			t.Fatal(err)
		}
		m := signature.Message{
			ID:        rapid.StringMatching(`[A-Za-z0-9_-]{1,128}`).Draw(t, "id"),
			Timestamp: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0),
			Body:      rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "body"),
		}
		h := http.Header{}
		signer.SetHeaders(h, m)
		verifier, err := signature.NewVerifier(scheme, verifies)
		if err != nil {
			t.Fatal(err)
		}
		late := rapid.SampledFrom([]time.Duration{0, signature.DefaultTolerance, -signature.DefaultTolerance}).Draw(t, "late")
		if err := verifier.Verify(h, m.Body, m.Timestamp.Add(late)); err != nil {
			t.Fatalf("%s, %v late: %v", scheme.Header, late, err)
		}
		check := func(what string, v *signature.Verifier, h http.Header, body []byte) {
			if v.Verify(h, body, m.Timestamp) == nil {
				t.Fatalf("%s: accepted with %s: %v %q", scheme.Header, what, h, body)
			}
		}
		flip := rapid.ByteRange(1, 255).Draw(t, "flip")
		if n := len(m.Body); n > 0 {
			body := append([]byte(nil), m.Body...)
			body[rapid.IntRange(0, n-1).Draw(t, "at")] ^= flip
			check("another body", verifier, h, body)
		}
		check("a longer body", verifier, h, append(m.Body[:len(m.Body):len(m.Body)], flip))
		for name := range h {
			changed := h.Clone()
			value := []byte(changed.Get(name))
			value[rapid.IntRange(0, len(value)-1).Draw(t, "at")] ^= flip
			changed.Set(name, string(value))
			check("another "+name, verifier, changed, m.Body)
		}
		others, err := signature.ParseSecret(whsec("another, longer than any seed"))
		if err == nil && scheme.Algorithm != signature.PureEd25519 {
			other, err := signature.NewVerifier(scheme, others)
			if err != nil {
				t.Fatal(err)
			}
			check("another secret", other, h, m.Body)
			both, err := signature.NewVerifier(scheme, others, verifies)
			if err != nil || both.Verify(h, m.Body, m.Timestamp) != nil {
				t.Fatalf("%s: refused with its secret among others, %v", scheme.Header, err)
			}
		}
	})
}
