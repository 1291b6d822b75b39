package signature_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"strings"

	"github.com/waybell/waybell/signature"
)

// The vectors are computed here with the primitives alone, so that they judge
// the package and do not repeat it.

const (
	vectorID   = "evt_01hzy3v7x1e8tq"
	vectorTime = 1_777_192_214 // 2026-04-26T08:30:14Z
	plainText  = "a plain secret with ünïcode"
	plainB64   = "cGxhaW4gc2VjcmV0IGluIGJhc2U2NCE="
	plainHex   = "6b65792d6b65792d6b65792d6b65792d"
	leadBody   = `{"event":"lead.submit","timestamp":"2026-04-26T08:30:14Z","agent_id":"agt_abc123","data":{"name":"Šárka <s@acme.com>","url":"https://acme.com/a?b=1&c=2","score":1.50,"tags":[],"10":"x","9":"y"}}`
	eventBody  = `{"id":"evt_in_the_body","type":"lead.submit","data":{"name":"Sarah","email":"sarah@acme.com"}}`
)

func keyBytes(seed string) []byte { sum := sha256.Sum256([]byte(seed)); return sum[:] }

func whsec(seed string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(keyBytes(seed))
}

func whsk(seed string) string { return "whsk_" + base64.StdEncoding.EncodeToString(keyBytes(seed)) }

func edKey(seed string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(keyBytes(seed)) }

func whpk(seed string) string {
	return "whpk_" + base64.StdEncoding.EncodeToString(edKey(seed).Public().(ed25519.PublicKey))
}

func digest(h func() hash.Hash, key, content string) []byte {
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(content))
	return mac.Sum(nil)
}

func sha256Hex(key, content string) string {
	return hex.EncodeToString(digest(sha256.New, key, content))
}

func sha256Base64(key, content string) string {
	return base64.StdEncoding.EncodeToString(digest(sha256.New, key, content))
}

func full(id string, timestamp any, body string) string {
	return fmt.Sprintf("%s.%d.%s", id, timestamp, body)
}

func customSchemes() map[string]signature.Scheme {
	return map[string]signature.Scheme{
		"acme": {
			Header: "X-Acme-Signature", Algorithm: signature.HMACSHA512, KeyDerivation: signature.KeyUTF8,
			Encoding: signature.Base64, SignedContent: signature.ContentBody,
		},
		"globex": {
			Header: "x-globex-hmac", Algorithm: signature.HMACSHA384, KeyDerivation: signature.KeyWhsec,
			Encoding: signature.Hex, Prefix: "sha384:", SignedContent: signature.ContentIDTimestampBody, List: true,
		},
	}
}

func buildVectors() vectorFile {
	file := vectorFile{Format: 1, Schemes: customSchemes(), Verdicts: map[signature.Verdict]verdictTexts{}}
	for _, name := range signature.BuiltinNames() {
		file.Schemes[name], _ = signature.Builtin(name)
	}
	for _, v := range signature.Verdicts() {
		file.Verdicts[v] = verdictTexts{v.Explanation(), v.Fix()}
	}
	file.Secrets = secretVectors()
	b := &builder{}
	b.standard()
	b.standardTimes()
	b.standardMistakes()
	b.standardForms()
	b.ed25519()
	b.chatzuri()
	b.chatzuriMistakes()
	b.rewritten()
	b.chatislav()
	b.custom()
	file.Vectors = b.vectors
	return file
}

type builder struct{ vectors []vector }

func (b *builder) add(v vector) {
	if v.Verdict == "" {
		v.Verdict = signature.VerdictOK
	}
	b.vectors = append(b.vectors, v)
}

// std is a vector of the standard scheme whose header is the given one.
func std(name, header, body string) vector {
	return vector{
		Name: "standard: " + name, Scheme: "standard", Secrets: []string{whsec("one")}, Body: body,
		Headers: map[string]string{"webhook-id": vectorID, "webhook-timestamp": fmt.Sprint(vectorTime), "webhook-signature": header},
		Now:     vectorTime + 3, Tolerance: 300,
	}
}

