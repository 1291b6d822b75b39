package waybell_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/keyring"
	"github.com/waybell/waybell/signature"
)

func TestSecretRules(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	type in = waybell.EndpointInput
	secret := func(text string) func(*in) {
		return func(e *in) { e.Secret = waybell.Some(waybell.Secret(text)) }
	}
	ed25519 := signature.GenerateEd25519()
	public, err := ed25519.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes ...func(*in)) func(*in) {
		return func(e *in) {
			for _, f := range changes {
				f(e)
			}
		}
	}
	chatzuri := func(e *in) { e.Format = waybell.Some("chatzuri") }
	generate := func(kind waybell.SecretKind) func(*in) { return func(e *in) { e.GenerateSecret = kind } }
	for _, tc := range []endpointCase{
		{"7", secret("1234567"), "invalid", []string{"body.secret"}},
		{"8", secret("12345678"), "", nil},
		{"256", secret(strings.Repeat("x", 256)), "", nil},
		{"257", secret(strings.Repeat("x", 257)), "invalid", []string{"body.secret"}},
		{"empty", secret(""), "invalid", []string{"body.secret"}},
		{"mask", secret("••••"), "invalid", []string{"body.secret"}},
		{"blank in front", secret(" 12345678"), "invalid", []string{"body.secret"}},
		{"blank behind", secret("12345678 "), "invalid", []string{"body.secret"}},
		{"blank inside", secret("1234 5678"), "", nil},
		{"whsec", secret(signature.GenerateSecret().Reveal()), "", nil},
		{"whsec not base64", secret("whsec_1234567!"), "invalid", []string{"body.secret"}},
		{"whsk", secret(ed25519.Reveal()), "", nil},
		{"whpk", secret(public), "invalid", []string{"body.secret"}},
		{"whsk for chatzuri", with(secret(ed25519.Reveal()), chatzuri), "invalid", []string{"body.secret"}},
		{"generated for chatzuri", with(generate(waybell.SecretSymmetric), chatzuri), "", nil},
		{"ed25519 for chatzuri", with(generate(waybell.SecretEd25519), chatzuri), "invalid", []string{"body.generate_secret"}},
		{"unknown kind", generate("rsa"), "invalid", []string{"body.generate_secret"}},
		{"given and generated", with(secret("12345678"), generate(waybell.SecretSymmetric)), "invalid", []string{"body.generate_secret"}},
	} {
		tc.run(t, n)
	}
}

func TestWeakSecret(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	for _, tc := range []struct {
		secret string
		weak   bool
	}{
		{strings.Repeat("x", 23), true}, {strings.Repeat("x", 24), false},
		{"whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM=", true}, // 23 bytes
		{"whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0", false},
	} {
		in := endpointInput()
		in.Secret = waybell.Some(waybell.Secret(tc.secret))
		r := mustEndpoint(t, n, in)
		if got := len(r.Warnings) == 1 && r.Warnings[0] == waybell.WarningWeakSecret; got != tc.weak || r.Secret != "" {
			t.Errorf("secret of %d: warnings %v, shown %v", len(tc.secret), r.Warnings, r.Secret != "")
		}
	}
}

