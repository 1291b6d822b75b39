/** Attempts and events as commands for a POSIX shell. */
import type { Attempt } from "./types.ts";

/** What the log shows in the place of a secret value. */
const mask = "••••";

/** Headers that curl makes itself, or that belong to the connection. */
const own: ReadonlySet<string> = new Set(["host", "content-length", "connection", "transfer-encoding", "accept-encoding", "expect"]);

export interface Curl {
  readonly command: string;
  /** Headers whose values are secret: the command has the mask, and says so. */
  readonly masked: readonly string[];
}

/**
 * The request of an attempt. Everything is quoted for the shell, and the body
 * arrives byte for byte: `--data-raw` reads no file for a leading `@`.
 */
export function curlOf(request: Attempt["request"]): Curl {
  const headers = Object.entries(request.headers).filter(([name]) => !own.has(name.toLowerCase()));
  const masked = headers.filter(([, value]) => value.includes(mask)).map(([name]) => name);
  const body = request.body;
  // No argument can hold a NUL: such a body goes through a pipe.
  const piped = body !== null && body.includes("\0");
  const parts = [
    `curl -i --globoff --path-as-is -X ${quote(request.method)} ${quote(request.url)}`,
    ...headers.map(([name, value]) => `-H ${quote(value === "" ? `${name};` : `${name}: ${value}`)}`),
  ];
  // curl would name a form where we name nothing.
  if (body !== null && !headers.some(([name]) => name.toLowerCase() === "content-type")) parts.push("-H 'Content-Type:'");
  if (body !== null) parts.push(piped ? "--data-binary @-" : `--data-raw ${quote(body)}`);
  const notes = [
    ...(masked.length > 0 ? [`# ${mask} stands for a secret value: put yours in (${masked.map(clean).join(", ")}).`] : []),
    ...(body === null ? ["# The body is not kept any more."] : []),
  ];
  const command = parts.join(" \\\n  ");
  return { command: [...notes, piped && body !== null ? `printf '${escaped(body)}' | ${command}` : command].join("\n"), masked };
}

/** The command that publishes an event of an agent; `server` ends with a slash. */
export function publishCommand(server: string, agent: string, event: string, data: unknown): string {
  return [
    `curl -sS ${quote(`${server}v1/agents/${encodeURIComponent(agent)}/events`)}`,
    `-H "Authorization: Bearer $WAYBELL_API_KEY"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quote(JSON.stringify({ event, data }))}`,
  ].join(" \\\n  ");
}

/** One word for the shell, whatever is in it. */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_./:@%+=,-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A format of printf that writes these very bytes. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("%", "%%").replaceAll("'", "\\047").replaceAll("\0", "\\000");
}

/** A name in a comment must not end its line. */
function clean(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, "?");
}
