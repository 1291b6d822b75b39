package signature_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/nodetest"
	"github.com/waybell/waybell/signature"
)

// awkwardBodies are JSON texts that a round trip through a parser changes.
func awkwardBodies() []string {
	return []string{
		leadBody,
		`{"b":1,"a":2,"10":3,"9":4,"-1":5,"01":6,"4294967294":7,"4294967295":8,"4294967296":9}`,
		`{"n":[1.0,-0,1e3,1E-7,0.000001,1e21,123456789012345680000,0.1e-6,5e-324,-1.50,100]}`,
		`{"s":"\u00e9\ud83d\ude00\u0000\u001f\u007f\b\f\n\r\t\/\\\"\u2028 <>&"}`,
		"{ \"a\" : [ ] , \"b\" : { } , \"c\" : [ [ 1 , null , true , false ] ] }\r\n",
		`"just a text"`, `[ ]`, ` 17.0 `,
	}
}

// explainSigned explains a chatislav request whose signature covers signed
// while its body is sent.
func explainSigned(t *testing.T, sent, signed string) signature.Diagnosis {
	t.Helper()
	h := http.Header{}
	h.Set("x-chatislav-signature", sha256Hex(plainText, signed))
	d, err := signature.Explain(signature.Evidence{
		Scheme: signature.Chatislav(), Secrets: parseAll(t, plainText), Header: h, Body: []byte(sent),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestExplainKnowsJavaScript has a real engine rewrite the bodies.
func TestExplainKnowsJavaScript(t *testing.T) {
	t.Parallel()
	const source = `
import { readFileSync } from "node:fs";
const rewrite = (body) => [undefined, 2, 4, "\t"].map((space) => JSON.stringify(JSON.parse(body), null, space));
process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(rewrite)));`
	bodies := awkwardBodies()
	stdin, err := json.Marshal(bodies)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten [][]string
	if err := json.Unmarshal(nodetest.Run(t, source, stdin), &rewritten); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i, body := range bodies {
		for _, signed := range rewritten[i] {
			if signed == body {
				continue
			}
			compared++
			if d := explainSigned(t, body, signed); d.Verdict != signature.VerdictReserialisedBody {
				t.Errorf("%s: %s rewritten as %s", d.Verdict, body, signed)
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d comparisons", compared)
	}
}

// TestExplainKnowsGo has encoding/json rewrite the bodies.
func TestExplainKnowsGo(t *testing.T) {
	t.Parallel()
	for _, body := range awkwardBodies() {
		for _, useNumber := range []bool{false, true} {
			for _, html := range []bool{false, true} {
				for _, indent := range []string{"", "  ", "\t"} {
					if strings.Contains(body, "-0,") && !useNumber {
						continue // encoding/json keeps the sign of a zero, which no spelling does
					}
					decoder := json.NewDecoder(strings.NewReader(body))
					if useNumber {
						decoder.UseNumber()
					}
					var value any
					if err := decoder.Decode(&value); err != nil {
						t.Fatal(err)
					}
					var signed bytes.Buffer
					encoder := json.NewEncoder(&signed)
					encoder.SetEscapeHTML(html)
					encoder.SetIndent("", indent)
					if err := encoder.Encode(value); err != nil {
						t.Fatal(err)
					}
					for _, text := range []string{signed.String(), strings.TrimSuffix(signed.String(), "\n")} {
						if d := explainSigned(t, body, text); text != body && d.Verdict != signature.VerdictReserialisedBody {
							t.Errorf("%s: %s rewritten as %s", d.Verdict, body, text)
						}
					}
				}
			}
		}
	}
}

// TestExplainRefusesAnotherBody: what says something else is not the same body
// written differently.
func TestExplainRefusesAnotherBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sent, signed string }{
		{`{"a":1,"b":2}`, `{"a":1}`},
		{`{"a":[1,2]}`, `{"a":[2,1]}`},
		{`{"a":"x"}`, `{"a":"X"}`},
		{`{"a":1}`, `{"a":"1"}`},
		{`{"a":1.0}`, `{"a":1.1}`},
		{`{"a":1}{}`, `{"a": 1}{}`},
		{`not JSON`, `not  JSON`},
	} {
		if d := explainSigned(t, c.sent, c.signed); d.Verdict != signature.VerdictWrongSecret {
			t.Errorf("%s signed as %s: %s", c.sent, c.signed, d.Verdict)
		}
	}
}

func TestExplainDetail(t *testing.T) {
	t.Parallel()
	content := full(vectorID, vectorTime, leadBody)
	for _, c := range []struct {
		vector vector
		detail []string
	}{
		{std("compact", "v1,"+sha256Base64(string(keyBytes("one")), full(vectorID, vectorTime, `{"b":1,"a":2}`)), "{ \"b\": 1, \"a\": 2 }"), []string{"compact", "keys in order"}},
		{std("delivery", "v1,"+sha256Base64(string(keyBytes("one")), full("dlv_7", vectorTime, leadBody)), leadBody).with("X-Waybell-Delivery", "dlv_7"), []string{`"dlv_7"`}},
		{std("whole secret", "v1,"+sha256Base64(whsec("one"), content), leadBody), []string{"whole secret"}},
		{std("no id", "v1,x", leadBody).without("webhook-id"), []string{"webhook-id"}},
		{std("time", "v1,x", leadBody).with("webhook-timestamp", "noon"), []string{"webhook-timestamp"}},
		{std("another format", "", leadBody).without("webhook-signature").with("x-chatislav-signature", "x"), []string{"webhook-signature", "x-chatislav-signature"}},
	} {
		d, err := signature.Explain(c.vector.evidence(t, map[string]signature.Scheme{"standard": signature.Standard()}))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.detail {
			if !strings.Contains(d.Detail, want) {
				t.Errorf("%s: %q does not mention %q", c.vector.Name, d.Detail, want)
			}
		}
		if strings.Contains(d.Detail, whsec("one")) {
			t.Errorf("%s: the detail holds the secret", c.vector.Name)
		}
	}
}

func TestExplainTakesOtherIDs(t *testing.T) {
	t.Parallel()
	e := std("", "v1,"+sha256Base64(string(keyBytes("one")), full("msg_9", vectorTime, leadBody)), leadBody).
		evidence(t, map[string]signature.Scheme{"standard": signature.Standard()})
	for _, c := range []struct {
		others []string
		want   signature.Verdict
	}{{nil, signature.VerdictWrongSecret}, {[]string{"msg_8", "msg_9"}, signature.VerdictWrongID}} {
		e.OtherIDs = c.others
		if d, err := signature.Explain(e); err != nil || d.Verdict != c.want {
			t.Errorf("with %v: %s, %v", c.others, d.Verdict, err)
		}
	}
}

// TestExplainOldSecretsOfAnotherKind: an endpoint that moved from HMAC to
// Ed25519 still has its old secrets.
func TestExplainOldSecretsOfAnotherKind(t *testing.T) {
	t.Parallel()
	h := signedRequest(t, signature.Ed25519(), leadBody, whsk("one"))
	d, err := signature.Explain(signature.Evidence{
		Scheme: signature.Ed25519(), Secrets: parseAll(t, whsk("two")), OldSecrets: parseAll(t, whsec("one"), whsk("one")),
		Header: h, Body: []byte(leadBody), Now: time.Now(), Tolerance: signature.DefaultTolerance,
	})
	if err != nil || d.Verdict != signature.VerdictOldSecret {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestExplainIsBounded: large, deep and odd bodies end, and end with an answer.
func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"3 MiB":        `{"a":"` + strings.Repeat("x", 3<<20) + `"}`,
		"deep":         strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"many keys":    "{" + strings.Repeat(`"k":1,`, 1000) + `"k":1}`,
		"broken UTF-8": "{\"a\":\"\xff\"}",
		"huge number":  `{"a":1e999999999}`,
	} {
		if d := explainSigned(t, body, body+"\n"); d.Verdict != signature.VerdictReserialisedBody {
			t.Errorf("%s with a line feed: %s", name, d.Verdict)
		}
		if d := explainSigned(t, body, "x"); d.Verdict != signature.VerdictWrongSecret || !slices.Equal(d.Also, nil) {
			t.Errorf("%s: %s", name, d.Verdict)
		}
	}
}
