// Calls WebhookVerifier for each case of a file; see ../verify_test.go.

import com.sun.net.httpserver.Headers;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.function.UnaryOperator;

public final class Driver {
    public static void main(String[] args) throws Exception {
        boolean clock = args[1].equals("clock");
        Class<?>[] types = clock
                ? new Class<?>[] {String.class, UnaryOperator.class, byte[].class, Instant.class}
                : new Class<?>[] {String.class, UnaryOperator.class, byte[].class};
        Method verify = WebhookVerifier.class.getMethod("verify", types);
        Base64.Decoder base64 = Base64.getDecoder();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] fields = line.split("\t", -1);
            Headers headers = new Headers(); // the JDK's own server
            for (int i = 3; i + 1 < fields.length; i += 2) {
                headers.add(fields[i], new String(base64.decode(fields[i + 1]), StandardCharsets.ISO_8859_1));
            }
            UnaryOperator<String> header = headers::getFirst;
            String secret = new String(base64.decode(fields[0]), StandardCharsets.UTF_8);
            byte[] body = base64.decode(fields[1]);
            Instant now = Instant.ofEpochSecond(Long.parseLong(fields[2]));
            try {
                System.out.println(clock ? verify.invoke(null, secret, header, body, now) : verify.invoke(null, secret, header, body));
            } catch (InvocationTargetException e) {
                System.out.println("error: " + e.getCause());
            }
        }
    }
}
