// Spring, with (@RequestHeader HttpHeaders headers, @RequestBody byte[] body): boolean ok =
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
