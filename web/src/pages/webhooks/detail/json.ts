/** The JSON that somebody edits for a test. */
import type { FieldProblem, JsonObject } from "../../../core/types.ts";

export type Parsed = { readonly ok: true; readonly data: JsonObject } | { readonly ok: false; readonly message: string };

/** Reads an object; where it is none, says why and where. */
export function readObject(text: string): Parsed {
  if (text.trim() === "") return { ok: false, message: "Write a JSON object, such as {}." };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: syntaxMessage(error instanceof Error ? error.message : "", text) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, message: "The data of an event is an object: begin with { and end with }." };
  }
  return { ok: true, data: value as JsonObject };
}

/** Browsers tell the place as a position, or as line and column; some tell none. */
function syntaxMessage(message: string, text: string): string {
  const place = /line (\d+) column (\d+)/.exec(message);
  if (place !== null) return `This is not valid JSON: look at line ${place[1]}, column ${place[2]}.`;
  const at = /position (\d+)/.exec(message)?.[1];
  const position = at !== undefined ? Number(at) : /end of/i.test(message) ? text.length : undefined;
  if (position === undefined) return "This is not valid JSON.";
  const before = text.slice(0, position).split("\n");
  return `This is not valid JSON: look at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}.`;
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
