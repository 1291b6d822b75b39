package api

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// scalarGzip is the Scalar API reference, see docs/README.md: compressed in the
// binary and, to nearly every browser, on the wire.
//
//go:embed docs/scalar.js.gz
var scalarGzip []byte

//go:embed docs/index.html
var docsPage string

// docsCSP lets the page run its own script and read its own server, nothing
// else. Scalar writes style elements and attributes, hence unsafe-inline for
// styles; it needs neither eval nor inline scripts.
const docsCSP = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerDocs adds the reference page.
func (s *Server) registerDocs() {
	path := s.cfg.DocsPath
	if path == Off {
		return
	}
	var page bytes.Buffer
	if err := template.Must(template.New("docs").Parse(docsPage)).Execute(&page, path); err != nil {
		panic(err) // the template is our own
	}
	serve := func(pattern, media string, write func(w http.ResponseWriter, r *http.Request)) {
		s.mux.HandleFunc("GET "+path+pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", media)
			h.Set("Content-Security-Policy", docsCSP)
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "public, max-age=3600")
			write(w, r)
		})
	}
	serve("", "text/html; charset=utf-8", func(w http.ResponseWriter, _ *http.Request) {
		w.Write(page.Bytes()) //nolint:errcheck // the client is gone
	})
	serve("/start.js", "text/javascript; charset=utf-8", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, docsStart) //nolint:errcheck // the client is gone
	})
	serve("/scalar.js", "text/javascript; charset=utf-8", serveScalar)
}

//go:embed docs/start.js
var docsStart string

func serveScalar(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		w.Write(scalarGzip) //nolint:errcheck // the client is gone
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(scalarGzip))
	if err != nil {
		panic(err) // the file is our own, and tested
	}
	io.Copy(w, plain) //nolint:errcheck // the client is gone
}

// acceptsGzip reads an Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if name != "gzip" && name != "*" {
			continue
		}
		weight, given := strings.CutPrefix(params, "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !given || err == nil && q > 0
	}
	return false
}
