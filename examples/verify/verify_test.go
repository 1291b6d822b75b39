// Package verify_test runs every example of this folder in its own language and
// holds its verdicts against the signature vectors.
package verify_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	chatislav "github.com/waybell/waybell/examples/verify/chatislav/go"
	chatzuri "github.com/waybell/waybell/examples/verify/chatzuri/go"
	standard "github.com/waybell/waybell/examples/verify/standard/go"
	"github.com/waybell/waybell/internal/nodetest"
)

// A language is how its examples are built and run. Each example is copied with
// its driver into a folder of its own; the commands run there.
type language struct {
	name, example, driver string
	build                 [][]string
	run                   []string // "cases" and "clock" or "body" follow
}

func languages(compiler string) []language {
	tsc := []string{"node", compiler, "--strict", "--target", "es2022", "--module", "es2022", "--lib", "es2022,dom", "--types", "", "--ignoreConfig", "verify.ts"}
	return []language{
		{name: "javascript", example: "verify.mjs", driver: "driver.mjs", run: []string{"node", "driver.mjs"}},
		{name: "typescript", example: "verify.ts", driver: "driver.mjs", build: [][]string{tsc}, run: []string{"node", "driver.mjs"}},
		{name: "python", example: "verify.py", driver: "driver.py", run: []string{"python3", "driver.py"}},
		{name: "php", example: "verify.php", driver: "driver.php", run: []string{"php", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "driver.php"}},
		{name: "ruby", example: "verify.rb", driver: "driver.rb", run: []string{"ruby", "-w", "driver.rb"}},
		{
			name: "java", example: "WebhookVerifier.java", driver: "Driver.java",
			build: [][]string{{"javac", "-Xlint:all", "-Werror", "-d", ".", "WebhookVerifier.java", "Driver.java"}},
			run:   []string{"java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "Driver"},
		},
		{
			name: "csharp", example: "WebhookVerifier.cs", driver: "Driver.cs",
			build: [][]string{{"mcs", "-warnaserror", "-out:driver.exe", "WebhookVerifier.cs", "Driver.cs"}},
			run:   []string{"mono", "driver.exe"},
		},
	}
}

func formats() []string { return []string{"standard", "chatzuri", "chatislav"} }

func TestGoExamples(t *testing.T) {
	t.Parallel()
	examples := map[string]func(c verifyCase, h http.Header) bool{
		"standard": func(c verifyCase, h http.Header) bool {
			return standard.Verify(c.secret, h, c.body, time.Unix(c.now, 0))
		},
		"chatzuri":  func(c verifyCase, h http.Header) bool { return chatzuri.Verify(c.secret, h, c.body) },
		"chatislav": func(c verifyCase, h http.Header) bool { return chatislav.Verify(c.secret, h, c.body) },
	}
	for _, format := range formats() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			cases := buildCases(t, format)
			verdicts := make([]string, len(cases))
			for i, c := range cases {
				verdicts[i] = strconv.FormatBool(examples[format](c, received(t, c)))
			}
			compare(t, cases, verdicts)
		})
	}
}

// received is the header as net/http hands it over: the case is sent through
// its parser.
func received(t *testing.T, c verifyCase) http.Header {
	t.Helper()
	var raw strings.Builder
	raw.WriteString("POST / HTTP/1.1\r\nHost: receiver\r\n")
	for _, h := range c.headers {
		fmt.Fprintf(&raw, "%s: %s\r\n", h.name, h.value)
	}
	raw.WriteString("\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw.String())))
	if err != nil {
		t.Fatal(err)
	}
	return r.Header
}

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, l := range languages(nodetest.Compiler(t)) {
		for _, format := range formats() {
			t.Run(l.name+"/"+format, func(t *testing.T) {
				t.Parallel()
				cases := buildCases(t, format)
				dir := t.TempDir()
				copyFile(t, filepath.Join(format, l.name, l.example), filepath.Join(dir, l.example))
				copyFile(t, filepath.Join("testdata", l.driver), filepath.Join(dir, l.driver))
				copyFile(t, filepath.Join("testdata", "package.json"), filepath.Join(dir, "package.json"))
				for _, build := range l.build {
					run(t, dir, build...)
				}
				clock := "body"
				if format == "standard" {
					clock = "clock"
				}
				out := run(t, dir, append(slices.Clip(l.run), writeCases(t, dir, cases), clock)...)
				compare(t, cases, lines(out))
			})
		}
	}
}

