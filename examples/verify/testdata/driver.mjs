// Calls verify.mjs (or verify.js, made from verify.ts) for each case of a file; see ../verify_test.go.
import { existsSync, readFileSync } from "node:fs";

const [file, clock] = process.argv.slice(2);
const typescript = existsSync("verify.js");
const { verify } = await import(typescript ? "./verify.js" : "./verify.mjs");
for (const line of readFileSync(file, "ascii").split("\n").slice(0, -1)) {
  const [secret, body, now, ...rest] = line.split("\t");
  const pairs = [];
  for (let i = 0; i < rest.length; i += 2) pairs.push([rest[i], Buffer.from(rest[i + 1], "base64").toString("latin1")]);
  // node:http writes names in lower case; Headers of fetch look them up in any.
  const headers = typescript ? new Headers(pairs) : Object.fromEntries(pairs.map(([n, v]) => [n.toLowerCase(), v]));
  const bytes = Buffer.from(body, "base64");
  const raw = typescript ? Uint8Array.from(bytes).buffer : bytes;
  const more = clock === "clock" ? [Number(now) * 1000] : [];
  try {
    console.log(String(await verify(Buffer.from(secret, "base64").toString(), headers, raw, ...more)));
  } catch (e) {
    console.log(`error: ${e}`);
  }
}