func (v vector) with(name, value string) vector {
	v.Headers = maps.Clone(v.Headers)
	v.Headers[name] = value
	return v
}

func (v vector) without(name string) vector {
	v.Headers = maps.Clone(v.Headers)
	delete(v.Headers, name)
	return v
}

func (v vector) secrets(texts ...string) vector { v.Secrets = texts; return v }
func (v vector) old(texts ...string) vector     { v.OldSecrets = texts; return v }
func (v vector) signs() vector                  { v.Sign = true; return v }
func (v vector) fails(err string, verdict signature.Verdict, also ...signature.Verdict) vector {
	v.Error, v.Verdict, v.Also = err, verdict, also
	return v
}

func (b *builder) standard() {
	one, two := string(keyBytes("one")), string(keyBytes("two"))
	content := full(vectorID, vectorTime, leadBody)
	good := "v1," + sha256Base64(one, content)
	other := "v1," + sha256Base64(two, content)
	b.add(std("one secret", good, leadBody).signs())
	b.add(std("two secrets, new first", good+" "+other, leadBody).secrets(whsec("one"), whsec("two")).signs())
	b.add(std("receiver still has the old one of two", good+" "+other, leadBody).secrets(whsec("two")))
	b.add(std("receiver accepts two, one signed", other, leadBody).secrets(whsec("one"), whsec("two")))
	b.add(std("list with versions it does not know", "v1a,"+strings.Repeat("A", 86)+"== v2,abc "+good+" v1,short", leadBody))
	b.add(std("several spaces between entries", other+"   "+good, leadBody))
	b.add(std("empty body", "v1,"+sha256Base64(one, full(vectorID, vectorTime, "")), "").signs())
	b.add(std("body with every kind of character", "v1,"+sha256Base64(one, full(vectorID, vectorTime, "{\"a\":\"é漢😀\u2028 \\u00e9\\n\"}\r\n")), "{\"a\":\"é漢😀\u2028 \\u00e9\\n\"}\r\n").signs())
	binary := std("body that is not UTF-8", "v1,"+sha256Base64(one, full(vectorID, vectorTime, "\xff\x00\xfe{")), "")
	binary.BodyBase64 = base64.StdEncoding.EncodeToString([]byte("\xff\x00\xfe{"))
	b.add(binary.signs())
	b.add(std("secret without whsec_ is its UTF-8 bytes", "v1,"+sha256Base64(plainText, content), leadBody).secrets(plainText).signs())
	b.add(std("base64-looking secret without whsec_ is not decoded", "v1,"+sha256Base64(plainB64, content), leadBody).secrets(plainB64).signs())
}

