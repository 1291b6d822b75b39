/**
 * Says whether the signature of a request is right and, when it is wrong, why:
 * with the verdicts and words of `waybell verify`, of which this is the twin in
 * the browser (signature/explain.go). testdata/verdicts.json holds both to the
 * same answers. Nothing leaves the page; secrets are held by no variable of the
 * module and stand in no message.
 */

import { binary, byCodePoint, type Bytes, maxPairedBody, maxReserialised, parseValue, type Spelling, spellings, textOf, utf8 } from "./reserialise.ts";
import { texts, type Verdict } from "./verdict.ts";

export type Algorithm = "hmac-sha256" | "hmac-sha384" | "hmac-sha512" | "ed25519";

/** A signature header described completely, as signature.Scheme does in Go. */
export interface Scheme {
  readonly header: string;
  readonly algorithm: Algorithm;
  readonly key_derivation: "utf8" | "whsec" | "ed25519";
  readonly encoding: "hex" | "base64";
  readonly prefix?: string;
  readonly signed_content: "body" | "id.timestamp.body";
  readonly list?: boolean;
}

/** The signature of a format as `GET /v1/profiles` tells of it. */
export interface FormatSignature {
  readonly header: string;
  readonly algorithm?: string;
  readonly key?: string;
  readonly signed: Scheme["signed_content"];
  readonly encoding: Scheme["encoding"];
  readonly prefix: string;
  readonly list?: boolean;
}

export interface SchemeVerdict {
  readonly scheme: string;
  readonly ok: boolean;
  readonly verdict: Verdict;
  readonly explanation: string;
  readonly fix: string;
  /** The case at hand in a few words; may be empty. */
  readonly detail: string;
  /** What must be mended besides, most telling first. */
  readonly also: readonly Pick<SchemeVerdict, "verdict" | "explanation" | "fix">[];
}

export interface Check {
  /** Lines of `Name: value`, a JSON object, or the whole request where body is empty. */
  readonly headers: string;
  /** As received; a text stands for its UTF-8 bytes. */
  readonly body: string | Uint8Array;
  /** Those in force, and public keys. */
  readonly secrets: readonly string[];
  /** No longer in force, but may have signed. */
  readonly oldSecrets?: readonly string[];
  /** Schemes of the server's own formats, besides the built-in ones. */
  readonly schemes?: Readonly<Record<string, Scheme>>;
  /** The name of the one scheme to check; without it, all whose header is there. */
  readonly scheme?: string;
  /** Milliseconds since 1970; without it, now. */
  readonly now?: number;
  /** How far the signed time may lie from now; 0 accepts any. */
  readonly toleranceSeconds?: number;
}

export interface CheckResult {
  /** One per signature that was checked, never none. */
  readonly results: readonly SchemeVerdict[];
  /** What else was noticed, for people. */
  readonly notes: readonly string[];
}

export type CheckErrorCode = "invalid_headers" | "invalid_secret" | "no_signature" | "unsupported";

/** The check could not be made. The message is for people and holds no secret. */
export class CheckError extends Error {
  readonly code: CheckErrorCode;
  constructor(code: CheckErrorCode, message: string) {
    super(message);
    this.name = "CheckError";
    this.code = code;
  }
}

const standard: Scheme = { header: "webhook-signature", algorithm: "hmac-sha256", key_derivation: "whsec", encoding: "base64", prefix: "v1,", signed_content: "id.timestamp.body", list: true };
const legacy = { algorithm: "hmac-sha256", key_derivation: "utf8", encoding: "hex", signed_content: "body" } as const;

/** The schemes that need no configuration. */
export const builtinSchemes: Readonly<Record<string, Scheme>> = {
  standard,
  ed25519: { ...standard, algorithm: "ed25519", key_derivation: "ed25519", prefix: "v1a," },
  chatzuri: { ...legacy, header: "X-Chatzuri-Signature", prefix: "sha256=" },
  chatislav: { ...legacy, header: "x-chatislav-signature" },
};

/** The scheme of a format of the server; what is not told is as in the built-in format that signs the same content. */
export function schemeOf(s: FormatSignature): Scheme {
  const like = s.signed === "body" ? legacy : standard;
  return {
    header: s.header,
    algorithm: (["hmac-sha256", "hmac-sha384", "hmac-sha512", "ed25519"] as const).find((a) => a === s.algorithm) ?? like.algorithm,
    key_derivation: (["utf8", "whsec", "ed25519"] as const).find((k) => k === s.key) ?? like.key_derivation,
    encoding: s.encoding,
    prefix: s.prefix,
    signed_content: s.signed,
    list: s.list ?? s.signed !== "body",
  };
}

