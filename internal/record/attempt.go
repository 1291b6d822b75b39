package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
)

const (
	// version is the first byte of every encoded detail. Whatever is added needs
	// the next one. Up to 2 the sum of a body was its SHA-256.
	version = 3
	// keptBytes bounds the headers and, again, the body that are kept of an
	// answer.
	keptBytes = 16 << 10
	// expectedBytes is room for most details, but for the URL and the answer's body.
	expectedBytes = 384
)

// Detail is what the log tells of an attempt beyond the columns. It
// holds no secret: the values of custom headers and the endpoint's secrets are
// masked, also where the receiver sent them back in its answer.
type Detail struct {
	Method string
	// URL is the endpoint's at that time, query included: who may read the log
	// of an endpoint may see the endpoint. Log lines name only its host.
	URL string
	// RequestHeaders map a name, spelled as [format.Format.HeaderName] does, to its value.
	RequestHeaders  map[string]string
	Format          string // name of the format
	FormatVersion   string
	IncludeMessages bool
	BodySum         string // see [Detail.Sent]
	Error           string // fixed, safe text for a failed attempt
	// ResponseHeaders have the values of a repeated name joined by ", ". They
	// are kept up to 16 KiB in all; what does not fit is left out.
	ResponseHeaders map[string]string
	ResponseBody    []byte // at most 16 KiB, not always UTF-8
	Truncated       bool   // the answer was longer
	Timing          Timing
}

// Timing is how long the parts of an attempt took, in microseconds precisely.
type Timing struct {
	DNS, Connect, TLS, Wait, Read time.Duration
}

// Attempt is an attempt that was made.
type Attempt struct {
	Method, URL     string
	Header          egress.Header // as it was sent
	Format          *format.Format
	IncludeMessages bool
	BodySum         uint64 // see [Sum]
	Result          *egress.Result
	Hidden          *Hidden // what of the headers and the answer must not be shown
}

// Sum is what is kept of a body that was sent, to tell later whether one that is made
// again has the same bytes: its XXH64. The body is made of what never changes, and
// nobody gains by another one with the same sum.
func Sum(body []byte) uint64 { return xxhash.Sum64(body) }

// Sent tells whether the body is the one that was signed and sent. Where nothing was
// sent none is.
func (d *Detail) Sent(body []byte) bool {
	switch len(d.BodySum) {
	case sumBytes:
		return d.BodySum == string(binary.BigEndian.AppendUint64(nil, Sum(body)))
	case sha256.Size: // up to version 2
		sum := sha256.Sum256(body)
		return d.BodySum == string(sum[:])
	}
	return false
}

const sumBytes = 8

// The encoded form: a byte that says 3, one of flags, then texts, each with its
// length. JSON, which version 1 was, took twice the space, and details are most of
// what the log consists of.
const (
	flagRequest   = 1 << iota // a request was made: headers and sum follow
	flagMessages              // IncludeMessages
	flagTruncated             // Truncated
)

// Encode writes down an attempt. It runs once for every attempt, so it appends to
// one buffer and asks nothing of reflection.
func Encode(a *Attempt) []byte {
	r := a.Result
	body, truncated := a.Hidden.In(r.Body, keptBytes, r.Truncated)
	flags := byte(flagRequest)
	if truncated {
		flags |= flagTruncated
	}
	if a.IncludeMessages {
		flags |= flagMessages
	}
	failure := ""
	if r.Err != nil {
		failure = r.Err.Text
	}
	b := make([]byte, 0, expectedBytes+len(a.URL)+len(failure)+len(body))
	b = append(b, version, flags)
	b = appendText(b, failure)
	b = appendText(b, a.Method)
	b = appendText(b, a.URL)
	b = appendText(b, a.Format.Name)
	b = appendText(b, a.Format.Version())
	b = binary.BigEndian.AppendUint64(b, a.BodySum)
	b = appendRequestHeaders(b, a)
	b = appendResponseHeaders(b, r.Header, a.Hidden)
	b = binary.AppendUvarint(b, uint64(len(body)))
	b = append(b, body...)
	t := &r.Timing
	for _, d := range [...]time.Duration{t.DNS, t.Connect, t.TLS, t.Wait, t.Read} {
		b = binary.AppendUvarint(b, uint64(max(0, d.Microseconds())))
	}
	return b
}

