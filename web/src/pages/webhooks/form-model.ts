/** The form of a webhook as data: what is typed, what is sent, and what is wrong with it. */
import type { Endpoint, EndpointInput, FieldProblem, Profiles, Retry, RotateInput } from "../../core/types.ts";
import type { Overlap } from "./actions/overlap.ts";
import { parseWait, parseWaits, sumOf, waitsText, waitText } from "./form-waits.ts";

/** The mask that stands for a stored value; sent back, it keeps it. */
export const mask = "••••";

export interface HeaderRow {
  readonly key: number;
  readonly name: string;
  /** Null keeps the stored value. */
  readonly value: string | null;
  /** The name under which a value is stored; "" for a new row. */
  readonly stored: string;
}

export type SecretChoice = "keep" | "generate" | "own" | "none";

export interface Draft {
  readonly enabled: boolean;
  readonly url: string;
  readonly description: string;
  readonly method: "POST" | "PUT";
  readonly timeout: string;
  /** All, now and later: what is in `events` is kept for a change of mind. */
  readonly all: boolean;
  readonly events: readonly string[];
  readonly headers: readonly HeaderRow[];
  readonly profile: string;
  /** Null or "": what the profile says. */
  readonly includeMessages: boolean | null;
  readonly standardHeaders: boolean | null;
  readonly format: string;
  readonly policy: string;
  /** Null: the policy's. */
  readonly schedule: string | null;
  readonly window: string | null;
  readonly rate: string;
  readonly concurrency: string;
  readonly secret: SecretChoice;
  readonly ownSecret: string;
  readonly overlap: Overlap;
}

export function blankDraft(profile: string, secret: SecretChoice): Draft {
  return {
    enabled: true, url: "", description: "", method: "POST", timeout: "30", all: false, events: [], headers: [], profile,
    includeMessages: null, standardHeaders: null, format: "", policy: "", schedule: null, window: null, rate: "", concurrency: "",
    secret, ownSecret: "", overlap: "86400",
  };
}

/** What a profile stands for; undefined for one that is no longer configured. */
export function defaultsOf(profiles: Profiles, profile: string): { format: string; policy: string; includeMessages: boolean; standardHeaders: boolean } | undefined {
  const found = profiles.profiles.find((p) => p.name === profile);
  if (found === undefined) return undefined;
  return { format: found.format, policy: found.retry_policy, includeMessages: found.include_messages, standardHeaders: found.standard_headers ?? true };
}

/** The schedule that a draft asks for; the policy's where it says nothing, or nothing valid. */
export function effectiveRetry(draft: Draft, profiles: Profiles): Retry {
  const policy = draft.policy !== "" ? draft.policy : (defaultsOf(profiles, draft.profile)?.policy ?? "");
  const found = profiles.retry_policies.find((p) => p.name === policy);
  const waits = draft.schedule === null ? null : parseWaits(draft.schedule);
  const window = draft.window === null ? null : parseWait(draft.window);
  return {
    policy,
    schedule_seconds: Array.isArray(waits) ? waits : (found?.schedule_seconds ?? []),
    window_seconds: typeof window === "number" ? window : (found?.window_seconds ?? 86_400),
  };
}

/** A webhook as it is stored, as a draft: what is as its profile says is left to it. */
export function draftOf(e: Endpoint, profiles: Profiles): Draft {
  const preset = defaultsOf(profiles, e.profile);
  const policy = profiles.retry_policies.find((p) => p.name === e.retry.policy);
  const same = policy !== undefined && policy.schedule_seconds.join() === e.retry.schedule_seconds.join();
  const all = e.events.length === 1 && e.events[0] === "*";
  return {
    enabled: e.enabled, url: e.url, description: e.description, method: e.method, timeout: String(e.timeout_seconds),
    all, events: all ? [] : e.events, headers: e.headers.map((h, key) => ({ key, name: h.name, value: null, stored: h.name })),
    profile: e.profile,
    includeMessages: preset?.includeMessages === e.include_messages ? null : e.include_messages,
    standardHeaders: preset?.standardHeaders === e.standard_headers ? null : e.standard_headers,
    format: preset?.format === e.format ? "" : e.format,
    policy: preset?.policy === e.retry.policy ? "" : e.retry.policy,
    schedule: same ? null : waitsText(e.retry.schedule_seconds),
    window: policy?.window_seconds === e.retry.window_seconds ? null : waitText(e.retry.window_seconds),
    rate: e.rate_limit_per_second === null ? "" : String(e.rate_limit_per_second),
    concurrency: e.concurrency === null ? "" : String(e.concurrency),
    secret: "keep", ownSecret: "", overlap: "86400",
  };
}

/** Another profile brings everything along that it stands for. */
export function withProfile(draft: Draft, profile: string): Draft {
  return { ...draft, profile, format: "", policy: "", includeMessages: null, standardHeaders: null };
}

/** Rows that somebody added and left empty are not sent. */
const sentHeaders = (draft: Draft): readonly HeaderRow[] => draft.headers.filter((h) => h.name !== "" || (h.value !== null && h.value !== ""));