func (b *builder) standardTimes() {
	one := string(keyBytes("one"))
	good := "v1," + sha256Base64(one, full(vectorID, vectorTime, leadBody))
	at := func(name string, now, tolerance int64) vector {
		v := std(name, good, leadBody)
		v.Now, v.Tolerance = now, tolerance
		return v
	}
	b.add(at("as old as the tolerance", vectorTime+300, 300))
	b.add(at("a second older than the tolerance", vectorTime+301, 300).fails("timestamp_too_old", signature.VerdictTimestampStale))
	b.add(at("as far ahead as the tolerance", vectorTime-300, 300))
	b.add(at("a second further ahead than the tolerance", vectorTime-301, 300).fails("timestamp_too_new", signature.VerdictTimestampFuture))
	b.add(at("a year old, tolerance off", vectorTime+31_536_000, 0))
	b.add(at("stale, and made with an old secret", vectorTime+900, 300).secrets(whsec("two")).old(whsec("one")).
		fails("timestamp_too_old", signature.VerdictOldSecret, signature.VerdictTimestampStale))
	b.add(at("stale, and nothing matches", vectorTime+900, 300).secrets(whsec("two")).
		fails("timestamp_too_old", signature.VerdictWrongSecret, signature.VerdictTimestampStale))
	ms := vectorTime*1000 + 250
	b.add(std("signed and sent in milliseconds", "v1,"+sha256Base64(one, full(vectorID, ms, leadBody)), leadBody).
		with("webhook-timestamp", fmt.Sprint(ms)).fails("timestamp_too_new", signature.VerdictTimestampMilliseconds))
	b.add(std("signed in seconds, sent in milliseconds", good, leadBody).
		with("webhook-timestamp", fmt.Sprint(ms)).fails("timestamp_too_new", signature.VerdictTimestampMilliseconds))
	b.add(std("signed in milliseconds, sent in seconds", "v1,"+sha256Base64(one, full(vectorID, vectorTime*1000, leadBody)), leadBody).
		fails("no_match", signature.VerdictTimestampMilliseconds))
	for _, text := range []string{"2026-04-26T08:30:14Z", "1777192214.5", "+1777192214", "01777192214", "-5", "99999999999999999999", " 1777192214"} {
		b.add(std("timestamp "+text, good, leadBody).with("webhook-timestamp", text).fails("malformed", signature.VerdictMalformed))
	}
	b.add(std("timestamp of another attempt", good, leadBody).with("webhook-timestamp", fmt.Sprint(vectorTime+1)).
		fails("no_match", signature.VerdictWrongSecret))
}

func (b *builder) standardMistakes() {
	one := string(keyBytes("one"))
	content := full(vectorID, vectorTime, leadBody)
	sign := func(key, content string) string { return "v1," + sha256Base64(key, content) }
	b.add(std("wrong secret", sign(string(keyBytes("two")), content), leadBody).fails("no_match", signature.VerdictWrongSecret))
	b.add(std("old secret", sign(string(keyBytes("two")), content), leadBody).old(whsec("three"), whsec("two")).fails("no_match", signature.VerdictOldSecret))
	b.add(std("old secret, not decoded", sign(whsec("two"), content), leadBody).old(whsec("two")).
		fails("no_match", signature.VerdictOldSecret, signature.VerdictSecretNotDecoded))
	b.add(std("whole whsec_ string as key", sign(whsec("one"), content), leadBody).fails("no_match", signature.VerdictSecretNotDecoded))
	b.add(std("text after whsec_ as key", sign(strings.TrimPrefix(whsec("one"), "whsec_"), content), leadBody).fails("no_match", signature.VerdictSecretNotDecoded))
	b.add(std("secret without whsec_ decoded from base64", sign("plain secret in base64!", content), leadBody).secrets(plainB64).
		fails("no_match", signature.VerdictSecretPrefixMissing))
	b.add(std("whsec_ left out", sign(one, content), leadBody).secrets(strings.TrimPrefix(whsec("one"), "whsec_")).
		fails("no_match", signature.VerdictSecretPrefixMissing))
	b.add(std("secret in quotes", sign(one, content), leadBody).secrets(`"`+whsec("one")+`"`).fails("no_match", signature.VerdictSecretQuoted))
	b.add(std("secret in quotes, whsec_ left out", sign(one, content), leadBody).secrets("'"+strings.TrimPrefix(whsec("one"), "whsec_")+"'").
		fails("no_match", signature.VerdictSecretQuoted, signature.VerdictSecretPrefixMissing))
	b.add(std("secret with a line feed", sign(plainText+"\n", content), leadBody).secrets(plainText).fails("no_match", signature.VerdictSecretWhitespace))
	b.add(std("only the body signed", sign(one, leadBody), leadBody).fails("no_match", signature.VerdictSignedBodyOnly))
	b.add(std("only the body signed, in hex, without prefix", sha256Hex(one, leadBody), leadBody).
		fails("malformed", signature.VerdictSignedBodyOnly, signature.VerdictMissingPrefix, signature.VerdictWrongEncoding))
	b.add(std("id of the delivery signed", sign(one, full("dlv_7", vectorTime, leadBody)), leadBody).with("X-Waybell-Delivery", "dlv_7").
		fails("no_match", signature.VerdictWrongID))
	b.add(std("id in the body signed", sign(one, full("evt_in_the_body", vectorTime, eventBody)), eventBody).fails("no_match", signature.VerdictWrongID))
	b.add(std("empty id signed", sign(one, full("", vectorTime, leadBody)), leadBody).fails("no_match", signature.VerdictWrongID))
	b.add(std("id with a full stop", sign(one, full("evt.1", vectorTime, leadBody)), leadBody).with("webhook-id", "evt.1").
		fails("malformed", signature.VerdictMalformed))
	b.add(std("tampered body", sign(one, content), strings.Replace(leadBody, "acme.com", "evil.com", 1)).fails("no_match", signature.VerdictWrongSecret))
	b.add(std("re-serialised, and only the body signed", sign(one, "{\n  \"a\": 1\n}"), `{"a":1}`).
		fails("no_match", signature.VerdictSignedBodyOnly, signature.VerdictReserialisedBody))
}

