package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func newHandler(t *testing.T, origins ...string) http.Handler {
	t.Helper()
	h, err := Handler(Config{PortalOrigins: origins})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask makes a request; headers are name, value, name, value.
func ask(t *testing.T, h http.Handler, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// asset finds a file below dist/assets by its beginning and end.
func asset(t *testing.T, prefix, suffix string) string {
	t.Helper()
	names, err := fs.Glob(dist, "dist/assets/"+prefix+"*"+suffix)
	if err != nil || len(names) == 0 {
		t.Fatalf("no asset %s*%s: %v", prefix, suffix, err)
	}
	return strings.TrimPrefix(names[0], "dist")
}

const wantPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "

func TestHeaders(t *testing.T) {
	t.Parallel()
	h := newHandler(t, "https://app.example.com", "https://other.example.org")
	tests := []struct {
		path string
		want map[string]string
	}{
		{"/console/", map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Etag": "",
			"Content-Security-Policy": wantPolicy + "'none'", "Cross-Origin-Opener-Policy": "same-origin",
			"X-Frame-Options": "DENY",
		}},
		{"/portal/", map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Etag": "",
			"Content-Security-Policy": wantPolicy + "https://app.example.com https://other.example.org",
			"X-Frame-Options":         "",
		}},
		{"/embed.js", map[string]string{
			"Content-Type": "text/javascript; charset=utf-8", "Cross-Origin-Resource-Policy": "cross-origin",
			"Cache-Control": "public, max-age=300, must-revalidate",
		}},
		{asset(t, "console-", ".js"), map[string]string{
			"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable",
			"Cross-Origin-Resource-Policy": "same-origin",
		}},
		{asset(t, "style-", ".css"), map[string]string{"Content-Type": "text/css; charset=utf-8"}},
		{asset(t, "inter-", ".woff2"), map[string]string{"Content-Type": "font/woff2", "Content-Encoding": "", "Vary": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			r := ask(t, h, http.MethodGet, tt.path)
			if r.StatusCode != http.StatusOK {
				t.Fatalf("status %d", r.StatusCode)
			}
			tt.want["X-Content-Type-Options"], tt.want["Referrer-Policy"] = "nosniff", "no-referrer"
			for name, want := range tt.want {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if strings.HasSuffix(tt.path, "/") {
				if p := r.Header.Get("Permissions-Policy"); !strings.Contains(p, "clipboard-write=(self)") || !strings.Contains(p, "camera=()") {
					t.Errorf("Permissions-Policy: %q", p)
				}
			}
		})
	}
}

func TestNobodyMayFrameUnlessListed(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for _, page := range []string{"/console/", "/portal/"} {
		r := ask(t, h, http.MethodGet, page)
		if got := r.Header.Get("Content-Security-Policy"); got != wantPolicy+"'none'" || r.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %q", page, got)
		}
	}
	for _, bad := range []string{"", "https://a.example; script-src *", "*", "https://a.example https://b.example", "'self'"} {
		if _, err := Handler(Config{PortalOrigins: []string{bad}}); err == nil {
			t.Errorf("the origin %q was taken", bad)
		}
	}
}

func TestPagesKnowTheOrigins(t *testing.T) {
	t.Parallel()
	h := newHandler(t, "https://a.example", "http://localhost:3000")
	const want = `<meta name="waybell-portal-origins" content="https://a.example http://localhost:3000">`
	if b := body(t, ask(t, h, http.MethodGet, "/portal/")); !bytes.Contains(b, []byte(want)) {
		t.Errorf("the portal does not hold %s:\n%s", want, b)
	}
	if b := body(t, ask(t, h, http.MethodGet, "/console/")); bytes.Contains(b, []byte("a.example")) {
		t.Error("the console knows origins that may not embed it")
	}
}