func TestGeneratedSecrets(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	for kind, prefix := range map[waybell.SecretKind]string{waybell.SecretSymmetric: "whsec_", waybell.SecretEd25519: "whsk_"} {
		in := endpointInput()
		in.GenerateSecret = kind
		r := mustEndpoint(t, n, in)
		if !strings.HasPrefix(r.Secret.Reveal(), prefix) || !r.Endpoint.Signed() || len(r.Warnings) != 0 {
			t.Errorf("%s: got a secret of %d characters, %v", kind, len(r.Secret), r.Warnings)
		}
		view, err := n.Secret(ctx, "a", r.Endpoint.ID)
		if err != nil || view.Secret != r.Secret || view.CreatedAt.IsZero() || !view.PreviousUntil.IsZero() {
			t.Errorf("%s: revealed %+v, %v", kind, view, err)
		}
		if asymmetric := kind == waybell.SecretEd25519; strings.HasPrefix(view.PublicKey, "whpk_") != asymmetric {
			t.Errorf("%s: public key %q", kind, view.PublicKey)
		}
		rotated, err := n.RotateSecret(ctx, "a", r.Endpoint.ID, waybell.RotateInput{})
		if err != nil || rotated.Secret == r.Secret || !strings.HasPrefix(rotated.Secret.Reveal(), prefix) {
			t.Errorf("%s: rotated to another kind, or not at all: %v", kind, err)
		}
		if !strings.Contains(n.logs.String(), "secret revealed") || strings.Contains(n.logs.String(), view.Secret.Reveal()) {
			t.Error("the log lacks the line that a secret was revealed, or shows it")
		}
		// The key that is there must fit the format too.
		_, err = n.UpdateEndpoint(ctx, "a", r.Endpoint.ID, waybell.EndpointInput{Format: waybell.Some("chatzuri")}, 0)
		if kind == waybell.SecretEd25519 {
			wantFields(t, err, "body.format")
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestRotateSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startWithAgent(t)
		ctx := t.Context()
		e := mustEndpoint(t, n, endpointInput()).Endpoint
		signing := func(want int) {
			t.Helper()
			h := http.Header{}
			n.Sign(e.Number, h, signature.Message{ID: "evt_1", Timestamp: time.Now(), Body: []byte("{}")})
			if got := len(strings.Fields(h.Get("webhook-signature"))); got != want {
				t.Errorf("%d secrets sign, want %d", got, want)
			}
		}
		rotate := func(in waybell.RotateInput) waybell.SecretView {
			t.Helper()
			view, err := n.RotateSecret(ctx, "a", e.ID, in)
			if err != nil {
				t.Fatal(err)
			}
			return view
		}
		signing(0)
		first := rotate(waybell.RotateInput{})
		if !first.PreviousUntil.IsZero() {
			t.Errorf("the first secret has one before it until %v", first.PreviousUntil)
		}
		second := rotate(waybell.RotateInput{})
		if !second.PreviousUntil.Equal(time.Now().Add(24 * time.Hour)) {
			t.Errorf("the overlap ends at %v", second.PreviousUntil)
		}
		signing(2)
		time.Sleep(24*time.Hour - time.Second)
		signing(2)
		time.Sleep(time.Second)
		signing(1)
		third := rotate(waybell.RotateInput{OverlapSeconds: waybell.Some(0), Secret: waybell.Some(waybell.Secret("my own secret"))})
		if third.Secret != "my own secret" || len(third.Warnings) != 1 || !third.PreviousUntil.IsZero() {
			t.Errorf("got %+v", third)
		}
		signing(1)
		rotate(waybell.RotateInput{OverlapSeconds: waybell.Some(604800)})
		// A shorter overlap ends the ones before it too.
		rotate(waybell.RotateInput{OverlapSeconds: waybell.Some(60)})
		signing(3)
		time.Sleep(time.Minute)
		signing(1)
		for range 10 {
			rotate(waybell.RotateInput{OverlapSeconds: waybell.Some(604800)})
		}
		signing(5)
		last := rotate(waybell.RotateInput{})
		if same := rotate(waybell.RotateInput{Secret: waybell.Some(last.Secret)}); same.Secret != last.Secret {
			t.Error("the same secret again was not taken")
		}
		signing(5)

		// Expired ones leave the row with the next change.
		time.Sleep(8 * 24 * time.Hour)
		r, err := n.UpdateEndpoint(ctx, "a", e.ID, waybell.EndpointInput{}, 0)
		if err != nil || len(r.Endpoint.Secrets) != 1 {
			t.Errorf("%d secrets are kept, %v", len(r.Endpoint.Secrets), err)
		}

		for _, tc := range []struct {
			in    waybell.RotateInput
			field string
		}{
			{waybell.RotateInput{OverlapSeconds: waybell.Some(-1)}, "body.overlap_seconds"},
			{waybell.RotateInput{OverlapSeconds: waybell.Some(604801)}, "body.overlap_seconds"},
			{waybell.RotateInput{Secret: waybell.Some(waybell.Secret("short"))}, "body.secret"},
			{waybell.RotateInput{GenerateSecret: "rsa"}, "body.generate_secret"},
		} {
			_, err := n.RotateSecret(ctx, "a", e.ID, tc.in)
			wantFields(t, err, tc.field)
		}
		legacy := endpointInput()
		legacy.Format = waybell.Some("chatzuri")
		_, err = n.RotateSecret(ctx, "a", mustEndpoint(t, n, legacy).Endpoint.ID, waybell.RotateInput{GenerateSecret: waybell.SecretEd25519})
		wantFields(t, err, "body.generate_secret")
		_, err = n.RotateSecret(ctx, "a", "ep_x", waybell.RotateInput{})
		wantCode(t, err, waybell.CodeEndpointNotFound)
	})
}

