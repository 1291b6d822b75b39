package api_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocsPage loads the page as a browser would, and looks for any address but
// the server's own.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	s := setup(t)
	page := s.call(t, "GET /docs", "", "Authorization: ")
	if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", page.status, page.header)
	}
	csp := page.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %s: %s", want, csp)
		}
	}
	if strings.Contains(page.text, "<script>") || strings.Contains(page.text, "style=") {
		t.Error("the page has inline parts")
	}
	start := s.call(t, "GET /docs/start.js", "", "Authorization: ")
	if start.status != 200 || !strings.Contains(start.text, "showDeveloperTools: 'never'") || !strings.Contains(start.text, "telemetry: false") {
		t.Errorf("start.js: %d %s", start.status, start.text)
	}
	for _, text := range []string{page.text, start.text} {
		if found := regexp.MustCompile(`(https?:)?//[a-z]`).FindString(text); found != "" {
			t.Errorf("an outside address: %s", found)
		}
	}
	for _, src := range regexp.MustCompile(`src="([^"]+)"`).FindAllStringSubmatch(page.text, -1) {
		if a := s.call(t, "GET "+src[1], "", "Authorization: "); a.status != 200 || a.header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s: %d %v", src[1], a.status, a.header)
		}
	}
}

// TestScalarBundle holds the vendored file to the hash in its note, compressed
// and not.
func TestScalarBundle(t *testing.T) {
	t.Parallel()
	s := setup(t)
	note, err := os.ReadFile("docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`[0-9a-f]{64}`).FindString(string(note))
	for _, accept := range []string{"gzip", "identity"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/docs/scalar.js", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", accept) // given by hand, the client does not unpack
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body := io.Reader(res.Body)
		if compressed := res.Header.Get("Content-Encoding") == "gzip"; compressed != (accept == "gzip") {
			t.Fatalf("Accept-Encoding %s: Content-Encoding %s", accept, res.Header.Get("Content-Encoding"))
		} else if compressed {
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, body); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != want {
			t.Errorf("Accept-Encoding %s: SHA-256 %s, want %s", accept, got, want)
		}
	}
	licence, err := os.ReadFile("docs/LICENSE-scalar")
	if err != nil || !strings.Contains(string(licence), "MIT License") {
		t.Errorf("the licence is missing: %v", err)
	}
}
