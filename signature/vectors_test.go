package signature_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

func TestVectorFileIsCurrent(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(buildVectors()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorsPath, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s differs from what this test builds; run go test -run TestVectorFileIsCurrent -update and review the difference", vectorsPath)
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	file := loadVectors(t)
	words := errorWords()
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			e := v.evidence(t, file.Schemes)
			verifier, err := signature.NewVerifier(e.Scheme, e.Secrets...)
			if err != nil {
				t.Fatal(err)
			}
			err = verifier.WithTolerance(e.Tolerance).Verify(e.Header, e.Body, e.Now)
			if want := words[v.Error]; !errors.Is(err, want) || (v.Error == "") != (err == nil) {
				t.Errorf("Verify: %v, want %q", err, v.Error)
			}
			d, err := signature.Explain(e)
			if err != nil {
				t.Fatal(err)
			}
			if d.Verdict != v.Verdict || !slices.Equal(d.Also, v.Also) {
				t.Errorf("Explain: %s %v (%s), want %s %v", d.Verdict, d.Also, d.Detail, v.Verdict, v.Also)
			}
			if v.Sign {
				checkSigned(t, v, e)
			}
		})
	}
}

// checkSigned compares the signature header with the one that signing makes.
func checkSigned(t *testing.T, v vector, e signature.Evidence) {
	t.Helper()
	signer, err := signature.NewSigner(e.Scheme, e.Secrets...)
	if err != nil {
		t.Fatal(err)
	}
	m := signature.Message{ID: e.Header.Get(signature.HeaderID), Body: e.Body}
	if text := e.Header.Get(signature.HeaderTimestamp); text != "" {
		unix, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		m.Timestamp = time.Unix(unix, 999_999_999)
	}
	if got, want := signer.Sign(m), e.Header.Get(e.Scheme.Header); got != want {
		t.Errorf("Sign: %s, want %s", got, want)
	}
}

func TestVectorsCoverEverything(t *testing.T) {
	t.Parallel()
	file := loadVectors(t)
	for _, verdict := range signature.Verdicts() {
		if !slices.ContainsFunc(file.Vectors, func(v vector) bool { return v.Verdict == verdict }) {
			t.Errorf("no vector has the verdict %s", verdict)
		}
		if texts := file.Verdicts[verdict]; texts.Explanation != verdict.Explanation() || texts.Fix != verdict.Fix() {
			t.Errorf("the texts of %s differ", verdict)
		}
	}
	for word := range errorWords() {
		if !slices.ContainsFunc(file.Vectors, func(v vector) bool { return v.Error == word }) {
			t.Errorf("no vector has the error %s", word)
		}
	}
	for name := range file.Schemes {
		if !slices.ContainsFunc(file.Vectors, func(v vector) bool { return v.Scheme == name && v.Sign }) {
			t.Errorf("no vector signs with %s", name)
		}
	}
	for _, name := range signature.BuiltinNames() {
		if scheme, ok := signature.Builtin(name); !ok || file.Schemes[name] != scheme {
			t.Errorf("the file describes %s as %+v", name, file.Schemes[name])
		}
	}
}

func TestSecretVectors(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t).Secrets {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			secret, err := signature.ParseSecret(v.Secret)
			if v.Valid != (err == nil) || err != nil && !errors.Is(err, signature.ErrInvalidSecret) {
				t.Fatalf("ParseSecret: %v, want valid %v", err, v.Valid)
			}
			if err != nil {
				return
			}
			if secret.Weak() != v.Weak {
				t.Errorf("Weak is %v", secret.Weak())
			}
			public, err := secret.PublicKey()
			if public != v.PublicKey || (err == nil) != (v.PublicKey != "") {
				t.Errorf("PublicKey: %q, %v, want %q", public, err, v.PublicKey)
			}
		})
	}
}
