// Next.js, Hono, Bun, Deno, Workers: const body = await request.arrayBuffer(); if (!(await verify(secret,
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
