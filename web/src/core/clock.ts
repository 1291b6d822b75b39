import { signal } from "@preact/signals";

/** The time, for relative times: read while rendering, it moves every 10 s. */
export const now = signal(Date.now());

/** The same, every second, for countdowns of less than two minutes. */
export const second = signal(Date.now());

export function startClock(): void {
  setInterval(() => {
    if (document.visibilityState === "hidden") return;
    second.value = Date.now();
    if (second.value - now.peek() >= 10_000) now.value = second.value;
  }, 1_000);
}
