/**
 * The ways in which a body is rewritten by accident, so that its signature does
 * not fit any more: the twin of signature/reserialise.go in the browser.
 */

export type Bytes = Uint8Array<ArrayBuffer>;

/** Bodies up to so long are tried together with a second mistake. */
export const maxPairedBody = 16 << 10;

/** Bodies up to so long are read as JSON. */
export const maxReserialised = 512 << 10;

/** JSON that nests deeper is not read. */
const maxDepth = 256;

const encoder = new TextEncoder();

export const utf8 = (text: string): Bytes => encoder.encode(text);

/** The bytes of a text whose characters are all below 256. */
export const binary = (text: string): Bytes => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** Another way to write a body. */
export interface Spelling {
  readonly name: string;
  readonly body: Bytes;
}

/** The text of a body, null where it is not UTF-8. */
export function textOf(body: Bytes): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return null;
  }
}

/** The ways in which frameworks and people rewrite a body by accident, likely ones first, each once. */
export function* spellings(body: Bytes): Iterable<Spelling> {
  const text = textOf(body);
  const source = text ?? Array.from(body, (byte) => String.fromCharCode(byte)).join("");
  const bytes = text === null ? binary : utf8;
  const seen = new Set([source]);
  const remember = source.length <= maxPairedBody; // longer ones would fill the memory
  for (const [name, written] of rewritings(source, text)) {
    if (written === source || (remember && seen.has(written))) continue;
    if (remember) seen.add(written);
    yield { name, body: bytes(written) };
  }
}

function* rewritings(source: string, text: string | null): Iterable<readonly [name: string, written: string]> {
  const mark = text === null ? "\u00ef\u00bb\u00bf" : "\ufeff";
  const lf = source.replace(/\r\n/g, "\n");
  yield ["without white space at the ends", text === null ? source.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "") : source.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "")];
  yield ["with a line feed at the end", `${source}\n`];
  yield ["with CRLF at the end", `${source}\r\n`];
  yield ["with CRLF turned into line feeds", lf];
  yield ["with line feeds turned into CRLF", lf.replace(/\n/g, "\r\n")];
  yield ["without byte order mark", source.startsWith(mark) ? source.slice(mark.length) : source];
  yield ["with a byte order mark", mark + source];
  yield ["empty, as after a stream that was already read", ""];
  yield ["as an empty JSON object", "{}"];
  yield ["as the text [object Object]", "[object Object]"];
  if (text === null) return;
  yield ["encoded as a JSON string", JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (c) => unicode(c, false))];
  const root = utf8(text).length <= maxReserialised ? parseValue(text) : null;
  if (root === null) return;
  for (const numbers of ["numbers as written", "numbers in JavaScript's form"] as const) {
    for (const order of ["keys in order", "keys sorted", "integer keys first"] as const) {
      for (const layout of layouts) {
        for (const escape of escapes) {
          const written = write(root, { numbers, order, layout, escape }, 0);
          const name = `${layout.name}, ${order}, ${escape.name}, ${numbers}`;
          yield [name, written];
          yield [`${name}, line feed at the end`, `${written}\n`];
        }
      }
    }
  }
}

/** JSON that remembers the order of keys and the spelling of numbers; an array's keys are empty. */
type Value =
  | { readonly kind: "{" | "["; readonly members: readonly (readonly [key: string, member: Value])[] }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "word"; readonly text: string };

export function parseValue(text: string | null): Value | null {
  try {
    JSON.parse(text ?? ""); // what it accepts, the pattern below takes apart
  } catch {
    return null;
  }
  const tokens = (text ?? "").match(/"(?:[^"\\]|\\[^])*"|[[\]{}]|[^\s,:[\]{}"]+/g) ?? [];
  let at = 0;
  const string = (token: string): string => (JSON.parse(token) as string).replace(/\p{Cs}/gu, "\ufffd");
  const read = (depth: number): Value => {
    const token = tokens[at++] ?? "";
    if (depth > maxDepth) throw new RangeError("nested too deep");
    if (token.startsWith('"')) return { kind: "text", text: string(token) };
    if (token !== "{" && token !== "[") return { kind: "word", text: token };
    const members: [string, Value][] = [];
    while (tokens[at] !== "}" && tokens[at] !== "]") {
      const key = token === "{" ? string(tokens[at++] ?? "") : "";
      members.push([key, read(depth + 1)]);
    }
    at++;
    return { kind: token, members };
  };
  try {
    return read(0);
  } catch {
    return null;
  }
}