/** Checks a request; rejects with a CheckError where that cannot be done. */
export async function checkSignature(check: Check): Promise<CheckResult> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new CheckError("unsupported", "the browser computes signatures only on pages of https or localhost; open this page there, or use waybell verify");
  }
  const known: Record<string, Scheme> = { ...builtinSchemes, ...check.schemes };
  const secrets = await Promise.all(check.secrets.map(parseSecret));
  const old = await Promise.all((check.oldSecrets ?? []).map(parseSecret));
  if (secrets.length === 0) throw new CheckError("invalid_secret", "no secret is given");
  const { header, body, notes } = readRequest(check.headers, check.body);
  const names = check.scheme !== undefined ? [check.scheme] : schemesIn(header, known);
  const results: SchemeVerdict[] = [];
  for (const name of names) {
    const scheme = known[name];
    if (scheme === undefined) throw new CheckError("unsupported", `there is no signature scheme of the name ${name}`);
    let fitting = secrets.filter((s) => isAsymmetric(s) === (scheme.algorithm === "ed25519"));
    // The header of another scheme carries the signature of this secret.
    if (fitting.length === 0 && check.scheme === undefined && names.length > 1) continue;
    if (fitting.length === 0) fitting = secrets; // let the error say what does not fit
    const now = (check.now ?? Date.now()) / 1000;
    const evidence: Evidence = { scheme, known, secrets: fitting, old, header, body, now, tolerance: check.toleranceSeconds ?? 300 };
    results.push(view(name, await explain(evidence)));
  }
  if (results.length === 0) throw new CheckError("invalid_secret", "none of the secrets fits a signature that the request carries");
  return { results, notes };
}

// What follows keeps to the order and the names of the Go package.

type Header = ReadonlyMap<string, readonly string[]>; // names in lower case

interface Secret {
  readonly text: string;
  readonly decoded?: Bytes; // after whsec_
  readonly publicKey?: CryptoKey;
}

interface Evidence {
  readonly scheme: Scheme;
  readonly known: Readonly<Record<string, Scheme>>;
  readonly secrets: readonly Secret[];
  readonly old: readonly Secret[];
  readonly header: Header;
  readonly body: Bytes;
  readonly now: number; // seconds
  readonly tolerance: number; // seconds
}

interface Diagnosis {
  readonly verdict: Verdict;
  readonly also: readonly Verdict[];
  readonly detail: string;
}

/** Why a request is refused, and where. */
interface Refusal {
  readonly kind: "missing" | "malformed" | "too_old" | "too_new" | "no_match";
  readonly text: string;
}

interface Input {
  readonly id: string;
  readonly unix: bigint;
}

interface Presentation {
  readonly raw: Bytes;
  readonly flaws: readonly Verdict[];
}

interface KeyGuess {
  readonly flaws: readonly Verdict[];
  readonly detail: string;
  readonly key: CryptoKey;
}

interface ContentGuess {
  readonly flaws: readonly Verdict[];
  readonly detail: string;
  readonly head: string;
  readonly body: Bytes;
}

const maxSignatures = 32;
const maxHeaderBytes = 8 << 10;
const maxIDBytes = 256;
const sizes: Readonly<Record<Algorithm, number>> = { "hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64, ed25519: 64 };
const hashes = { "hmac-sha256": "SHA-256", "hmac-sha384": "SHA-384", "hmac-sha512": "SHA-512" } as const;

const same = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
const join = (...parts: readonly string[]): string => parts.filter((p) => p !== "").join("; ");

function concat(...parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

function fromHex(text: string): Bytes | null {
  return text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text) ? Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16)) : null;
}

/** Base64 of the standard alphabet with stray bits, but without padding. */
function fromRawBase64(text: string): Bytes | null {
  return /^[A-Za-z0-9+/]*$/.test(text) && text.length % 4 !== 1 ? binary(atob(text)) : null;
}

/** Strict: one text per value. */
function fromBase64(text: string): Bytes | null {
  const raw = text.length % 4 === 0 ? fromRawBase64(text.replace(/={1,2}$/, "")) : null;
  return raw !== null && btoa(String.fromCharCode(...raw)) === text ? raw : null;
}

