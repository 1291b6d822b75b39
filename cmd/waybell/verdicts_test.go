package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/nodetest"
	"github.com/waybell/waybell/signature"
)

// What verify says is kept in a file, to which the signature checker in the
// browser is held.
const verdictsPath = "../../signature/testdata/verdicts.json"

type verdictsFile struct {
	Format  int                         `json:"format"`
	Schemes map[string]signature.Scheme `json:"schemes"`
	Cases   []verdictCase               `json:"cases"`
}

// verdictCase is a request as somebody pastes it, and the answer of verify.
type verdictCase struct {
	Name       string        `json:"name"`
	Headers    string        `json:"headers"` // or the whole request, where the body is empty
	Body       string        `json:"body"`
	BodyBase64 string        `json:"body_base64,omitempty"`
	Secrets    []string      `json:"secrets"`
	OldSecrets []string      `json:"old_secrets,omitempty"`
	Scheme     string        `json:"scheme,omitempty"`
	Now        int64         `json:"now"`
	Tolerance  int64         `json:"tolerance_seconds"`
	Results    []verdictView `json:"results,omitempty"`
	Notes      []string      `json:"notes,omitempty"`
	Error      *verdictError `json:"error,omitempty"`
}

// verdictError is why verify cannot say anything; the code is the browser's.
type verdictError struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// verdictVector is what is needed of signature/testdata/vectors.json.
type verdictVector struct {
	Name       string            `json:"name"`
	Scheme     string            `json:"scheme"`
	Secrets    []string          `json:"secrets"`
	OldSecrets []string          `json:"old_secrets"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
	BodyBase64 string            `json:"body_base64"`
	Now        int64             `json:"now"`
	Tolerance  int64             `json:"tolerance_seconds"`
	Verdict    signature.Verdict `json:"verdict"`
}

func TestVerdictFileIsCurrent(t *testing.T) {
	t.Parallel()
	file := buildVerdicts(t)
	for _, verdict := range signature.Verdicts() {
		if !slices.ContainsFunc(file.Cases, func(c verdictCase) bool {
			return slices.ContainsFunc(c.Results, func(r verdictView) bool { return r.Verdict == string(verdict) })
		}) {
			t.Errorf("no case has the verdict %s", verdict)
		}
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(file); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(verdictsPath, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(verdictsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s differs from what verify says; run go test ./cmd/waybell -run VerdictFile -update and review the difference", verdictsPath)
	}
}

// TestBrowserGivesTheSameVerdicts compiles the browser's checker, strictly, and
// runs its tests in Node.js.
func TestBrowserGivesTheSameVerdicts(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is not installed; run \"make setup\": %v", err)
	}
	verdicts, err := filepath.Abs(verdictsPath)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"type":"module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	compile := exec.CommandContext(t.Context(), node, nodetest.Compiler(t), "--ignoreConfig",
		"--target", "es2022", "--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler", "--types", "",
		"--strict", "--noUncheckedIndexedAccess", "--noFallthroughCasesInSwitch", "--noUnusedLocals", "--noUnusedParameters",
		"--verbatimModuleSyntax", "--isolatedModules", "--rewriteRelativeImportExtensions",
		"--outDir", dir, "signature.ts", "signature.test.ts")
	compile.Dir = "../../web/src/core"
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("tsc: %v\n%s", err, out)
	}
	tests := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=tap", "signature.test.js")
	tests.Dir = dir
	tests.Env = append(os.Environ(), "WAYBELL_VERDICTS="+verdicts)
	out, err := tests.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("\n# fail 0\n")) || !bytes.Contains(out, []byte("\n# skipped 0\n")) {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}

func buildVerdicts(t *testing.T) verdictsFile {
	t.Helper()
	raw, err := os.ReadFile("../../signature/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Schemes map[string]signature.Scheme `json:"schemes"`
		Vectors []verdictVector             `json:"vectors"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	file := verdictsFile{Format: 1, Schemes: vectors.Schemes}
	guessed := map[string]bool{} // one of each kind without a scheme
	for _, v := range vectors.Vectors {
		c := v.pasted()
		if _, builtin := signature.Builtin(v.Scheme); !builtin {
			c.Results = []verdictView{explained(t, c, vectors.Schemes[v.Scheme])}
			file.Cases = append(file.Cases, c)
			continue
		}
		file.Cases = append(file.Cases, answered(t, c))
		kind := fmt.Sprint(v.Scheme, v.Verdict)
		slow := v.Verdict == signature.VerdictWrongSecret && v.Scheme != "chatzuri" // all combinations are tried
		if c.Scheme = ""; !guessed[kind] && !slow && v.Verdict != signature.VerdictMissingHeader {
			guessed[kind] = true
			c.Name += ", scheme not said"
			if v.Scheme == "ed25519" && !strings.Contains(c.Headers, signature.Ed25519().Prefix) {
				c.Error = &verdictError{Code: "invalid_secret"} // it is taken for the symmetric scheme
			}
			file.Cases = append(file.Cases, answered(t, c))
		}
	}
	for _, c := range pastedCases() {
		file.Cases = append(file.Cases, answered(t, c))
	}
	return file
}

