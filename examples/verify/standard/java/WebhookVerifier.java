// Spring, with (@RequestHeader HttpHeaders headers, @RequestBody byte[] body): boolean ok =
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