const decodeAs = (encoding: Scheme["encoding"], text: string): Bytes | null =>
  encoding === "base64" ? fromBase64(text) : text === text.toLowerCase() ? fromHex(text) : null;

const isAsymmetric = (s: Secret): boolean => s.publicKey !== undefined;

async function parseSecret(text: string): Promise<Secret> {
  const wrong = (why: string): CheckError => new CheckError("invalid_secret", `invalid secret: ${why}`);
  const after = (prefix: string): Bytes => {
    const raw = fromBase64(text.slice(prefix.length));
    if (raw === null || raw.length === 0) throw wrong(`what follows ${prefix} is not standard base64 with padding`);
    return raw;
  };
  const count = [...text].length;
  if (/\p{Cs}/u.test(text)) throw wrong("it is not valid UTF-8");
  if (count < 8 || count > 256) throw wrong(`it has ${count} characters, needed are 8 to 256`);
  if (/\p{Cc}/u.test(text)) throw wrong("it holds control characters");
  const blank = "[\\p{White_Space}\\u200b\\u200e\\u200f\\u2060\\ufeff]";
  if (new RegExp(`^${blank}|${blank}$`, "u").test(text)) throw wrong("it begins or ends with a blank");
  if (text.startsWith("whsec_")) return { text, decoded: after("whsec_") };
  if (text.startsWith("whpk_")) {
    const raw = after("whpk_");
    if (raw.length !== 32) throw wrong(`whpk_… holds ${raw.length} bytes, a public key has 32`);
    return { text, publicKey: await importEd25519(raw) };
  }
  if (text.startsWith("whsk_")) {
    const raw = after("whsk_");
    if (raw.length !== 32 && raw.length !== 64) throw wrong(`whsk_… holds ${raw.length} bytes, a private key has 32 or 64`);
    const own = await publicHalf(raw.slice(0, 32));
    if (raw.length === 64 && !same(own, raw.slice(32))) throw wrong("the two halves of the private key do not belong together");
    return { text, publicKey: await importEd25519(own) };
  }
  return { text };
}

async function ed25519<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch {
    throw new CheckError("unsupported", "this browser cannot check Ed25519 signatures; a newer one can, or use waybell verify");
  }
}

const importEd25519 = (raw: Bytes): Promise<CryptoKey> => ed25519(() => crypto.subtle.importKey("raw", raw, "Ed25519", true, ["verify"]));

function publicHalf(seed: Bytes): Promise<Bytes> {
  return ed25519(async () => {
    const head = fromHex("302e020100300506032b657004220420") ?? new Uint8Array(); // PKCS #8, RFC 8410
    const key = await crypto.subtle.importKey("pkcs8", concat(head, seed), "Ed25519", true, ["sign"]);
    const { x } = await crypto.subtle.exportKey("jwk", key);
    return fromRawBase64((x ?? "").replace(/-/g, "+").replace(/_/g, "/")) ?? new Uint8Array();
  });
}

/** Takes apart what was pasted. */
function readRequest(headers: string, given: string | Uint8Array): { header: Header; body: Bytes; notes: string[] } {
  const body = typeof given === "string" ? utf8(given) : new Uint8Array(given);
  const whole = /^([^]*?\n)\r?\n([^]+)$/.exec(headers.replace(/^(?:\r?\n)+/, ""));
  if (body.length > 0 || whole === null) return { header: parseHeaders(headers), body, notes: [] };
  const header = parseHeaders(whole[1] ?? "");
  return { header, ...cutBody(header, utf8(whole[2] ?? "")) };
}

/** Cuts the body at Content-Length, because editors add a line break at the end. */
function cutBody(header: Header, body: Bytes): { body: Bytes; notes: string[] } {
  const length = first(header, "content-length");
  if (length === "") {
    const chunked = first(header, "transfer-encoding") !== "";
    return { body, notes: chunked ? ["the request was sent with Transfer-Encoding; what follows the headers is taken as the decoded body"] : [] };
  }
  const n = Number(length);
  if (!/^[0-9]+$/.test(length)) throw new CheckError("invalid_headers", `Content-Length "${length}" is no number`);
  if (n < body.length) return { body: body.slice(0, n), notes: [`Content-Length is ${n}, so ${body.length - n} bytes after it are left out`] };
  return { body, notes: n > body.length ? [`Content-Length is ${n}, but the body has ${body.length} bytes: it is not the body that was sent`] : [] };
}

