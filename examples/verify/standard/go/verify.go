// net/http: body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20)), then
// if !Verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body, time.Now()) { w.WriteHeader(401) }

// Package webhook verifies webhooks of the standard format.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	idHeader        = "webhook-id"
	timestampHeader = "webhook-timestamp"
	signatureHeader = "webhook-signature"
	tolerance       = 5 * time.Minute
)

// Verify takes the body as received: parsing and writing JSON again changes its bytes.
func Verify(secret string, h http.Header, rawBody []byte, now time.Time) bool {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		key, _ = base64.StdEncoding.DecodeString(encoded)
	}
	id, timestamp := h.Get(idHeader), h.Get(timestampHeader)
	unix, err := strconv.ParseUint(timestamp, 10, 40)
	if len(key) == 0 || id == "" || strings.Contains(id, ".") || err != nil {
		return false // anybody can sign with an empty key; a full stop separates the signed parts
	}
	if now.Sub(time.Unix(int64(unix), 0)).Abs() > tolerance {
		return false // an old request may be a recorded one that somebody sends again
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(rawBody)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// While a secret is replaced there are several signatures, one of which must match. Other versions,
	// such as v1a (Ed25519), never do. Constant time: == would tell by its duration how much was right.
	return slices.ContainsFunc(strings.Fields(h.Get(signatureHeader)), func(signature string) bool {
		return hmac.Equal([]byte(signature), expected)
	})
}
