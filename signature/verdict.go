package signature

// Verdict is what [Explain] found. The set is closed; the same words stand in
// testdata/vectors.json, in command output and on screens.
type Verdict string

// The verdicts.
const (
	VerdictOK                    Verdict = "ok"
	VerdictMissingHeader         Verdict = "missing_header"
	VerdictMalformed             Verdict = "malformed"
	VerdictMissingPrefix         Verdict = "missing_prefix"
	VerdictUnexpectedPrefix      Verdict = "unexpected_prefix"
	VerdictWrongEncoding         Verdict = "wrong_encoding"
	VerdictUpperCaseHex          Verdict = "upper_case_hex"
	VerdictReserialisedBody      Verdict = "reserialised_body"
	VerdictSecretNotDecoded      Verdict = "secret_not_decoded"
	VerdictSecretDecoded         Verdict = "secret_decoded"
	VerdictSecretWhitespace      Verdict = "secret_whitespace"
	VerdictSecretPrefixMissing   Verdict = "secret_prefix_missing"
	VerdictSecretQuoted          Verdict = "secret_quoted"
	VerdictOldSecret             Verdict = "old_secret"
	VerdictSignedBodyOnly        Verdict = "signed_body_only"
	VerdictSignedIDTimestampBody Verdict = "signed_id_timestamp_body"
	VerdictWrongID               Verdict = "wrong_id"
	VerdictTimestampMilliseconds Verdict = "timestamp_milliseconds"
	VerdictTimestampStale        Verdict = "timestamp_stale"
	VerdictTimestampFuture       Verdict = "timestamp_future"
	VerdictWrongSecret           Verdict = "wrong_secret"
)

// Verdicts returns all verdicts in the order in which they are documented.
func Verdicts() []Verdict {
	return []Verdict{
		VerdictOK, VerdictMissingHeader, VerdictMalformed, VerdictMissingPrefix, VerdictUnexpectedPrefix,
		VerdictWrongEncoding, VerdictUpperCaseHex, VerdictReserialisedBody, VerdictSecretNotDecoded,
		VerdictSecretDecoded, VerdictSecretWhitespace, VerdictSecretPrefixMissing, VerdictSecretQuoted,
		VerdictOldSecret, VerdictSignedBodyOnly, VerdictSignedIDTimestampBody, VerdictWrongID,
		VerdictTimestampMilliseconds, VerdictTimestampStale, VerdictTimestampFuture, VerdictWrongSecret,
	}
}

// String returns the verdict's word.
func (v Verdict) String() string { return string(v) }

// Explanation says in one sentence what is wrong.
func (v Verdict) Explanation() string {
	explanation, _ := v.texts()
	return explanation
}

// Fix says in one sentence what to change; it is empty for [VerdictOK].
func (v Verdict) Fix() string {
	_, fix := v.texts()
	return fix
}

func (v Verdict) texts() (explanation, fix string) {
	switch v {
	case VerdictOK:
		return "The signature is valid.", ""
	case VerdictMissingHeader:
		return "The request lacks a header that this scheme needs.",
			"Check that the endpoint has a secret and this format, and that no proxy on the way removes the header."
	case VerdictMalformed:
		return "A header is there, but its value does not have the form that this scheme writes.",
			"Pass the header's value on exactly as received, without quotes, line breaks or shortening."
	case VerdictMissingPrefix:
		return "The digest is right, but the prefix before it is missing or another one.",
			"Compare with the whole value of the header, prefix included, or put the scheme's prefix before the digest."
	case VerdictUnexpectedPrefix:
		return "The digest is right, but something stands before it and this scheme has no prefix there.",
			"Compare with the bare digest, without anything before it."
	case VerdictWrongEncoding:
		return "The digest is right, but it is written in another encoding than this scheme uses.",
			"Write the raw bytes of the digest in the scheme's own encoding: lower-case hex, or padded standard base64."
	case VerdictUpperCaseHex:
		return "The digest is right, but its hex digits are in upper case.",
			"Write the digest in lower-case hex."
	case VerdictReserialisedBody:
		return "The signature belongs to the same body written differently: it was parsed and serialised again, or its white space or line ends changed.",
			"Read the raw bytes of the request before any JSON parser sees them, and compute the signature over these."
	case VerdictSecretNotDecoded:
		return "The text of the whsec_ secret was used as the key, where this scheme takes the bytes that it encodes.",
			"Remove whsec_ from the secret, decode the rest from base64 and use the bytes as the key."
	case VerdictSecretDecoded:
		return "A stripped or decoded form of the secret was used as the key, where this scheme takes the secret's text as it is shown.",
			"Use the whole secret as the key, whsec_ included if it begins so, without decoding it."
	case VerdictSecretWhitespace:
		return "The key was the secret with a blank or line break at its end.",
			"Trim the secret after reading it from a file, an environment variable or a form."
	case VerdictSecretPrefixMissing:
		return "The signature fits the secret with whsec_ before it: the secret you gave lacks its whsec_.",
			"Give the whole secret, whsec_ included; where it is shown without, use its text as the key and decode nothing."
	case VerdictSecretQuoted:
		return "The signature fits what stands between the quotes: the secret you gave has quotes around it.",
			"Give the secret without the quotes, and see whether the receiver reads it with them."
	case VerdictOldSecret:
		return "The signature was made with an earlier secret.",
			"Use the present secret; while it is being changed, accept both for a time."
	case VerdictSignedBodyOnly:
		return "Only the body was signed, where this scheme signs id, timestamp and body.",
			"Join webhook-id, webhook-timestamp and the raw body with full stops, and compute the signature over that."
	case VerdictSignedIDTimestampBody:
		return "Id, timestamp and body were signed, where this scheme signs the body alone.",
			"Compute the signature over the raw body and nothing else."
	case VerdictWrongID:
		return "Another id than the one in webhook-id was signed.",
			"Use the value of the webhook-id header, which is the event's id and the same on every attempt."
	case VerdictTimestampMilliseconds:
		return "The timestamp is in milliseconds, where this scheme counts seconds.",
			"Use whole unix seconds, and the value of webhook-timestamp exactly as received."
	case VerdictTimestampStale:
		return "The timestamp lies further back than the tolerance allows.",
			"Verify when the request arrives and keep the clock synchronised; to check an old request, switch the tolerance off."
	case VerdictTimestampFuture:
		return "The timestamp lies further ahead than the tolerance allows.",
			"Synchronise the clocks of sender and receiver."
	case VerdictWrongSecret:
		return "No combination of the given secrets and the usual mistakes gives this signature.",
			"Copy the endpoint's present secret again, and make sure that headers and body belong to the same request."
	default:
		return "Unknown verdict.", ""
	}
}
