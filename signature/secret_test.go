package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/waybell/waybell/signature"
)

func TestGenerateSecret(t *testing.T) {
	t.Parallel()
	first, second := signature.GenerateSecret(), signature.GenerateSecret()
	if first.Equal(second) {
		t.Error("the same twice")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(first.Reveal(), "whsec_"))
	if err != nil || len(raw) != 32 || first.Weak() || first.Asymmetric() {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if !parse(t, first.Reveal()).Equal(first) {
		t.Error("does not parse to itself")
	}
}

func TestGenerateEd25519(t *testing.T) {
	t.Parallel()
	private := signature.GenerateEd25519()
	if private.Equal(signature.GenerateEd25519()) || !private.Asymmetric() || private.Weak() {
		t.Error("not a key of its own")
	}
	parsed := parse(t, private.Reveal())
	want, err := private.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.PublicKey(); got != want || err != nil {
		t.Errorf("public key %s, want %s: %v", got, want, err)
	}
	if got, err := parse(t, want).PublicKey(); got != want || err != nil {
		t.Errorf("public key of the public key %s, want %s: %v", got, want, err)
	}
}

func TestParsePublicKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "whpk_", whsk("one"), whsec("one"), whpk("one") + "=", whpk("one") + "\n", "whpk_QUJD", strings.TrimRight(whpk("one"), "=")} {
		if key, err := signature.ParsePublicKey(text); !errors.Is(err, signature.ErrInvalidSecret) || !key.IsZero() {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	t.Parallel()
	for _, text := range []string{plainText, whsec("one"), whsk("one")} {
		secret := parse(t, text)
		scheme := signature.Standard()
		if secret.Asymmetric() {
			scheme = signature.Ed25519()
		}
		signer, err := signature.NewSigner(scheme, secret)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := signature.NewVerifier(scheme, secret)
		if err != nil {
			t.Fatal(err)
		}
		type holder struct {
			Exported signature.Secret
			hidden   signature.Secret
			List     []signature.Secret
		}
		var out bytes.Buffer
		for _, value := range []any{secret, &secret, holder{secret, secret, []signature.Secret{secret}}, signer, *signer, verifier, *verifier} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			if err := json.NewEncoder(&out).Encode(value); err != nil {
				t.Fatal(err)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", value)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", value)
		}
		planted := strings.TrimPrefix(strings.TrimPrefix(text, "whsec_"), "whsk_")
		raw := []byte(text)
		if planted != text {
			raw = keyBytes("one")
		}
		for _, leak := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%x", raw), strings.Trim(fmt.Sprint(raw), "[]")} {
			if strings.Contains(out.String(), leak) {
				t.Errorf("%.12s… is printed as %s", text, leak)
			}
		}
	}
}

func TestZeroSecret(t *testing.T) {
	t.Parallel()
	var zero signature.Secret
	if !zero.IsZero() || zero.Reveal() != "" || !zero.Weak() || zero.Asymmetric() || !zero.Equal(signature.Secret{}) {
		t.Error("the zero Secret is something")
	}
	if zero.Equal(parse(t, plainText)) || parse(t, plainText).Equal(zero) {
		t.Error("the zero Secret equals another")
	}
	if _, err := zero.PublicKey(); !errors.Is(err, signature.ErrInvalidSecret) {
		t.Errorf("PublicKey: %v", err)
	}
	if _, err := signature.NewVerifier(signature.Standard(), zero); !errors.Is(err, signature.ErrInvalidSecret) {
		t.Errorf("NewVerifier: %v", err)
	}
}

func TestSecretMustFitScheme(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, scheme    string
		secrets         []string
		signs, verifies bool
	}{
		{"whsec with standard", "standard", []string{whsec("one")}, true, true},
		{"none", "standard", nil, false, false},
		{"private key with standard", "standard", []string{whsk("one")}, false, false},
		{"private key with chatzuri", "chatzuri", []string{whsk("one")}, false, false},
		{"public key with chatislav", "chatislav", []string{whpk("one")}, false, false},
		{"whsec with ed25519", "ed25519", []string{whsec("one")}, false, false},
		{"plain with ed25519", "ed25519", []string{plainText}, false, false},
		{"private key with ed25519", "ed25519", []string{whsk("one")}, true, true},
		{"public key with ed25519", "ed25519", []string{whpk("one")}, false, true},
		{"second does not fit", "standard", []string{whsec("one"), whsk("one")}, false, false},
		{"second does not fit and would not sign", "chatzuri", []string{whsec("one"), whsk("one")}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			scheme, _ := signature.Builtin(c.scheme)
			_, signErr := signature.NewSigner(scheme, parseAll(t, c.secrets...)...)
			_, verifyErr := signature.NewVerifier(scheme, parseAll(t, c.secrets...)...)
			_, explainErr := signature.Explain(signature.Evidence{Scheme: scheme, Secrets: parseAll(t, c.secrets...)})
			for what, got := range map[string]struct {
				err  error
				want bool
			}{"NewSigner": {signErr, c.signs}, "NewVerifier": {verifyErr, c.verifies}, "Explain": {explainErr, c.verifies}} {
				if (got.err == nil) != got.want || got.err != nil && !errors.Is(got.err, signature.ErrInvalidSecret) {
					t.Errorf("%s: %v, want success %v", what, got.err, got.want)
				}
			}
		})
	}
}
