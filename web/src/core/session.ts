/**
 * Who is signed in, and what they may do. A link carries a one-time key in its
 * fragment; it is exchanged for a token, which is kept in memory when the
 * portal is framed, and for the tab otherwise. API keys are never stored:
 * browsers write what a tab keeps to the disk, and a key does not end.
 */
import { computed, signal } from "@preact/signals";
import { ApiError, auth, messageOf } from "./api.ts";
import { showAccent } from "./brand.ts";
import { sessions } from "./client.ts";
import { serverNow } from "./clock.ts";
import { host } from "./host.ts";
import { keyOf } from "./route.ts";
import { showTheme, store, stored, theme } from "./preference.ts";
import type { Branding, Scope, Session } from "./types-server.ts";

export type Shell = "console" | "portal";

export type SessionState =
  | { readonly kind: "starting" }
  | { readonly kind: "active"; readonly session: Session }
  | { readonly kind: "out"; readonly why: "no_link" | "link_used" | "ended" | "signed_out" | "failed"; readonly detail?: string };

export const sessionState = signal<SessionState>({ kind: "starting" });
export const session = computed(() => (sessionState.value.kind === "active" ? sessionState.value.session : null));

/** A link was opened that would sign in as somebody else: the reader decides. */
export const offered = signal<Session | null>(null);

let shell: Shell = "console";
const storageName = (): string => `waybell.token.${shell}`;
const framed = window.parent !== window;

/** Tells whether the session may do what a scope stands for; read while rendering. */
export function can(scope: Scope): boolean {
  const now = session.value;
  return now !== null && allows(now, scope);
}

function allows(now: Session, scope: Scope): boolean {
  return now.scopes.some((has) => {
    if (has === scope || has === "admin") return true;
    if (has.endsWith(":write") && scope === has.replace(":write", ":read") && scope !== "secrets:read") return true;
    // Keys may manage secrets with endpoints:write; sessions need the scope itself.
    return scope === "secrets:write" && has === "endpoints:write" && now.kind === "key";
  });
}

/** Starts with the token of this tab and the link's key: a session that lives is not replaced unseen. */
export async function startSession(which: Shell): Promise<void> {
  shell = which;
  auth.refused = refused;
  if (which === "portal") host.onSession = (key) => void exchange(key);
  // A link that is opened in a tab which has this page changes the fragment alone.
  window.addEventListener("hashchange", (event) => {
    // Who is signed in stays on the page that they had.
    const pasted = takeKey(session.peek() === null ? undefined : new URL(event.oldURL).hash);
    if (pasted !== null) void exchange(pasted);
  });
  const key = takeKey();
  const token = framed ? null : stored("sessionStorage", storageName());
  if (token !== null) await adopt(token, { quietly: true });
  if (key !== null) {
    if (session.peek() === null) sessionState.value = { kind: "starting" };
    return exchange(key);
  }
  if (token !== null) return;
  if (framed && host.known) host.post({ type: "refresh-needed" });
  sessionState.value = { kind: "out", why: "no_link" };
}

/** The key of a link; it is removed from the address, and so from the history. */
function takeKey(instead = "#/"): string | null {
  const key = keyOf(window.location.hash);
  if (key !== null) window.history.replaceState(null, "", `${window.location.pathname}${window.location.search}${instead}`);
  return key;
}

/**
 * Whether a session may take the place of the one that is there without a
 * question. Anybody can send a link: it must not sign people in to another
 * agent unseen, whose owner reads what they then set up. A host's are trusted.
 */
function replaces(next: Session): boolean {
  const now = session.peek();
  return framed || now === null || (now.kind === next.kind && now.agent_id === next.agent_id);
}

/** Takes the session that a link offered. */
export function acceptOffer(): void {
  const next = offered.peek();
  offered.value = null;
  if (next?.token !== undefined) keep(next.token, next);
}

/** Leaves everything as it is, and ends the session that nobody wanted. */
export function declineOffer(): void {
  const { token } = offered.peek() ?? {};
  offered.value = null;
  if (token !== undefined) sessions.end(token).catch(() => undefined); // it ends by itself
}

