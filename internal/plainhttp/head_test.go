package plainhttp

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// plain is a request that every table here varies.
const plain = "POST /v1/agents/a/events HTTP/1.1\r\nHost: hooks.example:8080\r\nContent-Type: application/json\r\n" +
	"Authorization: Bearer key\r\nContent-Length: 5\r\n\r\nhello"

// with is plain with more lines in its header.
func with(lines ...string) string {
	return strings.Replace(plain, "\r\n", "\r\n"+strings.Join(lines, "\r\n")+"\r\n", 1)
}

// change is plain with one piece of it replaced.
func change(piece, by string) string { return strings.Replace(plain, piece, by, 1) }

// many is so many lines of a header.
func many(n int, line string) string {
	var lines []string
	for i := range n {
		lines = append(lines, "X-"+strconv.Itoa(i)+line)
	}
	return with(lines...)
}

// heads are requests, and whether they are plain.
var heads = []struct {
	name, text string
	plain      bool
}{
	{"plain", plain, true},
	{"a pipelined one behind it", plain + plain, true},
	{"without its body", strings.TrimSuffix(plain, "hello"), true},
	{"lower case", strings.NewReplacer("Host", "host", "Content-L", "content-l", "Auth", "auth").Replace(plain), true},
	{"no body", change("Length: 5", "Length: 0"), true},
	{"keep-alive", with("Connection: keep-alive"), true},
	{"Keep-Alive in another case", with("connection: Keep-Alive"), true},
	{"an empty value", with("X-Empty:", "X-Blank:  \t "), true},
	{"blanks around a value", with("X-A: \t b c\td \t"), true},
	{"a repeated field", with("X-A: 1", "x-a: 2", "X-a: 3"), true},
	{"names of all signs", with("!#$%&'*+-.^_`|~: a"), true},
	{"every printable sign", with("X-A: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), true},
	{"an IPv6 host", change("hooks.example:8080", "[::1]:80"), true},
	{"a host that is no name", change("hooks.example:8080", ":-_.[]"), true},
	{"the longest body", change("Length: 5", "Length: 262144"), true},
	{"dots in the path", change("agents/a", "agents/../a"), true},
	{"two slashes", change("agents/a", "agents//a"), true},
	{"the root", change("/v1/agents/a/events", "/"), true},
	{"48 fields", many(45, ": a"), true}, // and three more
	{"a cookie and an expiry of a cache", with("Cookie: a=b; c=d", "Cache-Control: no-cache"), true},
	{"a name with an underscore", with("Transfer_Encoding: chunked"), true},

	{"nothing", "", false},
	{"an empty line before it", "\r\n" + plain, false},
	{"half a head", plain[:80], false},
	{"a head without its last end", strings.TrimSuffix(plain, "\r\n\r\nhello") + "\r\n", false},
	{"a head above 4 KiB", with("X-A: " + strings.Repeat("a", headBytes)), false},
	{"49 fields", many(46, ": a"), false},
	{"another method", change("POST", "PUT"), false},
	{"a method in lower case", change("POST", "post"), false},
	{"two blanks", change("POST ", "POST  "), false},
	{"a tab", change("POST ", "POST\t"), false},
	{"a blank behind", change("HTTP/1.1", "HTTP/1.1 "), false},
	{"HTTP/1.0", change("HTTP/1.1", "HTTP/1.0"), false},
	{"HTTP/2.0", change("HTTP/1.1", "HTTP/2.0"), false},
	{"HTTP/1.10", change("HTTP/1.1", "HTTP/1.10"), false},
	{"http/1.1", change("HTTP/1.1", "http/1.1"), false},
	{"no version", change(" HTTP/1.1", ""), false},
	{"a preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
	{"a query", change("/events", "/events?a=b"), false},
	{"an empty query", change("/events", "/events?"), false},
	{"a fragment", change("/events", "/events#a"), false},
	{"an escaped slash", change("/a/", "/a%2fb/"), false},
	{"a broken escape", change("/a/", "/a%/"), false},
	{"a semicolon", change("/a/", "/a;b/"), false},
	{"a backslash", change("/a/", `\a\`), false},
	{"a blank in the path", change("/a/", "/a b/"), false},
	{"a letter above ASCII", change("/a/", "/é/"), false},
	{"two slashes at first", change("/v1", "//v1"), false},
	{"an absolute URL", change("/v1", "http://other.example/v1"), false},
	{"an asterisk", change("/v1/agents/a/events", "*"), false},
	{"no path", change("/v1/agents/a/events", ""), false},
	{"no Host", change("Host: hooks.example:8080\r\n", ""), false},
	{"an empty Host", change("hooks.example:8080", ""), false},
	{"two Hosts", with("Host: hooks.example:8080"), false},
	{"a Host with a path", change("example", "example/a"), false},
	{"a Host with a user", change("hooks.", "a@hooks."), false},
	{"a Host with a blank", change("hooks.", "hooks "), false},
	{"no length", change("Content-Length: 5\r\n", ""), false},
	{"an empty length", change("Length: 5", "Length:"), false},
	{"the same length twice", with("Content-Length: 5"), false},
	{"two lengths", with("Content-Length: 6"), false},
	{"a list of lengths", change("Length: 5", "Length: 5, 5"), false},
	{"a length with a plus", change("Length: 5", "Length: +5"), false},
	{"a length below zero", change("Length: 5", "Length: -5"), false},
	{"a length with a zero before it", change("Length: 5", "Length: 05"), false},
	{"a length in hexadecimal", change("Length: 5", "Length: 0x5"), false},
	{"a length with an underscore", change("Length: 5", "Length: 1_0"), false},
	{"a length above that of a body", change("Length: 5", "Length: 262145"), false},
	{"a length above an int", change("Length: 5", "Length: 99999999999999999999"), false},
	{"chunked", with("Transfer-Encoding: chunked"), false},
	{"chunked in an odd case", with("tRANSFER-eNCODING: cHUNKED"), false},
	{"an identity", with("Transfer-Encoding: identity"), false},
	{"an empty Transfer-Encoding", with("Transfer-Encoding:"), false},
	{"chunked, with a tab before it", with("Transfer-Encoding:\tchunked"), false},
	{"a blank before the colon", with("X-A : b"), false},
	{"a blank before Content-Length's colon", change("Length:", "Length :"), false},
	{"a tab before the colon", with("Transfer-Encoding\t: chunked"), false},
	{"a vertical tab in a name", with("Transfer-Encoding\v: chunked"), false},
	{"a continued line", with("X-A: b", " c"), false},
	{"a line continued by a tab", with("X-A: b", "\tc"), false},
	{"a blank before the first field", change("\r\nHost", "\r\n Host"), false},
	{"a line without a colon", with("X-A"), false},
	{"no name", with(": a"), false},
	{"a bare line feed", change("\r\nAuth", "\nAuth"), false},
	{"a bare carriage return", with("X-A: b\rX-B: c"), false},
	{"line feeds for the end", change("\r\n\r\n", "\n\n"), false},
	{"a line feed at the end of a head", change("\r\n\r\n", "\r\n\n"), false},
	{"three ends of a line", change("\r\n\r\n", "\r\r\n\r\n"), false},
	{"a zero in a value", with("X-A: b\x00c"), false},
	{"a zero in a name", with("X-\x00A: b"), false},
	{"a value above ASCII", with("X-A: é"), false},
	{"DEL in a value", with("X-A: \x7f"), false},
	{"close", with("Connection: close"), false},
	{"keep-alive, close", with("Connection: keep-alive, close"), false},
	{"keep-alive and close", with("Connection: keep-alive", "Connection: close"), false},
	{"an option", with("Connection: Authorization"), false},
	{"an empty Connection", with("Connection:"), false},
	{"an upgrade", with("Connection: Upgrade", "Upgrade: websocket"), false},
	{"an upgrade nobody speaks of", with("Upgrade: h2c"), false},
	{"Expect", with("Expect: 100-continue"), false},
	{"a trailer", with("Trailer: X-A"), false},
	{"TE", with("TE: trailers"), false},
	{"Pragma", with("Pragma: no-cache"), false},
	{"Keep-Alive", with("Keep-Alive: timeout=5"), false},
	{"Proxy-Connection", with("Proxy-Connection: keep-alive"), false},
}

func TestHead(t *testing.T) {
	t.Parallel()
	for _, h := range heads {
		if got := agrees(t, []byte(h.text)); got != h.plain {
			t.Errorf("%s: plain is %v, want %v:\n%q", h.name, got, h.plain, h.text)
		}
	}
}

// agrees tells whether a request is plain. One that is has to be read alike by net/http.
func agrees(t *testing.T, b []byte) bool {
	t.Helper()
	var h head
	for range 2 { // nothing of a request before is left
		if !h.parse(b) {
			return false
		}
	}
	in := bufio.NewReaderSize(bytes.NewReader(b), len(b))
	r, err := http.ReadRequest(in)
	if err != nil {
		t.Errorf("net/http refuses it: %v:\n%q", err, b)
		return true
	}
	body, _ := io.ReadAll(r.Body)
	given := b[h.size:]
	if want := given[:min(len(given), h.length)]; !bytes.Equal(body, want) {
		t.Errorf("the body is %q, to net/http %q:\n%q", want, body, b)
	}
	if r.Method != http.MethodPost || r.Proto != "HTTP/1.1" || r.Close || r.TransferEncoding != nil || r.Trailer != nil {
		t.Errorf("net/http reads %s %s, close is %v, %v, %v:\n%q", r.Method, r.Proto, r.Close, r.TransferEncoding, r.Trailer, b)
	}
	c := &conn{template: &http.Request{}, header: http.Header{}, head: h}
	got := c.prepare()
	if r.RequestURI != got.RequestURI || r.Host != got.Host || r.ContentLength != got.ContentLength || !reflect.DeepEqual(r.URL, got.URL) {
		t.Errorf("net/http reads %q %+v, Host %q, %d bytes; here it is %q %+v, Host %q, %d bytes:\n%q",
			r.RequestURI, *r.URL, r.Host, r.ContentLength, got.RequestURI, *got.URL, got.Host, got.ContentLength, b)
	}
	if !maps.EqualFunc(r.Header, got.Header, func(a, b []string) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("net/http reads the header %q; here it is %q:\n%q", r.Header, got.Header, b)
	}
	return true
}

// FuzzHead: what is taken here is taken by net/http's server too, and means the same.
func FuzzHead(f *testing.F) {
	for _, h := range heads {
		f.Add([]byte(h.text), uint16(0), []byte(nil))
	}
	for _, piece := range []string{
		"\r\n", "\n", "\r", "\x00", " ", "\t", ":", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "+", ",", "//", "%2f", "?",
		"\r\n\r\n", "0\r\n\r\n", "Connection: keep-alive, close\r\n", "X-A: b\r\n", "Host: b\r\n", "é",
	} {
		for _, at := range []uint16{0, 5, 15, 33, 36, 42, 120, 137, 141, 150} {
			f.Add([]byte(plain), at, []byte(piece))
		}
	}
	// A piece put in anywhere keeps most of what is mutated near to plain.
	f.Fuzz(func(t *testing.T, b []byte, at uint16, piece []byte) {
		i := min(int(at), len(b))
		agrees(t, append(append(bytes.Clone(b[:i]), piece...), b[i:]...))
	})
}