func (b *builder) standardForms() {
	one := string(keyBytes("one"))
	content := full(vectorID, vectorTime, leadBody)
	text := sha256Base64(one, content)
	good := "v1," + text
	url := strings.NewReplacer("+", "-", "/", "_").Replace(text)
	b.add(std("hex instead of base64", "v1,"+sha256Hex(one, content), leadBody).fails("malformed", signature.VerdictWrongEncoding))
	b.add(std("base64 of hex", "v1,"+base64.StdEncoding.EncodeToString([]byte(sha256Hex(one, content))), leadBody).fails("malformed", signature.VerdictWrongEncoding))
	b.add(std("base64 without padding", "v1,"+strings.TrimRight(text, "="), leadBody).fails("malformed", signature.VerdictWrongEncoding))
	b.add(std("base64 of the URL alphabet", "v1,"+url, leadBody).fails("malformed", signature.VerdictWrongEncoding))
	b.add(std("no prefix", text, leadBody).fails("malformed", signature.VerdictMissingPrefix))
	b.add(std("another version's prefix", "v2,"+text, leadBody).fails("malformed", signature.VerdictMissingPrefix))
	b.add(std("sha256= as prefix, hex", "sha256="+sha256Hex(one, content), leadBody).
		fails("malformed", signature.VerdictMissingPrefix, signature.VerdictWrongEncoding))
	b.add(std("prefix twice", "v1,v1,"+text, leadBody).fails("malformed", signature.VerdictUnexpectedPrefix))
	b.add(std("quoted", `"`+good+`"`, leadBody).fails("malformed", signature.VerdictMalformed))
	b.add(std("cut short", good[:len(good)-4], leadBody).fails("malformed", signature.VerdictMalformed))
	b.add(std("prefix alone", "v1,", leadBody).fails("malformed", signature.VerdictMalformed))
	b.add(std("33 entries", strings.Repeat(good+" ", 32)+good, leadBody).fails("malformed", signature.VerdictMalformed))
	b.add(std("no signature header", good, leadBody).without("webhook-signature").fails("missing_header", signature.VerdictMissingHeader))
	b.add(std("empty signature header", "", leadBody).fails("missing_header", signature.VerdictMissingHeader))
	b.add(std("no id", good, leadBody).without("webhook-id").fails("missing_header", signature.VerdictMissingHeader))
	b.add(std("no timestamp", good, leadBody).without("webhook-timestamp").fails("missing_header", signature.VerdictMissingHeader))
}