func TestRedirectsAreRelative(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for from, want := range map[string]string{"/": "console/", "/console": "console/", "/portal": "portal/"} {
		r := ask(t, h, http.MethodGet, from)
		if got := r.Header.Get("Location"); r.StatusCode != http.StatusFound || got != want {
			t.Errorf("%s: %d to %q, want 302 to %q", from, r.StatusCode, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for _, p := range []string{"/", "/console/", "/embed.js", asset(t, "style-", ".css")} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			r := ask(t, h, method, p)
			if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, p, r.StatusCode, r.Header.Get("Allow"))
			}
		}
	}
	get, head := ask(t, h, http.MethodGet, "/console/"), ask(t, h, http.MethodHead, "/console/")
	if head.StatusCode != http.StatusOK || len(body(t, head)) != 0 || head.Header.Get("Content-Length") != get.Header.Get("Content-Length") {
		t.Errorf("HEAD: %d, length %q, want that of GET, %q, and no body", head.StatusCode, head.Header.Get("Content-Length"), get.Header.Get("Content-Length"))
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for _, p := range []string{"/assets/", "/assets/none.js", "/console/index.html", "/console.html", "/assets/../web.go", asset(t, "style-", ".css") + ".gz"} {
		r := ask(t, h, http.MethodGet, p)
		if r.StatusCode != http.StatusNotFound || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", p, r.StatusCode, r.Header.Get("Cache-Control"))
		}
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	script := asset(t, "console-", ".js")
	plain := body(t, ask(t, h, http.MethodGet, script))
	tests := []struct {
		accept string
		packed bool
	}{
		{"", false}, {"gzip", true}, {"br, GZIP", true}, {"*;q=0, gzip", true}, {"*, gzip;q=0", false},
	}
	for _, tt := range tests {
		var headers []string
		if tt.accept != "" {
			headers = []string{"Accept-Encoding", tt.accept}
		}
		r := ask(t, h, http.MethodGet, script, headers...)
		got := body(t, r)
		if packed := r.Header.Get("Content-Encoding") == "gzip"; packed != tt.packed {
			t.Errorf("%q: packed %v", tt.accept, packed)
			continue
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary %q", tt.accept, r.Header.Get("Vary"))
		}
		if tt.packed {
			z, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, plain) {
			t.Errorf("%q: another content", tt.accept)
		}
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	plain, packed := ask(t, h, http.MethodGet, "/embed.js"), ask(t, h, http.MethodGet, "/embed.js", "Accept-Encoding", "gzip")
	tag := plain.Header.Get("ETag")
	if tag == "" || tag == packed.Header.Get("ETag") {
		t.Fatalf("ETags %q and %q: two forms need two", tag, packed.Header.Get("ETag"))
	}
	for match, want := range map[string]int{tag: 304, `"x", ` + tag: 304, "W/" + tag: 304, "*": 304, `"x"`: 200} {
		if r := ask(t, h, http.MethodGet, "/embed.js", "If-None-Match", match); r.StatusCode != want {
			t.Errorf("If-None-Match %s: %d, want %d", match, r.StatusCode, want)
		}
	}
}

// Pages may not hold what the policy forbids, nor a link that leaves the
// folder that the server is mounted at.
func TestPagesKeepThePolicy(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	inline := regexp.MustCompile(`<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]`)
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	for _, page := range []string{"/console/", "/portal/"} {
		b := body(t, ask(t, h, http.MethodGet, page))
		if found := inline.Find(b); found != nil {
			t.Errorf("%s holds %s", page, found)
		}
		for _, link := range links.FindAllSubmatch(b, -1) {
			to := string(link[1])
			if strings.HasPrefix(to, "data:") {
				continue
			}
			if !strings.HasPrefix(to, "../assets/") {
				t.Errorf("%s: the link %s is not relative", page, to)
			} else if r := ask(t, h, http.MethodGet, path.Join(page, to)); r.StatusCode != http.StatusOK {
				t.Errorf("%s: %s is answered %d", page, to, r.StatusCode)
			}
		}
	}
}

// The bounds of the scripts, compressed: of what any one address can ever load,
// its lazy parts included, and of all addresses of both shells together.
const (
	maxPageScripts = 120 << 10
	maxAllScripts  = 176 << 10
)

// TestSize follows the imports from each shell, and from each page below it.
func TestSize(t *testing.T) {
	t.Parallel()
	scripts, sum := scriptsOf(t), 0
	for _, s := range scripts {
		sum += s.size
	}
	if sum == 0 || sum > maxAllScripts {
		t.Errorf("all scripts are %d bytes compressed; the bar is %d", sum, maxAllScripts)
	}
	t.Logf("%d bytes of scripts in all, compressed", sum)
	pages := 0
	for name, shell := range scripts {
		if !strings.HasPrefix(name, "console-") && !strings.HasPrefix(name, "portal-") {
			continue
		}
		at := map[string]bool{}
		scripts.follow(name, false, at)
		routes := slices.MaxFunc(slices.Collect(maps.Keys(at)), func(a, b string) int {
			return cmp.Compare(len(scripts[a].lazy), len(scripts[b].lazy))
		})
		for part := range maps.Clone(at) { // charts are a lazy part of every page
			for _, extra := range scripts[part].lazy {
				if part != routes {
					scripts.follow(extra, true, at)
				}
			}
		}
		for _, page := range scripts[routes].lazy {
			all := maps.Clone(at)
			scripts.follow(page, true, all)
			size := 0
			for part := range all {
				size += scripts[part].size
			}
			if size < shell.size || size > maxPageScripts {
				t.Errorf("%s with %s is %d bytes compressed; the bar is %d", name, page, size, maxPageScripts)
			}
			t.Logf("%6d bytes: %s with %s", size, name, page)
			pages++
		}
	}
	if pages < 20 {
		t.Errorf("only %d pages were found", pages)
	}
}

// script is one file and what it imports, at once or when it is wanted.
type script struct {
	size        int
	eager, lazy []string
}

type scriptSet map[string]script

func scriptsOf(t *testing.T) scriptSet {
	t.Helper()
	eager, lazy := regexp.MustCompile(`(?:from|import)"\./([^"]+)"`), regexp.MustCompile(`import\("\./([^"]+)"\)`)
	set := scriptSet{}
	files, err := fs.Glob(dist, "dist/assets/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		text, err := fs.ReadFile(dist, file)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := fs.Stat(dist, file+".gz")
		if err != nil {
			t.Fatal(err)
		}
		s := script{size: int(packed.Size())}
		for _, m := range eager.FindAllSubmatch(text, -1) {
			s.eager = append(s.eager, string(m[1]))
		}
		for _, m := range lazy.FindAllSubmatch(text, -1) {
			s.lazy = append(s.lazy, string(m[1]))
		}
		set[path.Base(file)] = s
	}
	return set
}

// follow adds a script and all that it imports.
func (set scriptSet) follow(name string, lazily bool, into map[string]bool) {
	if into[name] {
		return
	}
	into[name] = true
	for _, to := range set[name].eager {
		set.follow(to, lazily, into)
	}
	if lazily {
		for _, to := range set[name].lazy {
			set.follow(to, lazily, into)
		}
	}
}