function parseHeaders(text: string): Header {
  const header = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    const key = name.trim().toLowerCase();
    if (key === "" || /[ \t]/.test(key)) throw new CheckError("invalid_headers", "a header is not of the form 'Name: value'");
    header.set(key, [...(header.get(key) ?? []), value.trim()]);
  };
  if (text.trimStart().startsWith("{")) {
    for (const [name, value] of Object.entries(parseObject(text))) for (const v of [value].flat()) add(name, String(v));
    return header;
  }
  let started = false;
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "" || (!started && isRequestLine(line))) continue;
    started = true;
    const colon = line.indexOf(":");
    add(line.slice(0, Math.max(colon, 0)), line.slice(colon + 1));
  }
  return header;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text);
  } catch {
    throw new CheckError("invalid_headers", "the headers begin with { but are no JSON object");
  }
}

function isRequestLine(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  const last = fields[fields.length - 1] ?? "";
  return fields.length >= 2 && !(fields[0] ?? "").endsWith(":") && (last.startsWith("HTTP/") || (fields.length === 2 && last.startsWith("/")));
}

const values = (header: Header, name: string): string[] => (header.get(name.toLowerCase()) ?? []).filter((v) => v !== "");
const first = (header: Header, name: string): string => values(header, name)[0] ?? "";

function schemesIn(header: Header, known: Readonly<Record<string, Scheme>>): string[] {
  const carries = (s: Scheme): boolean => (header.get(s.header.toLowerCase())?.[0] ?? "").includes(s.prefix ?? "");
  const names = Object.entries(known).flatMap(([name, s]) => {
    if ((header.get(s.header.toLowerCase())?.[0] ?? "") === "") return [];
    const sibling = Object.values(known).find((o) => o !== s && o.algorithm === "ed25519" && o.header.toLowerCase() === s.header.toLowerCase());
    const other = s.algorithm === "ed25519" ? !carries(s) : sibling !== undefined && !carries(s) && carries(sibling);
    return other ? [] : [name];
  });
  if (names.length > 0) return names;
  const headers = [...new Set(Object.values(known).map((s) => s.header))].join(", ");
  throw new CheckError("no_signature", `the request has no signature: none of the headers ${headers} is there; an endpoint without a secret sends none`);
}

function view(scheme: string, d: Diagnosis): SchemeVerdict {
  const words = (verdict: Verdict): Pick<SchemeVerdict, "verdict" | "explanation" | "fix"> => ({ verdict, explanation: texts[verdict][0], fix: texts[verdict][1] });
  return { scheme, ok: d.verdict === "ok", ...words(d.verdict), detail: d.detail, also: d.also.map(words) };
}

const missing = (what: string): Refusal => ({ kind: "missing", text: `signature header missing: ${what}` });
const malformed = (what: string): Refusal => ({ kind: "malformed", text: `signature header malformed: ${what}` });
const isRefusal = (x: object): x is Refusal => "kind" in x;

async function explain(e: Evidence): Promise<Diagnosis> {
  const keys = await keyGuesses(e);
  const refusal = await verify(e, keys);
  if (refusal === null) return { verdict: "ok", also: [], detail: "" };
  if (refusal.kind === "missing") return { verdict: "missing_header", also: [], detail: missingDetail(e, refusal.text) };
  const input = readInput(e.scheme, e.header);
  if (isRefusal(input)) return { verdict: "malformed", also: [], detail: input.text };
  const presented = presentations(e);
  if (presented.length === 0) return { verdict: "malformed", also: [], detail: refusal.text };
  const late = timeVerdict(e, input.unix);
  const found = await search(e, input, presented, keys);
  if (found === null) return { verdict: "wrong_secret", also: late, detail: "" };
  const [verdict = "wrong_secret", ...also] = [...new Set([...found.flaws, ...late])];
  return { verdict, also, detail: found.detail };
}

