// net/http: body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20)), then
// if !Verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body) { w.WriteHeader(401) }

// Package webhook verifies webhooks of the Chatislav format.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

const signatureHeader = "x-chatislav-signature"

// Verify takes the body as received: parsing and writing JSON again changes its bytes.
func Verify(secret string, h http.Header, rawBody []byte) bool {
	if secret == "" {
		return false // anybody can sign with an empty key
	}
	mac := hmac.New(sha256.New, []byte(secret)) // the whole secret, whsec_ included, as UTF-8
	mac.Write(rawBody)
	expected := hex.EncodeToString(mac.Sum(nil))
	// Constant time: == would tell by its duration how many characters were right.
	return hmac.Equal([]byte(h.Get(signatureHeader)), []byte(expected))
}
