<?php
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