/** Says as signature.Verifier does whether the request is accepted: null. */
async function verify(e: Evidence, keys: readonly KeyGuess[]): Promise<Refusal | null> {
  const s = e.scheme;
  if (values(e.header, s.header).length === 0) return missing(s.header);
  const input = readInput(s, e.header);
  if (isRefusal(input)) return input;
  const all = entries(e);
  if (isRefusal(all)) return all;
  const shaped = all.flatMap((entry) => {
    const raw = entry.startsWith(s.prefix ?? "") ? decodeAs(s.encoding, entry.slice((s.prefix ?? "").length)) : null;
    return raw?.length === sizes[s.algorithm] ? [{ raw, flaws: [] }] : [];
  });
  if (shaped.length === 0) return malformed(`${s.header} has no signature of the form ${s.prefix ?? ""}<${s.encoding}>`);
  if (s.signed_content !== "body") {
    const late = timeRefusal(e, input.unix);
    if (late !== null) return late;
  }
  const signed = concat(utf8(s.signed_content === "body" ? "" : head(input.id, input.unix)), e.body);
  for (const k of keys) if (k.flaws.length === 0 && (await match(k, signed, shaped)) !== null) return null;
  return { kind: "no_match", text: "no signature matches" };
}

const head = (id: string, unix: bigint): string => `${id}.${unix}.`;

function readInput(s: Scheme, header: Header): Input | Refusal {
  if (s.signed_content === "body") return { id: "", unix: 0n };
  const id = first(header, "webhook-id");
  if (id === "") return missing("webhook-id");
  const timestamp = first(header, "webhook-timestamp");
  if (timestamp === "") return missing("webhook-timestamp");
  if (id.length > maxIDBytes || !/^[!-\-/-~]+$/.test(id)) return malformed("webhook-id");
  if (!/^(0|[1-9][0-9]{0,18})$/.test(timestamp) || BigInt(timestamp) >= 1n << 63n) return malformed("webhook-timestamp is not a number of seconds");
  return { id, unix: BigInt(timestamp) };
}

function entries(e: Evidence): string[] | Refusal {
  const all = values(e.header, e.scheme.header);
  if (utf8(all.join("")).length > maxHeaderBytes) return malformed(`${e.scheme.header} is longer than ${maxHeaderBytes} bytes`);
  const list = e.scheme.list === true ? all.flatMap((v) => v.split(" ")).filter((v) => v !== "") : all;
  return list.length > maxSignatures ? malformed(`${e.scheme.header} holds more than ${maxSignatures} signatures`) : list;
}

function timeRefusal(e: Evidence, unix: bigint): Refusal | null {
  const age = e.now - Number(unix);
  if (e.tolerance <= 0 || Math.abs(age) <= e.tolerance) return null;
  return age > 0 ? { kind: "too_old", text: "timestamp too old" } : { kind: "too_new", text: "timestamp too far in the future" };
}

const isMilliseconds = (n: bigint): boolean => n >= 100_000_000_000n;

function timeVerdict(e: Evidence, unix: bigint): Verdict[] {
  const late = e.scheme.signed_content === "body" ? null : timeRefusal(e, unix);
  if (late === null) return [];
  return [isMilliseconds(unix) ? "timestamp_milliseconds" : late.kind === "too_old" ? "timestamp_stale" : "timestamp_future"];
}

function missingDetail(e: Evidence, detail: string): string {
  if (values(e.header, e.scheme.header).length > 0) return detail;
  const other = Object.values(e.known).find((s) => values(e.header, s.header).length > 0);
  return other === undefined ? detail : `${detail}; the request carries ${other.header}`;
}

/** Reads every entry in all ways that give a signature of the scheme's size, those with fewest flaws first. */
function presentations(e: Evidence): Presentation[] {
  const all = entries(e);
  if (isRefusal(all)) return [];
  const prefix = e.scheme.prefix ?? "";
  const found = all.flatMap((entry) => {
    const own = entry.startsWith(prefix);
    const rest = own ? entry.slice(prefix.length) : entry;
    const bare = rest.replace(/^[A-Za-z0-9_-]{1,16}[=,:] ?/, "");
    const flaw = (name: Verdict): Verdict[] => [name];
    return [
      ...readings(e.scheme, rest, own ? [] : flaw("missing_prefix")),
      ...(bare === rest ? [] : readings(e.scheme, bare, flaw(own ? "unexpected_prefix" : "missing_prefix"))),
    ];
  });
  return found.sort((a, b) => a.flaws.length - b.flaws.length);
}

