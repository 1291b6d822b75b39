// ASP.NET Core: var body = new MemoryStream(); await Request.Body.CopyToAsync(body); if (!WebhookVerifier.Verify(
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
