package plainhttp

import (
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// keptBytes is the largest buffer that a connection keeps for its next answer.
const keptBytes = 4 << 10

// answer is the [http.ResponseWriter] of a plain request: it collects.
type answer struct {
	header http.Header
	status int
	body   []byte
	names  []string
	out    []byte
}

func (w *answer) reset() {
	clear(w.header)
	w.status = 0
}

// kept is b to write to anew, unless it is large.
func kept(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}

// Header implements [http.ResponseWriter].
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter]. An informational status is not sent.
func (w *answer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

// Write implements [http.ResponseWriter].
func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.bodiless() {
		return 0, http.ErrBodyNotAllowed
	}
	w.body = append(w.body, b...)
	return len(b), nil
}

func (w *answer) bodiless() bool {
	return w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// closes tells whether the handler wants no more requests on the connection.
func (w *answer) closes() bool {
	return strings.EqualFold(w.header.Get("Connection"), "close")
}

// send writes the answer; last says that the connection is closed after it.
func (w *answer) send(c net.Conn, date string, last bool) error {
	w.WriteHeader(http.StatusOK)
	out := append(w.out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(w.status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(w.status)...)
	w.names = w.names[:0]
	for name := range w.header {
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		switch {
		case !isToken(name), name == "Connection", name == "Content-Length", name == "Transfer-Encoding", name == "Date":
			continue
		}
		for _, value := range w.header[name] {
			out = appendField(out, name, value)
		}
	}
	if last {
		out = appendField(out, "Connection", "close")
	}
	out = appendField(out, "Date", date)
	if !w.bodiless() {
		out = append(out, "\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(w.body)), 10)
	}
	out = append(out, "\r\n\r\n"...)
	out = append(out, w.body...)
	w.body = kept(w.body)
	_, err := c.Write(out)
	w.out = kept(out)
	return err
}

// appendField begins a new line; a value that holds line ends makes none.
func appendField(out []byte, name, value string) []byte {
	out = append(out, "\r\n"...)
	out = append(out, name...)
	out = append(out, ": "...)
	value = textproto.TrimString(value)
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' {
			out = append(out, ' ')
		} else {
			out = append(out, c)
		}
	}
	return out
}
