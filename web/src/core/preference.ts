/** What a reader chose, kept where the browser allows it. */
import { effect, type Signal, signal } from "@preact/signals";
import type { Theme } from "./types-server.ts";

/** Storage throws in a frame whose browser closes it to third parties. */
export function stored(area: "localStorage" | "sessionStorage", name: string): string | null {
  try {
    return window[area].getItem(name);
  } catch {
    return null;
  }
}

export function store(area: "localStorage" | "sessionStorage", name: string, value: string | null): void {
  try {
    if (value === null) window[area].removeItem(name);
    else window[area].setItem(name, value);
  } catch {
    // Kept for this page only.
  }
}

/** A signal that is remembered. */
export function preference<T extends string>(name: string, first: T, allowed: readonly T[]): Signal<T> {
  const text = stored("localStorage", `waybell.${name}`);
  const kept = signal<T>(allowed.find((v) => v === text) ?? first);
  let started = false;
  effect(() => {
    const value = kept.value;
    if (started) store("localStorage", `waybell.${name}`, value);
    started = true;
  });
  return kept;
}

export const themes: readonly Theme[] = ["auto", "light", "dark"];
/** The reader's choice; a portal in a frame follows its host instead. */
export const theme = preference<Theme>("theme", "auto", themes);

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
/** Changes whenever the colours may have: for what is drawn by hand. */
export const look = signal("");

prefersDark.addEventListener("change", () => {
  look.value = `${document.documentElement.dataset["theme"] ?? "auto"} ${prefersDark.matches}`;
});

/** Puts the theme on the document; style/tokens.css does the rest. */
export function showTheme(value: Theme): void {
  look.value = `${value} ${prefersDark.matches}`;
  if (value === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
}