async function exchange(key: string): Promise<void> {
  try {
    const next = await sessions.exchange(key);
    if (next.token === undefined) throw new Error("The server gave no token.");
    declineOffer(); // an earlier one
    if (replaces(next)) keep(next.token, next);
    else offered.value = next;
  } catch (error) {
    // A key that cannot be used does not end a session that works.
    if (session.peek() !== null) return settle(false);
    const used = error instanceof ApiError && error.status === 401;
    sessionState.value = used ? { kind: "out", why: "link_used" } : { kind: "out", why: "failed", detail: messageOf(error) };
  }
}

/** Signs in with a token or an API key that somebody has; the error is for the form. */
export async function signIn(token: string): Promise<void> {
  auth.token = token;
  try {
    const who = await sessions.current();
    const next = who.kind === "key" && allows(who, "admin") ? await ownSession() : null;
    keep(next?.token ?? token, next ?? who);
  } catch (error) {
    auth.token = null;
    if (error instanceof ApiError && error.status === 401) {
      throw new ApiError(401, error.code, "This key is not valid. Check that all of it was copied, and that it was not revoked");
    }
    throw error;
  }
}

/** A session in place of an API key; null when there are too many of them. */
async function ownSession(): Promise<Session | null> {
  try {
    const { url } = await sessions.createConsole();
    return await sessions.exchange(keyOf(new URL(url).hash) ?? "");
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return null;
    throw error;
  }
}

async function adopt(token: string, { quietly }: { quietly: boolean }): Promise<void> {
  try {
    await signIn(token);
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 401;
    if (gone) store("sessionStorage", storageName(), null);
    if (gone || !quietly) sessionState.value = { kind: "out", why: "ended" };
    else sessionState.value = { kind: "out", why: "failed", detail: messageOf(error) };
  }
}

function keep(token: string, next: Session): void {
  auth.token = token;
  if (!framed) store("sessionStorage", storageName(), next.kind === "key" ? null : token);
  sessionState.value = { kind: "active", session: next };
  showTheme(framed ? next.theme : theme.peek());
  showAccent(next.branding.accent);
  if (framed) host.post({ type: "ready" });
  schedule(next);
  settle(true);
}

/** Shows a changed name, colour and logo at once. */
export function showBranding(branding: Branding): void {
  const now = session.peek();
  if (now === null) return;
  sessionState.value = { kind: "active", session: { ...now, branding } };
  showAccent(branding.accent);
}

let timer: ReturnType<typeof setTimeout> | undefined;

/** A host is asked no sooner than this for another link: each counts against the agent's limit. */
const soonest = 10_000;

/**
 * Asks the host for a new link a minute before the token ends. Of one that
 * should have ended already, though it was just given, only a call can tell.
 */
function schedule(next: Session): void {
  clearTimeout(timer);
  if (next.expires_at === null) return;
  const left = Date.parse(next.expires_at) - serverNow();
  if (left <= 0) return;
  const longest = 2 ** 31 - 1;
  if (framed && host.known) timer = setTimeout(() => void renew(), Math.min(longest, Math.max(left - 60_000, left / 2, soonest)));
  else timer = setTimeout(() => end("ended"), Math.min(longest, left));
}

let waiting: Promise<boolean> | null = null;
let settle: (renewed: boolean) => void = () => undefined;

/** Asks the host for a new session; true when there is one. All callers share one question. */
function renew(): Promise<boolean> {
  waiting ??= new Promise<boolean>((resolve) => {
    const late = setTimeout(() => settle(false), 15_000);
    settle = (renewed) => {
      clearTimeout(late);
      waiting = null;
      settle = () => undefined;
      resolve(renewed);
    };
    host.post({ type: "refresh-needed" });
  });
  return waiting;
}

/** A call was answered 401: the session ended, was revoked, or is renewed. */
async function refused(): Promise<boolean> {
  if (session.peek() === null) return false;
  if (framed && host.known && (await renew())) return true;
  end("ended");
  return false;
}

function end(why: "ended" | "signed_out"): void {
  clearTimeout(timer);
  declineOffer();
  auth.token = null;
  store("sessionStorage", storageName(), null);
  sessionState.value = { kind: "out", why };
}

/** Ends the session here and on the server. A pasted API key is only forgotten. */
export async function signOut(): Promise<void> {
  const was = session.peek();
  try {
    if (was !== null && was.kind !== "key") await sessions.end();
  } catch {
    // It ends by itself; this page forgets the token either way.
  }
  end("signed_out");
}