func (b *builder) ed25519() {
	sign := func(seed, content string) string {
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(edKey(seed), []byte(content)))
	}
	vec := func(name, header string, keys ...string) vector {
		v := std(name, header, leadBody).secrets(keys...)
		v.Name, v.Scheme = "ed25519: "+name, "ed25519"
		return v
	}
	content := full(vectorID, vectorTime, leadBody)
	good := sign("one", content)
	long := "whsk_" + base64.StdEncoding.EncodeToString(edKey("one"))
	b.add(vec("verified with the public key", good, whpk("one")))
	b.add(vec("signed with the seed", good, whsk("one")).signs())
	b.add(vec("signed with the 64-byte private key", good, long).signs())
	b.add(vec("two keys, new first", good+" "+sign("two", content), whsk("one"), whsk("two")).signs())
	b.add(vec("second of two public keys", good, whpk("two"), whpk("one")))
	b.add(vec("beside a v1 signature", "v1,"+sha256Base64("x", content)+" "+good, whpk("one")))
	b.add(vec("wrong key", good, whpk("two")).fails("no_match", signature.VerdictWrongSecret))
	b.add(vec("old key", good, whpk("two")).old(whpk("one")).fails("no_match", signature.VerdictOldSecret))
	b.add(vec("only the body signed", sign("one", leadBody), whpk("one")).fails("no_match", signature.VerdictSignedBodyOnly))
	b.add(vec("re-serialised body", sign("one", full(vectorID, vectorTime, leadBody+"\n")), whpk("one")).fails("no_match", signature.VerdictReserialisedBody))
	b.add(vec("no prefix", strings.TrimPrefix(good, "v1a,"), whpk("one")).fails("malformed", signature.VerdictMissingPrefix))
	b.add(vec("only a v1 signature", "v1,"+sha256Base64("x", content), whpk("one")).fails("malformed", signature.VerdictMalformed))
	stale := vec("stale", good, whpk("one")).fails("timestamp_too_old", signature.VerdictTimestampStale)
	stale.Now += 3600
	b.add(stale)
}

// zuri is a vector of the chatzuri scheme whose header is the given one.
func zuri(name, header, body string, secrets ...string) vector {
	return vector{
		Name: "chatzuri: " + name, Scheme: "chatzuri", Secrets: secrets, Body: body,
		Headers: map[string]string{"X-Chatzuri-Signature": header}, Now: vectorTime, Tolerance: 300,
	}
}

func (b *builder) chatzuri() {
	sign := func(key, body string) string { return "sha256=" + sha256Hex(key, body) }
	b.add(zuri("plain secret", sign(plainText, leadBody), leadBody, plainText).signs())
	b.add(zuri("whsec_ secret is used as a whole", sign(whsec("one"), leadBody), leadBody, whsec("one")).signs())
	b.add(zuri("two secrets, the newest signs alone", sign(plainText, leadBody), leadBody, plainText, plainB64).signs())
	b.add(zuri("receiver accepts two", sign(plainB64, leadBody), leadBody, plainText, plainB64))
	b.add(zuri("empty body", sign(plainText, ""), "", plainText).signs())
	b.add(zuri("body in several scripts", sign(plainText, "{\"a\":\"é漢😀\u2028\"}"), "{\"a\":\"é漢😀\u2028\"}", plainText).signs())
}