// pasted writes the headers as lines.
func (v verdictVector) pasted() verdictCase {
	var headers strings.Builder
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		fmt.Fprintf(&headers, "%s: %s\n", name, v.Headers[name])
	}
	return verdictCase{
		Name: v.Name, Headers: headers.String(), Body: v.Body, BodyBase64: v.BodyBase64, Scheme: v.Scheme,
		Secrets: v.Secrets, OldSecrets: v.OldSecrets, Now: v.Now, Tolerance: v.Tolerance,
	}
}

// pastedCases are those about the request as a whole.
func pastedCases() []verdictCase {
	const (
		secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
		body   = `{"a":1,"b":"é"}`
		now    = 1_777_192_214
	)
	key, _ := signature.ParseSecret(secret)
	sign := func(scheme signature.Scheme) string {
		signer, err := signature.NewSigner(scheme, key)
		if err != nil {
			panic(err) // the scheme is built in
		}
		return signer.Sign(signature.Message{ID: "evt_1", Timestamp: time.Unix(now, 0), Body: []byte(body)})
	}
	standard := fmt.Sprintf("webhook-id: evt_1\nwebhook-timestamp: %d\nwebhook-signature: %s\n", now, sign(signature.Standard()))
	zuri := "X-Chatzuri-Signature: " + sign(signature.Chatzuri()) + "\n"
	request := "POST /hook HTTP/1.1\r\nHost: receiver\r\n" + strings.ReplaceAll(standard, "\n", "\r\n")
	paste := func(name, headers, body string, change ...func(*verdictCase)) verdictCase {
		c := verdictCase{Name: "pasted: " + name, Headers: headers, Body: body, Secrets: []string{secret}, Now: now, Tolerance: 300}
		for _, f := range change {
			f(&c)
		}
		return c
	}
	secrets := func(texts ...string) func(*verdictCase) { return func(c *verdictCase) { c.Secrets = texts } }
	fails := func(code string) func(*verdictCase) {
		return func(c *verdictCase) { c.Error = &verdictError{Code: code} }
	}
	scheme := func(name string) func(*verdictCase) { return func(c *verdictCase) { c.Scheme = name } }
	return []verdictCase{
		paste("two signatures", standard+zuri, body),
		paste("two signatures, one wrong", standard+strings.Replace(zuri, "=", "=0", 1), body),
		paste("names in upper case", strings.ToUpper(standard[:10])+standard[10:], body),
		paste("a signature for another kind of secret beside", standard+zuri, body, secrets(secret, public)),
		paste("the whole request", request+"\r\n"+body, ""),
		paste("the whole request, a line feed too many", request+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))+body+"\n", ""),
		paste("the whole request, cut", request+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)+7)+body, ""),
		paste("the whole request, chunked", request+"Transfer-Encoding: chunked\r\n\r\n"+body, ""),
		paste("the whole request, a wrong length", request+"Content-Length: long\r\n\r\n"+body, "", fails("invalid_headers")),
		paste("another scheme's header", zuri, body, scheme("standard")),
		paste("no signature", "Accept: */*\n", body, fails("no_signature")),
		paste("no header", "nonsense\n", body, fails("invalid_headers")),
		paste("a blank in a name", "a b: c\n", body, fails("invalid_headers")),
		paste("secret too short", zuri, body, secrets("short"), fails("invalid_secret")),
		paste("secret with a blank", zuri, body, secrets(secret+" "), fails("invalid_secret")),
		paste("secret with a control character", zuri, body, secrets("12345678\n9"), fails("invalid_secret")),
		paste("secret that does not decode", zuri, body, secrets("whsec_nonsense!"), fails("invalid_secret")),
		paste("private key of a wrong size", zuri, body, secrets("whsk_AAAAAAAA"), fails("invalid_secret")),
		paste("public key for HMAC", zuri, body, secrets(public), fails("invalid_secret")),
		paste("public key, two headers of HMAC", zuri+standard, body, secrets(public), fails("invalid_secret")),
		paste("plain secret for Ed25519", standard, body, scheme("ed25519"), fails("invalid_secret")),
	}
}

