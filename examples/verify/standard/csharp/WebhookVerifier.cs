// ASP.NET Core: var body = new MemoryStream(); await Request.Body.CopyToAsync(body); if (!WebhookVerifier.Verify(
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
        if (!Regex.IsMatch(timestamp, @"\A[0-9]{1,11}\z")) return false;
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
