<?php
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
