// Package web serves the screens: the console for operators, the portal for
// the owners of agents, and embed.js, which puts the portal into other pages.
//
// They are a pure client of the public API below /v1. Their sources are in
// src; what is served is in dist, which build makes and which is committed.
// All links are relative and all pages are addressed by the fragment, so that
// the screens work below any path and need no rewriting by a proxy.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/waybell/waybell/internal/acceptencoding"
)

//go:generate go run ./build

//go:embed all:dist
var dist embed.FS

// Config says how the screens are served. The zero value is fine.
type Config struct {
	// PortalOrigins are the origins of the pages that may embed the portal,
	// such as https://app.example.com; without any, none may.
	PortalOrigins []string
}

const (
	immutable = "public, max-age=31536000, immutable"
	noStore   = "no-store"
	// revalidate keeps embed.js, whose name never changes, for as long as the
	// server says that it is the same.
	revalidate = "public, max-age=300, must-revalidate"

	// permissions closes everything that a page could ask a browser for, but
	// writing to the clipboard.
	permissions = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(self), " +
		"display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), " +
		"idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), " +
		"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), window-management=(), xr-spatial-tracking=()"
)

// policy is the Content-Security-Policy of a page that the given ancestors may
// embed. There is nothing inline, no request leaves this server, and no text
// becomes markup: what writes it (innerHTML and its like) throws.
func policy(ancestors string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors " + ancestors
}

// file is one thing that is served, with the header fields that never change.
type file struct {
	body, packed []byte
	tag          string
	header       http.Header
}

type handler struct {
	files     map[string]*file
	redirects map[string]string
}

// Handler serves /console/, /portal/, /assets/, /embed.js and a redirect from /
// to the console. Everything else is 404. The error is an origin that cannot be
// one.
func Handler(cfg Config) (http.Handler, error) {
	ancestors := "'none'"
	if len(cfg.PortalOrigins) > 0 {
		ancestors = strings.Join(cfg.PortalOrigins, " ")
	}
	for _, origin := range cfg.PortalOrigins {
		if origin == "" || strings.ContainsAny(origin, " \t\r\n;,'\"*") {
			return nil, fmt.Errorf("web: %q is no origin", origin)
		}
	}
	h := &handler{files: map[string]*file{}, redirects: map[string]string{"/": "console/", "/console": "console/", "/portal": "portal/"}}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".gz" {
			return err
		}
		return h.add(name)
	})
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if err := h.addPage("console", "", "'none'"); err != nil {
		return nil, err
	}
	return h, h.addPage("portal", strings.Join(cfg.PortalOrigins, " "), ancestors)
}

// add serves an asset, or embed.js.
func (h *handler) add(name string) error {
	body, err := dist.ReadFile(name)
	if err != nil {
		return err
	}
	served := strings.TrimPrefix(name, "dist")
	f := newFile(body, mediaType(served))
	if packed, err := dist.ReadFile(name + ".gz"); err == nil {
		f.packed = packed
		f.header.Set("Vary", "Accept-Encoding")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case strings.HasPrefix(served, "/assets/"):
		f.header.Set("Cache-Control", immutable)
		f.header.Set("Cross-Origin-Resource-Policy", "same-origin")
	case served == "/embed.js": // pages of other origins load it
		f.header.Set("Cache-Control", revalidate)
		f.header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	default:
		return nil // pages
	}
	h.files[served] = f
	return nil
}

// originsMark is where a page learns who may embed it.
const originsMark = `<meta name="waybell-portal-origins" content="">`

func (h *handler) addPage(name, origins, ancestors string) error {
	body, err := dist.ReadFile("dist/" + name + ".html")
	if err != nil {
		return fmt.Errorf("web: %w", err)
	}
	filled := strings.Replace(originsMark, `""`, `"`+html.EscapeString(origins)+`"`, 1)
	if !bytes.Contains(body, []byte(originsMark)) {
		return errors.New("web: dist/" + name + ".html has no place for the origins")
	}
	f := newFile(bytes.Replace(body, []byte(originsMark), []byte(filled), 1), "text/html; charset=utf-8")
	f.tag = "" // never stored
	f.header.Set("Cache-Control", noStore)
	f.header.Set("Content-Security-Policy", policy(ancestors))
	f.header.Set("Permissions-Policy", permissions)
	if ancestors == "'none'" { // says it again to what does not read policies
		f.header.Set("X-Frame-Options", "DENY")
	}
	if name == "console" {
		f.header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.files["/"+name+"/"] = f
	return nil
}

func newFile(body []byte, media string) *file {
	sum := sha256.Sum256(body)
	return &file{body: body, tag: base64.RawURLEncoding.EncodeToString(sum[:12]), header: http.Header{
		"Content-Type": {media}, "X-Content-Type-Options": {"nosniff"}, "Referrer-Policy": {"no-referrer"},
	}}
}

func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	}
	return "text/plain; charset=utf-8"
}

// ServeHTTP answers GET and HEAD.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, known := h.files[r.URL.Path]
	target, moved := h.redirects[r.URL.Path]
	header := w.Header()
	switch {
	case !known && !moved:
		refuse(w, http.StatusNotFound, "there is nothing at this path")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "this path takes GET, HEAD")
	case moved:
		// Relative, and so not by http.Redirect: behind a proxy that strips a
		// path of its own, an absolute one would lead elsewhere.
		header.Set("Location", target)
		header.Set("Cache-Control", noStore)
		w.WriteHeader(http.StatusFound)
	default:
		f.serve(w, r)
	}
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", noStore)
	http.Error(w, text, status)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	for name, values := range f.header {
		header[name] = values
	}
	body, tag := f.body, f.tag
	if f.packed != nil && acceptencoding.Gzip(r.Header.Values("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		body, tag = f.packed, tag+"-gz"
	}
	if f.tag != "" {
		tag = `"` + tag + `"`
		header.Set("ETag", tag)
		if matches(r.Header.Values("If-None-Match"), tag) {
			header.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	w.Write(body) //nolint:errcheck // the client is gone
}

// matches compares weakly, as If-None-Match wants it (RFC 9110, section 13.1.2).
func matches(values []string, tag string) bool {
	for element := range strings.SplitSeq(strings.Join(values, ","), ",") {
		element = strings.TrimSpace(element)
		if element == "*" || strings.TrimPrefix(element, "W/") == tag {
			return true
		}
	}
	return false
}
