package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
)

const (
	deliveryID = "dlv_0g000000000000000000e"
	eventID    = "evt_0g00000000000"
	detailURL  = "https://hooks.example.com/tenants/path-canary/in?token=query-canary"
)

// typical is an attempt with a legacy format, the standard headers, one custom
// header, and the answer of a common server.
func typical() *Attempt {
	var h egress.Header
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Waybell/1.0.0", "X-Waybell-Event": "lead.submit",
		"X-Waybell-Agent": "bot-1", "X-Waybell-Delivery": deliveryID, "X-Waybell-Attempt": "1",
		"Webhook-Id": eventID, "Webhook-Timestamp": "1767225600",
		"Webhook-Signature":     "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
		"X-Chatislav-Signature": strings.Repeat("0123456789abcdef", 4),
		"Authorization":         "Bearer header-canary",
	} {
		h.Set(name, value)
	}
	body := []byte(`{"event":"lead_collection"}`)
	a := &Attempt{
		Method: "POST", URL: detailURL, Header: h, Format: format.Chatislav(), IncludeMessages: true,
		BodySum: Sum(body), Result: &egress.Result{
			Status: 200, Body: []byte(`{"ok":true}`),
			Header: http.Header{
				"Content-Type": {"application/json"}, "Content-Length": {"11"}, "Server": {"nginx/1.27.3"},
				"Date": {"Thu, 01 Jan 2026 00:00:00 GMT"}, "Vary": {"Accept", "Origin"},
			},
			Timing: egress.Timing{DNS: 812 * time.Microsecond, Connect: 8 * time.Millisecond, TLS: 12 * time.Millisecond, Wait: 19 * time.Millisecond, Read: 40 * time.Microsecond},
		},
	}
	a.Hidden = hiding("authorization", "Bearer header-canary")
	return a
}

// text is a sum as it is decoded.
func text(sum uint64) string { return string(binary.BigEndian.AppendUint64(nil, sum)) }

func TestDetailOfTypicalAttempt(t *testing.T) {
	t.Parallel()
	a := typical()
	encoded := Encode(a)
	got, err := Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	want := Detail{
		Method: "POST", URL: detailURL, Format: "chatislav", FormatVersion: a.Format.Version(), IncludeMessages: true,
		RequestHeaders: map[string]string{
			"Content-Type": "application/json", "User-Agent": "Waybell/1.0.0", "X-Waybell-Event": "lead.submit",
			"X-Waybell-Agent": "bot-1", "X-Waybell-Delivery": deliveryID, "X-Waybell-Attempt": "1",
			"webhook-id": eventID, "webhook-timestamp": "1767225600",
			"webhook-signature":     "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
			"x-chatislav-signature": strings.Repeat("0123456789abcdef", 4),
			"Authorization":         Mask,
		},
		BodySum: text(a.BodySum),
		ResponseHeaders: map[string]string{
			"Content-Type": "application/json", "Content-Length": "11", "Server": "nginx/1.27.3",
			"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Vary": "Accept, Origin",
		},
		ResponseBody: []byte(`{"ok":true}`),
		Timing:       Timing{812 * time.Microsecond, 8 * time.Millisecond, 12 * time.Millisecond, 19 * time.Millisecond, 40 * time.Microsecond},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n%+v\nwant\n%+v", got, want)
	}
	if len(encoded) > expectedBytes+len(a.URL)+len(a.Result.Body) { // what one allocation is made for
		t.Errorf("the encoding has %d bytes: %q", len(encoded), encoded)
	}
}