// EncodeFailure is the detail of an attempt that ended before its request was
// made. The text is shown to the endpoint's owner.
func EncodeFailure(text string) []byte {
	return appendText(append(make([]byte, 0, 8+len(text)), version, 0), text)
}

// appendRequestHeaders writes in the order in which they are sent: names are
// sorted where they are shown.
func appendRequestHeaders(b []byte, a *Attempt) []byte {
	b = binary.AppendUvarint(b, uint64(len(a.Header)))
	for i := range a.Header {
		f := &a.Header[i]
		if a.Hidden.names(f.Name) {
			b = appendText(appendText(b, f.Name), Mask)
			continue
		}
		b = appendText(appendText(b, a.Format.HeaderName(f.Name)), f.Value)
	}
	return b
}

// appendResponseHeaders writes all, and only where that is too much what is kept.
func appendResponseHeaders(b []byte, h http.Header, hidden *Hidden) []byte {
	all, size := appendHeaders(b, h, hidden)
	if size > keptBytes {
		all, _ = appendHeaders(b, kept(h), hidden)
	}
	return all
}

func appendHeaders(b []byte, h http.Header, hidden *Hidden) (all []byte, size int) {
	b = binary.AppendUvarint(b, uint64(len(h)))
	for name, values := range h {
		size += headerSize(name, values)
		b = appendText(appendText(b, name), hidden.inText(Joined(values)))
	}
	return b, size
}

// appendText appends a text: the number of a common word, or its length and
// bytes. The lowest bit tells which. Bytes that are no UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	if n := wordNumber(s); n >= 0 {
		return binary.AppendUvarint(b, uint64(n)<<1|1)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	b = binary.AppendUvarint(b, uint64(len(s))<<1)
	return append(b, s...)
}

// Decode reads what Encode or EncodeFailure wrote, in this version or one before.
func Decode(b []byte) (Detail, error) {
	if len(b) > 0 && b[0] == '{' {
		return decodeJSON(b)
	}
	if len(b) < 2 || b[0] != version && b[0] != 2 {
		return Detail{}, fmt.Errorf("attempt detail of %d bytes is not of version %d", len(b), version)
	}
	r := reader{rest: b[2:]}
	flags := b[1]
	d := Detail{IncludeMessages: flags&flagMessages != 0, Truncated: flags&flagTruncated != 0}
	d.Error = r.text()
	if flags&flagRequest != 0 {
		d.Method, d.URL, d.Format, d.FormatVersion = r.text(), r.text(), r.text(), r.text()
		sum := uint64(sumBytes)
		if b[0] == 2 {
			sum = sha256.Size
		}
		d.BodySum = string(r.bytes(sum))
		d.RequestHeaders, d.ResponseHeaders = r.headers(), r.headers()
		if len(d.ResponseHeaders) == 0 {
			d.ResponseHeaders = nil
		}
		if body := r.bytes(r.uint()); len(body) > 0 {
			d.ResponseBody = bytes.Clone(body)
		}
		t := &d.Timing
		for _, to := range [...]*time.Duration{&t.DNS, &t.Connect, &t.TLS, &t.Wait, &t.Read} {
			*to = time.Duration(r.uint()) * time.Microsecond
		}
	}
	if r.bad || len(r.rest) > 0 {
		return Detail{}, errors.New("attempt detail: malformed")
	}
	return d, nil
}

// reader reads the encoded form. After something that cannot be, it is bad and
// everything else reads as zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.rest, r.bad = nil, true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest, r.bad = nil, true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string {
	n := r.uint()
	if n&1 != 0 {
		if n >>= 1; n < uint64(len(words)) {
			return words[n]
		}
		r.bad = true
		return ""
	}
	b := r.bytes(n >> 1)
	if !utf8.Valid(b) {
		r.bad = true
		return ""
	}
	return string(b)
}

func (r *reader) headers() map[string]string {
	h := map[string]string{}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		name := r.text()
		h[name] = r.text()
	}
	return h
}
