package signature_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/waybell/waybell/internal/nodetest"
	"github.com/waybell/waybell/signature"
)

// judgedBodies are bodies of every kind that the judges can take as text.
func judgedBodies() []string {
	return []string{
		leadBody,
		`{"type":"conversation.summary","summary":"漢字 😀 é \u0000"}`,
		"{\n  \"a\" : 1.0\n}\r\n",
		`{"long":"` + strings.Repeat("0123456789", 10_000) + `"}`,
	}
}

func signedRequest(t *testing.T, scheme signature.Scheme, body string, secrets ...string) http.Header {
	t.Helper()
	signer, err := signature.NewSigner(scheme, parseAll(t, secrets...)...)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	signer.SetHeaders(h, signature.Message{ID: vectorID, Timestamp: time.Now(), Body: []byte(body)})
	return h
}

func TestGoLibrariesVerify(t *testing.T) {
	t.Parallel()
	type judge interface {
		Verify(payload []byte, headers http.Header) error
	}
	secret := signature.GenerateSecret().Reveal()
	judges := map[string]struct {
		secret string
		judge  func() (judge, error)
	}{
		"standard-webhooks":     {secret, func() (judge, error) { return standardwebhooks.NewWebhook(secret) }},
		"standard-webhooks raw": {plainText, func() (judge, error) { return standardwebhooks.NewWebhookRaw([]byte(plainText)) }},
		"svix":                  {secret, func() (judge, error) { return svix.NewWebhook(secret) }},
		"svix raw":              {plainText, func() (judge, error) { return svix.NewWebhookRaw([]byte(plainText)) }},
	}
	for name, j := range judges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge, err := j.judge()
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range append(judgedBodies(), "", "\xff\x00") {
				for _, secrets := range [][]string{{j.secret}, {j.secret, whsec("other")}, {whsec("other"), j.secret}} {
					h := signedRequest(t, signature.Standard(), body, secrets...)
					if err := judge.Verify([]byte(body), h); err != nil {
						t.Errorf("refused: %v (%.40q)", err, body)
					}
					if judge.Verify([]byte(body+" "), h) == nil {
						t.Errorf("accepted another body (%.40q)", body)
					}
				}
				if judge.Verify([]byte(body), signedRequest(t, signature.Standard(), body, whsec("other"))) == nil {
					t.Errorf("accepted another secret (%.40q)", body)
				}
			}
		})
	}
}

