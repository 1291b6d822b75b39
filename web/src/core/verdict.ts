/** What each verdict means, and what to do; the words of signature/verdict.go. */
export const texts = {
  ok: [
    "The signature is valid.",
    "",
  ],
  missing_header: [
    "The request lacks a header that this scheme needs.",
    "Check that the endpoint has a secret and this format, and that no proxy on the way removes the header.",
  ],
  malformed: [
    "A header is there, but its value does not have the form that this scheme writes.",
    "Pass the header's value on exactly as received, without quotes, line breaks or shortening.",
  ],
  missing_prefix: [
    "The digest is right, but the prefix before it is missing or another one.",
    "Compare with the whole value of the header, prefix included, or put the scheme's prefix before the digest.",
  ],
  unexpected_prefix: [
    "The digest is right, but something stands before it and this scheme has no prefix there.",
    "Compare with the bare digest, without anything before it.",
  ],
  wrong_encoding: [
    "The digest is right, but it is written in another encoding than this scheme uses.",
    "Write the raw bytes of the digest in the scheme's own encoding: lower-case hex, or padded standard base64.",
  ],
  upper_case_hex: [
    "The digest is right, but its hex digits are in upper case.",
    "Write the digest in lower-case hex.",
  ],
  reserialised_body: [
    "The signature belongs to the same body written differently: it was parsed and serialised again, or its white space or line ends changed.",
    "Read the raw bytes of the request before any JSON parser sees them, and compute the signature over these.",
  ],
  secret_not_decoded: [
    "The text of the whsec_ secret was used as the key, where this scheme takes the bytes that it encodes.",
    "Remove whsec_ from the secret, decode the rest from base64 and use the bytes as the key.",
  ],
  secret_decoded: [
    "A stripped or decoded form of the secret was used as the key, where this scheme takes the secret's text as it is shown.",
    "Use the whole secret as the key, whsec_ included if it begins so, without decoding it.",
  ],
  secret_whitespace: [
    "The key was the secret with a blank or line break at its end.",
    "Trim the secret after reading it from a file, an environment variable or a form.",
  ],
  secret_prefix_missing: [
    "The signature fits the secret with whsec_ before it: the secret you gave lacks its whsec_.",
    "Give the whole secret, whsec_ included; where it is shown without, use its text as the key and decode nothing.",
  ],
  secret_quoted: [
    "The signature fits what stands between the quotes: the secret you gave has quotes around it.",
    "Give the secret without the quotes, and see whether the receiver reads it with them.",
  ],
  old_secret: [
    "The signature was made with an earlier secret.",
    "Use the present secret; while it is being changed, accept both for a time.",
  ],
  signed_body_only: [
    "Only the body was signed, where this scheme signs id, timestamp and body.",
    "Join webhook-id, webhook-timestamp and the raw body with full stops, and compute the signature over that.",
  ],
  signed_id_timestamp_body: [
    "Id, timestamp and body were signed, where this scheme signs the body alone.",
    "Compute the signature over the raw body and nothing else.",
  ],
  wrong_id: [
    "Another id than the one in webhook-id was signed.",
    "Use the value of the webhook-id header, which is the event's id and the same on every attempt.",
  ],
  timestamp_milliseconds: [
    "The timestamp is in milliseconds, where this scheme counts seconds.",
    "Use whole unix seconds, and the value of webhook-timestamp exactly as received.",
  ],
  timestamp_stale: [
    "The timestamp lies further back than the tolerance allows.",
    "Verify when the request arrives and keep the clock synchronised; to check an old request, switch the tolerance off.",
  ],
  timestamp_future: [
    "The timestamp lies further ahead than the tolerance allows.",
    "Synchronise the clocks of sender and receiver.",
  ],
  wrong_secret: [
    "No combination of the given secrets and the usual mistakes gives this signature.",
    "Copy the endpoint's present secret again, and make sure that headers and body belong to the same request.",
  ],
} as const satisfies Record<string, readonly [explanation: string, fix: string]>;

export type Verdict = keyof typeof texts;