func (b *builder) chatzuriMistakes() {
	sign := func(key, body string) string { return "sha256=" + sha256Hex(key, body) }
	good := sign(plainText, leadBody)
	b.add(zuri("decoded whsec_ as key", sign(string(keyBytes("one")), leadBody), leadBody, whsec("one")).fails("no_match", signature.VerdictSecretDecoded))
	b.add(zuri("text after whsec_ as key", sign(strings.TrimPrefix(whsec("one"), "whsec_"), leadBody), leadBody, whsec("one")).fails("no_match", signature.VerdictSecretDecoded))
	b.add(zuri("whsec_ left out", sign(whsec("one"), leadBody), leadBody, strings.TrimPrefix(whsec("one"), "whsec_")).
		fails("no_match", signature.VerdictSecretPrefixMissing))
	b.add(zuri("secret in quotes", good, leadBody, `"`+plainText+`"`).fails("no_match", signature.VerdictSecretQuoted))
	b.add(zuri("hex secret decoded", sign("key-key-key-key-", leadBody), leadBody, plainHex).fails("no_match", signature.VerdictSecretDecoded))
	b.add(zuri("secret with CRLF", sign(plainText+"\r\n", leadBody), leadBody, plainText).fails("no_match", signature.VerdictSecretWhitespace))
	b.add(zuri("no prefix", strings.TrimPrefix(good, "sha256="), leadBody, plainText).fails("malformed", signature.VerdictMissingPrefix))
	b.add(zuri("prefix in upper case", "SHA256="+sha256Hex(plainText, leadBody), leadBody, plainText).fails("malformed", signature.VerdictMissingPrefix))
	b.add(zuri("upper-case hex", "sha256="+strings.ToUpper(sha256Hex(plainText, leadBody)), leadBody, plainText).fails("malformed", signature.VerdictUpperCaseHex))
	b.add(zuri("upper-case hex without prefix", strings.ToUpper(sha256Hex(plainText, leadBody)), leadBody, plainText).
		fails("malformed", signature.VerdictMissingPrefix, signature.VerdictUpperCaseHex))
	b.add(zuri("base64 instead of hex", "sha256="+sha256Base64(plainText, leadBody), leadBody, plainText).fails("malformed", signature.VerdictWrongEncoding))
	b.add(zuri("signed like standard", sign(plainText, full(vectorID, vectorTime, leadBody)), leadBody, plainText).
		with("webhook-id", vectorID).with("webhook-timestamp", fmt.Sprint(vectorTime)).fails("no_match", signature.VerdictSignedIDTimestampBody))
	b.add(zuri("old secret", sign(plainB64, leadBody), leadBody, plainText).old(plainB64).fails("no_match", signature.VerdictOldSecret))
	b.add(zuri("wrong secret", sign("another secret", leadBody), leadBody, plainText).fails("no_match", signature.VerdictWrongSecret))
	b.add(zuri("no header", "", leadBody, plainText).without("X-Chatzuri-Signature").with("webhook-signature", "v1,x").fails("missing_header", signature.VerdictMissingHeader))
	b.add(zuri("not a digest", "sha256=hello", leadBody, plainText).fails("malformed", signature.VerdictMalformed))
	b.add(zuri("a digit too many", good+"0", leadBody, plainText).fails("malformed", signature.VerdictMalformed))
	b.add(zuri("no list allowed", good+" "+good, leadBody, plainText).fails("malformed", signature.VerdictMalformed))
}