function readings(s: Scheme, text: string, flaws: readonly Verdict[]): Presentation[] {
  const fits = (raw: Bytes | null): raw is Bytes => raw?.length === sizes[s.algorithm];
  const exact = decodeAs(s.encoding, text);
  if (fits(exact)) return [{ raw: exact, flaws }];
  const all: Presentation[] = [];
  const add = (raw: Bytes | null, flaw: Verdict): void => void (fits(raw) && all.push({ raw, flaws: [...flaws, flaw] }));
  add(fromHex(text), s.encoding === "hex" ? "upper_case_hex" : "wrong_encoding");
  // One decoder reads both alphabets with and without padding.
  const loose = fromRawBase64(text.replace(/=+$/, "").replace(/-/g, "+").replace(/_/g, "/"));
  add(loose, "wrong_encoding");
  if (loose !== null) add(fromHex(String.fromCharCode(...loose)), "wrong_encoding"); // base64 of hex
  return all;
}

/** Lists the keys to try, right ones first. */
async function keyGuesses(e: Evidence): Promise<KeyGuess[]> {
  const wrong = (why: string): CheckError => new CheckError("invalid_secret", `invalid secret: ${why}`);
  const asymmetric = e.scheme.algorithm === "ed25519";
  for (const s of e.secrets) {
    if (asymmetric && !isAsymmetric(s)) throw wrong("ed25519 needs a key that begins with whsk_ or whpk_");
    if (!asymmetric && isAsymmetric(s)) throw wrong(`an Ed25519 key cannot be used with ${e.scheme.algorithm}`);
  }
  const old = e.old.filter((s) => isAsymmetric(s) === asymmetric);
  const guesses = await Promise.all([...e.secrets.map((s) => guessKeys(e.scheme, s, [])), ...old.map((s) => guessKeys(e.scheme, s, ["old_secret"]))]);
  return guesses.flat().sort((a, b) => a.flaws.length - b.flaws.length);
}

