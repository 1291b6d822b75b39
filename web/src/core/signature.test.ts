/** Holds signature.ts to the verdicts of `waybell verify`: signature/testdata/verdicts.json. */
import { CheckError, builtinSchemes, checkSignature, schemeOf, type Check, type CheckErrorCode, type Scheme, type SchemeVerdict } from "./signature.ts";

// The pages are compiled without the types of Node.js, so its modules come untyped.
const node = (name: string): Promise<any> => import(`node:${name}`);
const { test } = await node("test");
const assert = await node("assert/strict");
const { readFileSync } = await node("fs");
const process = await node("process");

interface Case {
  readonly name: string;
  readonly headers: string;
  readonly body: string;
  readonly body_base64?: string;
  readonly secrets: readonly string[];
  readonly old_secrets?: readonly string[];
  readonly scheme?: string;
  readonly now: number;
  readonly tolerance_seconds: number;
  readonly results: readonly (Omit<SchemeVerdict, "also" | "fix" | "detail"> & { fix?: string; detail?: string; also?: readonly SchemeVerdict[] })[];
  readonly notes?: readonly string[];
  readonly error?: { readonly code: CheckErrorCode; readonly text: string };
}

interface File {
  readonly schemes: Readonly<Record<string, Scheme>>;
  readonly cases: readonly Case[];
}

const path: string | URL = process.env.WAYBELL_VERDICTS ?? new URL("../../../signature/testdata/verdicts.json", import.meta.url);
const file: File = JSON.parse(readFileSync(path, "utf8"));

function asked(c: Case): Check {
  const bytes = (text: string): Uint8Array => Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  return {
    headers: c.headers,
    body: c.body_base64 === undefined ? c.body : bytes(c.body_base64),
    secrets: c.secrets,
    oldSecrets: c.old_secrets ?? [],
    schemes: c.scheme === undefined || c.scheme in builtinSchemes ? {} : file.schemes,
    ...(c.scheme === undefined ? {} : { scheme: c.scheme }),
    now: c.now * 1000,
    toleranceSeconds: c.tolerance_seconds,
  };
}

async function refused(check: Check, code: CheckErrorCode): Promise<CheckError> {
  try {
    await checkSignature(check);
  } catch (e) {
    assert.ok(e instanceof CheckError, String(e));
    assert.equal((e as CheckError).code, code);
    return e as CheckError;
  }
  throw new assert.AssertionError({ message: `no error, want ${code}` });
}

for (const c of file.cases) {
  test(c.name, async () => {
    if (c.error !== undefined) {
      const { message } = await refused(asked(c), c.error.code);
      assert.ok(c.error.text.endsWith(message), `${message}; waybell verify says: ${c.error.text}`);
      return;
    }
    const got = await checkSignature(asked(c));
    const want = c.results.map((r) => ({
      scheme: r.scheme, ok: r.ok, verdict: r.verdict, explanation: r.explanation, fix: r.fix ?? "", detail: r.detail ?? "",
      also: (r.also ?? []).map(({ verdict, explanation, fix }) => ({ verdict, explanation, fix })),
    }));
    assert.deepEqual(got.results, want);
    assert.deepEqual(got.notes, c.notes ?? []);
  });
}

test("the file holds cases", () => assert.ok(file.cases.length > 100));

test("the built-in schemes are those of Go", () => {
  for (const [name, scheme] of Object.entries(builtinSchemes)) assert.deepEqual(scheme, file.schemes[name]);
});

test("a format's signature gives its scheme", () => {
  for (const [name, s] of Object.entries(file.schemes)) {
    const { prefix = "", list = false, ...rest } = s;
    const told = { header: rest.header, signed: rest.signed_content, encoding: rest.encoding, prefix };
    const whole = { ...rest, prefix, list };
    assert.deepEqual(schemeOf({ ...told, algorithm: rest.algorithm, key: rest.key_derivation }), whole);
    if (["standard", "chatzuri", "chatislav"].includes(name)) assert.deepEqual(schemeOf(told), whole);
  }
});

const good = file.cases.find((c) => c.name === "chatzuri: plain secret") as Case;

test("headers as a JSON object", async () => {
  const [name = "", value = ""] = good.headers.split(": ");
  const { results } = await checkSignature({ ...asked(good), headers: JSON.stringify({ [name]: value, Accept: ["a", "b"] }) });
  assert.equal(results[0]?.verdict, "ok");
});

test("a server's own format is found by its header", async () => {
  const schemes = { acme: { ...(builtinSchemes["chatzuri"] as Scheme), header: "X-Acme" } };
  const headers = good.headers.replace(/^[^:]*/, "x-acme");
  const { scheme: _, ...check } = asked(good);
  assert.deepEqual((await checkSignature({ ...check, headers, schemes })).results.map((r) => [r.scheme, r.verdict]), [["acme", "ok"]]);
  assert.match((await refused({ ...check, headers }, "no_signature")).message, /none of the headers webhook-signature, X-Chatzuri-Signature, x-chatislav-signature is there/);
});

test("an empty list of secrets", () => refused({ ...asked(good), secrets: [] }, "invalid_secret"));
test("an unknown scheme", () => refused({ ...asked(good), scheme: "md5" }, "unsupported"));

test("no error holds the secret", async () => {
  for (const secret of ["whsec_canary", "canary", "whsk_canary", "canary-canary\n"]) {
    const e = await refused({ ...asked(good), secrets: [secret] }, "invalid_secret");
    assert.ok(!`${e.message}${e.stack}`.includes("canary"), e.message);
  }
});

test("the time is that of the clock where none is given", async () => {
  const stale = file.cases.find((c) => c.name === "standard: one secret") as Case;
  const { now: _, ...check } = asked(stale);
  assert.equal((await checkSignature(check)).results[0]?.verdict, "timestamp_stale");
});

test("a large body is searched within bounds", async () => {
  const body = JSON.stringify({ id: "evt", list: Array.from({ length: 20_000 }, (_, i) => ({ i, name: `name ${i}` })) }, null, 1);
  assert.ok(body.length > 512 << 10);
  const { results } = await checkSignature({ ...asked(good), body });
  assert.equal(results[0]?.verdict, "wrong_secret");
});
