package signature_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell/signature"
)

// FuzzVerifyHeader gives the fuzzer a genuine request and lets it change all of
// its parts. Whatever is accepted must hold a signature that the primitives,
// computed here, give for exactly these parts.
func FuzzVerifyHeader(f *testing.F) {
	good := "v1," + sha256Base64(string(keyBytes("one")), full(vectorID, vectorTime, leadBody))
	rawHex := sha256Hex(whsec("one"), leadBody)
	ed := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(edKey("one"), []byte(full(vectorID, vectorTime, leadBody))))
	for which, value := range []string{good, ed, "sha256=" + rawHex, rawHex} {
		f.Add(uint8(which), value, vectorID, fmt.Sprint(vectorTime), []byte(leadBody))
	}
	f.Add(uint8(0), good+" v1,"+strings.Repeat("A", 43)+"= v2,x", vectorID, fmt.Sprint(vectorTime), []byte(leadBody))
	f.Add(uint8(0), good, vectorID+"."+fmt.Sprint(vectorTime), "1", []byte("1.{}"))
	f.Add(uint8(2), "sha256="+strings.ToUpper(rawHex), "", "", []byte("\xff"))
	verifiers := fuzzedVerifiers(f)
	now := time.Unix(vectorTime, 0)
	f.Fuzz(func(t *testing.T, which uint8, value, id, timestamp string, body []byte) {
		verifier := verifiers[which%4]
		scheme := verifier.Scheme()
		h := fuzzedHeader(scheme, value, id, timestamp)
		err := verifier.Verify(h, body, now)
		if err == nil && !genuine(scheme, value, id, timestamp, string(body)) {
			t.Fatalf("accepted a forged signature: %+v", h)
		}
		if err == nil && scheme.SignedContent != signature.ContentBody && strings.Contains(id, ".") {
			t.Fatalf("accepted an ambiguous id %q", id)
		}
		if err != nil && !slices.ContainsFunc(sentinels(), func(s error) bool { return errors.Is(err, s) }) {
			t.Fatalf("not one of the documented errors: %v", err)
		}
	})
}

// FuzzExplain must never panic and must agree with Verify. Bodies are short
// because it tries thousands of spellings of each.
func FuzzExplain(f *testing.F) {
	const body = `{"a":1}`
	content := full("evt_1", vectorTime, body)
	f.Add(uint8(0), "v1,"+sha256Base64(string(keyBytes("one")), content), "evt_1", fmt.Sprint(vectorTime), []byte(body))
	f.Add(uint8(0), "v1,"+sha256Base64(string(keyBytes("one")), content), "evt_1", fmt.Sprint(vectorTime*1000), []byte(body))
	f.Add(uint8(0), sha256Hex(string(keyBytes("one")), content), "evt_1", fmt.Sprint(vectorTime-400), []byte(body))
	f.Add(uint8(1), "v1a,"+strings.Repeat("A", 86)+"==", "evt_1", fmt.Sprint(vectorTime), []byte("[]"))
	f.Add(uint8(2), "sha256="+strings.ToUpper(sha256Hex(whsec("one"), body)), "", "", []byte(body+"\n"))
	f.Add(uint8(3), "sha256="+sha256Base64(whsec("one"), body), "", "", []byte(body))
	verifiers := fuzzedVerifiers(f)
	secrets := []signature.Secret{parse(f, whsec("one")), parse(f, whpk("one"))}
	now := time.Unix(vectorTime, 0)
	f.Fuzz(func(t *testing.T, which uint8, value, id, timestamp string, body []byte) {
		if len(body) > 48 {
			return
		}
		verifier := verifiers[which%4]
		secret := secrets[0]
		if verifier.Scheme().Algorithm == signature.PureEd25519 {
			secret = secrets[1]
		}
		h := fuzzedHeader(verifier.Scheme(), value, id, timestamp)
		d, err := signature.Explain(signature.Evidence{
			Scheme: verifier.Scheme(), Secrets: []signature.Secret{secret}, Header: h, Body: body,
			Now: now, Tolerance: signature.DefaultTolerance,
		})
		if err != nil || !slices.Contains(signature.Verdicts(), d.Verdict) {
			t.Fatalf("%+v, %v", d, err)
		}
		if err := verifier.Verify(h, body, now); (d.Verdict == signature.VerdictOK) != (err == nil) {
			t.Fatalf("Explain: %+v; Verify: %v", d, err)
		}
	})
}