// TestDetailRoundTrip holds that nothing but what is meant to is lost,
// whatever a receiver answers.
func TestDetailRoundTrip(t *testing.T) {
	t.Parallel()
	a := typical()
	a.Hidden = nil
	rapid.Check(t, func(t *rapid.T) {
		a := *a
		a.URL = rapid.String().Draw(t, "url")
		a.Method = rapid.SampledFrom([]string{"POST", "PUT"}).Draw(t, "method")
		a.IncludeMessages = rapid.Bool().Draw(t, "messages")
		a.Format = rapid.SampledFrom([]*format.Format{format.Standard(), format.Chatzuri(), format.Chatislav()}).Draw(t, "format")
		name := rapid.StringMatching(`X-[A-Z][a-z0-9]{0,20}`)
		a.Header = nil
		for name, value := range rapid.MapOf(name, rapid.String()).Draw(t, "header") {
			a.Header.Set(name, value)
		}
		r := egress.Result{
			Header:    http.Header(rapid.MapOfN(name, rapid.SliceOfN(rapid.String(), 1, 3), 0, 20).Draw(t, "response header")),
			Body:      rapid.SliceOf(rapid.Byte()).Draw(t, "response body"),
			Truncated: rapid.Bool().Draw(t, "truncated"),
			Timing:    egress.Timing{Wait: time.Duration(rapid.Int64Range(0, 120_000_000).Draw(t, "wait")) * time.Microsecond},
		}
		if rapid.Bool().Draw(t, "failed") {
			r.Err = &egress.Error{Class: egress.ClassDNS, Text: rapid.String().Draw(t, "error")}
		}
		a.Result = &r
		got, err := Decode(Encode(&a))
		if err != nil {
			t.Fatal(err)
		}
		want := Detail{
			Method: a.Method, URL: a.URL, Format: a.Format.Name, FormatVersion: a.Format.Version(),
			IncludeMessages: a.IncludeMessages, BodySum: text(a.BodySum), Truncated: r.Truncated,
			RequestHeaders: map[string]string{}, Timing: Timing{Wait: r.Timing.Wait},
		}
		for _, f := range a.Header {
			want.RequestHeaders[f.Name] = f.Value
		}
		if r.Err != nil {
			want.Error = r.Err.Text
		}
		if len(r.Body) > 0 {
			want.ResponseBody = r.Body
		}
		if len(r.Header) > 0 {
			want.ResponseHeaders = map[string]string{}
		}
		for name, values := range r.Header {
			want.ResponseHeaders[name] = strings.Join(values, ", ")
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("decoded\n%+v\nwant\n%+v", got, want)
		}
	})
}

func TestDetailHoldsNoSecret(t *testing.T) {
	t.Parallel()
	a := typical()
	a.Hidden = a.Hidden.And(hiding("X-Api-Key", "key-canary-7", "X-Env", "eu"))
	a.Header.Set("X-Api-Key", "key-canary-7")
	a.Header.Set("X-Env", "eu")
	a.Result.Header.Add("X-Echo", "Bearer header-canary")
	for name, echo := range map[string]string{
		"whole":    `{"headers":{"authorization":"Bearer header-canary"}}`,
		"token":    `your token header-canary is not known`,
		"twice":    "key-canary-7 and key-canary-7, in Europe",
		"no UTF-8": "key-canary-7\xff",
	} {
		a.Result.Body = []byte(echo)
		encoded := Encode(a)
		d, err := Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%s %v %s", encoded, d, d.ResponseBody)
		for _, secret := range []string{"header-canary", "key-canary"} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s: %q is in the detail: %s", name, secret, shown)
			}
		}
		if d.RequestHeaders["X-Env"] != Mask || d.RequestHeaders["X-Api-Key"] != Mask || d.ResponseHeaders["X-Echo"] != Mask {
			t.Errorf("%s: headers are not masked: %v %v", name, d.RequestHeaders, d.ResponseHeaders)
		}
		if name == "twice" && string(d.ResponseBody) != Mask+" and "+Mask+", in Europe" {
			t.Errorf("the body became %q", d.ResponseBody)
		}
		if string(a.Result.Body) != echo {
			t.Error("the answer itself was changed")
		}
	}
}

