package verify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

// A verifyCase is a request and whether an example must accept it.
type verifyCase struct {
	name      string
	secret    string
	headers   []header
	body      []byte
	now       int64 // unix seconds
	want      bool
	badSecret bool // it cannot be read
}

type header struct{ name, value string }

// vector is what is needed of signature/testdata/vectors.json.
type vector struct {
	Name       string            `json:"name"`
	Scheme     string            `json:"scheme"`
	Secrets    []string          `json:"secrets"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
	BodyBase64 string            `json:"body_base64"`
	Now        int64             `json:"now"`
	Tolerance  int64             `json:"tolerance_seconds"`
}

// beyond are the vectors that the examples do not follow: a receiver's server
// bounds the length of headers, so the examples need not count entries.
func beyond() []string { return []string{"standard: 33 entries"} }

// buildCases makes the cases of a format: its vectors, for each of their
// secrets alone, and what vectors do not hold.
func buildCases(t *testing.T, format string) []verifyCase {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "signature", "testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	scheme, _ := signature.Builtin(format)
	var cases []verifyCase
	for _, v := range file.Vectors {
		if v.Scheme != format || v.Tolerance != 300 || slices.Contains(beyond(), v.Name) {
			continue
		}
		for i, secret := range v.Secrets {
			cases = append(cases, v.judged(t, scheme, fmt.Sprintf("%s, secret %d", v.Name, i+1), secret))
		}
	}
	cases = append(cases, ownCases(format)...)
	accepted := 0
	for _, c := range cases {
		if c.want {
			accepted++
		}
	}
	if accepted < 5 || len(cases)-accepted < 10 {
		t.Fatalf("%d of %d cases are to be accepted: too few of a kind", accepted, len(cases))
	}
	return cases
}

// judged asks the package signature what it says with this one secret.
func (v vector) judged(t *testing.T, scheme signature.Scheme, name, text string) verifyCase {
	t.Helper()
	body := []byte(v.Body)
	if v.BodyBase64 != "" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(v.BodyBase64); err != nil {
			t.Fatal(err)
		}
	}
	secret, err := signature.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(scheme, secret)
	if err != nil {
		t.Fatal(err)
	}
	c := verifyCase{name: name, secret: text, body: body, now: v.Now}
	h := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(v.Headers)) {
		h.Set(name, v.Headers[name])
		// A server strips white space around a value before anybody sees it.
		c.headers = append(c.headers, header{name, strings.TrimSpace(v.Headers[name])})
	}
	c.want = verifier.Verify(h, body, time.Unix(v.Now, 0)) == nil
	if !c.want && len(v.Headers) > 0 && v.Headers["webhook-timestamp"] != strings.TrimSpace(v.Headers["webhook-timestamp"]) {
		trimmed := h.Clone()
		trimmed.Set("webhook-timestamp", strings.TrimSpace(v.Headers["webhook-timestamp"]))
		c.want = verifier.Verify(trimmed, body, time.Unix(v.Now, 0)) == nil
	}
	return c
}

const (
	caseSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	caseBody   = `{"name":"Šárka 漢 😀","price":1.50}`
	caseTime   = 1_777_192_214
)

// sign computes a signature header with the primitives alone.
func sign(format, secret, id, timestamp, body string) string {
	key := secret
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok && format == "standard" {
		raw, _ := base64.StdEncoding.DecodeString(encoded)
		key = string(raw)
	}
	mac := hmac.New(sha256.New, []byte(key))
	switch format {
	case "standard":
		mac.Write([]byte(id + "." + timestamp + "." + body))
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	case "chatzuri":
		mac.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(mac.Sum(nil))
	default:
		mac.Write([]byte(body))
		return hex.EncodeToString(mac.Sum(nil))
	}
}

// ownCases are those that need no vector: what servers do to names, and what a
// careless example would let through.
func ownCases(format string) []verifyCase {
	scheme, _ := signature.Builtin(format)
	at := fmt.Sprint(caseTime)
	good := sign(format, caseSecret, "evt_1", at, caseBody)
	request := func(name, value string, want bool) verifyCase {
		return verifyCase{name: name, secret: caseSecret, body: []byte(caseBody), now: caseTime, want: want, headers: []header{
			{"webhook-id", "evt_1"}, {"webhook-timestamp", at}, {scheme.Header, value},
		}}
	}
	renamed := func(name string, rename func(string) string) verifyCase {
		c := request(name, good, true)
		for i := range c.headers {
			c.headers[i].name = rename(c.headers[i].name)
		}
		return c
	}
	changed := func(name string, change func(*verifyCase)) verifyCase {
		c := request(name, good, false)
		change(&c)
		return c
	}
	empty := request("empty body", sign(format, caseSecret, "evt_1", at, ""), true)
	empty.body = nil
	cases := []verifyCase{
		request("good, body in several scripts", good, true),
		empty,
		renamed("header names in upper case", strings.ToUpper),
		renamed("header names in lower case", strings.ToLower),
		renamed("header names in odd case", oddCase),
		changed("wrong secret", func(c *verifyCase) { c.secret = "whsec_" + strings.Repeat("A", 32) }),
		changed("changed body", func(c *verifyCase) { c.body = append(slices.Clone(c.body), ' ') }),
		changed("no headers at all", func(c *verifyCase) { c.headers = nil }),
		changed("no signature header", func(c *verifyCase) { c.headers = c.headers[:2] }),
		changed("empty secret", func(c *verifyCase) {
			c.secret, c.badSecret = "", true
			c.headers[2].value = sign(format, "", "evt_1", at, caseBody)
		}),
		request("empty signature", "", false),
		request("one character changed", good[:len(good)-2]+"!"+good[len(good)-1:], false),
		request("cut short", good[:len(good)/2], false),
		request("one character more", good+"=", false),
		request("letters beyond ASCII", "v1,\xe9\xff"+good, false),
		request("object's own name", "constructor", false),
	}
	if format == "standard" {
		cases = append(cases, standardCases(request, good)...)
	}
	return cases
}

func standardCases(request func(string, string, bool) verifyCase, good string) []verifyCase {
	at := fmt.Sprint(caseTime)
	other := sign("standard", "whsec_"+strings.Repeat("A", 32), "evt_1", at, caseBody)
	moved := func(name string, by int64, want bool) verifyCase {
		c := request(name, good, want)
		c.now += by
		return c
	}
	with := func(name string, i int, value, signature string) verifyCase {
		c := request(name, signature, false)
		c.headers[i].value = value
		return c
	}
	undecoded := request("whsec_ with nothing after it", sign("standard", "", "evt_1", at, caseBody), false)
	undecoded.secret, undecoded.badSecret = "whsec_", true
	return []verifyCase{
		request("new signature first", other+" "+good, true),
		request("new signature last", good+" "+other, true),
		request("among versions to come", "v1a,"+strings.Repeat("A", 86)+"== v2,x "+good, true),
		request("only of another version", "v1a"+good[2:]+" v2"+good[2:], false),
		request("only another secret's", other+" "+other, false),
		moved("five minutes old", 300, true),
		moved("older", 301, false),
		moved("five minutes ahead", -300, true),
		moved("further ahead", -301, false),
		with("timestamp of another request", 1, fmt.Sprint(caseTime+1), good),
		with("timestamp in words", 1, "now", sign("standard", caseSecret, "evt_1", "now", caseBody)),
		with("empty timestamp", 1, "", sign("standard", caseSecret, "evt_1", "", caseBody)),
		with("huge timestamp", 1, strings.Repeat("9", 400), sign("standard", caseSecret, "evt_1", strings.Repeat("9", 400), caseBody)),
		with("not a number", 1, "NaN", sign("standard", caseSecret, "evt_1", "NaN", caseBody)),
		with("empty id", 0, "", sign("standard", caseSecret, "", at, caseBody)),
		with("another id", 0, "evt_2", good),
		undecoded,
	}
}

// oddCase writes every second letter in upper case.
func oddCase(name string) string {
	b := []byte(strings.ToLower(name))
	for i := 1; i < len(b); i += 2 {
		b[i] = strings.ToUpper(string(b[i]))[0]
	}
	return string(b)
}
