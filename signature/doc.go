// Package signature signs webhook requests and verifies them, in every scheme
// that Waybell sends. It needs only the standard library and is meant to be
// imported by receivers as well as by the sender.
//
// A [Scheme] is data: which header carries the signature, which algorithm made
// it, how the key comes from the secret, how the digest is written and which
// bytes were signed. Four are built in, and an operator may describe more in
// the configuration:
//
//	name       header                 value                 signed bytes       key
//	standard   webhook-signature      v1,<base64>           id.timestamp.body  decoded part after whsec_, else the UTF-8 bytes
//	ed25519    webhook-signature      v1a,<base64>          id.timestamp.body  whsk_ signs, whpk_ verifies
//	chatzuri   X-Chatzuri-Signature   sha256=<lower hex>    body               UTF-8 bytes of the whole secret
//	chatislav  x-chatislav-signature  <lower hex>           body               UTF-8 bytes of the whole secret
//
// The first two are Standard Webhooks (https://www.standardwebhooks.com), the
// others the formats that the two platforms document.
//
// # Receiving
//
// Make one [Verifier] at start and call [Verifier.Verify] with the headers and
// the body exactly as they arrived: read the bytes first, verify, and only then
// parse. Schemes that sign the body alone cannot tell a replay from the first
// delivery; those that sign id and timestamp refuse requests older than the
// tolerance, and the id tells a repetition.
//
// # Sending
//
// Make one [Signer] for a scheme and its secrets, and let it append to a buffer
// for every attempt. Signers and Verifiers are safe for concurrent use.
//
// # When it does not match
//
// [Explain] tries the mistakes that people make and says which one it was. The
// file testdata/vectors.json holds cases for every scheme and every verdict in
// a form that implementations in other languages can run.
package signature
