package waybell

import (
	"context"
	"time"
)

// RotateInput says how a secret is rotated.
type RotateInput struct {
	// OverlapSeconds is how long the old secret signs too (standard signature
	// only): 0–604,800, default 86,400.
	OverlapSeconds Optional[int]
	Secret         Optional[Secret] // default: a generated one
	// GenerateSecret is the kind to generate; "" = the kind of the present one.
	GenerateSecret SecretKind
}

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

// RotateSecret gives an endpoint a new signing secret; the present one stays
// valid for the overlap. An endpoint without one gets its first. Errors:
// CodeInvalid, CodeEndpointNotFound.
func (s *Service) RotateSecret(ctx context.Context, agentID, id string, in RotateInput) (SecretView, error) {
	panic("pending")
}

// Secret reveals an endpoint's present secret and writes a line to the log
// that it did. Errors: CodeEndpointNotFound, CodeSecretNotFound.
func (s *Service) Secret(ctx context.Context, agentID, id string) (SecretView, error) {
	panic("pending")
}

// DeleteSecret removes all secrets of an endpoint: its requests are unsigned
// from then on. Errors: CodeEndpointNotFound, CodeSecretNotFound.
func (s *Service) DeleteSecret(ctx context.Context, agentID, id string) error { panic("pending") }

// ReencryptSecrets seals every endpoint's headers and secrets that an older
// key sealed with the first key, in pieces, and tells how many there were.
// Once it returned nil, the older keys are no longer needed.
func (s *Service) ReencryptSecrets(ctx context.Context) (int, error) { panic("pending") }
