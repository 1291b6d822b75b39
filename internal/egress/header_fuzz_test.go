package egress

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzHeader puts whatever is taken for a customer's header into a request and
// lets net/http read that: the header is there as it was given, the rest is as
// without it, and the body begins where it should.
func FuzzHeader(f *testing.F) {
	for _, seed := range [][2]string{
		{"Authorization", "Bearer x"}, {"host", "a"}, {"X-A", "a\r\nX-B: c"}, {"X-A", " a"}, {"X-A", "a\tb"}, {"X-A", ""},
		{"content-length", "0"}, {"Content-Lenght", "0"}, {"X-A:", "b"}, {"Proxy-Authorization", "x"}, {"x-é", "é"},
		{"X-A", "\x85"}, {"X-A", "\u0085"}, {"WEBHOOK-ID", "x"}, {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "1"}, {"!#$%&'*+-.^_`|~", "\u2028"},
		{"Cookie", "a=b"}, {"Range", "bytes=0-"}, {"Date", "x"}, {"Forwarded", "for=127.0.0.1"}, {"Transfer_Encoding", "chunked"},
	} {
		f.Add(seed[0], seed[1])
	}
	client := mustNew(f, Config{})
	target := mustParse(f, client, "http://"+publicIP+"/hook?a=b")
	body := []byte(`{"a":1}`)
	f.Fuzz(func(t *testing.T, name, value string) {
		nameFault, valueFault := HeaderNameFault(name), HeaderValueFault(value)
		for _, fault := range []string{nameFault, valueFault} {
			if len(fault) > 200 || !utf8.ValidString(fault) || len(value) > 60 && strings.Contains(fault, value) {
				t.Fatalf("%q: %q: the fault is %q", name, value, fault)
			}
		}
		if nameFault != "" || valueFault != "" {
			return
		}
		if len(name) > maxHeaderName || len(value) > maxHeaderValue || reserved(strings.ToLower(name)) {
			t.Fatalf("%q: %.100q was taken", name, value)
		}
		header := Header{{"User-Agent", "Waybell/test"}}
		bare := read(t, &Request{Target: target, Header: header, Body: body})
		header = slices.Clone(header)
		header.Set(name, value)
		got := read(t, &Request{Target: target, Header: header, Body: body})
		if values := got.Header.Values(name); len(values) != 1 || values[0] != value || len(got.Header) != len(bare.Header)+1 {
			t.Fatalf("%q: %q was read as %q", name, value, got.Header)
		}
		if got.Host != bare.Host || got.RequestURI != bare.RequestURI || got.Method != bare.Method || got.ContentLength != int64(len(body)) ||
			got.TransferEncoding != nil || got.Close || got.Header.Get("User-Agent") != "Waybell/test" {
			t.Fatalf("%q: %q changed the rest of the request: %+v", name, value, got)
		}
	})
}

// reserved is the list of security rules as it is written there, not as the
// code has it.
func reserved(lower string) bool {
	for _, name := range strings.Fields(`host content-length transfer-encoding content-type content-encoding connection keep-alive
		te trailer upgrade expect user-agent http2-settings metadata metadata-flavor x-google-metadata-request`) {
		if lower == name {
			return true
		}
	}
	for _, prefix := range []string{"proxy-", "webhook-", "x-waybell-", "x-aws-ec2-metadata-token"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}

// read reads a request as a server would, with its whole body and nothing after
// it.
func read(t *testing.T, r *Request) *http.Request {
	t.Helper()
	b := bufio.NewReader(bytes.NewReader(appendRequest(nil, r)))
	got, err := http.ReadRequest(b)
	if err != nil {
		t.Fatalf("%q: %v", r.Header, err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(body, r.Body) || b.Buffered() != 0 {
		t.Fatalf("%q: the body is %q, %d bytes follow, %v", r.Header, body, b.Buffered(), err)
	}
	return got
}