// rewritten holds what other languages make of a body: the signature covers
// the second text, the request carries the first.
func (b *builder) rewritten() {
	const sent = "{\"b\":\"é/😀 <&> 'q' \\\"\",\"a\":[1.0,2e3,{}],\"10\":null,\"9\":true}"
	for _, c := range []struct{ name, sent, signed string }{
		{"line feed at the end", sent, sent + "\n"},
		{"CRLF at the end", sent, sent + "\r\n"},
		{"line feed lost", sent + "\n", sent},
		{"CRLF became line feeds", "{\n\"a\": 1\n}", "{\r\n\"a\": 1\r\n}"},
		{"line feeds became CRLF", "{\r\n\"a\": 1\r\n}", "{\n\"a\": 1\n}"},
		{"byte order mark", sent, "\ufeff" + sent},
		{"stream already read", sent, ""},
		{"object turned into text", sent, "[object Object]"},
		{"encoded twice", `{"a":1}`, `"{\"a\":1}"`},
		{"pretty text sent, compact signed", "{\n  \"b\" : [ 1, 2 ],\n  \"a\" : \"é\"\n}\n", `{"b":[1,2],"a":"é"}`},
		{"JSON.stringify(JSON.parse(body))", sent, `{"9":true,"10":null,"b":"é/😀 <&> 'q' \"","a":[1,2000,{}]}`},
		{"JSON.stringify(value, null, 2)", sent, "{\n  \"9\": true,\n  \"10\": null,\n  \"b\": \"é/😀 <&> 'q' \\\"\",\n  \"a\": [\n    1,\n    2000,\n    {}\n  ]\n}"},
		{"Go json.Marshal of a map", sent, `{"10":null,"9":true,"a":[1,2000,{}],"b":"é/😀 \u003c\u0026\u003e 'q' \""}`},
		{"Go json.Encoder of a map", sent, `{"10":null,"9":true,"a":[1,2000,{}],"b":"é/😀 \u003c\u0026\u003e 'q' \""}` + "\n"},
		{"Python json.dumps", `{"b":"é/😀","a":[1.0,{}]}`, `{"b": "\u00e9/\ud83d\ude00", "a": [1.0, {}]}`},
		{"Python json.dumps, sorted and compact", `{"b":"é/😀","a":[1.0,{}]}`, `{"a":[1.0,{}],"b":"\u00e9/\ud83d\ude00"}`},
		{"PHP json_encode", `{"b":"é/😀","a":[1,{}]}`, `{"b":"\u00e9\/\ud83d\ude00","a":[1,{}]}`},
		{"PHP json_encode, unescaped Unicode", `{"b":"é/😀","a":[1,{}]}`, `{"b":"é\/😀","a":[1,{}]}`},
		{".NET System.Text.Json", `{"b":"é <'+\"😀"}`, `{"b":"\u00E9 \u003C\u0027\u002B\u0022\uD83D\uDE00"}`},
		{"Gson", `{"b":"a=b <'>"}`, `{"b":"a\u003db \u003c\u0027\u003e"}`},
	} {
		b.add(zuri("rewritten body: "+c.name, "sha256="+sha256Hex(plainText, c.signed), c.sent, plainText).
			fails("no_match", signature.VerdictReserialisedBody))
	}
	b.add(zuri("rewritten body and old secret", "sha256="+sha256Hex(plainB64, sent+"\n"), sent, plainText).old(plainB64).
		fails("no_match", signature.VerdictOldSecret, signature.VerdictReserialisedBody))
}

func (b *builder) chatislav() {
	vec := func(name, header string, secrets ...string) vector {
		v := zuri(name, "", leadBody, secrets...).without("X-Chatzuri-Signature").with("x-chatislav-signature", header)
		v.Name, v.Scheme = "chatislav: "+name, "chatislav"
		return v
	}
	good := sha256Hex(plainText, leadBody)
	b.add(vec("plain secret", good, plainText).signs())
	b.add(vec("whsec_ secret is used as a whole", sha256Hex(whsec("one"), leadBody), whsec("one")).signs())
	b.add(vec("sha256= before it", "sha256="+good, plainText).fails("malformed", signature.VerdictUnexpectedPrefix))
	b.add(vec("upper-case hex", strings.ToUpper(good), plainText).fails("malformed", signature.VerdictUpperCaseHex))
	b.add(vec("base64 instead of hex", sha256Base64(plainText, leadBody), plainText).fails("malformed", signature.VerdictWrongEncoding))
	b.add(vec("sha256= and base64", "sha256="+sha256Base64(plainText, leadBody), plainText).
		fails("malformed", signature.VerdictUnexpectedPrefix, signature.VerdictWrongEncoding))
	b.add(vec("decoded whsec_ as key", sha256Hex(string(keyBytes("one")), leadBody), whsec("one")).fails("no_match", signature.VerdictSecretDecoded))
	b.add(vec("re-serialised body", sha256Hex(plainText, leadBody+"\n"), plainText).fails("no_match", signature.VerdictReserialisedBody))
	b.add(vec("one digit changed", strings.Map(func(r rune) rune { return '0' + (r+1)%10 }, good), plainText).fails("no_match", signature.VerdictWrongSecret))
	b.add(vec("no header", "", plainText).without("x-chatislav-signature").fails("missing_header", signature.VerdictMissingHeader))
}