// TestRustExamples builds the three crates at once, from the sources that
// Debian ships: no registry is asked. The build is kept in the user's cache.
func TestRustExamples(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(cache, "waybell-examples", strings.ReplaceAll(here, string(filepath.Separator), "_"))
	for _, format := range formats() {
		for _, name := range []string{"Cargo.toml", "verify.rs"} {
			copyFile(t, filepath.Join(format, "rust", name), filepath.Join(work, format, "rust", name))
		}
	}
	crate := filepath.Join(work, "testdata", "rust")
	for _, name := range []string{"Cargo.toml", "src/main.rs"} {
		copyFile(t, filepath.Join("testdata", "rust", name), filepath.Join(crate, name))
	}
	const registry = "/usr/share/cargo/registry"
	if _, err := os.Stat(registry); err != nil {
		t.Fatalf("Debian's crates are not installed; run \"make setup\": %v", err)
	}
	run(t, crate, "cargo", "build", "--offline", "--quiet", "--target-dir", filepath.Join(work, "target"),
		"--config", `source.crates-io.replace-with="debian"`, "--config", `source.debian.directory="`+registry+`"`)
	for _, format := range formats() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			cases := buildCases(t, format)
			file := writeCases(t, t.TempDir(), cases)
			compare(t, cases, lines(run(t, crate, filepath.Join(work, "target", "debug", "driver"), file, format)))
		})
	}
}

// compare fails for each case whose verdict is another one. Where a secret
// cannot be read, an error is as good as a refusal.
func compare(t *testing.T, cases []verifyCase, verdicts []string) {
	t.Helper()
	if len(verdicts) != len(cases) {
		t.Fatalf("%d verdicts for %d cases:\n%s", len(verdicts), len(cases), strings.Join(verdicts, "\n"))
	}
	for i, c := range cases {
		got := verdicts[i]
		if c.badSecret && strings.HasPrefix(got, "error: ") {
			continue
		}
		if got != strconv.FormatBool(c.want) {
			t.Errorf("%s: %s, want %v", c.name, got, c.want)
		}
	}
}

// writeCases writes a line per case: secret, body, now, then names and values
// of the headers, parted by tabs; all but names and now in base64.
func writeCases(t *testing.T, dir string, cases []verifyCase) string {
	t.Helper()
	encode := base64.StdEncoding.EncodeToString
	var b bytes.Buffer
	for _, c := range cases {
		fmt.Fprintf(&b, "%s\t%s\t%d", encode([]byte(c.secret)), encode(c.body), c.now)
		for _, h := range c.headers {
			fmt.Fprintf(&b, "\t%s\t%s", h.name, encode([]byte(h.value)))
		}
		b.WriteByte('\n')
	}
	path := filepath.Join(dir, "cases.tsv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func lines(out []byte) []string {
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// copyFile leaves a copy that has the same content alone, so that cargo sees no
// change.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, content) {
		return
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a program and returns its standard output. A missing program fails
// the test, as does a word on standard error: compilers and interpreters warn
// there.
func run(t *testing.T, dir string, command ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	path, err := exec.LookPath(command[0])
	if err != nil {
		t.Fatalf("%s is not installed; run \"make setup\": %v", command[0], err)
	}
	cmd := exec.CommandContext(ctx, path, command[1:]...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, stdout.String(), stderr.String())
	}
	return stdout.Bytes()
}
