package waybell

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waybell/waybell/internal/jsjson"
	"github.com/waybell/waybell/signature"
)

const (
	// detailVersion is written into every encoded detail. Members may be added
	// under the same version, as decodeDetail ignores what it does not know; a
	// member that changes its meaning needs the next one.
	detailVersion = 1
	// keptResponse bounds the headers and, again, the body that are kept of an
	// answer, in bytes.
	keptResponse = 16 << 10
	// echoLength is the shortest header value that is looked for in answers:
	// shorter ones are no secrets worth the words they would blot out.
	echoLength = 8
)

// encodeDetail writes down an attempt that was made, as JSON. It runs once for
// every attempt, so it appends to one buffer and asks nothing of reflection.
func encodeDetail(e *endpointEntry, m *sent) []byte {
	r := m.result
	b := make([]byte, 0, 1024+len(e.URL)+len(r.Body)+len(r.Body)/8)
	b = append(b, `{"v":1,"method":`...)
	b = appendText(b, e.Method)
	b = append(b, `,"url":`...)
	b = appendText(b, e.URL)
	b = append(b, `,"headers":`...)
	b = appendRequestHeaders(b, e, m.header)
	b = append(b, `,"format":`...)
	b = appendText(b, e.format.Name)
	b = append(b, `,"format_version":`...)
	b = appendText(b, e.format.Version())
	if e.IncludeMessages {
		b = append(b, `,"include_messages":true`...)
	}
	b = append(b, `,"sha256":"`...)
	b = hex.AppendEncode(b, m.body.sum[:])
	b = append(b, '"')
	if r.Err != nil {
		b = append(b, `,"error":`...)
		b = appendText(b, r.Err.Text)
	}
	if len(r.Header) > 0 {
		b = append(b, `,"response_headers":`...)
		b = appendResponseHeaders(b, e, r.Header)
	}
	b = appendResponseBody(b, e.maskEchoBytes(r.Body), r.Truncated)
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

// encodeFailure is the detail of an attempt that ended before its request was
// made. The text is shown to the endpoint's owner.
func encodeFailure(text string) []byte {
	b := append(make([]byte, 0, 32+len(text)), `{"v":1,"error":`...)
	return append(appendText(b, text), '}')
}

// appendRequestHeaders writes in the order of the map, which is none: names
// are sorted where they are shown.
func appendRequestHeaders(b []byte, e *endpointEntry, h http.Header) []byte {
	b = append(b, '{')
	for name, values := range h {
		if e.isCustom(name) {
			b = appendHeader(b, name, mask)
			continue
		}
		b = appendHeader(b, e.spelled(name), joined(values))
	}
	return closeObject(b)
}

func appendResponseHeaders(b []byte, e *endpointEntry, h http.Header) []byte {
	b = append(b, '{')
	for name, values := range kept(h) {
		b = appendHeader(b, name, e.maskEcho(joined(values)))
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

// kept is h without the headers that go over the bound, in order of the names.
func kept(h http.Header) http.Header {
	total := 0
	for name, values := range h {
		total += headerSize(name, values)
	}
	if total <= keptResponse {
		return h
	}
	some, left := http.Header{}, keptResponse
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if size := headerSize(name, h[name]); size <= left {
			some[name] = h[name]
			left -= size
		}
	}
	return some
}

func headerSize(name string, values []string) int {
	n := len(name)
	for _, v := range values {
		n += len(v)
	}
	return n
}

func appendResponseBody(b, body []byte, truncated bool) []byte {
	if len(body) > keptResponse {
		body, truncated = body[:keptResponse], true
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

func joined(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ", ")
}

// spelled is a header's name as wire.md spells it; net/http knows only its own
// capitals.
func (e *endpointEntry) spelled(name string) string {
	switch name {
	case "Webhook-Id":
		return signature.HeaderID
	case "Webhook-Timestamp":
		return signature.HeaderTimestamp
	case "Webhook-Signature":
		return signature.HeaderSignature
	}
	for i := range e.format.Signatures {
		if own := e.format.Signatures[i].Header; strings.EqualFold(own, name) {
			return own
		}
	}
	return name
}

func (e *endpointEntry) isCustom(name string) bool {
	for i := range e.Headers {
		if strings.EqualFold(e.Headers[i].Name, name) {
			return true
		}
	}
	return false
}

// maskEcho masks the endpoint's header values in a part of an answer: many test
// receivers send back what they got. Of a value with several words, such as
// "Bearer …", the last one is looked for by itself too.
func (e *endpointEntry) maskEcho(s string) string {
	for i := range e.Headers {
		value := e.Headers[i].Value.Reveal()
		for _, part := range [...]string{value, value[strings.LastIndexByte(value, ' ')+1:]} {
			if len(part) >= echoLength {
				s = strings.ReplaceAll(s, part, mask)
			}
		}
	}
	return s
}

// maskEchoBytes is maskEcho for a body, which is copied only where it changes.
func (e *endpointEntry) maskEchoBytes(b []byte) []byte {
	for i := range e.Headers {
		value := e.Headers[i].Value.Reveal()
		for _, part := range [...]string{value, value[strings.LastIndexByte(value, ' ')+1:]} {
			if len(part) >= echoLength && bytes.Contains(b, []byte(part)) {
				b = bytes.ReplaceAll(b, []byte(part), []byte(mask))
			}
		}
	}
	return b
}

// storedDetail is the encoded form.
type storedDetail struct {
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

// decodeDetail reads what encodeDetail or encodeFailure wrote.
func decodeDetail(b []byte) (AttemptDetail, error) {
	var in storedDetail
	if err := json.Unmarshal(b, &in); err != nil {
		return AttemptDetail{}, fmt.Errorf("attempt detail: %w", err)
	}
	if in.Version != detailVersion {
		return AttemptDetail{}, fmt.Errorf("attempt detail has version %d, not %d", in.Version, detailVersion)
	}
	d := AttemptDetail{
		Method: in.Method, URL: in.URL, RequestHeaders: in.Headers,
		Format: in.Format, FormatVersion: in.FormatVersion, IncludeMessages: in.IncludeMessages,
		Error: in.Error, ResponseHeaders: in.ResponseHeaders, Truncated: in.Truncated,
	}
	if in.SHA256 != "" {
		sum, err := hex.DecodeString(in.SHA256)
		if err != nil || len(sum) != len(d.BodySHA256) {
			return AttemptDetail{}, errors.New("attempt detail: the body's SHA-256 is malformed")
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

// levelOf is the level of an attempt's log line. Delivered ones are Debug: at
// the rates a node reaches they would drown everything else, and the delivery
// log has them. What is tried again is Info; what ends a delivery for good is
// Warn.
func levelOf(state DeliveryState) slog.Level {
	switch state {
	case DeliveryDelivered:
		return slog.LevelDebug
	case DeliveryFailed:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// attemptAttrs is the content of an attempt's log line. Of the URL it names the
// host alone: paths and queries of webhooks carry tokens.
func attemptAttrs(m *sent, o *outcome) []slog.Attr {
	w, e, a := m.w, m.e, o.Attempt
	attrs := append(make([]slog.Attr, 0, 16),
		slog.String("delivery", w.DeliveryRef.ID()),
		slog.String("event", w.Type),
		slog.String("event_id", m.p.ID),
		slog.String("agent", e.AgentID),
		slog.String("endpoint", e.ID),
		slog.String("host", e.target.Host()),
		slog.Int("attempt", a.Number),
		slog.String("reason", a.Reason.String()),
		slog.Float64("duration_ms", float64(a.Duration.Microseconds())/1000),
		slog.String("state", o.State.String()),
	)
	if a.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", a.StatusCode))
	}
	if o.Reason != a.Reason {
		attrs = append(attrs, slog.String("delivery_reason", o.Reason.String()))
	}
	if !o.NextAt.IsZero() {
		attrs = append(attrs, slog.Time("next_at", o.NextAt))
	}
	if w.Test {
		attrs = append(attrs, slog.Bool("test", true))
	}
	return attrs
}
