// Express: app.post("/webhook", express.raw({ type: "*/*", limit: "10mb" }), (req, res) =>
//   res.sendStatus(verify(process.env.WEBHOOK_SECRET, req.headers, req.body) ? 204 : 401));

import { createHmac, timingSafeEqual } from "node:crypto";

const ID_HEADER = "webhook-id";
const TIMESTAMP_HEADER = "webhook-timestamp";
const SIGNATURE_HEADER = "webhook-signature";
const TOLERANCE_SECONDS = 5 * 60;

/** rawBody holds the bytes as received: parsing and writing JSON again changes them. */
export function verify(secret, headers, rawBody, now = Date.now()) {
  const header = (name) => headers[name.toLowerCase()] ?? ""; // Node writes names in lower case
  const id = header(ID_HEADER);
  const timestamp = header(TIMESTAMP_HEADER);
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
  // Anybody can sign with an empty key; a full stop separates the signed parts.
  if (key.length === 0 || id === "" || id.includes(".") || !/^\d{1,12}$/.test(timestamp)) return false;
  // An old request may be a recorded one that somebody sends again.
  if (Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;

  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(rawBody);
  const expected = "v1," + mac.digest("base64");
  // While a secret is replaced there are several signatures, one of which must match.
  // Other versions, such as v1a (Ed25519), never do.
  return header(SIGNATURE_HEADER).split(" ").some((signature) => equal(signature, expected));
}

/** Constant time: === would tell by its duration how many characters were right. */
function equal(received, expected) {
  const a = Buffer.from(received);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