const wordsOf = (draft: Draft): unknown => {
  const { headers: _, secret, ownSecret, overlap, ...rest } = draft;
  const waits = secret === "generate" || secret === "own";
  return [rest, sentHeaders(draft).map((h) => [h.name, h.value]), secret, secret === "own" ? ownSecret : "", waits ? overlap : ""];
};

export const isChanged = (from: Draft, to: Draft): boolean => JSON.stringify(wordsOf(from)) !== JSON.stringify(wordsOf(to));

/** What is stored now, with what was typed since the draft that was sent. */
export function withTyped(stored: Draft, sent: Draft, now: Draft): Draft {
  const typed = Object.entries(now).filter(([part, value]) => value !== sent[part as keyof Draft]);
  return { ...stored, ...Object.fromEntries(typed) };
}

/** What the API is told: everything of a new webhook, or what was changed. `from` null: a new one. */
export function inputOf(from: Draft | null, to: Draft, signed: boolean): EndpointInput {
  const input: { -readonly [K in keyof EndpointInput]: EndpointInput[K] } = {};
  const differs = (part: (d: Draft) => unknown): boolean => from === null || JSON.stringify(part(from)) !== JSON.stringify(part(to));
  if (differs((d) => d.url.trim()) && to.url.trim() !== "") input.url = to.url.trim();
  if (differs((d) => d.description)) input.description = to.description;
  if (differs((d) => d.enabled)) input.enabled = to.enabled;
  if (differs((d) => [d.all, d.all ? [] : d.events])) input.events = to.all ? ["*"] : to.events;
  if (differs((d) => d.method)) input.method = to.method;
  const timeout = wholeNumber(to.timeout);
  if (differs((d) => d.timeout) && timeout !== null) input.timeout_seconds = timeout;
  if (differs((d) => sentHeaders(d).map((h) => [h.name, h.value]))) input.headers = sentHeaders(to).map((h) => ({ name: h.name.trim(), value: h.value ?? mask }));
  profileInput(input, from, to, differs);
  if (differs((d) => d.rate)) input.rate_limit_per_second = to.rate.trim() === "" ? null : (anyNumber(to.rate) ?? undefined);
  if (differs((d) => d.concurrency)) input.concurrency = to.concurrency.trim() === "" ? null : (wholeNumber(to.concurrency) ?? undefined);
  if (to.secret === "none" && signed) input.secret = null;
  if (to.secret === "generate" && !signed) input.generate_secret = true;
  if (to.secret === "own" && !signed) input.secret = to.ownSecret;
  return input;
}

type Mutable = { -readonly [K in keyof EndpointInput]: EndpointInput[K] };

/** A new profile fills the rest by itself; an override that was taken back is null. */
function profileInput(input: Mutable, from: Draft | null, to: Draft, differs: (part: (d: Draft) => unknown) => boolean): void {
  const filled = from === null || from.profile !== to.profile;
  if (filled) input.profile = to.profile;
  const tell = <T>(part: (d: Draft) => T, none: T): T | null | undefined => {
    const value = part(to);
    if (filled) return value === none ? undefined : value;
    if (!differs(part)) return undefined;
    return value === none ? null : value;
  };
  const set = <K extends keyof Mutable>(name: K, value: Mutable[K] | undefined): void => {
    if (value !== undefined) input[name] = value;
  };
  set("format", tell((d) => d.format, ""));
  set("include_messages", tell((d) => d.includeMessages, null));
  set("standard_headers", tell((d) => d.standardHeaders, null));
  const policy = tell((d) => d.policy, "");
  const retry: { policy?: string | null; schedule_seconds?: readonly number[] | null; window_seconds?: number | null } = {};
  if (policy !== undefined) retry.policy = policy;
  if (from === null ? to.schedule !== null : differs((d) => d.schedule)) {
    const waits = to.schedule === null ? null : parseWaits(to.schedule);
    if (typeof waits !== "string") retry.schedule_seconds = waits;
  }
  if (from === null ? to.window !== null : differs((d) => d.window)) {
    const window = to.window === null ? null : parseWait(to.window);
    if (typeof window !== "string") retry.window_seconds = window;
  }
  if (Object.keys(retry).length > 0) input.retry = retry;
}

/** The call that changes a secret which is there; null when it stays. */
export function rotationOf(draft: Draft, signed: boolean): RotateInput | null {
  if (!signed || (draft.secret !== "generate" && draft.secret !== "own")) return null;
  const overlap_seconds = Number(draft.overlap);
  return draft.secret === "own" ? { overlap_seconds, secret: draft.ownSecret } : { overlap_seconds };
}

/** What the preview is asked: the draft with an invented secret in place of a typed one. */
export function previewInputOf(from: Draft | null, to: Draft, signed: boolean): EndpointInput {
  const { secret, ...input } = inputOf(from, to, signed);
  if (secret === null) return { ...input, secret };
  return secret === undefined ? input : { ...input, generate_secret: true };
}

function wholeNumber(text: string): number | null {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : null;
}

