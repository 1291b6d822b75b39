/**
 * Pretty JSON with the kinds of its tokens. It works on the text itself, never
 * on parsed values, so that numbers, escapes and the order of keys stay exactly
 * as they were sent.
 */

export type TokenKind = "key" | "string" | "number" | "word" | "mark" | "space";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

/** Longer texts are shown as they are: spans for each token would be slow. */
const longest = 200_000;

const lexer = /\s+|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/gy;

/** The tokens of JSON, indented by two; null if it is no JSON, or too long. */
export function prettyJson(text: string): readonly Token[] | null {
  if (text.length > longest || !isJson(text)) return null;
  const lexemes = lex(text);
  const out: Token[] = [];
  let depth = 0;
  const newline = (): void => {
    out.push({ kind: "space", text: `\n${"  ".repeat(depth)}` });
  };
  for (const [i, lexeme] of lexemes.entries()) {
    const next = lexemes[i + 1];
    switch (lexeme) {
      case "{":
      case "[":
        out.push({ kind: "mark", text: lexeme });
        depth++;
        if (next !== "}" && next !== "]") newline();
        break;
      case "}":
      case "]": {
        depth--;
        const before = lexemes[i - 1];
        if (before !== "{" && before !== "[") newline();
        out.push({ kind: "mark", text: lexeme });
        break;
      }
      case ",":
        out.push({ kind: "mark", text: "," });
        newline();
        break;
      case ":":
        out.push({ kind: "mark", text: ":" }, { kind: "space", text: " " });
        break;
      default:
        out.push({ kind: kindOf(lexeme, next), text: lexeme });
    }
  }
  return out;
}

/** The indented text alone, or the text itself if it is no JSON. */
export function prettyText(text: string): string {
  return prettyJson(text)?.map((t) => t.text).join("") ?? text;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function lex(text: string): string[] {
  return (text.match(lexer) ?? []).filter((lexeme) => lexeme.trim() !== "");
}

function kindOf(lexeme: string, next: string | undefined): TokenKind {
  if (lexeme.startsWith('"')) return next === ":" ? "key" : "string";
  return /^[-\d]/.test(lexeme) ? "number" : "word";
}
