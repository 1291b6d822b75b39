package waybell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waybell/waybell/internal/keyring"
	"github.com/waybell/waybell/internal/signing"
	"github.com/waybell/waybell/signature"
)

// SecretKind is a kind of generated secret.
type SecretKind string

// The kinds of generated secrets.
const (
	SecretNone      SecretKind = ""
	SecretSymmetric SecretKind = "symmetric" // whsec_…, for every format
	SecretEd25519   SecretKind = "ed25519"   // whsk_…, for the standard format
)

// RotateInput says how a secret is rotated.
type RotateInput struct {
	// OverlapSeconds is how long the old secret signs too (standard signature
	// only): 0–604,800, default 86,400.
	OverlapSeconds Optional[int]
	Secret         Optional[Secret] // default: a generated one
	// GenerateSecret is the kind to generate; "" = the kind of the present one.
	GenerateSecret SecretKind
	IfMatch        int64 // the version that must be changed, 0 = any
}

// The bounds of a rotation.
const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 7 * 24 * time.Hour
	// maxSecrets bounds how many secrets sign at once, and so the header.
	maxSecrets = 5
)

// SecretView is an endpoint's present secret. It is for the one answer that
// shows it; everything else sees the mask.
type SecretView struct {
	Secret    Secret
	PublicKey string // whpk_… for an ed25519 key, else ""
	CreatedAt time.Time
	// PreviousUntil is until when the secret before signs too; zero without one.
	PreviousUntil time.Time
	Warnings      []Warning
}

// newSecret gives the secret that an input asks for, "" for none. Locations
// are those of the fields secret and generate_secret.
func newSecret(p *problems, given Optional[Secret], kind SecretKind) Secret {
	switch {
	case given.given() && kind != SecretNone:
		p.add("body.generate_secret", "must be left out when a secret is given")
	case given.given():
		if _, err := signature.ParseSecret(given.Value.Reveal()); err != nil {
			p.add("body.secret", "%s", secretFault(err))
			return ""
		}
		return given.Value
	case kind == SecretSymmetric:
		return Secret(signature.GenerateSecret().Reveal())
	case kind == SecretEd25519:
		return Secret(signature.GenerateEd25519().Reveal())
	case kind != SecretNone:
		p.addValue("body.generate_secret", string(kind), "must be true or %q", SecretEd25519)
	}
	return ""
}

// isEd25519 tells which kind a valid secret is.
func isEd25519(s Secret) bool {
	parsed, err := signature.ParseSecret(s.Reveal())
	return err == nil && parsed.Asymmetric()
}

// RotateSecret gives an endpoint a new signing secret; the present one stays
// valid for the overlap. An endpoint without one gets its first. Errors:
// CodeInvalid, CodeAgentNotFound, CodeEndpointNotFound, CodePreconditionFailed.
func (s *Service) RotateSecret(ctx context.Context, agentID, id string, in RotateInput) (SecretView, error) {
	var p problems
	overlap := defaultOverlap
	if in.OverlapSeconds.given() {
		overlap = time.Duration(in.OverlapSeconds.Value) * time.Second
		if n := in.OverlapSeconds.Value; n < 0 || n > int(maxOverlap/time.Second) {
			p.addValue("body.overlap_seconds", n, "must be 0 to %d", maxOverlap/time.Second)
		}
	}
	given, location := newSecret(&p, in.Secret, in.GenerateSecret), "body.secret"
	if in.GenerateSecret != "" {
		location = "body.generate_secret"
	}
	if err := p.err("the rotation"); err != nil {
		return SecretView{}, err
	}
	e, err := s.changeEndpoint(ctx, agentID, id, in.IfMatch, func(_ Agent, e *Endpoint) error {
		var p problems
		secret := given
		if secret == "" {
			kind := SecretSymmetric
			if e.Signed() && isEd25519(e.Secrets[0].Value) {
				kind = SecretEd25519
			}
			secret = newSecret(&p, Optional[Secret]{}, kind)
		}
		s.checkSecretFits(&p, e, secret, location)
		e.rotate(secret, e.UpdatedAt, overlap)
		return p.err("the rotation")
	})
	if err != nil {
		return SecretView{}, err
	}
	return e.secretView()
}

// rotate puts a secret in front. Those before it sign until the overlap ends,
// or until their own, earlier end.
func (e *Endpoint) rotate(secret Secret, now time.Time, overlap time.Duration) {
	secrets := []EndpointSecret{{Value: secret, CreatedAt: now}}
	for _, old := range e.Secrets {
		if until := now.Add(overlap); old.ExpiresAt.IsZero() || old.ExpiresAt.After(until) {
			old.ExpiresAt = until
		}
		if old.Value != secret && old.ExpiresAt.After(now) && len(secrets) < maxSecrets {
			secrets = append(secrets, old)
		}
	}
	e.Secrets = secrets
}

// dropExpired forgets secrets that no longer sign.
func (e *Endpoint) dropExpired(now time.Time) {
	e.Secrets = slices.DeleteFunc(e.Secrets, func(old EndpointSecret) bool {
		return !old.ExpiresAt.IsZero() && !old.ExpiresAt.After(now)
	})
}

// PreviousUntil is until when a secret before the current one signs too; zero
// when none does at now.
func (e *Endpoint) PreviousUntil(now time.Time) time.Time {
	until := time.Time{}
	for _, old := range e.Secrets {
		if old.ExpiresAt.After(now) && old.ExpiresAt.After(until) {
			until = old.ExpiresAt
		}
	}
	return until
}

