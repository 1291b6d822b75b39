/** Words and rules of the inbox pages. */
import { relative, until } from "../../core/format.ts";
import type { Inbox, InboxRequest } from "../../core/types.ts";

/** What an inbox is called where it has no name. */
export function inboxName(inbox: Inbox): string {
  return inbox.name === "" ? `Inbox ${inbox.id.slice(-6)}` : inbox.name;
}

/** "Inbox 3": the first number that no other has. */
export function nextInboxName(inboxes: readonly Inbox[]): string {
  const taken = new Set(inboxes.map((i) => i.name));
  let n = 1;
  while (taken.has(`Inbox ${n}`)) n++;
  return `Inbox ${n}`;
}

/** When it is deleted, for people who do not know what expiring means: "In 6 d 23 h". */
export function expiry(inbox: Inbox, now: number): string {
  if (inbox.expires_at === null) return "Never";
  const left = until(inbox.expires_at, now);
  return left === "" ? `Gone ${relative(inbox.expires_at, now)}` : `In ${left}`;
}

/** What an inbox can answer: one status for each failure that is worth trying. */
const answers: readonly { readonly status: number; readonly label: string }[] = [
  { status: 200, label: "200 OK" },
  { status: 202, label: "202 Accepted" },
  { status: 400, label: "400 Bad request" },
  { status: 401, label: "401 Not authorized" },
  { status: 410, label: "410 Gone: suspends the webhook" },
  { status: 429, label: "429 Too many requests" },
  { status: 500, label: "500 Server error" },
  { status: 503, label: "503 Not available" },
];

/** The choices, with the present status if it was set to something else. */
export function answerOptions(status: number): readonly { readonly value: string; readonly label: string }[] {
  const known = answers.map((a) => ({ value: String(a.status), label: a.label }));
  return answers.some((a) => a.status === status) ? known : [{ value: String(status), label: String(status) }, ...known];
}

/**
 * The rows after a fresh first page: new ones come first, those that are loaded
 * already stay. A first page that is all there is replaces everything.
 */
export function mergeRequests(rows: readonly InboxRequest[], fresh: readonly InboxRequest[], whole: boolean): readonly InboxRequest[] {
  if (whole) return same(rows, fresh) ? rows : fresh;
  const known = new Set(fresh.map((r) => r.id));
  const next = [...fresh, ...rows.filter((r) => !known.has(r.id))];
  return same(rows, next) ? rows : next;
}

const same = (a: readonly InboxRequest[], b: readonly InboxRequest[]): boolean => a.length === b.length && a.every((r, i) => r.id === b[i]?.id);

/** A command that sends something to an inbox. */
export function curlExample(url: string): string {
  return `curl -sS '${url}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{"hello":"world"}'`;
}