async function guessKeys(s: Scheme, secret: Secret, flaws: readonly Verdict[]): Promise<KeyGuess[]> {
  if (s.algorithm === "ed25519") return secret.publicKey === undefined ? [] : [{ flaws, detail: "", key: secret.publicKey }];
  if (secret.publicKey !== undefined) return [];
  const hmac = { name: "HMAC", hash: hashes[s.algorithm] };
  const guesses: Promise<KeyGuess>[] = [];
  const add = (raw: Bytes | null, detail: string, ...more: Verdict[]): void => {
    if (raw === null) return;
    // An empty key is refused; a zero byte stands for the same one (RFC 2104 fills up with zeros).
    const key = crypto.subtle.importKey("raw", raw.length > 0 ? raw : new Uint8Array(1), hmac, false, ["sign"]);
    guesses.push(key.then((k) => ({ flaws: [...flaws, ...more], detail, key: k })));
  };
  const { text, decoded } = secret;
  const derived = s.key_derivation === "whsec" && decoded !== undefined;
  add(derived ? decoded : utf8(text), "");
  if (decoded !== undefined) {
    const flaw = derived ? "secret_not_decoded" : "secret_decoded";
    if (derived) add(utf8(text), "the key was the whole secret", flaw);
    else add(decoded, "the key was the decoded part after whsec_", flaw);
    add(utf8(text.slice("whsec_".length)), "the key was the text after whsec_", flaw);
  } else {
    const raw = fromRawBase64(text.replace(/=+$/, ""));
    if (s.key_derivation === "whsec") add(raw, "", "secret_prefix_missing"); // what stands after whsec_ is decoded
    else if (raw !== null) {
      add(utf8("whsec_" + text), "", "secret_prefix_missing");
      add(raw, "the key was the secret decoded from base64", "secret_decoded");
    }
    add(fromHex(text), "the key was the secret decoded from hex", "secret_decoded");
  }
  for (const end of ["\n", "\r\n", " "]) add(utf8(text + end), "", ...(derived ? (["secret_not_decoded"] as const) : []), "secret_whitespace");
  const inner = /^(["'])(.*)\1$/s.exec(text)?.[2];
  const bare = inner === undefined ? null : await parseSecret(inner).catch(() => null);
  const quoted = bare === null ? [] : await guessKeys(s, bare, [...flaws, "secret_quoted"]);
  return [...quoted, ...(await Promise.all(guesses))];
}

/** The presentation that the key gives for the content. */
async function match(k: KeyGuess, signed: Bytes, presented: readonly Presentation[]): Promise<Presentation | null> {
  if (k.key.type === "public") {
    for (const p of presented) if (await ed25519(() => crypto.subtle.verify("Ed25519", k.key, p.raw, signed))) return p;
    return null;
  }
  const raw = new Uint8Array(await crypto.subtle.sign("HMAC", k.key, signed));
  return presented.find((p) => same(p.raw, raw)) ?? null;
}

/** Looks for the combination with the fewest mistakes that gives one of the presented signatures. */
async function search(e: Evidence, input: Input, presented: readonly Presentation[], keys: readonly KeyGuess[]): Promise<{ flaws: Verdict[]; detail: string } | null> {
  const small = e.body.length <= maxPairedBody;
  const heads = headGuesses(e, input);
  let kept: readonly Spelling[] | undefined;
  const rewritten = (): Iterable<Spelling> => (small ? (kept ??= [...spellings(e.body)]) : spellings(e.body));
  type Tried = { k: KeyGuess; content: ContentGuess; match: Promise<Presentation | null> };
  const firstOf = async (tried: readonly Tried[]): Promise<{ flaws: Verdict[]; detail: string } | null> => {
    const matches = await Promise.all(tried.map((t) => t.match));
    const i = matches.findIndex((p) => p !== null);
    const hit = tried[i];
    return hit === undefined ? null : { flaws: [...hit.k.flaws, ...hit.content.flaws, ...(matches[i]?.flaws ?? [])], detail: join(hit.k.detail, hit.content.detail) };
  };
  for (let count = 0; count <= (small ? 4 : 1); count++) {
    let tried: Tried[] = []; // at once, because each answer comes from another thread
    for (const content of contentGuesses(e, heads, count, rewritten)) {
      const fitting = keys.filter((k) => k.flaws.length + content.flaws.length === count);
      if (fitting.length === 0) continue;
      const signed = concat(utf8(content.head), content.body);
      for (const k of fitting) tried.push({ k, content, match: match(k, signed, presented) });
      if (tried.length < (small ? 128 : 8)) continue;
      const found = await firstOf(tried);
      if (found !== null) return found;
      tried = [];
    }
    const found = await firstOf(tried);
    if (found !== null) return found;
  }
  return null;
}

/** What may have been signed with at most that many mistakes, the right content first. */
function* contentGuesses(e: Evidence, heads: readonly Omit<ContentGuess, "body">[], mistakes: number, rewritten: () => Iterable<Spelling>): Iterable<ContentGuess> {
  for (const h of heads) yield { ...h, body: e.body };
  if (mistakes === 0) return;
  for (const s of rewritten()) {
    for (const h of heads) {
      if (h.flaws.length >= mistakes) continue;
      yield { ...h, body: s.body, flaws: [...h.flaws, "reserialised_body"], detail: join(h.detail, `the signed body was ${s.name}`) };
    }
  }
}

/** What may have been signed before the body, the right one first. */
function headGuesses(e: Evidence, input: Input): Omit<ContentGuess, "body">[] {
  if (e.scheme.signed_content === "body") {
    const other = readInput({ ...e.scheme, signed_content: "id.timestamp.body" }, e.header);
    const right = { flaws: [], detail: "", head: "" };
    return isRefusal(other) ? [right] : [right, { flaws: ["signed_id_timestamp_body"], detail: "", head: head(other.id, other.unix) }];
  }
  const other = isMilliseconds(input.unix) ? input.unix / 1000n : input.unix * 1000n;
  return [
    { flaws: [], detail: "", head: head(input.id, input.unix) },
    { flaws: ["signed_body_only"], detail: "", head: "" },
    { flaws: ["timestamp_milliseconds"], detail: "", head: head(input.id, other) },
    ...otherIDs(e, input.id).map((id) => ({ flaws: ["wrong_id" as const], detail: `the signed id was ${id === "" ? "empty" : `"${id}"`}`, head: head(id, input.unix) })),
  ];
}

/** The ids near at hand that somebody could take for the right one. */
function otherIDs(e: Evidence, right: string): string[] {
  const ids = ["X-Waybell-Delivery", "X-Waybell-Agent", "X-Waybell-Event", "X-Request-Id", "Svix-Id"].flatMap((name) => values(e.header, name));
  const root = e.body.length <= maxReserialised ? parseValue(textOf(e.body)) : null;
  for (const [key, member] of root?.kind === "{" ? root.members : []) {
    if (member.kind === "text" && (key === "id" || key.endsWith("_id"))) ids.push(member.text);
  }
  ids.push("", "undefined", "null", "None");
  return [...new Set(ids)].sort(byCodePoint).filter((id) => id !== right && utf8(id).length <= maxIDBytes);
}
