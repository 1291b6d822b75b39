package signature_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

const vectorsPath = "testdata/vectors.json"

// vectorFile is testdata/vectors.json; testdata/README.md documents it.
type vectorFile struct {
	Format   int                                `json:"format"`
	Schemes  map[string]signature.Scheme        `json:"schemes"`
	Verdicts map[signature.Verdict]verdictTexts `json:"verdicts"`
	Secrets  []secretVector                     `json:"secrets"`
	Vectors  []vector                           `json:"vectors"`
}

type verdictTexts struct {
	Explanation string `json:"explanation"`
	Fix         string `json:"fix"`
}

type secretVector struct {
	Name      string `json:"name"`
	Secret    string `json:"secret"`
	Valid     bool   `json:"valid"`
	Weak      bool   `json:"weak,omitempty"`
	PublicKey string `json:"public_key,omitempty"`
}

type vector struct {
	Name       string              `json:"name"`
	Scheme     string              `json:"scheme"`
	Secrets    []string            `json:"secrets"`
	OldSecrets []string            `json:"old_secrets,omitempty"`
	Headers    map[string]string   `json:"headers"`
	Body       string              `json:"body"`
	BodyBase64 string              `json:"body_base64,omitempty"`
	Now        int64               `json:"now"`
	Tolerance  int64               `json:"tolerance_seconds"`
	Sign       bool                `json:"sign,omitempty"`
	Error      string              `json:"error"`
	Verdict    signature.Verdict   `json:"verdict"`
	Also       []signature.Verdict `json:"also,omitempty"`
}

func (v vector) body(t testing.TB) []byte {
	t.Helper()
	if v.BodyBase64 == "" {
		return []byte(v.Body)
	}
	raw, err := base64.StdEncoding.DecodeString(v.BodyBase64)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (v vector) header() http.Header {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return h
}

func (v vector) evidence(t testing.TB, schemes map[string]signature.Scheme) signature.Evidence {
	t.Helper()
	scheme, ok := schemes[v.Scheme]
	if !ok {
		t.Fatalf("unknown scheme %q", v.Scheme)
	}
	return signature.Evidence{
		Scheme:     scheme,
		Secrets:    parseAll(t, v.Secrets...),
		OldSecrets: parseAll(t, v.OldSecrets...),
		Header:     v.header(),
		Body:       v.body(t),
		Now:        time.Unix(v.Now, 0),
		Tolerance:  time.Duration(v.Tolerance) * time.Second,
	}
}

// parse reads a secret or a public key.
func parse(t testing.TB, text string) signature.Secret {
	t.Helper()
	read := signature.ParseSecret
	if strings.HasPrefix(text, signature.PrefixPublicKey) {
		read = signature.ParsePublicKey
	}
	s, err := read(text)
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return s
}

func parseAll(t testing.TB, texts ...string) []signature.Secret {
	t.Helper()
	var all []signature.Secret
	for _, text := range texts {
		all = append(all, parse(t, text))
	}
	return all
}

func loadVectors(t testing.TB) vectorFile {
	t.Helper()
	raw, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func errorWords() map[string]error {
	return map[string]error{
		"missing_header":    signature.ErrMissingHeader,
		"malformed":         signature.ErrMalformed,
		"timestamp_too_old": signature.ErrTimestampTooOld,
		"timestamp_too_new": signature.ErrTimestampTooNew,
		"no_match":          signature.ErrNoMatch,
	}
}