func TestReplaceAndDeleteSecret(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	in := endpointInput()
	in.GenerateSecret = waybell.SecretSymmetric
	r := mustEndpoint(t, n, in)
	id := r.Endpoint.ID
	patch := func(in waybell.EndpointInput) waybell.EndpointResult {
		t.Helper()
		r, err := n.UpdateEndpoint(ctx, "a", id, in, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if got := patch(waybell.EndpointInput{Description: waybell.Some("x")}); got.Endpoint.Secrets[0].Value != r.Secret || got.Secret != "" {
		t.Error("an unrelated patch changed or showed the secret")
	}
	if got := patch(waybell.EndpointInput{Secret: waybell.Some(waybell.Secret("replaced-at-once"))}); len(got.Endpoint.Secrets) != 1 || got.Secret != "" {
		t.Errorf("%d secrets, shown %v", len(got.Endpoint.Secrets), got.Secret != "")
	}
	if got := patch(waybell.EndpointInput{GenerateSecret: waybell.SecretEd25519}); got.Secret != got.Endpoint.Secrets[0].Value {
		t.Error("the generated secret is not shown")
	}
	if got := patch(waybell.EndpointInput{Secret: waybell.Null[waybell.Secret]()}); got.Endpoint.Signed() {
		t.Error("null kept the secret")
	}
	_, err := n.Secret(ctx, "a", id)
	wantCode(t, err, waybell.CodeSecretNotFound)
	wantCode(t, n.DeleteSecret(ctx, "a", id, 0), waybell.CodeSecretNotFound)
	if _, err := n.RotateSecret(ctx, "a", id, waybell.RotateInput{}); err != nil {
		t.Fatal(err)
	}
	if err := n.DeleteSecret(ctx, "a", id, 0); err != nil {
		t.Fatal(err)
	}
	if e, _ := n.Endpoint(ctx, "a", id); e.Signed() || n.DirectoryEndpoint(e.Number).Signed() {
		t.Error("the secret is still there")
	}
	wantCode(t, n.DeleteSecret(ctx, "a", "ep_x", 0), waybell.CodeEndpointNotFound)
	_, err = n.Secret(ctx, "b", id)
	wantCode(t, err, waybell.CodeAgentNotFound)
}

// TestKeyRotation walks through the replacement of the encryption key: add the
// new one, encrypt again, drop the old one.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	shared := openConfigStore(t)
	withKeys := func(keys ...string) func(*waybell.Config) {
		return func(c *waybell.Config) {
			c.Store = shared
			c.EncryptionKeys = nil
			for _, key := range keys {
				c.EncryptionKeys = append(c.EncryptionKeys, waybell.Secret(key))
			}
		}
	}
	old, fresh := keyring.Generate(), keyring.Generate()
	n := startWithAgent(t, withKeys(old), func(c *waybell.Config) { c.Limits.EndpointsPerAgent = 1000 })
	ctx := t.Context()
	const signed = 300 // more than one piece
	var last waybell.EndpointResult
	for i := range signed {
		in := endpointInput()
		in.GenerateSecret = waybell.SecretSymmetric
		in.Headers = waybell.Some([]waybell.HeaderInput{{"X-A", waybell.Secret(fmt.Sprint("value-", i))}})
		last = mustEndpoint(t, n, in)
	}
	mustEndpoint(t, n, endpointInput()) // has nothing to encrypt

	refused := func(keys ...string) {
		t.Helper()
		cfg := waybell.Config{Node: "refused"}
		withKeys(keys...)(&cfg)
		s, err := waybell.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Start(ctx)
		if !errors.Is(err, keyring.ErrUnknownKey) {
			t.Fatalf("start without the key: %v", err)
		}
		nodes, err2 := s.Nodes(ctx)
		if others := slices.DeleteFunc(nodes, func(n waybell.NodeView) bool { return n.Name != "refused" }); err2 != nil || len(others) > 0 || s.Ready() == nil {
			t.Errorf("after it %+v (%v) count as living, ready %v", others, err2, s.Ready())
		}
		if text := err.Error(); !strings.Contains(text, "endpoint ep_") || !strings.Contains(text, keyring.KeyID(shared.rows(t).Endpoints[0].Sealed)) {
			t.Errorf("the error %q names no endpoint or no key", text)
		}
	}
	refused(fresh)

	both := start(t, withKeys(fresh, old))
	if again, err := n.ReencryptSecrets(ctx); again != 0 || err != nil {
		t.Errorf("with one key %d were encrypted again, %v", again, err)
	}
	count, err := both.ReencryptSecrets(ctx)
	if err != nil || count != signed {
		t.Errorf("encrypted %d again, %v; want %d", count, err, signed)
	}
	if count, err := both.ReencryptSecrets(ctx); count != 0 || err != nil {
		t.Errorf("a second run encrypted %d, %v", count, err)
	}
	refused(old)

	after := start(t, withKeys(fresh))
	view, err := after.Secret(ctx, "a", last.Endpoint.ID)
	if err != nil || view.Secret != last.Secret {
		t.Errorf("the secret was lost: %v", err)
	}
	if e := after.DirectoryEndpoint(last.Endpoint.Number); e.Headers[0].Value.Reveal() != fmt.Sprint("value-", signed-1) {
		t.Error("the header was lost")
	}

	// The node that lacks the new key sends to none of them.
	if err := n.Refresh(ctx); err != nil {
		t.Errorf("a node without the key: %v", err)
	}
	if count, why := n.Unready(); count != signed || !errors.Is(why, keyring.ErrUnknownKey) {
		t.Errorf("a node without the key leaves %d to others, want %d: %v", count, signed, why)
	}
}

// TestSealedBelongsToItsRow: who can write the table cannot give one endpoint
// the secrets of another.
func TestSealedBelongsToItsRow(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	for range 2 {
		in := endpointInput()
		in.GenerateSecret = waybell.SecretSymmetric
		mustEndpoint(t, n, in)
	}
	rows := n.store.rows(t).Endpoints
	rows[0].Sealed, rows[1].Sealed = rows[1].Sealed, rows[0].Sealed
	for _, row := range rows {
		if _, err := n.store.UpdateEndpoint(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	_, err := n.Endpoint(t.Context(), "a", rows[0].ID)
	wantCode(t, err, waybell.CodeInternal)
	if !errors.Is(err, keyring.ErrCorrupt) {
		t.Errorf("the cause is %v", errors.Unwrap(err))
	}
	page, err := n.Endpoints(t.Context(), "a", waybell.ListQuery{})
	if err != nil || len(page.Data) != 2 {
		t.Fatalf("the list: %d, %v", len(page.Data), err)
	}
	for _, e := range page.Data {
		if e.Signed() || len(e.Sealed) == 0 {
			t.Errorf("endpoint %s in the list: %+v", e.ID, e)
		}
	}
	if err := n.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if count, why := n.Unready(); count != 2 || !errors.Is(why, keyring.ErrCorrupt) {
		t.Errorf("%d are not sent to: %v", count, why)
	}
}

func TestEncryptionKeyIsRequired(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]waybell.Secret{nil, {""}, {"canary-no-key"}, {"Y2FuYXJ5"}} {
		_, err := waybell.New(waybell.Config{Store: &configStore{}, EncryptionKeys: keys})
		if err == nil || !strings.Contains(err.Error(), "encryption key") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d keys: %v", len(keys), err)
		}
	}
}

// signedBody is the body of signedRequest.
const signedBody = `{"a":1}`

// signedRequest is the headers of a request as the sender signs it.
func signedRequest(n *node, number waybell.EndpointNumber) http.Header {
	h := http.Header{}
	h.Set("webhook-id", "evt_1")
	h.Set("webhook-timestamp", fmt.Sprint(time.Now().Unix()))
	n.Sign(number, h, signature.Message{ID: "evt_1", Timestamp: time.Now(), Body: []byte(signedBody)})
	return h
}

func verifies(t *testing.T, scheme signature.Scheme, h http.Header, secret waybell.Secret) error {
	t.Helper()
	parsed, err := signature.ParseSecret(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	v, err := signature.NewVerifier(scheme, parsed)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(h, []byte(signedBody), time.Now())
}

// TestSignatureHeaders verifies what each format and kind of secret signs,
// before and after a rotation.
func TestSignatureHeaders(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	for _, tc := range []struct {
		format   string
		standard bool // standard headers
		kind     waybell.SecretKind
		schemes  []signature.Scheme
	}{
		{"standard", true, waybell.SecretNone, nil},
		{"chatzuri", true, waybell.SecretNone, nil},
		{"standard", true, waybell.SecretSymmetric, []signature.Scheme{signature.Standard()}},
		{"standard", true, waybell.SecretEd25519, []signature.Scheme{signature.Ed25519()}},
		{"chatzuri", true, waybell.SecretSymmetric, []signature.Scheme{signature.Chatzuri(), signature.Standard()}},
		{"chatzuri", false, waybell.SecretSymmetric, []signature.Scheme{signature.Chatzuri()}},
		{"chatislav", true, waybell.SecretSymmetric, []signature.Scheme{signature.Chatislav(), signature.Standard()}},
		{"chatislav", false, waybell.SecretSymmetric, []signature.Scheme{signature.Chatislav()}},
	} {
		in := endpointInput()
		in.Profile, in.StandardHeaders, in.GenerateSecret = waybell.Some(tc.format), waybell.Some(tc.standard), tc.kind
		r := mustEndpoint(t, n, in)
		h := signedRequest(n, r.Endpoint.Number)
		if len(h) != 2+len(tc.schemes) {
			t.Errorf("%s, %v, %q: headers %v", tc.format, tc.standard, tc.kind, h)
		}
		for _, scheme := range tc.schemes {
			if err := verifies(t, scheme, h, r.Secret); err != nil {
				t.Errorf("%s, %v, %q: %s: %v", tc.format, tc.standard, tc.kind, scheme.Header, err)
			}
		}
		if tc.kind == waybell.SecretNone {
			continue
		}
		rotated, err := n.RotateSecret(ctx, "a", r.Endpoint.ID, waybell.RotateInput{})
		if err != nil {
			t.Fatal(err)
		}
		h = signedRequest(n, r.Endpoint.Number)
		for _, scheme := range tc.schemes {
			if err := verifies(t, scheme, h, rotated.Secret); err != nil {
				t.Errorf("%s rotated: %v", scheme.Header, err)
			}
			if err := verifies(t, scheme, h, r.Secret); (err == nil) != scheme.List {
				t.Errorf("%s with the old secret: %v", scheme.Header, err)
			}
		}
	}
}

// TestRotateToAnotherKind: each secret signs as its own kind does, the new one
// first.
func TestRotateToAnotherKind(t *testing.T) {
	t.Parallel()
	n := startWithAgent(t)
	ctx := t.Context()
	in := endpointInput()
	in.GenerateSecret = waybell.SecretSymmetric
	r := mustEndpoint(t, n, in)
	rotated, err := n.RotateSecret(ctx, "a", r.Endpoint.ID, waybell.RotateInput{GenerateSecret: waybell.SecretEd25519})
	if err != nil {
		t.Fatal(err)
	}
	h := signedRequest(n, r.Endpoint.Number)
	if err := verifies(t, signature.Ed25519(), h, rotated.Secret); err != nil {
		t.Errorf("the new ed25519 key: %v in %v", err, h)
	}
	if err := verifies(t, signature.Standard(), h, r.Secret); err != nil {
		t.Errorf("the old secret: %v in %v", err, h)
	}
	if !strings.HasPrefix(h.Get("webhook-signature"), "v1a,") {
		t.Errorf("the new one is not first: %v", h)
	}
}
