<?php
// Calls verify.php for each case of a file; see ../verify_test.go.

require 'verify.php';

foreach (file($argv[1], FILE_IGNORE_NEW_LINES) as $line) {
    [$secret, $body, $now] = $fields = explode("\t", $line);
    $headers = []; // getallheaders writes names as they came
    for ($i = 3; $i + 1 < count($fields); $i += 2) {
        $headers[$fields[$i]] = base64_decode($fields[$i + 1]);
    }
    $clock = $argv[2] === 'clock' ? [(int) $now] : [];
    try {
        echo verify_webhook(base64_decode($secret), $headers, base64_decode($body), ...$clock) ? 'true' : 'false', "\n";
    } catch (Throwable $e) {
        echo 'error: ', strtok($e->getMessage(), "\n"), "\n";
    }
}
