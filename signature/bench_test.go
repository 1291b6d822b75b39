package signature_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

func benchSecrets(name string) (signs, verifies string) {
	if name == "ed25519" {
		return whsk("one"), whpk("one")
	}
	return whsec("one"), whsec("one")
}

func BenchmarkAppend1KB(b *testing.B) {
	for _, name := range signature.BuiltinNames() {
		b.Run(name, func(b *testing.B) {
			scheme, _ := signature.Builtin(name)
			signs, verifies := benchSecrets(name)
			signer, _ := newPair(b, scheme, signs, verifies)
			m := signature.Message{ID: vectorID, Timestamp: time.Unix(vectorTime, 0), Body: make([]byte, 1024)}
			b.ReportAllocs()
			b.SetBytes(1024)
			b.RunParallel(func(pb *testing.PB) {
				dst := make([]byte, 0, 256)
				for pb.Next() {
					dst = signer.Append(dst[:0], m)
				}
			})
		})
	}
}

func BenchmarkVerify1KB(b *testing.B) {
	for _, name := range signature.BuiltinNames() {
		b.Run(name, func(b *testing.B) {
			scheme, _ := signature.Builtin(name)
			signs, verifies := benchSecrets(name)
			signer, verifier := newPair(b, scheme, signs, verifies)
			now, body := time.Unix(vectorTime, 0), make([]byte, 1024)
			h := http.Header{}
			signer.SetHeaders(h, signature.Message{ID: vectorID, Timestamp: now, Body: body})
			b.ReportAllocs()
			b.SetBytes(1024)
			for b.Loop() {
				if err := verifier.Verify(h, body, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewSigner(b *testing.B) {
	secret := parse(b, whsec("one"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signature.NewSigner(signature.Standard(), secret); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExplainWrongSecret is the longest way: nothing matches.
func BenchmarkExplainWrongSecret(b *testing.B) {
	for _, c := range []struct {
		name string
		body string
	}{
		{"200B", leadBody},
		{"16KB", `{"a":"` + strings.Repeat("é<a>/", 2300) + `"}`},
		{"500KB", `{"a":"` + strings.Repeat("é<a>/", 71_000) + `"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := std("", "v1,"+sha256Base64("x", "y"), c.body).old(whsec("two"))
			e := v.evidence(b, map[string]signature.Scheme{"standard": signature.Standard()})
			b.ReportAllocs()
			for b.Loop() {
				if d, err := signature.Explain(e); err != nil || d.Verdict != signature.VerdictWrongSecret {
					b.Fatal(d, err)
				}
			}
		})
	}
}