func (e *Endpoint) secretView() (SecretView, error) {
	if !e.Signed() {
		return SecretView{}, errorf(CodeSecretNotFound, "the endpoint has no secret")
	}
	view := SecretView{Secret: e.Secrets[0].Value, CreatedAt: e.Secrets[0].CreatedAt, Warnings: e.Warnings()}
	view.PreviousUntil = e.PreviousUntil(clock())
	parsed, err := signature.ParseSecret(view.Secret.Reveal())
	if err != nil {
		return SecretView{}, storeFailed("secret of "+e.ID, err)
	}
	if parsed.Asymmetric() {
		if view.PublicKey, err = parsed.PublicKey(); err != nil {
			return SecretView{}, storeFailed("secret of "+e.ID, err)
		}
	}
	return view, nil
}

// Secret reveals an endpoint's present secret and writes a line to the log
// that it did. Errors: CodeAgentNotFound, CodeEndpointNotFound,
// CodeSecretNotFound.
func (s *Service) Secret(ctx context.Context, agentID, id string) (SecretView, error) {
	_, e, err := s.findEndpoint(ctx, agentID, id)
	if err != nil {
		return SecretView{}, err
	}
	e.dropExpired(clock())
	view, err := e.secretView()
	if err == nil {
		s.log.InfoContext(ctx, "secret revealed", "agent", agentID, "endpoint", id)
	}
	return view, err
}

// DeleteSecret removes all secrets of an endpoint: its requests are unsigned
// from then on. ifMatch is the version that must be changed, 0 = any. Errors:
// CodeAgentNotFound, CodeEndpointNotFound, CodeSecretNotFound, CodePreconditionFailed.
func (s *Service) DeleteSecret(ctx context.Context, agentID, id string, ifMatch int64) error {
	_, err := s.changeEndpoint(ctx, agentID, id, ifMatch, func(_ Agent, e *Endpoint) error {
		if !e.Signed() {
			return errorf(CodeSecretNotFound, "the endpoint has no secret")
		}
		e.Secrets = nil
		return nil
	})
	return err
}

// reencryptPiece is how many endpoints are looked at before the directory is
// read again.
const reencryptPiece = 256

// CheckEncryption tells whether the keys open the headers and secrets of all
// these endpoints, as a store gives them; the error names one that they do not.
func CheckEncryption(keys []Secret, endpoints []Endpoint) error {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.Reveal()
	}
	ring, err := keyring.Parse(texts...)
	if err != nil {
		return fmt.Errorf("encryption keys: %w", err)
	}
	for _, e := range endpoints { // a copy: what was opened is dropped
		if err := e.open(ring); err != nil && e.State != EndpointDeleted {
			return fmt.Errorf("endpoint %s: %w", e.ID, err)
		}
	}
	return nil
}

// ReencryptSecrets seals every endpoint's headers and secrets that an older
// key sealed with the first key, in pieces, and tells how many there were.
// Once it returned nil, the older keys are no longer needed.
func (s *Service) ReencryptSecrets(ctx context.Context) (int, error) {
	done := 0
	var after EndpointNumber
	for {
		piece := s.dir.outdated(after, reencryptPiece)
		if len(piece) == 0 {
			return done, nil
		}
		for _, e := range piece {
			switch sealed, err := s.reencrypt(ctx, e); {
			case err != nil:
				return done, err
			case sealed:
				done++
			}
		}
		after = piece[len(piece)-1].Number
		if err := s.refresh(ctx); err != nil {
			return done, storeFailed("encrypt again", err)
		}
	}
}

// outdated are endpoints after a number that were sealed with an older key.
func (d *directory) outdated(after EndpointNumber, limit int) []*Endpoint {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found []*Endpoint
	for n, e := range d.endpoints {
		if e.outdated && n > after {
			found = append(found, e.Endpoint)
		}
	}
	slices.SortFunc(found, func(a, b *Endpoint) int { return cmp.Compare(a.Number, b.Number) })
	return found[:min(limit, len(found))]
}

// reencrypt writes one row again; false where it is gone or was written by
// somebody else meanwhile with the first key.
func (s *Service) reencrypt(ctx context.Context, e *Endpoint) (bool, error) {
	for range configTries {
		row, err := s.store.Endpoint(ctx, e.Agent, e.ID)
		if errors.Is(err, ErrNotFound) || err == nil && (len(row.Sealed) == 0 || s.dir.ring.Current(row.Sealed)) {
			return false, nil
		}
		if err == nil {
			err = row.open(s.dir.ring)
		}
		if err == nil {
			err = row.seal(s.dir.ring)
		}
		if err == nil {
			_, err = s.store.UpdateEndpoint(ctx, row)
		}
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case errors.Is(err, ErrNotFound):
			return false, nil
		case err != nil:
			return false, storeFailed("encrypt again", err)
		}
		return true, nil
	}
	return false, storeFailed("encrypt again", ErrConflict)
}

// prepareSigning makes the entry ready to sign. A secret that the format cannot
// be signed with is an error: the endpoint must not be sent to unsigned.
func (e *endpointEntry) prepareSigning() (err error) {
	secrets := make([]signing.Secret, len(e.Secrets))
	for i, secret := range e.Secrets {
		secrets[i].Until = secret.ExpiresAt
		if secrets[i].Secret, err = signature.ParseSecret(secret.Value.Reveal()); err != nil {
			return err
		}
	}
	e.signing, err = signing.New(e.format, e.StandardHeaders, secrets)
	return err
}
