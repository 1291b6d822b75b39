package signature_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell/signature"
)

func TestBuiltinSchemesAreValid(t *testing.T) {
	t.Parallel()
	for _, name := range signature.BuiltinNames() {
		scheme, ok := signature.Builtin(name)
		if !ok {
			t.Fatalf("%s is not known", name)
		}
		if err := scheme.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := signature.Builtin("Standard"); ok {
		t.Error("names ignore case")
	}
}

func TestSchemeValidate(t *testing.T) {
	t.Parallel()
	acme := customSchemes()["acme"]
	change := func(f func(*signature.Scheme)) signature.Scheme {
		s := acme
		f(&s)
		return s
	}
	header := func(name string) signature.Scheme {
		return change(func(s *signature.Scheme) { s.Header = name })
	}
	for _, c := range []struct {
		name   string
		scheme signature.Scheme
		fields []string // in the error, empty = valid
	}{
		{"own header", acme, nil},
		{"header of 64 characters", header(strings.Repeat("x", 64)), nil},
		{"header of 65 characters", header(strings.Repeat("x", 65)), []string{"header"}},
		{"no header", header(""), []string{"header"}},
		{"blank in header", header("X Acme"), []string{"header"}},
		{"line break in header", header("X-Acme\r\nHost"), []string{"header"}},
		{"header beyond ASCII", header("X-Ácme"), []string{"header"}},
		{"framing header", header("Content-Length"), []string{"header"}},
		{"host", header("HOST"), []string{"header"}},
		{"hop-by-hop header", header("Proxy-Connection"), []string{"header"}},
		{"the sender's own header", header("X-Waybell-Event"), []string{"header"}},
		{"the id's header", header("Webhook-Id"), []string{"header"}},
		{"the standard header", header("Webhook-Signature"), []string{"header"}},
		{"standard in other case", change(func(s *signature.Scheme) { *s = signature.Standard(); s.Header = "Webhook-Signature" }), nil},
		{"another built-in header", header("X-Chatzuri-Signature"), nil},
		{"unknown algorithm", change(func(s *signature.Scheme) { s.Algorithm = "hmac-md5" }), []string{"algorithm"}},
		{"unknown key derivation", change(func(s *signature.Scheme) { s.KeyDerivation = "pbkdf2" }), []string{"key_derivation"}},
		{"key of another algorithm", change(func(s *signature.Scheme) { s.KeyDerivation = signature.KeyEd25519 }), []string{"key_derivation"}},
		{"algorithm of another key", change(func(s *signature.Scheme) { s.Algorithm = signature.PureEd25519 }), []string{"key_derivation"}},
		{"own ed25519", change(func(s *signature.Scheme) {
			s.Algorithm, s.KeyDerivation = signature.PureEd25519, signature.KeyEd25519
		}), nil},
		{"unknown encoding", change(func(s *signature.Scheme) { s.Encoding = "HEX" }), []string{"encoding"}},
		{"prefix of 32 characters", change(func(s *signature.Scheme) { s.Prefix = strings.Repeat("=", 32) }), nil},
		{"prefix of 33 characters", change(func(s *signature.Scheme) { s.Prefix = strings.Repeat("=", 33) }), []string{"prefix"}},
		{"blank in prefix", change(func(s *signature.Scheme) { s.Prefix = "HMAC " }), []string{"prefix"}},
		{"line break in prefix", change(func(s *signature.Scheme) { s.Prefix = "a\r\n" }), []string{"prefix"}},
		{"unknown content", change(func(s *signature.Scheme) { s.SignedContent = "headers" }), []string{"signed_content"}},
		{"nothing at all", signature.Scheme{}, []string{"header", "algorithm", "key_derivation", "encoding", "signed_content"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.scheme.Validate()
			if (err == nil) != (len(c.fields) == 0) {
				t.Fatalf("Validate: %v", err)
			}
			if err != nil && !errors.Is(err, signature.ErrInvalidScheme) {
				t.Errorf("%v does not wrap ErrInvalidScheme", err)
			}
			var named []string
			for _, field := range []string{"header", "algorithm", "key_derivation", "encoding", "prefix", "signed_content"} {
				if err != nil && strings.Contains(err.Error(), "scheme: "+field+": ") {
					named = append(named, field)
				}
			}
			if !slices.Equal(named, c.fields) {
				t.Errorf("the error names %v, want %v: %v", named, c.fields, err)
			}
			if _, err := signature.NewSigner(c.scheme, parse(t, plainText)); err == nil && len(c.fields) > 0 {
				t.Error("NewSigner takes it")
			}
		})
	}
}

func TestSchemeFromConfiguration(t *testing.T) {
	t.Parallel()
	const text = `{"header":"X-Acme-Signature","algorithm":"hmac-sha512","key_derivation":"utf8","encoding":"base64","signed_content":"body"}`
	var scheme signature.Scheme
	if err := json.Unmarshal([]byte(text), &scheme); err != nil {
		t.Fatal(err)
	}
	if scheme != customSchemes()["acme"] {
		t.Errorf("read %+v", scheme)
	}
	if written, err := json.Marshal(scheme); err != nil || string(written) != text {
		t.Errorf("written %s, %v", written, err)
	}
}

func TestVerdictTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range signature.Verdicts() {
		if v.String() == "" || seen[v.String()] || seen[v.Explanation()] {
			t.Errorf("%q is not of its own", v)
		}
		seen[v.String()], seen[v.Explanation()] = true, true
		for _, text := range []string{v.Explanation(), v.Fix()} {
			if v == signature.VerdictOK && text == "" {
				continue
			}
			if !strings.HasSuffix(text, ".") || strings.Count(text, ". ") > 0 {
				t.Errorf("%s: not one sentence: %q", v, text)
			}
		}
	}
}
