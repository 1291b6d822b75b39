package signature_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/waybell/waybell/signature"
)

// verified reads the raw body, verifies it, and only then hands it on. It is
// all that a receiver needs, whatever the scheme.
func verified(v *signature.Verifier, next func(body []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := v.Verify(r.Header, body, time.Now()); err != nil {
			http.Error(w, "invalid signature", http.StatusUnauthorized)
			return
		}
		next(body)
		w.WriteHeader(http.StatusNoContent)
	}
}

// deliver sends a signed request to the handler and prints the answer.
func deliver(h http.Handler, scheme signature.Scheme, secret signature.Secret, body string) {
	signer, err := signature.NewSigner(scheme, secret)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/webhooks", bytes.NewReader([]byte(body)))
	signer.SetHeaders(r.Header, signature.Message{ID: "evt_1", Timestamp: time.Now(), Body: []byte(body)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code)
}

// A receiver of the standard format. While the secret is being changed, the
// verifier is given the old one too.
func ExampleVerifier_standard() {
	current, err := signature.ParseSecret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
	if err != nil {
		log.Fatal(err)
	}
	previous, err := signature.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := signature.NewVerifier(signature.Standard(), current, previous)
	if err != nil {
		log.Fatal(err)
	}
	handler := verified(verifier, func(body []byte) { fmt.Printf("%s\n", body) })

	deliver(handler, signature.Standard(), previous, `{"type":"lead.submit"}`)
	deliver(handler, signature.Standard(), signature.GenerateSecret(), `{"type":"forged"}`)
	// Output:
	// {"type":"lead.submit"}
	// 204
	// 401
}

// A receiver of the standard format with Ed25519 holds a public key only.
func ExampleVerifier_ed25519() {
	private := signature.GenerateEd25519() // stays with the sender
	text, err := private.PublicKey()
	if err != nil {
		log.Fatal(err)
	}
	public, err := signature.ParsePublicKey(text)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := signature.NewVerifier(signature.Ed25519(), public)
	if err != nil {
		log.Fatal(err)
	}
	handler := verified(verifier, func(body []byte) { fmt.Printf("%s\n", body) })

	deliver(handler, signature.Ed25519(), private, `{"type":"message.sent"}`)
	// Output:
	// {"type":"message.sent"}
	// 204
}

// A receiver of Chatzuri's format: X-Chatzuri-Signature over the raw body.
func ExampleVerifier_chatzuri() {
	secret, err := signature.ParseSecret("my own signing secret")
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := signature.NewVerifier(signature.Chatzuri(), secret)
	if err != nil {
		log.Fatal(err)
	}
	handler := verified(verifier, func(body []byte) { fmt.Printf("%s\n", body) })

	deliver(handler, signature.Chatzuri(), secret, `{"event":"lead.submit"}`)
	// Output:
	// {"event":"lead.submit"}
	// 204
}

// A receiver of Chatislav's format: x-chatislav-signature over the raw body.
func ExampleVerifier_chatislav() {
	secret, err := signature.ParseSecret("my own signing secret")
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := signature.NewVerifier(signature.Chatislav(), secret)
	if err != nil {
		log.Fatal(err)
	}
	handler := verified(verifier, func(body []byte) { fmt.Printf("%s\n", body) })

	deliver(handler, signature.Chatislav(), secret, `{"event":"lead_collection"}`)
	// Output:
	// {"event":"lead_collection"}
	// 204
}

// A scheme of one's own is a value, written here or read from configuration.
func ExampleScheme() {
	acme := signature.Scheme{
		Header:        "X-Acme-Signature",
		Algorithm:     signature.HMACSHA512,
		KeyDerivation: signature.KeyUTF8,
		Encoding:      signature.Base64,
		Prefix:        "hmac-sha512:",
		SignedContent: signature.ContentBody,
	}
	secret, err := signature.ParseSecret("my own signing secret")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := signature.NewSigner(acme, secret)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signer.Sign(signature.Message{Body: []byte("{}")})[:20])
	// Output: hmac-sha512:xifoJxIV
}

// A sender keeps one signer per endpoint and one buffer per worker.
func ExampleSigner_Append() {
	secret, err := signature.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := signature.NewSigner(signature.Standard(), secret)
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 0, 128)
	buffer = signer.Append(buffer[:0], signature.Message{
		ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp: time.Unix(1614265330, 0), Body: []byte(`{"test": 2432232314}`),
	})
	fmt.Printf("%s\n", buffer)
	// Output: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=
}

// A receiver that parsed the body before verifying it.
func ExampleExplain() {
	secret, err := signature.ParseSecret("my own signing secret")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := signature.NewSigner(signature.Chatzuri(), secret)
	if err != nil {
		log.Fatal(err)
	}
	header := http.Header{}
	signer.SetHeaders(header, signature.Message{Body: []byte(`{"event":"lead.submit","data":{}}`)})

	diagnosis, err := signature.Explain(signature.Evidence{
		Scheme:  signature.Chatzuri(),
		Secrets: []signature.Secret{secret},
		Header:  header,
		Body:    []byte("{\n  \"event\": \"lead.submit\",\n  \"data\": {}\n}"),
		Now:     time.Now(),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(diagnosis.Verdict)
	fmt.Println(diagnosis.Verdict.Fix())
	// Output:
	// reserialised_body
	// Read the raw bytes of the request before any JSON parser sees them, and compute the signature over these.
}