func (b *builder) custom() {
	acme := zuri("", "", leadBody, plainText).without("X-Chatzuri-Signature")
	acme.Scheme = "acme"
	raw := digest(sha512.New, plainText, leadBody)
	v := acme.with("X-Acme-Signature", base64.StdEncoding.EncodeToString(raw))
	v.Name = "custom: HMAC-SHA512 in base64"
	b.add(v.signs())
	v = acme.with("X-Acme-Signature", hex.EncodeToString(raw))
	v.Name = "custom: HMAC-SHA512 in hex instead of base64"
	b.add(v.fails("malformed", signature.VerdictWrongEncoding))
	content := full(vectorID, vectorTime, leadBody)
	one := "sha384:" + hex.EncodeToString(digest(sha512.New384, string(keyBytes("one")), content))
	two := "sha384:" + hex.EncodeToString(digest(sha512.New384, string(keyBytes("two")), content))
	v = std("", "", leadBody).secrets(whsec("one"), whsec("two")).without("webhook-signature").with("x-globex-hmac", one+" "+two)
	v.Name, v.Scheme = "custom: list of HMAC-SHA384 in hex", "globex"
	b.add(v.signs())
}

func secretVectors() []secretVector {
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	swapped := append(append([]byte{}, keyBytes("one")...), keyBytes("two")...)
	return []secretVector{
		{Name: "7 characters", Secret: "1234567"},
		{Name: "8 characters", Secret: "12345678", Valid: true, Weak: true},
		{Name: "8 characters of several bytes", Secret: "漢漢漢漢漢漢漢漢", Valid: true},
		{Name: "23 bytes", Secret: strings.Repeat("a", 23), Valid: true, Weak: true},
		{Name: "24 bytes", Secret: strings.Repeat("a", 24), Valid: true},
		{Name: "256 characters", Secret: strings.Repeat("é", 256), Valid: true},
		{Name: "257 characters", Secret: strings.Repeat("a", 257)},
		{Name: "blank at the end", Secret: "12345678 "},
		{Name: "blank at the beginning", Secret: " 12345678"},
		{Name: "blank inside", Secret: "1234 5678", Valid: true, Weak: true},
		{Name: "no-break space at the end", Secret: "12345678\u00a0"},
		{Name: "zero-width space at the beginning", Secret: "\u200b12345678"},
		{Name: "byte order mark at the beginning", Secret: "\ufeff12345678"},
		{Name: "line feed at the end", Secret: "12345678\n"},
		{Name: "tab inside", Secret: "1234\t5678"},
		{Name: "control character of Latin-1", Secret: "1234\u00855678"},
		{Name: "whsec_ of 32 bytes", Secret: whsec("one"), Valid: true},
		{Name: "whsec_ of 24 bytes", Secret: "whsec_" + b64(24), Valid: true},
		{Name: "whsec_ of 23 bytes", Secret: "whsec_" + b64(23), Valid: true, Weak: true},
		{Name: "whsec_ that does not decode", Secret: "whsec_not base64!"},
		{Name: "whsec_ without padding", Secret: strings.TrimRight(whsec("one"), "=")},
		{Name: "whsec_ of the URL alphabet", Secret: "whsec_--__--__"},
		{Name: "whsec_ with stray bits", Secret: "whsec_QUJDRB=="},
		{Name: "whsec_ with nothing but padding", Secret: "whsec_===="},
		{Name: "WHSEC_ is a plain secret", Secret: "WHSEC_12345678", Valid: true, Weak: true},
		{Name: "whsk_ of a seed", Secret: whsk("one"), Valid: true, PublicKey: whpk("one")},
		{Name: "whsk_ of a private key", Secret: "whsk_" + base64.StdEncoding.EncodeToString(edKey("one")), Valid: true, PublicKey: whpk("one")},
		{Name: "whsk_ whose halves differ", Secret: "whsk_" + base64.StdEncoding.EncodeToString(swapped)},
		{Name: "whsk_ of 31 bytes", Secret: "whsk_" + b64(31)},
		{Name: "whsk_ that does not decode", Secret: "whsk_12345678!"},
		{Name: "public key", Secret: whpk("one")},
	}
}
