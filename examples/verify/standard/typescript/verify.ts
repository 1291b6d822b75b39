// Next.js, Hono, Bun, Deno, Workers: const body = await request.arrayBuffer(); if (!(await verify(secret,
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
  if (keyBytes.length === 0 || id === "" || id.includes(".") || !/^\d{1,12}$/.test(timestamp)) return false;
  // An old request may be a recorded one that somebody sends again.
  if (Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;

  const key = await crypto.subtle.importKey("raw", keyBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = await new Blob([`${id}.${timestamp}.`, rawBody]).arrayBuffer();
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