function anyNumber(text: string): number | null {
  const plain = text.trim().replace(",", ".");
  return /^\d{1,9}(\.\d{1,6})?$/.test(plain) ? Number(plain) : null;
}

/** Messages by the names of fields; a header's is `headers.<key>.name`. */
export type FieldErrors = Readonly<Record<string, string>>;

/** What can be said without asking the server. */
export function check(draft: Draft): FieldErrors {
  const errors: Record<string, string> = {};
  if (draft.url.trim() === "") errors["url"] = "Enter the URL that should get the events.";
  const timeout = wholeNumber(draft.timeout);
  if (timeout === null || timeout < 1 || timeout > 120) errors["timeout_seconds"] = "Enter a whole number of seconds from 1 to 120.";
  const rate = anyNumber(draft.rate);
  if (draft.rate.trim() !== "" && (rate === null || rate <= 0 || rate > 10_000)) errors["rate_limit_per_second"] = "Enter a number above 0 and up to 10,000, or leave it empty.";
  const concurrency = wholeNumber(draft.concurrency);
  if (draft.concurrency.trim() !== "" && (concurrency === null || concurrency < 1 || concurrency > 1_000)) errors["concurrency"] = "Enter a whole number from 1 to 1,000, or leave it empty.";
  if (draft.description.length > 500) errors["description"] = "Use at most 500 characters.";
  const length = [...draft.ownSecret].length;
  if (draft.secret === "own" && (length < 8 || length > 256)) errors["secret"] = "A secret has 8 to 256 characters.";
  for (const h of sentHeaders(draft)) if (h.name === "") errors[`headers.${h.key}.name`] = "Enter the name of this header, or remove it.";
  checkRetry(draft, errors);
  return errors;
}

function checkRetry(draft: Draft, errors: Record<string, string>): void {
  if (draft.schedule !== null) {
    const waits = parseWaits(draft.schedule);
    if (typeof waits === "string") errors["retry.schedule_seconds"] = waits;
    else if (waits.length > 50) errors["retry.schedule_seconds"] = "Use at most 50 waits.";
    else if (waits.some((w) => w > 86_400)) errors["retry.schedule_seconds"] = "No wait may be longer than a day.";
  }
  if (draft.window === null) return;
  const window = parseWait(draft.window);
  if (typeof window === "string") errors["retry.window_seconds"] = window;
  else if (window > 604_800) errors["retry.window_seconds"] = "Use at most 7 days.";
}

/** Puts the server's errors to their fields. What belongs to no field of the form is in `rest`. */
export function placeErrors(problems: readonly FieldProblem[], draft: Draft): { readonly fields: FieldErrors; readonly rest: readonly string[] } {
  const fields: Record<string, string> = {};
  const rest: string[] = [];
  const sent = sentHeaders(draft);
  for (const p of problems) {
    const at = fieldOf(p.location, sent);
    if (at === null) rest.push(`${p.location.replace(/^body\.(endpoint\.)?/, "")}: ${p.message}`);
    else fields[at] ??= sentence(p.message);
  }
  return { fields, rest };
}

/** The errors of a preview, without those of what somebody has only begun to type. */
export function liveErrors(problems: readonly FieldProblem[], draft: Draft): FieldErrors {
  const { fields } = placeErrors(problems, draft);
  const url = draft.url.trim().toLowerCase();
  const begun = "https://".startsWith(url) || "http://".startsWith(url);
  const nameless = draft.headers.filter((h) => h.name === "").map((h) => `headers.${h.key}.name`);
  return Object.fromEntries(Object.entries(fields).filter(([at]) => !(at === "url" && begun) && !nameless.includes(at)));
}

const known: ReadonlySet<string> = new Set([
  "url", "description", "events", "timeout_seconds", "headers", "profile", "format", "secret", "standard_headers", "include_messages",
  "rate_limit_per_second", "concurrency", "retry.policy", "retry.schedule_seconds", "retry.window_seconds",
]);

function fieldOf(location: string, sent: readonly HeaderRow[]): string | null {
  const at = location.replace(/^body\.(endpoint\.)?/, "");
  const header = /^headers\[(\d+)\]\.(name|value)$/.exec(at);
  if (header !== null) {
    const row = sent[Number(header[1])];
    return row === undefined ? "headers" : `headers.${row.key}.${header[2]}`;
  }
  const plain = at.replace(/\[\d+\]$/, "").replace(/^generate_secret$/, "secret").replace(/^overlap_seconds$/, "secret");
  return known.has(plain) ? plain : null;
}

/** "must be 1 to 120" follows the name of its field; here it stands alone. */
function sentence(text: string): string {
  const words = /^(is|are|must|has|needs|cannot|may)\b/.test(text) ? `This ${text}` : text;
  const first = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

/** When each attempt is made, in seconds after the first; those beyond the window are not. */
export function attemptTimes(retry: Retry): { readonly times: readonly number[]; readonly beyond: number } {
  const all = retry.schedule_seconds.map((_, i) => sumOf(retry.schedule_seconds.slice(0, i + 1)));
  const times = [0, ...all.filter((t) => t <= retry.window_seconds)];
  return { times, beyond: all.length + 1 - times.length };
}
