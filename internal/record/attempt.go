package record

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/internal/jsjson"
)

const (
	// version is written into every encoded detail. Members may be added under the
	// same version, as Decode ignores what it does not know; a member that changes
	// its meaning needs the next one.
	version = 1
	// keptBytes bounds the headers and, again, the body that are kept of an
	// answer.
	keptBytes = 16 << 10
)

// Detail is what the log tells of an attempt beyond the columns. It
// holds no secret: the values of custom headers are masked, also where the
// receiver sent them back in its answer.
type Detail struct {
	Method string
	// URL is the endpoint's at that time, query included: who may read the log
	// of an endpoint may see the endpoint. Log lines name only its host.
	URL string
	// RequestHeaders map a name, spelled as wire.md spells it, to its value.
	RequestHeaders  map[string]string
	Format          string // name of the format
	FormatVersion   string
	IncludeMessages bool
	BodySHA256      [32]byte // of the bytes that were signed and sent; zero when nothing was
	Error           string   // fixed, safe text for a failed attempt
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
	BodySHA256      [32]byte
	Result          *egress.Result
	Hidden          *Hidden // what of the headers and the answer must not be shown
}

// Encode writes down an attempt, as JSON. It runs once for every attempt, so it
// appends to one buffer and asks nothing of reflection.
func Encode(a *Attempt) []byte {
	r := a.Result
	b := make([]byte, 0, 1024+len(a.URL)+len(r.Body)+len(r.Body)/8)
	b = append(b, `{"v":1,"method":`...)
	b = appendText(b, a.Method)
	b = append(b, `,"url":`...)
	b = appendText(b, a.URL)
	b = append(b, `,"headers":`...)
	b = appendRequestHeaders(b, a)
	b = append(b, `,"format":`...)
	b = appendText(b, a.Format.Name)
	b = append(b, `,"format_version":`...)
	b = appendText(b, a.Format.Version())
	if a.IncludeMessages {
		b = append(b, `,"include_messages":true`...)
	}
	b = append(b, `,"sha256":"`...)
	b = hex.AppendEncode(b, a.BodySHA256[:])
	b = append(b, '"')
	if r.Err != nil {
		b = append(b, `,"error":`...)
		b = appendText(b, r.Err.Text)
	}
	if len(r.Header) > 0 {
		b = append(b, `,"response_headers":`...)
		b = appendResponseHeaders(b, r.Header, a.Hidden)
	}
	b = appendResponseBody(b, a.Hidden.In(r.Body), r.Truncated)
	b = append(b, `,"timing_us":`...)
	sep := byte('[')
	t := &r.Timing
	for _, d := range [...]time.Duration{t.DNS, t.Connect, t.TLS, t.Wait, t.Read} {
		b = append(b, sep)
		b = strconv.AppendInt(b, d.Microseconds(), 10)
		sep = ','
	}
	return append(b, "]}"...)
}

// EncodeFailure is the detail of an attempt that ended before its request was
// made. The text is shown to the endpoint's owner.
func EncodeFailure(text string) []byte {
	b := append(make([]byte, 0, 32+len(text)), `{"v":1,"error":`...)
	return append(appendText(b, text), '}')
}

// appendRequestHeaders writes in the order in which they are sent: names are
// sorted where they are shown.
func appendRequestHeaders(b []byte, a *Attempt) []byte {
	b = append(b, '{')
	for i := range a.Header {
		f := &a.Header[i]
		if a.Hidden.names(f.Name) {
			b = appendHeader(b, f.Name, Mask)
			continue
		}
		b = appendHeader(b, a.Format.HeaderName(f.Name), f.Value)
	}
	return closeObject(b)
}

func appendResponseHeaders(b []byte, h http.Header, hidden *Hidden) []byte {
	b = append(b, '{')
	for name, values := range kept(h) {
		b = appendHeader(b, name, hidden.inText(Joined(values)))
	}
	return closeObject(b)
}

func appendHeader(b []byte, name, value string) []byte {
	b = appendText(b, name)
	b = append(b, ':')
	b = appendText(b, value)
	return append(b, ',')
}

// appendText appends a JSON string. Almost all that comes here is plain ASCII,
// for which one look is enough; bytes that are no UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return jsjson.AppendString(b, strings.ToValidUTF8(s, "\ufffd"))
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// closeObject ends an object whose members all have a comma behind them.
func closeObject(b []byte) []byte {
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

func appendResponseBody(b, body []byte, truncated bool) []byte {
	if len(body) > keptBytes {
		body, truncated = body[:keptBytes], true
	}
	switch {
	case len(body) == 0:
	case utf8.Valid(body):
		b = append(b, `,"body":`...)
		b = jsjson.AppendString(b, string(body))
	default:
		b = append(b, `,"body_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, body)
		b = append(b, '"')
	}
	if truncated {
		b = append(b, `,"truncated":true`...)
	}
	return b
}

// stored is the encoded form.
type stored struct {
	Version         int               `json:"v"`
	Method          string            `json:"method"`
	URL             string            `json:"url"`
	Headers         map[string]string `json:"headers"`
	Format          string            `json:"format"`
	FormatVersion   string            `json:"format_version"`
	IncludeMessages bool              `json:"include_messages"`
	SHA256          string            `json:"sha256"`
	Error           string            `json:"error"`
	ResponseHeaders map[string]string `json:"response_headers"`
	Body            string            `json:"body"`
	BodyBase64      []byte            `json:"body_base64"`
	Truncated       bool              `json:"truncated"`
	Timing          [5]int64          `json:"timing_us"`
}

// Decode reads what Encode or EncodeFailure wrote.
func Decode(b []byte) (Detail, error) {
	var in stored
	if err := json.Unmarshal(b, &in); err != nil {
		return Detail{}, fmt.Errorf("attempt detail: %w", err)
	}
	if in.Version != version {
		return Detail{}, fmt.Errorf("attempt detail has version %d, not %d", in.Version, version)
	}
	d := Detail{
		Method: in.Method, URL: in.URL, RequestHeaders: in.Headers,
		Format: in.Format, FormatVersion: in.FormatVersion, IncludeMessages: in.IncludeMessages,
		Error: in.Error, ResponseHeaders: in.ResponseHeaders, Truncated: in.Truncated,
	}
	if in.SHA256 != "" {
		sum, err := hex.DecodeString(in.SHA256)
		if err != nil || len(sum) != len(d.BodySHA256) {
			return Detail{}, errors.New("attempt detail: the body's SHA-256 is malformed")
		}
		copy(d.BodySHA256[:], sum)
	}
	if d.ResponseBody = in.BodyBase64; in.Body != "" {
		d.ResponseBody = []byte(in.Body)
	}
	for i, to := range [...]*time.Duration{&d.Timing.DNS, &d.Timing.Connect, &d.Timing.TLS, &d.Timing.Wait, &d.Timing.Read} {
		*to = time.Duration(in.Timing[i]) * time.Microsecond
	}
	return d, nil
}
