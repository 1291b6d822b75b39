/**
 * Pages are addressed by the fragment: `#/webhooks?state=failing`. Path and
 * query are signals; every list state lives in the query, so that it survives
 * a reload and can be sent to somebody.
 */
import { computed, signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import type { Query } from "./api.ts";
import { buildHash, parseHash } from "./route.ts";

export type { Params } from "./route.ts";
export { matchPattern } from "./route.ts";

const current = signal(parseHash(window.location.hash));

/** The decoded path, such as "/webhooks/ep_1". */
export const pathname = computed(() => current.value.path);
export const query = computed(() => current.value.query);

/** The href of a page. */
export function link(path: string, params: Query = {}): string {
  return buildHash(path, params);
}

/** One value of the query, or "". Read it while rendering: it is a signal. */
export function param(name: string): string {
  return query.value.get(name) ?? "";
}

/** Goes to a page. `replace` leaves no entry in the history. */
export function go(href: string, options: { replace?: boolean } = {}): void {
  const hash = href.startsWith("#") ? href : `#${href}`;
  if (hash === window.location.hash) return;
  if (!options.replace) {
    window.location.hash = hash;
    return;
  }
  window.history.replaceState({ at: position }, "", hash);
  current.value = parseHash(hash);
}

/**
 * Changes some values of the query and keeps the rest; null and "" remove one.
 * A changed filter starts the list anew: name "cursor" yourself to keep it.
 */
export function setQuery(change: Query, options: { replace?: boolean } = { replace: true }): void {
  const next: Record<string, Query[string]> = { ...Object.fromEntries(query.peek()), cursor: null, ...change };
  go(buildHash(current.peek().path, next), options);
}

// Leaving with unsaved changes.

interface Guard {
  readonly path: string;
  readonly ask: (leave: () => void) => void;
  readonly unload: (event: BeforeUnloadEvent) => void;
}

let guard: Guard | null = null;
/** Where the present entry stands in the history of this page. */
let position = 0;
/** The next change of address is our own and changes nothing. */
let settling = false;

/**
 * While `dirty`, leaving this path calls `ask`, which shows a dialog and calls
 * the function it is given if the reader wants to leave. Closing the tab asks
 * in the browser's own words. What is shown as saved is not asked about.
 */
export function useLeaveGuard(dirty: boolean, ask: (leave: () => void) => void): void {
  useLayoutEffect(() => {
    if (!dirty) return;
    const mine: Guard = { path: current.peek().path, ask, unload: (event) => event.preventDefault() };
    guard = mine;
    window.addEventListener("beforeunload", mine.unload);
    return () => release(mine);
  }, [dirty, ask]);
}

/** Lets the next navigation pass: call it right before leaving after a save. */
export function releaseGuard(): void {
  if (guard !== null) release(guard);
}

function release(one: Guard): void {
  if (guard === one) guard = null;
  window.removeEventListener("beforeunload", one.unload);
}

function moved(): void {
  const next = parseHash(window.location.hash);
  const state: unknown = window.history.state;
  let at = position + 1; // a followed link: its entry is new
  if (typeof state === "object" && state !== null && "at" in state && typeof state.at === "number") at = state.at;
  else window.history.replaceState({ at }, "");
  if (settling) {
    settling = false;
    position = at;
    return;
  }
  const distance = at - position;
  if (guard !== null && next.path !== guard.path && distance !== 0) {
    const { ask } = guard;
    settling = true;
    window.history.go(-distance);
    ask(() => {
      releaseGuard();
      window.history.go(distance);
    });
    return;
  }
  position = at;
  current.value = next;
}

/** Follows the address; called once, by the shell. */
export function startRouter(): void {
  window.history.replaceState({ at: position }, "");
  window.addEventListener("hashchange", moved);
  current.value = parseHash(window.location.hash);
}