// answered asks verify.
func answered(t *testing.T, c verdictCase) verdictCase {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{"verify", "-o", "json", "--at", fmt.Sprint(c.Now), "--tolerance", fmt.Sprintf("%ds", c.Tolerance)}
	for _, s := range c.Secrets {
		args = append(args, "--secret", s)
	}
	for _, s := range c.OldSecrets {
		args = append(args, "--old-secret", s)
	}
	if c.Scheme != "" {
		args = append(args, "--scheme", c.Scheme)
	}
	if strings.HasPrefix(c.Headers, "POST") {
		args = append(args, "--request", write("request", []byte(c.Headers)))
	} else {
		for line := range strings.Lines(c.Headers) {
			args = append(args, "-H", strings.TrimSuffix(line, "\n"))
		}
		args = append(args, "--body", write("body", c.bytes(t)))
	}
	cmd := newRootCommand()
	var stdout, stderr bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err := cmd.ExecuteContext(t.Context())
	for line := range strings.Lines(stderr.String()) {
		c.Notes = append(c.Notes, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "waybell: note: "))
	}
	if c.Error != nil {
		if err == nil {
			t.Fatalf("%s: verify reports no error: %s", c.Name, stdout.String())
		}
		c.Error.Text = err.Error()
		return c
	}
	if quiet, ok := errors.AsType[*exitError](err); err != nil && (!ok || quiet.err != nil) {
		t.Fatalf("%s: %v", c.Name, err)
	}
	if err := json.Unmarshal(stdout.Bytes(), &c.Results); err != nil {
		t.Fatalf("%s: %v: %s", c.Name, err, stdout.String())
	}
	return c
}

func (c verdictCase) bytes(t *testing.T) []byte {
	t.Helper()
	if c.BodyBase64 == "" {
		return []byte(c.Body)
	}
	raw, err := base64.StdEncoding.DecodeString(c.BodyBase64)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// explained is what verify would say if it knew the scheme of an operator.
func explained(t *testing.T, c verdictCase, scheme signature.Scheme) verdictView {
	t.Helper()
	secrets, err := parseSecrets(c.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	e := signature.Evidence{
		Scheme: scheme, Secrets: secrets, Header: map[string][]string{}, Body: c.bytes(t),
		Now: time.Unix(c.Now, 0), Tolerance: time.Duration(c.Tolerance) * time.Second,
	}
	for line := range strings.Lines(c.Headers) {
		if err := addHeaderLine(e.Header, strings.TrimSuffix(line, "\n")); err != nil {
			t.Fatal(err)
		}
	}
	d, err := signature.Explain(e)
	if err != nil {
		t.Fatal(err)
	}
	return viewDiagnosis(c.Scheme, d)
}
