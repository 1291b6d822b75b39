package signature_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybell/waybell/signature"
)

func newPair(t testing.TB, scheme signature.Scheme, signs, verifies string) (*signature.Signer, *signature.Verifier) {
	t.Helper()
	signer, err := signature.NewSigner(scheme, parse(t, signs))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(scheme, parse(t, verifies))
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

// TestEveryBitCounts flips each bit of a request in turn: body, id, timestamp
// and signature. None may pass.
func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ scheme, signs, verifies string }{
		{"standard", whsec("one"), whsec("one")},
		{"ed25519", whsk("one"), whpk("one")},
		{"chatzuri", plainText, plainText},
		{"chatislav", plainText, plainText},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			t.Parallel()
			scheme, _ := signature.Builtin(c.scheme)
			signer, verifier := newPair(t, scheme, c.signs, c.verifies)
			body := []byte(`{"a":"é"}`)
			now := time.Unix(vectorTime, 0)
			h := http.Header{}
			signer.SetHeaders(h, signature.Message{ID: "evt_1", Timestamp: now, Body: body})
			accepted := func() bool { return verifier.WithTolerance(0).Verify(h, body, now) == nil }
			if !accepted() {
				t.Fatal("the request itself is refused")
			}
			for i := range body {
				for bit := range 8 {
					body[i] ^= 1 << bit
					if accepted() {
						t.Errorf("accepted with bit %d of byte %d of the body flipped", bit, i)
					}
					body[i] ^= 1 << bit
				}
			}
			for name, values := range h {
				original := values[0]
				for i := range original {
					for bit := range 8 {
						flipped := []byte(original)
						flipped[i] ^= 1 << bit
						values[0] = string(flipped)
						if accepted() {
							t.Errorf("%s: accepted %q instead of %q", name, flipped, original)
						}
					}
				}
				values[0] = original
			}
		})
	}
}

func TestHeaderNamesInAnyCase(t *testing.T) {
	t.Parallel()
	signer, verifier := newPair(t, signature.Standard(), whsec("one"), whsec("one"))
	now := time.Unix(vectorTime, 0)
	set := http.Header{}
	signer.SetHeaders(set, signature.Message{ID: vectorID, Timestamp: now, Body: []byte("{}")})
	for _, spell := range []func(string) string{strings.ToLower, strings.ToUpper, http.CanonicalHeaderKey} {
		h := http.Header{}
		for name, values := range set {
			h[spell(name)] = values
		}
		if err := verifier.Verify(h, []byte("{}"), now); err != nil {
			t.Errorf("%v: %v", h, err)
		}
	}
}

func TestSeveralHeaderLines(t *testing.T) {
	t.Parallel()
	now := time.Unix(vectorTime, 0)
	for _, c := range []struct {
		scheme signature.Scheme
		secret string
	}{{signature.Standard(), whsec("one")}, {signature.Chatzuri(), plainText}} {
		signer, verifier := newPair(t, c.scheme, c.secret, c.secret)
		h := http.Header{}
		signer.SetHeaders(h, signature.Message{ID: vectorID, Timestamp: now, Body: []byte("{}")})
		good := h.Get(c.scheme.Header)
		h[http.CanonicalHeaderKey(c.scheme.Header)] = []string{"", "other", good}
		if err := verifier.Verify(h, []byte("{}"), now); err != nil {
			t.Errorf("%s: %v", c.scheme.Header, err)
		}
		for range 32 {
			h.Add(c.scheme.Header, good)
		}
		if err := verifier.Verify(h, []byte("{}"), now); !errors.Is(err, signature.ErrMalformed) {
			t.Errorf("%s in 34 lines: %v", c.scheme.Header, err)
		}
		h.Set(c.scheme.Header, strings.Repeat("x", 9<<10))
		h.Add(c.scheme.Header, good)
		if err := verifier.Verify(h, []byte("{}"), now); !errors.Is(err, signature.ErrMalformed) {
			t.Errorf("%s of 9 KiB: %v", c.scheme.Header, err)
		}
	}
}

func TestDefaultToleranceIsFiveMinutes(t *testing.T) {
	t.Parallel()
	signer, verifier := newPair(t, signature.Standard(), whsec("one"), whsec("one"))
	at := time.Unix(vectorTime, 0)
	h := http.Header{}
	signer.SetHeaders(h, signature.Message{ID: vectorID, Timestamp: at})
	for _, c := range []struct {
		after time.Duration
		want  error
	}{
		{-5*time.Minute - 1, signature.ErrTimestampTooNew},
		{-5 * time.Minute, nil},
		{5 * time.Minute, nil},
		{5*time.Minute + 1, signature.ErrTimestampTooOld},
	} {
		if err := verifier.Verify(h, nil, at.Add(c.after)); !errors.Is(err, c.want) {
			t.Errorf("after %v: %v, want %v", c.after, err, c.want)
		}
	}
	if err := verifier.WithTolerance(time.Hour).Verify(h, nil, at.Add(time.Hour)); err != nil {
		t.Errorf("an hour after with a tolerance of an hour: %v", err)
	}
	if err := verifier.Verify(h, nil, at.Add(time.Hour)); err == nil {
		t.Error("WithTolerance changed the verifier it was called on")
	}
}

// TestConcurrentUse has one signer and one verifier shared by goroutines whose
// bodies differ: the race detector and the signatures judge.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ scheme, signs, verifies string }{
		{"standard", whsec("one"), whsec("one")}, {"ed25519", whsk("one"), whpk("one")}, {"chatislav", plainText, plainText},
	} {
		scheme, _ := signature.Builtin(c.scheme)
		signer, verifier := newPair(t, scheme, c.signs, c.verifies)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				now := time.Unix(vectorTime+int64(worker), 0)
				h := http.Header{}
				for n := range 40 {
					body := []byte(strings.Repeat(string(rune('a'+worker)), 100*n))
					signer.SetHeaders(h, signature.Message{ID: vectorID, Timestamp: now, Body: body})
					if err := verifier.Verify(h, body, now); err != nil {
						t.Errorf("%s: %v", c.scheme, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	signer, _ := newPair(t, signature.Chatislav(), plainText, plainText)
	m := signature.Message{Body: []byte("{}")}
	if got, want := string(signer.Append([]byte("before "), m)), "before "+signer.Sign(m); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSigningDoesNotAllocate(t *testing.T) {
	for _, c := range []struct{ scheme, secret string }{{"standard", whsec("one")}, {"chatzuri", plainText}, {"chatislav", plainText}} {
		scheme, _ := signature.Builtin(c.scheme)
		signer, _ := newPair(t, scheme, c.secret, c.secret)
		m := signature.Message{ID: vectorID, Timestamp: time.Unix(vectorTime, 0), Body: make([]byte, 1024)}
		dst := make([]byte, 0, 256)
		limit := 0.0
		if raceEnabled {
			limit = 4 // a state made anew takes about ten objects
		}
		if n := testing.AllocsPerRun(2000, func() { dst = signer.Append(dst[:0], m) }); n > limit {
			t.Errorf("%s: %v allocations", c.scheme, n)
		}
	}
}