func TestDetailBounds(t *testing.T) {
	t.Parallel()
	a := typical()
	a.Hidden = nil
	for _, size := range []int{keptBytes, keptBytes + 1} {
		a.Result.Body = bytes.Repeat([]byte("a"), size)
		a.Result.Header = http.Header{"X-A": {strings.Repeat("v", size-3)}, "X-B": {"small"}}
		d, err := Decode(Encode(a))
		if err != nil {
			t.Fatal(err)
		}
		within := size == keptBytes
		if len(d.ResponseBody) != keptBytes || d.Truncated == within {
			t.Errorf("of a body of %d bytes %d are kept, truncated %v", size, len(d.ResponseBody), d.Truncated)
		}
		if _, kept := d.ResponseHeaders["X-A"]; kept != within {
			t.Errorf("a header of %d bytes: kept %v", size, kept)
		}
		if _, kept := d.ResponseHeaders["X-B"]; kept == within {
			t.Errorf("the header after one of %d bytes: kept %v", size, kept)
		}
	}
	a.Result.Header = http.Header{"X-Latin": {"caf\xe9"}}
	d, err := Decode(Encode(a))
	if err != nil || d.ResponseHeaders["X-Latin"] != "caf\ufffd" {
		t.Errorf("a header that is no UTF-8 became %q, %v", d.ResponseHeaders, err)
	}
}

func TestFailureDetail(t *testing.T) {
	t.Parallel()
	d, err := Decode(EncodeFailure(`it "broke"`))
	if want := (Detail{Error: `it "broke"`}); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("decoded %+v, %v", d, err)
	}
}

func TestDecodeDetailRefuses(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{
		"", "null", "{}", `{"v":2}`, `{"v":1`, `{"v":1,"url":7}`, `{"v":1,"sha256":"00"}`, `{"v":1,"sha256":"zz"}`,
		`{"v":1,"body_base64":"?"}`,
		"\x02", "\x03", "\x04\x00\x01", "\x02\x00", "\x02\x00\x04ab\x00", "\x02\x00\x06ab", "\x02\x00\xff\xff\x7f", "\x02\x00\x02\xff",
	} {
		if d, err := Decode([]byte(encoded)); err == nil {
			t.Errorf("%q: decoded %+v", encoded, d)
		}
	}
	whole := Encode(typical())
	for n := range whole {
		if d, err := Decode(whole[:n]); err == nil {
			t.Errorf("%d bytes of %d: decoded %+v", n, len(whole), d)
		}
	}
	if _, err := Decode([]byte(`{"v":1,"added_later":true}`)); err != nil {
		t.Errorf("a member added later: %v", err)
	}
}

// TestDecodeVersion1 holds that what was written as JSON is still read.
func TestDecodeVersion1(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("body"))
	const common = `{"v":1,"method":"POST","url":"https://a.example/","headers":{"webhook-id":"evt_1"},"format":"standard","format_version":"1","include_messages":true`
	for name, test := range map[string]struct {
		encoded string
		want    Detail
	}{
		"answered": {
			fmt.Sprintf(`%s,"sha256":"%x","response_headers":{"Date":"today"},"body":"né","truncated":true,"timing_us":[1,2,3,4,5]}`, common, sum),
			Detail{Method: "POST", URL: "https://a.example/", RequestHeaders: map[string]string{"webhook-id": "evt_1"},
				Format: "standard", FormatVersion: "1", IncludeMessages: true, BodySum: string(sum[:]),
				ResponseHeaders: map[string]string{"Date": "today"}, ResponseBody: []byte("né"), Truncated: true,
				Timing: Timing{1 * time.Microsecond, 2 * time.Microsecond, 3 * time.Microsecond, 4 * time.Microsecond, 5 * time.Microsecond}},
		},
		"no UTF-8": {`{"v":1,"body_base64":"/w=="}`, Detail{ResponseBody: []byte{0xff}}},
		"failed":   {`{"v":1,"error":"it \"broke\""}`, Detail{Error: `it "broke"`}},
	} {
		got, err := Decode([]byte(test.encoded))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: decoded\n%+v, %v\nwant\n%+v", name, got, err, test.want)
		}
	}
}

