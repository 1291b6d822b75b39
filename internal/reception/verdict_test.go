package reception

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

func mustSecret(t *testing.T, text string) signature.Secret {
	t.Helper()
	s, err := signature.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed are the headers of a request that the schemes sign.
func signed(t *testing.T, body string, at time.Time, schemes []signature.Scheme, secrets ...signature.Secret) http.Header {
	t.Helper()
	h := http.Header{}
	h.Set(signature.HeaderID, "evt_1")
	h.Set(signature.HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	for _, scheme := range schemes {
		signer, err := signature.NewSigner(scheme, secrets...)
		if err != nil {
			t.Fatal(err)
		}
		h.Set(scheme.Header, string(signer.Append(nil, signature.Message{ID: "evt_1", Timestamp: at, Body: []byte(body)})))
	}
	return h
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const body = `{"event":"lead.submit","n":1}`
	now := time.Unix(1_777_192_214, 0)
	present, old, other := mustSecret(t, "whsec_bmV3LXNlY3JldC1vZi0zMi1ieXRlcy0wMTIzNDU2Nzg="), mustSecret(t, "whsec_b2xkLXNlY3JldC1vZi0zMi1ieXRlcy0wMTIzNDU2Nzg="), mustSecret(t, "another secret text")
	key := mustSecret(t, "whsk_V2F5YmVsbCdzIHB1YmxpYyBleGFtcGxlIHNlY3JldCE=")
	std, ed, chat := signature.Standard(), signature.Ed25519(), signature.Chatzuri()
	own := signature.Chatislav()
	own.Header = "X-Acme-Signature"
	standard := Sender{"standard", []signature.Scheme{std, ed}, []signature.Secret{present}}
	rotating := Sender{"standard", []signature.Scheme{std, ed}, []signature.Secret{present, old}}
	chatzuri := Sender{"chatzuri", []signature.Scheme{chat, std}, []signature.Secret{present}}
	acme := Sender{"acme", []signature.Scheme{own}, []signature.Secret{other}}
	unsigned := Sender{"standard", []signature.Scheme{std, ed}, nil}
	edKey := Sender{"standard", []signature.Scheme{std, ed}, []signature.Secret{key}}
	mixed := Sender{"standard", []signature.Scheme{std, ed}, []signature.Secret{key, present}}
	one := func(s ...signature.Scheme) []signature.Scheme { return s }
	for name, tt := range map[string]struct {
		header  http.Header
		senders []Sender
		status  Status
		at      string // header
		scheme  string
		text    string
	}{
		"nobody":                 {signed(t, body, now, one(std), present), nil, Unknown, "", "", "No webhook"},
		"no secret, unsigned":    {http.Header{}, []Sender{unsigned}, Unsigned, "", "", "not signed"},
		"no secret, signed":      {signed(t, body, now, one(std), present), []Sender{unsigned}, Unknown, "webhook-signature", "", "no webhook that leads here has a secret"},
		"standard":               {signed(t, body, now, one(std), present), []Sender{standard}, Verified, "webhook-signature", "standard", "valid."},
		"two in one header":      {signed(t, body, now, one(std), present, old), []Sender{standard}, Verified, "webhook-signature", "standard", "valid."},
		"overlap":                {signed(t, body, now, one(std), old), []Sender{rotating}, Verified, "webhook-signature", "standard", "valid."},
		"overlap over":           {signed(t, body, now, one(std), old), []Sender{standard}, Failed, "webhook-signature", "standard", "No combination"},
		"ed25519":                {signed(t, body, now, one(ed), key), []Sender{edKey}, Verified, "webhook-signature", "ed25519", "valid."},
		"from symmetric to key":  {signed(t, body, now, one(ed), key), []Sender{mixed}, Verified, "webhook-signature", "ed25519", "valid."},
		"chatzuri":               {signed(t, body, now, one(chat), present), []Sender{chatzuri}, Verified, "X-Chatzuri-Signature", "chatzuri", "The signature in X-Chatzuri-Signature is valid."},
		"chatzuri with standard": {signed(t, body, now, one(chat, std), present), []Sender{chatzuri}, Verified, "X-Chatzuri-Signature", "chatzuri", "X-Chatzuri-Signature and webhook-signature are valid."},
		"one of two is wrong":    {merged(signed(t, body, now, one(std), old), signed(t, body, now, one(chat), present)), []Sender{chatzuri}, Failed, "webhook-signature", "standard", "No combination"},
		"configured":             {signed(t, body, now, one(own), other), []Sender{acme}, Verified, "X-Acme-Signature", "acme", "valid."},
		"any of two webhooks":    {signed(t, body, now, one(chat), present), []Sender{acme, standard, chatzuri}, Verified, "X-Chatzuri-Signature", "chatzuri", "valid."},
		"unsigned beside signed": {signed(t, body, now, one(std), present), []Sender{unsigned, standard}, Verified, "webhook-signature", "standard", "valid."},
		"missing":                {http.Header{}, []Sender{standard}, Failed, "", "", "carries no signature"},
		"of another format":      {signed(t, body, now, one(chat), present), []Sender{acme}, Failed, "X-Chatzuri-Signature", "", "the format acme"},
		"whole secret as key":    {signed(t, body, now, one(chat), present), []Sender{chatzuri}, Verified, "X-Chatzuri-Signature", "chatzuri", "valid."},
		"stale":                  {signed(t, body, now.Add(-10*time.Minute), one(std), present), []Sender{standard}, Failed, "webhook-signature", "standard", "further back"},
		"future":                 {signed(t, body, now.Add(10*time.Minute), one(std), present), []Sender{standard}, Failed, "webhook-signature", "standard", "further ahead"},
		"other body":             {signed(t, `{"event": "lead.submit", "n": 1}`, now, one(chat), present), []Sender{chatzuri}, Failed, "X-Chatzuri-Signature", "chatzuri", "Read the raw bytes"},
		"malformed":              {http.Header{"X-Chatzuri-Signature": {"sha256=zz"}}, []Sender{chatzuri}, Failed, "X-Chatzuri-Signature", "chatzuri", "does not have the form"},
		"no timestamp":           {without(signed(t, body, now, one(std), present), "Webhook-Timestamp"), []Sender{standard}, Failed, "webhook-signature", "standard", "Here: signature header missing: webhook-timestamp."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Request{Header: tt.header, Body: []byte(body), Now: now}
			v := Judge(r, tt.senders)
			if v.Status != tt.status || v.Header != tt.at || v.Scheme != tt.scheme || !strings.Contains(v.Text, tt.text) {
				t.Errorf("got %+v", v)
			}
			// Explained or not, the verdict is the same, in sentences.
			r.Explain = func() bool { return false }
			brief := Judge(r, tt.senders)
			if brief.Status != v.Status || brief.Header != v.Header || brief.Scheme != v.Scheme {
				t.Errorf("in brief: %+v", brief)
			}
			for _, text := range []string{v.Text, brief.Text} {
				if !strings.HasSuffix(text, ".") || len(text) > 600 || strings.Contains(text, "whsec_b") || strings.Contains(text, other.Reveal()) {
					t.Errorf("text %q", text)
				}
			}
		})
	}
}

func merged(a, b http.Header) http.Header {
	for name, values := range b {
		if strings.HasSuffix(name, "-Signature") && name != "Webhook-Signature" {
			a[name] = values
		}
	}
	return a
}

func without(h http.Header, name string) http.Header {
	h.Del(name)
	return h
}

// TestEveryFailureHasWords: whatever Verify returns, the brief text says more
// than that it is wrong.
func TestEveryFailureHasWords(t *testing.T) {
	t.Parallel()
	var seen []string
	for _, err := range []error{signature.ErrMissingHeader, signature.ErrMalformed, signature.ErrTimestampTooOld, signature.ErrTimestampTooNew, signature.ErrNoMatch} {
		text := briefly(err)
		if slices.Contains(seen, text) || !strings.HasSuffix(text, ".") {
			t.Errorf("%v: %q", err, text)
		}
		seen = append(seen, text)
	}
}