// fuzzedVerifiers has one verifier for each of [signature.BuiltinNames].
func fuzzedVerifiers(t testing.TB) []*signature.Verifier {
	t.Helper()
	var all []*signature.Verifier
	for _, name := range signature.BuiltinNames() {
		scheme, _ := signature.Builtin(name)
		signs, verifies := benchSecrets(name)
		_, verifier := newPair(t, scheme, signs, verifies)
		all = append(all, verifier)
	}
	return all
}

func fuzzedHeader(scheme signature.Scheme, value, id, timestamp string) http.Header {
	h := http.Header{}
	h.Set(scheme.Header, value)
	h.Set(signature.HeaderID, id)
	h.Set(signature.HeaderTimestamp, timestamp)
	return h
}

func sentinels() []error {
	var all []error
	for _, err := range errorWords() {
		all = append(all, err)
	}
	return all
}

// genuine recomputes the signature from the texts as they stand.
func genuine(scheme signature.Scheme, value, id, timestamp, body string) bool {
	switch scheme {
	case signature.Standard():
		want := "v1," + sha256Base64(string(keyBytes("one")), id+"."+timestamp+"."+body)
		return slices.ContainsFunc(strings.Split(value, " "), func(s string) bool { return hmac.Equal([]byte(s), []byte(want)) })
	case signature.Ed25519():
		want := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(edKey("one"), []byte(id+"."+timestamp+"."+body)))
		return slices.Contains(strings.Split(value, " "), want)
	case signature.Chatzuri():
		return value == "sha256="+sha256Hex(whsec("one"), body)
	default:
		return value == sha256Hex(whsec("one"), body)
	}
}

// FuzzParseSecret holds the rules of secrets against a second reading of them,
// and every accepted secret must sign what it then verifies.
func FuzzParseSecret(f *testing.F) {
	for _, v := range secretVectors() {
		f.Add(v.Secret)
	}
	f.Add("whsec_QUJD\nREVG")
	f.Add("12345678\xff")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := signature.ParseSecret(text)
		if err != nil {
			if !errors.Is(err, signature.ErrInvalidSecret) || !secret.IsZero() {
				t.Fatalf("%v", err)
			}
			if len(text) >= 32 && strings.Contains(err.Error(), text) {
				t.Fatalf("the error holds the secret: %v", err)
			}
			return
		}
		n := utf8.RuneCountInString(text)
		if n < 8 || n > 256 || strings.TrimSpace(text) != text || strings.ContainsAny(text, "\x00\r\n\t\x7f") {
			t.Fatalf("accepted %q", text)
		}
		if secret.Reveal() != text || strings.HasPrefix(text, "whpk_") {
			t.Fatalf("%q became %q", text, secret.Reveal())
		}
		scheme := signature.Standard()
		if secret.Asymmetric() {
			scheme = signature.Ed25519()
		}
		h := http.Header{}
		signer, err := signature.NewSigner(scheme, secret)
		if err != nil {
			t.Fatal(err)
		}
		signer.SetHeaders(h, signature.Message{ID: "evt_1", Timestamp: time.Unix(vectorTime, 0)})
		if rest, ok := strings.CutPrefix(text, "whsec_"); ok {
			raw, err := base64.StdEncoding.DecodeString(rest)
			if err != nil || h.Get("webhook-signature") != "v1,"+sha256Base64(string(raw), full("evt_1", vectorTime, "")) {
				t.Fatalf("%q: key %s, %v", text, hex.EncodeToString(raw), err)
			}
		}
		verifier, err := signature.NewVerifier(scheme, secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(h, nil, time.Unix(vectorTime, 0)); err != nil {
			t.Fatal(err)
		}
	})
}