// TestDecodeVersion2 holds that what was written with a SHA-256 is still read.
func TestDecodeVersion2(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event":"lead_collection"}`)
	a := typical()
	encoded, mark := Encode(a), []byte(text(a.BodySum))
	if bytes.Count(encoded, mark) != 1 {
		t.Fatalf("no single sum in %q", encoded)
	}
	sum := sha256.Sum256(body)
	old := bytes.Replace(encoded, mark, sum[:], 1)
	old[0] = 2
	want, err := Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	want.BodySum = string(sum[:])
	got, err := Decode(old)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n%+v, %v\nwant\n%+v", got, err, want)
	}
	failed, err := Decode(append([]byte{2}, EncodeFailure("text")[1:]...))
	if err != nil || failed.Error != "text" {
		t.Errorf("a failure is decoded as %+v, %v", failed, err)
	}
}

// TestSent holds that a body is known again by the sums of all versions, and only it.
func TestSent(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event":"lead_collection"}`)
	sum := sha256.Sum256(body)
	for name, d := range map[string]Detail{
		"XXH64":   {BodySum: text(Sum(body))},
		"SHA-256": {BodySum: string(sum[:])},
	} {
		if !d.Sent(body) || d.Sent(body[1:]) || d.Sent(nil) {
			t.Errorf("%s: the body %v, another %v, none %v", name, d.Sent(body), d.Sent(body[1:]), d.Sent(nil))
		}
	}
	if Sum([]byte("abc")) != 0x44bc2cf5ad770999 { // it is stored
		t.Errorf("the sum of abc is %x", Sum([]byte("abc")))
	}
	var none Detail
	if none.Sent(nil) || none.Sent(body) {
		t.Error("a body was sent by no request")
	}
}

// TestWords holds that each common word has its number: the place it is read at.
func TestWords(t *testing.T) {
	t.Parallel()
	for i, w := range words {
		if n := wordNumber(w); n != i {
			t.Errorf("%q has the number %d, not %d", w, n, i)
		}
	}
	// Places are stored: these have not moved.
	for place, w := range map[int]string{0: "", 7: "Content-Type", 14: "webhook-id", 18: "Date", 31: "cloudflare", 36: "2"} {
		if words[place] != w {
			t.Errorf("word %d is %q, not %q", place, words[place], w)
		}
	}
	if len(words) >= 64 {
		t.Errorf("%d words: from 64 on a number takes two bytes", len(words))
	}
}

// FuzzDecodeDetail reads anything, and takes the same bytes for what a
// receiver answered.
func FuzzDecodeDetail(f *testing.F) {
	a := typical()
	a.Hidden = nil
	f.Add(Encode(a))
	f.Add(EncodeFailure("text"))
	f.Add([]byte(`{"v":1,"timing_us":[1,2,3,4,5,6],"body_base64":"/w=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := Decode(b); err == nil && !utf8.ValidString(d.URL+d.Error) {
			t.Errorf("%q decoded to text that is no UTF-8: %+v", b, d)
		}
		a := *a
		a.Result = &egress.Result{Status: 200, Body: b, Header: http.Header{"X-Answer": {string(b)}}}
		d, err := Decode(Encode(&a))
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if kept := b[:min(len(b), keptBytes)]; !bytes.Equal(d.ResponseBody, kept) || d.Truncated != (len(b) > keptBytes) {
			t.Errorf("%q came back as %q, truncated %v", b, d.ResponseBody, d.Truncated)
		}
	})
}

func BenchmarkEncodeDetail(b *testing.B) {
	a := typical()
	set, err := format.NewSet(format.Config{}) // it keeps the version
	if err != nil {
		b.Fatal(err)
	}
	a.Format, _ = set.Format("chatislav")
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = len(Encode(a))
	}
	b.ReportMetric(float64(size), "bytes")
}
