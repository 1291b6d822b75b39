// axum, with (headers: HeaderMap, body: Bytes): verify(&secret, |name| headers.get(name)?.to_str().ok(), &body)
// actix-web: req.headers() likewise, body: web::Bytes. The crates: see Cargo.toml.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const SIGNATURE_HEADER: &str = "X-Chatzuri-Signature";
const SIGNATURE_PREFIX: &str = "sha256=";

/// `raw_body` holds the bytes as received: parsing and writing JSON again changes them.
pub fn verify<'h>(secret: &str, header: impl Fn(&str) -> Option<&'h str>, raw_body: &[u8]) -> bool {
    if secret.is_empty() {
        return false; // anybody can sign with an empty key
    }
    // The key is the whole secret, whsec_ included, as UTF-8.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    let digest = mac.chain_update(raw_body).finalize().into_bytes();
    let expected = format!("{SIGNATURE_PREFIX}{}", hex::encode(digest));
    let received = header(SIGNATURE_HEADER).unwrap_or("");
    // Constant time: == would tell by its duration how many characters were right.
    received.as_bytes().ct_eq(expected.as_bytes()).into()
}
