// Express: app.post("/webhook", express.raw({ type: "*/*", limit: "10mb" }), (req, res) =>
//   res.sendStatus(verify(process.env.WEBHOOK_SECRET, req.headers, req.body) ? 204 : 401));

import { createHmac, timingSafeEqual } from "node:crypto";

const SIGNATURE_HEADER = "x-chatislav-signature";

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export function verify(secret, headers, rawBody) {
  if (!secret) return false; // anybody can sign with an empty key
  // The key is the whole secret, whsec_ included, as UTF-8.
  const expected = createHmac("sha256", secret).update(rawBody).digest("hex");
  const received = headers[SIGNATURE_HEADER.toLowerCase()] ?? ""; // Node writes names in lower case
  // Constant time: === would tell by its duration how many characters were right.
  const a = Buffer.from(received);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
