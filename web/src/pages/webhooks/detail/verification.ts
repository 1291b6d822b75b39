/**
 * Which of the example files verifies a webhook, and how it is fitted to the
 * header names of a format of this server's own. The files are those of
 * examples/verify; they are never changed but for the constants at their top.
 */
import { builtinSchemes, type Scheme, schemeOf } from "../../../core/signature.ts";
import type { Endpoint, Format, FormatSignature, HeaderMap, Preview } from "../../../core/types.ts";
import { headerOf } from "./headers.ts";

export const languages = [
  { id: "javascript", label: "JavaScript", file: "verify.mjs" },
  { id: "typescript", label: "TypeScript", file: "verify.ts" },
  { id: "python", label: "Python", file: "verify.py" },
  { id: "php", label: "PHP", file: "verify.php" },
  { id: "go", label: "Go", file: "verify.go" },
  { id: "ruby", label: "Ruby", file: "verify.rb" },
  { id: "java", label: "Java", file: "WebhookVerifier.java" },
  { id: "csharp", label: "C#", file: "WebhookVerifier.cs" },
  { id: "rust", label: "Rust", file: "verify.rs" },
] as const;

export type Language = (typeof languages)[number]["id"];
export type ExampleFormat = "standard" | "chatzuri" | "chatislav";

export interface Recipe {
  readonly example: ExampleFormat;
  /** Texts in quotes that are another in this format. */
  readonly replace: readonly { readonly from: string; readonly to: string }[];
}

const standardHeader = "webhook-signature";
const plain: Readonly<Record<"chatzuri" | "chatislav", { readonly header: string; readonly prefix: string }>> = {
  chatzuri: { header: "X-Chatzuri-Signature", prefix: "sha256=" },
  chatislav: { header: "x-chatislav-signature", prefix: "" },
};

/** The example that fits a signature; null: none does, because it is signed in another way. */
export function recipeFor(s: FormatSignature): Recipe | null {
  if (s.algorithm !== "hmac-sha256" || !safe(s.header) || !safe(s.prefix)) return null;
  if (s.signed === "id.timestamp.body" && s.encoding === "base64" && s.key === "whsec" && s.prefix === "v1,") {
    return { example: "standard", replace: changes([[standardHeader, s.header]]) };
  }
  if (s.signed !== "body" || s.encoding !== "hex" || s.key !== "utf8") return null;
  const example = s.prefix === "" ? "chatislav" : "chatzuri";
  return { example, replace: changes([[plain[example].header, s.header], [plain[example].prefix, s.prefix]]) };
}

const changes = (pairs: readonly (readonly [string, string])[]): Recipe["replace"] =>
  pairs.filter(([from, to]) => from !== to).map(([from, to]) => ({ from, to }));

/** Nothing that means something inside a string of one of the nine languages. */
const safe = (text: string): boolean => /^[A-Za-z0-9 _.,:;=+-]*$/.test(text);

/** Puts the format's own names into an example. */
export function fit(source: string, recipe: Recipe): string {
  return recipe.replace.reduce((text, { from, to }) => text.replaceAll(`"${from}"`, `"${to}"`).replaceAll(`'${from}'`, `'${to}'`), source);
}

/** A signature header that a request of the webhook carries. */
export interface Signing {
  readonly name: string;
  readonly signature: FormatSignature;
}

/** All signatures that a webhook sends, its format's own first. */
export function signingsOf(endpoint: Endpoint, formats: readonly Format[]): readonly Signing[] {
  const own = formats.find((f) => f.name === endpoint.format);
  const standard = formats.find((f) => f.name === "standard");
  const list: Signing[] = [];
  if (own !== undefined && own.signature !== null) list.push({ name: own.name, signature: own.signature });
  if (endpoint.standard_headers && standard !== undefined && standard.signature !== null && own?.signature?.header !== standard.signature.header) {
    list.push({ name: "standard", signature: standard.signature });
  }
  return list;
}

/** The schemes of the server's own formats, for the signature checker. */
export function ownSchemes(formats: readonly Format[]): Readonly<Record<string, Scheme>> {
  const own = formats.flatMap(({ name, signature }) => (signature === null || name in builtinSchemes ? [] : [[name, schemeOf(signature)] as const]));
  return Object.fromEntries(own);
}

export interface TestVector {
  readonly secret: string;
  readonly headers: HeaderMap;
  readonly body: string;
  /** Unix seconds at which it was signed; null where the time is not signed. */
  readonly now: number | null;
}

/** The shown request as a test: the same bytes must verify with the same secret. */
export function vectorOf(preview: Preview, signature: FormatSignature | null): TestVector | null {
  if (preview.request === null || preview.example_secret === null) return null;
  const { headers, body } = preview.request;
  const stamp = Number(headerOf(headers, "webhook-timestamp"));
  const timed = signature === null || signature.signed === "id.timestamp.body";
  return { secret: preview.example_secret, headers: pick(headers, signature), body, now: timed && stamp > 0 ? stamp : null };
}

/** The headers that a verification reads. */
function pick(headers: HeaderMap, signature: FormatSignature | null): HeaderMap {
  const wanted = signature === null || signature.signed === "id.timestamp.body" ? ["webhook-id", "webhook-timestamp", signature?.header ?? standardHeader] : [signature.header];
  const lower = wanted.map((name) => name.toLowerCase());
  return Object.fromEntries(Object.entries(headers).filter(([name]) => lower.includes(name.toLowerCase())));
}

/** An ed25519 key signs: told by the example secret, since the API shows no kind. */
export const isEd25519 = (preview: Preview): boolean => preview.example_secret?.startsWith("whsk_") === true;