// TestGoLibrarySigns turns the judge round: we verify what the official
// library signs.
func TestGoLibrarySigns(t *testing.T) {
	t.Parallel()
	secret := signature.GenerateSecret()
	official, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(signature.Standard(), secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, body := range judgedBodies() {
		value, err := official.Sign(vectorID, now, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		h.Set("webhook-id", vectorID)
		h.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
		h.Set("webhook-signature", value)
		if err := verifier.Verify(h, []byte(body), now); err != nil {
			t.Errorf("refused: %v (%.40q)", err, body)
		}
	}
}

// nodeJudges reads [{judge, secret, body, headers}] and answers [accepted].
const nodeJudges = `
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";
import { verify as octokit } from "@octokit/webhooks-methods";
import { createHmac, createPublicKey, timingSafeEqual, verify as verifyKey } from "node:crypto";
import { readFileSync } from "node:fs";

const thrown = (f) => { try { f(); return false; } catch { return true; } };
const judges = {
  standardwebhooks: (c) => !thrown(() => new Standard(c.secret).verify(c.body, c.headers)),
  "standardwebhooks raw": (c) => !thrown(() => new Standard(Buffer.from(c.secret), { format: "raw" }).verify(c.body, c.headers)),
  svix: (c) => !thrown(() => new Svix(c.secret).verify(c.body, c.headers)),
  octokit: (c) => octokit(c.secret, c.body, c.headers["x-chatzuri-signature"]),
  chatislav: (c) => {
    const want = Buffer.from(createHmac("sha256", c.secret).update(c.body).digest("hex"));
    const got = Buffer.from(c.headers["x-chatislav-signature"]);
    return got.length === want.length && timingSafeEqual(got, want);
  },
  ed25519: (c) => {
    const x = Buffer.from(c.secret.slice("whpk_".length), "base64").toString("base64url");
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const content = Buffer.from(c.headers["webhook-id"] + "." + c.headers["webhook-timestamp"] + "." + c.body);
    return c.headers["webhook-signature"].split(" ").some((entry) =>
      entry.startsWith("v1a,") && verifyKey(null, content, key, Buffer.from(entry.slice(4), "base64")));
  },
};
const answers = [];
for (const c of JSON.parse(readFileSync(0, "utf8"))) answers.push(await judges[c.judge](c));
process.stdout.write(JSON.stringify(answers));
`

func TestNodeLibrariesVerify(t *testing.T) {
	t.Parallel()
	type nodeCase struct {
		Judge   string            `json:"judge"`
		Secret  string            `json:"secret"`
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
		want    bool
		what    string
	}
	var cases []nodeCase
	for _, j := range []struct {
		judge         string
		scheme        signature.Scheme
		signs         string
		verifies, bad string
	}{
		{"standardwebhooks", signature.Standard(), whsec("one"), whsec("one"), whsec("two")},
		{"standardwebhooks raw", signature.Standard(), plainText, plainText, "another secret"},
		{"svix", signature.Standard(), whsec("one"), whsec("one"), whsec("two")},
		{"octokit", signature.Chatzuri(), plainText, plainText, "another secret"},
		{"octokit", signature.Chatzuri(), whsec("one"), whsec("one"), whsec("two")},
		{"chatislav", signature.Chatislav(), plainText, plainText, "another secret"},
		{"chatislav", signature.Chatislav(), whsec("one"), whsec("one"), whsec("two")},
		{"ed25519", signature.Ed25519(), whsk("one"), whpk("one"), whpk("two")},
	} {
		bodies := judgedBodies()
		if j.judge == "chatislav" || j.judge == "ed25519" {
			bodies = append(bodies, "") // the libraries want a JSON text or any text at all
		}
		for _, body := range bodies {
			lists := [][]string{{j.signs}}
			if j.scheme.List {
				other := whsec("three")
				if j.judge == "ed25519" {
					other = whsk("three")
				}
				lists = append(lists, []string{j.signs, other}, []string{other, j.signs})
			}
			for _, secrets := range lists {
				headers := map[string]string{}
				for name, values := range signedRequest(t, j.scheme, body, secrets...) {
					headers[strings.ToLower(name)] = values[0]
				}
				cases = append(cases,
					nodeCase{j.judge, j.verifies, body, headers, true, "the request"},
					nodeCase{j.judge, j.verifies, body + " ", headers, false, "another body"},
					nodeCase{j.judge, j.bad, body, headers, false, "another secret"})
			}
		}
	}
	stdin, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	var answers []bool
	if err := json.Unmarshal(nodetest.Run(t, nodeJudges, stdin), &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(cases) {
		t.Fatalf("%d answers to %d cases", len(answers), len(cases))
	}
	for i, c := range cases {
		if answers[i] != c.want {
			t.Errorf("%s accepts %s: %v, want %v (%.40q)", c.Judge, c.what, answers[i], c.want, c.Body)
		}
	}
}

// nodeVectors verifies the accepted vectors from the file's description alone,
// which proves that another language needs nothing else.
const nodeVectors = `
import { createHmac, createPrivateKey, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const file = JSON.parse(readFileSync(0, "utf8"));
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex"); // RFC 8410, before a seed
function publicKey(secret) {
  const raw = Buffer.from(secret.slice(5), "base64");
  if (secret.startsWith("whpk_")) {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  }
  return createPublicKey(createPrivateKey({ key: Buffer.concat([pkcs8, raw.subarray(0, 32)]), format: "der", type: "pkcs8" }));
}
const wrong = [];
let count = 0;
for (const v of file.vectors.filter((v) => v.error === "")) {
  const s = file.schemes[v.scheme];
  const headers = Object.fromEntries(Object.entries(v.headers).map(([k, x]) => [k.toLowerCase(), x]));
  const body = v.body_base64 ? Buffer.from(v.body_base64, "base64") : Buffer.from(v.body);
  const head = s.signed_content === "body" ? "" : headers["webhook-id"] + "." + headers["webhook-timestamp"] + ".";
  const content = Buffer.concat([Buffer.from(head), body]);
  const value = headers[s.header.toLowerCase()];
  const prefix = s.prefix ?? "";
  const entries = (s.list ? value.split(" ") : [value]).filter((e) => e.startsWith(prefix)).map((e) => e.slice(prefix.length));
  const accepted = v.secrets.some((secret) => {
    if (s.algorithm === "ed25519") {
      return entries.some((e) => verify(null, content, publicKey(secret), Buffer.from(e, s.encoding)));
    }
    const key = s.key_derivation === "whsec" && secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
    return entries.includes(createHmac(s.algorithm.slice(5), key).update(content).digest(s.encoding));
  });
  count++;
  if (!accepted) wrong.push(v.name);
}
process.stdout.write(JSON.stringify({ count, wrong }));
`

func TestNodeAcceptsVectors(t *testing.T) {
	t.Parallel()
	file := loadVectors(t)
	stdin, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Count int
		Wrong []string
	}
	if err := json.Unmarshal(nodetest.Run(t, nodeVectors, stdin), &answer); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, v := range file.Vectors {
		if v.Error == "" {
			accepted++
		}
	}
	if answer.Count != accepted || accepted == 0 {
		t.Errorf("node looked at %d vectors of %d", answer.Count, accepted)
	}
	for _, name := range answer.Wrong {
		t.Errorf("node refuses %q", name)
	}
}
