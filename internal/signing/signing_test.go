package signing

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/signature"
)

// In each span of time exactly the secrets that are valid in it sign, and the
// headers of one signature hold the present one's.
func TestSpans(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 26, 8, 0, 0, 0, time.UTC)
	secrets := []Secret{
		{Secret: signature.GenerateSecret()},
		{Secret: signature.GenerateEd25519(), Until: at.Add(2 * time.Hour)},
		{Secret: signature.GenerateSecret(), Until: at.Add(time.Hour)},
	}
	p, err := New(format.Standard(), true, secrets)
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := New(format.Chatislav(), true, []Secret{secrets[0], secrets[2]})
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]string{
		0: "v1 v1a v1", time.Hour - 1: "v1 v1a v1", time.Hour: "v1 v1a", 2*time.Hour - 1: "v1 v1a", 2 * time.Hour: "v1", 1e6 * time.Hour: "v1",
	} {
		h := http.Header{}
		p.Sign(signature.Message{ID: "evt_1", Timestamp: at.Add(after), Body: []byte("{}")}, h.Set)
		var kinds []string
		for one := range strings.FieldsSeq(h.Get(signature.HeaderSignature)) {
			kind, _, _ := strings.Cut(one, ",")
			kinds = append(kinds, kind)
		}
		if got := strings.Join(kinds, " "); got != want || len(h) != 1 {
			t.Errorf("after %v: %s in %v, want %s", after, got, h, want)
		}
		h = http.Header{}
		legacy.Sign(signature.Message{ID: "evt_1", Timestamp: at.Add(after), Body: []byte("{}")}, h.Set)
		if n := len(h.Values("X-Chatislav-Signature")); n != 1 || len(h.Get("X-Chatislav-Signature")) != 64 || len(h) != 2 {
			t.Errorf("after %v: %v, want one signature of each header", after, h)
		}
	}
}

func TestNothingToSignWith(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	p, err := New(format.Standard(), true, nil)
	if p.Sign(signature.Message{}, h.Set); err != nil || len(h) != 0 {
		t.Errorf("without a secret: %v, %v", h, err)
	}
	if _, err := New(format.Chatislav(), true, []Secret{{Secret: signature.GenerateEd25519()}}); err == nil {
		t.Error("an ed25519 key signs a format of HMACs")
	}
}
