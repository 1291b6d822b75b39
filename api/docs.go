package api

import (
	"bytes"
	"compress/gzip"
	"embed"
	"html/template"
	"io"
	"net/http"

	"github.com/waybell/waybell/internal/acceptencoding"
)

// docsFiles are the parts of the reference page, see docs/README.md. Scalar is
// compressed in the binary and, to nearly every browser, on the wire.
//
//go:embed docs/index.html docs/start.js docs/scalar.js.gz
var docsFiles embed.FS

// docsCSP lets the page run its own script and read its own server, nothing
// else. Scalar writes style elements and attributes, hence unsafe-inline for
// styles; it needs neither eval nor inline scripts.
const docsCSP = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerDocs adds the reference page. The templates and files are our own and
// tested: what is wrong with them panics.
func (s *Server) registerDocs() {
	path := s.cfg.DocsPath
	if path == Off {
		return
	}
	var page bytes.Buffer
	if err := template.Must(template.ParseFS(docsFiles, "docs/index.html")).Execute(&page, path); err != nil {
		panic(err)
	}
	serve := func(path, media string, write func(w http.ResponseWriter, r *http.Request)) {
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", media+"; charset=utf-8")
			h.Set("Content-Security-Policy", docsCSP)
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "public, max-age=3600")
			write(w, r)
		})
	}
	serve(path, "text/html", func(w http.ResponseWriter, _ *http.Request) {
		w.Write(page.Bytes()) //nolint:errcheck // the client is gone
	})
	serve(path+"/start.js", "text/javascript", func(w http.ResponseWriter, _ *http.Request) {
		copyFile(w, "start.js", nil)
	})
	serve(path+"/scalar.js", "text/javascript", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if acceptencoding.Gzip(r.Header.Values("Accept-Encoding")) {
			w.Header().Set("Content-Encoding", "gzip")
			copyFile(w, "scalar.js.gz", nil)
			return
		}
		copyFile(w, "scalar.js.gz", func(f io.Reader) (io.Reader, error) { return gzip.NewReader(f) })
	})
}

// copyFile writes a file of the page as it is, or through unpack.
func copyFile(w io.Writer, name string, unpack func(io.Reader) (io.Reader, error)) {
	f, err := docsFiles.Open("docs/" + name)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	r := io.Reader(f)
	if unpack != nil {
		if r, err = unpack(f); err != nil {
			panic(err)
		}
	}
	io.Copy(w, r) //nolint:errcheck // the client is gone
}