const layouts = [
  { name: "compact", comma: ",", colon: ":", indent: "" },
  { name: "spaces after comma and colon", comma: ", ", colon: ": ", indent: "" },
  { name: "indented by 2", comma: ",", colon: ": ", indent: "  " },
  { name: "indented by 4", comma: ",", colon: ": ", indent: "    " },
  { name: "indented by a tab", comma: ",", colon: ": ", indent: "\t" },
] as const;

/** Which characters are escaped: those of JSON.stringify, Go, Python, PHP, .NET and Gson. */
const escapes = [
  { name: "nothing escaped", pattern: /[\0-\x1f"\\]/g, upper: false },
  { name: "HTML escaped", pattern: /[\0-\x1f"\\<>&\u2028\u2029]/g, upper: false },
  { name: "line separators escaped", pattern: /[\0-\x1f"\\\u2028\u2029]/g, upper: false },
  { name: "non-ASCII escaped", pattern: /[\0-\x1f"\\\x80-\uffff]/g, upper: false },
  { name: "slashes and non-ASCII escaped", pattern: /[\0-\x1f"\\/\x80-\uffff]/g, upper: false },
  { name: "slashes escaped", pattern: /[\0-\x1f"\\/\u2028\u2029]/g, upper: false },
  { name: "HTML escaped as Gson does", pattern: /[\0-\x1f"\\<>&='\u2028\u2029]/g, upper: false },
  { name: "escaped as .NET does", pattern: /[\0-\x1f"\\<>&+'`\x7f-\uffff]/g, upper: true },
] as const;

interface Style {
  readonly numbers: "numbers as written" | "numbers in JavaScript's form";
  readonly order: "keys in order" | "keys sorted" | "integer keys first";
  readonly layout: (typeof layouts)[number];
  readonly escape: (typeof escapes)[number];
}

function write(v: Value, style: Style, depth: number): string {
  if (v.kind === "text") return quote(v.text, style.escape);
  if (v.kind === "word") return style.numbers === "numbers as written" ? v.text : shortest(v.text);
  const close = v.kind === "{" ? "}" : "]";
  if (v.members.length === 0) return v.kind + close;
  const { comma, colon, indent } = style.layout;
  const line = (d: number): string => (indent === "" ? "" : `\n${indent.repeat(d)}`);
  const members = v.kind === "[" || style.order === "keys in order" ? v.members : [...v.members].sort(([a], [b]) => (style.order === "keys sorted" ? byCodePoint(a, b) : integerFirst(a, b)));
  const written = members.map(([key, member]) => line(depth + 1) + (v.kind === "{" ? quote(key, style.escape) + colon : "") + write(member, style, depth + 1));
  return v.kind + written.join(comma) + line(depth) + close;
}

function quote(text: string, escape: Style["escape"]): string {
  const written = text.replace(escape.pattern, (c) => {
    const short = "\b\f\n\r\t".indexOf(c);
    if (short >= 0) return `\\${"bfnrt"[short]}`;
    return c === "\\" || c === "/" || (c === '"' && !escape.upper) ? `\\${c}` : unicode(c, escape.upper);
  });
  return `"${written}"`;
}

function unicode(c: string, upper: boolean): string {
  const digits = c.charCodeAt(0).toString(16).padStart(4, "0");
  return `\\u${upper ? digits.toUpperCase() : digits}`;
}

function shortest(written: string): string {
  const n = Number(written);
  return Number.isFinite(n) ? String(n) : written; // a word, or beyond the range of a double
}

/** Orders as UTF-8 does. */
export function byCodePoint(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const by = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0);
    if (by !== 0) return by;
  }
  return x.length - y.length;
}

/** Puts first, by value, the keys that JavaScript engines put first. */
function integerFirst(a: string, b: string): number {
  const rank = (key: string): number => (/^(0|[1-9][0-9]{0,9})$/.test(key) && Number(key) < 0xffff_ffff ? Number(key) : 0xffff_ffff);
  return rank(a) - rank(b);
}
