/** The JSON that somebody edits for a test. */
import type { FieldProblem, JsonObject } from "../../../core/types.ts";

export type Parsed = { readonly ok: true; readonly data: JsonObject } | { readonly ok: false; readonly message: string };

/** Reads an object; where it is none, says why and where. */
export function readObject(text: string): Parsed {
  if (text.trim() === "") return { ok: false, message: "Write a JSON object, such as {}." };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, message: syntaxMessage(text) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, message: "The data of an event is an object: begin with { and end with }." };
  }
  return { ok: true, data: value as JsonObject };
}

function syntaxMessage(text: string): string {
  const before = text.slice(0, faultAt(text)).split("\n");
  return `This is not valid JSON: look at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}.`;
}

const key = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalar = new RegExp(`${key.source}|-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?|true|false|null`, "y");
const deepest = 512;

/** Where a text stops being JSON: browsers tell it in words that differ, or not at all. */
function faultAt(text: string): number {
  let at = 0;
  const skip = (): void => {
    while (" \t\r\n".includes(text.charAt(at) || "x")) at++;
  };
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at += found[0].length;
    return found !== null;
  };
  const mark = (wanted: string): boolean => {
    skip();
    if (text.charAt(at) !== wanted) return false;
    at++;
    return true;
  };
  const members = (end: string, member: () => boolean): boolean => {
    if (mark(end)) return true;
    do if (!member()) return false;
    while (mark(","));
    return mark(end);
  };
  const value = (depth: number): boolean => {
    if (depth > deepest) return false;
    if (mark("{")) return members("}", () => (skip(), take(key)) && mark(":") && value(depth + 1));
    if (mark("[")) return members("]", () => value(depth + 1));
    return take(scalar);
  };
  value(0);
  skip();
  return at;
}

export interface PathProblem {
  /** Inside the data: "email", "items[2].price"; "" is the object itself. */
  readonly path: string;
  readonly message: string;
}

/** What the server found wrong with the data, by path; empty: what it found is about something else. */
export function dataProblems(errors: readonly FieldProblem[]): readonly PathProblem[] {
  return errors.filter((e) => /^body\.data(?:$|[.[])/.test(e.location)).map((e) => ({ path: e.location.replace(/^body\.data\.?/, ""), message: e.message }));
}
