var e=`// Express: app.post("/webhook", express.raw({ type: "*/*", limit: "10mb" }), (req, res) =>
//   res.sendStatus(verify(process.env.WEBHOOK_SECRET, req.headers, req.body) ? 204 : 401));

import { createHmac, timingSafeEqual } from "node:crypto";

const ID_HEADER = "webhook-id";
const TIMESTAMP_HEADER = "webhook-timestamp";
const SIGNATURE_HEADER = "webhook-signature";
const TOLERANCE_SECONDS = 5 * 60;

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export function verify(secret, headers, rawBody, now = Date.now()) {
  const header = (name) => headers[name.toLowerCase()] ?? ""; // Node writes names in lower case
  const id = header(ID_HEADER);
  const timestamp = header(TIMESTAMP_HEADER);
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
  // Anybody can sign with an empty key; a full stop separates the signed parts.
  if (key.length === 0 || id === "" || id.includes(".") || !/^\\d{1,12}$/.test(timestamp)) return false;
  // An old request may be a recorded one that somebody sends again.
  if (Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;

  const mac = createHmac("sha256", key).update(\`\${id}.\${timestamp}.\`).update(rawBody);
  const expected = "v1," + mac.digest("base64");
  // While a secret is replaced there are several signatures, one of which must match.
  // Other versions, such as v1a (Ed25519), never do.
  return header(SIGNATURE_HEADER).split(" ").some((signature) => equal(signature, expected));
}

/** Constant time: === would tell by its duration how many characters were right. */
function equal(received, expected) {
  const a = Buffer.from(received);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
`;var t=`// Next.js, Hono, Bun, Deno, Workers: const body = await request.arrayBuffer(); if (!(await verify(secret,
//   request.headers, body))) return new Response(null, { status: 401 }); Node.js with Express: see JavaScript.

const ID_HEADER = "webhook-id";
const TIMESTAMP_HEADER = "webhook-timestamp";
const SIGNATURE_HEADER = "webhook-signature";
const TOLERANCE_SECONDS = 5 * 60;

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export async function verify(
  secret: string, headers: Headers, rawBody: ArrayBuffer, now = Date.now(),
): Promise<boolean> {
  const id = headers.get(ID_HEADER) ?? "";
  const timestamp = headers.get(TIMESTAMP_HEADER) ?? "";
  const keyBytes = secret.startsWith("whsec_") ? fromBase64(secret.slice(6)) : new TextEncoder().encode(secret);
  // Anybody can sign with an empty key; a full stop separates the signed parts.
  if (keyBytes.length === 0 || id === "" || id.includes(".") || !/^\\d{1,12}$/.test(timestamp)) return false;
  // An old request may be a recorded one that somebody sends again.
  if (Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;

  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = await new Blob([\`\${id}.\${timestamp}.\`, rawBody]).arrayBuffer();
  // While a secret is replaced there are several signatures, one of which must match.
  // Other versions, such as v1a (Ed25519), are passed over.
  for (const signature of (headers.get(SIGNATURE_HEADER) ?? "").split(" ")) {
    const encoded = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(signature)?.[1];
    // verify compares in constant time: === would tell how many characters were right.
    if (encoded && (await crypto.subtle.verify("HMAC", key, fromBase64(encoded), signed))) return true;
  }
  return false;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
`;var a=`# Flask: verify(os.environ["WEBHOOK_SECRET"], request.headers, request.get_data()) or abort(401)
# Django: the same with request.headers and request.body; FastAPI: with await request.body().

import base64
import hashlib
import hmac
import re
import time

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 5 * 60


def verify(secret, headers, raw_body, now=None):
    """raw_body holds the bytes as received: parsing and writing JSON again changes them."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    # The headers of all common servers are looked up without regard to case.
    message_id = headers.get(ID_HEADER) or ""
    timestamp = headers.get(TIMESTAMP_HEADER) or ""
    # Anybody can sign with an empty key; a full stop separates the signed parts.
    if not key or not message_id or "." in message_id or not re.fullmatch("[0-9]{1,12}", timestamp):
        return False
    # An old request may be a recorded one that somebody sends again.
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False

    signed = f"{message_id}.{timestamp}.".encode() + raw_body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is replaced there are several signatures, one of which must match.
    # Other versions, such as v1a (Ed25519), never do.
    signatures = (headers.get(SIGNATURE_HEADER) or "").split()
    # Constant time: == would tell by its duration how many characters were right.
    return any(hmac.compare_digest(signature.encode(), expected) for signature in signatures)
`;var r=`<?php
// Plain PHP: $ok = verify_webhook($secret, getallheaders(), file_get_contents("php://input")); answer 401 if not.
// Laravel, Symfony: the same with array_map('current', $request->headers->all()) and $request->getContent().

declare(strict_types=1);

const ID_HEADER = 'webhook-id';
const TIMESTAMP_HEADER = 'webhook-timestamp';
const SIGNATURE_HEADER = 'webhook-signature';
const TOLERANCE_SECONDS = 5 * 60;

/** $rawBody holds the bytes as received: parsing and writing JSON again changes them. */
function verify_webhook(string $secret, array $headers, string $rawBody, ?int $now = null): bool
{
    $headers = array_change_key_case($headers); // senders and proxies write names as they like
    $id = $headers[strtolower(ID_HEADER)] ?? '';
    $timestamp = $headers[strtolower(TIMESTAMP_HEADER)] ?? '';
    $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6)) : $secret;
    // Anybody can sign with an empty key; a full stop separates the signed parts.
    if ($key === '' || $id === '' || str_contains($id, '.') || !preg_match('/^[0-9]{1,12}$/D', $timestamp)) {
        return false;
    }
    // An old request may be a recorded one that somebody sends again.
    if (abs(($now ?? time()) - (int) $timestamp) > TOLERANCE_SECONDS) {
        return false;
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$rawBody", $key, true));
    // While a secret is replaced there are several signatures, one of which must match.
    // Other versions, such as v1a (Ed25519), never do.
    foreach (explode(' ', $headers[strtolower(SIGNATURE_HEADER)] ?? '') as $signature) {
        // Constant time: === would tell by its duration how many characters were right.
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}
`;var s=`// net/http: body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20)), then
// if !Verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body, time.Now()) { w.WriteHeader(401) }

// Package webhook verifies webhooks of the standard format.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	idHeader        = "webhook-id"
	timestampHeader = "webhook-timestamp"
	signatureHeader = "webhook-signature"
	tolerance       = 5 * time.Minute
)

// Verify takes the body as received: parsing and writing JSON again changes its bytes.
func Verify(secret string, h http.Header, rawBody []byte, now time.Time) bool {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		key, _ = base64.StdEncoding.DecodeString(encoded)
	}
	id, timestamp := h.Get(idHeader), h.Get(timestampHeader)
	unix, err := strconv.ParseUint(timestamp, 10, 40)
	if len(key) == 0 || id == "" || strings.Contains(id, ".") || err != nil {
		return false // anybody can sign with an empty key; a full stop separates the signed parts
	}
	if now.Sub(time.Unix(int64(unix), 0)).Abs() > tolerance {
		return false // an old request may be a recorded one that somebody sends again
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(rawBody)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// While a secret is replaced there are several signatures, one of which must match. Other versions,
	// such as v1a (Ed25519), never do. Constant time: == would tell by its duration how much was right.
	return slices.ContainsFunc(strings.Fields(h.Get(signatureHeader)), func(signature string) bool {
		return hmac.Equal([]byte(signature), expected)
	})
}
`;var i=`# Sinatra, Rack: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.body.read) or halt 401
# Rails: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.raw_post) or head :unauthorized

require "openssl"

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 5 * 60

# raw_body holds the bytes as received: parsing and writing JSON again changes them.
def verify(secret, env, raw_body, now: Time.now)
  # Rack writes webhook-id as HTTP_WEBHOOK_ID, in whatever case it came.
  header = ->(name) { env["HTTP_" + name.upcase.tr("-", "_")].to_s.b }
  id = header.(ID_HEADER)
  timestamp = header.(TIMESTAMP_HEADER)
  key = secret.start_with?("whsec_") ? secret.delete_prefix("whsec_").unpack1("m") : secret
  # Anybody can sign with an empty key; a full stop separates the signed parts.
  return false if key.empty? || id.empty? || id.include?(".") || !timestamp.match?(/\\A[0-9]{1,12}\\z/)
  # An old request may be a recorded one that somebody sends again.
  return false if (now.to_r - timestamp.to_i).abs > TOLERANCE_SECONDS

  mac = OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{timestamp}.".b + raw_body.b)
  expected = "v1," + [mac].pack("m0")
  # While a secret is replaced there are several signatures, one of which must match.
  # Other versions, such as v1a (Ed25519), never do.
  # Constant time: == would tell by its duration how many characters were right.
  header.(SIGNATURE_HEADER).split(" ").any? { |signature| OpenSSL.secure_compare(signature, expected) }
end
`;var n=`// Spring, with (@RequestHeader HttpHeaders headers, @RequestBody byte[] body): boolean ok =
//   WebhookVerifier.verify(secret, headers::getFirst, body, Instant.now()); Servlet: request::getHeader.

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.function.UnaryOperator;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import static java.nio.charset.StandardCharsets.UTF_8;

public final class WebhookVerifier {
    private static final String ID_HEADER = "webhook-id";
    private static final String TIMESTAMP_HEADER = "webhook-timestamp";
    private static final String SIGNATURE_HEADER = "webhook-signature";
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    /** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
    public static boolean verify(String secret, UnaryOperator<String> header, byte[] rawBody, Instant now)
            throws GeneralSecurityException {
        byte[] key = secret.startsWith("whsec_")
                ? Base64.getDecoder().decode(secret.substring(6)) : secret.getBytes(UTF_8);
        String id = header.apply(ID_HEADER), timestamp = header.apply(TIMESTAMP_HEADER);
        String signatures = header.apply(SIGNATURE_HEADER);
        if (id == null || timestamp == null || signatures == null) return false;
        // Anybody can sign with an empty key; a full stop separates the signed parts.
        if (key.length == 0 || id.isEmpty() || id.contains(".") || !timestamp.matches("[0-9]{1,12}")) return false;
        // An old request may be a recorded one that somebody sends again.
        Duration age = Duration.between(Instant.ofEpochSecond(Long.parseLong(timestamp)), now).abs();
        if (age.compareTo(TOLERANCE) > 0) return false;

        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(UTF_8));
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(rawBody))).getBytes(UTF_8);
        // While a secret is replaced there are several signatures, one of which must match. Other versions,
        // such as v1a (Ed25519), never do. Constant time: equals would tell by its duration how much was right.
        return Arrays.stream(signatures.split(" ")).anyMatch(s -> MessageDigest.isEqual(s.getBytes(UTF_8), expected));
    }
}
`;var o=`// ASP.NET Core: var body = new MemoryStream(); await Request.Body.CopyToAsync(body); if (!WebhookVerifier.Verify(
//   secret, name => Request.Headers[name], body.ToArray(), DateTimeOffset.UtcNow)) return Unauthorized();

using System;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

public static class WebhookVerifier
{
    private const string IdHeader = "webhook-id";
    private const string TimestampHeader = "webhook-timestamp";
    private const string SignatureHeader = "webhook-signature";
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    /// <param name="rawBody">The bytes as received: parsing and writing JSON again changes them.</param>
    public static bool Verify(string secret, Func<string, string> header, byte[] rawBody, DateTimeOffset now)
    {
        byte[] key = secret.StartsWith("whsec_", StringComparison.Ordinal)
            ? Convert.FromBase64String(secret.Substring(6)) : Encoding.UTF8.GetBytes(secret);
        string id = header(IdHeader) ?? "", timestamp = header(TimestampHeader) ?? "";
        // Anybody can sign with an empty key; a full stop separates the signed parts.
        if (key.Length == 0 || id == "" || id.Contains(".")) return false;
        if (!Regex.IsMatch(timestamp, @"\\A[0-9]{1,11}\\z")) return false;
        // An old request may be a recorded one that somebody sends again.
        if ((now - DateTimeOffset.FromUnixTimeSeconds(long.Parse(timestamp))).Duration() > Tolerance) return false;

        byte[] head = Encoding.UTF8.GetBytes(id + "." + timestamp + ".");
        byte[] signed = new byte[head.Length + rawBody.Length];
        head.CopyTo(signed, 0);
        rawBody.CopyTo(signed, head.Length);
        string digest;
        using (var mac = new HMACSHA256(key)) digest = Convert.ToBase64String(mac.ComputeHash(signed));
        byte[] expected = Encoding.UTF8.GetBytes("v1," + digest);
        // While a secret is replaced there are several signatures, one of which must match. Other versions,
        // such as v1a (Ed25519), never do. Constant time: == would tell by its duration how much was right.
        return (header(SignatureHeader) ?? "").Split(' ').Any(signature =>
            CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(signature), expected));
    }
}
`;var c=`// axum, with (headers: HeaderMap, body: Bytes): verify(&secret, |name| headers.get(name)?.to_str().ok(), &body,
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

/// \`raw_body\` holds the bytes as received: parsing and writing JSON again changes them.
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
`;var d=`[package]
name = "verify-standard"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
path = "verify.rs"

[dependencies]
base64ct = { version = "1", features = ["alloc"] }
hmac = "0.12"
sha2 = "0.10"
subtle = "2"
`;var h=`// Express: app.post("/webhook", express.raw({ type: "*/*", limit: "10mb" }), (req, res) =>
//   res.sendStatus(verify(process.env.WEBHOOK_SECRET, req.headers, req.body) ? 204 : 401));

import { createHmac, timingSafeEqual } from "node:crypto";

const SIGNATURE_HEADER = "X-Chatzuri-Signature";
const SIGNATURE_PREFIX = "sha256=";

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export function verify(secret, headers, rawBody) {
  if (!secret) return false; // anybody can sign with an empty key
  // The key is the whole secret, whsec_ included, as UTF-8.
  const expected = SIGNATURE_PREFIX + createHmac("sha256", secret).update(rawBody).digest("hex");
  const received = headers[SIGNATURE_HEADER.toLowerCase()] ?? ""; // Node writes names in lower case
  // Constant time: === would tell by its duration how many characters were right.
  const a = Buffer.from(received);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
`;var y=`// Next.js, Hono, Bun, Deno, Workers: const body = await request.arrayBuffer(); if (!(await verify(secret,
//   request.headers, body))) return new Response(null, { status: 401 }); Node.js with Express: see JavaScript.

const SIGNATURE_HEADER = "X-Chatzuri-Signature";
const SIGNATURE_PREFIX = "sha256=";

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export async function verify(secret: string, headers: Headers, rawBody: ArrayBuffer): Promise<boolean> {
  const received = headers.get(SIGNATURE_HEADER) ?? "";
  const hex = received.slice(SIGNATURE_PREFIX.length);
  // Anybody can sign with an empty key.
  if (!secret || !received.startsWith(SIGNATURE_PREFIX) || !/^[0-9a-f]{64}$/.test(hex)) return false;

  // The key is the whole secret, whsec_ included, as UTF-8.
  const keyBytes = new TextEncoder().encode(secret);
  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signature = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  // verify compares in constant time: === would tell how many characters were right.
  return crypto.subtle.verify("HMAC", key, signature, rawBody);
}
`;var m=`# Flask: verify(os.environ["WEBHOOK_SECRET"], request.headers, request.get_data()) or abort(401)
# Django: the same with request.headers and request.body; FastAPI: with await request.body().

import hashlib
import hmac

SIGNATURE_HEADER = "X-Chatzuri-Signature"
SIGNATURE_PREFIX = "sha256="


def verify(secret, headers, raw_body):
    """raw_body holds the bytes as received: parsing and writing JSON again changes them."""
    if not secret:
        return False  # anybody can sign with an empty key
    # The key is the whole secret, whsec_ included, as UTF-8.
    expected = SIGNATURE_PREFIX + hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest()
    # The headers of all common servers are looked up without regard to case.
    received = headers.get(SIGNATURE_HEADER) or ""
    # Constant time: == would tell by its duration how many characters were right.
    return hmac.compare_digest(received.encode(), expected.encode())
`;var p=`<?php
// Plain PHP: $ok = verify_webhook($secret, getallheaders(), file_get_contents("php://input")); answer 401 if not.
// Laravel, Symfony: the same with array_map('current', $request->headers->all()) and $request->getContent().

declare(strict_types=1);

const SIGNATURE_HEADER = 'X-Chatzuri-Signature';
const SIGNATURE_PREFIX = 'sha256=';

/** $rawBody holds the bytes as received: parsing and writing JSON again changes them. */
function verify_webhook(string $secret, array $headers, string $rawBody): bool
{
    if ($secret === '') {
        return false; // anybody can sign with an empty key
    }
    // The key is the whole secret, whsec_ included, as UTF-8.
    $expected = SIGNATURE_PREFIX . hash_hmac('sha256', $rawBody, $secret);
    // Senders and proxies write header names as they like.
    $received = array_change_key_case($headers)[strtolower(SIGNATURE_HEADER)] ?? '';
    // Constant time: === would tell by its duration how many characters were right.
    return hash_equals($expected, $received);
}
`;var u=`// net/http: body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20)), then
// if !Verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body) { w.WriteHeader(401) }

// Package webhook verifies webhooks of the Chatzuri format.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

const (
	signatureHeader = "X-Chatzuri-Signature"
	signaturePrefix = "sha256="
)

// Verify takes the body as received: parsing and writing JSON again changes its bytes.
func Verify(secret string, h http.Header, rawBody []byte) bool {
	if secret == "" {
		return false // anybody can sign with an empty key
	}
	mac := hmac.New(sha256.New, []byte(secret)) // the whole secret, whsec_ included, as UTF-8
	mac.Write(rawBody)
	expected := signaturePrefix + hex.EncodeToString(mac.Sum(nil))
	// Constant time: == would tell by its duration how many characters were right.
	return hmac.Equal([]byte(h.Get(signatureHeader)), []byte(expected))
}
`;var l=`# Sinatra, Rack: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.body.read) or halt 401
# Rails: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.raw_post) or head :unauthorized

require "openssl"

SIGNATURE_HEADER = "X-Chatzuri-Signature"
SIGNATURE_PREFIX = "sha256="

# raw_body holds the bytes as received: parsing and writing JSON again changes them.
def verify(secret, env, raw_body)
  return false if secret.empty? # anybody can sign with an empty key

  # The key is the whole secret, whsec_ included, as UTF-8.
  expected = SIGNATURE_PREFIX + OpenSSL::HMAC.hexdigest("SHA256", secret, raw_body)
  # Rack writes X-My-Header as HTTP_X_MY_HEADER, in whatever case it came.
  received = env["HTTP_" + SIGNATURE_HEADER.upcase.tr("-", "_")].to_s
  # Constant time: == would tell by its duration how many characters were right.
  OpenSSL.secure_compare(received, expected)
end
`;var g=`// Spring, with (@RequestHeader HttpHeaders headers, @RequestBody byte[] body): boolean ok =
//   WebhookVerifier.verify(secret, headers::getFirst, body); Servlet: request::getHeader.

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.UnaryOperator;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import static java.nio.charset.StandardCharsets.UTF_8;

public final class WebhookVerifier {
    private static final String SIGNATURE_HEADER = "X-Chatzuri-Signature";
    private static final String SIGNATURE_PREFIX = "sha256=";

    /** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
    public static boolean verify(String secret, UnaryOperator<String> header, byte[] rawBody)
            throws GeneralSecurityException {
        String received = header.apply(SIGNATURE_HEADER);
        if (secret.isEmpty() || received == null) return false; // anybody can sign with an empty key

        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(UTF_8), "HmacSHA256")); // the whole secret, whsec_ included
        String expected = SIGNATURE_PREFIX + HexFormat.of().formatHex(mac.doFinal(rawBody));
        // Constant time: equals would tell by its duration how many characters were right.
        return MessageDigest.isEqual(received.getBytes(UTF_8), expected.getBytes(UTF_8));
    }
}
`;var w=`// ASP.NET Core: var body = new MemoryStream(); await Request.Body.CopyToAsync(body); if (!WebhookVerifier.Verify(
//   secret, name => Request.Headers[name], body.ToArray())) return Unauthorized();

using System;
using System.Security.Cryptography;
using System.Text;

public static class WebhookVerifier
{
    private const string SignatureHeader = "X-Chatzuri-Signature";
    private const string SignaturePrefix = "sha256=";

    /// <param name="rawBody">The bytes as received: parsing and writing JSON again changes them.</param>
    public static bool Verify(string secret, Func<string, string> header, byte[] rawBody)
    {
        if (secret == "") return false; // anybody can sign with an empty key
        // The key is the whole secret, whsec_ included, as UTF-8.
        using (var mac = new HMACSHA256(Encoding.UTF8.GetBytes(secret)))
        {
            string hex = BitConverter.ToString(mac.ComputeHash(rawBody)).Replace("-", "").ToLowerInvariant();
            byte[] expected = Encoding.UTF8.GetBytes(SignaturePrefix + hex);
            byte[] received = Encoding.UTF8.GetBytes(header(SignatureHeader) ?? "");
            // Constant time: == would tell by its duration how many characters were right.
            return CryptographicOperations.FixedTimeEquals(received, expected);
        }
    }
}
`;var b=`// axum, with (headers: HeaderMap, body: Bytes): verify(&secret, |name| headers.get(name)?.to_str().ok(), &body)
// actix-web: req.headers() likewise, body: web::Bytes. The crates: see Cargo.toml.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const SIGNATURE_HEADER: &str = "X-Chatzuri-Signature";
const SIGNATURE_PREFIX: &str = "sha256=";

/// \`raw_body\` holds the bytes as received: parsing and writing JSON again changes them.
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
`;var f=`[package]
name = "verify-chatzuri"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
path = "verify.rs"

[dependencies]
hex = "0.4"
hmac = "0.12"
sha2 = "0.10"
subtle = "2"
`;var E=`// Express: app.post("/webhook", express.raw({ type: "*/*", limit: "10mb" }), (req, res) =>
//   res.sendStatus(verify(process.env.WEBHOOK_SECRET, req.headers, req.body) ? 204 : 401));

import { createHmac, timingSafeEqual } from "node:crypto";

const SIGNATURE_HEADER = "x-chatislav-signature";

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export function verify(secret, headers, rawBody) {
  if (!secret) return false; // anybody can sign with an empty key
  // The key is the whole secret, whsec_ included, as UTF-8.
  const expected = createHmac("sha256", secret).update(rawBody).digest("hex");
  const received = headers[SIGNATURE_HEADER.toLowerCase()] ?? ""; // Node writes names in lower case
  // Constant time: === would tell by its duration how many characters were right.
  const a = Buffer.from(received);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
`;var _=`// Next.js, Hono, Bun, Deno, Workers: const body = await request.arrayBuffer(); if (!(await verify(secret,
//   request.headers, body))) return new Response(null, { status: 401 }); Node.js with Express: see JavaScript.

const SIGNATURE_HEADER = "x-chatislav-signature";

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export async function verify(secret: string, headers: Headers, rawBody: ArrayBuffer): Promise<boolean> {
  const received = headers.get(SIGNATURE_HEADER) ?? "";
  // Anybody can sign with an empty key.
  if (!secret || !/^[0-9a-f]{64}$/.test(received)) return false;

  // The key is the whole secret, whsec_ included, as UTF-8.
  const keyBytes = new TextEncoder().encode(secret);
  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signature = Uint8Array.from(received.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  // verify compares in constant time: === would tell how many characters were right.
  return crypto.subtle.verify("HMAC", key, signature, rawBody);
}
`;var v=`# Flask: verify(os.environ["WEBHOOK_SECRET"], request.headers, request.get_data()) or abort(401)
# Django: the same with request.headers and request.body; FastAPI: with await request.body().

import hashlib
import hmac

SIGNATURE_HEADER = "x-chatislav-signature"


def verify(secret, headers, raw_body):
    """raw_body holds the bytes as received: parsing and writing JSON again changes them."""
    if not secret:
        return False  # anybody can sign with an empty key
    # The key is the whole secret, whsec_ included, as UTF-8.
    expected = hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest()
    # The headers of all common servers are looked up without regard to case.
    received = headers.get(SIGNATURE_HEADER) or ""
    # Constant time: == would tell by its duration how many characters were right.
    return hmac.compare_digest(received.encode(), expected.encode())
`;var S=`<?php
// Plain PHP: $ok = verify_webhook($secret, getallheaders(), file_get_contents("php://input")); answer 401 if not.
// Laravel, Symfony: the same with array_map('current', $request->headers->all()) and $request->getContent().

declare(strict_types=1);

const SIGNATURE_HEADER = 'x-chatislav-signature';

/** $rawBody holds the bytes as received: parsing and writing JSON again changes them. */
function verify_webhook(string $secret, array $headers, string $rawBody): bool
{
    if ($secret === '') {
        return false; // anybody can sign with an empty key
    }
    // The key is the whole secret, whsec_ included, as UTF-8.
    $expected = hash_hmac('sha256', $rawBody, $secret);
    // Senders and proxies write header names as they like.
    $received = array_change_key_case($headers)[strtolower(SIGNATURE_HEADER)] ?? '';
    // Constant time: === would tell by its duration how many characters were right.
    return hash_equals($expected, $received);
}
`;var T=`// net/http: body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10<<20)), then
// if !Verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body) { w.WriteHeader(401) }

// Package webhook verifies webhooks of the Chatislav format.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

const signatureHeader = "x-chatislav-signature"

// Verify takes the body as received: parsing and writing JSON again changes its bytes.
func Verify(secret string, h http.Header, rawBody []byte) bool {
	if secret == "" {
		return false // anybody can sign with an empty key
	}
	mac := hmac.New(sha256.New, []byte(secret)) // the whole secret, whsec_ included, as UTF-8
	mac.Write(rawBody)
	expected := hex.EncodeToString(mac.Sum(nil))
	// Constant time: == would tell by its duration how many characters were right.
	return hmac.Equal([]byte(h.Get(signatureHeader)), []byte(expected))
}
`;var A=`# Sinatra, Rack: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.body.read) or halt 401
# Rails: verify(ENV.fetch("WEBHOOK_SECRET"), request.env, request.raw_post) or head :unauthorized

require "openssl"

SIGNATURE_HEADER = "x-chatislav-signature"

# raw_body holds the bytes as received: parsing and writing JSON again changes them.
def verify(secret, env, raw_body)
  return false if secret.empty? # anybody can sign with an empty key

  # The key is the whole secret, whsec_ included, as UTF-8.
  expected = OpenSSL::HMAC.hexdigest("SHA256", secret, raw_body)
  # Rack writes X-My-Header as HTTP_X_MY_HEADER, in whatever case it came.
  received = env["HTTP_" + SIGNATURE_HEADER.upcase.tr("-", "_")].to_s
  # Constant time: == would tell by its duration how many characters were right.
  OpenSSL.secure_compare(received, expected)
end
`;var R=`// Spring, with (@RequestHeader HttpHeaders headers, @RequestBody byte[] body): boolean ok =
//   WebhookVerifier.verify(secret, headers::getFirst, body); Servlet: request::getHeader.

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.UnaryOperator;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import static java.nio.charset.StandardCharsets.UTF_8;

public final class WebhookVerifier {
    private static final String SIGNATURE_HEADER = "x-chatislav-signature";

    /** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
    public static boolean verify(String secret, UnaryOperator<String> header, byte[] rawBody)
            throws GeneralSecurityException {
        String received = header.apply(SIGNATURE_HEADER);
        if (secret.isEmpty() || received == null) return false; // anybody can sign with an empty key

        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(UTF_8), "HmacSHA256")); // the whole secret, whsec_ included
        String expected = HexFormat.of().formatHex(mac.doFinal(rawBody));
        // Constant time: equals would tell by its duration how many characters were right.
        return MessageDigest.isEqual(received.getBytes(UTF_8), expected.getBytes(UTF_8));
    }
}
`;var H=`// ASP.NET Core: var body = new MemoryStream(); await Request.Body.CopyToAsync(body); if (!WebhookVerifier.Verify(
//   secret, name => Request.Headers[name], body.ToArray())) return Unauthorized();

using System;
using System.Security.Cryptography;
using System.Text;

public static class WebhookVerifier
{
    private const string SignatureHeader = "x-chatislav-signature";

    /// <param name="rawBody">The bytes as received: parsing and writing JSON again changes them.</param>
    public static bool Verify(string secret, Func<string, string> header, byte[] rawBody)
    {
        if (secret == "") return false; // anybody can sign with an empty key
        // The key is the whole secret, whsec_ included, as UTF-8.
        using (var mac = new HMACSHA256(Encoding.UTF8.GetBytes(secret)))
        {
            string hex = BitConverter.ToString(mac.ComputeHash(rawBody)).Replace("-", "").ToLowerInvariant();
            byte[] expected = Encoding.UTF8.GetBytes(hex);
            byte[] received = Encoding.UTF8.GetBytes(header(SignatureHeader) ?? "");
            // Constant time: == would tell by its duration how many characters were right.
            return CryptographicOperations.FixedTimeEquals(received, expected);
        }
    }
}
`;var k=`// axum, with (headers: HeaderMap, body: Bytes): verify(&secret, |name| headers.get(name)?.to_str().ok(), &body)
// actix-web: req.headers() likewise, body: web::Bytes. The crates: see Cargo.toml.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const SIGNATURE_HEADER: &str = "x-chatislav-signature";

/// \`raw_body\` holds the bytes as received: parsing and writing JSON again changes them.
pub fn verify<'h>(secret: &str, header: impl Fn(&str) -> Option<&'h str>, raw_body: &[u8]) -> bool {
    if secret.is_empty() {
        return false; // anybody can sign with an empty key
    }
    // The key is the whole secret, whsec_ included, as UTF-8.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    let digest = mac.chain_update(raw_body).finalize().into_bytes();
    let expected = hex::encode(digest);
    let received = header(SIGNATURE_HEADER).unwrap_or("");
    // Constant time: == would tell by its duration how many characters were right.
    received.as_bytes().ct_eq(expected.as_bytes()).into()
}
`;var x=`[package]
name = "verify-chatislav"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
path = "verify.rs"

[dependencies]
hex = "0.4"
hmac = "0.12"
sha2 = "0.10"
subtle = "2"
`;var mt={standard:{javascript:e,typescript:t,python:a,php:r,go:s,ruby:i,java:n,csharp:o,rust:c,cargo:d},chatzuri:{javascript:h,typescript:y,python:m,php:p,go:u,ruby:l,java:g,csharp:w,rust:b,cargo:f},chatislav:{javascript:E,typescript:_,python:v,php:S,go:T,ruby:A,java:R,csharp:H,rust:k,cargo:x}};export{mt as sources};
