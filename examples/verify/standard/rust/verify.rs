// axum, with (headers: HeaderMap, body: Bytes): verify(&secret, |name| headers.get(name)?.to_str().ok(), &body,
//   SystemTime::now()); actix-web: req.headers() likewise, body: web::Bytes. The crates: see Cargo.toml.

use base64ct::{Base64, Encoding};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

const ID_HEADER: &str = "webhook-id";
const TIMESTAMP_HEADER: &str = "webhook-timestamp";
const SIGNATURE_HEADER: &str = "webhook-signature";
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// `raw_body` holds the bytes as received: parsing and writing JSON again changes them.
pub fn verify<'h>(
    secret: &str,
    header: impl Fn(&str) -> Option<&'h str>,
    raw_body: &[u8],
    now: SystemTime,
) -> bool {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => Base64::decode_vec(encoded).unwrap_or_default(),
        None => secret.as_bytes().to_vec(),
    };
    let [id, timestamp, signatures] =
        [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER].map(|name| header(name).unwrap_or(""));
    // Anybody can sign with an empty key; a full stop separates the signed parts.
    if key.is_empty() || id.is_empty() || id.contains('.') {
        return false;
    }
    let sent = match timestamp.parse::<u32>() {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds.into()),
        Err(_) => return false,
    };
    // An old request may be a recorded one that somebody sends again.
    if now.duration_since(sent).unwrap_or_else(|ahead| ahead.duration()) > TOLERANCE {
        return false;
    }
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    let mac = mac.chain_update(format!("{id}.{timestamp}.")).chain_update(raw_body);
    let expected = format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()));
    // While a secret is replaced there are several signatures, one of which must match. Other
    // versions, such as v1a (Ed25519), never do. Constant time: == would tell how much was right.
    signatures.split(' ').any(|s| s.as_bytes().ct_eq(expected.as_bytes()).into())
}
